"""Read a run of bilby_pipe: the likelihood and priors of its analysis, and the files that hold them.

bilby_pipe writes all settings of a run into ``OUTDIR/LABEL_config_complete.ini``, and the data, with noise curves and priors,
into ``OUTDIR/data/LABEL_..._data_dump.pickle``. Its own class ``DataAnalysisInput`` makes Bilby's objects of the two, so that
the objects read here are those that were analysed, for all settings. The class is written for a process of its own: it seeds
random number generators, sets Bilby's cosmology and matplotlib's backend, and logs every setting. All of that is undone here.
"""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import bilby
import numpy as np
from bilby.core.likelihood import Likelihood
from bilby.core.prior import PriorDict
from bilby.core.result import Result

from ..errors import ConfigurationError, DataError
from ..result_files import read_result

__all__ = ["PipeFiles", "PipeRun", "find_pipe_files", "read_pipe_result", "read_pipe_run"]

logger = logging.getLogger("bilby")

_CONFIGURATION, _DUMP = "_config_complete.ini", "_data_dump.pickle"
_ANALYSIS = "_analysis_"
"""Text in the label of a result, between the label of its data (``LABEL_data0_TIME``) and its detectors (``H1L1``)."""


@dataclass(frozen=True)
class PipeFiles:
    """Files from which one of bilby_pipe's results was made.

    Attributes
    ----------
    configuration
        All settings of the run, ``*_config_complete.ini``.
    data
        Data, noise PSDs and priors, ``*_data_dump.pickle``. Reading a pickle runs code: read only those of people you trust.
    """

    configuration: Path
    data: Path


@dataclass(frozen=True)
class PipeRun:
    """Objects that bilby_pipe gives to ``bilby.run_sampler``.

    Attributes
    ----------
    likelihood
        The likelihood, with the data.
    priors
        Priors of the search: parameters that the likelihood marginalises over are fixed in them.
    files
        Files from which both were read.
    detectors
        Names of the detectors whose data are in the likelihood.
    cosmology
        Name of the cosmology that the run set for all of Bilby. It is not set here: where it is not Bilby's present one, and
        redshifts or masses of the source's frame are sampled, set it with ``bilby.gw.cosmology.set_cosmology``.
    trigger_time
        GPS time of the trigger in seconds; ``None`` if the run had none.
    """

    likelihood: Likelihood
    priors: PriorDict
    files: PipeFiles
    detectors: tuple[str, ...]
    cosmology: str
    trigger_time: float | None


def find_pipe_files(
    result_file: Path, result: Result, configuration: Path | None = None, data: Path | None = None
) -> PipeFiles:
    """Find the files that a result of bilby_pipe was made from.

    Parameters
    ----------
    result_file
        ``OUTDIR/result/LABEL_result.json`` (or ``.hdf5``, or in ``final_result``).
    result
        Content of that file: the name of the data file is in its meta data.
    configuration, data
        The files, if they are not where bilby_pipe puts them.

    Raises
    ------
    DataError
        If a file is missing, or there are several and nothing tells which one belongs to the result.
    """
    outdir = result_file.resolve().parent.parent
    if configuration is None:
        found = sorted(outdir.glob(f"*{_CONFIGURATION}"))
        own = [path for path in found if result_file.name.startswith(path.name.removesuffix(_CONFIGURATION) + "_")]
        # If several runs share a folder, the longest name that matches is the right one.
        configuration = max(own or found[: len(found) == 1], key=lambda path: len(path.name), default=None)
    if configuration is None or not configuration.is_file():
        raise DataError(
            f"{_named(configuration, outdir / f'*{_CONFIGURATION}')}: there is no configuration of bilby_pipe for "
            f"{result_file}; name the file of all settings, *_config_complete.ini, with --config (configuration= in "
            "Python), or give the likelihood in Python"
        )
    if data is None:
        data = _data_of(result_file, result, outdir / "data")
    if data is None or not data.is_file():
        raise DataError(
            f"{_named(data, outdir / 'data' / f'*{_DUMP}')}: there are no data of bilby_pipe for {result_file}; name the file "
            "*_data_dump.pickle with --data (data= in Python), or give the likelihood in Python"
        )
    return PipeFiles(configuration, data)


def read_pipe_run(files: PipeFiles, detectors: Sequence[str] | None = None) -> PipeRun:
    """Make likelihood and priors as ``bilby_pipe_analysis`` does, and leave Bilby, NumPy and matplotlib as they were.

    Parameters
    ----------
    files
        Files of the run.
    detectors
        Names of the detectors to use; by default those of the configuration. A coherence test of bilby_pipe has one
        configuration for analyses with different detectors.

    Raises
    ------
    ConfigurationError
        If bilby_pipe is not installed, or cannot read the files.
    """
    complaints = io.StringIO()
    with _undone(), contextlib.redirect_stderr(complaints):
        utils, analysis = _bilby_pipe()
        logging.getLogger("bilby_pipe").setLevel(logging.ERROR)
        try:
            arguments, unknown = utils.parse_args([str(files.configuration)], analysis.create_analysis_parser())
            arguments.data_dump_file = str(files.data.resolve())
            # The folder of the configuration, which exists: the class would make a missing folder.
            arguments.outdir = str(files.configuration.resolve().parent)
            # Files of calibration uncertainty are already in the priors of the data file; they may no longer exist.
            arguments.spline_calibration_envelope_dict = None
            if detectors is not None:
                arguments.detectors = list(detectors)
            made = analysis.DataAnalysisInput(arguments, unknown)
            likelihood, priors = made.get_likelihood_and_priors()
        except (Exception, SystemExit) as error:  # bilby_pipe, Bilby and the user's modules may raise anything
            told = " ".join([str(error), complaints.getvalue().strip()]).strip()
            raise ConfigurationError(
                f"{files.configuration}, {files.data}: bilby_pipe cannot make a likelihood from these files "
                f"({type(error).__name__}: {told}); read them with the version of bilby_pipe that wrote them, with the "
                "user's own modules on PYTHONPATH"
            ) from error
        cosmology = str(made.cosmology.name)
        used = tuple(interferometer.name for interferometer in made.interferometers)
        time = made.data_dump.trigger_time
    present = bilby.gw.cosmology.get_cosmology().name
    if cosmology != present:
        logger.warning(
            "%s was run with the cosmology %s, but Bilby now uses %s: call bilby.gw.cosmology.set_cosmology(%r) before you "
            "compute redshifts or source-frame masses",
            files.configuration.name,
            cosmology,
            present,
            cosmology,
        )
    return PipeRun(likelihood, priors, files, used, cosmology, None if time is None else float(time))


def read_pipe_result(
    result_file: Path | str, configuration: Path | None = None, data: Path | None = None
) -> tuple[Result, PipeRun]:
    """Read a result of bilby_pipe, with the likelihood and priors that it was made with.

    Parameters
    ----------
    result_file
        The result, JSON or HDF5.
    configuration, data
        The files of its run, if :func:`find_pipe_files` would not find them.

    Raises
    ------
    DataError
        If the result or a file of its run is missing.
    ConfigurationError
        If bilby_pipe is not installed, or cannot read the files.
    """
    path = Path(result_file)
    if not path.is_file():
        raise DataError(f"{path}: there is no such file; name a result of Bilby's, JSON or HDF5")
    result = read_result(path)
    files = find_pipe_files(path, result, configuration, data)
    detectors = (result.meta_data or {}).get("likelihood", {}).get("interferometers", {})
    return result, read_pipe_run(files, [str(name) for name in detectors] or None)


def _data_of(result_file: Path, result: Result, folder: Path) -> Path | None:
    """Return the data file that the result names, or the one with the same label as the result."""
    named = (result.meta_data or {}).get("data_dump")
    if named is not None and (known := folder / Path(str(named)).name).is_file():
        return known
    prefix = result_file.name.partition(_ANALYSIS)[0]
    found = sorted(folder.glob(f"*{_DUMP}"))
    own = [path for path in found if path.name.startswith(f"{prefix}_")]
    chosen = own or found
    return chosen[0] if len(chosen) == 1 else None


def _named(path: Path | None, pattern: Path) -> Path:
    return pattern if path is None else path


def _bilby_pipe() -> tuple[Any, Any]:
    try:
        # Its modules choose matplotlib's backend when they are imported.
        with mock.patch("matplotlib.use"):
            from bilby_pipe import data_analysis, utils  # type: ignore[import-untyped,unused-ignore]
    except ImportError as error:
        raise ConfigurationError(
            f"bilby_pipe cannot be imported ({error}), but it has to make the likelihood of this run: install it (pip install "
            "bilby_pipe), or give the likelihood in Python"
        ) from error
    return utils, data_analysis


@contextlib.contextmanager
def _undone() -> Iterator[None]:
    """Restore everything that bilby_pipe changes for the whole process: random numbers, cosmology, level of its log."""
    from bilby.core.utils.meta_data import global_meta_data

    random: Any = bilby.core.utils.random.Generator
    cosmology: Any = bilby.gw.cosmology
    bilby.gw.cosmology.get_cosmology()  # Bilby makes the default at the first call
    rng, meta = random.rng, dict(global_meta_data)
    numpy_state = np.random.get_state()  # noqa: NPY002  (bilby_pipe seeds it)
    default, current, of_current = cosmology.DEFAULT_COSMOLOGY, cosmology.COSMOLOGY, list(cosmology.COSMOLOGY)
    level = logging.getLogger("bilby_pipe").level
    try:
        yield
    finally:
        random.rng = rng
        np.random.set_state(numpy_state)  # noqa: NPY002
        cosmology.DEFAULT_COSMOLOGY, cosmology.COSMOLOGY = default, current
        current[:] = of_current  # Bilby changes the list itself
        for key in set(global_meta_data) - set(meta):
            del global_meta_data[key]
        global_meta_data.update(meta)
        logging.getLogger("bilby_pipe").setLevel(level or logging.INFO)
