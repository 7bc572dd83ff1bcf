r"""Partial evaluation: the likelihood is evaluated for some rows of the posterior only.

If time or evaluations do not last for all rows, draw :math:`i` has a row with probability :math:`r_i` and is evaluated
with probability :math:`p_i \le r_i`. With the ratio :math:`\rho_i = L_i / L_{c,i}` of the likelihoods, and
:math:`\beta` its mean, a row has the weight :math:`\rho_i v_i / r_i` if it is evaluated and :math:`\beta v_i / r_i` if
it is not. In the latter case its weight lacks the factor :math:`g_i = \rho_i / \beta`. The evidence is estimated from
the evaluated draws by differences, as always, and lacks nothing.

The effect of the missing factors is measured on the evaluated draws. Each represents :math:`1 / p_i` draws, of whose
rows the share :math:`1 - p_i / r_i` is not evaluated. With :math:`a_i = (v_i / p_i)(1 - p_i / r_i) / \sum_j v_j` and
sums over the evaluated draws,

.. math:: \varepsilon = \frac{1}{1 + \sum_i a_i (g_i - 1)^2} , \qquad
    \delta_f = \sum_i a_i (g_i - 1) \, (f_i - \bar f) / \sigma_f

are the share of effective draws that remains, and the shift of the mean of any function f of the parameters from that
of the posterior, in its standard deviations. No :math:`\delta_f` is larger than :math:`\sqrt{1 / \varepsilon - 1}`.
Every parameter is examined, and its square, whose mean is the width of the marginal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ..importance import summarise
from .rows import ThinnedRows, ThinnedSummary, summarise_thinned

LEAST_EVALUATED = 200
"""Evaluated draws from which on the scatter of the likelihood ratio is known well enough: to a tenth if it is normal."""


def log_of_evaluated(log_weights: np.ndarray, thinned: ThinnedRows) -> np.ndarray:
    """Return log weights of the evaluated draws, over the probability of being evaluated, (N,); -inf for all others."""
    if thinned.unevaluated is None or thinned.log_row is None:
        return log_weights
    return np.where(thinned.kept, log_weights + thinned.log_row - thinned.log_keep, -np.inf)


@dataclass(frozen=True)
class Missing:
    """The factors that the weights of unevaluated rows lack, as estimated from the evaluated ones.

    Attributes
    ----------
    rows
        Indices of the evaluated draws, (K,).
    shares
        Share of the posterior, in rows that are not evaluated, that each of them represents: a, (K,).
    factors
        The factor g that the weights of such rows lack, (K,).
    log_ratio
        Logarithm of the mean ratio of the likelihoods; -inf where no evaluated draw has a weight.
    """

    rows: np.ndarray
    shares: np.ndarray
    factors: np.ndarray
    log_ratio: float

    @classmethod
    def of(cls, log_weights: np.ndarray, thinned: ThinnedRows) -> Missing:
        """Estimate the factors from log weights of all draws, (N,); those of draws that are not evaluated are ignored."""
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
        """Share of the effective draws that remains, from 0 to 1."""
        return 1.0 / (1.0 + self.scatter[0])

    def shift(self, values: np.ndarray, weights: np.ndarray, spread: bool = False) -> tuple[float, float]:
        """Return the shift of the mean of a parameter, in its standard deviations, and the standard error of the shift.

        Parameters
        ----------
        values
            Values of the parameter for all draws, (N,).
        weights
            Normalised weights of the rows, (N,).
        spread
            If true, return the relative change of the parameter's standard deviation in place of the shift of its mean.
        """
        mean = float(weights @ values)
        deviation = math.sqrt(max(float(weights @ (values - mean) ** 2), 0.0))
        if not deviation > 0:
            return 0.0, 0.0
        scaled = (values[self.rows] - mean) / deviation
        # A standard deviation changes by half of the relative change of its square.
        terms = self.shares * (self.factors - 1.0) * (0.5 * (scaled**2 - 1.0) if spread else scaled)
        return float(terms.sum()), float(np.sqrt(np.sum(terms**2)))


@dataclass(frozen=True)
class PartialSummary(ThinnedSummary):
    """Summary of weights of rows that are not all evaluated; see :func:`summarise_partly`.

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
    """Summarise weights as :func:`.rows.summarise_thinned` does, for rows that need not all be evaluated.

    Evidence, its error and the coarse efficiency are estimated from the evaluated draws. The number of effective draws
    is that of all rows, times the share that remains in spite of the missing factor.

    Parameters
    ----------
    log_weights
        Log weights of all draws, -inf for those without a row, (N,).
    thinned, parts
        As in that function.
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
