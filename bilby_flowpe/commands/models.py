"""The commands of ``flowpe`` that make, list, show and measure models."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

from bilby.core.utils import logger

from ..cache import new_folder
from ..configuration.file import COPY, read
from ..errors import ConfigurationError, ModelError
from ..kinds import problem_of
from ..model import TrainedPosterior
from ..model_list import describe_entry, entry, find_folder, listing
from ..plotting import plot_efficiency, plot_history
from ..problem import Problem
from ..problems import green2020
from ..processes.parallel import Engine
from ..processes.team import Alone, Team
from ..simulation.dataset import read_header, require
from ..storage.folder import DESCRIPTION, write_text
from ..storage.ledger import Ledger, remembering
from ..training.build import train_on
from ..training.calibrate import calibrate as measure_calibration
from ..training.calibrate import calibrated, describe_calibration
from ..training.settings import adapted
from ..validation.card import write_card
from ..validation.gap import measure_gap, summarise_gap, worst_events
from ..validation.loss import fresh_loss


def train(
    config: Path,
    outdir: Path,
    npool: int,
    resume: bool,
    overwrite: bool,
    dask: str | None = None,
    fabric: bool = False,
) -> None:
    """Train a model for the problem of a configuration, and write it to the folder of its name in ``outdir``."""
    configured = read(config)
    problem = configured.problem()
    contract = problem.describe()
    path = configured.path.resolve()
    name = path.parent.name if path.name == COPY else path.stem
    folder = outdir / name
    check_free(folder, overwrite)
    if file := configured.settings.simulation.file:
        require(file, read_header(file), contract=contract.fingerprint())
    # The name depends on problem and settings, so that a training of something else is not continued by mistake.
    checkpoint = outdir / f"{name}.{new_folder(contract, configured.settings).name[:8]}.ckpt"
    outdir.mkdir(parents=True, exist_ok=True)
    team = _team(fabric, configured.settings.training.device)
    if not resume and team.rank == 0:
        checkpoint.unlink(missing_ok=True)
    team.broadcast(None)
    began = time.monotonic()

    def trained(engine: Engine | None = None) -> TrainedPosterior:
        progress = sys.stderr.isatty()
        return train_on(problem, configured.settings, npool, checkpoint, progress, engine, team)

    if team.rank > 0:
        trained()
        return
    ledger = Ledger(checkpoint.with_suffix(".evaluations"), resume)
    with _engine(dask, npool) as engine:
        model = remembering(ledger, lambda: trained(engine))
    model.information["name"] = name
    model.save(folder)
    configured.copy_into(folder)
    plot_history(model.history, outdir / f"{name}.training.png")
    checkpoint.unlink(missing_ok=True)
    ledger.clear()
    history, seconds = model.history, model.information["seconds"]
    best = history["best"]
    print(f"network: {model.network.n_parameters} parameters, {history['step'][-1]} steps")
    print(f"seconds: {time.monotonic() - began:.0f}, of them waveforms: {seconds['simulation']:.0f}")
    print(
        f"validation loss: {history['validation_loss'][best]:.3f} nat in the network's coordinates, "
        f"{history['validation_loss_paper'][best]:.3f} nat in standardised parameters"
    )
    print(f"model: {folder}")


def simulate(config: Path, output: Path, npool: int, overwrite: bool, dask: str | None = None) -> None:
    """Simulate the waveforms of a configuration, and write them to an HDF5 file."""
    began = time.monotonic()
    if output.exists() and not overwrite:
        raise ConfigurationError(f"output={str(output)!r} exists already: give another name, or --overwrite")
    configured = read(config)
    problem = configured.problem()
    contract = problem.describe()
    settings = adapted(configured.settings, contract)
    simulation = replace(settings.simulation, file=None)
    if settings.representation.kind == "series":
        simulation = replace(simulation, reduce_grid=False)
    ledger = Ledger(output.with_name(f"{output.name}.evaluations"))
    with _engine(dask, npool) as engine:
        bank = remembering(
            ledger,
            lambda: problem.bank(simulation, engine or npool, settings.training.seed, progress=sys.stderr.isatty()),
        )
    if (signals := bank.signals) is None:
        raise ConfigurationError(
            f"config={str(config)!r} is not a problem of gravitational waves: its data are simulated again for every batch, "
            "and no file is needed"
        )
    signals.save(output, contract.fingerprint())
    ledger.clear()
    grid, shape = signals.view.grid, signals.shape
    print(
        f"waveforms: {shape[0]} of {simulation.n_waveforms}, {signals.n_training} of them for training; "
        f"{'polarisations' if signals.factorised else 'responses'} {shape[1:]}"
    )
    print(f"grid: {grid.minimum_frequency:g} to {grid.maximum_frequency:g} Hz in steps of {grid.spacing:g} Hz")
    print(f"size: {output.stat().st_size / 2**30:.3f} GiB")
    print(f"peak memory: {_peak():.2f} GiB, each worker at most {_peak(of_children=True):.2f} GiB")
    print(f"seconds: {time.monotonic() - began:.0f}")
    print(f"file: {output}")


def models() -> None:
    """Print a list of all shipped models and those in the cache."""
    print(listing())


def show(model: str) -> None:
    """Print which problems a model is for, how it was trained and how good it is."""
    print(describe_entry(entry(*find_folder(model))))


def calibrate(
    model: str, config: Path | None, events: int, draws: int, null_events: int, seed: int, npool: int
) -> None:
    """Tune the proposal mixture of a model, measure its PSD tolerance and how its data scatter, and store them with it."""
    logger.setLevel("WARNING")
    folder, _ = find_folder(model)
    trained = TrainedPosterior.load(folder)
    problem = problem_for(trained, folder, config)
    measured = measure_calibration(trained, problem, events, draws, seed, npool, null_events)
    print("\n".join(describe_calibration(measured)))
    calibrated(trained, measured).save(folder)


def gap(
    model: str,
    config: Path | None,
    injections: int,
    draws: int,
    seed: int,
    waveforms: int,
    npool: int,
    outdir: Path,
    card: str | None,
) -> None:
    """Measure a model's loss on new waveforms, and its efficiency, divergence and verdicts on new simulated events."""
    if card and not injections:
        raise ConfigurationError("injections=0 leaves no figures for the card: give at least 1, or leave out --card")
    logger.setLevel("WARNING")
    folder, _ = find_folder(model)
    trained = TrainedPosterior.load(folder)
    problem = problem_for(trained, folder, config)
    loss = None
    if waveforms:
        loss = fresh_loss(trained, problem, waveforms, npool=npool)
        print(f"loss on {loss.rows} new waveforms, in standardised parameters: {loss}")
    if injections == 0:
        return
    outdir.mkdir(parents=True, exist_ok=True)
    name = folder.resolve().name
    log = outdir / f"{name}.{digest(trained, problem)}.seed{seed}.draws{draws}.jsonl"
    events = measure_gap(trained, problem, injections, draws, seed, npool, log, progress=sys.stderr.isatty())
    summary = {**summarise_gap(events), "draws": draws, "seed": seed}
    write_text(outdir / f"{name}.gap.json", json.dumps(summary, indent=1) + "\n")
    print(f"{name}: {summary['events']} injections, {draws} draws each")
    print(
        f"sample efficiency: median {summary['efficiency_median']:.4f}, 10th percentile "
        f"{summary['efficiency_10']:.4f}, worst {summary['efficiency_worst']:.4f}"
    )
    for estimator in ("kl_weighted", "kl_truth"):
        figures = summary[estimator]
        print(f"KL to exact, {estimator[3:]}: {figures['mean']:.4f} +- {figures['standard_error']:.4f} nat")
    print(f"bias of ln Z: {summary['log_evidence_bias']:.2e}; lowest loss possible: {summary['lowest_loss']:.3f} nat")
    print(f"verdicts: {summary['verdicts']}")
    for index, event, truth in worst_events(events, problem, seed):
        # GPS times need all digits of a double.
        values = ", ".join(
            f"{key} {value:.7f}" if value > 1e6 else f"{key} {value:.5g}" for key, value in truth.items()
        )
        print(f"event {index}: efficiency {event.efficiency:.4f}, signal-to-noise ratio {event.snr:.1f}; {values}")
    if card:
        measured = f"flowpe gap {name} --injections {injections} --draws {draws} --seed {seed} --waveforms {waveforms}"
        write_card(folder, trained, summary, {"train": card, "measure": measured}, loss)
    plot_efficiency(events, outdir / f"{name}.efficiency.png", title=name)


def digest(model: TrainedPosterior, problem: Problem) -> str:
    """Return a digest of model and problem, for the name of a log, so that no other model or problem continues it."""
    shares, null = model.shares.to_dict(), None if model.null is None else float(model.null.distances.sum())
    described = [model.history, model.location.tolist(), shares, null, problem.describe().fingerprint()]
    return hashlib.sha256(json.dumps(described).encode()).hexdigest()[:8]


def _team(fabric: bool, device: str) -> Team:
    if not fabric:
        return Alone()
    from ..processes.fabric import FabricTeam

    return FabricTeam(device.partition(":")[0])


def _engine(dask: str | None, npool: int) -> AbstractContextManager[Engine | None]:
    """Return the dask engine that makes the waveforms, or nothing where processes of this machine do."""
    if dask is None:
        return nullcontext()
    from ..processes.cluster import dask_engine

    return dask_engine(None if dask == "local" else dask, npool)


def check_free(folder: Path, overwrite: bool) -> None:
    """Check, before a long training, that its model can be written."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not (folder / DESCRIPTION).is_file():
        raise ModelError(f"folder={str(folder)!r} holds something that is not a model: give another --outdir")
    if not overwrite:
        raise ModelError(
            f"folder={str(folder)!r} holds a model already: give another --outdir, or --overwrite to replace it"
        )


def problem_for(model: TrainedPosterior, folder: Path, config: Path | None) -> Problem:
    """Return the problem that a model is for: by the given configuration, the one kept with it, or one of the paper's."""
    if config is None and (folder / COPY).is_file():
        config = folder / COPY
    if config is not None:
        return read(config).problem()
    for parameters in (5, 8):
        problem = problem_of(*green2020(parameters=parameters, seed=0))
        if not model.contract.differences(problem.describe()):
            return problem
    raise ConfigurationError(
        f"model={str(folder)!r} is not for the paper's problems and has no {COPY}: give the configuration that it was "
        "trained with"
    )


def _peak(of_children: bool = False) -> float:
    """Return the largest memory, in GiB, of this process or of any of its children; not a number where it is unknown."""
    try:
        import resource
    except ImportError:
        return float("nan")
    usage = resource.getrusage(resource.RUSAGE_CHILDREN if of_children else resource.RUSAGE_SELF)
    # The unit is kilobytes; on macOS bytes.
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 2**30
