"""Build coarse waves for one likelihood and one reference: source, reference phase, nodes by their error, summary data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from bilby.gw.likelihood import GravitationalWaveTransient

from ...errors import CoarseObstacle, SimulationError
from ...priors import PriorTransform
from ...processes.parallel import Row, make_rows
from ..detectors import Detector, reach_of
from ..inner_products import Projection
from ..matched_filter import MatchedFilters, steps_around
from .coarse_waves import CoarseWaves
from .error import ErrorOfNodes, Trial
from .norms import Norms
from .reference import ReferencePhase, reference_phase
from .sources import source_of
from .splines import Spline, spaced
from .summary import DetectorBins, Steps, bins_in_band, series_weights
from .terms import Terms, terms_from
from .trials import near, responses_at, turned, turns_of

TOLERANCE = 0.05
"""Scatter of the log likelihood's error that nodes may make: weights of exp(error) lose 0.0025 of their efficiency."""

OFFSET = 0.2
"""Mean of the error that they may make, which leaves ratios of weights alone and moves the coarse evidence; and the root mean
square error for waves with other spins and inclinations than the reference."""

SIZES = (32, 64, 96, 128, 192, 256, 384)
"""Numbers of nodes that are tried, in turn."""

_LEAST = 4  # frequencies, for a cubic spline
_FIRST = 96  # nodes with which waves near the reference are looked for
_WORST = 3.0  # of the error of the log likelihood: beyond it the draws would be of another posterior
_TRIALS = 6  # waves near the reference that the error is measured with, and as many turned about
_PROBED = 4  # draws of the prior at which a source is tried, beside the reference
_PROBE_SIZE = 40  # frequencies at which groups of modes are tried
_MOST_MEMORY = 2**30  # bytes of summary data
_LARGE = 4_000_000  # bytes of a wave on all frequencies from which on it is kept in single precision: 64 s to 2048 Hz
_SEED = 20261130  # any number: the same draws for the same prior


def coarse_waves(
    likelihood: GravitationalWaveTransient,
    transform: PriorTransform,
    orders: Sequence[int],
    reference: Row,
    window: tuple[float, float],
    coarse: str | None = None,
    size: int | None = None,
    others: Sequence[Row] = (),
) -> CoarseWaves:
    """Coarse waves for a likelihood, made around a reference.

    Parameters
    ----------
    likelihood
        A plain one, on all frequencies of the data.
    transform
        The prior.
    orders
        ``m`` of all terms that turn with the phase; none where the wave does not turn so.
    reference
        All parameters of a wave that is near the data's, fixed ones included.
    window
        First and last geocentric time at which signals may arrive, GPS seconds.
    coarse
        Approximant of LALSimulation that is to make the waves in place of the likelihood's own.
    size
        Number of nodes; by the measured error when left out.
    others
        Waves far from the reference that fit the data nearly as well: nodes have to do for these, too.

    Raises
    ------
    CoarseObstacle
        If there can be none: no wave at the reference, other polarisations than plus and cross, no frequency in common with
        the data, an error that stays large, or summary data that do not fit into the memory.
    """
    rng = np.random.default_rng(_SEED)
    frame = Frame.of(likelihood, transform, orders, reference, window, coarse, rng)
    if size is not None:
        return frame.made(frame.spline(size))
    spline, error, offset = _fewest(frame, measured(frame, likelihood, transform, rng, others))
    if not np.hypot(error, offset) <= _WORST:
        raise CoarseObstacle(
            f"coarse waves on {len(spline)} nodes miss the log likelihood by {offset:.2g}, with a scatter of {error:.2g}; at "
            f"most {_WORST} is allowed. They are made by {frame.terms.model.words}: name a smooth approximant with coarse=, "
            "or set coarse=False"
        )
    return frame.made(spline, error, offset)


def measured(
    frame: Frame,
    likelihood: GravitationalWaveTransient,
    transform: PriorTransform,
    rng: np.random.Generator,
    others: Sequence[Row] = (),
) -> ErrorOfNodes:
    """What measures the error of nodes: with waves near the reference, with ones turned about, and with others that fit."""
    rough = frame.made(frame.spline(_FIRST))
    responses = responses_at(likelihood, frame.projections, frame.reference)
    rows, times, log_ratio = near(rough, transform, responses, _TRIALS, rng)
    trials = frame.trials(rows, responses, times)
    elsewhere = [*turned(frame.reference, transform, _TRIALS, rng), *others]
    trials += frame.trials(elsewhere, responses, None, log_ratio)
    return ErrorOfNodes(frame.terms, frame.phase, frame.detectors, frame.frequencies, trials)


def _fewest(frame: Frame, measure: ErrorOfNodes) -> tuple[Spline, float, float]:
    """The fewest nodes that are good enough, or the most; scatter and mean of the error of the log likelihood."""
    for number in SIZES:
        spline = frame.spline(number)
        errors, turned_errors = measure(spline)
        error, offset = float(np.std(errors)), float(np.mean(errors))
        elsewhere = float(np.sqrt(np.mean(turned_errors**2))) if len(turned_errors) else 0.0
        if (error <= TOLERANCE and max(abs(offset), elsewhere) <= OFFSET) or len(spline) < number:
            break
    return spline, error, offset


@dataclass(frozen=True)
class Frame:
    """All that does not depend on the nodes.

    Attributes
    ----------
    terms
        What makes the waves.
    phase
        The reference phase.
    reference
        All parameters of the reference.
    projections
        Of every detector.
    detectors
        Frequencies and data of every detector.
    frequencies
        Those of all detectors together, (F,).
    steps, start, spacing
        Times at which series are wanted, GPS time of the first, and seconds between them.
    """

    terms: Terms
    phase: ReferencePhase
    reference: Row
    projections: list[Projection]
    detectors: list[DetectorBins]
    frequencies: np.ndarray
    steps: Steps
    start: float
    spacing: float

    @classmethod
    def of(
        cls,
        likelihood: GravitationalWaveTransient,
        transform: PriorTransform,
        orders: Sequence[int],
        reference: Row,
        window: tuple[float, float],
        coarse: str | None,
        rng: np.random.Generator,
    ) -> Frame:
        """Choose the source, take its reference phase, and look at the data."""
        rows = [reference, *make_rows(transform.fixed, transform.sample(_PROBED, rng))]
        source = source_of(likelihood.waveform_generator, rows, coarse)
        projections = [Projection(interferometer) for interferometer in likelihood.interferometers]
        detectors, frequencies = bins_in_band(projections, source.band, _LEAST)
        duration = float(likelihood.interferometers.duration)
        band = float(frequencies[0]), float(frequencies[-1])
        probe = frequencies[np.unique(np.linspace(0, len(frequencies) - 1, _PROBE_SIZE).astype(int))]
        terms = terms_from(source.model, orders, rows, probe)
        try:
            phase = reference_phase(terms, reference, band, duration)
        except SimulationError as error:
            raise CoarseObstacle(f"the reference of coarse waves has no phase: {error}") from error
        if phase is None:
            raise CoarseObstacle(f"{source.model.words} has no wave at the reference {reference}: set coarse=False")
        filters = MatchedFilters(likelihood)
        reach = reach_of(tuple(Detector.from_interferometer(ifo) for ifo in likelihood.interferometers))
        wanted = steps_around(window, reach, filters.start, filters.spacing)
        steps = Steps(int(wanted[0]), len(wanted), filters.size, duration)
        start = filters.start + int(wanted[0]) * filters.spacing
        return cls(terms, phase, dict(reference), projections, detectors, frequencies, steps, start, filters.spacing)

    def spline(self, size: int) -> Spline:
        """Nodes over the band, at most as many as frequencies."""
        nodes = spaced(float(self.frequencies[0]), float(self.frequencies[-1]), min(size, len(self.frequencies)))
        if self.terms.model.on_bins:
            places = np.searchsorted(self.frequencies, nodes * (1 - 1e-12))
            nodes = self.frequencies[np.unique(np.minimum(places, len(self.frequencies) - 1))]
        return Spline(nodes)

    def phases(self, frequencies: np.ndarray) -> np.ndarray:
        """Reference phases of all terms, (M, F)."""
        return np.stack([self.phase.of_order(order, frequencies) for order in self.terms.orders])

    def trials(
        self, rows: Sequence[Row], responses: np.ndarray, times: np.ndarray | None, log_ratio: float = 0.0
    ) -> list[Trial]:
        """Waves on all frequencies, in the data at GPS times (K, D), or as their own data with a log likelihood ratio."""
        made = []
        for number, (row, turns) in enumerate(zip(rows, turns_of(self.terms.orders, rows), strict=True)):
            whole = self.terms(self.terms.model.parameters(row), self.frequencies)
            if whole is not None and np.all(np.isfinite(whole)):
                since = None if times is None else times[number] - self.start + self.steps.first * self.spacing
                # Half of the memory, with an error of 1e-4 in the log likelihood at a signal-to-noise ratio of 40.
                kept = whole.astype(np.complex64) if whole.nbytes > _LARGE else whole
                made.append(Trial(row, kept, turns, responses, since, log_ratio))
        return made

    def made(self, spline: Spline, error: float = np.nan, offset: float = np.nan) -> CoarseWaves:
        """Summary data for these nodes."""
        orders, count = self.terms.orders, len(self.detectors)
        memory = 8 * len(orders) * len(spline) * count * self.steps.count
        if memory > _MOST_MEMORY:
            raise CoarseObstacle(
                f"summary data of {count} detectors, {len(orders)} terms, {len(spline)} nodes and {self.steps.count} steps of "
                f"time need {memory / 2**20:.0f} MiB, at most {_MOST_MEMORY / 2**20:.0f} are used: narrow the prior of the "
                "time, or set coarse=False"
            )
        phases = [self.phases(one.frequencies) for one in self.detectors]
        weights = np.empty((len(orders), len(spline), count, self.steps.count), dtype=np.complex64)
        for index, (detector, of_terms) in enumerate(zip(self.detectors, phases, strict=True)):
            weights[:, :, index] = series_weights(detector, spline, of_terms, self.steps)
        return CoarseWaves(
            orders=orders,
            start=self.start,
            spacing=self.spacing,
            n_times=self.steps.count,
            terms=self.terms,
            nodes=spline.nodes,
            error=error,
            offset=offset,
            reference=self.reference,
            _untwisted=np.exp(-1j * self.phases(spline.nodes))[:, None],
            _weights=weights.reshape(len(orders), len(spline), -1),
            _norms=Norms.of(self.detectors, spline, phases),
        )
