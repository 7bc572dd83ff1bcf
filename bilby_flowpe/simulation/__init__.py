"""Simulated data: views of a likelihood's own data, and banks that training data come from.

Begin with :mod:`.signal_bank` for gravitational waves, :mod:`.noise` for Bilby's other likelihoods and :mod:`.general` for
likelihoods with a ``simulate`` of their own.
"""

from ..problem import Signals, SimulationConfig
from .amortised import AmortisedBank, AmortisedView
from .analytical import AnalyticalSimulator
from .detector_view import DetectorView
from .gaussian import GaussianSimulator
from .general import GeneralSimulator
from .signal_bank import SignalBank

__all__ = [
    "AmortisedBank",
    "AmortisedView",
    "AnalyticalSimulator",
    "DetectorView",
    "GaussianSimulator",
    "GeneralSimulator",
    "SignalBank",
    "Signals",
    "SimulationConfig",
]
