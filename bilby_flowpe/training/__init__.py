"""From Bilby objects to a trained model."""

from ..networks import NetworkConfig
from ..representation import RepresentationConfig
from ..simulation import SimulationConfig
from .build import train_model
from .recipe import TrainingConfig
from .settings import Settings

__all__ = [
    "NetworkConfig",
    "RepresentationConfig",
    "Settings",
    "SimulationConfig",
    "TrainingConfig",
    "train_model",
]
