"""Gravitational waves through ``bilby.run_sampler``: waveforms and likelihoods that are not what a closed form takes them for.

Right values come from inner products summed by hand, on grids of masses, distances and phases.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import bilby
import numpy as np
import pytest
from bilby.core.prior import PowerLaw, PriorDict, TruncatedGaussian, Uniform
from bilby.core.result import Result
from bilby.gw.detector import InterferometerList
from bilby.gw.likelihood import GravitationalWaveTransient
from bilby.gw.waveform_generator import WaveformGenerator
from scipy.special import i0e

START = 1126259460.0
PHASES = np.linspace(0, 2 * np.pi, 241)
PLACE = {"geocent_time": START + 0.5, "ra": 1.4, "dec": -1.2, "psi": 2.6}
MASSES = Uniform(20, 40)
"""A prior of which parts are easily named."""


def chirp(frequency_array: np.ndarray, mass: float, luminosity_distance: float, phase: float, **_: Any) -> dict:
    """A chirp of one mass that turns with twice the phase, as cheap as it can be."""
    f = np.maximum(frequency_array, 1.0)
    wave = 5e-22 / luminosity_distance * f ** (-7 / 6) * (frequency_array >= 20)
    wave = wave * np.exp(2j * phase - 1j * 3.0 * (mass / 30) ** (-5 / 3) * (f / 100) ** (-5 / 3))
    return {"plus": wave, "cross": -1j * wave}


def otherwise_between(low: float, high: float) -> Callable[..., dict]:
    """The same chirp, but for a part of the masses in which the phase makes it stronger or weaker and turns nothing."""

    def model(frequency_array, mass, luminosity_distance, phase, **kwargs):
        if not low < mass < high:
            return chirp(frequency_array, mass, luminosity_distance, phase, **kwargs)
        wave = chirp(frequency_array, mass, luminosity_distance, 0.0, **kwargs)
        return {mode: values * np.sin(phase / 2) ** 2 for mode, values in wave.items()}

    return model


def signal(model: Callable[..., dict], injection: dict[str, float], seed: int = 1) -> GravitationalWaveTransient:
    bilby.core.utils.random.seed(seed)
    interferometers = InterferometerList(["H1", "L1"])
    for interferometer in interferometers:
        interferometer.minimum_frequency = 20
    interferometers.set_strain_data_from_power_spectral_densities(256, 1, start_time=START)
    generator = WaveformGenerator(
        duration=1, sampling_frequency=256, start_time=START, frequency_domain_source_model=model,
        parameter_conversion=lambda parameters: (parameters, []),
    )  # fmt: skip
    interferometers.inject_signal(waveform_generator=generator, parameters=injection, raise_error=False)
    return GravitationalWaveTransient(interferometers, generator)


def products(likelihood: GravitationalWaveTransient, row: dict[str, float]) -> tuple[complex, float]:
    """Inner product of the plain chirp of phase zero with the data, and its squared norm, summed by hand from Bilby's parts."""
    inner, norm = 0j, 0.0
    for detector in likelihood.interferometers:
        mask = detector.frequency_mask
        wave = chirp(likelihood.interferometers.frequency_array, row["mass"], row["luminosity_distance"], 0.0)
        seen = detector.get_detector_response(wave, row)[mask]
        weight = 4 / detector.duration / detector.power_spectral_density_array[mask]
        inner += np.sum(seen.conj() * detector.frequency_domain_strain[mask] * weight)
        norm += np.sum(np.abs(seen) ** 2 * weight)
    return complex(inner), float(norm)


def over_phases(inner: complex, norm: float, factor: np.ndarray) -> np.ndarray:
    """Log likelihood ratio where the phase multiplies the chirp by ``factor``."""
    return (np.conj(factor) * inner).real - np.abs(factor) ** 2 * norm / 2


def log_integral(values: np.ndarray, *axes: np.ndarray) -> float:
    """Logarithm of the integral of ``exp(values)`` by the trapezoidal rule."""
    top, integral = values.max(), np.exp(values - values.max())
    for axis in reversed(axes):
        integral = np.trapezoid(integral, axis, axis=-1)
    return float(top + np.log(integral))


def run(likelihood: GravitationalWaveTransient, priors: PriorDict, tmp_path: Path, **kwargs: Any) -> Result:
    kwargs = {"network": "none", "n_effective": 1000, "sampling_seed": 1, **kwargs}
    return bilby.run_sampler(
        likelihood, priors, sampler="flowpe", outdir=str(tmp_path), label="run", save=False, progress=False, **kwargs
    )


def agrees(result: Result, exact: float) -> bool:
    """Within five standard errors and what the grid leaves."""
    return abs(result.log_bayes_factor - exact) < 5 * result.log_evidence_err + 0.01


# A closed form that fails ------------------------------------------------------------------------------------------------

REGIMES = {
    "a fifth of the prior, where the signal lies": (29.0, 33.0, 31.0),
    "a twentieth, where the signal lies": (30.5, 31.5, 31.0),
    "a hundredth, where the signal lies": (30.9, 31.1, 31.0),
    "a twentieth at the edge, the signal in it": (39.0, 41.0, 39.4),
    "a twentieth in the tail of the posterior": (31.3, 32.3, 31.0),
    "a twentieth far from the signal": (36.0, 37.0, 31.0),
}


QUICK = ("a fifth of the prior, where the signal lies",)


@pytest.mark.parametrize(
    "regime", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in REGIMES]
)
@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_waveform_of_two_regimes(regime: str, seed: int, tmp_path: Path) -> None:
    """The phase acts otherwise in a part of the prior: noticed anywhere, and the answer is right without its closed form."""
    low, high, mass = REGIMES[regime]
    injection = {**PLACE, "mass": mass, "luminosity_distance": 1.0, "phase": np.pi}
    likelihood = signal(otherwise_between(low, high), injection)
    pieces = []
    for first, last in ((20, low), (low, min(high, 40)), (high, 40)):
        masses = np.linspace(first + 1e-9, last - 1e-9, 401)
        factor = np.sin(PHASES / 2) ** 2 if first == low else np.exp(2j * PHASES)
        values = [over_phases(*products(likelihood, {**injection, "mass": mass}), factor) for mass in masses]
        if last > first:
            pieces.append(log_integral(np.array(values), masses, PHASES))
    exact = float(np.logaddexp.reduce(pieces) - np.log(20 * 2 * np.pi))
    priors = PriorDict({**injection, "mass": MASSES, "phase": Uniform(0, 2 * np.pi, boundary="periodic")})
    result = run(likelihood, priors, tmp_path, sampling_seed=seed)
    statistics = result.meta_data["run_statistics"]
    assert agrees(result, exact), (result.log_bayes_factor, exact, statistics["verdict"])
    # Without a closed form, from the beginning or after it failed, the answer is right by itself.
    if statistics["conditional"]:
        # What may be left unseen is said, with the share of the prior.
        assert statistics["verdict"] != "reliable"
        assert any("closed form" in reason for reason in statistics["reasons"])


def test_a_closed_form_that_fails_once_counts_for_the_whole_run(tmp_path: Path) -> None:
    """A likelihood that differs at rows met early and never in the last batch."""
    injection = {**PLACE, "mass": 31.0, "luminosity_distance": 1.0, "phase": 1.0}
    likelihood = signal(otherwise_between(21.0, 21.6), injection)
    priors = PriorDict({**injection, "mass": MASSES, "phase": Uniform(0, 2 * np.pi, boundary="periodic")})
    statistics = run(likelihood, priors, tmp_path).meta_data["run_statistics"]
    assert statistics["closed_form"]["dropped"] == ["phase"]


@pytest.mark.parametrize(
    "how",
    [
        "tempered on the instance",
        *(pytest.param(how, marks=pytest.mark.slow) for how in ("tempered by a subclass", "cut on the instance")),
    ],
)
def test_a_likelihood_of_its_own(how: str, tmp_path: Path) -> None:
    """A method that is set on the object counts like a subclass; if its posterior differs, it is sampled by itself."""
    injection = {**PLACE, "mass": 31.0, "luminosity_distance": 1.0, "phase": 1.0}
    likelihood = signal(chirp, injection)
    plain = likelihood.log_likelihood_ratio
    if how == "tempered by a subclass":

        class Tempered(GravitationalWaveTransient):
            def log_likelihood_ratio(self, parameters=None):
                return 0.1 * super().log_likelihood_ratio(parameters)

        likelihood = Tempered(likelihood.interferometers, likelihood.waveform_generator)
    elif how == "tempered on the instance":
        likelihood.log_likelihood_ratio = lambda parameters=None: 0.1 * plain(parameters)
    else:
        likelihood.log_likelihood_ratio = lambda parameters=None: (
            plain(parameters) if parameters["luminosity_distance"] > 1 else -np.inf
        )
    priors = PriorDict(
        {**injection, "luminosity_distance": Uniform(0.5, 2), "phase": Uniform(0, 2 * np.pi, boundary="periodic")}
    )
    distances = np.linspace(1.0 if "cut" in how else 0.5, 2, 601)
    values = np.array(
        [
            over_phases(*products(likelihood, {**injection, "luminosity_distance": d}), np.exp(2j * PHASES))
            for d in distances
        ]
    )
    values = values if "cut" in how else 0.1 * values
    exact = log_integral(values, distances, PHASES) - np.log(1.5 * 2 * np.pi)
    result = run(likelihood, priors, tmp_path)
    assert agrees(result, exact), (result.log_bayes_factor, exact)


# A phase that is fixed ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_with_a_fixed_phase_distance_and_time_are_in_closed_form(tmp_path: Path) -> None:
    injection = {**PLACE, "mass": 31.0, "luminosity_distance": 1.0, "phase": 1.0}
    likelihood = signal(chirp, injection)
    times = Uniform(START + 0.45, START + 0.55)
    priors = PriorDict({**injection, "mass": MASSES, "luminosity_distance": PowerLaw(2, 0.3, 3), "geocent_time": times})
    conditional, network = (
        run(likelihood, priors.copy(), tmp_path / mode, distance=mode, time=mode) for mode in ("conditional", "network")
    )
    drawn = conditional.meta_data["run_statistics"]["conditional"]
    assert drawn == ["luminosity_distance", "geocent_time"]
    assert network.meta_data["run_statistics"]["conditional"] == []
    error = np.hypot(conditional.log_evidence_err, network.log_evidence_err)
    assert abs(conditional.log_evidence - network.log_evidence) < 5 * error
    assert conditional.num_likelihood_evaluations < network.num_likelihood_evaluations
    for key in ("mass", *drawn):
        one, other = (result.posterior[key] for result in (conditional, network))
        assert abs(one.mean() - other.mean()) < 5 * other.std() * (2 / 1000) ** 0.5


# A prior that disagrees with the data ----------------------------------------------------------------------------------------


def test_a_narrow_prior_of_the_distance(tmp_path: Path) -> None:
    """The data put the source at 0.3, twenty of their widths from the prior: drawn where the two together lie."""
    injection = {**PLACE, "mass": 31.0, "luminosity_distance": 0.3, "phase": 1.0}
    likelihood = signal(chirp, injection)
    prior = TruncatedGaussian(0.45, 0.01, 0.1, 1.0)
    priors = PriorDict(
        {**injection, "mass": Uniform(30, 32), "luminosity_distance": prior, "phase": Uniform(0, 2 * np.pi)}
    )
    masses, distances = np.linspace(30, 32, 401), np.linspace(0.35, 0.55, 801)
    values = []
    for mass in masses:
        inner, norm = products(likelihood, {**injection, "mass": mass, "luminosity_distance": 1.0})
        loud = abs(inner) / distances
        values.append(np.log(i0e(loud)) + loud - norm / distances**2 / 2 + prior.ln_prob(distances))
    exact = log_integral(np.array(values), masses, distances) - np.log(2)
    result = run(likelihood, priors, tmp_path)
    statistics = result.meta_data["run_statistics"]
    assert statistics["conditional"] == ["phase", "luminosity_distance"]
    assert agrees(result, exact), (result.log_bayes_factor, exact)
    assert statistics["verdict"] == "check", statistics["reasons"]
