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
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from bilby.core.likelihood import Analytical1DLikelihood, GaussianLikelihood, Likelihood
from bilby.core.utils import get_function_path
from bilby.gw.likelihood import GravitationalWaveTransient

from .errors import SimulationError
from .parallel import make_rows
from .priors import PriorTransform
from .restore import Finding, compare, describe_priors, match_priors, plain, show
from .simulation.general import has_simulate
from .simulation.noise import FunctionNoise, Noise
from .simulation.noise_kinds import GaussianNoise
from .simulation.projection import Detector, sidereal_time
from .simulation.recognise import known_sigma, nobody_simulates, noise_of

_SKY = ("ra", "dec", "psi")
_TIME = "geocent_time"
_OF_THE_PRIORS = ("priors", "fixed", "constraints")
_CORRECTED = ("model", "model_arguments")
_PSD, _POWER = "power_spectral_density.", "signal_power."
_BEHAVIOUR = "values of the model"
_TRIED, _MOST_NUMBERS = 8, 4096
_RELATIVE_TOLERANCE = 1e-6
_RESPONSE_TOLERANCE = 1e-3
_DELAY_TOLERANCE = 5e-5
_TURN_TOLERANCE = 1e-5
_SAME_PSD = 1e-6


@dataclass(frozen=True)
class Match:
    """How well a model fits what it is asked to analyse.

    Attributes
    ----------
    refusals
        Why the model must not be used, one message each; empty if it may.
    corrections
        Differences that importance weights make up for, one message each.
    sidereal_shift
        What to add to a right ascension of the training to have one of the asked problem, radians in [-pi, pi).
    other_priors
        Whether priors or constraints are not those trained with: the model's coordinates are then those of
        :func:`~bilby_flowpe.restore.restore_priors`.
    """

    refusals: tuple[str, ...] = ()
    corrections: tuple[str, ...] = ()
    sidereal_shift: float = 0.0
    other_priors: bool = False


@dataclass(frozen=True)
class Contract:
    """Description of an inference problem.

    Attributes
    ----------
    facts
        Plain nested values, JSON's own types only.
    arrays
        Arrays to compare: noise curves of each detector in its band, ``power_spectral_density.<name>``; abscissae and noise
        of other data. A trained model's may have ``signal_power.<name>``, of the same shape as the noise curve: by how much
        each frequency counts.
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
            Largest :func:`psd_distance` of a detector's noise curve that the model bears.
        """
        if self.facts["kind"] != asked.facts["kind"]:
            return Match(tuple(compare("kind", self.facts["kind"], asked.facts["kind"])))
        priors = list(match_priors(self.facts, asked.facts))
        same_priors = all(self.facts.get(key) == asked.facts.get(key) for key in _OF_THE_PRIORS)
        turned, shift = _match_sidereal_time(self.facts, asked.facts)
        found = [
            *_match_parameters(self.facts, asked.facts),
            *priors,
            *_match_settings(self.facts, asked.facts, same_priors),
            *turned,
            *_match_arrays(*(_arrays(one, behaviour=False) for one in (self, asked)), psd_tolerance),
        ]
        # Answers to the same questions alone can be compared.
        if same_priors and not any(finding.refused for finding in found):
            found += _match_arrays(*(_arrays(one, behaviour=True) for one in (self, asked)), psd_tolerance)
        return Match(
            refusals=tuple(finding.message for finding in found if finding.refused),
            corrections=tuple(finding.message for finding in found if not finding.refused),
            sidereal_shift=shift,
            other_priors=bool(priors),
        )

    def differences(self, asked: Contract) -> list[str]:
        """Where ``asked`` is not what this model was trained for, in words; empty if nowhere."""
        match = self.match(asked)
        return [*match.refusals, *match.corrections]

    def fingerprint(self) -> str:
        """Text that equal contracts share; the arrays enter with six digits."""
        arrays = {name: [f"{value:.5e}" for value in array] for name, array in sorted(self.arrays.items())}
        return json.dumps([self.facts, arrays], sort_keys=True)


def psd_distance(trained: np.ndarray, asked: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Root mean square over frequencies of the logarithm of the ratio of two noise curves.

    Parameters
    ----------
    trained, asked
        Power spectral densities, (F,); infinite where a frequency is left out.
    weight
        Of each frequency, (F,), not negative; all alike when left out.

    Returns
    -------
    float
        Infinite if a frequency is left out of one of them only.
    """
    trained, asked = (np.asarray(curve, dtype=np.float64) for curve in (trained, asked))
    used = _used(trained)
    if np.any(used != _used(asked)):
        return np.inf
    weight = np.ones_like(trained) if weight is None else np.asarray(weight, dtype=np.float64)
    total = np.sum(weight[used])
    if not total > 0:
        # Signals without power anywhere say nothing about what counts.
        weight, total = np.ones_like(trained), max(np.sum(used), 1)
    return float(np.sqrt(np.sum(weight[used] * np.log(asked[used] / trained[used]) ** 2) / total))


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
    fixed_sky = all(key in transform.fixed for key in _SKY)
    facts: dict[str, Any] = {
        "kind": "gravitational wave",
        **describe_priors(transform, start, without=_SKY if fixed_sky else ()),
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
        # Right ascension turns with the Earth.
        facts["sidereal_time"] = round(float(sidereal_time(np.array(start)) % (2 * np.pi)), 9)
    else:
        facts["antenna"] = _antenna(likelihood, transform)
    arrays = {
        f"power_spectral_density.{ifo.name}": np.asarray(ifo.power_spectral_density_array[ifo.frequency_mask])
        for ifo in likelihood.interferometers
    }
    return Contract(facts, arrays)


def _antenna(likelihood: GravitationalWaveTransient, transform: PriorTransform) -> dict[str, list[float]]:
    """Response and delay of each detector in the middle of the time's prior."""
    start = float(likelihood.interferometers.start_time)
    time = {**transform.from_median(), **transform.fixed}.get(_TIME, start)
    ra, dec, psi = (np.array([transform.fixed[key]]) for key in _SKY)
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
    return {_BEHAVIOUR: one[:: max(1, len(one) // _MOST_NUMBERS)]} if np.array_equal(one, other) else {}


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


# Comparison ------------------------------------------------------------------------------------------------------------


def _match_parameters(trained: dict[str, Any], asked: dict[str, Any]) -> Iterator[Finding]:
    """Search parameters and fixed ones."""
    for key in sorted({*trained["priors"]} - {*asked["priors"]}):
        entry, now = trained["priors"][key], "missing"
        if key in asked["fixed"]:
            now = f"fixed to {asked['fixed'][key]!r}"
        elif key in _SKY and "antenna" in asked:
            now = "fixed"
        yield Finding(True, f"priors.{key}: {now}, trained with {show(entry)}; give {key} a prior inside this one")
    for key in sorted({*asked["priors"]} - {*trained["priors"]}):
        before, way_out = "trained without it", f"leave {key} out"
        if key in trained["fixed"]:
            before, way_out = f"trained with {trained['fixed'][key]!r}", f"fix {key} to {trained['fixed'][key]!r}"
        elif key in _SKY and "antenna" in trained:
            before, way_out = "trained with a fixed sky position", f"fix {', '.join(_SKY)}"
        yield Finding(True, f"priors.{key}: {show(asked['priors'][key])} is asked for, {before}; {way_out}")
    searched = {*trained["priors"], *asked["priors"]}
    before, now = ({k: v for k, v in facts["fixed"].items() if k not in searched} for facts in (trained, asked))
    for message in compare("fixed", before, now):
        key = message.partition(":")[0].removeprefix("fixed.")
        yield Finding(True, f"{message}; {f'fix {key} to {before[key]!r}' if key in before else f'leave {key} out'}")


def _match_settings(trained: dict[str, Any], asked: dict[str, Any], same_priors: bool) -> Iterator[Finding]:
    """Every fact but those of the priors; unknown ones have to be equal."""
    for key in sorted({*trained, *asked} - {*_OF_THE_PRIORS}):
        if key not in trained or key not in asked:
            yield from _refused(compare("", *({key: facts[key]} if key in facts else {} for facts in (trained, asked))))
        elif key == "detectors":
            yield from _match_detectors(trained[key], asked[key])
        elif key == "antenna":
            yield from _match_antenna(trained[key], asked[key])
        elif key == "waveform":
            yield from _match_waveform(trained[key], asked[key])
        elif key != "sidereal_time":
            # What simulates something of its own is known to itself alone, but for the form of the data.
            # Under other names, or with other arguments, their answers can be compared where the priors are the same.
            allowed = same_priors and (key in _CORRECTED or (trained["kind"] == "simulator" and key != "shape"))
            yield from _refused(compare(key, trained[key], asked[key]), not allowed)


def _refused(messages: Iterable[str], refused: bool = True) -> Iterator[Finding]:
    yield from (Finding(refused, message) for message in messages)


def _match_waveform(trained: dict[str, Any], asked: dict[str, Any]) -> Iterator[Finding]:
    both = {*trained} & {*asked} & {"generator", "source_model", "arguments"}
    for allowed in (False, True):
        parts = ({key: value for key, value in facts.items() if (key in both) == allowed} for facts in (trained, asked))
        yield from _refused(compare("waveform", *parts), not allowed)


def _match_detectors(trained: dict[str, Any], asked: dict[str, Any]) -> Iterator[Finding]:
    # In JSON as in Python dictionaries have an order: that of the network's inputs.
    if list(trained) != list(asked):
        message = f"detectors: {list(asked)}, trained with {list(trained)}; give these detectors, in this order"
        yield Finding(True, message)
    for name in trained:
        if name in asked:
            yield from _refused(compare(f"detectors.{name}", trained[name], asked[name]))


def _match_antenna(trained: dict[str, list[float]], asked: dict[str, list[float]]) -> Iterator[Finding]:
    tolerances = np.array([_RESPONSE_TOLERANCE, _RESPONSE_TOLERANCE, _DELAY_TOLERANCE])
    for name in trained:
        # Not "larger than": what is not a number is refused, too.
        if name in asked and not np.all(np.abs(np.subtract(asked[name], trained[name])) <= tolerances):
            now, before = ("F+ {:.4f}, Fx {:.4f}, delay {:.6f} s".format(*seen[name]) for seen in (asked, trained))
            yield Finding(
                True,
                f"antenna.{name}: {now}, trained with {before}; choose the sky position, or the GPS time, at which the "
                "detectors see what was trained with",
            )


def _match_sidereal_time(trained: dict[str, Any], asked: dict[str, Any]) -> tuple[list[Finding], float]:
    """What is found, and the turn of the right ascension."""
    before, now = trained.get("sidereal_time"), asked.get("sidereal_time")
    if before is None or now is None:
        return [], 0.0
    shift = float((now - before + np.pi) % (2 * np.pi) - np.pi)
    if abs(shift) <= _TURN_TOLERANCE:
        return [], 0.0
    said = f"sidereal_time: {now:.6f}, trained with {before:.6f}"
    if all(_whole_turn(facts["priors"].get("ra")) for facts in (trained, asked)):
        return [Finding(False, f"{said}: ra is turned by {shift:.6f}")], shift
    priors = ", ".join(
        f"{show(facts['priors'].get('ra', facts['fixed'].get('ra')))} {when}"
        for facts, when in ((asked, "now"), (trained, "in training"))
    )
    return [Finding(True, f"{said}; ra can be turned only where its prior is Uniform(0, 2 pi): it is {priors}")], 0.0


def _whole_turn(entry: dict[str, Any] | None) -> bool:
    return (
        entry is not None
        and entry["class"] == "Uniform"
        and "module" not in entry
        and bool(np.allclose([entry["minimum"], entry["maximum"]], [0, 2 * np.pi], rtol=0, atol=_RELATIVE_TOLERANCE))
    )


def _arrays(contract: Contract, behaviour: bool) -> dict[str, np.ndarray]:
    """What a user's function gives, or all else."""
    return {name: array for name, array in contract.arrays.items() if (name == _BEHAVIOUR) == behaviour}


def _match_arrays(
    trained: dict[str, np.ndarray], asked: dict[str, np.ndarray], psd_tolerance: float
) -> Iterator[Finding]:
    for name in sorted({*trained, *asked}):
        if name.startswith(_POWER):
            continue
        before, now = trained.get(name), asked.get(name)
        if before is None or now is None:
            yield Finding(True, f"{name}: {'given' if before is None else 'missing'}, unlike in training")
        elif before.shape != now.shape:
            yield Finding(True, f"{name}: {now.shape} values, trained with {before.shape}")
        elif name.startswith(_PSD):
            weight = trained.get(_POWER + name.removeprefix(_PSD))
            yield from _match_psd(name, before, now, weight, psd_tolerance)
        elif not np.allclose(before, now, rtol=_RELATIVE_TOLERANCE, atol=0):
            yield Finding(True, f"{name}: differs from the one trained with, {_by_how_much(before, now)}")


def _match_psd(
    name: str, trained: np.ndarray, asked: np.ndarray, weight: np.ndarray | None, tolerance: float
) -> Iterator[Finding]:
    if np.any(odd := _used(trained) != _used(asked)):
        used = [f"{int(np.sum(_used(curve)))} of {len(curve)}" for curve in (asked, trained)]
        yield Finding(
            True,
            f"{name}: finite at {used[0]} frequencies, trained with {used[1]}, not the same ones at {int(np.sum(odd))}; "
            "leave out the frequencies that were left out in training",
        )
        return
    distance = psd_distance(trained, asked, weight if np.shape(weight) == trained.shape else None)
    said = f"{name}: ln S differs from the one trained with by {distance:.3g} (root mean square)"
    if distance <= _SAME_PSD:
        return
    if distance <= tolerance:
        yield Finding(False, f"{said}, up to {tolerance:.3g} is borne")
    else:
        yield Finding(True, f"{said}, only {tolerance:.3g} is borne; use a noise curve nearer to that one")


def _used(curve: np.ndarray) -> np.ndarray:
    """Frequencies (F,) of a noise curve that are not left out."""
    return np.isfinite(curve) & (curve > 0)


def _by_how_much(trained: np.ndarray, wanted: np.ndarray) -> str:
    if np.all(trained > 0) and np.all(wanted > 0):
        return f"by a factor of {float(np.exp(np.median(np.abs(np.log(wanted / trained))))):.3g} at the median"
    return f"by up to {float(np.max(np.abs(wanted - trained))):.3g}"
