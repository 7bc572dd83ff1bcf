"""The folder of a model, which is written completely or not at all.

Tensors are in ``weights.safetensors``, everything else in ``model.json``. The null distribution of the surprise, which
may be measured again without changing the weights, has its own small file. The description has the SHA-256 of every
file, including its own, and all files are checked against these: a file that is truncated, changed, or from another
model is refused.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from ..errors import ContractError, ModelError, PriorError

FORMAT = 2
"""Version of the folder's layout; a newer one is refused. Version 1 had no digests."""

WEIGHTS, DESCRIPTION, CONFIGURATION = "weights.safetensors", "model.json", "config.toml"
_DIGESTS = "sha256"
_OLD = ".old"
_STRUCTURAL = (
    ArithmeticError, AttributeError, LookupError, MemoryError, OSError, RuntimeError, SafetensorError, TypeError, ValueError,
)  # fmt: skip
SURPRISE = "surprise.safetensors"
"""Name of the file for tensors whose names begin with ``surprise.``, if there are any."""


def write_folder(folder: Path, tensors: dict[str, np.ndarray], description: dict[str, Any]) -> Path:
    """Write or replace the folder of a model; the configuration file of a replaced model is kept.

    Parameters
    ----------
    folder
        The folder.
    tensors, description
        Contents of the folder; the description has plain values only.

    Raises
    ------
    ModelError
        If ``folder`` contains something other than a model, which is not deleted.
    """
    folder = folder.expanduser()
    if folder.exists() and not (folder / DESCRIPTION).is_file() and not (folder.is_dir() and not any(folder.iterdir())):
        raise ModelError(f"folder={str(folder)!r} contains something other than a model: give a new folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    prefix = f".{folder.name}.{_host()}-{os.getpid()}."
    temporary = Path(tempfile.mkdtemp(prefix=prefix, dir=folder.parent))
    aside = temporary.with_name(temporary.name + _OLD)
    try:
        apart = {key: value for key, value in tensors.items() if key.startswith("surprise.")}
        _write_tensors({key: value for key, value in tensors.items() if key not in apart}, temporary / WEIGHTS)
        if apart:
            _write_tensors(apart, temporary / SURPRISE)
        write_description(temporary, description)
        if (folder / CONFIGURATION).is_file():
            shutil.copy2(folder / CONFIGURATION, temporary / CONFIGURATION)
        temporary.chmod(0o755)
        if folder.exists():
            # Renamed first, so that one complete model exists at any time.
            folder.replace(aside)
        temporary.replace(folder)
        shutil.rmtree(aside, ignore_errors=True)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return folder


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9]", "_", socket.gethostname())


def _sweep(folder: Path) -> None:
    """Remove temporary folders of processes on this machine that were killed while they wrote this folder."""
    for left in folder.parent.glob(f".{glob.escape(folder.name)}.{_host()}-*"):
        number = left.name.rpartition(f"{_host()}-")[2].partition(".")[0]
        if not number.isdigit() or alive(int(number)):
            continue
        if left.name.endswith(_OLD) and not folder.exists():
            # Killed between the two renames: the older model is complete.
            left.replace(folder)
        else:
            shutil.rmtree(left, ignore_errors=True)


def alive(process: int) -> bool:
    """Return whether a process of this machine is running."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        # A process of another user.
        return True
    return True


def _write_tensors(tensors: dict[str, np.ndarray], path: Path) -> None:
    save_file({key: np.array(value, order="C") for key, value in tensors.items()}, path)
    # Safetensors makes files readable for their owner only, but a cache may be shared.
    path.chmod(0o644)


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_description(folder: Path, description: dict[str, Any]) -> Path:
    """Write the description of the tensors in ``folder``, with the digests of all files."""
    digests = {name: file_digest(folder / name) for name in (WEIGHTS, SURPRISE) if (folder / name).is_file()}
    others = {key: value for key, value in description.items() if key not in ("format", _DIGESTS)}
    whole = {"format": FORMAT, _DIGESTS: digests, **others}
    digests[DESCRIPTION] = _own_digest(whole)
    return write_text(folder / DESCRIPTION, json.dumps(whole, indent=1) + "\n")


def _own_digest(description: dict[str, Any]) -> str:
    """Return the SHA-256 of a description without this digest itself."""
    others = {name: digest for name, digest in description[_DIGESTS].items() if name != DESCRIPTION}
    text = json.dumps({**description, _DIGESTS: others}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def write_text(path: Path, text: str) -> Path:
    """Write a text file completely or not at all."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        return temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def read_folder(folder: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read description and tensors from the folder of a model.

    Raises
    ------
    ModelError
        If the folder is missing, incomplete, damaged or of a newer version.
    """
    folder = folder.expanduser()
    for name in (WEIGHTS, DESCRIPTION):
        if not (folder / name).is_file():
            raise ModelError(f"model={str(folder)!r}: no {name} there; give the folder of a trained model")
    try:
        description = json.loads((folder / DESCRIPTION).read_text())
        version = description["format"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelError(
            f"model={str(folder)!r}: {DESCRIPTION} cannot be read ({error}); train the model anew"
        ) from error
    if not isinstance(version, int) or isinstance(version, bool) or not 1 <= version <= FORMAT:
        raise ModelError(
            f"model={str(folder)!r} has format {version!r}, this version reads 1 to {FORMAT}: update bilby_flowpe"
        )
    with reading(folder):
        if version > 1 or _DIGESTS in description:
            _check_digests(folder, description)
        tensors = load_file(folder / WEIGHTS)
        if (folder / SURPRISE).is_file():
            tensors |= load_file(folder / SURPRISE)
        return description, tensors


def _check_digests(folder: Path, description: dict[str, Any]) -> None:
    digests = description[_DIGESTS]
    found = {WEIGHTS: file_digest(folder / WEIGHTS), DESCRIPTION: _own_digest(description)}
    if SURPRISE in digests and not (folder / SURPRISE).is_file():
        raise ValueError(f"{SURPRISE} is missing")
    if (folder / SURPRISE).is_file():
        found[SURPRISE] = file_digest(folder / SURPRISE)
    for name, digest in found.items():
        if digests[name] != digest:
            raise ValueError(f"{name} has the SHA-256 {digest}, but {digests[name]} is expected by {DESCRIPTION}")


@contextmanager
def reading(folder: Path | None = None) -> Iterator[None]:
    """Turn errors in the structure of a model's folder into a :class:`ModelError` within the context.

    Raises
    ------
    ModelError
        Instead of the error that a missing, wrong or oversized entry raises where it is used.
    """
    try:
        yield
    except (ContractError, ModelError, PriorError):
        raise
    except _STRUCTURAL as error:
        said = f"{type(error).__name__}: {error}" if isinstance(error, LookupError) else str(error)
        where = "the model" if folder is None else f"model={str(folder.expanduser())!r}"
        raise ModelError(f"{where} is damaged ({said}); train the model anew") from error
