"""Reading and writing of stored waveforms as HDF5, with everything that is needed to recognise them.

A file contains ``waveforms``, ``parameters`` (times counted from the start of the segment) and ``header``, JSON with the
contract, the grid, the symmetries, the configuration, the seed and the versions. Every block has a checksum, so that damage is
noticed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

from ..errors import DataError
from ..priors import Parameters
from ..processes.parallel import Row, Task
from ..waves.grid import Grid
from .stored import StoredWaveforms

FORMAT = 1
"""Version of the file layout; files of other versions are refused."""

_BLOCK = 2**20  # bytes of a block with a checksum of its own, the size of HDF5's cache of blocks
_ROWS = 8192  # waveforms that are written at once, which bounds the memory
_TOLERANCE = 1e-6  # relative difference of two numbers that count as the same, far above rounding errors
# Relative difference of numbers in the text of a contract, which has six digits: the last may be rounded differently elsewhere.
_TEXT_TOLERANCE = 2e-5
_SHOWN = 5  # lines of differences that an error message has at most, to keep it readable
_SPOTS = 4  # waveforms of a file that are computed again: enough to notice another generator, in a few waveform calls
# Largest deviation of these, relative to their loudest value: above the rounding of single precision, far below another
# waveform.
_SPOT_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Header:
    """Description of the waveforms in a file.

    Attributes
    ----------
    contract
        :meth:`bilby_flowpe.contract.Contract.fingerprint` of the problem.
    grid
        Frequencies of the waveforms.
    factorised
        True if they are polarisations, to be shifted and scaled, False if they are responses of the detectors.
    symmetries
        :meth:`bilby_flowpe.waves.symmetries.Symmetries.to_dict` of the waveform generator.
    config
        The configuration they were simulated with.
    seed
        Seed of their parameters.
    versions
        Versions of the packages that computed them.
    n_waveforms
        Number of waveforms.
    """

    contract: str
    grid: Grid
    factorised: bool
    symmetries: dict[str, Any]
    config: dict[str, Any]
    seed: int | None
    versions: dict[str, str]
    n_waveforms: int


def write(path: str | Path, header: Header, bank: StoredWaveforms, start_time: float) -> Path:
    """Write stored waveforms to a file, under a temporary name first.

    Parameters
    ----------
    path
        File to write; an older one is replaced.
    header
        Description of the waveforms.
    bank
        The waveforms, written a few at a time.
    start_time
        GPS time in seconds of the segment's start, from which times are counted in the file.
    """
    path = Path(path).expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    text = json.dumps({**asdict(header), "format": FORMAT}).encode()
    try:
        # The latest layout has checksums of its own structure, too.
        with h5py.File(temporary, "w", libver="latest") as file:
            file.attrs["content"] = "waveforms stored by bilby_flowpe, described by the JSON text 'header'"
            file.create_dataset("header", data=np.array([text]), chunks=(1,), fletcher32=True)
            for key, value in _relative(bank.parameters, start_time).items():
                rows = min(len(value), _BLOCK // 8)
                file.create_dataset(f"parameters/{key}", data=value, chunks=(rows,), fletcher32=True)
            values = bank.waveforms.numpy()
            rows = max(1, min(len(values), _BLOCK // max(values[0].nbytes, 1)))
            stored = file.create_dataset(
                "waveforms", values.shape, values.dtype, chunks=(rows, *values.shape[1:]), fletcher32=True
            )
            for first in range(0, len(values), _ROWS):
                stored[first : first + _ROWS] = values[first : first + _ROWS]
        return temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_header(path: str | Path) -> Header:
    """Read the description of the waveforms in a file.

    Raises
    ------
    DataError
        If the file is missing, damaged, of another kind or of another format.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise DataError(f"file={str(path)!r} does not exist: write it by `flowpe simulate`")
    try:
        with h5py.File(path) as file:
            values = json.loads(file["header"][0])
            version = values.pop("format")
            header = Header(**{**values, "grid": Grid(**values["grid"])}) if version == FORMAT else None
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise DataError(
            f"file={str(path)!r} is damaged or contains no waveforms ({error}): simulate them again"
        ) from error
    if header is None:
        raise DataError(
            f"file={str(path)!r} has format {version!r}, but this version of flowpe reads format {FORMAT}: simulate the "
            "waveforms again"
        )
    return header


def read(path: str | Path, header: Header, start_time: float) -> StoredWaveforms:
    """Read the waveforms of a file.

    Parameters
    ----------
    path
        The file.
    header
        Description of the waveforms, read by :func:`read_header`.
    start_time
        GPS time in seconds of the segment's start, to which times in the file are added.

    Raises
    ------
    DataError
        If the file is damaged.
    """
    path = Path(path).expanduser()
    try:
        with h5py.File(path) as file:
            parameters = {key: stored[:] for key, stored in file["parameters"].items()}
            values = np.empty(file["waveforms"].shape, dtype=np.complex64)
            file["waveforms"].read_direct(values)
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise DataError(f"file={str(path)!r} is damaged ({error}): simulate the waveforms again") from error
    lengths = {len(values), header.n_waveforms, *(len(value) for value in parameters.values())}
    if len(lengths) != 1 or values.shape[-1] != len(header.grid):
        raise DataError(
            f"file={str(path)!r} is damaged (waveforms {values.shape} for a grid of {len(header.grid)}, numbers of rows "
            f"{sorted(lengths)}): simulate the waveforms again"
        )
    return StoredWaveforms(torch.as_tensor(values), _relative(parameters, -start_time))


def require(path: str | Path, header: Header, **asked: Any) -> None:
    """Raise an error if waveforms are not those that are needed.

    Parameters
    ----------
    path
        The file, named in the message.
    header
        Description of the waveforms in it.
    asked
        Values that some of the header's attributes must have, as plain values; ``contract`` as JSON.

    Raises
    ------
    DataError
        If something differs, which the message names.
    """
    found: list[str] = []
    for name, wanted in asked.items():
        stored = getattr(header, name)
        if name == "contract":
            # Facts and arrays in one, both by their names.
            stored, wanted = ({**facts, **arrays} for facts, arrays in (json.loads(text) for text in (stored, wanted)))
        elif isinstance(stored, Grid):
            stored, wanted = stored.to_dict(), wanted.to_dict()
        found.extend(_differences(name, stored, wanted))
    if found:
        more = f"; {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise DataError(
            f"file={str(path)!r} contains waveforms of another problem: {'; '.join(found[:_SHOWN])}{more}. Simulate them again"
        )


def spot_check(path: str | Path, bank: StoredWaveforms, task: Task, rows: Sequence[Row]) -> None:
    """Compute a few of the waveforms again and compare them with the stored ones.

    Parameters
    ----------
    path
        The file, named in the message.
    bank
        Waveforms of the file.
    task
        Computes the waveform of one row.
    rows
        All parameters of each waveform.

    Raises
    ------
    DataError
        If a waveform differs from that of ``task``.
    """
    for index in map(int, np.linspace(0, len(bank) - 1, _SPOTS)):
        made, stored = task(rows[index]), bank.waveforms[index].numpy()
        # Not "larger than", so that values that are not numbers are refused, too.
        if made is None or not np.max(np.abs(made - stored)) <= _SPOT_TOLERANCE * np.max(np.abs(made)):
            raise DataError(
                f"waveform {index} in file={str(path)!r} differs from that of this waveform generator and these detectors "
                "for the same parameters: simulate the waveforms again"
            )


def _relative(parameters: Parameters, start_time: float) -> Parameters:
    """Return ``parameters`` with times counted from ``start_time``."""
    return {key: value - start_time if key.endswith("_time") else value for key, value in parameters.items()}


def _differences(path: str, stored: Any, asked: Any) -> Iterator[str]:
    """Iterate over descriptions of the differences between two nested plain values, up to rounding of numbers."""
    if isinstance(stored, dict) and isinstance(asked, dict):
        for key in sorted({*stored, *asked}):
            yield from _differences(f"{path}.{key}", stored.get(key), asked.get(key))
    elif isinstance(stored, list) and isinstance(asked, list) and len(stored) == len(asked):
        found = [
            difference
            for index, pair in enumerate(zip(stored, asked, strict=True))
            for difference in _differences(f"{path}[{index}]", *pair)
        ]
        # One value of a noise curve is enough for the message.
        yield from found[:1]
        if len(found) > 1:
            yield f"{len(found) - 1} more values of {path} differ"
    elif not _same(path, stored, asked):
        yield f"{path} is {_short(stored)} in the file and {_short(asked)} here"


def _same(path: str, stored: Any, asked: Any) -> bool:
    if stored == asked:
        return True
    numbers = (int, float)
    if isinstance(stored, numbers) and isinstance(asked, numbers):
        # GPS times, and what is computed at them, are good to microseconds.
        absolute = 5e-6 if any(word in path for word in ("_time", "antenna")) else 0.0
        return bool(np.isclose(stored, asked, rtol=_TOLERANCE, atol=absolute))
    try:
        return bool(np.isclose(float(stored), float(asked), rtol=_TEXT_TOLERANCE, atol=0))
    except (TypeError, ValueError):
        return False


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 60 else text[:57] + "..."
