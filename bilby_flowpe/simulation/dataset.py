"""Stored waveforms to and from HDF5, with all that is needed to know what they are.

A file holds ``waveforms``, ``parameters`` (times from the start of the segment) and ``header``, JSON with the contract, the
grid, the symmetries, the configuration, the seed and the versions. Every block has a checksum, so that damage is noticed.
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
"""Version of the file's layout; another one is refused."""

_BLOCK = 2**20
_ROWS = 8192
_TOLERANCE = 1e-6
# The contract writes its arrays with six digits: the last one may be rounded otherwise on another machine.
_TEXT_TOLERANCE = 2e-5
_SHOWN = 5
_SPOTS = 4
_SPOT_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Header:
    """What the waveforms of a file are.

    Attributes
    ----------
    contract
        :meth:`bilby_flowpe.contract.Contract.fingerprint` of the problem.
    grid
        Frequencies of the waveforms.
    factorised
        Whether they are polarisations, to be moved and scaled, or responses of the detectors.
    symmetries
        :meth:`bilby_flowpe.waves.symmetries.Symmetries.to_dict` of the waveform generator.
    config
        The configuration they were simulated with.
    seed
        Of their parameters.
    versions
        Of the packages that made them.
    n_waveforms
        How many there are.
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
    """Write stored waveforms, under a temporary name first.

    Parameters
    ----------
    path
        File to write; an older one is replaced.
    header
        What they are.
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
            file.attrs["content"] = "waveforms stored by bilby_flowpe: what they are is said in 'header', JSON"
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
    """What the waveforms of a file are.

    Raises
    ------
    DataError
        If the file is missing, damaged, of another kind or of another format.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise DataError(f"file={str(path)!r} is not there: write it by `flowpe simulate`")
    try:
        with h5py.File(path) as file:
            values = json.loads(file["header"][0])
            version = values.pop("format")
            header = Header(**{**values, "grid": Grid(**values["grid"])}) if version == FORMAT else None
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise DataError(f"file={str(path)!r} is damaged or holds no waveforms ({error}): simulate them anew") from error
    if header is None:
        raise DataError(
            f"file={str(path)!r} has format {version!r}, this version reads {FORMAT}: simulate the waveforms anew"
        )
    return header


def read(path: str | Path, header: Header, start_time: float) -> StoredWaveforms:
    """The waveforms of a file.

    Parameters
    ----------
    path
        The file.
    header
        What :func:`read_header` found in it.
    start_time
        GPS time in seconds of the segment's start that times are to be counted from.

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
        raise DataError(f"file={str(path)!r} is damaged ({error}): simulate the waveforms anew") from error
    lengths = {len(values), header.n_waveforms, *(len(value) for value in parameters.values())}
    if len(lengths) != 1 or values.shape[-1] != len(header.grid):
        raise DataError(
            f"file={str(path)!r} is damaged (waveforms {values.shape} for a grid of {len(header.grid)}, numbers of rows "
            f"{sorted(lengths)}): simulate the waveforms anew"
        )
    return StoredWaveforms(torch.as_tensor(values), _relative(parameters, -start_time))


def require(path: str | Path, header: Header, **asked: Any) -> None:
    """Refuse waveforms that are not what is asked for.

    Parameters
    ----------
    path
        The file, for the message.
    header
        What is in it.
    asked
        Wanted values of some of the header's attributes, in plain values; ``contract`` as JSON.

    Raises
    ------
    DataError
        Naming what differs.
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
            f"file={str(path)!r} holds waveforms of another problem: {'; '.join(found[:_SHOWN])}{more}. Simulate them anew"
        )


def spot_check(path: str | Path, bank: StoredWaveforms, task: Task, rows: Sequence[Row]) -> None:
    """Make a few of the waveforms anew.

    Parameters
    ----------
    path
        The file, for the message.
    bank
        What was in it.
    task
        Makes a waveform of one row.
    rows
        All parameters of each waveform.

    Raises
    ------
    DataError
        If one is not what ``task`` makes.
    """
    for index in map(int, np.linspace(0, len(bank) - 1, _SPOTS)):
        made, stored = task(rows[index]), bank.waveforms[index].numpy()
        # Not "larger than": what is not a number is refused, too.
        if made is None or not np.max(np.abs(made - stored)) <= _SPOT_TOLERANCE * np.max(np.abs(made)):
            raise DataError(
                f"file={str(path)!r}: waveform {index} is not what this waveform generator and these detectors give for its "
                "parameters: simulate the waveforms anew"
            )


def _relative(parameters: Parameters, start_time: float) -> Parameters:
    """``parameters`` with times counted from ``start_time``."""
    return {key: value - start_time if key.endswith("_time") else value for key, value in parameters.items()}


def _differences(path: str, stored: Any, asked: Any) -> Iterator[str]:
    """Where two nested plain values are not the same, numbers up to rounding."""
    if isinstance(stored, dict) and isinstance(asked, dict):
        for key in sorted({*stored, *asked}):
            yield from _differences(f"{path}.{key}", stored.get(key), asked.get(key))
    elif isinstance(stored, list) and isinstance(asked, list) and len(stored) == len(asked):
        found = [
            difference
            for index, pair in enumerate(zip(stored, asked, strict=True))
            for difference in _differences(f"{path}[{index}]", *pair)
        ]
        # Of a noise curve the first value says enough.
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
