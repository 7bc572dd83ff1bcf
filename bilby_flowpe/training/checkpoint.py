"""A training's state on disk, with its digest."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from bilby.core.utils import logger

_DIGEST = 32


def write_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write under a temporary name, then rename; a disk that is full is told in the log."""
    temporary = path.with_suffix(".tmp")
    try:
        buffer = io.BytesIO()
        torch.save(state, buffer)
        temporary.write_bytes(_digested(buffer.getvalue()))
        temporary.replace(path)
    except (OSError, RuntimeError) as error:
        # A disk that is full ends as an error of torch's own; what was trained so far is worth more than its copy.
        temporary.unlink(missing_ok=True)
        logger.warning(
            f"{path} cannot be written ({str(error).splitlines()[0]}): the training goes on, and an interruption would cost "
            "what was trained since the last one"
        )


def read_checkpoint(path: Path | None, config: dict[str, Any]) -> dict[str, Any] | None:
    """The state of a training of this configuration; ``None`` where there is none, or it cannot be read."""
    if path is None or not path.exists():
        return None
    try:
        raw = path.read_bytes()
        if raw != _digested(raw[_DIGEST:]):
            raise OSError("its contents are not those of its digest")
        state = torch.load(io.BytesIO(raw[_DIGEST:]), weights_only=True)
    except (EOFError, OSError, RuntimeError, UnpicklingError) as error:
        logger.warning(f"{path} cannot be read ({error}): starting anew")
        return None
    if state["config"] != config:
        logger.info(f"{path} is of a training with another configuration: starting anew")
        return None
    return state


def _digested(payload: bytes) -> bytes:
    """Contents of a checkpoint, their SHA-256 before them: a damaged one must not be gone on with."""
    return hashlib.sha256(payload).digest() + payload
