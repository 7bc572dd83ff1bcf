"""Training data for a gravitational-wave transient, from the user's own waveform generator and interferometers.

There are two ways to the same signals. The *general* path draws every parameter, and calls the generator for the polarisations
and each interferometer for its response. The *factorised* path calls the generator only for parameters that need it (usually
masses and spins). It applies distance, phase, inclination, time, sky position and polarisation angle by algebra to stored
waveforms. These parameters are drawn again for every batch, so that this part of the training set is unlimited (unless a fixed
set is configured).
"""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from bilby.core.utils import logger

from ..errors import SimulationError
from ..priors import Parameters
from ..problem import Problem, Signals, SimulationConfig
from ..processes.parallel import Engine, Row, Task, evaluate
from ..storage.versions import WAVEFORMS, versions
from ..waves.extrinsic import Extrinsic
from ..waves.grid import Grid
from ..waves.shifts import time_shift
from ..waves.stretch import narrow_band, shorten
from ..waves.symmetries import find_symmetries
from ..waves.tasks import PolarisationTask, ResponseTask
from . import dataset
from .checks import factorisation_obstacle
from .detector_view import DetectorView
from .rows import Rows
from .stored import StoredWaveforms, check_memory

_PILOT = 256  # pilot signals drawn from the prior, by which band and stretch of the grid are chosen
# Range of signal-to-noise ratios in which a flattened prior is flat: nothing is learnt from quieter signals, and louder ones
# are rare. One of eight candidates is kept, with a probability by its ratio.
_FLAT_SNR, _CANDIDATES = (6.0, 80.0), 8
# One draw in 200, and at most 256, at which the symmetries of simulated waveforms are tested together: this costs 1% of the
# waveforms, and finds a fault in 1.2% of the prior in 95 of 100 cases.
_TRIED_EACH, _TRIED = 200, 256


class SignalBank:
    """Signals in detectors, made from stored waveforms.

    Parameters
    ----------
    problem
        A problem of gravitational waves.
    config
        Number of waveforms and choices of the simulation.
    npool
        Number of processes that compute the waveforms, or an engine that does so elsewhere.
    seed
        Seed of the waveforms' parameters.
    grid
        Grid to use; chosen from pilot signals by default.
    progress
        True to show a progress bar.

    Attributes
    ----------
    view : DetectorView
        The likelihood's own data in the form of the signals.
    symmetries : Symmetries
        Symmetries of the waveforms that hold at all draws tested.
    extrinsic : Extrinsic
        Parameters that are applied by algebra.
    factorised : bool
        True if the factorised path is taken, False for the general one.
    flatten_snr : bool
        True if signals are drawn with a flat distribution of signal-to-noise ratios.
    stored : StoredWaveforms
        The stored waveforms with their parameters.

    Raises
    ------
    SimulationError
        If the likelihood is marginalised, the waveforms fail, or the configured path cannot be taken.
    DataError
        If the strain or the power spectral density is not usable, or ``config.file`` is damaged or for another problem.
    """

    known_noise = None

    def __init__(
        self,
        problem: Problem,
        config: SimulationConfig | None = None,
        npool: int | Engine = 1,
        seed: int | None = None,
        grid: Grid | None = None,
        progress: bool = True,
    ) -> None:
        self.problem, self.likelihood, self.prior = problem, problem.likelihood, problem.prior
        self.config, self.seed = config or SimulationConfig(), seed
        file = self.config.file
        header = dataset.read_header(file) if file else None
        known = grid or (header.grid if header else None)
        self.view = DetectorView(problem, known)
        more = min(self.config.n_waveforms // _TRIED_EACH, _TRIED)
        self.symmetries = find_symmetries(self.likelihood.waveform_generator, self.prior, more=more)
        self.extrinsic = Extrinsic(self.prior, self.view.detectors, self.symmetries)
        rng = np.random.default_rng(seed)
        if known is None:
            self.view = self.view.on(self._choose_grid(rng))
        self._choose_path()
        self.stored = self._read(file, header) if file and header else self._simulate(npool, rng, progress)
        if self.factorised:
            self._products = self.stored.products()
        self.flatten_snr = self._choose_flattening(rng)

    @property
    def signals(self) -> SignalBank:
        """The bank itself, as its data are signals in detectors."""
        return self

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the stored waveforms, (N, D, P, F) or (N, D, F)."""
        return tuple(self.stored.waveforms.shape)

    @property
    def n_training(self) -> int:
        """Number of stored waveforms that are used for training and not held out."""
        return self.stored.n_training

    def under_own_curves(self) -> SignalBank:
        """Return this object, as its noise has the likelihood's own curves."""
        return self

    def draw(self, size: int, rng: np.random.Generator, held_out: bool = False) -> Signals:
        """Draw whitened signals without noise, (size, D, F) complex64, with their parameters.

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
        """Add white noise of unit variance per real and imaginary part, in each detector's band."""
        noise = torch.randn(*data.shape, 2, generator=generator, dtype=torch.float32)
        return data + torch.view_as_complex(noise) * torch.as_tensor(self.view.mask)

    def example(self, row: Row, seed: int) -> np.ndarray | None:
        """Return whitened noise-free responses of all detectors to one row, (D, F), or ``None`` where the waveform fails."""
        return self._response_task()(row)

    def save(self, path: str | Path, contract: str) -> Path:
        """Write the stored waveforms to an HDF5 file, for :attr:`SimulationConfig.file` to read.

        Parameters
        ----------
        path
            File to write, under a temporary name first; an older one is replaced.
        contract
            :meth:`bilby_flowpe.contract.Contract.fingerprint` of the problem.
        """
        header = dataset.Header(
            contract=contract,
            grid=self.view.grid,
            factorised=self.factorised,
            symmetries=self.symmetries.to_dict(),
            config=asdict(replace(self.config, file=None)),
            seed=self.seed,
            versions=versions((*WAVEFORMS, "h5py")),
            n_waveforms=len(self.stored),
        )
        return dataset.write(path, header, self.stored, self.view.start_time)

    def _choose_grid(self, rng: np.random.Generator) -> Grid:
        """Choose the part of the whole grid that is needed by pilot signals drawn from the prior."""
        whole = self.view.grid
        if not self.config.reduce_grid:
            return whole
        draws = self.prior.sample(_PILOT, rng)
        responses, good = self._evaluate(self._response_task(), draws)
        band = narrow_band(responses, whole)
        if not self.config.shorten or "geocent_time" not in {*self.prior.keys, *self.prior.fixed}:
            return band
        arrival = self.view.arrival({key: value[good] for key, value in draws.items()})
        sampling = self.view.interferometers[0].sampling_frequency
        return shorten(responses, arrival, self.view.arrival_range(), whole, band, sampling)

    def _choose_path(self) -> None:
        obstacle = factorisation_obstacle(self.prior, self.symmetries, self.view.interferometers)
        if self.config.path == "factorised" and obstacle:
            raise SimulationError(f"path='factorised' cannot be taken, as {obstacle}: use path='general'")
        self.factorised = self.config.path != "general" and obstacle is None
        if not self.factorised:
            logger.info(f"Simulating by the general path: {obstacle or 'this path was configured'}.")
        cheap = set(self.prior.independent_keys()) if self.factorised and self.config.redraw else set()
        self._redrawn = tuple(key for key in self.symmetries.cheap_keys if key in cheap)

    def _simulate(self, npool: int | Engine, rng: np.random.Generator, progress: bool) -> StoredWaveforms:
        task, view = self._task(), self.view
        check_memory(self.config.n_waveforms, self._numbers_each(), len(view.detectors), len(view.grid))
        draws = self.prior.sample(self.config.n_waveforms, rng)
        values, good = self._evaluate(task, draws, npool, "Waveforms" if progress else None)
        return StoredWaveforms(torch.as_tensor(values), {key: value[good] for key, value in draws.items()})

    def _read(self, file: str, header: dataset.Header) -> StoredWaveforms:
        """Read the waveforms of a file, and compute a few of them again to check that they belong to this problem."""
        dataset.require(
            file,
            header,
            contract=self.problem.describe().fingerprint(),
            config={**header.config, "reduce_grid": self.config.reduce_grid},
            grid=self.view.grid,
            symmetries=self.symmetries.to_dict(),
            factorised=self.factorised,
        )
        check_memory(header.n_waveforms, self._numbers_each())
        stored = dataset.read(file, header, self.view.start_time)
        dataset.spot_check(file, stored, self._task(), Rows(self.prior, stored.parameters))
        self.config, self.seed = replace(self.config, n_waveforms=len(stored)), header.seed
        return stored

    def _evaluate(
        self, task: Task, draws: Parameters, npool: int | Engine = 1, progress: str | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        values, good = evaluate(task, Rows(self.prior, draws), npool, progress)
        if np.mean(good) < 0.5:
            raise SimulationError(
                f"the waveform generator failed for {np.sum(~good)} of {len(good)} draws from the prior: narrow the priors "
                f"of {list(self.prior.keys)} to where it works"
            )
        return values, good

    def _numbers_each(self) -> int:
        modes = 2 if self.factorised and not self.symmetries.cross_ratio else 1
        return len(self.view.detectors) * modes * len(self.view.grid)

    def _choose_flattening(self, rng: np.random.Generator) -> bool:
        flatten = self.config.flatten_snr
        if flatten is None:
            return self.factorised and bool(
                np.mean(self._optimal_snr(*self._draw_parameters(4096, rng)) < _FLAT_SNR[0]) > 0.25
            )
        if flatten and not self.factorised:
            raise SimulationError(
                "flatten_snr=True needs the factorised path, which is not taken: leave flatten_snr out"
            )
        return flatten

    def _task(self) -> Task:
        return self._polarisation_task() if self.factorised else self._response_task()

    def _response_task(self) -> ResponseTask:
        view = self.view
        return ResponseTask(self.likelihood, view.whiteners, view.grid, view.duration)

    def _polarisation_task(self) -> PolarisationTask:
        reference: Row = {"luminosity_distance": self.extrinsic.reference_distance}
        if self.symmetries.phase_order:
            reference["phase"] = 0.0
        if self.symmetries.inclination:
            reference["theta_jn"] = 0.0
        modes = ("plus",) if self.symmetries.cross_ratio else ("plus", "cross")
        view, arrival = self.view, float(np.mean(self.view.arrival_range()))
        generator = self.likelihood.waveform_generator
        return PolarisationTask(generator, view.whiteners, view.grid, view.duration, reference, modes, arrival)

    def _draw_parameters(
        self, size: int, rng: np.random.Generator, held_out: bool = False
    ) -> tuple[np.ndarray, Parameters]:
        rows = self.stored.choose(size, rng, held_out)
        parameters = {key: value[rows] for key, value in self.stored.parameters.items()}
        for key in self._redrawn:
            parameters[key] = np.asarray(self.prior.priors[key].rescale(rng.uniform(size=size)))
        return rows, parameters

    def _signals(self, rows: np.ndarray, parameters: Parameters) -> torch.Tensor:
        stored = self.stored.waveforms[torch.as_tensor(rows)]
        if not self.factorised:
            return stored
        amplitudes = torch.as_tensor(self.extrinsic.amplitudes(parameters)).to(torch.complex64)
        signals = amplitudes[:, :, 0, None] * stored[:, :, 0]
        for mode in range(1, stored.shape[2]):
            signals += amplitudes[:, :, mode, None] * stored[:, :, mode]
        return signals * time_shift(self.view.grid, self.view.arrival(parameters))

    def _optimal_snr(self, rows: np.ndarray, parameters: Parameters) -> np.ndarray:
        """Return signal-to-noise ratios (N,) over all detectors, from stored inner products."""
        amplitudes = self.extrinsic.amplitudes(parameters)
        return np.sqrt(np.einsum("ndp,ndpq,ndq->n", amplitudes, self._products[rows], amplitudes.conj()).real)
