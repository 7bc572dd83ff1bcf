"""Problems as plain Bilby objects: those of Green, Simpson and Gair (2020).

In modules of their own, ``toys``, ``constrained`` and ``conjugate``, are others whose evidence is a closed form.
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
