"""Likelihoods as people have them, each through ``bilby.run_sampler`` to a value known otherwise."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import bilby
import numpy as np
import pandas
import pytest
from bilby.core.likelihood import GaussianLikelihood, Likelihood
from bilby.core.prior import Gaussian, PriorDict, Uniform
from bilby.core.result import Result
from bilby.gw.likelihood import GravitationalWaveTransient
from bilby.hyper.likelihood import HyperparameterLikelihood

from bilby_flowpe.errors import SimulationError

START = 1126259460.0
TRUTH = {
    "mass_1": 36.0, "mass_2": 29.0, "a_1": 0.0, "a_2": 0.0, "tilt_1": 0.0, "tilt_2": 0.0, "phi_12": 0.0, "phi_jl": 0.0,
    "luminosity_distance": 2000.0, "theta_jn": 0.4, "psi": 2.6, "phase": 1.3, "geocent_time": START + 2.0003, "ra": 1.4,
    "dec": -1.2,
}  # fmt: skip


@pytest.fixture(autouse=True)
def models_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BILBY_FLOWPE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def run(tmp_path: Path) -> Any:
    def of(likelihood: Likelihood, priors: PriorDict, **kwargs: Any) -> Result:
        options = {"n_effective": 200, "sampling_seed": 1, "resume": False, "progress": False, **kwargs}
        return bilby.run_sampler(
            likelihood, priors, sampler="flowpe", outdir=str(tmp_path), label="it", save=False, plot=False, **options
        )

    return of


def waves(
    model: Any = None,
    detectors: tuple[str, ...] = ("H1", "L1"),
    duration: float = 4.0,
    sampling: float = 512.0,
    truth: dict[str, float] | None = TRUTH,
    calibrated: bool = False,
) -> tuple[Any, Any]:
    """Interferometers with a signal, and a waveform generator."""
    bilby.core.utils.random.seed(1)
    interferometers = bilby.gw.detector.InterferometerList(list(detectors))
    for detector in interferometers:
        detector.minimum_frequency = 30
        if calibrated:
            detector.calibration_model = bilby.gw.calibration.CubicSpline(f"recalib_{detector.name}_", 30, 256, 4)
    interferometers.set_strain_data_from_power_spectral_densities(sampling, duration, START)
    generator = bilby.gw.WaveformGenerator(
        duration,
        sampling,
        START,
        frequency_domain_source_model=model or bilby.gw.source.lal_binary_black_hole,
        parameter_conversion=bilby.gw.conversion.convert_to_lal_binary_black_hole_parameters if model is None else None,
        waveform_arguments={
            "waveform_approximant": "IMRPhenomD",
            "reference_frequency": 20.0,
            "minimum_frequency": 20.0,
        },
    )
    if truth:
        interferometers.inject_signal(waveform_generator=generator, parameters=truth, raise_error=False)
    return interferometers, generator


def on_grid(likelihood: Likelihood, fixed: dict[str, float], axes: dict[str, np.ndarray]) -> float:
    """Logarithm of the mean likelihood ratio over a box, by the trapezoidal rule."""
    names = [*axes]
    mesh = np.meshgrid(*axes.values(), indexing="ij")
    rows = zip(*[points.ravel() for points in mesh], strict=True)
    values = [
        float(likelihood.log_likelihood_ratio({**fixed, **dict(zip(names, map(float, row), strict=True))}))
        for row in rows
    ]
    integral = np.exp(np.reshape(values, mesh[0].shape) - np.max(values))
    for axis in reversed([*axes.values()]):
        integral = np.trapezoid(integral, axis, axis=-1) / (axis[-1] - axis[0])
    return float(np.max(values) + np.log(integral))


def holds(result: Result, expected: float, value: float | None = None) -> None:
    """The evidence within five of its errors, 0.005 for the grid beside them, and the verdict not failed."""
    found = result.log_bayes_factor if value is None else value
    assert found == pytest.approx(expected, abs=5 * result.log_evidence_err + 0.005)
    assert result.log_evidence_err < 0.1
    assert result.meta_data["run_statistics"]["verdict"] != "failed"


def lines(caplog: pytest.LogCaptureFixture, start: str = "No network") -> list[str]:
    return [said for record in caplog.records if (said := record.getMessage()).startswith(start)]


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, logger="bilby")
    return caplog


# Ratios without a likelihood of noise ------------------------------------------------------------------------------------


def population(events: int = 20, samples: int = 1000) -> HyperparameterLikelihood:
    rng = np.random.default_rng(7)
    posteriors = [
        pandas.DataFrame({"x": rng.normal(truth + rng.normal(0, 0.3), 0.3, samples), "prior": 1.0})
        for truth in rng.normal(0.5, 0.8, events)
    ]
    return HyperparameterLikelihood(posteriors=posteriors, hyper_prior=normal)


def normal(dataset: Any, mu: float, sigma: float) -> np.ndarray:
    return np.exp(-0.5 * ((dataset["x"] - mu) / sigma) ** 2) / np.sqrt(2 * np.pi) / sigma


@pytest.mark.parametrize("use_ratio", [None, True])
def test_a_population_without_evidences(run: Any, use_ratio: bool | None) -> None:
    likelihood = population()
    assert np.isnan(likelihood.noise_log_likelihood())
    expected = on_grid(likelihood, {}, {"mu": np.linspace(-2, 3, 51), "sigma": np.linspace(0.3, 2.5, 45)})
    priors = PriorDict({"mu": Uniform(-2, 3), "sigma": Uniform(0.3, 2.5)})
    result = run(likelihood, priors, use_ratio=use_ratio)
    # As Bilby's other samplers give it: a ratio, and no evidence.
    holds(result, expected)
    assert result.use_ratio
    assert np.isnan(result.log_evidence)


# Functions and models of one's own -----------------------------------------------------------------------------------------


def test_a_function_of_no_module(run: Any) -> None:
    space: dict = {"__builtins__": {}}
    exec("def model(t, rate, height):\n    return height * (1 - rate * t)", space)
    t = np.linspace(0, 1, 40)
    y = 2 * (1 - 0.3 * t) + np.random.default_rng(2).normal(0, 0.1, 40)
    priors = PriorDict({"rate": Uniform(-1, 1), "height": Uniform(0, 4)})
    result = run(GaussianLikelihood(t, y, space["model"], sigma=0.1), priors, network="none")
    # Linear in height and height times rate: least squares, with 0.1 / sqrt(40) and a little more as its error.
    best = np.linalg.lstsq(np.stack([np.ones(40), -t], axis=1), y, rcond=None)[0]
    assert result.posterior["height"].mean() == pytest.approx(best[0], abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("reference", ["geocent", "H1", "L1"])
def test_references_of_the_time(run: Any, reference: str) -> None:
    """A run leads to a result that may be resumed, whichever detector Bilby keeps for it."""
    interferometers, generator = waves()
    key = "geocent_time" if reference == "geocent" else f"{reference}_time"
    fixed = {name: value for name, value in TRUTH.items() if name != "geocent_time"}
    delay = 0.0
    if reference != "geocent":
        detector = bilby.gw.detector.get_empty_interferometer(reference)
        delay = detector.time_delay_from_geocenter(TRUTH["ra"], TRUTH["dec"], TRUTH["geocent_time"])
    window = (TRUTH["geocent_time"] + delay - 0.002, TRUTH["geocent_time"] + delay + 0.002)
    priors = PriorDict({**fixed, key: Uniform(*window)})
    likelihood = GravitationalWaveTransient(interferometers, generator, priors=priors, time_reference=reference)
    result = run(likelihood, priors, network="none", resume=True)
    holds(result, on_grid(likelihood, fixed, {key: np.linspace(*window, 201)}))


def polarised(frequency_array: np.ndarray, amplitude: float, **kwargs: Any) -> dict[str, np.ndarray]:
    """A wave of general relativity's two polarisations, and a scalar one."""
    wave = 1e-23 * amplitude * np.exp(-0.5 * ((frequency_array - 100) / 30) ** 2 + 0j)
    return {"plus": wave, "cross": 1j * wave, "breathing": 0.5 * wave}


def mostly_none(frequency_array: np.ndarray, amplitude: float, **kwargs: Any) -> dict[str, np.ndarray] | None:
    if amplitude > 1.5:
        return None
    wave = 1e-23 * amplitude * np.exp(-0.5 * ((frequency_array - 100) / 30) ** 2 + 0j)
    return {"plus": wave, "cross": 1j * wave}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "highest", "why"), [(polarised, 3.0, "only plus and cross"), (mostly_none, 20.0, "failed for")]
)
@pytest.mark.parametrize("network", ["none", "maf"])
def test_models_that_no_network_learns(
    run: Any, said: pytest.LogCaptureFixture, model: Any, highest: float, why: str, network: str
) -> None:
    place = {key: TRUTH[key] for key in ("ra", "dec", "psi", "geocent_time")}
    interferometers, generator = waves(model, truth={"amplitude": 1.0, **place})
    likelihood = GravitationalWaveTransient(interferometers, generator)
    priors = PriorDict({"amplitude": Uniform(0, highest), **place})
    # A failed waveform has a likelihood of zero, above an edge that is a node of the grid.
    lower = on_grid(likelihood, place, {"amplitude": np.linspace(0, min(highest, 1.5), 1501)})
    result = run(likelihood, priors, network=network)
    holds(result, lower + np.log(min(highest, 1.5) / highest))
    (line,) = lines(said)
    assert why in line


class Glitch(GravitationalWaveTransient):
    """A value that does not come from the waveform generator."""

    def log_likelihood_ratio(self, parameters: dict | None = None) -> float:
        return -0.5 * ((parameters["A"] - 3.0) / 0.5) ** 2


@pytest.mark.parametrize("network", ["none", "maf"])
def test_a_subclass_without_compact_binaries(run: Any, said: pytest.LogCaptureFixture, network: str) -> None:
    likelihood = Glitch(*waves(detectors=("H1",), duration=1.0, truth=None))
    result = run(likelihood, PriorDict({"A": Uniform(0, 10)}), network=network)
    holds(result, float(np.log(0.5 * np.sqrt(2 * np.pi) / 10)))
    (line,) = lines(said)
    assert "the waveform generator raised" in line


@pytest.mark.slow
def test_calibration_alone(run: Any, said: pytest.LogCaptureFixture) -> None:
    errors = {f"recalib_{d}_{k}_{i}": 0.0 for d in ("H1", "L1") for k in ("amplitude", "phase") for i in range(4)}
    truth = {**TRUTH, **errors}
    interferometers, generator = waves(truth=truth, calibrated=True)
    keys = ("recalib_H1_amplitude_1", "recalib_H1_phase_1")
    priors = PriorDict({**truth, **{key: Gaussian(0, 0.1) for key in keys}})
    likelihood = GravitationalWaveTransient(interferometers, generator)
    axis = np.linspace(-0.5, 0.5, 41)
    density = Gaussian(0, 0.1).ln_prob(axis)
    values = np.array(
        [[likelihood.log_likelihood_ratio({**truth, keys[0]: a, keys[1]: b}) for b in axis] for a in axis]
    )
    values += density[:, None] + density
    expected = values.max() + np.log(np.trapezoid(np.trapezoid(np.exp(values - values.max()), axis), axis))
    holds(run(likelihood, priors), float(expected))
    assert len(lines(said)) == 1


@pytest.mark.slow
def test_a_parameter_that_changes_no_data(run: Any, said: pytest.LogCaptureFixture) -> None:
    """The parameter is drawn from its prior instead of learnt; the evidence is that of the other parameter, in closed form."""
    x = np.linspace(0, 1, 20)
    y = 0.4 * x + np.random.default_rng(1).normal(0, 0.2, 20)
    likelihood = GaussianLikelihood(x, y, lambda x, a, idle: a * x, sigma=0.2)
    priors = PriorDict({"a": Uniform(-2, 2), "idle": Gaussian(1, 2)})
    result = run(likelihood, priors, n_effective=1000, training_steps=100, training_time=None)
    axis = np.linspace(-2, 2, 4001)
    values = np.array([likelihood.log_likelihood({"a": a, "idle": 0.0}) for a in axis])
    expected = values.max() + np.log(np.trapezoid(np.exp(values - values.max()), axis) / 4)
    holds(result, float(expected), result.log_evidence)
    # Of 1000 draws at least: the mean to a thirtieth, the width to a forty-fifth of 2.
    assert result.posterior["idle"].mean() == pytest.approx(1, abs=5 * 2 / 1000**0.5)
    assert result.posterior["idle"].std() == pytest.approx(2, abs=5 * 2 / 2000**0.5)
    assert any("['idle'] do not change the simulated data" in line for line in lines(said, "['idle']"))


# Marginalisations ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("duration", "jitter"),
    [(4.0, False), (16.0, False), (16.0, True)],
)
@pytest.mark.slow
def test_sums_over_times(run: Any, said: pytest.LogCaptureFixture, duration: float, jitter: bool) -> None:
    """Quadrature of the user's own likelihood over the distance, and the jitter where there is one."""
    truth = {**TRUTH, "geocent_time": START + duration / 2 + 0.0003}
    interferometers, generator = waves(duration=duration, truth=truth)
    distance, time = Uniform(500, 6000), truth["geocent_time"]
    priors = PriorDict({**truth, "luminosity_distance": distance, "geocent_time": Uniform(time - 0.1, time + 0.1)})
    likelihood = GravitationalWaveTransient(
        interferometers, generator, priors=priors, time_marginalization=True, jitter_time=jitter
    )
    axes = {"luminosity_distance": np.linspace(500, 6000, 111)}
    if jitter:
        axes["time_jitter"] = np.linspace(priors["time_jitter"].minimum, priors["time_jitter"].maximum, 41)
    fixed = {**truth, "geocent_time": START}
    result = run(likelihood, priors, network="none")
    holds(result, on_grid(likelihood, fixed, axes))
    assert {*result.search_parameter_keys} == {*axes}
    assert any("no time_jitter" in line for line in lines(said)) == (not jitter)


@pytest.mark.slow
def test_a_marginalised_phase_that_does_not_turn(run: Any, said: pytest.LogCaptureFixture) -> None:
    """Bilby's integral over the phase is another function: that function is sampled."""
    interferometers, generator = waves()
    priors = PriorDict({**TRUTH, "luminosity_distance": Uniform(500, 6000), "phase": Uniform(0, 1)})
    likelihood = GravitationalWaveTransient(interferometers, generator, priors=priors, phase_marginalization=True)
    expected = on_grid(likelihood, {**TRUTH, "phase": 0.0}, {"luminosity_distance": np.linspace(500, 6000, 221)})
    holds(run(likelihood, priors, network="none"), expected)
    assert "is not uniform over a multiple of pi" in lines(said)[0]


# Memory --------------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_too_much_data_for_the_memory(
    run: Any, said: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a slow likelihood, such as 32 s of a neutron star, nothing is trained, and the log says what it would take."""
    monkeypatch.setattr("bilby_flowpe.simulation.stored.spare_memory", lambda: 2.0**20)
    interferometers, generator = waves()
    likelihood = GravitationalWaveTransient(interferometers, generator)
    priors = PriorDict({**TRUTH, "mass_1": Uniform(33, 39), "luminosity_distance": Uniform(500, 6000)})
    axes = {"mass_1": np.linspace(33, 39, 61), "luminosity_distance": np.linspace(500, 6000, 101)}
    holds(run(likelihood, priors), on_grid(likelihood, TRUTH, axes))
    (line,) = lines(said)
    assert "GiB" in line


# What raises ---------------------------------------------------------------------------------------------------------------


def raising(frequency_array: np.ndarray, amplitude: float, **kwargs: Any) -> dict[str, np.ndarray]:
    if amplitude > 2.9:
        raise ZeroDivisionError("too loud")
    return polarised(frequency_array, amplitude)


class Raising(Likelihood):
    def log_likelihood(self, parameters: dict | None = None) -> float:
        return 1 / (parameters["a"] < 0.9) - 1.0


@pytest.mark.parametrize("network", ["none", "maf"])
def test_what_raises_is_named_with_its_row(run: Any, network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place = {key: TRUTH[key] for key in ("ra", "dec", "psi", "geocent_time")}
    likelihood = GravitationalWaveTransient(*waves(raising, truth={"amplitude": 1.0, **place}))
    bilby.core.utils.random.seed(3)
    # Bilby's own trial of a likelihood before any sampler begins may meet it first, and raises it as it is.
    for trial in ("_verify_use_ratio", "_verify_parameters", "_time_likelihood"):
        monkeypatch.setattr(f"bilby_flowpe.sampler.FlowPE.{trial}", lambda self: None)
    with pytest.raises(SimulationError, match=r"ZeroDivisionError.*'amplitude': (2\.9|3)"):
        run(likelihood, PriorDict({"amplitude": Uniform(0, 3), **place}), network=network)
    with pytest.raises(SimulationError, match=r"Raising raised ZeroDivisionError .* at \{'a': 0\.9"):
        run(Raising(), PriorDict({"a": Uniform(0, 1)}), network=network)
