"""Errors that this package raises on purpose: each names the parameter, its value and the way out."""

__all__ = [
    "CoarseObstacle",
    "ConfigurationError",
    "ContractError",
    "DataError",
    "FlowPEError",
    "MemoryLimitError",
    "ModelError",
    "NotFittedError",
    "PriorError",
    "ProblemError",
    "SimulationError",
    "WorkerError",
]


class FlowPEError(Exception):
    """Base of all errors raised by bilby_flowpe."""


class ProblemError(FlowPEError, ValueError):
    """The arguments of a packaged problem do not describe one."""


class PriorError(FlowPEError, ValueError):
    """A prior cannot be put in the coordinates that the networks work in."""


class SimulationError(FlowPEError, ValueError):
    """The likelihood, priors or waveform generator given cannot be evaluated or simulated from."""


class MemoryLimitError(SimulationError):
    """The data of a training do not fit into the memory.

    Attributes
    ----------
    most
        Number of waveforms that would fit; 0 if there is not enough memory even without waveforms.
    """

    def __init__(self, message: str, most: int = 0) -> None:
        super().__init__(message)
        self.most = most


class DataError(FlowPEError, ValueError):
    """The observed data cannot be analysed (not finite, no PSD, another band)."""


class NotFittedError(FlowPEError, RuntimeError):
    """A representation was used before it was fitted."""


class ConfigurationError(FlowPEError, ValueError):
    """A keyword argument or configuration value is not usable."""


class WorkerError(FlowPEError, RuntimeError):
    """A worker process was killed, or returned an object that cannot be sent."""


class ContractError(FlowPEError, ValueError):
    """A model was trained for another problem than the one it is asked to analyse."""


class ModelError(FlowPEError, ValueError):
    """A model folder is missing, incomplete, damaged or of a newer version."""


class CoarseObstacle(FlowPEError, ValueError):
    """Coarse waveforms cannot be made for this likelihood and prior."""
