"""Priors come back from plain data as the same coordinates, or not at all."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM
from bilby.core.prior import (
    Beta,
    Cauchy,
    ChiSquared,
    ConditionalPriorDict,
    ConditionalUniform,
    Constraint,
    Cosine,
    DeltaFunction,
    Exponential,
    FermiDirac,
    FromFile,
    Gamma,
    Gaussian,
    HalfGaussian,
    Interped,
    Logistic,
    LogNormal,
    LogUniform,
    PowerLaw,
    Prior,
    PriorDict,
    Sine,
    StudentT,
    SymmetricLogUniform,
    Triangular,
    TruncatedGaussian,
    Uniform,
)
from bilby.gw.prior import (
    AlignedSpin,
    BBHPriorDict,
    BNSPriorDict,
    CBCPriorDict,
    ConditionalChiInPlane,
    UniformComovingVolume,
    UniformInComponentsChirpMass,
    UniformInComponentsMassRatio,
    UniformSourceFrame,
)

from bilby_flowpe.contract.restore import describe_priors, restore_priors
from bilby_flowpe.errors import PriorError
from bilby_flowpe.kinds import problem_of
from bilby_flowpe.priors import PriorTransform

START = 1126259462.391
SHARES = np.linspace(0.001, 0.999, 41)


def facts_of(priors: PriorDict, start: float = 0.0) -> dict[str, Any]:
    """Return the priors' description in a contract, as it comes back from a file."""
    return json.loads(json.dumps(describe_priors(PriorTransform(priors), start)))


def restored(key: str, prior: Prior, start: float = 0.0, later: float = 0.0) -> Prior:
    """Return a prior that is rebuilt for a segment that starts ``later``."""
    return restore_priors(facts_of(PriorDict({key: prior}), start), start + later)[key]


def assert_same_coordinates(one: PriorTransform, other: PriorTransform) -> None:
    """Draws, coordinates and densities agree to 1e-12."""
    assert (one.keys, one.fixed) == (other.keys, other.fixed)
    assert one.ordered_pair == other.ordered_pair
    v = np.random.default_rng(1).standard_normal((400, one.ndim))
    draws, again = one.from_unconstrained(v), other.from_unconstrained(v)
    for key, value in draws.items():
        np.testing.assert_allclose(again[key], value, rtol=1e-12, atol=0, err_msg=key)
    np.testing.assert_allclose(other.to_unconstrained(draws), one.to_unconstrained(draws), rtol=0, atol=1e-12)
    density = one.log_prob(draws)
    assert np.any(np.isfinite(density))
    np.testing.assert_allclose(other.log_prob(draws), density, rtol=0, atol=1e-12)


# Whole problems --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["5d", "8d", "hl"])
def test_priors_of_a_contract(name: str, request: pytest.FixtureRequest) -> None:
    likelihood, priors = request.getfixturevalue(f"problem_{name}")
    transform = request.getfixturevalue(f"transform_{name}")
    facts = json.loads(json.dumps(problem_of(likelihood, transform).describe().facts))
    left_out = {key: transform.fixed[key] for key in ("ra", "dec", "psi") if key in transform.fixed}
    start = likelihood.interferometers.start_time
    assert_same_coordinates(transform, PriorTransform(restore_priors(facts, start, left_out)))
    # The sky may stay out, but is then not there.
    assert {*priors} - {*restore_priors(facts, start)} == {*left_out}
    assert bool(left_out) == (name != "hl")


@pytest.mark.training
@pytest.mark.parametrize(
    "priors",
    [
        BBHPriorDict(filename="precessing_spins_bbh.prior"),
        BBHPriorDict(filename="aligned_spins_bbh.prior"),
        BNSPriorDict(filename="aligned_spins_bns_tides_on.prior"),
    ],
    ids=["precessing", "aligned", "neutron stars"],
)
def test_bilbys_own_files(priors: PriorDict) -> None:
    again = restore_priors(facts_of(priors), 0.0)
    assert type(again) is type(priors)
    assert_same_coordinates(PriorTransform(priors), PriorTransform(again))


@pytest.mark.parametrize("kind", [PriorDict, CBCPriorDict, BBHPriorDict, BNSPriorDict])
def test_dictionaries_are_told_by_their_conversion(kind: type[PriorDict]) -> None:
    priors = kind({"mass_1": Uniform(1, 2), "mass_2": Uniform(1, 2), "chi_1": DeltaFunction(0.5)})
    constrained = kind({**priors, "mass_ratio": Constraint(0.5, 1)})
    again = restore_priors(facts_of(constrained), 0.0)
    assert again.conversion_function.__qualname__ == constrained.conversion_function.__qualname__
    sample = {"mass_1": np.array([1.0, 2.0]), "mass_2": np.array([2.0, 1.1])}
    np.testing.assert_array_equal(again.evaluate_constraints(sample), constrained.evaluate_constraints(sample))
    assert type(restore_priors(facts_of(priors), 0.0)) is PriorDict  # without constraints all are the same


# One prior -------------------------------------------------------------------------------------------------------------

PRIORS = {
    "Uniform": Uniform(1, 2),
    "PowerLaw": PowerLaw(2.5, 1, 2),
    "LogUniform": LogUniform(1, 2),
    "SymmetricLogUniform": SymmetricLogUniform(1, 2),
    "Cosine": Cosine(-1, 1),
    "Sine": Sine(),
    "Gaussian": Gaussian(1, 2),
    "TruncatedGaussian": TruncatedGaussian(1, 2, 0, 3),
    "HalfGaussian": HalfGaussian(2),
    "LogNormal": LogNormal(1, 0.5),
    "Exponential": Exponential(3),
    "StudentT": StudentT(5, 1, 2),
    "Beta": Beta(2, 3, -1, 4),
    "Logistic": Logistic(1, 2),
    "Cauchy": Cauchy(1, 2),
    "Gamma": Gamma(2, 3),
    "ChiSquared": ChiSquared(4),
    "FermiDirac": FermiDirac(1, mu=10),
    "Triangular": Triangular(1.5, 1, 3),
    "Interped": Interped(np.array([0, 1, 3]), np.array([1, 2, 0.5])),
    "Interped, cut": Interped(np.linspace(0, 3, 50), np.linspace(1, 2, 50) ** 2, minimum=0.51, maximum=2.9),
    "AlignedSpin": AlignedSpin(Uniform(0, 0.8)),
    "AlignedSpin, of others": AlignedSpin(PowerLaw(1, 0, 0.9), Uniform(-1, 1), num_interp=101),
    "UniformInComponentsChirpMass": UniformInComponentsChirpMass(10, 30),
    "UniformInComponentsMassRatio": UniformInComponentsMassRatio(0.1, 1),
}


@pytest.mark.parametrize("name", PRIORS)
def test_every_prior_comes_back(name: str) -> None:
    prior = PRIORS[name]
    again = restored("parameter", prior)
    assert type(again) is type(prior)
    assert again.name == "parameter"
    values = prior.rescale(SHARES)
    np.testing.assert_allclose(again.rescale(SHARES), values, rtol=1e-12)
    np.testing.assert_allclose(again.cdf(values), prior.cdf(values), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(again.ln_prob(values), prior.ln_prob(values), rtol=0, atol=1e-12)
    assert (again.minimum, again.maximum) == (prior.minimum, prior.maximum)


@pytest.mark.parametrize(
    ("key", "prior"),
    [
        ("luminosity_distance", UniformSourceFrame(100, 5000, name="luminosity_distance")),
        ("luminosity_distance", UniformComovingVolume(100, 5000, cosmology="Planck13", name="luminosity_distance")),
        ("redshift", UniformSourceFrame(0.1, 2, name="redshift")),
        ("z", UniformComovingVolume(0.1, 2, name="redshift")),
    ],
)
def test_cosmological_priors_come_back(key: str, prior: Prior) -> None:
    again = restored(key, prior)
    assert (type(again), again.name, again.unit) == (type(prior), prior.name, prior.unit)
    assert again.cosmology.name == prior.cosmology.name
    np.testing.assert_allclose(again.rescale(SHARES), prior.rescale(SHARES), rtol=1e-12)


def test_a_tabulated_prior_outlives_its_file(tmp_path: Path) -> None:
    file = tmp_path / "table.txt"
    np.savetxt(file, np.transpose([np.linspace(0, 1, 30), np.linspace(1, 3, 30)]))
    prior = FromFile(str(file), minimum=0.0, maximum=1.0)
    facts = facts_of(PriorDict({"a": prior}))
    file.unlink()
    again = restore_priors(facts, 0.0)["a"]
    np.testing.assert_allclose(again.rescale(SHARES), prior.rescale(SHARES), rtol=1e-12)


# Times -----------------------------------------------------------------------------------------------------------------

TIMES = {
    "Uniform": Uniform(START + 0.1, START + 0.3),
    "Gaussian": Gaussian(START + 0.2, 0.01),
    "TruncatedGaussian": TruncatedGaussian(START + 0.2, 0.01, START + 0.1, START + 0.3),
    "StudentT": StudentT(5, START + 0.2, 0.01),
    "Logistic": Logistic(START + 0.2, 0.01),
    "Cauchy": Cauchy(START + 0.2, 0.01),
    "Triangular": Triangular(START + 0.15, START + 0.1, START + 0.3),
    "Interped": Interped(START + np.array([0.1, 0.2, 0.3]), np.array([1.0, 2.0, 1.0])),
}


@pytest.mark.parametrize("name", TIMES)
def test_times_move_with_the_segment(name: str) -> None:
    prior, later = TIMES[name], 86_164.0
    np.testing.assert_array_equal(restored("geocent_time", prior, START).rescale(SHARES), prior.rescale(SHARES))
    moved = restored("geocent_time", prior, START, later).rescale(SHARES) - later
    np.testing.assert_allclose(moved, prior.rescale(SHARES), rtol=0, atol=2e-6)
    # Nothing else moves.
    np.testing.assert_array_equal(restored("mass", prior, START, later).rescale(SHARES), prior.rescale(SHARES))


def test_what_is_no_place_does_not_move() -> None:
    """The width of one prior goes by the name of the place of another."""
    again = restored("delay_time", PowerLaw(2.0, START + 1, START + 2), START)
    assert (again.alpha, again.minimum) == (2.0, START + 1)
    assert restored("delay_time", Exponential(3.0), START).mu == 3.0


def test_fixed_times_move_too() -> None:
    priors = PriorDict({"a": Uniform(0, 1), "geocent_time": DeltaFunction(START + 0.25), "b": DeltaFunction(0.5)})
    again = restore_priors(facts_of(priors, START), START + 10, {"H1_time": START, "c": 3.0})
    fixed = {key: prior.peak for key, prior in again.items() if isinstance(prior, DeltaFunction)}
    assert fixed == {"geocent_time": START + 10.25, "b": 0.5, "H1_time": START, "c": 3.0}


def test_fixed_parameters_enter_the_constraints() -> None:
    """Bilby's conversion takes them from the dictionary it belongs to."""
    priors = BBHPriorDict({"mass_1": Uniform(10, 20), "mass_2": DeltaFunction(15.0), "mass_ratio": Constraint(0, 1)})
    again = restore_priors(facts_of(priors), 0.0)
    draws = {"mass_1": np.array([14.0, 16.0])}
    np.testing.assert_array_equal(PriorTransform(again).satisfies(draws), [False, True])


# What cannot be rebuilt ------------------------------------------------------------------------------------------------


class Own(Uniform):
    """A prior that nobody but the user can make."""


class Impostor(Uniform):
    """A prior class with the name of one of Bilby's."""


Impostor.__name__ = "Sine"


def within(reference: dict, a: float) -> dict:
    return {"minimum": 0.0, "maximum": 1.0 + a}


def own_conversion(sample: dict) -> dict:
    return {**sample, "c": sample["a"]}


class OwnDictionary(PriorDict):
    """A dictionary with a conversion of its own."""

    def default_conversion_function(self, sample: dict) -> dict:
        return own_conversion(sample)


UNUSUAL = FlatLambdaCDM(H0=70, Om0=0.3, name="Unusual")
ALONE = {"a": Uniform(0, 1)}


@pytest.mark.parametrize(
    ("priors", "named"),
    [
        (PriorDict({"a": Own(0, 1)}), r"priors\['a'\]=Own\(maximum=1, minimum=0\).*not one of Bilby's one-dim"),
        (PriorDict({"a": Impostor(0, 1)}), r"priors\['a'\]=Sine\(.*not one of Bilby's one-dimensional priors"),
        (
            ConditionalPriorDict({**ALONE, "b": ConditionalUniform(within, minimum=0.0, maximum=1.0)}),
            r"priors\['b'\]=ConditionalUniform.*conditional on other parameters",
        ),
        (
            ConditionalPriorDict({"chi_1": Uniform(0.1, 0.5), "chi_1_in_plane": ConditionalChiInPlane(0, 1, "chi_1_in_plane")}),
            r"priors\['chi_1_in_plane'\]=.*conditional on other parameters",
        ),
        (
            PriorDict({"luminosity_distance": UniformSourceFrame(100, 200, UNUSUAL, name="luminosity_distance")}),
            r"priors\['luminosity_distance'\]=UniformSourceFrame.*Bilby does not know its cosmology",
        ),
        (PriorDict({"chi": AlignedSpin(Own(0.0, 1.0), num_interp=100)}), r"Own\(maximum=1.0, minimum=0.0\).*cannot be rebuilt"),
        (
            PriorDict({**ALONE, "c": Constraint(0, 0.5)}, conversion_function=own_conversion),
            r"conversion_function=[\w.]*test_restore.own_conversion of the constraints \['c'\] cannot be rebuilt",
        ),
        (
            OwnDictionary({**ALONE, "c": Constraint(0, 0.5)}),
            r"=[\w.]*test_restore.OwnDictionary.default_conversion_function of the constraints \['c'\]",
        ),
    ],
)  # fmt: skip
def test_what_is_not_bilbys_is_refused(priors: PriorDict, named: str) -> None:
    facts = facts_of(priors)
    assert "0x" not in json.dumps(facts)
    with pytest.raises(PriorError, match=named):
        restore_priors(facts, 0.0)


def test_a_dictionary_of_ones_own_that_goes_by_bilbys_name() -> None:
    own = type("BBHPriorDict", (PriorDict,), {"default_conversion_function": lambda self, sample: sample})
    own.default_conversion_function.__qualname__ = "BBHPriorDict.default_conversion_function"
    with pytest.raises(PriorError, match="cannot be rebuilt"):
        restore_priors(facts_of(own({**ALONE, "a": Uniform(0, 1), "c": Constraint(0, 1)})), 0.0)


def test_what_no_class_takes_is_refused() -> None:
    facts = facts_of(PriorDict(ALONE))
    facts["priors"]["a"]["unheard_of"] = 1
    with pytest.raises(PriorError, match=r"priors\['a'\]=Uniform\(.*cannot be rebuilt: TypeError.*unheard_of"):
        restore_priors(facts, 0.0)
    facts["priors"]["a"] = {"class": "MultivariateGaussian", "dist": "text"}
    with pytest.raises(PriorError, match=r"priors\['a'\]=MultivariateGaussian\("):
        restore_priors(facts, 0.0)


def test_search_parameters_cannot_be_fixed_as_well() -> None:
    with pytest.raises(PriorError, match=r"extra_fixed=\{'a': 0.5\}: these are search parameters"):
        restore_priors(facts_of(PriorDict(ALONE)), 0.0, {"a": 0.5, "b": 1.0})


def test_every_prior_of_bilbys_is_tried() -> None:
    """A class that is new in Bilby shows up here."""
    import bilby.core.prior as core

    skipped = {
        "Constraint", "DeltaFunction", "FromFile", "JointPrior", "Prior", "SlabSpikePrior",  # special
        "MultivariateGaussian", "MultivariateNormal", "DirichletElement",  # joint or conditional
        "Categorical", "DiscreteValues", "WeightedCategorical", "WeightedDiscreteValues",  # not continuous
        "HalfNormal", "LogGaussian", "Lorentzian", "Normal", "TruncatedNormal",  # other names of these
    }  # fmt: skip
    found = {
        name
        for name, kind in vars(core).items()
        if inspect.isclass(kind) and issubclass(kind, Prior) and not name.startswith("Conditional")
    }
    assert found - skipped <= {type(prior).__name__ for prior in PRIORS.values()}
