"""The plain likelihood that stands behind another: whole spectra, no marginalisation, no calibration.

Networks learn from signals at every frequency of the data. A likelihood that takes a short cut (reduced-order quadrature,
multibanding, relative binning), integrates parameters out or allows for calibration errors is one of the same data and the
same waveforms all the same: draws are made with the plain one, and weighted by the likelihood that was given.
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
"""Source models that give a few frequencies, and those that give all."""
_FROM_THE_FIRST = {*_WHOLE} - {
    source.lal_binary_black_hole_relative_binning,
    source.lal_binary_neutron_star_relative_binning,
}
"""Those that have a wave from the first of their frequencies on. Relative binning multiplies a whole wave."""
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
"""Where likelihoods of Bilby's write the frequencies that they ask for: multibanding, relative binning, quadrature."""
_LOWEST, _HIGHEST = "minimum_frequency", "maximum_frequency"
_LOWEST_DEFAULT = 20.0  # Hz: where Bilby's whole waves begin if nothing is said
_MARGINALISATIONS = ("time", "distance", "phase")


def plain_likelihood(likelihood: Wave) -> GravitationalWaveTransient:
    """The plain likelihood of the same interferometers and waveforms; ``likelihood`` itself where it is one.

    Parameters
    ----------
    likelihood
        Any of gravitational waves.

    Raises
    ------
    SimulationError
        If its waveforms are not of whole spectra, and their source model is none of those known to have a whole one.
    """
    interferometers = likelihood.interferometers
    if is_plain(likelihood):
        return likelihood
    bare = InterferometerList([_uncalibrated(ifo) for ifo in interferometers])
    return GravitationalWaveTransient(bare, _whole_generator(likelihood))


def unmarginalised(likelihood: Wave, but: tuple[str, ...] = ()) -> Wave:
    """The likelihood with the parameters of the signal that it integrates out as parameters again.

    Parameters
    ----------
    likelihood
        Any of gravitational waves.
    but
        Marginalisations that stay, of ``"time"``, ``"distance"`` and ``"phase"``.
    """
    if not marginalised(likelihood):
        return likelihood
    # What a likelihood has set up (quadrature weights, bands, fiducial waveforms) serves both.
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
            f"{given.frequency_domain_source_model!r}, of which no whole one is known: give a likelihood with one of "
            f"{sorted(model.__name__ for model in _WHOLE)}, or a GravitationalWaveTransient"
        )
    return given


def _ends(likelihood: Wave, whole: Callable[..., Any]) -> dict[str, float]:
    """Where whole waves have to begin and end to be those of a few frequencies.

    These begin where the data do, whatever Bilby's default is. Some approximants with tides, those on IMRPhenomXAS and
    IMRPhenomNSBH, put the end of the signal where the last frequency that they are asked for is below the merger's: another
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
    """Whether the waveform of one set of parameters does not cover the frequencies of the data."""
    polarisations = waveform(likelihood.waveform_generator, row)
    size = len(likelihood.interferometers.frequency_array)
    return polarisations is not None and any(np.shape(series) != (size,) for series in polarisations.values())
