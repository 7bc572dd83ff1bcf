"""The one way in which this package calls a waveform generator, and the response of detectors by Bilby's own functions."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from bilby.gw.likelihood import GravitationalWaveTransient
from bilby.gw.waveform_generator import WaveformGenerator

from ..errors import SimulationError

Polarisations = dict[str, np.ndarray]
"""Frequency series of polarisations by name."""


def waveform(generator: WaveformGenerator, parameters: Mapping[str, float]) -> Polarisations | None:
    """Return frequency-domain polarisations as the generator gives them, or ``None`` where it gives none.

    Parameters
    ----------
    generator
        The user's waveform generator, or any object with a method ``frequency_domain_strain``.
    parameters
        Parameters of one signal; the generator gets a copy, which it may change.

    Raises
    ------
    SimulationError
        If the generator raises, for which Bilby's likelihoods have no value either.
    """
    try:
        return generator.frequency_domain_strain(dict(parameters))
    except Exception as error:  # any exception: the source model may be the user's own
        raise SimulationError(
            f"the waveform generator raised {type(error).__name__} ({error}) at {dict(parameters)}: have its source model "
            "return None where there is no waveform, or narrow the priors to where there is one"
        ) from error


def polarisations(generator: WaveformGenerator, parameters: Mapping[str, float]) -> Polarisations | None:
    """Return the same as :func:`waveform`, but ``None`` also where a polarisation is not finite at some frequency.

    Raises
    ------
    SimulationError
        If the generator raises.
    """
    strain = waveform(generator, parameters)
    # A sum of squares is finite where all its terms are, and takes a fifth of the time.
    if strain is None or not all(math.isfinite(np.vdot(series, series).real) for series in strain.values()):
        return None
    return strain


def responses(
    likelihood: GravitationalWaveTransient, waves: Mapping[str, np.ndarray], row: Mapping[str, float]
) -> list[np.ndarray]:
    """Return the frequency series of a wave in each detector of a likelihood, calibration included, (F,) each.

    Parameters
    ----------
    likelihood
        Likelihood with its detectors and its frame of the sky.
    waves
        Polarisations of the wave.
    row
        All parameters, in the likelihood's own frame.
    """
    row = {**row, **likelihood.get_sky_frame_parameters(dict(row))}
    return [interferometer.get_detector_response(waves, row) for interferometer in likelihood.interferometers]
