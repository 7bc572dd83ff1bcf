"""Training data from the user's own Bilby objects."""

from ..simulator import Signals, Simulator
from .gaussian import GaussianSimulator
from .gravitational_wave import GravitationalWaveSimulator, SimulationConfig

__all__ = ["GaussianSimulator", "GravitationalWaveSimulator", "Signals", "SimulationConfig", "Simulator"]
