"""An event from an ini file of bilby_pipe, whose own programs prepare the run, generate the data and analyse them."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
import zlib
from importlib import import_module
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError, DataError
from .afterwards import afterwards
from .child import Stage
from .event_folder import EventFolder, Job

_PROGRAMS = {"generation": "bilby_pipe_generation", "analysis": "bilby_pipe_analysis"}
_MODULES = {"generation": "bilby_pipe.data_generation", "analysis": "bilby_pipe.data_analysis"}
# Number of different sampling seeds: names of events are mapped to seeds below it, which fit every random generator.
_SEEDS = 10**6
_PLOTS = ("calibration", "corner", "marginal", "skymap", "waveform")  # they have nodes of their own, which are not run
_NO_ARGUMENTS = ("", "none", "default", "fasttest")  # values of sampler-kwargs without an argument of flowpe
_NO_ACCOUNT = "none.dev.o4.cbc.pe.bilby"  # bilby_pipe requires an accounting tag; nothing is charged to it

_OUTDIR = "OUTDIR"  # placeholder for its name

Done = dict[str, dict[str, Any]]


def stages(event: EventFolder, job: Job) -> list[Stage]:
    """Return the stages of an event: prepare, generate, analyse, and those after the analysis."""
    # bilby_pipe searches its programs in PATH, and file names in an ini file are relative to the working folder.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    os.chdir(job.base)
    return [
        Stage("layout", lambda done: _layout(event, job)),
        Stage("generation", _generate),
        Stage("analysis", lambda done: _analyse(event, done)),
        *afterwards(event),
    ]


def _layout(event: EventFolder, job: Job) -> dict[str, Any]:
    """Write bilby_pipe's configuration and scripts, with flowpe as the sampler; return the command of every program."""
    try:
        from bilby_pipe import main as pipe
    except ImportError as error:
        raise ConfigurationError("bilby_pipe is not installed: install it with pip install bilby_pipe") from error
    # An interrupted preparation leaves files that bilby_pipe does not overwrite.
    shutil.rmtree(event.run, ignore_errors=True)
    # The nodes repeat the command line.
    sys.argv = ["bilby_pipe", job.file]
    parser = pipe.create_main_parser()
    args, unknown = pipe.parse_args([job.file], parser)
    _adapt(args, event, job)
    inputs = pipe.MainInput(args, unknown)
    pipe.write_complete_config_file(parser, args, inputs)
    pipe.generate_dag(inputs)
    script = Path(inputs.submit_directory) / f"bash_{inputs.label}.sh"
    return {"complete": os.path.relpath(inputs.complete_ini_file, event.path), **_commands(script, event.run)}


def _adapt(args: Any, event: EventFolder, job: Job) -> None:
    """Set sampler, folders and processes as the catalogue needs them, and switch off everything that it does not run."""
    from bilby_pipe.utils import convert_string_to_dict

    given = {}
    text = str(args.sampler_kwargs or "")
    of_flowpe = str(args.sampler).strip("[]'\" ").lower() == "flowpe"
    if of_flowpe and text.strip("'\" ").lower() not in _NO_ARGUMENTS:
        # Read as bilby_pipe reads them, with its errors.
        given = convert_string_to_dict(text, "sampler-kwargs")
    kwargs = {"progress": False, **given, **job.sampler_kwargs}
    args.sampler, args.sampler_kwargs = "flowpe", str(kwargs)
    args.outdir = str(event.run)
    args.accounting = args.accounting or _NO_ACCOUNT
    # Runs that bilby_pipe merges lose their weights.
    args.n_parallel = 1
    args.local = args.submit = args.transfer_files = args.osg = args.coherence_test = args.create_summary = False
    args.scheduler = "condor"
    for plot in _PLOTS:
        setattr(args, f"plot_{plot}", False)
    args.single_postprocessing_executable = args.postprocessing_executable = None
    args.final_result = False
    if job.npool is not None:
        args.request_cpus = job.npool
    if args.sampling_seed is None:
        # A continued event needs the same seed, or its earlier evaluations would not be found.
        args.sampling_seed = 1 + zlib.crc32(job.name.encode()) % (_SEEDS - 1)


def _commands(script: Path, outdir: Path) -> dict[str, list[str]]:
    """Return the words of the commands for generation and analysis, of which there has to be one each.

    Parameters
    ----------
    script
        Script that bilby_pipe has written, without any quotes.
    outdir
        Folder of the run; its name may contain spaces.

    Raises
    ------
    DataError
        If there are several events in one configuration, or another program analyses.
    """
    found: dict[str, list[list[str]]] = {key: [] for key in _PROGRAMS}
    for line in script.read_text(encoding="utf-8").splitlines():
        if not line.startswith("    ") or line.lstrip().startswith("echo "):
            continue
        for name in (str(outdir), os.path.relpath(outdir)):
            line = line.replace(f" {name}/", f" {_OUTDIR}/")
        words = [re.sub(f"^{_OUTDIR}/", lambda _: f"{outdir}/", word) for word in shlex.split(line)]
        for key, program in _PROGRAMS.items():
            if words and Path(words[0]).name == program:
                found[key].append(words[1:])
    for key, commands in found.items():
        if len(commands) != 1:
            raise DataError(
                f"the configuration has {len(commands)} runs of {_PROGRAMS[key]}, but a catalogue needs one per event: give "
                "each event a configuration of its own (n-simulation, gps-tuple and gps-file make several), without "
                "analysis-executable"
            )
    return {key: commands[0] for key, commands in found.items()}


def _generate(done: Done) -> dict[str, Any]:
    words = done["layout"]["generation"]
    _call("generation", words)
    return {}


def _analyse(event: EventFolder, done: Done) -> dict[str, Any]:
    words = done["layout"]["analysis"]
    label = words[words.index("--label") + 1]
    folder = event.run / "result"
    # Remove a result that is damaged because a process was killed; Bilby takes a complete one as it is.
    for left in _results(folder, label):
        if not _readable(left):
            left.unlink()
    _call("analysis", words)
    (result,) = _results(folder, label)
    dump = words[words.index("--data-dump-file") + 1]
    _keep_curves(event, dump)
    return {"result": str(result.relative_to(event.path)), "data_dump": os.path.relpath(dump, event.path)}


def _keep_curves(event: EventFolder, dump: str) -> None:
    """Write the noise PSDs of the data to a file, for the HDF5 file of the catalogue."""
    from bilby_pipe.utils import DataDump

    from .hdf5 import save_curves  # imported here: an event that is interrupted before does not need it

    save_curves(DataDump.from_pickle(dump).interferometers, event.curves)


def _call(which: str, words: list[str]) -> None:
    """Run a program of bilby_pipe in this process, as its console script does: importing Bilby again would take seconds."""
    sys.argv = [_PROGRAMS[which], *words]
    import_module(_MODULES[which]).main()


def _results(folder: Path, label: str) -> list[Path]:
    pattern = re.compile(re.escape(f"{label}_result.") + r"(json|json\.gz|hdf5|h5)")
    return [path for path in folder.glob("*") if pattern.fullmatch(path.name)]


def _readable(path: Path) -> bool:
    from ..result_files import read_result

    try:
        read_result(path)
    except DataError:
        return False
    return True
