"""Problems, and the questions that every kind of problem answers; the kinds are in :mod:`bilby_flowpe.kinds`."""

from .base import Event, Problem
from .config import SimulationConfig
from .data import Bank, Signals, View

__all__ = ["Bank", "Event", "Problem", "Signals", "SimulationConfig", "View"]
