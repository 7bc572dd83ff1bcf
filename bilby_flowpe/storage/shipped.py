"""Models that are part of the package."""

from __future__ import annotations

from pathlib import Path

from ..errors import ModelError
from .folder import DESCRIPTION

SHIPPED = Path(__file__).parent.parent / "models"
"""Folder of the shipped models."""


def shipped_models() -> list[str]:
    """Return the names of the models that are part of the package."""
    return sorted(path.name for path in SHIPPED.glob("*") if (path / DESCRIPTION).is_file())


def no_such_model(model: str) -> ModelError:
    """Return the error for a model that is neither a folder nor shipped."""
    return ModelError(
        f"model={model!r} is neither a folder nor one of the shipped models {shipped_models()}; those of "
        "families of binaries, listed by `flowpe family list`, can be given to the sampler alone"
    )
