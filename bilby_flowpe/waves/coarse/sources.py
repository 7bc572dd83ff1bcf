r"""Which source model makes the coarse waves of a likelihood: chosen once, and tried before it is used.

In order: the frequency-sequence twin of one of Bilby's models; a model of the user's that turns out to be a function of each
frequency alone; another approximant of the same parameters, where one is named; the generator itself, read at some of the
data's frequencies, which saves all but the waves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from bilby.gw import source
from bilby.gw.utils import lalsim_GetApproximantFromString
from bilby.gw.waveform_generator import WaveformGenerator

from ...errors import CoarseObstacle, SimulationError
from ...processes.parallel import Row
from ..harmonics import POLARISATIONS
from ..waveforms import Polarisations, polarisations
from .models import APPROXIMANT, ENDS, TWINS, ByFrequency, Model, Reading, band_of, is_bilbys, sequence_of, twin

_TWIN = 0.03  # of the wave's root mean square: multibanding in the whole wave alone makes 1e-3
_FUNCTION = 1e-6  # of the loudest value
_FEWEST = 2  # waves that have to agree
_COMPARED = 300  # frequencies at which a twin is compared
_OF_ANY_APPROXIMANT = (APPROXIMANT, "reference_frequency", "catch_waveform_errors", *ENDS)
_TRIED = 37  # frequencies of uneven spacing at which a user's model is tried


@dataclass(frozen=True)
class Source:
    """A source model, and the band outside which its waves are zero.

    Attributes
    ----------
    model
        What makes the waves.
    band
        Lowest and highest frequency in Hz, both included.
    """

    model: Model
    band: tuple[float, float]


def source_of(generator: WaveformGenerator, rows: Sequence[Row], coarse: str | None = None) -> Source:
    """The source of coarse waves for a waveform generator.

    Parameters
    ----------
    generator
        The user's, of all frequencies of the data.
    rows
        All parameters of some signals, at which it is tried.
    coarse
        Approximant of LALSimulation that is to make the waves in place of the generator's own.

    Raises
    ------
    CoarseObstacle
        If there is no wave at any of the rows, if its polarisations are not plus and cross, or if the approximant named is
        unknown or has no wave.
    """
    waves = [(row, wave) for row in rows if (wave := polarisations(generator, row)) is not None]
    if not waves:
        raise CoarseObstacle(
            f"the waveform generator has no wave at any of the {len(rows)} draws of the prior that were tried: narrow the "
            "priors to where it has, or set coarse=False"
        )
    if set(waves[0][1]) != {*POLARISATIONS}:
        raise CoarseObstacle(
            f"coarse waves need the polarisations plus and cross; the waveform generator gives {sorted(waves[0][1])}: set "
            "coarse=False"
        )
    frequencies = generator.frequency_array
    band = _band(frequencies, waves)
    if coarse is not None:
        return Source(_named(generator, coarse, waves, band), band)
    found = twin(generator)
    if found is not None:
        band = band_of(generator)
        if _agrees(found, frequencies, waves, band):
            return Source(found, band)
    function = _function(generator)
    if function is not None and _is_function(function, frequencies, waves):
        return Source(function, band)
    return Source(Reading(generator), band)


def _band(frequencies: np.ndarray, waves: Sequence[tuple[Row, Polarisations]]) -> tuple[float, float]:
    """First and last frequency at which any wave is not zero, zero frequency left out."""
    loud = np.any([np.any([wave[mode] != 0 for mode in POLARISATIONS], axis=0) for _, wave in waves], axis=0)
    numbers = np.flatnonzero(loud & (frequencies > 0))
    if not len(numbers):
        raise CoarseObstacle("the waveform generator's waves are zero at every frequency of the data: set coarse=False")
    return float(frequencies[numbers[0]]), float(frequencies[numbers[-1]])


def _named(
    generator: WaveformGenerator, coarse: str, waves: Sequence[tuple[Row, Polarisations]], band: tuple[float, float]
) -> ByFrequency:
    """The approximant that the user names, for the parameters of the user's generator."""
    _check_name(coarse)
    found = sequence_of(generator, _source_for(generator), coarse)
    found.arguments = _arguments_for(generator, found.arguments)
    tried = np.linspace(*band, _TRIED)
    why = "there is none"
    for row, _ in waves:
        try:
            wave = found(found.parameters(row), tried)
        except SimulationError as error:
            why = str(error)
            continue
        if wave is not None and np.all(np.isfinite(wave)) and np.any(wave != 0):
            return found
    raise CoarseObstacle(
        f"coarse={coarse!r} has no wave at the draws of the prior that were tried ({why}): name another approximant, such as "
        "'IMRPhenomXPHM', which takes spins of any direction, or leave it out"
    )


def _check_name(coarse: str) -> None:
    """Refuse what LALSimulation does not know."""
    try:
        lalsim_GetApproximantFromString(coarse)
    except Exception as error:
        raise CoarseObstacle(
            f"coarse={coarse!r} is no approximant of LALSimulation ({error}): name one, such as 'IMRPhenomXPHM', or leave it "
            "out"
        ) from error


def _source_for(generator: WaveformGenerator) -> Callable[..., Any]:
    """Bilby's source model that takes the parameters of a generator: with tides or without."""
    tides = generator.frequency_domain_source_model is source.lal_binary_neutron_star or "lambda_1" in {
        *generator.source_parameter_keys
    }
    return source.lal_binary_neutron_star if tides else source.lal_binary_black_hole


def _arguments_for(generator: WaveformGenerator, arguments: dict[str, Any]) -> dict[str, Any]:
    """Those of some arguments that another approximant takes: options of another program mean nothing to it."""
    if generator.frequency_domain_source_model in TWINS:
        return arguments
    return {key: value for key, value in arguments.items() if key in _OF_ANY_APPROXIMANT}


def named_generator(generator: WaveformGenerator, coarse: str) -> WaveformGenerator:
    """A waveform generator of another approximant of LALSimulation, for the parameters and frequencies of a user's.

    Parameters
    ----------
    generator
        The user's.
    coarse
        Name of the approximant.

    Raises
    ------
    CoarseObstacle
        If it is unknown.
    """
    _check_name(coarse)
    arguments = _arguments_for(generator, dict(generator.waveform_arguments))
    return WaveformGenerator(
        duration=generator.duration,
        sampling_frequency=generator.sampling_frequency,
        start_time=generator.start_time,
        frequency_domain_source_model=_source_for(generator),
        parameter_conversion=generator.parameter_conversion,
        waveform_arguments={**arguments, APPROXIMANT: coarse, "catch_waveform_errors": True},
    )


def _agrees(
    model: ByFrequency,
    frequencies: np.ndarray,
    waves: Sequence[tuple[Row, Polarisations]],
    band: tuple[float, float],
) -> bool:
    """Whether a twin gives the waves of the generator."""
    numbers = np.flatnonzero((frequencies >= band[0]) & (frequencies <= band[1]) & (frequencies > 0))
    # As uneven as nodes are, and without the ends of the band.
    places = np.unique(np.geomspace(1, max(len(numbers) - 2, 1), _COMPARED).astype(int))
    numbers = numbers[np.minimum(places, len(numbers) - 1)]
    agreeing = 0
    for row, wave in waves:
        try:
            found = model(model.parameters(row), frequencies[numbers])
        except SimulationError:
            return False
        if found is None:
            continue
        whole = np.stack([wave[mode][numbers] for mode in POLARISATIONS])
        if not np.linalg.norm(found - whole) <= _TWIN * np.linalg.norm(whole):
            return False
        agreeing += 1
    return agreeing >= min(_FEWEST, len(waves))


def _function(generator: WaveformGenerator) -> ByFrequency | None:
    """The user's source model as a function of frequencies, which it may not be."""
    model = generator.frequency_domain_source_model
    if model is None or not is_bilbys(generator):
        return None
    name = getattr(model, "__name__", type(model).__name__)
    return ByFrequency(
        f"the source model {name} at some frequencies",
        model,
        generator.parameter_conversion,
        frozenset(generator.source_parameter_keys),
        dict(generator.waveform_arguments),
    )


def _is_function(model: ByFrequency, frequencies: np.ndarray, waves: Sequence[tuple[Row, Polarisations]]) -> bool:
    """Whether the model gives at a few frequencies, unevenly spaced, what it gives there among all."""
    numbers = np.unique(np.geomspace(1, len(frequencies) - 1, _TRIED).astype(int))
    for row, wave in waves:
        try:
            found = model(model.parameters(row), frequencies[numbers])
        except (SimulationError, KeyError, ValueError):
            return False
        whole = np.stack([wave[mode][numbers] for mode in POLARISATIONS])
        if found is None or found.shape != whole.shape:
            return False
        if not np.max(np.abs(found - whole)) <= _FUNCTION * max(np.max(np.abs(s)) for s in wave.values()):
            return False
    return True
