"""What a model was trained for, as plain data, and how it is held against what the model is asked to analyse."""

from .contract import Contract
from .matching import Match

__all__ = ["Contract", "Match"]
