r"""Divergence of marginal posteriors, compared with the value that equal distributions give by chance.

**Marginals.** The Jensen-Shannon divergence of two sets of samples,

.. math:: \mathrm{JSD} = \tfrac12 \sum_b p_b \ln \frac{p_b}{m_b} + \tfrac12 \sum_b q_b \ln \frac{q_b}{m_b},
          \qquad m_b = \tfrac12 (p_b + q_b),

from the fractions :math:`p_b, q_b` of the samples in bins that are equally probable under the pooled samples
("equal-probability histogram"). The outermost bins are halved repeatedly towards either end; otherwise samples beyond a hard
edge of the prior would share a bin with those inside. Such bins follow the samples: there is no bandwidth, nothing is smeared
over an edge, and any monotonic transform of the parameter gives the same value. It lies between 0 and ln 2, in nats unless
another base is given (2 for bits, which are usual in gravitational-wave papers). Binning loses a little of the divergence, and
finite samples add about :math:`(K - 1)(1/n_p + 1/n_q)/8` for K bins. The value alone therefore means little: compare it
with the *floor*, the value of the same estimator for as many samples of one distribution.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import xlogy

from ..errors import ConfigurationError, DataError

JSD_ESTIMATOR = "equal-probability histogram"
"""Name of the estimator of all Jensen-Shannon divergences of this module, for tables and reports."""

# Number of times that either outermost bin is halved: the last one then has an eighth of a bin's samples, enough to
# show samples beyond an edge.
_EDGE_HALVINGS = 3


def jensen_shannon(
    samples_p: ArrayLike, samples_q: ArrayLike, *, base: float = math.e, n_bins: int | None = None
) -> float:
    """Return the Jensen-Shannon divergence of one parameter's samples, by equal-probability histogram.

    Parameters
    ----------
    samples_p, samples_q
        Equal-weight samples, shapes (n_p,) and (n_q,), at least two each, any unit.
    base
        Base of the logarithm: e for nats, 2 for bits.
    n_bins
        Number of bins, before those at the ends are halved; by default twice the cube root of the harmonic mean of the
        two numbers of samples.

    Returns
    -------
    float
        From 0 to the logarithm of 2 in that base; above zero by chance even for equal distributions.

    Raises
    ------
    DataError
        If samples are not finite, not one-dimensional, or fewer than two.
    ConfigurationError
        If ``base`` is not above 1 or ``n_bins`` not at least 2.
    """
    counts_p, counts_q = _bin_counts(_samples(samples_p), _samples(samples_q), n_bins)
    return float(_jsd(counts_p, counts_q, base))


def split_half_floor(
    samples: ArrayLike,
    n_repeats: int = 200,
    rng: np.random.Generator | None = None,
    *,
    base: float = math.e,
    n_bins: int | None = None,
) -> dict[str, float]:
    """Return divergences between random halves of one set of samples: values of the estimator without any difference.

    Halves have half the samples, so this is about twice the floor of a comparison between two sets of the full size, which
    :func:`compare_marginals` returns. Samples are taken as independent: the floor of a Markov chain that was not thinned is
    higher than random halves show.

    Parameters
    ----------
    samples
        Equal-weight samples, shape (n,), at least four.
    n_repeats
        Number of random splits.
    rng
        Random generator; by default a new one.
    base, n_bins
        As in :func:`jensen_shannon`.

    Returns
    -------
    dict
        ``median`` and ``percentile_90`` over the splits, in units of ``base``.

    Raises
    ------
    DataError
        As :func:`jensen_shannon` does, or if there are fewer than four samples.
    ConfigurationError
        As :func:`jensen_shannon` does, or if ``n_repeats`` is below 1.
    """
    values = _samples(samples, at_least=4)
    half = values.size // 2
    pooled = np.add(*_bin_counts(values[:half], values[half:], n_bins))
    null = _null(pooled, half, n_repeats, np.random.default_rng() if rng is None else rng, base)
    return {"median": float(np.median(null)), "percentile_90": float(np.quantile(null, 0.9))}


def compare_marginals(
    posterior_p: Mapping[str, ArrayLike],
    posterior_q: Mapping[str, ArrayLike],
    keys: Iterable[str],
    rng: np.random.Generator,
    *,
    base: float = math.e,
    n_bins: int | None = None,
    n_repeats: int = 200,
) -> dict[str, dict[str, float]]:
    """Return the Jensen-Shannon divergence of every parameter, with the values that chance alone would give.

    The floor is the permutation null: the pooled samples are divided again at random into two sets of the same sizes, in the
    same bins. It answers the question "could these be samples of one distribution?". The split halves of each set tell
    whether one of them has too few samples. Correlations between parameters are not examined.

    Parameters
    ----------
    posterior_p, posterior_q
        Samples by parameter name (a dictionary or a data frame), equal weight, independent.
    keys
        Parameters to compare.
    rng
        Random generator.
    base, n_bins
        As in :func:`jensen_shannon`.
    n_repeats
        Number of random divisions and of random splits.

    Returns
    -------
    dict
        By parameter: ``jsd``; ``floor_median`` and ``floor_90`` of the null at the sizes of this pair; ``p_value``, the
        fraction of the null at or above ``jsd``; ``split_half_p_90`` and ``split_half_q_90`` of :func:`split_half_floor`.

    Raises
    ------
    DataError
        If a parameter is missing, or its samples are not usable.
    ConfigurationError
        As :func:`split_half_floor` does.
    """
    table: dict[str, dict[str, float]] = {}
    for key in keys:
        missing = [
            name for name, posterior in (("first", posterior_p), ("second", posterior_q)) if key not in posterior
        ]
        if missing:
            raise DataError(f"parameter {key!r} is not in the {' and '.join(missing)} posterior")
        p, q = _samples(posterior_p[key], at_least=4), _samples(posterior_q[key], at_least=4)
        counts_p, counts_q = _bin_counts(p, q, n_bins)
        jsd = float(_jsd(counts_p, counts_q, base))
        null = _null(counts_p + counts_q, p.size, n_repeats, rng, base)
        halves = [split_half_floor(s, n_repeats, rng, base=base, n_bins=n_bins)["percentile_90"] for s in (p, q)]
        table[key] = {
            "jsd": jsd,
            "floor_median": float(np.median(null)),
            "floor_90": float(np.quantile(null, 0.9)),
            # The observed division is one of the possible ones; rounding must not separate it from equal ones.
            "p_value": float((1 + np.sum(null >= jsd - 1e-12)) / (1 + n_repeats)),
            "split_half_p_90": halves[0],
            "split_half_q_90": halves[1],
        }
    return table


def _samples(samples: ArrayLike, at_least: int = 2) -> NDArray[np.float64]:
    values = np.asarray(samples, dtype=np.float64)
    if values.ndim != 1 or values.size < at_least:
        raise DataError(f"samples of shape {values.shape}: give a vector of at least {at_least} values")
    if bad := int(np.sum(~np.isfinite(values))):
        raise DataError(f"{bad} of {values.size} samples are not finite: leave these out")
    return values


def _bin_counts(
    p: NDArray[np.float64], q: NDArray[np.float64], n_bins: int | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count the samples of either set in each bin of equal pooled probability (fewer bins where values repeat)."""
    if n_bins is None:
        n_bins = max(2, math.ceil(2.0 * (2.0 / (1.0 / p.size + 1.0 / q.size)) ** (1 / 3)))
    if n_bins < 2:
        raise ConfigurationError(f"n_bins={n_bins}: give at least 2")
    # The bins do not depend on the labels, so the permutation null is exact; "inverted_cdf" returns samples, for ties.
    ends = 0.5 ** np.arange(1, _EDGE_HALVINGS + 1) / n_bins
    probabilities = np.concatenate([ends, np.arange(1, n_bins) / n_bins, 1.0 - ends])
    edges = np.unique(np.quantile(np.concatenate([p, q]), probabilities, method="inverted_cdf"))
    counts = [np.bincount(np.searchsorted(edges, s, side="left"), minlength=edges.size + 1) for s in (p, q)]
    return counts[0], counts[1]


def _jsd(counts_p: NDArray[np.int64], counts_q: NDArray[np.int64], base: float) -> NDArray[np.float64]:
    """Return the divergence over the last axis of bin counts."""
    if not 1.0 < base < math.inf:
        raise ConfigurationError(f"base={base}: give a finite base of the logarithm above 1")
    p = counts_p / counts_p.sum(axis=-1, keepdims=True)
    q = counts_q / counts_q.sum(axis=-1, keepdims=True)
    m = 0.5 * (p + q)
    # Written with entropies, so that no ratio is undefined in an empty bin.
    jsd: NDArray[np.float64] = (0.5 * (xlogy(p, p) + xlogy(q, q)) - xlogy(m, m)).sum(axis=-1) / math.log(base)
    return np.maximum(jsd, 0.0)


def _null(
    pooled: NDArray[np.int64], n_first: int, n_repeats: int, rng: np.random.Generator, base: float
) -> NDArray[np.float64]:
    """Return divergences of random divisions of the pooled samples: their bin counts have a hypergeometric distribution."""
    if n_repeats < 1:
        raise ConfigurationError(f"n_repeats={n_repeats}: give at least 1")
    first = rng.multivariate_hypergeometric(pooled, n_first, size=n_repeats, method="marginals")
    return _jsd(first, pooled - first, base)
