"""Simulated data: views of a likelihood's own data, and banks from which training data are drawn.

Read first :mod:`.signal_bank` for gravitational waves, :mod:`.noise` for Bilby's other likelihoods (and how another kind of
noise is added), and :mod:`.general` for likelihoods with their own ``simulate``. The simulators need torch and are therefore
imported from their own modules.

To add noise of another kind, write a class in :mod:`.noise_kinds` that draws it and gives its log density, and name
the likelihood that has it in :mod:`bilby_flowpe.kinds.recognise`.
"""

from ..problem import Signals, SimulationConfig
from .detector_view import DetectorView

__all__ = ["DetectorView", "Signals", "SimulationConfig"]
