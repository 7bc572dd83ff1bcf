"""Comparison of the closed form of conditionally drawn parameters with the likelihood, for one batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..importance import effective_sample_size, normalised_weights
from ..processes.parallel import Row

_TOLERANCE = 1e-3  # tolerated difference of log likelihoods, in nats: far below the Monte Carlo error of any evidence
# Relative part of the tolerance, in units of _TOLERANCE. Symmetries are checked, and a detector's response is known, to
# a few 1e-6 of a signal. This error enters <d|h> and <h|h> / 2, each of about the size of the log likelihood: up to
# 1e-5 of it.
_SLOPE = 1e-5 / _TOLERANCE
_EFFECTIVE = 30.0  # effective draws from which on a standard deviation is known to a fifth of itself


@dataclass(frozen=True)
class Comparison:
    """Closed form and likelihood compared at some rows of one batch.

    Attributes
    ----------
    n_rows
        Number of rows compared.
    largest
        Largest difference of the log likelihoods, divided by ``1 + 0.01 |log likelihood|``; infinite where the closed form is
        not a number.
    failing
        The rows that differ by more than the tolerance, with all parameters.
    spread
        If the user's likelihood differs from the one used to propose, the scatter of their log ratio: see
        :func:`spread_where_likely`.
    """

    n_rows: int = 0
    largest: float = 0.0
    failing: tuple[Row, ...] = ()
    spread: float = 0.0


def joined(comparisons: Sequence[Comparison]) -> Comparison:
    """Join the comparisons of several blocks of one batch."""
    return Comparison(
        sum(one.n_rows for one in comparisons),
        float(np.max([one.largest for one in comparisons], initial=0.0)),
        tuple(row for one in comparisons for row in one.failing),
        float(np.max([one.spread for one in comparisons], initial=0.0)),
    )


def agrees(difference: float) -> bool:
    """Return whether a scaled difference is within the tolerance; NaN is not."""
    return difference <= _TOLERANCE


def scaled_differences(closed_form: np.ndarray, likelihood: np.ndarray) -> np.ndarray:
    """Return the differences of two log likelihoods, scaled as :func:`agrees` expects them."""
    with np.errstate(invalid="ignore"):
        return np.abs(likelihood - closed_form) / (1.0 + _SLOPE * np.abs(likelihood))


def spread_where_likely(correction: np.ndarray, log_weights: np.ndarray) -> float:
    """Return the standard deviation of the log correction over the posterior; zero if too few draws have weight to tell.

    Parameters
    ----------
    correction
        Logarithm of the user's likelihood over the one used to propose, (N,).
    log_weights
        Log weights by the user's likelihood, (N,).
    """
    alive = np.isfinite(log_weights) & np.isfinite(correction)
    if not alive.any() or effective_sample_size(log_weights[alive]) < _EFFECTIVE:
        return 0.0
    weights = normalised_weights(log_weights[alive])
    mean = np.average(correction[alive], weights=weights)
    return float(np.sqrt(np.average((correction[alive] - mean) ** 2, weights=weights)))
