"""A model's folder, written whole or not at all.

Tensors are in ``weights.safetensors``, all else in ``model.json``. What may be measured again without touching the weights,
the null of the surprise, has a small file of its own. The description carries the SHA-256 of every file, itself included, and
what is read is held against them: a file that was cut short, mixed up with another model's or changed makes no wrong posterior.
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
"""Version of the folder's layout; a newer one is refused. The first had no digests."""

WEIGHTS, DESCRIPTION, CONFIGURATION = "weights.safetensors", "model.json", "config.toml"
_DIGESTS = "sha256"
_OLD = ".old"
_STRUCTURAL = (
    ArithmeticError, AttributeError, LookupError, MemoryError, OSError, RuntimeError, SafetensorError, TypeError, ValueError,
)  # fmt: skip
SURPRISE = "surprise.safetensors"
"""File of the tensors whose names begin with ``surprise.``, where there are any."""


def write_folder(folder: Path, tensors: dict[str, np.ndarray], description: dict[str, Any]) -> Path:
    """Write a model's folder, or replace it; the configuration that an older model was trained with stays.

    Parameters
    ----------
    folder
        Where to.
    tensors, description
        What it holds; plain values in the description.

    Raises
    ------
    ModelError
        If there is something else than a model in ``folder``: it is not deleted.
    """
    folder = folder.expanduser()
    if folder.exists() and not (folder / DESCRIPTION).is_file() and not (folder.is_dir() and not any(folder.iterdir())):
        raise ModelError(f"folder={str(folder)!r} holds something that is no model: give a new folder")
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
            # Renamed aside first: whatever happens, one whole model is there.
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
    """Remove what processes of this machine that were killed while they wrote this folder have left."""
    for left in folder.parent.glob(f".{glob.escape(folder.name)}.{_host()}-*"):
        number = left.name.rpartition(f"{_host()}-")[2].partition(".")[0]
        if not number.isdigit() or alive(int(number)):
            continue
        if left.name.endswith(_OLD) and not folder.exists():
            # Killed between the two renames: the older model is whole.
            left.replace(folder)
        else:
            shutil.rmtree(left, ignore_errors=True)


def alive(process: int) -> bool:
    """Whether a process of this machine runs."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        # Another user's.
        return True
    return True


def _write_tensors(tensors: dict[str, np.ndarray], path: Path) -> None:
    save_file({key: np.array(value, order="C") for key, value in tensors.items()}, path)
    # Written for its owner alone by safetensors: a cache may be shared.
    path.chmod(0o644)


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_description(folder: Path, description: dict[str, Any]) -> Path:
    """Write the description of the tensors that are in ``folder``, with their digests and its own."""
    digests = {name: file_digest(folder / name) for name in (WEIGHTS, SURPRISE) if (folder / name).is_file()}
    others = {key: value for key, value in description.items() if key not in ("format", _DIGESTS)}
    whole = {"format": FORMAT, _DIGESTS: digests, **others}
    digests[DESCRIPTION] = _own_digest(whole)
    return write_text(folder / DESCRIPTION, json.dumps(whole, indent=1) + "\n")


def _own_digest(description: dict[str, Any]) -> str:
    """SHA-256 of all that a description says but this."""
    others = {name: digest for name, digest in description[_DIGESTS].items() if name != DESCRIPTION}
    text = json.dumps({**description, _DIGESTS: others}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def write_text(path: Path, text: str) -> Path:
    """Write a file, whole or not at all."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        return temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def read_folder(folder: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Description and tensors of a model's folder.

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
            raise ValueError(f"{name} has the SHA-256 {digest}, and {digests[name]} in {DESCRIPTION}")


@contextmanager
def reading(folder: Path | None = None) -> Iterator[None]:
    """What was read from a model's folder, the errors of its structure those of a model.

    Raises
    ------
    ModelError
        In the place of what a missing, mistaken or monstrous entry raises where it is used.
    """
    try:
        yield
    except (ContractError, ModelError, PriorError):
        raise
    except _STRUCTURAL as error:
        said = f"{type(error).__name__}: {error}" if isinstance(error, LookupError) else str(error)
        where = "the model" if folder is None else f"model={str(folder.expanduser())!r}"
        raise ModelError(f"{where} is damaged ({said}); train the model anew") from error
