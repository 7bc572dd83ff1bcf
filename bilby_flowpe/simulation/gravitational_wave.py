"""Simulations for a gravitational-wave transient, from the user's own waveform generator and interferometers.

Two ways give the same signals. The *general* one draws every parameter, asks the generator for the polarisations and each
interferometer for its response. The *factorised* one calls the generator for what needs it alone (masses and spins, as a
rule) and does distance, phase, inclination, time, sky and polarisation angle by algebra on stored waveforms, drawn anew for
every batch, so that this part of the training set has no end (unless a fixed set is asked for).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bilby.core.utils import logger
from bilby.gw.likelihood import GravitationalWaveTransient

from ..errors import SimulationError
from ..priors import Parameters, PriorTransform
from ..processes.parallel import Engine, Row, Task, evaluate
from ..storage.versions import WAVEFORMS, versions
from ..waves.detectors import Detector, light_travel_time
from ..waves.extrinsic import Extrinsic
from ..waves.grid import Grid
from ..waves.stretch import narrow_band, shorten
from ..waves.symmetries import UNTRIED, find_symmetries
from ..waves.tasks import PolarisationTask, ResponseTask
from ..waves.whitening import Whitener
from . import dataset
from .bank import Bank, check_memory
from .checks import check_likelihood, factorisation_obstacle
from .config import SimulationConfig
from .rows import Rows
from .simulator import Signals

_PILOT = 256
_FLAT_SNR = (6.0, 80.0)
_CANDIDATES = 8
# Draws at which the symmetries of simulated waveforms are tried together, and most of them: 1% of the cost of the waveforms,
# and a part of 1.2% of the prior is found in 95 of 100 cases.
_TRIED_EACH, _TRIED = 200, 256


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
        Processes for the waveforms, or what makes them elsewhere.
    seed
        Seed of the waveforms' parameters.
    grid
        Grid to use; chosen from the signals when left out.
    progress
        Whether to show a progress bar.
    simulate
        ``False`` prepares everything but the stored waveforms: enough to :meth:`observe`.
    contract
        :meth:`bilby_flowpe.translation.contract.Contract.fingerprint` of the problem, to hold against that of ``config.file``.
    tried
        Rows of all parameters at which the symmetries of the waveform are tried, beside draws from the prior.

    Attributes
    ----------
    grid : Grid
        What the network sees.
    detectors : tuple of Detector
    symmetries : Symmetries
        What holds of the waveforms, as far as it was tried.
    extrinsic : Extrinsic
        What is done by algebra.
    factorised : bool
        Which of the two paths is taken.
    flatten_snr : bool
    bank : Bank
        The stored waveforms, where they were simulated.

    Raises
    ------
    SimulationError
        If the likelihood is marginalised, the waveforms fail, or the path asked for cannot be taken.
    DataError
        If the strain or the power spectral density is not usable, or ``config.file`` is damaged or of another problem.
    """

    bank: Bank
    _products: np.ndarray
    _redrawn: tuple[str, ...]

    def __init__(
        self,
        likelihood: GravitationalWaveTransient,
        transform: PriorTransform,
        config: SimulationConfig | None = None,
        npool: int | Engine = 1,
        seed: int | None = None,
        grid: Grid | None = None,
        progress: bool = True,
        simulate: bool = True,
        contract: str | None = None,
        tried: Sequence[Row] = (),
    ) -> None:
        self.likelihood = likelihood
        self.transform = transform
        self.config, self._seed = config or SimulationConfig(), seed
        check_likelihood(likelihood, transform)
        file = self.config.file if simulate else None
        header = dataset.read_header(file) if file else None
        self.interferometers = list(likelihood.interferometers)
        self.detectors = tuple(Detector.from_interferometer(ifo) for ifo in self.interferometers)
        self.duration = float(likelihood.interferometers.duration)
        self.start_time = float(likelihood.interferometers.start_time)
        self._whiteners = [Whitener.of(ifo) for ifo in self.interferometers]
        more = min(self.config.n_waveforms // _TRIED_EACH, _TRIED) if simulate else 0
        self.symmetries = (
            find_symmetries(likelihood.waveform_generator, transform, tried, more)
            if simulate or grid is None
            else UNTRIED
        )
        self.extrinsic = Extrinsic(transform, self.detectors, self.symmetries)
        rng = np.random.default_rng(seed)
        self.grid = grid or (header.grid if header else self._choose_grid(rng))
        self.mask = torch.as_tensor(np.stack([self._band(scale) for scale in (w.scale for w in self._whiteners)]))
        self.factorised = False
        self.flatten_snr = False
        if simulate:
            self._choose_path()
            self.bank = self._read(file, header, contract) if file and header else self._simulate(npool, rng, progress)
            if self.factorised:
                self._products = self.bank.products()
            self.flatten_snr = self._choose_flattening(rng)

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
        arrival: np.ndarray = since_start[:, None] + np.stack(np.broadcast_arrays(*delays), axis=-1)
        return arrival

    def light_travel_times(self) -> tuple[float, ...]:
        """Largest difference of arrival between the first detector and each, in seconds."""
        return tuple(light_travel_time(self.detectors[0], other) for other in self.detectors)

    def reflects_inclination(self, any_angle: bool) -> bool:
        """Whether ``theta_jn`` and ``pi - theta_jn`` give the same signal: :meth:`Extrinsic.reflects_inclination`."""
        return self.factorised and self.extrinsic.reflects_inclination(any_angle)

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
        if not self.config.shorten or "geocent_time" not in {*self.transform.keys, *self.transform.fixed}:
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
        self, task: Task, draws: Parameters, npool: int | Engine = 1, progress: str | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        values, good = evaluate(task, Rows(self.transform, draws), npool, progress)
        if np.mean(good) < 0.5:
            raise SimulationError(
                f"the waveform generator failed for {np.sum(~good)} of {len(good)} draws from the prior: narrow the priors of "
                f"{list(self.transform.keys)} to where it works"
            )
        return values, good

    def _band(self, scale: np.ndarray) -> np.ndarray:
        """Whether each frequency of the grid is in the likelihood's band of a detector: (F,) of 0 and 1, float32."""
        whole = np.arange(len(scale)) / self.duration
        share: np.ndarray = np.interp(self.grid.frequencies, whole, (scale > 0).astype(float))
        return share.round().astype(np.float32)

    def rows(self, parameters: Parameters) -> list[Row]:
        """One dictionary a draw, fixed parameters included: what Bilby's own functions take."""
        return Rows(self.transform, parameters)[:]

    def example(self, row: Row, seed: int) -> np.ndarray | None:
        """Whitened responses of all detectors to one row, (D, F); noise-free, ``None`` where the waveform fails."""
        return ResponseTask(self.likelihood, self._whiteners, self.grid, self.duration)(row)

    def _choose_path(self) -> None:
        obstacle = factorisation_obstacle(self.transform, self.symmetries, self.interferometers)
        if self.config.path == "factorised" and obstacle:
            raise SimulationError(f"path='factorised' cannot be taken: {obstacle}; use path='general'")
        self.factorised = self.config.path != "general" and obstacle is None
        if not self.factorised:
            logger.info(f"Simulating by the general path: {obstacle or 'as asked for'}")
        cheap = set(self.transform.independent_keys()) if self.factorised and self.config.redraw else set()
        self._redrawn = tuple(key for key in self.symmetries.cheap_keys if key in cheap)

    def _simulate(self, npool: int | Engine, rng: np.random.Generator, progress: bool) -> Bank:
        task = self._task()
        check_memory(self.config.n_waveforms, self._numbers_each(), len(self.detectors), len(self.grid))
        draws = self.transform.sample(self.config.n_waveforms, rng)
        values, good = self._evaluate(task, draws, npool, "Waveforms" if progress else None)
        return Bank(torch.as_tensor(values), {key: value[good] for key, value in draws.items()})

    def _numbers_each(self) -> int:
        modes = 2 if self.factorised and not self.symmetries.cross_ratio else 1
        return len(self.detectors) * modes * len(self.grid)

    def _choose_flattening(self, rng: np.random.Generator) -> bool:
        flatten = self.config.flatten_snr
        if flatten is None:
            return self.factorised and bool(
                np.mean(self._optimal_snr(*self._draw_parameters(4096, rng)) < _FLAT_SNR[0]) > 0.25
            )
        if flatten and not self.factorised:
            raise SimulationError("flatten_snr=True needs the factorised path: leave it out")
        return flatten

    def save(self, path: str | Path, contract: str) -> Path:
        """Write the stored waveforms to an HDF5 file, for :attr:`SimulationConfig.file` to read.

        Parameters
        ----------
        path
            File to write, under a temporary name first; an older one is replaced.
        contract
            :meth:`bilby_flowpe.translation.contract.Contract.fingerprint` of the problem.
        """
        header = dataset.Header(
            contract=contract,
            grid=self.grid,
            factorised=self.factorised,
            symmetries=self.symmetries.to_dict(),
            config=asdict(replace(self.config, file=None)),
            seed=self._seed,
            versions=versions((*WAVEFORMS, "h5py")),
            n_waveforms=len(self.bank),
        )
        return dataset.write(path, header, self.bank, self.start_time)

    def _read(self, file: str, header: dataset.Header, contract: str | None) -> Bank:
        """The waveforms of a file, a few of them made anew to see that they are those of this problem."""
        asked: dict[str, Any] = {"contract": contract} if contract else {}
        asked["config"] = {**header.config, "reduce_grid": self.config.reduce_grid}
        asked |= {"grid": self.grid, "symmetries": self.symmetries.to_dict(), "factorised": self.factorised}
        dataset.require(file, header, **asked)
        check_memory(header.n_waveforms, self._numbers_each())
        bank = dataset.read(file, header, self.start_time)
        dataset.spot_check(file, bank, self._task(), Rows(self.transform, bank.parameters))
        self.config, self._seed = replace(self.config, n_waveforms=len(bank)), header.seed
        return bank

    def _task(self) -> Task:
        if self.factorised:
            return self._polarisation_task()
        return ResponseTask(self.likelihood, self._whiteners, self.grid, self.duration)

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
        rows = self.bank.choose(size, rng, held_out)
        parameters = {key: value[rows] for key, value in self.bank.parameters.items()}
        for key in self._redrawn:
            parameters[key] = np.asarray(self.transform.priors[key].rescale(rng.uniform(size=size)))
        return rows, parameters

    def _signals(self, rows: np.ndarray, parameters: Parameters) -> torch.Tensor:
        stored = self.bank.waveforms[torch.as_tensor(rows)]
        if not self.factorised:
            return stored
        amplitudes = torch.as_tensor(self.extrinsic.amplitudes(parameters)).to(torch.complex64)
        signals = amplitudes[:, :, 0, None] * stored[:, :, 0]
        for mode in range(1, stored.shape[2]):
            signals += amplitudes[:, :, mode, None] * stored[:, :, mode]
        return signals * self.grid.shift(self.arrival(parameters))

    def _optimal_snr(self, rows: np.ndarray, parameters: Parameters) -> np.ndarray:
        """Signal-to-noise ratios (N,) over all detectors, from stored inner products."""
        amplitudes = self.extrinsic.amplitudes(parameters)
        snr: np.ndarray = np.sqrt(
            np.einsum("ndp,ndpq,ndq->n", amplitudes, self._products[rows], amplitudes.conj()).real
        )
        return snr
