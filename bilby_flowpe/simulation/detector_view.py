"""Strain of detectors as a network is shown it: whitened, on a grid of frequencies."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Self

import numpy as np
from bilby.gw.detector import Interferometer

from ..priors import Parameters
from ..problem import Problem
from ..waves.detectors import Detector, light_travel_time
from ..waves.extrinsic import with_fixed
from ..waves.grid import Grid
from ..waves.whitening import Whitener
from .checks import check_likelihood

_DELAYS = 4096  # draws from the prior of the sky by which the range of arrival times at the detectors is known


class DetectorView:
    """Data of a gravitational-wave likelihood, and arrival times of the prior's signals in them.

    Parameters
    ----------
    problem
        The problem; detectors, noise curves and strain of its likelihood are used, but not the waveform.
    grid
        Frequencies that a network is shown; all frequencies of the data by default.

    Attributes
    ----------
    interferometers : list
        Bilby's interferometers.
    detectors : tuple of Detector
        Geometry of each interferometer.
    duration, start_time : float
        Duration of the segment and GPS time of its start, in seconds.
    whiteners : list of Whitener
        Whitening filter of each interferometer.
    mask : np.ndarray
        1 for frequencies of the grid in the likelihood's band of a detector, 0 for others, (D, F).

    Raises
    ------
    SimulationError
        If the likelihood is marginalised or has another reference than sky and geocentre, or the prior of the time is
        conditional or unbounded.
    DataError
        If the strain or the power spectral density is not usable.
    """

    log_curves: np.ndarray | None = None

    def __init__(self, problem: Problem, grid: Grid | None = None) -> None:
        check_likelihood(problem)
        interferometers = problem.likelihood.interferometers
        self.prior = problem.prior
        self.interferometers = list(interferometers)
        self.detectors = tuple(Detector.from_interferometer(ifo) for ifo in self.interferometers)
        self.duration, self.start_time = float(interferometers.duration), float(interferometers.start_time)
        self.whiteners = [Whitener.of(ifo) for ifo in self.interferometers]
        self.grid = grid or _whole_grid(self.interferometers, self.duration)
        self.mask = self._mask()

    def on(self, grid: Grid) -> Self:
        """Return the same view on another grid."""
        other = copy.copy(self)
        other.grid = grid
        other.mask = other._mask()
        return other

    def observe(self) -> np.ndarray:
        """Return the likelihood's own data, whitened, in the form of simulations: (D, F) complex64."""
        series = []
        for interferometer, whitener in zip(self.interferometers, self.whiteners, strict=True):
            # Outside the band the strain may be anything.
            strain = interferometer.frequency_domain_strain
            series.append(self.grid.restrict(np.where(whitener.scale > 0, whitener(strain), 0), self.duration))
        return np.stack(series).astype(np.complex64)

    def arrival(self, parameters: Parameters) -> np.ndarray:
        """Return arrival times at every detector, (N, D), in seconds from the start of the grid's stretch.

        The large GPS numbers cancel in double precision before anything else is done.
        """
        known = with_fixed(self.prior, parameters)
        since_start = known["geocent_time"] - self.start_time - self.grid.start
        delays = [detector.delay(known["ra"], known["dec"], known["geocent_time"]) for detector in self.detectors]
        return since_start[:, None] + np.stack(np.broadcast_arrays(*delays), axis=-1)

    def arrival_range(self) -> tuple[float, float]:
        """Return the earliest and latest arrival that the prior allows, in seconds from the start of the grid's stretch."""
        if "geocent_time" in self.prior.fixed:
            low = high = self.prior.fixed["geocent_time"]
        else:
            prior = self.prior.priors["geocent_time"]
            low, high = float(prior.minimum), float(prior.maximum)
        known = with_fixed(self.prior, self.prior.sample(_DELAYS, np.random.default_rng(1)))
        delays = np.stack([d.delay(known["ra"], known["dec"], known["geocent_time"]) for d in self.detectors])
        origin = self.start_time + self.grid.start
        return low - origin + float(delays.min()), high - origin + float(delays.max())

    def light_travel_times(self) -> tuple[float, ...]:
        """Return the largest difference of arrival times between the first detector and each, in seconds."""
        return tuple(light_travel_time(self.detectors[0], other) for other in self.detectors)

    def _mask(self) -> np.ndarray:
        return np.stack([self._band(whitener.scale) for whitener in self.whiteners])

    def _band(self, scale: np.ndarray) -> np.ndarray:
        """Return 1 for frequencies of the grid in the likelihood's band of a detector, 0 for others: (F,) float32."""
        whole = np.arange(len(scale)) / self.duration
        share: np.ndarray = np.interp(self.grid.frequencies, whole, (scale > 0).astype(float))
        return share.round().astype(np.float32)


def _whole_grid(interferometers: Sequence[Interferometer], duration: float) -> Grid:
    """Return a grid of all frequencies of the data over their whole duration."""
    highest = max(ifo.maximum_frequency for ifo in interferometers)
    return Grid(
        duration=duration,
        start=0.0,
        minimum_frequency=min(ifo.minimum_frequency for ifo in interferometers),
        maximum_frequency=min(highest, interferometers[0].sampling_frequency / 2),
    )
