r"""Choice of the source model that computes the coarse waves of a likelihood, with tests before it is used.

An approximant that the user names is taken. Otherwise it is the first of these that works: the frequency-sequence form of one
of Bilby's models; a model of the user's that turns out to be a function of each frequency alone; the generator itself, read at
some of the data's frequencies, which saves everything but the waveform calls.
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

# Largest difference between a frequency-sequence model and the generator, relative to the wave's root mean square;
# multibanding, which only the generator's waves have, makes differences of 1e-3.
_TWIN = 0.03
_FUNCTION = 1e-6  # largest difference of a user's model at few and at all frequencies, relative to the loudest value
_FEWEST = 2  # fewest waves at which a frequency-sequence model has to agree with the generator
_COMPARED = 300  # frequencies at which a frequency-sequence model is compared, unevenly spaced as nodes are
_OF_ANY_APPROXIMANT = (APPROXIMANT, "reference_frequency", "catch_waveform_errors", *ENDS)
_TRIED = 37  # unevenly spaced frequencies at which a user's model is tested


@dataclass(frozen=True)
class Source:
    """A source model, and the band outside which its waves are zero.

    Attributes
    ----------
    model
        Computes the waves.
    band
        Lowest and highest frequency in Hz, both included.
    """

    model: Model
    band: tuple[float, float]


def source_of(generator: WaveformGenerator, rows: Sequence[Row], coarse: str | None = None) -> Source:
    """Choose the source of coarse waves for a waveform generator.

    Parameters
    ----------
    generator
        The user's waveform generator, for all frequencies of the data.
    rows
        All parameters of some signals, at which sources are tested.
    coarse
        Approximant of LALSimulation that computes the waves in place of the generator's own.

    Raises
    ------
    CoarseObstacle
        If there is no wave at any of the rows, if its polarisations are not plus and cross, or if the approximant named is
        unknown or has no wave.
    """
    waves = [(row, wave) for row in rows if (wave := polarisations(generator, row)) is not None]
    if not waves:
        raise CoarseObstacle(
            f"the waveform generator has no wave at any of the {len(rows)} parameter sets that were tried: narrow the priors "
            "to where it has waves, or set coarse=False"
        )
    if set(waves[0][1]) != {*POLARISATIONS}:
        raise CoarseObstacle(
            f"coarse waves need the polarisations plus and cross, but the waveform generator returns {sorted(waves[0][1])}: "
            "set coarse=False"
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
    """Return the first and last frequency above zero at which any wave is not zero."""
    loud = np.any([np.any([wave[mode] != 0 for mode in POLARISATIONS], axis=0) for _, wave in waves], axis=0)
    numbers = np.flatnonzero(loud & (frequencies > 0))
    if not len(numbers):
        raise CoarseObstacle("the waveform generator's waves are zero at every frequency of the data: set coarse=False")
    return float(frequencies[numbers[0]]), float(frequencies[numbers[-1]])


def _named(
    generator: WaveformGenerator, coarse: str, waves: Sequence[tuple[Row, Polarisations]], band: tuple[float, float]
) -> ByFrequency:
    """Return the source model of the approximant that the user names, for the parameters of the user's generator."""
    _check_name(coarse)
    found = sequence_of(generator, _source_for(generator), coarse)
    found.arguments = _arguments_for(generator, found.arguments)
    tried = np.linspace(*band, _TRIED)
    why = "no wave was returned"
    for row, _ in waves:
        try:
            wave = found(found.parameters(row), tried)
        except SimulationError as error:
            why = str(error)
            continue
        if wave is not None and np.all(np.isfinite(wave)) and np.any(wave != 0):
            return found
    raise CoarseObstacle(
        f"coarse={coarse!r} has no wave at any of the parameter sets that were tried ({why}): name another approximant, such "
        "as 'IMRPhenomXPHM', which takes spins of any direction, or leave coarse out"
    )


def _check_name(coarse: str) -> None:
    """Raise an error if LALSimulation does not know the name of an approximant."""
    try:
        lalsim_GetApproximantFromString(coarse)
    except Exception as error:
        raise CoarseObstacle(
            f"coarse={coarse!r} is not an approximant of LALSimulation ({error}): name one, such as 'IMRPhenomXPHM', or leave "
            "coarse out"
        ) from error


def _source_for(generator: WaveformGenerator) -> Callable[..., Any]:
    """Return Bilby's source model that takes the parameters of a generator: with tides or without."""
    tides = generator.frequency_domain_source_model is source.lal_binary_neutron_star or "lambda_1" in {
        *generator.source_parameter_keys
    }
    return source.lal_binary_neutron_star if tides else source.lal_binary_black_hole


def _arguments_for(generator: WaveformGenerator, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return those arguments that another approximant takes; options of another program have no meaning for it."""
    if generator.frequency_domain_source_model in TWINS:
        return arguments
    return {key: value for key, value in arguments.items() if key in _OF_ANY_APPROXIMANT}


def named_generator(generator: WaveformGenerator, coarse: str) -> WaveformGenerator:
    """Return a waveform generator of another approximant, for the parameters and frequencies of the user's generator.

    Parameters
    ----------
    generator
        The user's waveform generator.
    coarse
        Name of the approximant.

    Raises
    ------
    CoarseObstacle
        If the approximant is unknown.
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
    """Tell whether a frequency-sequence model gives the same waves as the generator."""
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
    """Return the user's source model as if it were a function of each frequency alone, which has to be tested."""
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
    """Tell whether the model gives the same values at a few unevenly spaced frequencies as among all frequencies."""
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
