"""Descriptions of the problem that a model was trained for, and their comparison with a problem to analyse."""

from .contract import Contract
from .matching import Match

__all__ = ["Contract", "Match"]
