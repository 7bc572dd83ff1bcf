r"""Partial evaluation: rows of the posterior of which the likelihood is evaluated for some only.

Where time or evaluations do not last for all rows, draw :math:`i` has a row with probability :math:`r_i` and is evaluated with
probability :math:`p_i \le r_i`. With the ratio :math:`\rho_i = L_i / L_{c,i}` of the likelihoods, and :math:`\beta` its mean, a
row weighs :math:`\rho_i v_i / r_i` where it is evaluated and :math:`\beta v_i / r_i` where it is not: there its weight lacks
the factor :math:`g_i = \rho_i / \beta`. The evidence is that of the evaluated draws by differences, as ever, and lacks nothing.

What the lack does is measured by the evaluated draws, each of which stands for :math:`1 / p_i` draws, of which the share
:math:`1 - p_i / r_i` of rows is not evaluated. With :math:`a_i = (v_i / p_i)(1 - p_i / r_i) / \sum_j v_j` and sums over the
evaluated ones,

.. math:: \varepsilon = \frac{1}{1 + \sum_i a_i (g_i - 1)^2} , \qquad
    \delta_f = \sum_i a_i (g_i - 1) \, (f_i - \bar f) / \sigma_f

are the share of effective draws that is left, and how far the mean of any function f of the parameters lies from that of the
posterior, in its standard deviations. No :math:`\delta_f` is above :math:`\sqrt{1 / \varepsilon - 1}`. Looked at are every
parameter and its square, whose mean is the spread of the marginal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ..importance import summarise
from .rows import ThinnedRows, ThinnedSummary, summarise_thinned

LEAST_EVALUATED = 200
"""Evaluated draws from which on the scatter of the likelihoods' ratio is known well enough: to a tenth where it is normal."""


def log_of_evaluated(log_weights: np.ndarray, thinned: ThinnedRows) -> np.ndarray:
    """Log weights of the draws that are evaluated, over the probability of being so, (N,); -inf for all others."""
    if thinned.unevaluated is None or thinned.log_row is None:
        return log_weights
    return np.where(thinned.kept, log_weights + thinned.log_row - thinned.log_keep, -np.inf)


@dataclass(frozen=True)
class Missing:
    """What rows lack that are not evaluated, as far as the evaluated ones tell.

    Attributes
    ----------
    rows
        Numbers of the evaluated draws, (K,).
    shares
        What each of them stands for among the rows that are not evaluated, as a share of the posterior: a, (K,).
    factors
        The factor g that their weights would lack, (K,).
    log_ratio
        Logarithm of the mean ratio of the likelihoods; -inf where no evaluated draw has a weight.
    """

    rows: np.ndarray
    shares: np.ndarray
    factors: np.ndarray
    log_ratio: float

    @classmethod
    def of(cls, log_weights: np.ndarray, thinned: ThinnedRows) -> Missing:
        """Tell it from the log weights of all draws, (N,), of which those that are not evaluated do not matter."""
        if thinned.log_row is None:
            raise TypeError("rows that are thinned partly have their probabilities log_row: none were given")
        rows = np.flatnonzero(thinned.kept)
        coarse, row = thinned.log_coarse, thinned.log_row[rows]
        keep = thinned.log_keep[rows]
        unit = float(coarse.max(initial=-np.inf))
        shares = np.exp(coarse[rows] - unit - keep) * -np.expm1(keep - row)
        total = float(np.exp(coarse - unit).sum()) if math.isfinite(unit) else 1.0
        log_ratios = log_weights[rows] + row - coarse[rows]
        top = float(log_ratios.max(initial=-np.inf))
        ratios = np.exp(log_ratios - (top if math.isfinite(top) else 0.0))
        mean = float(shares @ ratios) / max(float(shares.sum()), 1e-300)
        if not mean > 0:
            return cls(rows, shares / total, np.zeros(len(rows)), -math.inf)
        return cls(rows, shares / total, ratios / mean, top + math.log(mean))

    @property
    def scatter(self) -> tuple[float, float]:
        """Variance that the factor adds to the weights of all rows, and its standard error."""
        terms = self.shares * (self.factors - 1.0) ** 2
        return float(terms.sum()), float(np.sqrt(np.sum(terms**2)))

    @property
    def efficiency(self) -> float:
        """Share of the effective draws that is left, from 0 to 1."""
        return 1.0 / (1.0 + self.scatter[0])

    def shift(self, values: np.ndarray, weights: np.ndarray, spread: bool = False) -> tuple[float, float]:
        """How far the mean of a parameter is off, in its standard deviations, and the standard error of that.

        Parameters
        ----------
        values
            Of all draws, (N,).
        weights
            Of the rows, normalised, (N,).
        spread
            Whether the standard deviation of the parameter is asked for, relative to itself, and not its mean.
        """
        mean = float(weights @ values)
        deviation = math.sqrt(max(float(weights @ (values - mean) ** 2), 0.0))
        if not deviation > 0:
            return 0.0, 0.0
        scaled = (values[self.rows] - mean) / deviation
        # A standard deviation changes by half of what its square does.
        terms = self.shares * (self.factors - 1.0) * (0.5 * (scaled**2 - 1.0) if spread else scaled)
        return float(terms.sum()), float(np.sqrt(np.sum(terms**2)))


@dataclass(frozen=True)
class PartialSummary(ThinnedSummary):
    """What the weights of rows say that are not all evaluated; see :func:`summarise_partly`.

    Attributes
    ----------
    n_rows
        Rows of the posterior, evaluated or not.
    """

    n_rows: int = 0

    @property
    def n_weighed(self) -> int:
        """Draws that could have a weight."""
        return self.n_rows


def summarise_partly(log_weights: np.ndarray, thinned: ThinnedRows, parts: np.ndarray | None = None) -> ThinnedSummary:
    """As :func:`.rows.summarise_thinned`, of rows that need not all be evaluated.

    Evidence, its error and the coarse efficiency are those of the evaluated draws; the number of effective draws is that of all
    rows, times the share that the missing factor leaves.

    Parameters
    ----------
    log_weights
        Log weights of all draws, -inf for those without a row, (N,).
    thinned, parts
        As there.
    """
    if thinned.unevaluated is None or thinned.log_row is None:
        return summarise_thinned(log_weights, thinned, parts)
    evaluated = replace(thinned, log_row=None, unevaluated=None)
    of_evaluated = summarise_thinned(log_of_evaluated(log_weights, thinned), evaluated, parts)
    of_rows, missing = summarise(log_weights), Missing.of(log_weights, thinned)
    effective = of_rows.effective_sample_size * missing.efficiency
    has_row = np.isfinite(log_weights)
    log_ratio = missing.log_ratio if math.isfinite(missing.log_ratio) else 0.0
    unthinned = np.where(has_row, log_weights + thinned.log_row, thinned.log_coarse + log_ratio)
    return PartialSummary(
        **vars(of_evaluated)
        | {
            "n_finite": of_rows.n_finite,
            "effective_sample_size": effective,
            "pareto_k": summarise(unthinned).pareto_k,
            "largest_weight": of_rows.largest_weight,
            "kept_efficiency": effective / of_rows.n_finite if of_rows.n_finite else 0.0,
            "n_rows": of_rows.n_finite,
        }
    )
