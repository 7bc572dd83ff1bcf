r"""Divergence of networks from the exact posterior, over simulated events.

It is the forward divergence :math:`\mathrm{KL}(p \| q)` in nats of a network's density q from the exact posterior p. There
are two estimators: from the weighted draws (precise, but modes that were never drawn go unnoticed) and at the true
parameters (noisy, but it sees missed modes).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError
from ..importance import kl_from_weights, summarise


@dataclasses.dataclass(frozen=True)
class KLSummary:
    """Forward divergence from the exact posterior over many events, in nats.

    Attributes
    ----------
    estimator
        ``weighted`` or ``truth``.
    mean, standard_error, median
        Mean over events, its error and the median; the error is infinite for a single event or an infinite mean.
    n_events
        Number of events.
    log_evidence_bias
        Mean over events of the expected bias of log Z, if known. The estimator ``truth`` is too large by minus this value.
    """

    estimator: Literal["weighted", "truth"]
    mean: float
    standard_error: float
    median: float
    n_events: int
    log_evidence_bias: float | None = None

    def to_dict(self) -> dict[str, str | float | int | None]:
        """Return all fields as plain values."""
        return dataclasses.asdict(self)


def kl_weighted(log_weights: Iterable[ArrayLike]) -> KLSummary:
    r"""Return the divergence from the exact posterior, by the weighted draws: :math:`\sum_i \bar w_i \ln (N \bar w_i)`.

    Parameters
    ----------
    log_weights
        One vector of log-weights for each event, of any lengths, or an array of shape (n_events, n_draws).

    Returns
    -------
    KLSummary
        The divergence is infinite if an event has no draw of non-zero weight.

    Raises
    ------
    DataError
        If there are no events, or log-weights are not usable.
    """
    events = [np.asarray(log_w, dtype=np.float64) for log_w in log_weights]
    kl = np.array([kl_from_weights(log_w) for log_w in events])
    bias = np.array([summarise(log_w).log_evidence_bias for log_w in events])
    return _over_events("weighted", kl, bias)


def log_posterior_at_truth(
    log_likelihood: ArrayLike, log_prior: ArrayLike, log_evidence: ArrayLike
) -> NDArray[np.float64]:
    r"""Return the exact log posterior density at the true parameters, :math:`\ln L + \ln \pi - \ln Z`, shape (n_events,).

    Minus its mean over events is the lowest loss that any network can reach, in the coordinates of ``log_prior``.

    Raises
    ------
    DataError
        If shapes differ, or a figure is not finite.
    """
    arrays = _per_event(log_likelihood=log_likelihood, log_prior=log_prior, log_evidence=log_evidence)
    for name, values in arrays.items():
        if bad := int(np.sum(~np.isfinite(values))):
            raise DataError(f"{name} is not finite for {bad} of {values.size} events: leave these events out")
    return arrays["log_likelihood"] + arrays["log_prior"] - arrays["log_evidence"]


def kl_truth(
    log_likelihood: ArrayLike,
    log_prior: ArrayLike,
    log_evidence: ArrayLike,
    log_q: ArrayLike,
    log_evidence_bias: ArrayLike | None = None,
) -> KLSummary:
    """Return the divergence from the exact posterior at the truth: the mean of log p(x*|y) - log q(x*|y) over events.

    Its expectation is right only if truths come from the prior, and data from the noise that the likelihood assumes.

    Parameters
    ----------
    log_likelihood, log_prior, log_evidence
        Values at the truth of each event, shape (n_events,), in nats. The evidence has to be a ratio if the likelihood is
        one.
    log_q
        Log-density of the network at the truth, shape (n_events,), in the coordinates of ``log_prior``. Minus infinity,
        a truth that the network excludes, makes the divergence infinite.
    log_evidence_bias
        Expected bias of every log-evidence, shape (n_events,), if known.

    Returns
    -------
    KLSummary
        May be negative by chance.

    Raises
    ------
    DataError
        If there are no events, shapes differ, or a figure is not finite (``log_q``: NaN or plus infinity).
    """
    log_p = log_posterior_at_truth(log_likelihood, log_prior, log_evidence)
    q = _per_event(log_p=log_p, log_q=log_q)["log_q"]
    if bad := int(np.sum(np.isnan(q) | np.isposinf(q))):
        raise DataError(f"log_q is NaN or plus infinity for {bad} of {q.size} events: leave these events out")
    bias = None
    if log_evidence_bias is not None:
        bias = _per_event(log_p=log_p, log_evidence_bias=log_evidence_bias)["log_evidence_bias"]
    return _over_events("truth", log_p - q, bias)


def _per_event(**arrays: ArrayLike) -> dict[str, NDArray[np.float64]]:
    """Return the arrays as vectors of one length, or raise an error that names their shapes."""
    out = {name: np.atleast_1d(np.asarray(values, dtype=np.float64)) for name, values in arrays.items()}
    shapes = {name: values.shape for name, values in out.items()}
    if len(set(shapes.values())) != 1 or any(len(shape) != 1 for shape in shapes.values()):
        raise DataError(f"arrays of shapes {shapes}: give vectors of one length, with one number per event")
    return out


def _over_events(
    estimator: Literal["weighted", "truth"], kl: NDArray[np.float64], bias: NDArray[np.float64] | None
) -> KLSummary:
    if kl.size == 0:
        raise DataError("there are no events to average over: give at least one")
    known = kl.size > 1 and bool(np.all(np.isfinite(kl)))
    return KLSummary(
        estimator=estimator,
        mean=float(kl.mean()),
        standard_error=float(kl.std(ddof=1) / math.sqrt(kl.size)) if known else math.inf,
        median=float(np.median(kl)),
        n_events=int(kl.size),
        log_evidence_bias=None if bias is None else float(bias.mean()),
    )
