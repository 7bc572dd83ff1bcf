"""An event from strain of the open science center: a name and, if wanted, a folder of files; all else has defaults.

::

    [defaults]
    data_dir = "strain"          # default: the strain is downloaded

    [events.GW150914]
    trigger_time = 1126259462.4  # default: that of the open science center, or of a search of the files

The keys are the fields of :class:`bilby_flowpe.strain_event.StrainConfig`.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import bilby

from ..configuration.tables import fill
from ..errors import ConfigurationError
from ..strain_event import StrainConfig, StrainEvent, event_from_strain
from .afterwards import afterwards
from .child import Stage
from .event_folder import EventFolder, Job
from .hdf5 import save_curves

# Number of different sampling seeds: names of events are mapped to seeds below it, which fit every random generator.
_SEEDS = 2**31 - 1


def stages(event: EventFolder, job: Job) -> list[Stage]:
    """Return the stages of an event: the analysis, and those after it."""
    return [Stage("analysis", lambda done: _analyse(event, job)), *afterwards(event)]


def _analyse(event: EventFolder, job: Job) -> dict[str, Any]:
    event.run.mkdir(parents=True, exist_ok=True)
    made, config = strain_event(job), config_of(job)
    save_curves(made.likelihood.interferometers, event.curves)
    kwargs = {"progress": False, "sampling_seed": zlib.crc32(job.name.encode()) % _SEEDS, "npool": job.npool or 1}
    bilby.run_sampler(
        made.likelihood,
        made.priors,
        sampler="flowpe",
        outdir=str(event.run),
        label=job.name,
        save="hdf5",
        exit_code=77,
        meta_data={"sources": made.sources},
        result_class=bilby.gw.result.CBCResult,
        conversion_function=bilby.gw.conversion.generate_all_bbh_parameters,
        **(kwargs | config.sampler_kwargs | job.sampler_kwargs),
    )
    return {"result": str((event.run / f"{job.name}_result.hdf5").relative_to(event.path))}


def config_of(job: Job) -> StrainConfig:
    """Return the settings of an event, checked."""
    config = fill(StrainConfig, job.settings, f"events.{job.name}")
    if config.chirp_mass is not None and len(config.chirp_mass) != 2:
        raise ConfigurationError(
            f"events.{job.name} chirp_mass={list(config.chirp_mass)}: give two numbers, the least and the largest"
        )
    return config


def strain_event(job: Job) -> StrainEvent:
    """Return likelihood and priors of an event."""
    return event_from_strain(job.name, config_of(job), Path(job.base))
