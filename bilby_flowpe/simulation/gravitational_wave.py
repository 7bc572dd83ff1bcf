"""Simulations for a gravitational-wave transient, from the user's own waveform generator and interferometers.

Two ways give the same signals. The *general* one draws every parameter, asks the generator for the polarisations and each
interferometer for its response. The *factorised* one calls the generator for what needs it alone (masses and spins, as a
rule) and does distance, phase, inclination, time, sky and polarisation angle by algebra on stored waveforms, drawn anew for
every batch, so that this part of the training set has no end.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from bilby.core.utils import logger
from bilby.gw.detector.calibration import Recalibrate
from bilby.gw.likelihood import GravitationalWaveTransient

from ..errors import DataError, SimulationError
from ..grid import Grid
from ..parallel import Row, Task, evaluate
from ..priors import Parameters, PriorTransform
from ..simulator import Signals
from .extrinsic import Extrinsic
from .projection import Detector, light_travel_time
from .stretch import narrow_band, shorten
from .symmetries import EXTRINSIC, find_symmetries
from .tasks import PolarisationTask, ResponseTask, Whitener

Path = Literal["auto", "factorised", "general"]

_PILOT = 256
_FLAT_SNR = (6.0, 80.0)
_CANDIDATES = 8
_HELD_OUT = 10
_MEMORY_SHARE = 0.5


@dataclass(frozen=True)
class SimulationConfig:
    """How training data are made.

    Attributes
    ----------
    n_waveforms
        Waveforms kept (with the general path: whole simulations).
    path
        ``"factorised"``, ``"general"``, or ``"auto"`` for the first where the checks allow it.
    flatten_snr
        Whether quiet signals are thinned out in training (the weights undo it); ``None`` does so where more than a quarter
        of the prior's signals are below a signal-to-noise ratio of 6.
    reduce_grid
        Whether the network sees only the stretch of time and the band that the signals fill.
    """

    n_waveforms: int = 50_000
    path: Path = "auto"
    flatten_snr: bool | None = None
    reduce_grid: bool = True


class GravitationalWaveSimulator:
    """Training data for a :class:`bilby.gw.likelihood.GravitationalWaveTransient`.

    Parameters
    ----------
    likelihood
        The user's likelihood.
    transform
        The prior.
    config
        Sizes and choices.
    npool
        Processes for the waveforms.
    seed
        Seed of the waveforms' parameters.
    grid
        Grid to use; chosen from the signals when left out.
    progress
        Whether to show a progress bar.
    simulate
        ``False`` prepares everything but the stored waveforms: enough to :meth:`observe`.

    Attributes
    ----------
    grid : Grid
        What the network sees.
    detectors : tuple of Detector
    symmetries : Symmetries
    extrinsic : Extrinsic
        What is done by algebra.
    factorised : bool
        Which of the two paths is taken.
    flatten_snr : bool

    Raises
    ------
    SimulationError
        If the likelihood is marginalised, the waveforms fail, or the path asked for cannot be taken.
    DataError
        If the strain or the power spectral density is not usable.
    """

    def __init__(
        self,
        likelihood: GravitationalWaveTransient,
        transform: PriorTransform,
        config: SimulationConfig | None = None,
        npool: int = 1,
        seed: int | None = None,
        grid: Grid | None = None,
        progress: bool = True,
        simulate: bool = True,
    ) -> None:
        self.likelihood = likelihood
        self.transform = transform
        self.config = config or SimulationConfig()
        self._check_likelihood()
        self.interferometers = list(likelihood.interferometers)
        self.detectors = tuple(Detector.from_interferometer(ifo) for ifo in self.interferometers)
        self.duration = float(likelihood.interferometers.duration)
        self.start_time = float(likelihood.interferometers.start_time)
        self._whiteners = [Whitener.of(ifo) for ifo in self.interferometers]
        self.symmetries = (
            find_symmetries(likelihood.waveform_generator, transform) if simulate or grid is None else None
        )
        self.extrinsic = Extrinsic(transform, self.detectors, self.symmetries)
        rng = np.random.default_rng(seed)
        self.grid = grid or self._choose_grid(rng)
        self.mask = torch.as_tensor(np.stack([self._band(scale) for scale in (w.scale for w in self._whiteners)]))
        self.factorised = False
        self.flatten_snr = False
        if simulate:
            self._simulate(npool, rng, progress)

    def draw(self, size: int, rng: np.random.Generator, held_out: bool = False) -> Signals:
        """``size`` whitened signals without noise, (size, D, F) complex64, with their parameters.

        The last tenth of the waveforms is held out.
        """
        if not self.flatten_snr:
            rows, parameters = self._draw_parameters(size, rng, held_out)
            return Signals(parameters, self._signals(rows, parameters))
        rows, parameters = self._draw_parameters(_CANDIDATES * size, rng, held_out)
        snr = np.clip(self._optimal_snr(rows, parameters), *_FLAT_SNR)
        kept = rng.choice(len(rows), size=size, p=snr**3 / np.sum(snr**3))
        parameters = {key: value[kept] for key, value in parameters.items()}
        return Signals(parameters, self._signals(rows[kept], parameters))

    def add_noise(self, data: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """White noise of unit variance per real and imaginary part, added in each detector's band."""
        noise = torch.randn(*data.shape, 2, generator=generator, dtype=torch.float32)
        return data + torch.view_as_complex(noise) * self.mask

    def observe(self) -> torch.Tensor:
        """The interferometers' strain, whitened, on the grid: (D, F) complex64."""
        series = []
        for interferometer, whitener in zip(self.interferometers, self._whiteners, strict=True):
            strain = interferometer.frequency_domain_strain
            series.append(self.grid.restrict(np.where(whitener.scale > 0, whitener(strain), 0), self.duration))
        return torch.as_tensor(np.stack(series)).to(torch.complex64)

    def arrival(self, parameters: Parameters) -> np.ndarray:
        """Arrival times at every detector, (N, D), in seconds from the start of the grid's stretch.

        The large GPS numbers cancel in double precision before anything else is done.
        """
        known = self.extrinsic.known(parameters)
        since_start = known["geocent_time"] - self.start_time - self.grid.start
        delays = [detector.delay(known["ra"], known["dec"], known["geocent_time"]) for detector in self.detectors]
        return since_start[:, None] + np.stack(np.broadcast_arrays(*delays), axis=-1)

    def light_travel_times(self) -> tuple[float, ...]:
        """Largest difference of arrival between the first detector and each, in seconds."""
        return tuple(light_travel_time(self.detectors[0], other) for other in self.detectors)

    def reflects_inclination(self, any_angle: bool) -> bool:
        """Whether ``theta_jn`` and ``pi - theta_jn`` give the same signal: :meth:`Extrinsic.reflects_inclination`."""
        return self.factorised and self.extrinsic.reflects_inclination(any_angle)

    def _check_likelihood(self) -> None:
        likelihood = self.likelihood
        marginalised = list(likelihood.marginalized_parameters)
        if marginalised:
            raise SimulationError(
                f"the likelihood is marginalised over {marginalised}: give the one without, flowpe draws these parameters "
                "itself (the phase from its exact conditional)"
            )
        for name, wanted in (("reference_frame", "sky"), ("time_reference", "geocent")):
            if (given := getattr(likelihood, name)) != wanted:
                raise SimulationError(
                    f"the likelihood has {name}={given!r}: give one with {name}={wanted!r} and priors to match"
                )
        prior = self.transform.priors.get("geocent_time")
        if getattr(prior, "required_variables", None):
            raise SimulationError("the prior of geocent_time is conditional: give it a prior of its own")
        if prior is not None and not np.all(np.isfinite([prior.minimum, prior.maximum])):
            raise SimulationError(f"priors['geocent_time']={prior!r} has no finite range: use a truncated one")
        for interferometer in likelihood.interferometers:
            if not np.all(np.isfinite(interferometer.frequency_domain_strain[interferometer.frequency_mask])):
                raise DataError(f"{interferometer.name}: the strain is not finite; repair or replace the data")

    def _choose_grid(self, rng: np.random.Generator) -> Grid:
        """The grid that pilot signals need."""
        interferometers = self.interferometers
        highest = max(ifo.maximum_frequency for ifo in interferometers)
        self.grid = Grid(
            duration=self.duration,
            start=0.0,
            minimum_frequency=min(ifo.minimum_frequency for ifo in interferometers),
            maximum_frequency=min(highest, interferometers[0].sampling_frequency / 2),
        )
        if not self.config.reduce_grid:
            return self.grid
        draws = self.transform.sample(_PILOT, rng)
        responses, good = self._evaluate(
            ResponseTask(self.likelihood, self._whiteners, self.grid, self.duration), draws
        )
        band = narrow_band(responses, self.grid)
        if "geocent_time" not in {*self.transform.keys, *self.transform.fixed}:
            return band
        arrival = self.arrival({key: value[good] for key, value in draws.items()})
        sampling = interferometers[0].sampling_frequency
        return shorten(responses, arrival, self.arrival_range(), self.grid, band, sampling)

    def arrival_range(self) -> tuple[float, float]:
        """Earliest and latest arrival that the prior allows, in seconds from the start of the grid's stretch."""
        if "geocent_time" in self.transform.fixed:
            low = high = self.transform.fixed["geocent_time"]
        else:
            prior = self.transform.priors["geocent_time"]
            low, high = float(prior.minimum), float(prior.maximum)
        known = self.extrinsic.known(self.transform.sample(4096, np.random.default_rng(1)))
        delays = np.stack([d.delay(known["ra"], known["dec"], known["geocent_time"]) for d in self.detectors])
        origin = self.start_time + self.grid.start
        return low - origin + float(delays.min()), high - origin + float(delays.max())

    def _evaluate(
        self, task: Task, draws: Parameters, npool: int = 1, progress: str | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        values, good = evaluate(task, self.rows(draws), npool, progress)
        if np.mean(good) < 0.5:
            raise SimulationError(
                f"the waveform generator failed for {np.sum(~good)} of {len(good)} draws from the prior: narrow the priors of "
                f"{list(self.transform.keys)} to where it works"
            )
        return values, good

    def _band(self, scale: np.ndarray) -> np.ndarray:
        """Whether each frequency of the grid is in the likelihood's band of a detector: (F,) of 0 and 1, float32."""
        whole = np.arange(len(scale)) / self.duration
        return np.interp(self.grid.frequencies, whole, (scale > 0).astype(float)).round().astype(np.float32)

    def rows(self, parameters: Parameters) -> list[Row]:
        """One dictionary a draw, fixed parameters included: what Bilby's own functions take."""
        columns = {key: value.tolist() for key, value in parameters.items()}
        size = len(next(iter(columns.values())))
        return [{**self.transform.fixed, **{key: column[i] for key, column in columns.items()}} for i in range(size)]

    def _can_factorise(self) -> str | None:
        """Why the factorised path cannot be taken, if so."""
        known = {*self.transform.keys, *self.transform.fixed}
        if not {*EXTRINSIC} <= known:
            return f"the priors lack {sorted({*EXTRINSIC} - known)}"
        if not {*EXTRINSIC} & {*self.transform.keys} <= {*self.symmetries.inert}:
            return "the waveform depends on the time, the sky position or the polarisation angle"
        if any(type(ifo.calibration_model) is not Recalibrate for ifo in self.interferometers):
            return "the interferometers have a calibration model"
        if not self.symmetries.distance:
            return "the waveform does not scale with luminosity_distance"
        return None

    def _simulate(self, npool: int, rng: np.random.Generator, progress: bool) -> None:
        obstacle = self._can_factorise()
        if self.config.path == "factorised" and obstacle:
            raise SimulationError(f"path='factorised' cannot be taken: {obstacle}; use path='general'")
        self.factorised = self.config.path != "general" and obstacle is None
        draws = self.transform.sample(self.config.n_waveforms, rng)
        if self.factorised:
            independent = set(self.transform.independent_keys())
            self._redrawn = tuple(
                key for key in self.symmetries.cheap_keys if key in self.transform.keys and key in independent
            )
            task = self._polarisation_task()
        else:
            logger.info(f"Simulating by the general path: {obstacle or 'as asked for'}")
            self._redrawn = ()
            task = ResponseTask(self.likelihood, self._whiteners, self.grid, self.duration)
        self._check_memory(2 if self.factorised and not self.symmetries.cross_ratio else 1)
        values, good = self._evaluate(task, draws, npool, "Waveforms" if progress else None)
        self._bank = torch.as_tensor(values)
        self._bank_parameters = {key: value[good] for key, value in draws.items()}
        self._norms = (
            torch.einsum("ndpf,ndqf->ndpq", self._bank, self._bank.conj()).numpy() if self.factorised else None
        )
        flatten = self.config.flatten_snr
        if flatten is None:
            quiet = (
                self._optimal_snr(*self._draw_parameters(4096, rng)) < _FLAT_SNR[0] if self.factorised else np.zeros(1)
            )
            flatten = bool(np.mean(quiet) > 0.25)
        if flatten and not self.factorised:
            raise SimulationError("flatten_snr=True needs the factorised path: leave it out")
        self.flatten_snr = flatten

    def _check_memory(self, modes: int) -> None:
        """Refuse before any work what would not fit."""
        bytes_each = 8 * len(self.detectors) * modes * len(self.grid)
        needed = self.config.n_waveforms * bytes_each
        available = _MEMORY_SHARE * os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        if needed > available:
            raise SimulationError(
                f"n_waveforms={self.config.n_waveforms} would take {needed / 2**30:.1f} GiB of the "
                f"{available / 2**30:.1f} GiB that this machine can spare: give at most {int(available / bytes_each)}"
            )

    def _polarisation_task(self) -> PolarisationTask:
        reference: Row = {"luminosity_distance": self.extrinsic.reference_distance}
        if self.symmetries.phase_order:
            reference["phase"] = 0.0
        if self.symmetries.inclination:
            reference["theta_jn"] = 0.0
        modes = ("plus",) if self.symmetries.cross_ratio else ("plus", "cross")
        generator, arrival = self.likelihood.waveform_generator, float(np.mean(self.arrival_range()))
        return PolarisationTask(generator, self._whiteners, self.grid, self.duration, reference, modes, arrival)

    def _draw_parameters(
        self, size: int, rng: np.random.Generator, held_out: bool = False
    ) -> tuple[np.ndarray, Parameters]:
        first = len(self._bank) - max(1, len(self._bank) // _HELD_OUT)
        rows = rng.integers(first, len(self._bank), size=size) if held_out else rng.integers(first, size=size)
        parameters = {key: value[rows] for key, value in self._bank_parameters.items()}
        for key in self._redrawn:
            parameters[key] = np.asarray(self.transform.priors[key].rescale(rng.uniform(size=size)))
        return rows, parameters

    def _signals(self, rows: np.ndarray, parameters: Parameters) -> torch.Tensor:
        stored = self._bank[torch.as_tensor(rows)]
        if not self.factorised:
            return stored
        amplitudes = torch.as_tensor(self.extrinsic.amplitudes(parameters)).to(torch.complex64)
        signals = (amplitudes[..., None] * stored).sum(dim=2)
        return signals * self.grid.shift(self.arrival(parameters))

    def _optimal_snr(self, rows: np.ndarray, parameters: Parameters) -> np.ndarray:
        """Signal-to-noise ratios (N,) over all detectors, from stored norms."""
        amplitudes = self.extrinsic.amplitudes(parameters)
        return np.sqrt(np.einsum("ndp,ndpq,ndq->n", amplitudes, self._norms[rows], amplitudes.conj()).real)
