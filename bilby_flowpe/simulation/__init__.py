"""Training data from the user's own Bilby objects."""

from .amortised import AmortisedSimulator
from .analytical import AnalyticalSimulator
from .config import SimulationConfig
from .factory import can_simulate, make_simulator
from .gaussian import GaussianSimulator
from .general import GeneralSimulator
from .gravitational_wave import GravitationalWaveSimulator
from .recognise import nobody_simulates
from .simulator import Signals, Simulator

__all__ = [
    "AmortisedSimulator",
    "AnalyticalSimulator",
    "GaussianSimulator",
    "GeneralSimulator",
    "GravitationalWaveSimulator",
    "Signals",
    "SimulationConfig",
    "Simulator",
    "can_simulate",
    "make_simulator",
    "nobody_simulates",
]
