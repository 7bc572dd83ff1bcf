"""The problems of Green, Simpson and Gair (2020), as plain Bilby objects.

The modules ``toys``, ``constrained`` and ``conjugate`` have other problems, whose evidence is known exactly.
"""

from .paper import (
    DURATION,
    MINIMUM_FREQUENCY,
    PSD_FILE,
    REFERENCE_FREQUENCY,
    SAMPLING_FREQUENCY,
    START_TIME,
    green2020,
    green2020_priors,
    overhead,
)

__all__ = [
    "DURATION",
    "MINIMUM_FREQUENCY",
    "PSD_FILE",
    "REFERENCE_FREQUENCY",
    "SAMPLING_FREQUENCY",
    "START_TIME",
    "green2020",
    "green2020_priors",
    "overhead",
]
