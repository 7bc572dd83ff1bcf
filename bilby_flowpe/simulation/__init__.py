"""Training data from the user's own Bilby objects."""

from ..simulator import Signals, Simulator
from .config import SimulationConfig
from .factory import can_simulate, make_simulator
from .gaussian import GaussianSimulator
from .general import GeneralSimulator
from .gravitational_wave import GravitationalWaveSimulator

__all__ = [
    "GaussianSimulator",
    "GeneralSimulator",
    "GravitationalWaveSimulator",
    "Signals",
    "SimulationConfig",
    "Simulator",
    "can_simulate",
    "make_simulator",
]
