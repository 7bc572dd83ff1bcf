"""A catalogue under another prior: by new weights, and by new runs for events with too few effective draws.

The new catalogue has the events of the old one, with the same stages, table and page. Weights are computed first. Events whose
effective number of draws is then below a bound, or whose new prior reaches beyond the old one, are run under the new prior. As
any catalogue, it can be interrupted and continued.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import DataError, PriorError
from .afterwards import afterwards
from .child import Stage
from .event_folder import EventFolder, Job
from .other_priors import EVENTS, changed, results_of
from .runner import Planned
from .sources import PIPE, EventSource

KIND = "reprior"
"""Name of this kind of events."""
STAGES = "bilby_flowpe.catalogue.reprior.stages"
"""Dotted name of the function that returns their stages."""
# Number of different sampling seeds: digests of jobs are mapped to seeds below it, which fit every random generator.
_SEEDS = 2**31 - 1

Done = dict[str, dict[str, Any]]


def plan_reprior(
    catalogue: Path,
    changes: Mapping[str, str],
    outdir: Path,
    least: float = 100.0,
    n_effective: int | None = None,
    npool: int | None = None,
    stages: str = STAGES,
) -> list[Planned]:
    """Plan the work on every event of a catalogue under other priors.

    Parameters
    ----------
    catalogue
        Folder that ``flowpe catalogue`` has written.
    changes
        Priors by parameter, as in a prior file, which replace those of each event; if empty, events get more draws under the
        same prior.
    outdir
        Folder of the new catalogue.
    least
        Effective number of draws below which an event is run again, as it is if the verdict on the weights is ``failed``; 0: no
        event is.
    n_effective
        Effective number of draws for new runs; by default that of the old run.
    npool
        Number of processes of a new run.
    stages
        Dotted name of the function that returns the stages.

    Raises
    ------
    DataError
        If there is no result, or ``outdir`` is the catalogue itself.
    """
    if outdir.resolve() == catalogue.resolve():
        raise DataError(f"outdir={str(outdir)!r} is the catalogue itself: give another folder")
    planned = []
    for name in results_of(catalogue):
        old = EventFolder(catalogue.resolve() / EVENTS / name)
        settings = {"event": str(old.path), "changes": dict(changes), "least": least, "n_effective": n_effective}
        digest = hashlib.sha256(f"{old.state().digest} {json.dumps(settings, sort_keys=True)}".encode()).hexdigest()
        job = Job(name, KIND, "", str(old.path), settings, digest, stages, npool)
        source = EventSource(name, KIND, old.path, old.path, settings, digest)
        planned.append(Planned(source, EventFolder(outdir.resolve() / EVENTS / name), job))
    return planned


def stages(event: EventFolder, job: Job) -> list[Stage]:
    """Return the stages of an event: weights, a new run if needed, and those after the analysis."""
    return [
        Stage("weights", lambda done: _weigh(event, job)),
        Stage("analysis", lambda done: _analyse(event, job, done["weights"])),
        *afterwards(event),
    ]


def _weigh(event: EventFolder, job: Job) -> dict[str, Any]:
    """Weigh the old draws under the new priors; there is no result if these reach beyond the old ones."""
    from ..result_files import read_result
    from ..results import statistics_of
    from ..reweighting import reweight  # imported here: planning a catalogue does not need it

    before = EventFolder(Path(job.settings["event"]))
    old = read_result(_result_of(before))
    if dropped := sorted({*statistics_of(old).get("marginalised", ())} & {*job.settings["changes"]}):
        # New draws would have a likelihood that is integrated over the old prior.
        raise DataError(
            f"the likelihood of {event.name} is marginalised over {', '.join(dropped)}, under the prior of its run: run it "
            "again without this marginalisation; flowpe draws these parameters in closed form anyway"
        )
    event.run.mkdir(parents=True, exist_ok=True)
    if before.curves.is_file():
        shutil.copyfile(before.curves, event.curves)
    priors = changed(old.priors, job.settings["changes"])
    try:
        result = reweight(old, priors=priors, label=event.name)
    except PriorError as error:
        if job.settings["least"] <= 0:
            raise
        return {"result": None, "n_effective": 0.0, "why": str(error)}
    result.outdir = str(event.run)
    result.save_to_file(extension="hdf5", overwrite=True)
    said = statistics_of(result)
    number = float(said["effective_sample_size"])
    # Weights with a long tail, or with one large weight, are not enough, whatever their effective number.
    failed = said["verdict"] == "failed" and job.settings["least"] > 0
    return {"result": f"{event.run.name}/{event.name}_result.hdf5", "n_effective": number, "failed": failed}


def weights_do(weights: Mapping[str, Any], least: float) -> bool:
    """Return whether the weights of an event are good enough under the new prior, so that no new run is needed.

    Parameters
    ----------
    weights
        Values that the stage of the weights returned.
    least
        Effective number of draws below which they are not.
    """
    return weights["result"] is not None and weights["n_effective"] >= least and not weights.get("failed", False)


def _analyse(event: EventFolder, job: Job, weights: dict[str, Any]) -> dict[str, Any]:
    """Take the result of the weights, or run the event under the new priors."""
    if weights_do(weights, job.settings["least"]):
        return {"result": weights["result"], "draws": "weights"}
    import bilby

    from ..result_files import read_result

    old = EventFolder(Path(job.settings["event"]))
    path = _result_of(old)
    result = read_result(path)
    likelihood, kwargs = _likelihood(old, path), dict(result.sampler_kwargs or {})
    given: dict[str, Any] = {
        key: int(kwargs[key]) for key in ("n_effective", "n_posterior", "max_likelihood_evaluations") if key in kwargs
    }
    if job.settings["n_effective"] is not None:
        given["n_effective"] = int(job.settings["n_effective"])
    folder = event.run / "draws"
    if hasattr(likelihood, "interferometers"):
        given["result_class"] = bilby.gw.result.CBCResult
        given["conversion_function"] = bilby.gw.conversion.generate_all_bbh_parameters
    bilby.run_sampler(
        likelihood,
        changed(result.priors, job.settings["changes"]),
        sampler="flowpe",
        outdir=str(folder),
        label=event.name,
        save="hdf5",
        exit_code=77,
        use_ratio=bool(result.use_ratio),
        npool=job.npool or 1,
        progress=False,
        sampling_seed=zlib.crc32(job.digest.encode()) % _SEEDS,
        injection_parameters=result.injection_parameters,
        **given,
    )
    return {"result": str((folder / f"{event.name}_result.hdf5").relative_to(event.path)), "draws": "new"}


def _likelihood(old: EventFolder, result: Path) -> Any:
    """Return the likelihood of an event of the old catalogue; if that one was reweighted, too, of the catalogue behind it."""
    job = old.job()
    while job.kind == KIND:
        old = EventFolder(Path(job.settings["event"]))
        job = old.job()
        result = _result_of(old)
    # File names in its configuration are relative to this folder.
    os.chdir(job.base)
    if job.kind == PIPE:
        from ..configuration.pipe import read_pipe_result

        return read_pipe_result(result)[1].likelihood
    from . import strain

    return strain.strain_event(job).likelihood


def _result_of(event: EventFolder) -> Path:
    result = event.result()
    if result is None or not result.is_file():
        raise DataError(f"{event.path}: the result of {event.name} has been removed: run the event again")
    return result
