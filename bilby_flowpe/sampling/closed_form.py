"""Compare the closed form of conditionally drawn parameters with the user's own likelihood.

Phase, distance, time and sky position are drawn from densities in closed form, and the weights contain the likelihood of that
closed form. It holds as long as the waveform reacts to these parameters as it did when its symmetries were tried. A waveform
that reacts otherwise in some part of the prior makes the weights wrong there, so every batch of a run is compared at many rows,
half of them spread evenly over the draws, half chosen by weight. One failure anywhere in the run counts: the run is then
repeated without the conditionals that fail at these rows.

A part of the prior that holds a share ``p`` of the rows compared is missed with probability ``(1 - p)**n``; with n rows, parts
above ``3 / n`` are found in 95 of 100 cases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from bilby.core.likelihood import Likelihood

from ..conditional.base import ConditionalDraws
from ..errors import FlowPEError
from ..importance import effective_sample_size, normalised_weights
from ..processes.parallel import Engine, Row, evaluate
from ..likelihoods import LogLikelihood

PRIOR_CHECKS = 300
"""Rows from the prior that a run compares, once: a part of one per cent of the prior is found in 95 of 100 runs."""
_EVERY = 20  # one draw in so many is compared, which adds five per cent to the evaluations
_EVERY_OF_PRIOR = 6  # the same of the first draws of a run from the prior: nothing else is known of most of the prior
_FEWEST, _MOST = 16, 256  # rows of one batch that are compared: enough to see a share of 1%, and a bounded price
_TOLERANCE = 1e-3  # of the log likelihood: far below the Monte Carlo error of any evidence
# Symmetries are checked, and a detector's response is known, to a few 1e-6 of a signal. That enters <d|h> and <h|h> / 2, each
# of about the log likelihood's size: up to 1e-5 of it. In units of the tolerance:
_SLOPE = 1e-5 / _TOLERANCE
# Of the log of the likelihood asked for over the one drawn with, where the posterior is. Approximations and calibration errors
# stay below one; a draw by another likelihood is three standard deviations of its log weight off, and hardly any has weight.
_SPREAD = 3.0
_EFFECTIVE = 30.0  # effective draws from which on that spread is known to a fifth
_KEPT = 8  # failing rows that are kept: the symmetries are tried again at each


class ClosedFormError(FlowPEError):
    """The closed form of conditionally drawn parameters differs from the user's likelihood."""


def rows_to_compare(size: int, from_prior: bool = False) -> int:
    """Return how many rows of a batch of ``size`` draws are compared; of draws from the prior alone they are more."""
    rows = min(max(size // _EVERY, _FEWEST), _MOST)
    return max(rows, min(size // _EVERY_OF_PRIOR, PRIOR_CHECKS)) if from_prior else rows


def draws_within(evaluations: int, from_prior: bool = False) -> int:
    """Return the largest batch whose draws and comparisons together need at most so many evaluations."""
    every, most = (_EVERY_OF_PRIOR, PRIOR_CHECKS) if from_prior else (_EVERY, _MOST)
    return max(min(evaluations - _FEWEST, evaluations * every // (every + 1)), evaluations - most, 0)


@dataclass
class ClosedFormRecord:
    """All comparisons of a run.

    Attributes
    ----------
    n_rows
        Rows compared so far.
    n_prior_rows
        Of these, rows drawn from the prior.
    largest
        Largest difference of the log likelihoods, divided by ``1 + 0.01 |log likelihood|``.
    failing
        Some rows at which the difference is above the tolerance, with all parameters.
    spread
        Largest scatter of the likelihood asked for, over the one drawn with, in a batch: see :func:`spread_where_likely`.
    dropped
        Parameters that are no longer drawn conditionally, as their closed form failed in this run.
    """

    n_rows: int = 0
    n_prior_rows: int = 0
    largest: float = 0.0
    failing: list[Row] = field(default_factory=list)
    spread: float = 0.0
    dropped: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether any row of the run differed."""
        return not agrees(self.largest)

    def require(self, keys: Sequence[str]) -> None:
        """Refuse to go on where the closed form does not hold, or belongs to another likelihood than the one asked for.

        Parameters
        ----------
        keys
            What is drawn conditionally.

        Raises
        ------
        ClosedFormError
            Saying by how much they differ.
        """
        if self.failed:
            where = f" at {self.failing[0]}" if self.failing else ""
            raise ClosedFormError(
                f"the closed form of {list(keys)} differs from the likelihood by {self.largest:.3g}{where}"
            )
        if self.spread > _SPREAD:
            raise ClosedFormError(
                f"the log likelihood differs from that of the plain GravitationalWaveTransient by a scatter of "
                f"{self.spread:.3g} where the posterior is: the closed form of {list(keys)} belongs to the latter"
            )

    def add(self, other: Comparison, from_prior: bool = False) -> None:
        """Count the rows of one batch."""
        self.n_rows += other.n_rows
        self.n_prior_rows += other.n_rows if from_prior else 0
        self.largest = float(np.max([self.largest, other.largest]))
        self.spread = float(np.max([self.spread, other.spread]))
        self.failing = [*self.failing, *other.failing][:_KEPT]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return {
            "n_rows": self.n_rows,
            "n_prior_rows": self.n_prior_rows,
            "largest_difference": self.largest,
            "dropped": list(self.dropped),
        }


@dataclass(frozen=True)
class Comparison:
    """Closed form and likelihood at some rows of one batch.

    Attributes
    ----------
    n_rows
        Rows compared.
    largest
        Largest scaled difference, as in :class:`ClosedFormRecord`; infinite where the closed form is not a number.
    failing
        The rows that differ.
    spread
        Of the likelihood asked for over the one drawn with, where these are two.
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


def agrees(difference: float) -> bool:
    """Return whether a scaled difference is within the tolerance; NaN is not."""
    return difference <= _TOLERANCE


def compare(
    likelihood: Likelihood,
    rows: Sequence[Row],
    drawn: ConditionalDraws,
    log_weights: np.ndarray,
    size: int,
    npool: int | Engine = 1,
) -> Comparison:
    """Compare the closed form with the likelihood at ``size`` of the rows drawn.

    Parameters
    ----------
    likelihood
        The likelihood that the closed form stands for.
    rows
        All parameters of the N draws, those drawn conditionally at their reference.
    drawn
        The conditional parameters and their closed-form log likelihoods, (N,) each.
    log_weights
        Log weights by which half of the rows are chosen, (N,).
    size
        Number of rows to compare.
    npool
        Processes.
    """
    picked = _pick(log_weights, min(size, len(rows)))
    at = [{**rows[i], **{key: float(column[i]) for key, column in drawn.parameters.items()}} for i in picked]
    values, good = evaluate(LogLikelihood(likelihood, use_ratio=True), at, npool)
    own = np.full(len(at), np.nan)
    if good.any():
        own[good] = values[:, 0]
    with np.errstate(invalid="ignore"):
        differences = np.abs(own - drawn.log_likelihood_ratio[picked]) / (1.0 + _SLOPE * np.abs(own))
    differing = np.flatnonzero(~(differences <= _TOLERANCE))
    largest = float(np.max(differences, initial=0.0))
    # A closed form that is not a number would give a weight of zero: it fails wherever it stands.
    if np.isnan(drawn.log_ratio).any():
        largest = np.inf
    return Comparison(len(at), largest, tuple(at[index] for index in differing))


def _pick(log_weights: np.ndarray, size: int) -> np.ndarray:
    """Row numbers: half evenly spaced over the draws, half at evenly spaced quantiles of the weights, the heaviest among them.

    No random numbers are used, so that the draws of a run do not depend on how many rows are compared.
    """
    even = np.linspace(0, len(log_weights) - 1, size).astype(int)
    finite = np.where(np.isnan(log_weights), -np.inf, log_weights)
    if size < 2 or size == len(log_weights) or not np.isfinite(finite.max()):
        return np.unique(even)
    even = np.linspace(0, len(log_weights) - 1, size - size // 2).astype(int)
    below = np.cumsum(np.exp(finite - finite.max()))
    quantiles = (np.arange(size // 2) + 0.5) / (size // 2) * below[-1]
    heavy = np.searchsorted(below, quantiles)
    heavy[0] = int(np.argmax(finite))
    picked = np.unique(np.concatenate([even, heavy]))
    # A few heavy draws leave places for others.
    others = np.setdiff1d(np.arange(len(log_weights)), picked)
    more = others[np.linspace(0, len(others) - 1, size - len(picked)).astype(int)]
    return np.union1d(picked, more)
