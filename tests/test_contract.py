"""Equal problems have equal contracts; every difference that matters is named, with both values."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from bilby.core.likelihood import GaussianLikelihood, Likelihood
from bilby.core.prior import ConditionalUniform, Constraint, DeltaFunction, Interped, PriorDict, Sine, Uniform
from bilby.gw.detector import InterferometerList, PowerSpectralDensity, get_empty_interferometer
from bilby.gw.likelihood import GravitationalWaveTransient
from bilby.gw.source import lal_binary_black_hole
from bilby.gw.waveform_generator import WaveformGenerator

from bilby_flowpe.contract import Contract, describe
from bilby_flowpe.errors import SimulationError
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.problems import PSD_FILE, START_TIME, green2020_priors, overhead


def contract(
    change_priors: Callable[[PriorDict], Any] = lambda priors: None,
    *,
    start_time: float = START_TIME,
    duration: float = 1.0,
    sampling_frequency: float = 1024.0,
    minimum_frequency: float = 20.0,
    maximum_frequency: float | None = None,
    psd_scale: float = 1.0,
    approximant: str = "IMRPhenomPv2",
    detectors: tuple[str, ...] = ("H1",),
    seed: int = 1,
    stay_overhead: bool = True,
) -> Contract:
    """That of the five-parameter problem with something changed."""
    interferometers = InterferometerList([get_empty_interferometer(name) for name in detectors])
    for interferometer in interferometers:
        interferometer.minimum_frequency = minimum_frequency
        if maximum_frequency:
            interferometer.maximum_frequency = maximum_frequency
        psd = PowerSpectralDensity(psd_file=PSD_FILE)
        interferometer.power_spectral_density = PowerSpectralDensity(
            frequency_array=psd.frequency_array, psd_array=psd_scale * psd.psd_array
        )
        bins = int(duration * sampling_frequency / 2) + 1
        noise = 1e-23 * np.random.default_rng(seed).standard_normal((2, bins))
        interferometer.set_strain_data_from_frequency_domain_strain(
            noise[0] + 1j * noise[1], sampling_frequency=sampling_frequency, duration=duration, start_time=start_time
        )
    priors = green2020_priors(5, interferometers[0])
    if shift := start_time - START_TIME:
        window = priors["geocent_time"]
        priors["geocent_time"] = Uniform(window.minimum + shift, window.maximum + shift)
        if stay_overhead:
            for key, value in overhead(interferometers[0], start_time + 0.75).items():
                priors[key] = DeltaFunction(value)
    change_priors(priors)
    generator = WaveformGenerator(
        duration=duration,
        sampling_frequency=sampling_frequency,
        start_time=start_time,
        frequency_domain_source_model=lal_binary_black_hole,
        waveform_arguments={"waveform_approximant": approximant, "reference_frequency": 20.0},
    )
    likelihood = GravitationalWaveTransient(interferometers=interferometers, waveform_generator=generator)
    return describe(likelihood, PriorTransform(priors))


@pytest.fixture(scope="module")
def trained() -> Contract:
    return contract()


def test_equal_problems_have_equal_contracts(trained: Contract) -> None:
    assert trained.differences(contract()) == []
    assert trained.fingerprint() == contract().fingerprint()


def test_data_do_not_enter(trained: Contract) -> None:
    assert trained.differences(contract(seed=2)) == []


@pytest.mark.parametrize("later", [86_164.0, 31_557_600.5])
def test_another_time_with_the_same_response_is_the_same_problem(trained: Contract, later: float) -> None:
    assert trained.differences(contract(start_time=START_TIME + later)) == []


def test_another_time_with_the_same_sky_is_another_problem(trained: Contract) -> None:
    found = trained.differences(contract(start_time=START_TIME + 3 * 3600, stay_overhead=False))
    assert found
    assert all(line.startswith("antenna.H1") for line in found)
    assert any("trained with 1.0" in line for line in found)


def test_labels_do_not_enter(trained: Contract) -> None:
    def relabel(priors: PriorDict) -> None:
        priors["mass_1"].latex_label, priors["phase"].boundary = "heavier", None

    assert trained.differences(contract(relabel)) == []


def set_prior(key: str, prior: Any) -> Callable[[PriorDict], Any]:
    return lambda priors: priors.__setitem__(key, prior)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        (
            {"change_priors": set_prior("mass_1", Uniform(35, 90))},
            ["priors.mass_1.maximum: 90", "trained with 80"],
        ),
        (
            {"change_priors": set_prior("luminosity_distance", Uniform(1000, 3000))},
            ["priors.luminosity_distance.class: 'Uniform', trained with 'PowerLaw'"],
        ),
        (
            {"change_priors": set_prior("chi_1", Uniform(-1, 1))},
            ["priors.chi_1: {", "'class': 'Uniform'", "is asked for, the model was trained without it"],
        ),
        (
            {"change_priors": set_prior("chi_1", Uniform(-1, 1))},
            ["fixed.chi_1: missing, the model was trained with 0.0"],
        ),
        (
            {"change_priors": set_prior("phase", DeltaFunction(1.5))},
            ["priors.phase: missing, the model was trained with {", "'class': 'Uniform'"],
        ),
        ({"change_priors": set_prior("chi_2", DeltaFunction(0.3))}, ["fixed.chi_2: 0.3, trained with 0.0"]),
        (
            {"change_priors": set_prior("mass_ratio", Constraint(0.25, 1))},
            ["constraints.mass_ratio.minimum: 0.25, trained with 0"],
        ),
        (
            {"change_priors": set_prior("chirp_mass", Constraint(30, 60))},
            ["constraints.chirp_mass: {", "is asked for, the model was trained without it"],
        ),
        ({"change_priors": lambda priors: priors.pop("mass_ratio")}, ["constraints.mass_ratio: missing"]),
        ({"change_priors": set_prior("dec", DeltaFunction(0.1))}, ["antenna.H1[0]: ", "trained with 1.0"]),
        ({"change_priors": set_prior("dec", Sine())}, ["antenna: missing"]),
        ({"detectors": ("L1",)}, ["detectors.H1: missing, the model was trained with {", "'maximum_frequency': 512.0"]),
        ({"detectors": ("L1",)}, ["detectors.L1: {", "'maximum_frequency': 512.0", "is asked for"]),
        ({"detectors": ("H1", "L1")}, ["power_spectral_density.L1: given, unlike in training"]),
        ({"minimum_frequency": 30.0}, ["detectors.H1.minimum_frequency: 30.0, trained with 20.0"]),
        ({"maximum_frequency": 256.0}, ["detectors.H1.maximum_frequency: 256.0, trained with 512.0"]),
        ({"duration": 2.0}, ["duration: 2.0, trained with 1.0"]),
        ({"duration": 2.0}, ["power_spectral_density.H1: (985,) values, trained with (493,)"]),
        ({"sampling_frequency": 2048.0}, ["sampling_frequency: 2048.0, trained with 1024.0"]),
        ({"psd_scale": 4.0}, ["power_spectral_density.H1: differs", "by a factor of 4 "]),
        ({"psd_scale": 1 / 4}, ["power_spectral_density.H1: differs", "by a factor of 4 "]),
        (
            {"approximant": "IMRPhenomD"},
            ["waveform.arguments.waveform_approximant: 'IMRPhenomD', trained with 'IMRPhenomPv2'"],
        ),
    ],
)
def test_differences_are_named(trained: Contract, changes: dict, named: list[str]) -> None:
    asked = contract(**changes)
    found = trained.differences(asked)
    assert any(all(part in line for part in named) for line in found), found
    assert asked.fingerprint() != trained.fingerprint()
    # And the other way round.
    assert asked.differences(trained)


def test_a_single_change_is_a_single_difference(trained: Contract) -> None:
    assert len(trained.differences(contract(set_prior("mass_1", Uniform(35, 90))))) == 1
    assert len(trained.differences(contract(psd_scale=4.0))) == 1


def test_facts_survive_json(trained: Contract) -> None:
    copy = Contract(json.loads(json.dumps(trained.facts)), trained.arrays)
    assert copy.differences(trained) == trained.differences(copy) == []


# Other data ------------------------------------------------------------------------------------------------------------


def line(x: np.ndarray, slope: float, intercept: float, power: float = 1.0) -> np.ndarray:
    return slope * x**power + intercept


def upper(reference: dict, slope: float) -> dict:
    return {"minimum": 0.0, "maximum": 1.0 + slope**2}


def regression(x: np.ndarray | None = None, sigma: Any = 0.5, y: float = 0.0, **kwargs: Any) -> Contract:
    x = np.linspace(-1, 1, 9) if x is None else x
    priors = PriorDict({"slope": Uniform(0, 1), "intercept": Uniform(-1, 1)})
    return describe(GaussianLikelihood(x, x * 0 + y, line, sigma, **kwargs), PriorTransform(priors))


def test_gaussian_problems() -> None:
    trained = regression()
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)  # Abscissae may be zero or negative.
        assert trained.differences(regression(y=3.0)) == []
        assert trained.differences(regression(sigma=np.full(9, 0.5))) == []
        (moved,) = trained.differences(regression(np.linspace(-1, 2, 9)))
        (longer,) = trained.differences(regression(np.linspace(-1, 1, 10), sigma=np.full(10, 0.5)))[1:]
    assert moved == "x: differs from the one trained with, by up to 1"
    assert longer == "x: (10,) values, trained with (9,)"
    assert "by a factor of 2" in trained.differences(regression(sigma=1.0))[0]
    assert "model_arguments.power: 2.0 is asked for" in trained.differences(regression(power=2.0))[0]


def test_functions_go_by_name_and_arrays_in_full() -> None:
    """A contract outlives the process: no addresses, no abridged arrays."""

    def described(middle: float) -> Contract:
        grid = np.linspace(0, 1, 2001)
        density = np.ones(2001)
        density[1000] = middle
        priors = PriorDict(
            {"slope": Interped(grid, density), "intercept": ConditionalUniform(upper, minimum=0.0, maximum=1.0)}
        )
        return describe(GaussianLikelihood(grid, grid, line, 1.0), PriorTransform(priors))

    assert "0x" not in json.dumps(described(1.0).facts)
    assert described(1.0).differences(described(1.0)) == []
    # Bilby normalises the table, so that every value of it changes.
    found = described(1.0).differences(described(1.5))
    assert found[0].startswith("priors.slope.yy[0]: 0.9997")
    assert found[3:] == ["priors.slope.yy: 1998 more values differ"]


def test_unknown_likelihoods_are_refused() -> None:
    with pytest.raises(SimulationError, match=r"likelihood=Likelihood.*use another sampler"):
        describe(Likelihood(), PriorTransform(PriorDict({"a": Uniform(0, 1)})))
