"""Error of the log likelihood of coarse waves, measured against waves of the same source on all frequencies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...processes.parallel import Row
from .norms import Norms
from .reference import ReferencePhase
from .splines import Spline
from .summary import DetectorBins
from .terms import Terms


@dataclass(frozen=True)
class Trial:
    """A wave on all frequencies, and the detectors' response to it.

    Attributes
    ----------
    row
        All parameters of the wave.
    terms
        Terms on the frequencies of all detectors, (M, 2, F).
    turns
        Factor of each term for the row's phase, (M,).
    responses
        Response of each detector to plus and cross, (D, 2).
    times
        Arrival time at each detector in seconds from the start of the segment, (D,), if the wave is compared with the data, at
        the best amplitude and phase. ``None`` if the wave itself stands for the data, without noise.
    log_ratio
        Log likelihood ratio to which a wave that stands for the data is scaled.
    """

    row: Row
    terms: np.ndarray
    turns: np.ndarray
    responses: np.ndarray
    times: np.ndarray | None
    log_ratio: float = 0.0


class ErrorOfNodes:
    """Errors of the log likelihood of some waves, as a function of the nodes.

    Parameters
    ----------
    terms
        Computes the terms of waves.
    phase
        The reference phase.
    detectors
        Frequencies and data of every detector.
    frequencies
        Frequencies of all detectors together in Hz, (F,).
    trials
        Waves on these frequencies.
    """

    def __init__(
        self,
        terms: Terms,
        phase: ReferencePhase,
        detectors: Sequence[DetectorBins],
        frequencies: np.ndarray,
        trials: Sequence[Trial],
    ) -> None:
        self._terms, self._phase, self._detectors, self._frequencies = terms, phase, detectors, frequencies
        self._trials = trials
        self._phases = np.stack([phase.of_order(order, frequencies) for order in terms.orders])
        self._places = [np.searchsorted(frequencies, one.frequencies) for one in detectors]

    def __call__(self, spline: Spline) -> tuple[np.ndarray, np.ndarray]:
        """Return the errors of the log likelihood: of trials in the data, and of trials that are their own data."""
        twisted = np.exp(1j * self._phases)[:, None]
        at_nodes = np.stack([self._phase.of_order(order, spline.nodes) for order in self._terms.orders])
        norms = Norms.of(self._detectors, spline, [self._phases[:, places] for places in self._places])
        errors = np.array([self._of(trial, spline, norms, twisted, at_nodes) for trial in self._trials])
        own = np.array([trial.times is None for trial in self._trials])
        return errors[~own], errors[own]

    def _of(self, trial: Trial, spline: Spline, norms: Norms, twisted: np.ndarray, at_nodes: np.ndarray) -> float:
        if self._terms.model.on_bins:
            made = trial.terms[..., np.searchsorted(self._frequencies, spline.nodes)]
        else:
            found = self._terms(self._terms.model.parameters(trial.row), spline.nodes)
            if found is None:
                return np.inf
            made = found
        values = made * np.exp(-1j * at_nodes)[:, None]
        splined = spline.at(self._frequencies, values) * twisted
        pairs = norms(values[None])[0]
        inner, norm, norm_error = (np.zeros(len(self._detectors), dtype=kind) for kind in (complex, float, float))
        amplitude = np.zeros(len(self._detectors), dtype=complex)
        for index, detector in enumerate(self._detectors):
            factors = (trial.turns[:, None] * trial.responses[index]).ravel()
            places = self._places[index]
            exact = factors @ trial.terms[..., places].reshape(len(factors), -1)
            nearly = factors @ splined[..., places].reshape(len(factors), -1)
            norm[index] = np.sum(np.abs(exact) ** 2 * detector.weights)
            norm_error[index] = (factors.conj() @ pairs[index] @ factors).real - norm[index]
            if trial.times is None:
                inner[index] = np.vdot(nearly - exact, exact * detector.weights)
            elif norm[index] > 0:
                data = detector.data * np.exp(2j * np.pi * detector.frequencies * trial.times[index])
                amplitude[index] = np.vdot(exact, data) / norm[index]
                inner[index] = amplitude[index].conjugate() * np.vdot(nearly - exact, data)
        if trial.times is None:
            # The wave stands for the data, scaled to its log likelihood ratio.
            square = 2 * trial.log_ratio / max(float(norm.sum()), np.finfo(float).tiny)
            return float(square * (inner.real - 0.5 * norm_error).sum())
        return float((inner.real - 0.5 * np.abs(amplitude) ** 2 * norm_error).sum())
