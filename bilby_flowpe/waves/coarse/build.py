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
"""Largest standard deviation of the log likelihood's error: weights of exp(error) lose 0.0025 of their efficiency by it."""

OFFSET = 0.2
"""Largest mean of the log likelihood's error, which cancels in ratios of weights and only shifts the coarse evidence.

It is also the largest root mean square error for waves with other spins and inclinations than the reference, and for other
waves that fit the data.
"""

SIZES = (32, 64, 96, 128, 192, 256, 384)
"""Numbers of nodes that are tried, from few to many."""

_LEAST = 4  # fewest frequencies in common with the data: a cubic spline needs four nodes
_FIRST = 96  # nodes of the preliminary waves with which waves near the reference are sought
_WORST = 3.0  # largest error of the log likelihood: with a larger one, draws would follow another posterior
_TRIALS = 6  # waves near the reference that measure the error, and as many with other spins and inclinations
_PROBED = 4  # draws from the prior at which a source is tested, beside the reference
_PROBE_SIZE = 40  # frequencies at which groups of modes are tested
_MOST_MEMORY = 2**30  # bytes that summary data may take: more would allow longer windows of time, at the cost of memory
_LARGE = 4_000_000  # bytes of a wave on all frequencies from which on it is kept in single precision: 64 s to 2048 Hz
_SEED = 20261130  # seed of random draws; any number, so that the same prior always gives the same draws


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
    """Build coarse waves for a likelihood around a reference.

    Parameters
    ----------
    likelihood
        Plain likelihood, on all frequencies of the data.
    transform
        The prior.
    orders
        Orders ``m`` of all terms ``exp(i m phase)``; empty if the wave is not such a sum.
    reference
        All parameters of a wave that is near the data's, fixed ones included.
    window
        First and last geocentric time at which signals may arrive, GPS seconds.
    coarse
        Approximant of LALSimulation that computes the waves in place of the likelihood's own.
    size
        Number of nodes; chosen by the measured error by default.
    others
        Waves far from the reference that fit the data nearly as well: the nodes have to be good for these, too.

    Raises
    ------
    CoarseObstacle
        If coarse waves are impossible: no wave at the reference, other polarisations than plus and cross, no frequency in
        common with the data, an error that stays large, or summary data that need too much memory.
    """
    rng = np.random.default_rng(_SEED)
    frame = Frame.of(likelihood, transform, orders, reference, window, coarse, rng)
    if size is not None:
        return frame.made(frame.spline(size))
    spline, error, offset = _fewest(frame, measured(frame, likelihood, transform, rng, others))
    if not np.hypot(error, offset) <= _WORST:
        raise CoarseObstacle(
            f"coarse waves on {len(spline)} nodes differ from the log likelihood by {offset:.2g} on average, with a standard "
            f"deviation of {error:.2g}; at most {_WORST} is allowed. They are computed by {frame.terms.model.words}: name a "
            "smooth approximant with coarse=, or set coarse=False"
        )
    return frame.made(spline, error, offset)


def measured(
    frame: Frame,
    likelihood: GravitationalWaveTransient,
    transform: PriorTransform,
    rng: np.random.Generator,
    others: Sequence[Row] = (),
) -> ErrorOfNodes:
    """Return the measure of the nodes' error, from waves near the reference, at other orientations, and from other fits."""
    rough = frame.made(frame.spline(_FIRST))
    responses = responses_at(likelihood, frame.projections, frame.reference)
    rows, times, log_ratio = near(rough, transform, responses, _TRIALS, rng)
    trials = frame.trials(rows, responses, times)
    elsewhere = [*turned(frame.reference, transform, _TRIALS, rng), *others]
    trials += frame.trials(elsewhere, responses, None, log_ratio)
    return ErrorOfNodes(frame.terms, frame.phase, frame.detectors, frame.frequencies, trials)


def _fewest(frame: Frame, measure: ErrorOfNodes) -> tuple[Spline, float, float]:
    """Return the fewest nodes with a small enough error, or the most, and standard deviation and mean of the error."""
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
    """Everything that does not depend on the nodes.

    Attributes
    ----------
    terms
        Computes the terms of waves.
    phase
        The reference phase.
    reference
        All parameters of the reference.
    projections
        Inner products in every detector.
    detectors
        Frequencies and data of every detector.
    frequencies
        Frequencies of all detectors together in Hz, (F,).
    steps, start, spacing
        Time steps of the series, GPS time of the first, and seconds between them.
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
        """Choose the source model, compute its reference phase, and collect the data."""
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
            raise CoarseObstacle(
                f"the phase of the reference of coarse waves cannot be computed: {error}. To go on without, set coarse=False"
            ) from error
        if phase is None:
            raise CoarseObstacle(f"{source.model.words} has no wave at the reference {reference}: set coarse=False")
        filters = MatchedFilters(likelihood)
        reach = reach_of(tuple(Detector.from_interferometer(ifo) for ifo in likelihood.interferometers))
        wanted = steps_around(window, reach, filters.start, filters.spacing)
        steps = Steps(int(wanted[0]), len(wanted), filters.size, duration)
        start = filters.start + int(wanted[0]) * filters.spacing
        return cls(terms, phase, dict(reference), projections, detectors, frequencies, steps, start, filters.spacing)

    def spline(self, size: int) -> Spline:
        """Return nodes over the band, at most as many as frequencies."""
        nodes = spaced(float(self.frequencies[0]), float(self.frequencies[-1]), min(size, len(self.frequencies)))
        if self.terms.model.on_bins:
            places = np.searchsorted(self.frequencies, nodes * (1 - 1e-12))
            nodes = self.frequencies[np.unique(np.minimum(places, len(self.frequencies) - 1))]
        return Spline(nodes)

    def phases(self, frequencies: np.ndarray) -> np.ndarray:
        """Return the reference phases of all terms, (M, F)."""
        return np.stack([self.phase.of_order(order, frequencies) for order in self.terms.orders])

    def trials(
        self, rows: Sequence[Row], responses: np.ndarray, times: np.ndarray | None, log_ratio: float = 0.0
    ) -> list[Trial]:
        """Return waves on all frequencies, in the data at GPS times (K, D), or with themselves as noise-free data.

        In the latter case ``log_ratio`` is their log likelihood ratio.
        """
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
        """Compute the summary data for these nodes and return the coarse waves."""
        orders, count = self.terms.orders, len(self.detectors)
        memory = 8 * len(orders) * len(spline) * count * self.steps.count
        if memory > _MOST_MEMORY:
            raise CoarseObstacle(
                f"summary data of {count} detectors, {len(orders)} terms, {len(spline)} nodes and {self.steps.count} time "
                f"steps need {memory / 2**20:.0f} MiB, but at most {_MOST_MEMORY / 2**20:.0f} MiB are used: narrow the prior "
                "of the time, or set coarse=False"
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
