"""The problems of Green, Simpson and Gair (2020), as plain Bilby objects.

The modules ``toys``, ``constrained`` and ``conjugate`` have other problems, whose evidence is known exactly.

To read first: :mod:`.paper`, the problems of the paper; :mod:`.closed_forms`, thirty problems with known evidence;
and :mod:`.toys`, small ones.

To add a problem of known evidence, give a function of likelihood, priors and exact evidence, and name it in
:mod:`.closed_forms`, so that all tests of the evidence include it.
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
