"""What the class of a likelihood says about it: the questions that only a likelihood's class can answer, in one file.

A subclass with a ``log_likelihood``, ``residual`` or ``sigma`` of its own may be another likelihood altogether. Data drawn by
its parent's rule would be those of another problem; it is for such a class to say how its data come about, by ``simulate``.
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

# What a subclass may redefine all the same: none of it enters the likelihood as a function of the parameters.
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
"""Methods of Bilby's transient that make its values what they are."""

_OF_THE_POWER = (
    "log_likelihood_ratio",
    "noise_log_likelihood",
    "calculate_snrs",
    "compute_log_likelihood_from_snrs",
    "get_sky_frame_parameters",
)
"""Methods of Bilby's transient that make its value one of the power in the data."""


def is_transient(likelihood: object) -> bool:
    """Whether a likelihood is Bilby's of a transient in interferometers, or a subclass."""
    return isinstance(likelihood, GravitationalWaveTransient)


def is_wave(likelihood: object) -> bool:
    """Whether a likelihood is one of gravitational waves in interferometers."""
    return isinstance(likelihood, Wave)


def is_plain(likelihood: Likelihood) -> bool:
    """Whether a likelihood is what networks are trained for, but for the names of sky and time."""
    return (
        has_plain_values(likelihood)
        and not marginalised(likelihood)
        and likelihood.reference_frame == "sky"
        and likelihood.time_reference == "geocent"
    )


def has_plain_values(likelihood: Likelihood) -> bool:
    """Whether the values of a likelihood, where nothing is integrated out, are those of the plain one of waves."""
    return (
        isinstance(likelihood, GravitationalWaveTransient)
        and not replaced(likelihood, GravitationalWaveTransient, _METHODS)
        and not likelihood.calibration_marginalization
        and not any(map(is_calibrated, likelihood.interferometers))
    )


def has_own_frequencies(likelihood: GravitationalWaveTransient) -> bool:
    """Whether a likelihood takes the waveform at the data's own frequencies: no reduced basis, bands or bins."""
    return not replaced(likelihood, GravitationalWaveTransient, ["calculate_snrs"])


def has_relative_bins(likelihood: Likelihood) -> bool:
    """Whether a likelihood interpolates the ratio of the wave to a fiducial one between bins."""
    return isinstance(likelihood, RelativeBinningGravitationalWaveTransient)


def frame_of(likelihood: Likelihood) -> tuple[object, str]:
    """What the sky position and the time of a likelihood refer to; the basic likelihood of waves has no choice."""
    return getattr(likelihood, "reference_frame", "sky"), getattr(likelihood, "time_reference", "geocent")


def interferometers_of(likelihood: Likelihood) -> list[Interferometer]:
    """The detectors that a likelihood has data of; none where the data are not strain."""
    return list(getattr(likelihood, "interferometers", ()))


def tells_power(likelihood: Likelihood) -> bool:
    """Whether a likelihood is one of Bilby's own, whose value says how much power the signal leaves in the data, or says so."""
    if getattr(type(likelihood), "tells_power", False):
        return True
    return not replaced(likelihood, type(likelihood), _OF_THE_POWER) and type(likelihood).__module__.startswith(
        "bilby."
    )


def power_left(likelihood: Likelihood, row: Mapping[str, float], otherwise: float | None) -> float | None:
    """Power that a signal leaves in the data, in standard deviations over that of noise as a likelihood has it.

    Parameters
    ----------
    likelihood
        Any; one of other noise than Gaussian noise of its curve has a method of this name (:mod:`bilby_flowpe.noise`).
    row
        All parameters of the signal, as the likelihood takes them.
    otherwise
        What it is for Gaussian noise.
    """
    own = getattr(likelihood, "power_left", None)
    return own(row) if callable(own) else otherwise


def gaussian_curves(likelihood: Likelihood) -> bool:
    """Whether a likelihood that tells the power in the data has them for Gaussian noise of its curves."""
    return tells_power(likelihood) and not callable(getattr(likelihood, "power_left", None))


def marginalised(likelihood: Likelihood) -> tuple[str, ...]:
    """Parameters of the signal that a likelihood of gravitational waves integrates out; none of any other likelihood."""
    if not is_wave(likelihood):
        return ()
    return tuple(key for key in getattr(likelihood, "_marginalized_parameters", ()) if key != "recalib_index")


def is_calibrated(interferometer: Interferometer) -> bool:
    """Whether an interferometer has a calibration model that does something."""
    return type(interferometer.calibration_model) is not Recalibrate


def has_simulate(likelihood: Likelihood) -> bool:
    """Whether the likelihood has a ``simulate`` of parameters and a generator; one of something else is not for us.

    Whether it has data, too, is found when they are needed.
    """
    simulate = getattr(likelihood, "simulate", None)
    if not callable(simulate):
        return False
    try:
        inspect.signature(simulate).bind({}, np.random.default_rng(0))
    except TypeError:
        return False
    except ValueError:  # compiled ones do not tell
        return True
    return True


def noise_of(likelihood: Likelihood) -> type[Noise] | None:
    """How data come about for a likelihood, where that is known."""
    kind = _nearest(likelihood)
    return None if kind is None or _redefined(likelihood, kind.of) else kind


def why_not_simulated(likelihood: Likelihood) -> str:
    """Why no data can be simulated for a likelihood, in words."""
    said = f"likelihood={type(likelihood).__name__}"
    if callable(getattr(likelihood, "simulate", None)):
        said += ", whose simulate does not take (parameters, rng)"
    if (kind := _nearest(likelihood)) is not None:
        members = ", ".join(_redefined(likelihood, kind.of))
        return f"{said} is a {kind.of.__name__} with another {members}, so that nobody knows how its data come about"
    known = ", ".join(kind.of.__name__ for kind in NOISES)
    return f"{said}: data can be simulated for a GravitationalWaveTransient and for {known}, but not for this one"


def _redefined(likelihood: Likelihood, bilby: type[Likelihood]) -> list[str]:
    """Members of one of Bilby's classes that a likelihood or its class defines anew, special methods apart."""
    names = (name for name in dir(bilby) if not name.startswith("__") and name not in _OF_NO_ACCOUNT)
    return replaced(likelihood, bilby, names)


def _nearest(likelihood: Likelihood) -> type[Noise] | None:
    return next((kind for kind in NOISES if isinstance(likelihood, kind.of)), None)
