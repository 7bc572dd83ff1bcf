r"""Source models that can be evaluated at any frequencies.

A waveform generator of Bilby computes a wave at every frequency of the data. Most source models can be evaluated at fewer:
Bilby's own models of compact binaries have *frequency-sequence* forms ("twins"), which take an array of any frequencies, and
many models that users write are functions of each frequency alone. All others are evaluated on all frequencies and read at
some.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from bilby.core.utils import infer_parameters_from_function
from bilby.gw import source
from bilby.gw.waveform_generator import WaveformGenerator

from ...errors import SimulationError
from ...overrides import replaced
from ...processes.parallel import Row
from ..harmonics import POLARISATIONS
from ..waveforms import waveform

Parameters = dict[str, Any]
"""Arguments of a source model by name."""

TWINS = {
    source.lal_binary_black_hole: source.binary_black_hole_frequency_sequence,
    source.lal_binary_neutron_star: source.binary_neutron_star_frequency_sequence,
}
"""Bilby's source models on all frequencies of the data, and their counterparts at arbitrary frequencies."""

APPROXIMANT, MODES = "waveform_approximant", "mode_array"
_OWN_DICTIONARY = "lal_waveform_dictionary"
ENDS = _LOWEST, _HIGHEST = "minimum_frequency", "maximum_frequency"
_LOWEST_DEFAULT = 20.0  # Hz, Bilby's own default where the waveform arguments have no minimum_frequency
_DEFAULT_APPROXIMANTS = {
    source.lal_binary_black_hole: "IMRPhenomPv2",
    source.lal_binary_neutron_star: "IMRPhenomPv2_NRTidal",
}
_GENERATOR_METHODS = ("frequency_domain_strain", "_calculate_strain", "_strain_from_model", "_format_parameters")


class Model(Protocol):
    """Protocol of source models that can be evaluated at some frequencies; they can be pickled.

    Attributes
    ----------
    words
        Description of the model for messages and results.
    on_bins
        True if the frequencies have to be among those of the data.
    """

    words: str
    on_bins: bool

    def parameters(self, row: Row) -> Parameters:
        """Return the arguments of the source model for a row of all parameters."""

    def __call__(self, parameters: Parameters, frequencies: np.ndarray, **changes: Any) -> np.ndarray | None:
        """Return plus and cross polarisation at frequencies in Hz, (2, F), or ``None`` where there is no wave.

        ``changes`` replace some arguments of the model.
        """


@dataclass
class ByFrequency:
    """A source model that computes a wave at any frequencies.

    Attributes
    ----------
    words
        Description of the model for messages and results.
    model
        Function of frequencies and parameters.
    conversion
        Bilby's ``parameter_conversion``.
    keys
        Names of the parameters that the model takes.
    arguments
        Further arguments, as in ``waveform_arguments``.
    ends
        Lowest and highest frequency of the whole wave in Hz, for Bilby's frequency-sequence models, which take the frequencies
        as the argument ``frequencies``. Both ends are always added to these, as the merger of some tidal approximants depends
        on the last frequency. ``None`` for a model that takes frequencies as its first argument.
    """

    words: str
    model: Callable[..., Mapping[str, np.ndarray] | None]
    conversion: Callable[[dict[str, float]], tuple[dict[str, float], list[str]]]
    keys: frozenset[str]
    arguments: dict[str, Any] = field(default_factory=dict)
    ends: tuple[float, float] | None = None
    on_bins: bool = False

    def parameters(self, row: Row) -> Parameters:
        """Return the arguments of the source model for a row of all parameters."""
        converted, _ = self.conversion(dict(row))
        return {key: converted[key] for key in self.keys if key in converted}

    def __call__(self, parameters: Parameters, frequencies: np.ndarray, **changes: Any) -> np.ndarray | None:
        """Return plus and cross polarisation, (2, F), or ``None`` where there is no wave."""
        asked, kept, given = frequencies, slice(None), {}
        if self.ends is not None:
            before = self.ends[:1] if self.ends[0] < frequencies[0] else ()
            after = self.ends[1:] if self.ends[1] > frequencies[-1] else ()
            asked = np.concatenate([before, frequencies, after])
            kept, given = slice(len(before), len(before) + len(frequencies)), {"frequencies": asked}
        try:
            wave = self.model(asked, **{**parameters, **self.arguments, **given, **changes})
        except Exception as error:  # any exception: the source model may be the user's own
            raise SimulationError(
                f"{self.words} raised {type(error).__name__} ({error}) at {parameters}: set catch_waveform_errors=True in "
                "waveform_arguments, have the source model return None where there is no waveform, or narrow the priors to "
                "where there is one"
            ) from error
        return None if wave is None else np.stack([wave[mode][kept] for mode in POLARISATIONS])


@dataclass
class Reading:
    """The user's own generator, evaluated on all frequencies and read at some of them."""

    generator: WaveformGenerator
    words: str = "waves of all frequencies, read at some"
    on_bins: bool = True

    def parameters(self, row: Row) -> Parameters:
        """Return the row itself, as the generator converts it."""
        return dict(row)

    def __call__(self, parameters: Parameters, frequencies: np.ndarray, **changes: Any) -> np.ndarray | None:
        """Return plus and cross polarisation, (2, F), or ``None`` where there is no wave."""
        wave = waveform(self.generator, {**parameters, **changes})
        if wave is None:
            return None
        bins = np.rint(frequencies * float(self.generator.duration)).astype(int)
        return np.stack([wave[mode][bins] for mode in POLARISATIONS])


def is_bilbys(generator: WaveformGenerator) -> bool:
    """Tell whether a generator calls its source model as Bilby's own class does."""
    return not replaced(generator, WaveformGenerator, _GENERATOR_METHODS)


def twin(generator: WaveformGenerator, approximant: str | None = None) -> ByFrequency | None:
    """Return the frequency-sequence form of a generator's source model, or ``None`` where Bilby has none.

    Parameters
    ----------
    generator
        The user's waveform generator.
    approximant
        Another approximant of the same parameters, in place of the generator's.
    """
    model = generator.frequency_domain_source_model
    if not is_bilbys(generator) or model not in TWINS:
        return None
    return sequence_of(generator, model, approximant)


def sequence_of(generator: WaveformGenerator, model: Callable[..., Any], approximant: str | None) -> ByFrequency:
    """Return the frequency-sequence form of one of Bilby's models, with a generator's arguments and conversion."""
    arguments = {key: value for key, value in generator.waveform_arguments.items() if key not in (_LOWEST, _HIGHEST)}
    if approximant is not None:
        arguments |= {APPROXIMANT: approximant, "catch_waveform_errors": True}
    made = TWINS[model]
    name = arguments.get(APPROXIMANT, _DEFAULT_APPROXIMANTS[model])
    keys = infer_parameters_from_function(model)
    return ByFrequency(
        f"{name} through bilby.gw.source.{made.__name__}",
        made,
        generator.parameter_conversion,
        frozenset(keys),
        arguments,
        band_of(generator),
    )


def band_of(generator: WaveformGenerator) -> tuple[float, float]:
    """Return the band in Hz outside which Bilby's models of compact binaries in :data:`TWINS` are zero."""
    arguments = generator.waveform_arguments
    lowest, highest = arguments.get(_LOWEST, _LOWEST_DEFAULT), arguments.get(_HIGHEST, generator.frequency_array[-1])
    return float(lowest), float(highest)


def has_own_dictionary(model: ByFrequency) -> bool:
    """Tell whether the arguments contain a LAL dictionary of the user's.

    Bilby changes such a dictionary in place, so that modes must not be put into it.
    """
    return _OWN_DICTIONARY in model.arguments
