"""What a model was trained for, held against what it is asked to analyse.

A contract is plain data: parameters and their priors, detectors, band, duration, noise curves, waveform. It speaks of times
from the segment's start and, for a fixed sky position, of the antenna response, so that a model serves at any GPS time at
which the detectors see the same.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from inspect import isfunction
from typing import Any

import numpy as np
from bilby.core.likelihood import GaussianLikelihood, Likelihood
from bilby.core.prior import Prior
from bilby.core.utils import get_function_path
from bilby.gw.likelihood import GravitationalWaveTransient

from .errors import SimulationError
from .priors import PriorTransform
from .simulation.projection import Detector, sidereal_time

_SKY = ("ra", "dec", "psi")
_TIME = "geocent_time"
_RELATIVE_TOLERANCE = 1e-6
_SHOWN = 3
_LABELS = ("name", "latex_label", "unit", "boundary")


@dataclass(frozen=True)
class Contract:
    """Description of an inference problem.

    Attributes
    ----------
    facts
        Plain nested values, JSON's own types only.
    arrays
        Arrays to compare: noise curves of each detector, abscissae of other data.
    """

    facts: dict[str, Any]
    arrays: dict[str, np.ndarray] = field(default_factory=dict)

    def differences(self, asked: Contract) -> list[str]:
        """Where ``asked`` is not what this model was trained for, in words; empty if nowhere."""
        found = list(_compare("", self.facts, asked.facts))
        for name in sorted({*self.arrays, *asked.arrays}):
            trained, wanted = self.arrays.get(name), asked.arrays.get(name)
            if trained is None or wanted is None:
                found.append(f"{name}: {'given' if trained is None else 'missing'}, unlike in training")
            elif trained.shape != wanted.shape:
                found.append(f"{name}: {wanted.shape} values, trained with {trained.shape}")
            elif not np.allclose(trained, wanted, rtol=_RELATIVE_TOLERANCE, atol=0):
                found.append(f"{name}: differs from the one trained with, {_by_how_much(trained, wanted)}")
        return found

    def fingerprint(self) -> str:
        """Text that equal contracts share; the arrays enter with six digits."""
        arrays = {name: [f"{value:.5e}" for value in array] for name, array in sorted(self.arrays.items())}
        return json.dumps([self.facts, arrays], sort_keys=True)


def describe(likelihood: Likelihood, transform: PriorTransform) -> Contract:
    """The contract of a likelihood and prior.

    Raises
    ------
    SimulationError
        If the likelihood is of a kind that nobody can simulate from.
    """
    if isinstance(likelihood, GravitationalWaveTransient):
        return _gravitational_wave(likelihood, transform)
    if isinstance(likelihood, GaussianLikelihood):
        return _gaussian(likelihood, transform)
    raise SimulationError(
        f"likelihood={type(likelihood).__name__}: training data can be simulated for a GravitationalWaveTransient or a "
        "GaussianLikelihood; use another sampler for this one"
    )


def _gravitational_wave(likelihood: GravitationalWaveTransient, transform: PriorTransform) -> Contract:
    start = float(likelihood.interferometers.start_time)
    generator = likelihood.waveform_generator
    source = generator.frequency_domain_source_model or generator.time_domain_source_model
    fixed_sky = all(key in transform.fixed for key in _SKY)
    facts: dict[str, Any] = {
        "kind": "gravitational wave",
        "priors": _priors(transform, start),
        "fixed": {
            key: value - (start if key == _TIME else 0.0)
            for key, value in sorted(transform.fixed.items())
            if not (fixed_sky and key in _SKY)
        },
        "constraints": _constraints(transform),
        "duration": float(likelihood.interferometers.duration),
        "sampling_frequency": float(likelihood.interferometers.sampling_frequency),
        "detectors": {
            ifo.name: {
                "minimum_frequency": float(ifo.minimum_frequency),
                "maximum_frequency": float(ifo.maximum_frequency),
            }
            for ifo in likelihood.interferometers
        },
        "waveform": {
            "generator": type(generator).__name__,
            "source_model": get_function_path(source),
            "parameter_conversion": get_function_path(generator.parameter_conversion),
            "arguments": _plain(generator.waveform_arguments),
        },
        "reference_frame": str(likelihood.reference_frame),
        "time_reference": str(likelihood.time_reference),
    }
    if not fixed_sky:
        # Right ascension turns with the Earth: such a model serves at its own sidereal time alone.
        facts["sidereal_time"] = round(float(sidereal_time(np.array(start)) % (2 * np.pi)), 6)
    else:
        facts["antenna"] = _antenna(likelihood, transform)
    arrays = {
        f"power_spectral_density.{ifo.name}": np.asarray(ifo.power_spectral_density_array[ifo.frequency_mask])
        for ifo in likelihood.interferometers
    }
    return Contract(facts, arrays)


def _antenna(likelihood: GravitationalWaveTransient, transform: PriorTransform) -> dict[str, list[float]]:
    """Response and delay of each detector in the middle of the time window."""
    time = transform.fixed.get(_TIME)
    if time is None:
        prior = transform.priors[_TIME] if _TIME in transform.keys else None
        time = (prior.minimum + prior.maximum) / 2 if prior else float(likelihood.interferometers.start_time)
    ra, dec, psi = (np.array([transform.fixed[key]]) for key in _SKY)
    seen = {}
    for interferometer in likelihood.interferometers:
        detector = Detector.from_interferometer(interferometer)
        plus, cross = detector.antenna(ra, dec, psi, np.array([time]))
        delay = detector.delay(ra, dec, np.array([time]))
        # Rounded to what a GPS time in double precision fixes.
        seen[interferometer.name] = [round(float(value[0]), 6) for value in (plus, cross, delay)]
    return seen


def _gaussian(likelihood: GaussianLikelihood, transform: PriorTransform) -> Contract:
    facts = {
        "kind": "gaussian",
        "priors": _priors(transform, 0.0),
        "fixed": dict(sorted(transform.fixed.items())),
        "constraints": _constraints(transform),
        "model": get_function_path(likelihood.func),
        "model_arguments": _plain(likelihood.kwargs),
    }
    sigma = np.broadcast_to(
        np.asarray(transform.fixed.get("sigma", likelihood.sigma), dtype=np.float64), np.shape(likelihood.y)
    )
    return Contract(facts, {"x": np.ravel(likelihood.x).astype(float), "sigma": np.ravel(sigma).astype(float)})


def _priors(transform: PriorTransform, start: float) -> dict[str, Any]:
    return {key: _prior(transform.priors[key], start if key.endswith("_time") else 0.0) for key in transform.keys}


def _constraints(transform: PriorTransform) -> dict[str, Any]:
    conversion = transform.priors.conversion_function
    described = {key: _prior(transform.priors[key], 0.0) for key in transform.constraints}
    return (
        {**described, "conversion_function": getattr(conversion, "__qualname__", str(conversion))} if described else {}
    )


def _prior(prior: Prior, shift: float) -> dict[str, Any]:
    arguments = {key: value for key, value in prior.get_instantiation_dict().items() if key not in _LABELS}
    moved = {
        # Microseconds: GPS times in double precision carry no more.
        key: round(float(value) - shift, 6) if shift and key in ("minimum", "maximum") else value
        for key, value in arguments.items()
    }
    return {"class": type(prior).__name__, **_plain(moved)}


def _by_how_much(trained: np.ndarray, wanted: np.ndarray) -> str:
    if np.all(trained > 0) and np.all(wanted > 0):
        return f"by a factor of {float(np.exp(np.median(np.abs(np.log(wanted / trained))))):.3g} at the median"
    return f"by up to {float(np.max(np.abs(wanted - trained))):.3g}"


def _plain(value: Any) -> Any:
    """``value`` in JSON's own types; arrays in full and functions by their name, which outlives the process."""

    def convert(other: Any) -> Any:
        if isinstance(other, np.ndarray | np.generic):
            return other.tolist()
        return get_function_path(other) if isfunction(other) else str(other)

    return json.loads(json.dumps(value, default=convert, sort_keys=True))


def _absolute_tolerance(path: str) -> float:
    """GPS times, and what is computed at them, are good to microseconds; nothing else has a scale of its own."""
    return 5e-6 if any(word in path for word in ("_time", "antenna")) else 0.0


def _compare(path: str, trained: Any, asked: Any) -> Any:
    """Yield the differences of two nested values."""
    if isinstance(trained, dict) and isinstance(asked, dict):
        for key in sorted({*trained, *asked}):
            below = f"{path}.{key}" if path else key
            if key not in trained:
                yield f"{below}: {asked[key]!r} is asked for, the model was trained without it"
            elif key not in asked:
                yield f"{below}: missing, the model was trained with {trained[key]!r}"
            else:
                yield from _compare(below, trained[key], asked[key])
    elif isinstance(trained, float | int) and isinstance(asked, float | int):
        if not np.isclose(trained, asked, rtol=_RELATIVE_TOLERANCE, atol=_absolute_tolerance(path)):
            yield f"{path}: {asked!r}, trained with {trained!r}"
    elif isinstance(trained, list) and isinstance(asked, list):
        if len(trained) != len(asked):
            yield f"{path}: {len(asked)} values, trained with {len(trained)}"
            return
        found = [
            difference
            for index, (one, other) in enumerate(zip(trained, asked, strict=True))
            for difference in _compare(f"{path}[{index}]", one, other)
        ]
        # Of a table the first few say enough.
        yield from found[:_SHOWN]
        if len(found) > _SHOWN:
            yield f"{path}: {len(found) - _SHOWN} more values differ"
    elif trained != asked:
        yield f"{path}: {asked!r}, trained with {trained!r}"
