"""Priors and likelihood of an alert, around the trigger time and the chirp masses that a search found."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import numpy as np
from bilby.core.prior import Constraint, PriorDict, Uniform
from bilby.gw.conversion import convert_to_lal_binary_black_hole_parameters
from bilby.gw.detector import InterferometerList
from bilby.gw.likelihood import GravitationalWaveTransient
from bilby.gw.prior import BBHPriorDict
from bilby.gw.source import lal_binary_black_hole
from bilby.gw.waveform_generator import WaveformGenerator

from ..errors import ConfigurationError, DataError
from ..names import CHIRP_MASS, TIME

USUAL_PRIORS = "aligned_spins_bbh.prior"
"""Bilby's default priors of black-hole binaries with spins along the orbital axis."""
_LIMITS = (
    "mass_1",
    "mass_2",
)  # constraints of the default priors, 5 to 100 solar masses, which would exclude other signals


class EventPriors:
    """Priors that are the same for all events, except for the time and the range of chirp masses.

    Parameters
    ----------
    priors
        Bilby's priors without the time, or a prior file; by default Bilby's with aligned spins.
    time_window
        Half the width of the prior of the time at the Earth's centre, around the trigger time, in seconds.

    Raises
    ------
    ConfigurationError
        If the priors have a time, cannot be read, or the window is not positive.
    """

    def __init__(self, priors: PriorDict | str | Path | None = None, time_window: float = 0.1) -> None:
        if not (np.isfinite(time_window) and time_window > 0):
            raise ConfigurationError(f"time_window={time_window!r}: give seconds, such as 0.1")
        self._usual, self._window = priors is None, time_window
        self.priors = self._read(priors)
        if TIME in self.priors:
            raise ConfigurationError(
                f"priors have {TIME}, which is set around the trigger time of every event: leave it out; time_window= sets "
                "its half width"
            )

    @staticmethod
    def _read(priors: PriorDict | str | Path | None) -> PriorDict:
        if isinstance(priors, dict):
            return deepcopy(priors) if isinstance(priors, PriorDict) else BBHPriorDict(dictionary=dict(priors))
        name = USUAL_PRIORS if priors is None else str(priors)
        if priors is not None and not Path(name).is_file():
            raise ConfigurationError(f"priors={name!r}: there is no such file: name a prior file as Bilby reads it")
        return BBHPriorDict(filename=name)

    def of(self, trigger_time: float, chirp_mass: tuple[float, float] | None = None) -> PriorDict:
        """Return the priors of one event.

        Parameters
        ----------
        trigger_time
            GPS time in seconds.
        chirp_mass
            Least and largest chirp mass, in solar masses in the detectors' frame, which replace the limits of its prior; by
            default the prior is not changed. With a range, the limits of the component masses in Bilby's default priors are
            left out, too.

        Raises
        ------
        ConfigurationError
            If the range is not valid, or the priors do not sample the chirp mass.
        """
        priors = deepcopy(self.priors)
        priors[TIME] = Uniform(trigger_time - self._window, trigger_time + self._window, name=TIME, unit="s")
        if chirp_mass is None:
            return priors
        low, high = chirp_mass
        if not 0 < low < high < np.inf:
            raise ConfigurationError(
                f"chirp_mass={[low, high]}: give the least and the largest chirp mass in solar masses"
            )
        prior = priors.get(CHIRP_MASS)
        if prior is None or isinstance(prior, Constraint) or getattr(prior, "is_fixed", False):
            raise ConfigurationError(
                f"chirp_mass={[low, high]}: the priors do not sample the chirp mass: leave chirp_mass out"
            )
        prior.minimum, prior.maximum = float(low), float(high)
        if self._usual:
            for key in _LIMITS:
                priors.pop(key, None)
        return priors


def least_chirp_mass(priors: PriorDict) -> float:
    """Return the least chirp mass that the limits of the priors allow, in solar masses."""
    if (prior := priors.get(CHIRP_MASS)) is not None and prior.minimum > 0:
        return float(prior.minimum)
    masses = [float(priors[key].minimum) for key in ("mass_1", "mass_2") if key in priors]
    if len(masses) < 2 or not min(masses) > 0:
        raise ConfigurationError(
            "the priors do not limit the masses from below: give a prior of the chirp mass, or the duration of the data"
        )
    first, second = masses
    return (first * second) ** 0.6 / (first + second) ** 0.2


def likelihood_of(
    interferometers: InterferometerList, waveform: str, minimum_frequency: float, reference_frequency: float
) -> GravitationalWaveTransient:
    """Make Bilby's likelihood of the data, without any marginalisation.

    Waveforms begin at the lowest frequency that any detector uses: below its minimum frequency a waveform is zero.

    Raises
    ------
    DataError
        If the interferometers differ in their times or sampling rates.
    """
    for key in ("start_time", "duration", "sampling_frequency"):
        if len(values := {float(getattr(one, key)) for one in interferometers}) > 1:
            raise DataError(f"the interferometers differ in {key}, {sorted(values)}: give all of them the same")
    generator = WaveformGenerator(
        duration=float(interferometers.duration),
        sampling_frequency=float(interferometers.sampling_frequency),
        start_time=float(interferometers.start_time),
        frequency_domain_source_model=lal_binary_black_hole,
        parameter_conversion=convert_to_lal_binary_black_hole_parameters,
        waveform_arguments={
            "waveform_approximant": waveform,
            "reference_frequency": reference_frequency,
            "minimum_frequency": min(minimum_frequency, *(float(one.minimum_frequency) for one in interferometers)),
        },
    )
    return GravitationalWaveTransient(interferometers, generator)
