"""Training of a model for Bilby's likelihood and priors.

To read first: :func:`.build.train_on`, the stages of a training; :mod:`.loop`, the training of the network; and
:mod:`.calibrate`, what is measured of the result. All choices are in :mod:`.settings` and :mod:`.recipe`.

To add a choice, add a field to the dataclass in :mod:`.settings` or :mod:`.recipe` that it belongs to:
configurations, models and checks follow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..networks import NetworkConfig
from ..representation import RepresentationConfig
from ..simulation import SimulationConfig
from .recipe import TrainingConfig
from .settings import Settings

if TYPE_CHECKING:
    from .build import train_model

__all__ = [
    "NetworkConfig",
    "RepresentationConfig",
    "Settings",
    "SimulationConfig",
    "TrainingConfig",
    "train_model",
]


def __getattr__(name: str) -> Any:
    """Import :func:`train_model` only when it is used: the settings, which every run reads, need no torch."""
    if name != "train_model":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .build import train_model

    return train_model
