"""Priors as people give them, through ``bilby.run_sampler``: evidences against closed forms, sums and quadrature.

Evidences have to agree within five of the standard errors that are reported. Sums over quantiles have 2e5 nodes or more: their
error is below 1e-4.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import bilby
import healpy
import numpy as np
import pytest
from bilby.core.likelihood import GaussianLikelihood, Likelihood
from bilby.core.prior import (
    Categorical,
    ConditionalGaussian,
    ConditionalInterped,
    ConditionalPriorDict,
    ConditionalUniform,
    Constraint,
    Interped,
    Prior,
    PriorDict,
    Uniform,
)
from bilby.core.prior.slabspike import SlabSpikePrior
from bilby.gw.prior import HealPixMapPriorDist, HealPixPrior
from scipy.special import ndtr

from bilby_flowpe.errors import PriorError

START = 1126259460.0
U = (np.arange(200_000) + 0.5) / 200_000


class Plain(Likelihood):
    """A likelihood from a function of the parameters."""

    def __init__(self, function: Callable[[dict], float]) -> None:
        super().__init__()
        self.function = function

    def log_likelihood(self, parameters: dict) -> float:
        return float(self.function(parameters))


def run(likelihood: Likelihood, priors: PriorDict, folder: Path, **arguments) -> bilby.core.result.Result:
    settings = {"network": "none", "n_effective": 500, "sampling_seed": 1, "progress": False, **arguments}
    return bilby.run_sampler(
        likelihood, priors, sampler="flowpe", outdir=str(folder), label="case", save=False, plot=False, resume=False,
        **settings,
    )  # fmt: skip


def check(result: bilby.core.result.Result, expected: float, value: float | None = None) -> None:
    found = result.log_evidence if value is None else value
    assert abs(found - expected) < 5 * result.log_evidence_err, (found, expected, result.log_evidence_err)
    assert result.log_evidence_err < 0.05
    statistics = result.meta_data["run_statistics"]
    assert statistics["verdict"] != "failed", statistics["reasons"]


def share(column: np.ndarray, expected: float) -> None:
    """A share of the posterior's rows, within five binomial errors."""
    assert abs(np.mean(column) - expected) < 5 * np.sqrt(expected * (1 - expected) / len(column))


@pytest.mark.slow
def test_four_values_by_default_settings(tmp_path: Path) -> None:
    weights = np.array([1.0, 2.0, 0.5, 4.0])
    likelihood = Plain(lambda p: -0.5 * ((p["x"] - p["k"]) / 0.1) ** 2 + np.log(weights[round(p["k"])]))
    result = run(likelihood, PriorDict({"x": Uniform(-2, 5), "k": Categorical(4)}), tmp_path, network="maf")
    check(result, np.log(weights.mean() * 0.1 * np.sqrt(2 * np.pi) / 7))
    assert {*result.posterior["k"]} <= {0.0, 1.0, 2.0, 3.0}
    share(result.posterior["k"] == 3, 4 / 7.5)
    # Bilby's own log prior of a value is the logarithm of its probability.
    np.testing.assert_allclose(result.posterior["log_prior"], -np.log(7) - np.log(4))


@pytest.mark.slow
def test_spike_and_slab_of_a_likelihood_that_has_a_network(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A straight line whose slope may be zero: the probability of that by the Bayes factor in closed form."""
    t = np.linspace(-1, 1, 20)
    y = 0.4 + 0.25 * t + np.random.default_rng(4).normal(0, 0.3, 20)
    priors = PriorDict(
        {"offset": Uniform(-5, 5), "slope": SlabSpikePrior(Uniform(-2, 2), spike_location=0.0, spike_height=0.3)}
    )
    likelihood = GaussianLikelihood(t, y, lambda x, offset, slope: offset + slope * x, sigma=0.3)
    with caplog.at_level(logging.INFO, logger="bilby"):
        result = run(likelihood, priors, tmp_path, network="maf")
    assert any("slope: it has values of finite probability" in text for text in caplog.messages)
    # Abscissae are symmetric about zero: offset and slope are independent.
    sums = np.array([20, np.sum(t**2)]) / 0.3**2
    best, width = np.array([y.sum(), (y * t).sum()]) / 0.3**2 / sums, 1 / np.sqrt(sums)
    constant = -0.5 * np.sum((y / 0.3) ** 2) - 20 * np.log(0.3 * np.sqrt(2 * np.pi))
    of_offset = 0.5 * (best[0] / width[0]) ** 2 + np.log(width[0] * np.sqrt(2 * np.pi) / 10)
    slab = 0.7 * np.exp(0.5 * (best[1] / width[1]) ** 2) * width[1] * np.sqrt(2 * np.pi) / 4
    slab *= ndtr((2 - best[1]) / width[1]) - ndtr((-2 - best[1]) / width[1])
    check(result, constant + of_offset + np.log(0.3 + slab))
    share(result.posterior["slope"] == 0.0, 0.3 / (0.3 + slab))


class Steep(Prior):
    """A prior as in Bilby's documentation: ``rescale`` and ``prob``, and nothing else."""

    def __init__(self, name: str | None = None) -> None:
        super().__init__(name=name, minimum=0.0, maximum=1.0)

    def rescale(self, val):
        return -np.log1p(np.asarray(val) * np.expm1(-5000.0)) / 5000

    def prob(self, val):
        return 5000 * np.exp(-5000 * np.asarray(val)) * self.is_in_prior_range(val)


class ForNumbers(Prior):
    """Takes a number at a time."""

    def __init__(self, power: float, name: str | None = None) -> None:
        super().__init__(name=name, minimum=0.0, maximum=1.0)
        self.power = power

    def rescale(self, val):
        return val**self.power if val < 0.5 else float(val) ** self.power

    def prob(self, val):
        return val ** (1 / self.power - 1) / self.power if 0 < val <= 1 else 0.0


GRID = np.linspace(0.5, 10, 12)
TABLE = GRID**3 * np.exp(-GRID / 1.5) * (1 + np.sin(3 * GRID) ** 2)
OF_ONE = {
    "steep": (Steep(), Steep().rescale(U), 1e-3, 1e-4),
    "for numbers": (ForNumbers(2.0), U**2, 0.3, 0.1),
    "coarse table": (Interped(GRID, TABLE), Interped(GRID, TABLE).rescale(U), 3.4, 0.2),
}


@pytest.mark.parametrize(
    "name", ["coarse table", *(pytest.param(key, marks=pytest.mark.slow) for key in ("steep", "for numbers"))]
)
def test_priors_of_ones_own_and_tables(name: str, tmp_path: Path) -> None:
    prior, draws, place, width = OF_ONE[name]
    likelihood = Plain(lambda p: -0.5 * ((p["x"] - place) / width) ** 2 - 0.5 * (p["y"] / 0.3) ** 2)
    result = run(likelihood, PriorDict({"x": prior, "y": Uniform(-2, 2)}), tmp_path)
    expected = np.log(np.mean(np.exp(-0.5 * ((draws - place) / width) ** 2)))
    check(result, expected + np.log(0.3 * np.sqrt(2 * np.pi) / 4))


def given_numbers(reference_params, x):
    return {"minimum": 0.0, "maximum": 1.0 + x if x > 0 else 1.0 - x}


def given_any(reference_params, x):
    return {"mu": 0.5 * x, "sigma": 0.5}


def table_given_numbers(reference_params, x):
    return {"minimum": 0.5 + (x if x > 0 else -x) / 2}


def failing(reference_params, x):
    return {"minimum": 0.0, "maximum": 1 / (x - x)}


OF_TWO = {
    "numbers only": (
        lambda: ConditionalUniform(given_numbers, name="y", minimum=0, maximum=1),
        Uniform(-1, 1),
        lambda x, u: u * (1 + abs(x)),
    ),
    "on a discrete one": (
        lambda: ConditionalGaussian(given_any, name="y", mu=0, sigma=1),
        Categorical(3),
        lambda x, u: bilby.core.prior.Gaussian(0.5 * x, 0.5).rescale(u),
    ),
    "a table": (
        lambda: ConditionalInterped(table_given_numbers, name="y", xx=GRID, yy=TABLE),
        Uniform(-1, 1),
        lambda x, u: Interped(GRID, TABLE, minimum=0.5 + abs(x) / 2).rescale(u),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_TWO)
def test_conditional_priors(name: str, tmp_path: Path) -> None:
    make, first, second = OF_TWO[name]

    def log_likelihood(p: dict) -> float:
        return -0.5 * ((p["x"] - 0.3) / 0.3) ** 2 - 0.5 * ((p["y"] - 0.9) / 0.2) ** 2

    result = run(Plain(log_likelihood), ConditionalPriorDict({"y": make(), "x": first}), tmp_path)
    coarse = (np.arange(600) + 0.5) / 600
    expected = np.mean(
        [
            np.mean(np.exp([log_likelihood({"x": x, "y": second(x, coarse)})]))
            for x in np.asarray([first.rescale(u) for u in coarse.tolist()], dtype=float)
        ]
    )
    check(result, np.log(expected))


def test_a_condition_that_fails_is_named(tmp_path: Path) -> None:
    y = ConditionalUniform(failing, name="y", minimum=0, maximum=1)
    with pytest.raises(PriorError, match=r"priors\['y'\].*ZeroDivisionError"):
        run(Plain(lambda p: 0.0), ConditionalPriorDict({"y": y, "x": Uniform(0, 1)}), tmp_path)


def test_a_constraint_that_constrains_nothing_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    priors = PriorDict({"x": Uniform(0, 1), "y": Uniform(0, 1), "total": Constraint(0, 0.5)})
    with caplog.at_level(logging.WARNING, logger="bilby"):
        result = run(Plain(lambda p: -0.5 * (p["x"] ** 2 + p["y"] ** 2)), priors, tmp_path)
    assert any("constrain ['total']" in text for text in caplog.messages)
    check(result, 2 * np.log(np.sqrt(2 * np.pi) * (ndtr(1) - 0.5)))


SPOTS = {
    "two": [(1.2, 3.0, 1.0), (2.3, 5.5, 0.5)],
    "at ra 0": [(1.3, 0.0, 1.0)],
    "at a pole": [(0.0, 0.0, 1.0)],
}


@pytest.mark.parametrize(
    "name", ["two", *(pytest.param(key, marks=pytest.mark.slow) for key in ("at ra 0", "at a pole"))]
)
def test_sky_map(name: str, tmp_path: Path) -> None:
    """Sum over the parts of spots exp(k (n.m - 1)) in pixels of three degrees, times a likelihood of the same form."""
    nside = 16
    fine = healpy.nside2npix(8 * nside)
    places = np.array(healpy.pix2vec(8 * nside, np.arange(fine), nest=True)).T
    spots = [(np.asarray(healpy.ang2vec(theta, phi)), height) for theta, phi, height in SPOTS[name]]
    probability = sum(height * np.exp(100 * (places @ spot - 1)) for spot, height in spots).reshape(-1, 64).mean(axis=1)
    path = tmp_path / "map.fits"
    ring = probability[healpy.ring2nest(nside, np.arange(len(probability)))]
    healpy.write_map(path, ring / ring.sum(), dtype=np.float64)
    dist = HealPixMapPriorDist(str(path), names=["ra", "dec"])
    spread = 40.0

    def log_likelihood(p: dict) -> float:
        place = np.array([np.cos(p["dec"]) * np.cos(p["ra"]), np.cos(p["dec"]) * np.sin(p["ra"]), np.sin(p["dec"])])
        return float(np.logaddexp.reduce([spread * (place @ spot - 1) for spot, _ in spots]))

    values = sum(np.exp(spread * (places @ spot - 1)) for spot, _ in spots)
    expected = np.log(np.average(values.reshape(-1, 64).mean(axis=1), weights=probability))
    result = run(Plain(log_likelihood), PriorDict({key: HealPixPrior(dist, key) for key in ("ra", "dec")}), tmp_path)
    check(result, expected)


def wave(injection: dict, detectors: tuple[str, ...]) -> tuple:
    bilby.core.utils.random.seed(1)
    generator = bilby.gw.WaveformGenerator(
        duration=4, sampling_frequency=1024, start_time=START,
        frequency_domain_source_model=bilby.gw.source.lal_binary_black_hole,
        parameter_conversion=bilby.gw.conversion.convert_to_lal_binary_black_hole_parameters,
        waveform_arguments={"waveform_approximant": "IMRPhenomD", "reference_frequency": 20.0, "minimum_frequency": 20.0},
    )  # fmt: skip
    interferometers = bilby.gw.detector.InterferometerList(list(detectors))
    for interferometer in interferometers:
        interferometer.minimum_frequency = 20
    interferometers.set_strain_data_from_power_spectral_densities(1024, 4, START)
    interferometers.inject_signal(waveform_generator=generator, parameters=injection)
    return interferometers, generator


INJECTION = {
    "mass_1": 36.0, "mass_2": 29.0, "chi_1": 0.0, "chi_2": 0.0, "luminosity_distance": 800.0, "theta_jn": 0.4,
    "psi": 2.6, "phase": 1.3, "geocent_time": START + 2, "ra": 1.4, "dec": -1.2,
}  # fmt: skip


@pytest.mark.slow
def test_a_spin_that_may_be_nothing_with_the_phase_from_its_conditional(tmp_path: Path) -> None:
    """Integrate Bilby's own likelihood, averaged over the phase, over the spin by the trapezoidal rule."""
    interferometers, generator = wave(INJECTION, ("H1",))
    likelihood = bilby.gw.GravitationalWaveTransient(interferometers, generator)
    spin = SlabSpikePrior(Uniform(-0.5, 0.5), spike_location=0.0, spike_height=0.4)
    priors = PriorDict({**INJECTION, "chi_1": spin, "phase": Uniform(0, 2 * np.pi, boundary="periodic")})
    result = run(likelihood, priors, tmp_path, max_likelihood_evaluations=20_000)
    # Bilby's own average over the phase, which is exact for a waveform of |m| = 2.
    marginal = bilby.gw.GravitationalWaveTransient(
        interferometers, generator, phase_marginalization=True, priors=priors.copy()
    )
    chi = np.linspace(-0.5, 0.5, 1001)

    def averaged(value: float) -> float:
        return float(np.exp(marginal.log_likelihood_ratio({**INJECTION, "chi_1": value, "phase": 0.0}) - top))

    top = likelihood.log_likelihood_ratio(INJECTION)
    slab, spike = 0.6 * np.trapezoid([averaged(float(value)) for value in chi], chi), 0.4 * averaged(0.0)
    check(result, top + np.log(slab + spike), result.log_bayes_factor)
    share(result.posterior["chi_1"] == 0.0, spike / (slab + spike))


@pytest.mark.slow
def test_a_loud_signal_under_a_sky_map_is_the_one_without_it_reweighted(tmp_path: Path) -> None:
    """With a free sky and with a map, the evidences differ by the mean of the map's density relative to the even one."""
    interferometers, generator = wave(INJECTION, ("H1", "L1"))
    likelihood = bilby.gw.GravitationalWaveTransient(interferometers, generator)
    places = np.array(healpy.pix2vec(32, np.arange(healpy.nside2npix(32)))).T
    probability = np.exp(30 * (places @ np.asarray(healpy.ang2vec(np.pi / 2 + 1.1, 1.2)) - 1))
    probability /= probability.sum()
    healpy.write_map(tmp_path / "map.fits", probability, dtype=np.float64)
    dist = HealPixMapPriorDist(str(tmp_path / "map.fits"), names=["ra", "dec"])
    searched = {
        "luminosity_distance": bilby.gw.prior.PowerLaw(2, 100, 3000),
        "phase": Uniform(0, 2 * np.pi, boundary="periodic"),
        "psi": Uniform(0, np.pi, boundary="periodic"),
        "geocent_time": Uniform(START + 1.9, START + 2.1),
        "mass_1": Uniform(34, 38),
    }
    even = {"ra": Uniform(0, 2 * np.pi, boundary="periodic"), "dec": bilby.core.prior.Cosine()}
    mapped = {key: HealPixPrior(dist, key) for key in ("ra", "dec")}
    free, given = (
        run(likelihood, PriorDict({**INJECTION, **searched, **sky}), tmp_path, n_effective=3000)
        for sky in (even, mapped)
    )
    pixel = healpy.ang2pix(32, np.pi / 2 - free.posterior["dec"].to_numpy(), free.posterior["ra"].to_numpy())
    ratio = probability[pixel] * len(probability)
    expected = free.log_bayes_factor + np.log(np.mean(ratio))
    error = np.hypot(free.log_evidence_err, np.std(ratio) / np.mean(ratio) / np.sqrt(len(ratio)))
    assert abs(given.log_bayes_factor - expected) < 5 * np.hypot(error, given.log_evidence_err)
    assert given.meta_data["run_statistics"]["verdict"] != "failed"
