"""Noise models that a result is compared under by default."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bilby.gw.detector import InterferometerList
from bilby.gw.likelihood import GravitationalWaveTransient

from .curves import Bands, notched
from .models import EstimatedCurveTransient, HyperbolicTransient, StudentTTransient, UncertainScaleTransient

GAUSSIAN = "Gaussian, curve as given"
ALL, LEFT_OUT = "all data", "lines left out"
_HALF_OCTAVES = tuple(16 * 2 ** (half / 2) for half in range(1, 16))
"""Edges in Hz, from 23 to 2900, of the bands that have one factor each: half octaves follow smooth errors of a noise curve."""


@dataclass(frozen=True)
class NoiseModel:
    """A likelihood, and the data that it is for.

    Attributes
    ----------
    likelihood
        Likelihood of the noise model.
    data
        Description of the data: only evidences of models with the same data can be compared.
    """

    likelihood: GravitationalWaveTransient
    data: str = ALL


def noise_models(
    likelihood: GravitationalWaveTransient,
    lines: Mapping[str, Bands] | None = None,
    segments: float | Mapping[str, float] | None = None,
    method: str = "median",
) -> dict[str, NoiseModel]:
    """Make the default noise models: Gaussian, Student-t and hyperbolic noise, and curves that are uncertain.

    Parameters
    ----------
    likelihood
        Likelihood with data, waveforms and frame, which is not marginalised over any parameter.
    lines
        Bands to leave out, by detector: all models are made a second time for the data without them. By default no band is left
        out.
    segments, method
        Number of independent segments from which the noise curves were estimated, and the method
        (:class:`.models.EstimatedCurveTransient`); there is no such model by default.

    Returns
    -------
    dict
        Models by their names.
    """
    data = {ALL: likelihood.interferometers}
    if lines and any(lines.values()):
        data[LEFT_OUT] = notched(likelihood.interferometers, lines)
    found: dict[str, NoiseModel] = {}
    for words, interferometers in data.items():
        suffix = "" if words == ALL else f", {LEFT_OUT}"
        for name, made in _of_data(likelihood, interferometers, segments, method).items():
            found[name + suffix] = NoiseModel(made, words)
    return found


def in_words(lines: Mapping[str, Bands]) -> str:
    """Describe the bands of every detector."""
    return ", ".join(f"{name} {low:g}-{high:g} Hz" for name, bands in lines.items() for low, high in bands)


def with_data(
    likelihood: GravitationalWaveTransient, interferometers: InterferometerList
) -> GravitationalWaveTransient:
    """Return a plain likelihood with other data; the likelihood itself if these are its own."""
    if interferometers is likelihood.interferometers:
        return likelihood
    other = copy.copy(likelihood)
    other.interferometers = interferometers
    other._noise_log_likelihood_value = None
    return other


def _of_data(
    likelihood: GravitationalWaveTransient,
    interferometers: InterferometerList,
    segments: float | Mapping[str, float] | None,
    method: str,
) -> dict[str, GravitationalWaveTransient]:
    generator = likelihood.waveform_generator
    options: dict[str, Any] = {
        "reference_frame": likelihood.reference_frame,
        "time_reference": likelihood.time_reference,
    }
    found: dict[str, GravitationalWaveTransient] = {
        GAUSSIAN: with_data(likelihood, interferometers),
        "Student-t": StudentTTransient(interferometers, generator, **options),
        "hyperbolic": HyperbolicTransient(interferometers, generator, **options),
        "one factor a detector": UncertainScaleTransient(interferometers, generator, **options),
        "a factor every half octave": UncertainScaleTransient(
            interferometers, generator, edges=_HALF_OCTAVES, **options
        ),
    }
    if segments is not None:
        found[f"curve of {method}"] = EstimatedCurveTransient(interferometers, generator, segments, method, **options)
    return found
