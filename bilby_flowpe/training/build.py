"""Stages of a training, from Bilby's likelihood and priors to a trained model."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bilby.core.likelihood import Likelihood
from bilby.core.prior import PriorDict
from bilby.core.utils import logger

from ..arguments.table import check_npool
from ..conditional.base import ConditionalConfig
from ..conditional.choose import conditional_config, single_response
from ..conditional.phase import conditional_obstacle
from ..errors import ConfigurationError, SimulationError
from ..kinds import problem_of
from ..model import TrainedPosterior
from ..networks.families import build_network
from ..problem import Bank, Problem, SimulationConfig
from ..processes.parallel import Engine
from ..processes.team import Alone, Team
from ..proposals.mixture import Shares
from ..representation.aligned import AlignedRepresentation, SeriesRepresentation
from ..representation.amortised import AmortisedRepresentation
from ..representation.base import Representation
from ..representation.compress import Compressor
from ..representation.coordinates import CoordinateConfig, Coordinates
from ..representation.linear import LinearRepresentation
from ..simulation.unchanging import unchanging
from .calibrate import calibrate, calibrated
from .loop import train
from .recipe import MEASURING, has_learnt
from .settings import Settings, adapted
from .stream import Stream


def train_model(
    likelihood: Likelihood,
    priors: PriorDict,
    settings: Settings | None = None,
    npool: int = 1,
    checkpoint: str | Path | None = None,
    progress: bool = True,
    engine: Engine | None = None,
    team: Team | None = None,
) -> TrainedPosterior:
    """Train a model for a likelihood and prior.

    Parameters
    ----------
    likelihood, priors
        The user's Bilby objects; the data in the likelihood are not used.
    settings, npool, checkpoint, progress, engine, team
        As in :func:`train_on`.

    Returns
    -------
    TrainedPosterior

    Raises
    ------
    SimulationError, PriorError, ConfigurationError
        If the problem cannot be simulated, has unusable priors, or the settings do not fit it.

    Examples
    --------
    >>> model = train_model(likelihood, priors, settings, progress=False)
    >>> folder = model.save("models/mine")
    """
    return train_on(problem_of(likelihood, priors), settings, npool, checkpoint, progress, engine, team)


def train_on(
    problem: Problem,
    settings: Settings | None = None,
    npool: int = 1,
    checkpoint: str | Path | None = None,
    progress: bool = True,
    engine: Engine | None = None,
    team: Team | None = None,
) -> TrainedPosterior:
    """Train a model for a problem.

    Parameters
    ----------
    problem
        The problem; the data in its likelihood are not used.
    settings
        All choices that make a model.
    npool
        Number of processes for the waveforms.
    checkpoint
        File that is written during training, and from which an interrupted training resumes.
    progress
        Whether to show progress bars.
    engine
        Computes the waveforms in place of local processes, for example a
        :class:`~bilby_flowpe.processes.cluster.DaskEngine`.
    team
        The processes that train together, for example a :class:`~bilby_flowpe.processes.fabric.FabricTeam`. Each of
        them calls this function; only the first one measures the model. With a ``checkpoint``, which has to be on a
        disk that all can read, one process makes the waveforms for all.

    Returns
    -------
    TrainedPosterior

    Raises
    ------
    SimulationError, ConfigurationError
        If the problem cannot be simulated, or the settings do not fit it.
    """
    npool = check_npool(npool)
    if settings is not None and not isinstance(settings, Settings):
        raise ConfigurationError(f"settings={settings!r}: give bilby_flowpe.training.Settings, or leave them out")
    return _Builder(problem, settings or Settings(), npool, progress, engine, team or Alone()).run(
        Path(checkpoint) if checkpoint else None
    )


class _Builder:
    """The stages of making a model, in their order."""

    def __init__(
        self,
        problem: Problem,
        settings: Settings,
        npool: int,
        progress: bool,
        engine: Engine | None,
        team: Team,
    ) -> None:
        self.problem, self.prior = problem, problem.prior
        self.contract = problem.describe()
        settings = adapted(settings, self.contract)
        if settings.representation.kind == "series" and settings.simulation.reduce_grid:
            settings = replace(settings, simulation=replace(settings.simulation, reduce_grid=False))
        self.settings, self.progress = settings, progress
        self.npool, self.engine, self.team = npool, engine, team
        self.began = time.monotonic()
        self.rng = np.random.default_rng(settings.training.seed)
        self.generator = torch.Generator().manual_seed(settings.training.seed)

    def run(self, checkpoint: Path | None) -> TrainedPosterior:
        settings = self.settings
        self.bank = self._simulated(checkpoint)
        self.seconds_simulation = time.monotonic() - self.began
        config, conditional = self._choose_coordinates()
        representation = self._fit_representation()
        coordinates = Coordinates(self.prior, config, self.bank.view.arrival)
        stream = Stream(self.bank, representation, coordinates, self.rng, self.generator)
        signals, _, pivot = stream.simulated(4 * 2048)
        coordinates.standardise(signals.parameters, pivot)
        moments = self.prior.moments(np.random.default_rng(settings.training.seed))
        stream.paper_constant = coordinates.log_copies - sum(np.log(moments[key][1]) for key in config.keys)
        validation = stream(settings.training.validation_size, held_out=True)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.training.seed)
            network = build_network(len(config.keys), representation.features, settings.network)
        logger.info(
            f"Training a network ({settings.network.family}, {network.n_parameters} weights) for {list(config.keys)} from "
            f"{representation.features} features of the data"
        )
        history = train(
            network,
            stream.shards(settings.training.shards, settings.training.seed),
            validation,
            settings.training,
            checkpoint,
            self.progress,
            self.team,
        )
        model = TrainedPosterior(
            contract=self.contract,
            grid=self.bank.view.grid,
            kind=settings.representation.kind,
            representation=representation,
            network=network,
            coordinates=config,
            location=coordinates.location,
            scale=coordinates.scale,
            time_scale=coordinates.time_scale,
            conditional=conditional,
            flatten_snr=self.bank.flatten_snr,
            shares=Shares(),
            settings=settings.to_dict(),
            history=history.to_dict(),
            information={
                **self._information(representation, network.n_parameters),
                "loss_of_prior": _loss_of_prior(validation.x.double().numpy()),
            },
        )
        if not settings.calibration_events or self.team.rank > 0 or not has_learnt(model.history, model.information):
            return model
        # If the training was limited to some seconds, so is the measuring: to a share of them.
        budget = settings.training.max_time and MEASURING * settings.training.max_time
        logger.info(
            f"Measuring the model: its efficiency on up to {settings.calibration_events} simulated events, and how unlike "
            f"each other its data are on up to {settings.null_events}"
            + (f", for about {budget:.0f} s" if budget else "")
        )
        measured = calibrate(
            model,
            self.problem,
            settings.calibration_events,
            seed=settings.training.seed,
            npool=self.npool,
            null_events=settings.null_events,
            seconds=budget,
        )
        model.information["seconds"]["total"] = round(time.monotonic() - self.began, 1)
        return calibrated(model, measured)

    def _simulated(self, checkpoint: Path | None) -> Bank:
        """Return the source of training data; with a checkpoint, one process makes the waveforms for all."""

        def make(config: SimulationConfig) -> Bank:
            shown = self.progress and self.team.rank == 0
            return self.problem.bank(config, self.engine or self.npool, self.settings.training.seed, progress=shown)

        config = self.settings.simulation
        if self.team.size == 1 or checkpoint is None or config.file:
            return make(config)
        shared = checkpoint.with_suffix(".waveforms.h5")
        bank = make(config) if self.team.rank == 0 else None
        signals = bank.signals if bank else None
        if signals is not None:
            signals.save(shared, self.contract.fingerprint())
        if not self.team.broadcast(signals is not None):
            return bank or make(config)
        # All processes read the file, the first one too, so that all have the same numbers in the same order.
        bank = make(replace(config, file=str(shared)))
        self.team.gather(None)
        if self.team.rank == 0:
            shared.unlink()
        return bank

    def _choose_coordinates(self) -> tuple[CoordinateConfig, ConditionalConfig]:
        """Choose coordinates of the network, and the parameters that are drawn from their exact conditional."""
        keys, settings, signals = self.prior.keys, self.settings, self.bank.signals
        if signals is None:
            return CoordinateConfig(self._learnt(keys)), ConditionalConfig()
        extrinsic = signals.extrinsic
        order = extrinsic.symmetries.phase_order
        obstacle = conditional_obstacle(self.prior, order)
        conditional = settings.phase == "conditional" and obstacle is None
        aligned = settings.representation.kind in ("aligned", "amortised")
        reflects = signals.factorised and extrinsic.reflects_inclination(any_angle=conditional)
        # With one detector, distance and inclination act through a single number, and have their own coordinates.
        response = single_response(extrinsic, conditional) if signals.factorised else None
        free = obstacle is None
        drawn = conditional_config(extrinsic, signals.view.duration, settings.modes(), response)
        if settings.phase == "conditional" and "phase" in keys and "phase" not in drawn.keys:
            logger.info(f"The phase is learnt by the network: {obstacle or 'the time is learnt, too'}")
        if "theta_jn" in drawn.keys:
            reflects = False
        if {"theta_jn", "luminosity_distance"} & {*drawn.keys}:
            response = None
        config = CoordinateConfig(
            keys=self._learnt([key for key in keys if key not in drawn.keys]),
            # A prior that is conditional on the time would move with it.
            relative_time=aligned
            and "geocent_time" in self.prior.independent_keys()
            and "geocent_time" not in drawn.keys,
            phase_order=order if aligned and free and not conditional else 0,
            fold_phase=bool(aligned and free and not conditional and settings.fold_phase),
            folded=("theta_jn",) if reflects and response is None else (),
            response=response,
        )
        return config, drawn

    def _learnt(self, keys: Sequence[str]) -> tuple[str, ...]:
        """Return ``keys`` without those that do not change the data, which are drawn from their priors."""
        if idle := unchanging(self.bank, keys):
            logger.info(
                f"{list(idle)} do not change the simulated data: they are drawn from their priors instead of being learnt"
            )
        learnt = tuple(key for key in keys if key not in idle)
        if not learnt:
            raise SimulationError(f"none of {list(keys)} changes the simulated data: a network has nothing to learn")
        return learnt

    def _fit_representation(self) -> Representation:
        config, signals = self.settings.representation, self.bank.signals
        rng, generator = self.rng, self.generator
        if config.kind not in ("aligned", "amortised", "series"):
            return LinearRepresentation.fit(self.bank, config, rng, generator)
        if signals is None:
            raise ConfigurationError(f"representation kind={config.kind!r} needs gravitational-wave data: use 'linear'")
        # If the phase of the signal is free, the angle found in the alignment carries no information; otherwise it
        # does.
        free = conditional_obstacle(self.prior, signals.extrinsic.symmetries.phase_order) is None
        representation: AmortisedRepresentation | AlignedRepresentation
        match config.kind:
            case "series":
                return SeriesRepresentation.fit(signals, rng, generator)
            case "aligned":
                representation = aligned = AlignedRepresentation.fit(signals, config, not free, rng, generator)
            case _:
                representation = AmortisedRepresentation.fit(signals, config, not free, rng, generator)
                aligned = representation.aligned
        compressor = aligned.compressor
        logger.info(
            f"The data are compressed to {compressor.features} components, which lose {float(compressor.mean_loss):.2g} of the "
            f"squared signal-to-noise ratio of held-out signals on average, {float(compressor.worst_loss):.2g} at worst"
        )
        return representation

    def _information(self, representation: Representation, n_parameters: int) -> dict[str, Any]:
        information = {
            "n_parameters": n_parameters,
            "seconds": {
                "simulation": round(self.seconds_simulation, 1),
                "total": round(time.monotonic() - self.began, 1),
            },
        }
        if compressor := _compressor(representation):
            information["compression"] = {
                "components": compressor.features,
                "worst_loss": float(compressor.worst_loss),
                "mean_loss": float(compressor.mean_loss),
            }
        if (signals := self.bank.signals) is not None:
            information["symmetries"] = signals.extrinsic.symmetries.to_dict()
            information["factorised"] = signals.factorised
        return information


def _loss_of_prior(x: np.ndarray) -> float:
    """Return the training loss of a normal density with the parameters' mean and covariance, without any data."""
    covariance = np.atleast_2d(np.cov(x.T))
    return float(0.5 * (x.shape[1] * (1 + np.log(2 * np.pi)) + np.linalg.slogdet(covariance)[1]))


def _compressor(representation: Representation) -> Compressor | None:
    """Return the compressor of aligned data, ``None`` if there is none."""
    aligned = representation.aligned if isinstance(representation, AmortisedRepresentation) else representation
    return aligned.compressor if isinstance(aligned, AlignedRepresentation) else None
