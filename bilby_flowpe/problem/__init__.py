"""Problems, and the questions that every kind of problem answers; the kinds are in :mod:`bilby_flowpe.kinds`.

To read first: :mod:`.base`, the questions that every problem answers, and how to add a kind; :mod:`.data`, views and
banks of simulated data; and :mod:`.config`, how training data are made.
"""

from .base import Event, Problem
from .config import SimulationConfig
from .data import Bank, Signals, View

__all__ = ["Bank", "Event", "Problem", "Signals", "SimulationConfig", "View"]
