"""A catalogue under another prior: by weights where these leave enough draws, and by new draws where they do not.

The events of the new catalogue are those of the old one, with the same stages, table and page: the weights first, and a run
under the new prior for those whose effective number is below a bound, or whose new prior reaches beyond the old one. It can be
interrupted, and goes on, as any catalogue.
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
from .reweighted import EVENTS, changed, results_of
from .runner import Planned
from .sources import PIPE, EventSource

KIND = "reprior"
"""Kind of the events."""
STAGES = "bilby_flowpe.catalogue.reprior.stages"
"""Function that gives their stages."""
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
    """Every event of a catalogue under other priors.

    Parameters
    ----------
    catalogue
        Outdir of ``flowpe catalogue``.
    changes
        Priors by parameter, as in a prior file, in the place of those of each event; none: more draws under the same prior.
    outdir
        Of the new catalogue.
    least
        Effective number below which an event has new draws, as it has where the verdict on the weights is ``failed``; 0: none
        has.
    n_effective
        That its run aims at; that of the old run when left out.
    npool
        Processes of such a run.
    stages
        Function that gives the stages.

    Raises
    ------
    DataError
        If there is no result, or ``outdir`` is the catalogue itself.
    """
    if outdir.resolve() == catalogue.resolve():
        raise DataError(f"outdir={str(outdir)!r} is the catalogue itself: give another one")
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
    """Stages of an event: the weights, new draws where they are needed, and what is made of the result."""
    return [
        Stage("weights", lambda done: _weigh(event, job)),
        Stage("analysis", lambda done: _analyse(event, job, done["weights"])),
        *afterwards(event),
    ]


def _weigh(event: EventFolder, job: Job) -> dict[str, Any]:
    """The old draws under the new priors; no result where these reach beyond the old ones."""
    from ..result_files import read_result
    from ..results import statistics_of
    from ..reweighting import reweight  # here: a catalogue is planned without

    before = EventFolder(Path(job.settings["event"]))
    old = read_result(_result_of(before))
    if dropped := sorted({*statistics_of(old).get("marginalised", ())} & {*job.settings["changes"]}):
        # New draws would have the likelihood integrated over the old prior.
        raise DataError(
            f"the likelihood of {event.name} is marginalised over {', '.join(dropped)}, under the prior of its run: run it "
            "without this marginalisation, flowpe draws these parameters in closed form anyway"
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
    # A long tail or one large weight: no number of effective draws makes such weights do.
    failed = said["verdict"] == "failed" and job.settings["least"] > 0
    return {"result": f"{event.run.name}/{event.name}_result.hdf5", "n_effective": number, "failed": failed}


def weights_do(weights: Mapping[str, Any], least: float) -> bool:
    """Return whether an event's weights serve under the new prior, so that no new draws are needed.

    Parameters
    ----------
    weights
        What the stage of the weights gave.
    least
        Effective number below which they do not.
    """
    return weights["result"] is not None and weights["n_effective"] >= least and not weights.get("failed", False)


def _analyse(event: EventFolder, job: Job, weights: dict[str, Any]) -> dict[str, Any]:
    """Hand on the weights' result, or run the event under the new priors."""
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
    """The likelihood of an event of the old catalogue; of one under another prior, that of the one behind it."""
    job = old.job()
    while job.kind == KIND:
        old = EventFolder(Path(job.settings["event"]))
        job = old.job()
        result = _result_of(old)
    # Where files are looked for that its configuration names.
    os.chdir(job.base)
    if job.kind == PIPE:
        from ..configuration.pipe import read_pipe_result

        return read_pipe_result(result)[1].likelihood
    from . import strain

    return strain.strain_event(job).likelihood


def _result_of(event: EventFolder) -> Path:
    result = event.result()
    if result is None or not result.is_file():
        raise DataError(f"{event.path}: the result of {event.name} is not there any more")
    return result
