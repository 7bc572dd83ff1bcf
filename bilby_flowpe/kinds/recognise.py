"""Questions that the class of a likelihood answers, all in one file.

A subclass with a ``log_likelihood``, ``residual`` or ``sigma`` of its own may be a completely different likelihood. Data
simulated by its parent's rule would belong to another problem; such a class has to simulate its data by a method ``simulate``.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
from bilby.core.likelihood import Likelihood
from bilby.gw.detector import Interferometer
from bilby.gw.detector.calibration import Recalibrate
from bilby.gw.likelihood import (
    BasicGravitationalWaveTransient,
    GravitationalWaveTransient,
    RelativeBinningGravitationalWaveTransient,
)

from ..overrides import replaced
from ..simulation.noise import Noise
from ..simulation.noise_kinds import NOISES

Wave: TypeAlias = GravitationalWaveTransient | BasicGravitationalWaveTransient

# Members that a subclass may redefine: they do not enter the likelihood as a function of the parameters.
_OF_NO_ACCOUNT = frozenset({"noise_log_likelihood", "meta_data", "marginalized_parameters"})

_METHODS = (
    "log_likelihood",
    "log_likelihood_ratio",
    "noise_log_likelihood",
    "_calculate_noise_log_likelihood",
    "calculate_snrs",
    "compute_log_likelihood_from_snrs",
    "_compute_full_waveform",
    "get_sky_frame_parameters",
)
"""Methods of Bilby's transient that determine its values."""

_OF_THE_POWER = (
    "log_likelihood_ratio",
    "noise_log_likelihood",
    "calculate_snrs",
    "compute_log_likelihood_from_snrs",
    "get_sky_frame_parameters",
)
"""Methods of Bilby's transient that make its value a measure of the power in the data."""


def is_transient(likelihood: object) -> bool:
    """Return whether a likelihood is Bilby's one of a transient in interferometers, or a subclass."""
    return isinstance(likelihood, GravitationalWaveTransient)


def is_wave(likelihood: object) -> bool:
    """Return whether a likelihood is one of gravitational waves in interferometers."""
    return isinstance(likelihood, Wave)


def is_plain(likelihood: Likelihood) -> bool:
    """Return whether networks can be trained for a likelihood as it is, apart from the names of sky and time."""
    return (
        has_plain_values(likelihood)
        and not marginalised(likelihood)
        and likelihood.reference_frame == "sky"
        and likelihood.time_reference == "geocent"
    )


def has_plain_values(likelihood: Likelihood) -> bool:
    """Return whether a likelihood, apart from marginalisation, has the values of the plain ``GravitationalWaveTransient``."""
    return (
        isinstance(likelihood, GravitationalWaveTransient)
        and not replaced(likelihood, GravitationalWaveTransient, _METHODS)
        and not likelihood.calibration_marginalization
        and not any(map(is_calibrated, likelihood.interferometers))
    )


def has_own_frequencies(likelihood: GravitationalWaveTransient) -> bool:
    """Return whether a likelihood evaluates the waveform at the frequencies of the data: no reduced basis, bands or bins."""
    return not replaced(likelihood, GravitationalWaveTransient, ["calculate_snrs"])


def has_relative_bins(likelihood: Likelihood) -> bool:
    """Return whether a likelihood interpolates the ratio of the waveform to a fiducial one between bins."""
    return isinstance(likelihood, RelativeBinningGravitationalWaveTransient)


def frame_of(likelihood: Likelihood) -> tuple[object, str]:
    """Return what sky position and time of a likelihood refer to; the basic likelihood of waves has no choice."""
    return getattr(likelihood, "reference_frame", "sky"), getattr(likelihood, "time_reference", "geocent")


def interferometers_of(likelihood: Likelihood) -> list[Interferometer]:
    """Return the detectors whose data a likelihood has; an empty list if the data are not strain."""
    return list(getattr(likelihood, "interferometers", ()))


def tells_power(likelihood: Likelihood) -> bool:
    """Return whether the value of a likelihood tells how much power a signal leaves in the data.

    This is true of Bilby's own likelihoods, and of classes with a true attribute ``tells_power``.
    """
    if getattr(type(likelihood), "tells_power", False):
        return True
    return not replaced(likelihood, type(likelihood), _OF_THE_POWER) and type(likelihood).__module__.startswith(
        "bilby."
    )


def power_left(likelihood: Likelihood, row: Mapping[str, float], otherwise: float | None) -> float | None:
    """Return the power that a signal leaves in the data, in standard deviations above that of the noise.

    Parameters
    ----------
    likelihood
        Any likelihood; one with a noise model other than Gaussian noise of its PSD has a method of this name
        (:mod:`bilby_flowpe.noise`).
    row
        All parameters of the signal, as the likelihood takes them.
    otherwise
        The value for Gaussian noise, which is returned for all other likelihoods.
    """
    own = getattr(likelihood, "power_left", None)
    return own(row) if callable(own) else otherwise


def gaussian_curves(likelihood: Likelihood) -> bool:
    """Return whether a likelihood that tells the power in the data assumes Gaussian noise of its PSDs."""
    return tells_power(likelihood) and not callable(getattr(likelihood, "power_left", None))


def marginalised(likelihood: Likelihood) -> tuple[str, ...]:
    """Return the signal parameters that a likelihood of gravitational waves integrates out; none for other likelihoods."""
    if not is_wave(likelihood):
        return ()
    return tuple(key for key in getattr(likelihood, "_marginalized_parameters", ()) if key != "recalib_index")


def is_calibrated(interferometer: Interferometer) -> bool:
    """Return whether an interferometer has a calibration model that changes the signal."""
    return type(interferometer.calibration_model) is not Recalibrate


def has_simulate(likelihood: Likelihood) -> bool:
    """Return whether a likelihood has a ``simulate`` that takes parameters and a generator.

    A ``simulate`` with other arguments does not count. Whether there are data, too, is checked when they are needed.

    Whether it has data, too, is found when they are needed.
    """
    simulate = getattr(likelihood, "simulate", None)
    if not callable(simulate):
        return False
    try:
        inspect.signature(simulate).bind({}, np.random.default_rng(0))
    except TypeError:
        return False
    except ValueError:  # compiled functions have no signature
        return True
    return True


def noise_of(likelihood: Likelihood) -> type[Noise] | None:
    """Return the noise model by which data of a likelihood are generated; ``None`` if it is not known."""
    kind = _nearest(likelihood)
    return None if kind is None or _redefined(likelihood, kind.of) else kind


def why_not_simulated(likelihood: Likelihood) -> str:
    """Say in words why no data can be simulated for a likelihood."""
    said = f"likelihood={type(likelihood).__name__}"
    if callable(getattr(likelihood, "simulate", None)):
        said += ", whose simulate does not take (parameters, rng)"
    if (kind := _nearest(likelihood)) is not None:
        members = ", ".join(_redefined(likelihood, kind.of))
        return f"{said} is a {kind.of.__name__} with another {members}, so that its data cannot be simulated as usual"
    known = ", ".join(kind.of.__name__ for kind in NOISES)
    return f"{said}: data can be simulated for a GravitationalWaveTransient and for {known}, but not for this one"


def _redefined(likelihood: Likelihood, bilby: type[Likelihood]) -> list[str]:
    """Return members of one of Bilby's classes that a likelihood or its class redefines, except special methods."""
    names = (name for name in dir(bilby) if not name.startswith("__") and name not in _OF_NO_ACCOUNT)
    return replaced(likelihood, bilby, names)


def _nearest(likelihood: Likelihood) -> type[Noise] | None:
    return next((kind for kind in NOISES if isinstance(likelihood, kind.of)), None)
