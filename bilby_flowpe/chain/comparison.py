"""Compare the closed form of conditionally drawn parameters with the likelihood: what a batch has shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..importance import effective_sample_size, normalised_weights
from ..processes.parallel import Row

_TOLERANCE = 1e-3  # of the log likelihood: far below the Monte Carlo error of any evidence
# Symmetries are checked, and a detector's response is known, to a few 1e-6 of a signal. That enters <d|h> and <h|h> / 2, each
# of about the log likelihood's size: up to 1e-5 of it. In units of the tolerance:
_SLOPE = 1e-5 / _TOLERANCE
_EFFECTIVE = 30.0  # effective draws from which on a spread is known to a fifth


@dataclass(frozen=True)
class Comparison:
    """Closed form and likelihood at some rows of one batch.

    Attributes
    ----------
    n_rows
        Rows compared.
    largest
        Largest difference of the log likelihoods, divided by ``1 + 0.01 |log likelihood|``; infinite where the closed form is
        not a number.
    failing
        The rows that differ, with all parameters.
    spread
        Scatter of the likelihood asked for over the one drawn with, where these are two: see :func:`spread_where_likely`.
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
    """Return the differences of two log likelihoods in the scale in which :func:`agrees` takes them."""
    with np.errstate(invalid="ignore"):
        return np.abs(likelihood - closed_form) / (1.0 + _SLOPE * np.abs(likelihood))


def spread_where_likely(correction: np.ndarray, log_weights: np.ndarray) -> float:
    """Standard deviation of the log correction over the posterior; zero where too few draws have weight to tell.

    Parameters
    ----------
    correction
        Logarithm of the likelihood asked for over the one drawn with, (N,).
    log_weights
        Log weights by the likelihood asked for, (N,).
    """
    alive = np.isfinite(log_weights) & np.isfinite(correction)
    if not alive.any() or effective_sample_size(log_weights[alive]) < _EFFECTIVE:
        return 0.0
    weights = normalised_weights(log_weights[alive])
    mean = np.average(correction[alive], weights=weights)
    return float(np.sqrt(np.average((correction[alive] - mean) ** 2, weights=weights)))
