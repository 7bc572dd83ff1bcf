"""The plain likelihood behind another: whole spectra, no marginalisation, no calibration errors.

Networks learn from signals at every frequency of the data. A likelihood may use a short cut (reduced-order quadrature,
multibanding, relative binning), integrate parameters out or include calibration errors; its data and waveforms are the
same. Draws are made with the plain likelihood, and weighted by the user's.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
from bilby.gw import source
from bilby.gw.detector import Interferometer, InterferometerList
from bilby.gw.detector.calibration import Recalibrate
from bilby.gw.likelihood import GravitationalWaveTransient
from bilby.gw.waveform_generator import WaveformGenerator

from ..errors import SimulationError
from ..kinds.recognise import Wave, is_calibrated, is_plain, marginalised
from ..waves.waveforms import waveform

_WHOLE = {
    source.binary_black_hole_roq: source.lal_binary_black_hole,
    source.binary_black_hole_frequency_sequence: source.lal_binary_black_hole,
    source.lal_binary_black_hole_relative_binning: source.lal_binary_black_hole,
    source.binary_neutron_star_roq: source.lal_binary_neutron_star,
    source.binary_neutron_star_frequency_sequence: source.lal_binary_neutron_star,
    source.lal_binary_neutron_star_relative_binning: source.lal_binary_neutron_star,
}
"""Source models that return a few frequencies, and the corresponding ones that return all."""
_FROM_THE_FIRST = {*_WHOLE} - {
    source.lal_binary_black_hole_relative_binning,
    source.lal_binary_neutron_star_relative_binning,
}
"""Source models whose waves start at the first of their frequencies; relative binning multiplies a whole wave."""
_OF_A_FEW_FREQUENCIES = (
    "fiducial",
    "frequencies",
    "frequency_bin_edges",
    "frequency_nodes",
    "frequency_nodes_linear",
    "frequency_nodes_quadratic",
    "linear_indices",
    "quadratic_indices",
)
_BY_FREQUENCIES = ("frequencies", "frequency_bin_edges", "frequency_nodes")
"""Waveform arguments with the frequencies of Bilby's likelihoods: multibanding, relative binning, quadrature."""
_LOWEST, _HIGHEST = "minimum_frequency", "maximum_frequency"
_LOWEST_DEFAULT = 20.0  # Hz at which Bilby's whole waves begin by default
_MARGINALISATIONS = ("time", "distance", "phase")


def plain_likelihood(likelihood: Wave) -> GravitationalWaveTransient:
    """Return the plain likelihood of the same interferometers and waveforms; ``likelihood`` itself if it is plain.

    Parameters
    ----------
    likelihood
        Any gravitational-wave likelihood.

    Raises
    ------
    SimulationError
        If its waveforms have no whole spectra, and no source model with whole spectra is known for its own.
    """
    interferometers = likelihood.interferometers
    if is_plain(likelihood):
        return likelihood
    bare = InterferometerList([_uncalibrated(ifo) for ifo in interferometers])
    return GravitationalWaveTransient(bare, _whole_generator(likelihood))


def unmarginalised(likelihood: Wave, but: tuple[str, ...] = ()) -> Wave:
    """Return the likelihood as a function of the signal parameters that it integrates out.

    Parameters
    ----------
    likelihood
        Any gravitational-wave likelihood.
    but
        Marginalisations that are kept: any of ``"time"``, ``"distance"`` and ``"phase"``.
    """
    if not marginalised(likelihood):
        return likelihood
    # The precomputed parts (quadrature weights, bands, fiducial waveforms) are valid for both.
    other = copy.copy(likelihood)
    for name in (name for name in _MARGINALISATIONS if name not in but):
        setattr(other, f"{name}_marginalization", False)
    other._marginalized_parameters = [key for key in likelihood._marginalized_parameters if key == "recalib_index"]
    return other


def _uncalibrated(interferometer: Interferometer) -> Interferometer:
    if not is_calibrated(interferometer):
        return interferometer
    bare = copy.copy(interferometer)
    bare.calibration_model = Recalibrate()
    return bare


def _whole_generator(likelihood: Wave) -> WaveformGenerator:
    given = likelihood.waveform_generator
    whole = _WHOLE.get(given.frequency_domain_source_model)
    arguments = {key: value for key, value in given.waveform_arguments.items() if key not in _OF_A_FEW_FREQUENCIES}
    if whole is not None:
        return WaveformGenerator(
            duration=given.duration,
            sampling_frequency=given.sampling_frequency,
            start_time=given.start_time,
            frequency_domain_source_model=whole,
            parameter_conversion=given.parameter_conversion,
            waveform_arguments=_ends(likelihood, whole) | arguments,
        )
    if len(arguments) < len(given.waveform_arguments):
        raise SimulationError(
            f"likelihood={type(likelihood).__name__} has waveforms of a few frequencies from the source model "
            f"{given.frequency_domain_source_model!r}, for which no model of all frequencies is known: give a likelihood "
            f"with one of {sorted(model.__name__ for model in _WHOLE)}, or a GravitationalWaveTransient"
        )
    return given


def _ends(likelihood: Wave, whole: Callable[..., Any]) -> dict[str, float]:
    """Return waveform arguments with which whole waves begin and end where those of a few frequencies do.

    They begin where the data do, whatever Bilby's default is. Some approximants with tides, those based on IMRPhenomXAS
    and IMRPhenomNSBH, place the end of the signal at the last requested frequency if this is below the merger: another
    last frequency shifts the whole wave in time, by a millisecond.
    """
    ends: dict[str, float] = {}
    given = likelihood.waveform_generator
    lowest = min(float(ifo.minimum_frequency) for ifo in likelihood.interferometers)
    if given.frequency_domain_source_model in _FROM_THE_FIRST and lowest != _LOWEST_DEFAULT:
        ends[_LOWEST] = lowest
    asked = next((given.waveform_arguments[key] for key in _BY_FREQUENCIES if key in given.waveform_arguments), None)
    if asked is not None and whole is source.lal_binary_neutron_star:
        ends[_HIGHEST] = float(np.max(asked))
    return ends


def lengths_differ(likelihood: GravitationalWaveTransient, row: dict[str, float]) -> bool:
    """Return whether the waveform for one set of parameters does not cover the frequencies of the data."""
    polarisations = waveform(likelihood.waveform_generator, row)
    size = len(likelihood.interferometers.frequency_array)
    return polarisations is not None and any(np.shape(series) != (size,) for series in polarisations.values())
