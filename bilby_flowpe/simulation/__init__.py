"""Simulated data: views of a likelihood's own data, and banks that training data come from.

Begin with :mod:`.signal_bank` for gravitational waves, :mod:`.noise` for Bilby's other likelihoods and :mod:`.general` for
likelihoods with a ``simulate`` of their own. What simulates works with torch, and is imported from its own module.
"""

from ..problem import Signals, SimulationConfig
from .detector_view import DetectorView

__all__ = ["DetectorView", "Signals", "SimulationConfig"]
