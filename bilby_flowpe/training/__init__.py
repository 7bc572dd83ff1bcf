"""From Bilby objects to a trained model."""

from .build import train_model
from .settings import Settings

__all__ = ["Settings", "train_model"]
