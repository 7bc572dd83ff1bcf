"""What a model was trained for, held against what it is asked to analyse.

A contract is plain data: parameters and their priors, detectors, band, duration, noise curves, waveform. It speaks of times
from the segment's start and, for a fixed sky position, of the antenna response, so that a model serves at any GPS time at
which the detectors see the same.

Not every difference forbids a model's use. Importance weights make up for whatever changes a density within the reach of the
model's draws: narrower priors or others inside those trained with, another waveform, a noise curve not too far off. What adds
or takes away parameters, reaches beyond the priors or changes the form of the data does forbid it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from bilby.core.likelihood import Analytical1DLikelihood, GaussianLikelihood, Likelihood
from bilby.core.utils import get_function_path
from bilby.gw.likelihood import GravitationalWaveTransient

from ..errors import SimulationError
from ..names import PLACE, TIME
from ..priors import PriorTransform
from ..processes.parallel import make_rows
from ..simulation.general import has_simulate
from ..simulation.noise import FunctionNoise, Noise
from ..simulation.noise_kinds import GaussianNoise
from ..simulation.recognise import known_sigma, nobody_simulates, noise_of
from ..waves.detectors import Detector, sidereal_time
from .geometry import GEOMETRY, describe_geometry
from .matching import BEHAVIOUR, PSD, Match, match
from .restore import describe_priors, plain

_TRIED, _MOST_NUMBERS = 8, 4096


@dataclass(frozen=True)
class Contract:
    """Description of an inference problem.

    Attributes
    ----------
    facts
        Plain nested values, JSON's own types only.
    arrays
        Arrays to compare: noise curves of each detector in its band, ``power_spectral_density.<name>``; abscissae and noise
        of other data.
    """

    facts: dict[str, Any]
    arrays: dict[str, np.ndarray] = field(default_factory=dict)

    def match(self, asked: Contract, psd_tolerance: float = 0.0) -> Match:
        """Whether the model of this contract may be used for the problem ``asked``.

        Parameters
        ----------
        asked
            Contract of the problem.
        psd_tolerance
            Largest :func:`~bilby_flowpe.translation.matching.psd_distance` of a detector's noise curve that the model bears.
        """
        return match((self.facts, self.arrays), (asked.facts, asked.arrays), psd_tolerance)

    def differences(self, asked: Contract) -> list[str]:
        """Where ``asked`` is not what this model was trained for, in words; empty if nowhere."""
        match = self.match(asked)
        return [*match.refusals, *match.corrections]

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
    if has_simulate(likelihood):
        return _simulator(likelihood, transform)
    if (kind := noise_of(likelihood)) is None:
        raise SimulationError(f"{nobody_simulates(likelihood)}: use another sampler")
    if kind is GaussianNoise and (sigma := known_sigma(likelihood, transform)) is not None:
        return _gaussian(likelihood, transform, sigma)
    return _noisy(kind(likelihood, transform), transform)


def _gravitational_wave(likelihood: GravitationalWaveTransient, transform: PriorTransform) -> Contract:
    start = float(likelihood.interferometers.start_time)
    generator = likelihood.waveform_generator
    source = generator.frequency_domain_source_model or generator.time_domain_source_model
    fixed_sky = all(key in transform.fixed for key in PLACE)
    facts: dict[str, Any] = {
        "kind": "gravitational wave",
        **describe_priors(transform, start, without=PLACE if fixed_sky else ()),
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
            "arguments": plain(generator.waveform_arguments),
        },
        "reference_frame": str(likelihood.reference_frame),
        "time_reference": str(likelihood.time_reference),
    }
    if not fixed_sky:
        facts[GEOMETRY] = describe_geometry(likelihood.interferometers)
        # Right ascension turns with the Earth.
        facts["sidereal_time"] = round(float(sidereal_time(np.array(start)) % (2 * np.pi)), 9)
    else:
        facts["antenna"] = _antenna(likelihood, transform)
    arrays = {
        f"{PSD}{ifo.name}": np.asarray(ifo.power_spectral_density_array[ifo.frequency_mask])
        for ifo in likelihood.interferometers
    }
    return Contract(facts, arrays)


def _antenna(likelihood: GravitationalWaveTransient, transform: PriorTransform) -> dict[str, list[float]]:
    """Response and delay of each detector in the middle of the time's prior."""
    start = float(likelihood.interferometers.start_time)
    time = {**transform.from_median(), **transform.fixed}.get(TIME, start)
    ra, dec, psi = (np.array([transform.fixed[key]]) for key in PLACE)
    seen = {}
    for interferometer in likelihood.interferometers:
        detector = Detector.from_interferometer(interferometer)
        plus, cross = detector.antenna(ra, dec, psi, np.array([time]))
        delay = detector.delay(ra, dec, np.array([time]))
        # Rounded to what a GPS time in double precision fixes.
        seen[interferometer.name] = [round(float(value[0]), 6) for value in (plus, cross, delay)]
    return seen


def _gaussian(likelihood: GaussianLikelihood, transform: PriorTransform, sigma: np.ndarray) -> Contract:
    facts, arrays = _model(likelihood, transform)
    return Contract(
        {"kind": GaussianNoise.kind, **describe_priors(transform, 0.0), **facts}, {**arrays, "sigma": np.ravel(sigma)}
    )


def _noisy(noise: Noise, transform: PriorTransform) -> Contract:
    """Data of one of Bilby's likelihoods whose noise is not white, or not known."""
    facts, arrays = _model(noise.likelihood, transform) if isinstance(noise, FunctionNoise) else ({}, {})
    return Contract(
        {
            "kind": noise.kind,
            **describe_priors(transform, 0.0),
            **facts,
            "shape": list(noise.shape),
            **noise.facts(),
        },
        {**arrays, **noise.arrays()},
    )


def _model(
    likelihood: Analytical1DLikelihood, transform: PriorTransform
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Facts and arrays of a function of the parameters and its abscissae."""
    facts = {"model": get_function_path(likelihood.func), "model_arguments": plain(likelihood.kwargs)}
    x = _numbers(likelihood.x)

    def predicted(row: dict[str, float]) -> Any:
        arguments = {key: row[key] for key in likelihood.function_keys if key in row}
        return likelihood.func(likelihood.x, **arguments, **likelihood.kwargs)

    behaviour = _behaviour(predicted, transform)
    return ({**facts, "x": plain(likelihood.x)}, behaviour) if x is None else (facts, {"x": x, **behaviour})


def _behaviour(compute: Callable[[dict[str, float]], Any], transform: PriorTransform) -> dict[str, np.ndarray]:
    """What a user's function gives at a few places of the prior: its name says little, for its code may have changed.

    Nothing where it fails or gives another answer each time.
    """
    rows = make_rows(transform.fixed, transform.sample(_TRIED, np.random.default_rng(20200218)))
    try:
        one, other = (
            np.concatenate([np.ravel(np.asarray(compute(dict(row)), float)) for row in rows]) for _ in range(2)
        )
    except Exception:  # of any kind, of a function of the user's: training says what is wrong with it
        return {}
    one, other = np.nan_to_num(one), np.nan_to_num(other)
    return {BEHAVIOUR: one[:: max(1, len(one) // _MOST_NUMBERS)]} if np.array_equal(one, other) else {}


def _numbers(x: Any) -> np.ndarray | None:
    """Abscissae as finite numbers; a function may take anything else: names, columns, complex numbers, nothing."""
    try:
        x = np.ravel(x)
        x = x.astype(float) if x.dtype.kind != "c" else x
    except (TypeError, ValueError):
        return None
    return x if x.dtype.kind == "f" and np.all(np.isfinite(x)) else None


def _simulator(likelihood: Likelihood, transform: PriorTransform) -> Contract:
    kind = type(likelihood)
    facts = {
        "kind": "simulator",
        **describe_priors(transform, 0.0),
        "simulate": f"{kind.__module__}.{kind.__qualname__}",
        "shape": list(np.shape(getattr(likelihood, "observed_data", ()))),
    }
    return Contract(facts, _behaviour(lambda row: likelihood.simulate(row, np.random.default_rng(20200218)), transform))
