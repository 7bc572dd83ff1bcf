"""A model's folder, written whole or not at all.

Tensors are in ``weights.safetensors``, all else in ``model.json``. What may be measured again without touching the weights,
the null of the surprise, has a small file of its own.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from .errors import ModelError

FORMAT = 1
"""Version of the folder's layout; a newer one is refused."""

WEIGHTS, DESCRIPTION, CONFIGURATION = "weights.safetensors", "model.json", "config.toml"
SURPRISE = "surprise.safetensors"
"""File of the tensors whose names begin with ``surprise.``, where there are any."""


def write_folder(folder: Path, tensors: dict[str, torch.Tensor], description: dict[str, Any]) -> Path:
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
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    aside = temporary.with_name(temporary.name + ".old")
    try:
        apart = {key: value for key, value in tensors.items() if key.startswith("surprise.")}
        _write_tensors({key: value for key, value in tensors.items() if key not in apart}, temporary / WEIGHTS)
        if apart:
            _write_tensors(apart, temporary / SURPRISE)
        (temporary / DESCRIPTION).write_text(json.dumps({"format": FORMAT, **description}, indent=1) + "\n")
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


def _write_tensors(tensors: dict[str, torch.Tensor], path: Path) -> None:
    save_file({key: value.contiguous().clone() for key, value in tensors.items()}, path)
    # Written for its owner alone by safetensors: a cache may be shared.
    path.chmod(0o644)


def write_text(path: Path, text: str) -> Path:
    """Write a file, whole or not at all."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        return temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def read_folder(folder: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
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
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"model={str(folder)!r}: {DESCRIPTION} cannot be read ({error}); train the model anew"
        ) from error
    if not isinstance(version, int) or version > FORMAT:
        raise ModelError(
            f"model={str(folder)!r} has format {version!r}, this version reads up to {FORMAT}: update bilby_flowpe"
        )
    try:
        tensors = load_file(folder / WEIGHTS)
        if (folder / SURPRISE).is_file():
            tensors |= load_file(folder / SURPRISE)
        return description, tensors
    except SafetensorError as error:
        raise damaged(folder, error) from error


def damaged(folder: Path, error: Exception) -> ModelError:
    """What to raise for a folder whose content makes no model."""
    return ModelError(f"model={str(folder.expanduser())!r} is damaged ({error}); train the model anew")
