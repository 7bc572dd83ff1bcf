r"""Importance weights and their summary: evidence, effective sample size, tail, equal-weight draws.

Rows :math:`x_i` are drawn independently from a proposal :math:`q`, and :math:`w_i = \pi(x_i) L(x_i) / q(x_i)`. Then
:math:`\mathrm{E}[w] = Z`, so the mean weight over *all* rows, those of zero weight included, is an unbiased evidence,
and rows weighted by :math:`w` are distributed as the posterior. With :math:`\mathrm{ESS} = (\sum w)^2 / \sum w^2`
(Kish) and :math:`\epsilon = \mathrm{ESS} / N`, the relative variance of one weight is estimated by

.. math:: \overline{w^2} / \bar w^2 - 1 = 1 / \epsilon - 1,

hence that of the mean by :math:`(1 / \epsilon - 1) / N`. Expanding :math:`\ln \bar w` about :math:`\ln Z` to second
order (the delta method) gives, in nats,

.. math:: \sigma_{\ln Z} = \sqrt{(1 / \epsilon - 1) / N}, \qquad
          \mathrm{E}[\ln \bar w] - \ln Z \simeq -(1 / \epsilon - 1) / (2 N) = -\sigma_{\ln Z}^2 / 2.

If the rows come from the parts of a mixture, in numbers :math:`n_k` that were fixed beforehand, the mean is still unbiased and
scatters less. Only the variances :math:`s_k^2` within the parts count (of their rows, and one more of the mean weight):

.. math:: \sigma_{\ln Z}^2 = \frac{\sum_k n_k s_k^2}{(N \bar w)^2} .

Both are expansions in :math:`1 / \mathrm{ESS}`. With fewer than ``LEAST_EFFECTIVE`` effective draws they are not valid: a
single weight that dominates all others gives :math:`\sigma_{\ln Z} \to 1`, whatever :math:`Z` is. No error can be given
then: it is set to infinity.

All of this assumes that the weights have a variance. The shape :math:`\hat k` of a generalised Pareto distribution, fitted to
the largest weights, tells whether they have: moments of order :math:`1 / k` and above are infinite (Vehtari et al. 2024,
JMLR 25, 72). Nothing here sees a mode of the posterior that the proposal never drew.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import ConfigurationError, DataError

__all__ = [
    "WeightSummary",
    "draws_needed",
    "effective_sample_size",
    "equal_weight_rows",
    "kl_from_weights",
    "normalised_weights",
    "rejection_sample",
    "summarise",
]

ZERO_WEIGHT = -1e300
"""Log-weight below which a weight counts as zero: Bilby returns about -1.8e308 for a waveform that failed."""

MINIMUM_TAIL_DRAWS = 25
"""Least number of draws of non-zero weight for a Pareto fit, which needs five tail values, a fifth of the draws.

With fewer draws, k is infinite.
"""

LEAST_EFFECTIVE = 10.0
"""Effective draws below which no error of the log-evidence can be given.

The relative error of the mean weight is then about a third, and the next order of the expansion a tenth of that; fewer weights
tell nothing about the others.
"""

EQUAL_WEIGHT_K = -1.0
"""Pareto k of weights without a tail, which are equal except for rounding: the finite value of a bounded, uniform law."""

_NO_TAIL = 1e-6  # spread in log-weight, median to largest, that is rounding (float32 densities) and not a tail


@dataclasses.dataclass(frozen=True)
class WeightSummary:
    r"""Summary of a set of importance weights: the evidence, and the quality of the weights.

    Attributes
    ----------
    n_draws
        Number of rows drawn, including those of zero weight.
    n_finite
        Number of rows of non-zero weight.
    log_evidence, log_evidence_err, log_evidence_bias
        Logarithm of the mean weight, its standard error and its expected bias, in nats. Error and bias are infinite if they
        cannot be given: below ``LEAST_EFFECTIVE`` effective draws.
    effective_sample_size
        Kish's number of effective draws, :math:`(\sum w)^2 / \sum w^2`.
    efficiency
        Effective draws divided by ``n_draws``, from 0 to 1.
    pareto_k
        Shape of the upper tail of the weights; infinite if no tail can be fitted, as with too few rows of non-zero weight.
    largest_weight
        Largest weight as a fraction of the total weight, from 0 to 1.
    """

    n_draws: int
    n_finite: int
    log_evidence: float
    log_evidence_err: float
    effective_sample_size: float
    efficiency: float
    pareto_k: float
    largest_weight: float
    log_evidence_bias: float

    @property
    def n_weighed(self) -> int:
        """Number of draws that could have a weight: all of them, unless they were thinned."""
        return self.n_draws

    def to_dict(self) -> dict[str, float | int]:
        """Return all fields as plain ``int`` and ``float``; infinities, of failed runs only, as :mod:`json` writes them."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class KeptSummary(WeightSummary):
    """Summary of the weights of draws that were kept by chance; draws that were not kept have no weight for that reason only.

    Attributes
    ----------
    n_kept
        Number of draws that were kept.
    """

    n_kept: int = 0

    @property
    def n_weighed(self) -> int:
        """Number of draws that could have a weight."""
        return self.n_kept


def summarise(log_weights: ArrayLike, parts: ArrayLike | None = None) -> WeightSummary:
    """Return evidence, its error, and the diagnostics of a set of independent importance weights.

    Parameters
    ----------
    log_weights
        Natural logarithm of the unnormalised weights, shape (n,). Minus infinity, or any value below ``ZERO_WEIGHT``, is
        a draw of zero weight, which counts in the mean.
    parts
        Part of the proposal from which each row comes, whole numbers from 0, shape (n,), if the number of rows of each part
        was fixed beforehand.

    Returns
    -------
    WeightSummary
        If no row has weight: evidence minus infinity, its error and Pareto k infinite, no effective draws. If there are too few
        effective draws for an error, in particular a single one, the error is infinite, too.

    Raises
    ------
    DataError
        If ``log_weights`` is not a vector, is empty, or contains NaN or plus infinity.
    """
    log_w = _checked(log_weights)
    n = log_w.size
    n_finite = int(np.count_nonzero(log_w > -np.inf))
    if n_finite == 0:
        return WeightSummary(n, 0, -math.inf, math.inf, 0.0, 0.0, math.inf, 0.0, -math.inf)
    peak = float(log_w.max())
    w = np.exp(log_w - peak)
    total = float(w.sum())
    # Equal weights may exceed n by a rounding error, which would make the variance negative.
    ess = min(total**2 / float(np.square(w).sum()), float(n))
    variance = (n / ess - 1.0) / n
    if parts is not None:
        variance = variance_within(w, np.asarray(parts)) / total**2
    if ess < LEAST_EFFECTIVE:
        variance = math.inf
    return WeightSummary(
        n_draws=n,
        n_finite=n_finite,
        log_evidence=peak + math.log(total / n),
        log_evidence_err=math.sqrt(variance),
        effective_sample_size=ess,
        efficiency=ess / n,
        pareto_k=_pareto_k(log_w),
        largest_weight=1.0 / total,
        log_evidence_bias=0.0 - 0.5 * variance,
    )


def variance_within(w: NDArray[np.float64], parts: NDArray[np.intp]) -> float:
    """Return the variance of the sum of weights if the number of rows from each part is fixed."""
    # One row of the mean weight is added: a few rows without weight, or a single row, would seem not to scatter.
    rows = [np.append(w[parts == part], w.mean()) for part in np.unique(parts)]
    return float(sum((row.size - 1) * np.var(row, ddof=1) for row in rows))


def effective_sample_size(log_weights: ArrayLike) -> float:
    """Return Kish's number of effective draws; 0 if no row has weight.

    Raises
    ------
    DataError
        As :func:`summarise` does.
    """
    log_w = _checked(log_weights)
    peak = log_w.max()
    if peak == -np.inf:
        return 0.0
    w = np.exp(log_w - peak)
    return float(w.sum() ** 2 / np.square(w).sum())


def draws_needed(pilot: WeightSummary, n_effective: int, *, maximum: int, safety: float = 1.2) -> int:
    """Return the size of the new batch that should contain ``n_effective`` effective draws.

    A pilot batch is small and may miss rare large weights: its efficiency can be up to three times that of a large batch.
    It therefore only determines a size, once, beforehand; evidence, efficiency and verdict come from the whole new batch.
    (Stopping as soon as the effective number is reached would be biased: it stops before a large weight is drawn.)

    Parameters
    ----------
    pilot
        Summary of the pilot batch.
    n_effective
        Requested number of effective draws.
    maximum
        Largest number of draws. It limits the result in all cases, and is the result if the pilot found no weight.
    safety
        Factor on the number of draws, at least 1.

    Returns
    -------
    int
        Number of draws, at least ``n_effective`` if ``maximum`` allows it.

    Raises
    ------
    ConfigurationError
        If ``n_effective`` or ``maximum`` is below 1, or ``safety`` is below 1 or not finite.
    """
    if n_effective < 1 or maximum < 1:
        raise ConfigurationError(f"n_effective={n_effective} and maximum={maximum}: give at least 1 for both")
    if not 1.0 <= safety < math.inf:
        raise ConfigurationError(f"safety={safety}: give a finite number of at least 1")
    if pilot.efficiency <= 0.0:
        return int(maximum)
    return int(min(math.ceil(max(safety * n_effective / pilot.efficiency, n_effective)), maximum))


def normalised_weights(log_weights: ArrayLike) -> NDArray[np.float64]:
    """Return weights that sum to 1, shape (n,).

    Raises
    ------
    DataError
        As :func:`summarise` does, and if no row has weight.
    """
    log_w = _checked(log_weights)
    if log_w.max() == -np.inf:
        raise DataError(
            f"all {log_w.size} weights are zero and cannot be normalised: give at least one draw with weight"
        )
    w = np.exp(log_w - log_w.max())
    return w / w.sum()


CLIPPED_SCATTER = 0.2
"""Error that :func:`rejection_sample` may make, in units of the sampling scatter of what it returns."""

# Number of halvings of the range from 0 to 1 of the bound: its width is then below the rounding of a double, 2**-53.
_BISECTIONS = 60


def rejection_sample(
    log_weights: ArrayLike, rng: np.random.Generator, clipped_scatter: float = CLIPPED_SCATTER
) -> NDArray[np.intp]:
    r"""Return rows that are equal-weight draws of the posterior, without any row twice.

    Each row is kept with a probability of its weight over a bound, and always if the weight is larger. If the bound is the
    largest weight, the draw is exact, but often has very few rows. A smaller bound cuts a fraction of the total weight off
    the largest weights, which is the error in total variation. The bound is lowered as long as this fraction stays below
    ``clipped_scatter`` times :math:`1/\sqrt n`, the sampling scatter of the n rows kept. The weighted rows themselves are
    never clipped.

    Parameters
    ----------
    log_weights
        As in :func:`summarise`, shape (n,).
    rng
        Random generator.
    clipped_scatter
        Allowed error, see above; 0 for exact rejection against the largest weight.

    Returns
    -------
    numpy.ndarray
        Row indices in ascending order; empty if no row has weight.

    Raises
    ------
    DataError
        As :func:`summarise` does.
    ConfigurationError
        If ``clipped_scatter`` is not in [0, 1].
    """
    if not 0 <= clipped_scatter <= 1:
        raise ConfigurationError(f"clipped_scatter={clipped_scatter!r}: give a number from 0 to 1")
    log_w = _checked(log_weights)
    peak = log_w.max()
    if peak == -np.inf:
        return np.empty(0, dtype=np.intp)
    weights = np.exp(log_w - peak)
    # random() is below 1, so that the largest weight is always kept, and a zero weight never.
    return np.flatnonzero(rng.random(weights.size) < weights / _bound(weights, clipped_scatter))


def equal_weight_rows(log_weights: ArrayLike, most: int, rng: np.random.Generator) -> tuple[NDArray[np.intp], int]:
    """Return at most ``most`` rows of :func:`rejection_sample`, in ascending order, and how many there were."""
    rows = rejection_sample(log_weights, rng)
    if len(rows) <= most:
        return rows, len(rows)
    return np.sort(rng.choice(rows, size=most, replace=False)), len(rows)


def _bound(weights: NDArray[np.float64], clipped_scatter: float) -> float:
    """Return the smallest bound whose error stays within the allowed scatter; the largest weight has to be 1."""
    total = weights.sum()
    low, high = 0.0, 1.0
    # A lower bound cuts more off and keeps more rows, which scatter less: both change monotonically, and cross once.
    for _ in range(_BISECTIONS if clipped_scatter else 0):
        middle = 0.5 * (low + high)
        kept = np.minimum(weights / middle, 1.0).sum()
        cut = np.maximum(weights - middle, 0.0).sum() / total
        if cut * np.sqrt(kept) <= clipped_scatter:
            high = middle
        else:
            low = middle
    return high


def kl_from_weights(log_weights: ArrayLike) -> float:
    r"""Return the Kullback-Leibler divergence of the proposal from the posterior, in nats.

    It estimates :math:`\mathrm{KL}(p \| q) = \mathrm{E}_p[\ln p / q]` by :math:`\sum_i \bar w_i \ln(N \bar w_i)`, with
    weights :math:`\bar w` that sum to 1. The estimate lies between 0 and :math:`\ln N`. It is precise if the efficiency is
    good, too small otherwise, and does not see modes that were never drawn.

    Parameters
    ----------
    log_weights
        As in :func:`summarise`, shape (n,).

    Returns
    -------
    float
        The estimate; infinite if no row has weight.

    Raises
    ------
    DataError
        As :func:`summarise` does.
    """
    log_w = _checked(log_weights)
    if log_w.max() == -np.inf:
        return math.inf
    w = normalised_weights(log_w)
    w = w[w > 0.0]
    return max(float(np.sum(w * np.log(log_w.size * w))), 0.0)


def _checked(log_weights: ArrayLike) -> NDArray[np.float64]:
    """Return a float64 copy with zero weights as minus infinity; raise an error for values that are not log-weights."""
    log_w = np.array(log_weights, dtype=np.float64)
    if log_w.ndim != 1 or log_w.size == 0:
        raise DataError(f"log-weights of shape {log_w.shape}: give a vector of at least one row")
    n_nan, n_inf = int(np.isnan(log_w).sum()), int(np.isposinf(log_w).sum())
    if n_nan or n_inf:
        raise DataError(
            f"{n_nan} of {log_w.size} log-weights are NaN and {n_inf} are +inf: "
            "check the likelihood and the proposal density of those rows"
        )
    log_w[log_w < ZERO_WEIGHT] = -np.inf
    return log_w


def _pareto_k(log_w: NDArray[np.float64]) -> float:
    """Return the Pareto k of the non-zero weights; zero weights are in the other tail and do not change it."""
    log_w = log_w[log_w > -np.inf]
    if log_w.size < MINIMUM_TAIL_DRAWS:
        return math.inf
    if log_w.max() - np.median(log_w) < _NO_TAIL:
        return EQUAL_WEIGHT_K
    from arviz_stats.base import array_stats  # imports scipy.signal and scipy.optimize: half a second

    try:
        with np.errstate(divide="raise", invalid="raise", under="ignore"):
            # psislw takes log-likelihoods, whose negatives are the log-weights. (pareto_khat(log_weights=True) of
            # arviz-stats 0.8 fits the logarithms themselves.)
            k = float(array_stats.psislw(-log_w, r_eff=1.0)[1])
    except FloatingPointError:  # all but the largest few weights underflow: without this check the fit would give 0.05
        return math.inf
    except ValueError:  # "All tail values are the same": bounded weights
        return EQUAL_WEIGHT_K
    return k if math.isfinite(k) else math.inf
