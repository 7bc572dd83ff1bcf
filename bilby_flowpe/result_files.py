"""Readers of Bilby's result files, of any sampler."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from bilby.core.result import FileLoadError, Result, read_in_result

from .errors import DataError
from .results import statistics_of

_READ = {".json": "json", ".json.gz": "json", ".hdf5": "hdf5", ".h5": "hdf5"}
RESULTS = tuple(_READ)
"""Endings of the names of result files."""


def read_result(path: str | Path) -> Result:
    """Read a Bilby result from its file.

    Raises
    ------
    DataError
        If there is no result, or it is incomplete; pickles, which may run any code, are not opened.
    """
    named = next((name for name in _READ if Path(path).name.endswith(name)), None)
    if named is None:
        raise DataError(
            f"result={str(path)!r} does not end in one of {', '.join(_READ)}: save the result as JSON or HDF5"
        )
    if not Path(path).is_file():
        raise DataError(f"result={str(path)!r}: there is no such file: give a result file of Bilby's")
    try:
        result = read_in_result(str(path), extension=_READ[named], gzip=named.endswith(".gz"))
        _check(result)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, FileLoadError) as error:
        raise DataError(f"result={str(path)!r} cannot be read ({error}): give a result file of Bilby's") from error
    return result


def result_of(given: object, name: str = "result") -> Result:
    """Return Bilby's result, which is read if its file is given.

    Parameters
    ----------
    given
        Bilby's result, or its file.
    name
        Name of the argument, for errors.

    Raises
    ------
    DataError
        If it is neither, or the file cannot be read.
    """
    if isinstance(given, str | Path):
        return read_result(given)
    if not isinstance(given, Result):
        raise DataError(f"{name}={given!r}: give Bilby's Result, or the path of its file")
    return given


def _check(result: Result) -> None:
    """Check that a result has everything that pages and comparisons need."""
    keys = list(result.search_parameter_keys)
    if missing := [key for key in keys if key not in result.posterior or key not in result.priors]:
        raise ValueError(f"posterior or priors lack {missing}")
    if not np.isfinite(result.posterior[keys].to_numpy(dtype=np.float64)).all():
        raise ValueError("the posterior is not finite")
    for value in (result.log_evidence, result.log_evidence_err, result.log_noise_evidence):
        float(value)
    statistics = statistics_of(result)
    if not isinstance(statistics, Mapping):
        raise TypeError("run_statistics are not a table")
    if not isinstance(result.label, str) or Path(result.label).name != result.label:
        raise ValueError(f"label {result.label!r} cannot be the name of a file")
