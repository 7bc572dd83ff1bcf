"""Checkpoint of a training on disk, protected by a digest."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from bilby.core.utils import logger

_DIGEST = 32  # Bytes of a SHA-256 digest, which stand before the contents of a checkpoint.


def write_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint under a temporary name and rename it; if the disk is full, warn and go on."""
    temporary = path.with_suffix(".tmp")
    try:
        buffer = io.BytesIO()
        torch.save(state, buffer)
        temporary.write_bytes(_digested(buffer.getvalue()))
        temporary.replace(path)
    except (OSError, RuntimeError) as error:
        # A full disk raises an error of torch's own. The training so far is worth more than its copy.
        temporary.unlink(missing_ok=True)
        logger.warning(
            f"{path} cannot be written ({str(error).splitlines()[0]}): the training goes on, but an interruption would lose "
            "everything since the last checkpoint"
        )


def read_checkpoint(path: Path | None, config: dict[str, Any]) -> dict[str, Any] | None:
    """Read the checkpoint of a training of this configuration; ``None`` if there is none, or if it cannot be read."""
    if path is None or not path.exists():
        return None
    try:
        raw = path.read_bytes()
        if raw != _digested(raw[_DIGEST:]):
            raise OSError("its contents do not match its digest")
        state = torch.load(io.BytesIO(raw[_DIGEST:]), weights_only=True)
    except (EOFError, OSError, RuntimeError, UnpicklingError) as error:
        logger.warning(f"{path} cannot be read ({error}): the training starts anew")
        return None
    if state["config"] != config:
        logger.info(f"{path} is from a training with another configuration: the training starts anew")
        return None
    return state


def _digested(payload: bytes) -> bytes:
    """Return contents with their SHA-256 digest in front, so that a damaged checkpoint is not used."""
    return hashlib.sha256(payload).digest() + payload
