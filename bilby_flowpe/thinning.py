r"""Thinning: draws weighed by a cheap likelihood, of which only some are weighed by the dear one.

Draw :math:`i` of :math:`N` has the weight :math:`v_i` by the coarse likelihood :math:`L_c`. It is kept with probability

.. math:: r_i = \min\left(1, \max(v_i / \tau, r_0)\right),

independently of the others. The user's likelihood :math:`L` is evaluated for those that are kept, whose weight is

.. math:: w_i = \frac{v_i}{r_i} \frac{L_i}{L_{c,i}} ;

the others have none. The mean of :math:`w_i` given the draw is its full weight :math:`v_i L_i / L_{c,i}`, so that the
weights are exact for any coarse likelihood (Horvitz and Thompson 1952; delayed acceptance, Christen and Fox 2005, is
the same for Markov chains). The evidence is better estimated by differences: with any number :math:`\beta` that does
not depend on who is kept,

.. math:: y_i = \beta v_i + \kappa_i \left(w_i - \beta v_i / r_i\right)

has the same mean (:math:`\kappa_i` is one for a draw that is kept, else zero), and scatters by little more than the
full weights where :math:`L / L_c` is nearly constant and :math:`\beta` its value. :math:`\beta` is the regression of
the weights on the coarse ones that makes the noise of the thinning least; that of either half of the draws comes from
the other half, which keeps the mean exact.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from .importance import LEAST_EFFECTIVE, WeightSummary, effective_sample_size, summarise, variance_within

FLOOR = 0.01
"""Least probability with which a draw is kept: :math:`r_0`.

A coarse likelihood may be wrong where it says that nothing is. Of 40000 draws, a region that holds one in 130 of them
has three kept by this floor on average, and is seen in 95 of 100 runs; the price is 400 evaluations at most, beside
some 5000.
"""

_FACTORS = (1.0, 1.15, 1.3, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0)  # draws, over the least number that would do, that are tried
_PRICE = 5.0  # coarse evaluations that one of the likelihood is worth: 12 to 16 ms against 2 to 4 for XPHM of 4 s
_SAFETY = 1.2  # on the effective draws wanted: weights of a last round flatter
_MARGIN = 3.0  # standard deviations of the number kept, for which a budget has room
_BISECTIONS = 60


@dataclass(frozen=True)
class Thinning:
    """Who is kept.

    Attributes
    ----------
    log_tau
        Log weight from which on every draw is kept; all are where it is minus infinity.
    floor
        Least probability of being kept.
    """

    log_tau: float = -math.inf
    floor: float = FLOOR

    def log_keep(self, log_coarse: np.ndarray) -> np.ndarray:
        """Log probability of being kept, for draws of these coarse log weights, (N,)."""
        if self.log_tau == -math.inf:
            return np.zeros(len(log_coarse))
        return np.clip(log_coarse - self.log_tau, math.log(self.floor), 0.0)


@dataclass(frozen=True)
class ThinnedRows:
    """What the thinning of N draws came to.

    Attributes
    ----------
    log_coarse
        Log weights by the coarse likelihood, -inf where there is none, (N,).
    log_keep
        Log probabilities with which the draws were kept, (N,).
    kept
        Which were kept, (N,) bool.
    n_inside
        Draws inside the prior.
    n_lost
        Estimated number of draws to which the coarse likelihood gives no weight, though the likelihood is not far from
        its best.
    n_nan
        Estimated number of draws inside the prior for which the likelihood is not a number.
    """

    log_coarse: np.ndarray
    log_keep: np.ndarray
    kept: np.ndarray
    n_inside: int
    n_lost: float = 0.0
    n_nan: float = 0.0

    @classmethod
    def joined(cls, blocks: Sequence[ThinnedRows]) -> ThinnedRows:
        """Several blocks of one batch."""

        def together(name: str) -> np.ndarray:
            return np.concatenate([getattr(block, name) for block in blocks])

        return cls(
            log_coarse=together("log_coarse"),
            log_keep=together("log_keep"),
            kept=together("kept"),
            n_inside=sum(block.n_inside for block in blocks),
            n_lost=sum(block.n_lost for block in blocks),
            n_nan=sum(block.n_nan for block in blocks),
        )

    @property
    def n_kept(self) -> int:
        """Draws kept."""
        return int(np.count_nonzero(self.kept))

    @property
    def log_kept(self) -> np.ndarray:
        """Logarithm of coarse weight over probability of the draws that were kept, (K,)."""
        return self.log_coarse[self.kept] - self.log_keep[self.kept]

    @property
    def lost(self) -> float:
        """Share of the draws inside the prior that the coarse likelihood loses, from 0 to 1."""
        return self.n_lost / max(self.n_inside, 1)

    @property
    def nan_share(self) -> float:
        """Share of the draws inside the prior for which the likelihood is not a number."""
        return self.n_nan / max(self.n_inside, 1)

    def coarse_efficiency(self, log_weights: np.ndarray) -> float:
        r"""Effective share of the kept draws, as draws by the coarse likelihood weighed by the dear one: from 0 to 1.

        That is :math:`(\sum u \rho)^2 / (\sum u \sum u \rho^2)` with :math:`u = v / r` and :math:`\rho = L / L_c`; one where
        the likelihoods differ by a constant factor, zero where no draw has a weight.

        Parameters
        ----------
        log_weights
            Log weights of all draws, (N,).
        """
        log_u, log_w = self.log_kept, log_weights[self.kept]
        alive = np.isfinite(log_w)
        if not alive.any():
            return 0.0
        # In logarithms: the likelihoods may be further apart than numbers reach.
        squares = logsumexp(2.0 * log_w[alive] - log_u[alive])
        return float(np.exp(2.0 * logsumexp(log_w[alive]) - logsumexp(log_u) - squares))


@dataclass(frozen=True)
class ThinnedSummary(WeightSummary):
    r"""What the weights of thinned draws say.

    ``efficiency`` is that of the proposal: the effective share of all draws by their coarse weights. The effective
    number, the tail and the largest weight are those of the weights of the draws kept, of which the posterior is made;
    evidence and error are from differences.

    Attributes
    ----------
    n_kept
        Draws for which the likelihood was evaluated.
    kept_efficiency
        Effective share of these, from 0 to 1.
    coarse_efficiency
        See :meth:`ThinnedRows.coarse_efficiency`.
    by_differences
        Whether the evidence is from differences: their mean is above zero. It is from the weights of the kept draws
        otherwise.
    """

    n_kept: int = 0
    kept_efficiency: float = 0.0
    coarse_efficiency: float = 0.0
    by_differences: bool = True

    @property
    def n_weighed(self) -> int:
        """Draws that could have a weight."""
        return self.n_kept


def summarise_thinned(log_weights: np.ndarray, thinned: ThinnedRows, parts: np.ndarray | None = None) -> ThinnedSummary:
    """Evidence by differences, its error, and the diagnostics of the draws that were kept.

    Parameters
    ----------
    log_weights
        Log weights of all draws, -inf for those not kept, (N,).
    thinned
        What the thinning came to.
    parts
        Which part of the proposal each draw is from, where their numbers were fixed beforehand, (N,).
    """
    of_kept = summarise(log_weights, parts)
    n, n_kept = of_kept.n_draws, thinned.n_kept
    log_evidence, variance = of_kept.log_evidence, of_kept.log_evidence_err**2
    differences, log_scale = difference_terms(log_weights, thinned)
    total = float(differences.sum())
    if by_differences := total > 0 and of_kept.n_finite > 0:
        log_evidence = log_scale + math.log(total / n)
        groups = np.zeros(n, dtype=int) if parts is None else np.asarray(parts)
        variance = variance_within(differences, groups) / total**2
        if of_kept.effective_sample_size < LEAST_EFFECTIVE:
            variance = math.inf
    return ThinnedSummary(
        n_draws=n,
        n_finite=of_kept.n_finite,
        log_evidence=log_evidence,
        log_evidence_err=math.sqrt(variance),
        effective_sample_size=of_kept.effective_sample_size,
        efficiency=effective_sample_size(thinned.log_coarse) / n,
        pareto_k=of_kept.pareto_k,
        largest_weight=of_kept.largest_weight,
        log_evidence_bias=0.0 - 0.5 * variance,
        n_kept=n_kept,
        kept_efficiency=of_kept.effective_sample_size / n_kept if n_kept else 0.0,
        coarse_efficiency=thinned.coarse_efficiency(log_weights),
        by_differences=by_differences,
    )


def difference_terms(log_weights: np.ndarray, thinned: ThinnedRows) -> tuple[np.ndarray, float]:
    """The terms whose mean is the evidence, (N,), which may be negative, and the logarithm of their unit."""
    finite = log_weights[np.isfinite(log_weights)]
    log_scale = float(finite.max()) if len(finite) else 0.0
    coarse = thinned.log_coarse
    # Each in its own unit: the likelihoods may be apart by more than numbers can hold.
    top = float(coarse.max(initial=-np.inf))
    v = np.exp(coarse - (top if math.isfinite(top) else 0.0))
    w, keep = np.exp(log_weights - log_scale), np.exp(thinned.log_keep)
    u = np.where(thinned.kept, v / keep, 0.0)
    beta = np.empty(len(w))
    for half in (0, 1):
        beta[half::2] = _regression(w[1 - half :: 2], u[1 - half :: 2], keep[1 - half :: 2])
    return beta * v + (w - beta * u), log_scale


def _regression(w: np.ndarray, u: np.ndarray, keep: np.ndarray) -> float:
    """The factor of coarse weights that leaves the least noise of the thinning; zero where there is none to be left."""
    noise = (1.0 - keep) * u
    square = float(noise @ u)
    return float(noise @ w) / square if square > 0 else 0.0


def expected_effective(log_coarse: np.ndarray, n_draws: float, thinning: Thinning) -> float:
    r"""Effective draws to be expected of a thinned batch: :math:`(\sum v)^2 / \sum (v^2 / r)`.

    Parameters
    ----------
    log_coarse
        Coarse log weights of draws of the same proposal, (M,).
    n_draws
        Size of the batch.
    thinning
        Who is to be kept.
    """
    alive = log_coarse[np.isfinite(log_coarse)]
    if not len(alive):
        return 0.0
    v = np.exp(alive - alive.max())
    return n_draws / len(log_coarse) * float(v.sum() ** 2 / np.sum(v**2 / np.exp(thinning.log_keep(alive))))


def expected_kept(log_coarse: np.ndarray, n_draws: float, thinning: Thinning) -> float:
    """Draws that will be kept of a batch of ``n_draws``, on average; parameters as in :func:`expected_effective`."""
    alive = log_coarse[np.isfinite(log_coarse)]
    return n_draws / len(log_coarse) * float(np.exp(thinning.log_keep(alive)).sum())


def choose_thinning(log_coarse: np.ndarray, n_draws: float, n_effective: float, floor: float = FLOOR) -> Thinning:
    """The thinning that keeps the fewest draws of which ``n_effective`` effective ones are to be expected.

    Where not even all draws are as many, all are kept.

    Parameters
    ----------
    log_coarse, n_draws
        As in :func:`expected_effective`.
    n_effective
        Effective draws wanted.
    floor
        Least probability of being kept.
    """
    everyone = Thinning(floor=floor)
    alive = log_coarse[np.isfinite(log_coarse)]
    if not len(alive) or expected_effective(log_coarse, n_draws, everyone) <= n_effective:
        return everyone
    # Between the threshold that keeps all and the one above which all are kept by the floor alone.
    low, high = float(alive.min()), float(alive.max()) - math.log(floor)
    if expected_effective(log_coarse, n_draws, Thinning(high, floor)) >= n_effective:
        return Thinning(high, floor)
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        enough = expected_effective(log_coarse, n_draws, Thinning(middle, floor)) >= n_effective
        low, high = (middle, high) if enough else (low, middle)
    return Thinning(low, floor)


@dataclass(frozen=True)
class Plan:
    """Size of a thinned batch.

    Attributes
    ----------
    n_draws
        Draws by the coarse likelihood.
    thinning
        Who is kept.
    n_kept
        Draws that will be kept, on average.
    short
        Whether a budget allows fewer than were wanted.
    """

    n_draws: int
    thinning: Thinning
    n_kept: float
    short: bool = False


def plan_batch(
    log_coarse: np.ndarray, n_effective: int, most: int, in_time: float = math.inf, each: int = 1, floor: float = FLOOR
) -> Plan:
    """The cheapest batch that should hold ``n_effective`` effective draws, as far as a budget allows it.

    The more draws are made, the fewer have to be kept. An evaluation of the likelihood is taken for five coarse ones,
    whatever the times measured: a run has the same draws on every machine.

    Parameters
    ----------
    log_coarse
        Coarse log weights of draws of the same proposal, (M,).
    n_effective
        Effective draws wanted.
    most
        Most evaluations, of both kinds together.
    in_time
        Draws by the coarse likelihood alone for which there is time.
    each
        Evaluations that a draw takes that is kept.
    floor
        Least probability of being kept.
    """
    share = effective_sample_size(log_coarse) / len(log_coarse) if len(log_coarse) else 0.0
    if share <= 0:
        affordable = int(max(min(most // (1 + each), in_time / (1 + _PRICE)), 1))
        return Plan(affordable, Thinning(floor=floor), affordable, short=True)
    wanted = _SAFETY * n_effective
    plans = []
    for factor in _FACTORS:
        size = factor * wanted / share
        thinning = choose_thinning(log_coarse, size, wanted, floor)
        plans.append((size, thinning, expected_kept(log_coarse, size, thinning)))
    size, thinning, kept = min(plans, key=lambda plan: plan[0] + _PRICE * plan[2])
    scale = min(1.0, _affordable(size + each * kept, each * _MARGIN * math.sqrt(kept), most))
    scale = min(scale, in_time / (size + _PRICE * kept))
    n_draws = math.ceil(size) if scale == 1.0 else max(int(size * scale), 1)
    return Plan(n_draws, thinning, kept * scale, scale < 1.0)


def _affordable(mean: float, spread: float, most: float) -> float:
    """The part of a batch whose cost, a mean and a spread that grows as the root of the part, is within ``most``."""
    root = (math.sqrt(spread**2 + 4.0 * mean * most) - spread) / (2.0 * mean)
    return root**2
