"""Densities of sampling priors in a population's parameters, against histograms of their draws and sums over them."""

from __future__ import annotations

import bilby
import numpy as np
import pytest
from bilby.core.prior import ConditionalUniform, Constraint, Cosine, PowerLaw, PriorDict, Sine, Uniform
from bilby.gw import conversion
from bilby.gw.prior import (
    AlignedSpin,
    BBHPriorDict,
    UniformInComponentsChirpMass,
    UniformInComponentsMassRatio,
    UniformSourceFrame,
)

from bilby_flowpe.catalogue.population import population_tables, sampling_density
from bilby_flowpe.errors import DataError, PriorError
from bilby_flowpe.results import KEY
from bilby_flowpe.translation.covers import AnyPrior

SIZE = 20_000


def priors(**changes: object) -> BBHPriorDict:
    given = {
        "mass_1": Constraint(5, 60),
        "mass_2": Constraint(5, 60),
        "chirp_mass": UniformInComponentsChirpMass(10, 45),
        "mass_ratio": UniformInComponentsMassRatio(0.2, 1.0),
        "luminosity_distance": UniformSourceFrame(100, 4000, name="luminosity_distance", cosmology="Planck15"),
        "a_1": Uniform(0, 0.9),
        "tilt_1": Sine(),
        "dec": Cosine(),
        "geocent_time": Uniform(1e9, 1e9 + 0.2),
    }
    return BBHPriorDict({**given, **changes})


def draws_of(given: PriorDict, size: int = SIZE) -> tuple[dict[str, np.ndarray], np.ndarray]:
    bilby.core.utils.random.seed(3)
    prior = AnyPrior(given)
    sample = {key: np.asarray(value) for key, value in given.sample(size).items() if key in prior.keys}
    return sample, prior.log_prob(sample)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        # No constraints: for them Bilby would find the redshift of every comoving distance, two milliseconds each.
        {"luminosity_distance": None, "comoving_distance": PowerLaw(2, 100, 2500), "mass_1": None, "mass_2": None},
        {
            "chirp_mass": Constraint(10, 45),
            "mass_ratio": Constraint(0.2, 1.0),
            "mass_1": Uniform(5, 60),
            "mass_2": Uniform(5, 60),
        },
    ],
)
def test_the_inverse_density_averages_to_the_volume(changes: dict[str, object]) -> None:
    """Over draws of the prior the mean of f / density is the integral of f: of one over a box, its volume."""
    given = priors()
    for key, prior in changes.items():
        given.pop(key) if prior is None else given.__setitem__(key, prior)
    sample, log_prior = draws_of(given)
    keys = ("mass_1", "mass_ratio", "redshift", "a_1", "cos_tilt_1")
    values, log_density = sampling_density(given, sample, log_prior, keys)
    box = {
        "mass_1": (15, 35),
        "mass_ratio": (0.4, 0.95),
        "redshift": (0.15, 0.45),
        "a_1": (0.1, 0.85),
        "cos_tilt_1": (-0.8, 0.8),
    }
    inside = np.all([(values[key] > low) & (values[key] < high) for key, (low, high) in box.items()], axis=0)
    assert inside.sum() > 400
    terms = np.where(inside, np.exp(-log_density), 0.0)
    volume = np.prod([high - low for low, high in box.values()])
    assert terms.mean() == pytest.approx(volume, abs=4 * terms.std() / SIZE**0.5)
    # Names and values are gwpopulation's: masses of the source's frame.
    parameters = conversion.generate_all_bbh_parameters(
        {key: sample[key][0] for key in sample}
        | {"a_2": 0.0, "tilt_2": 0.0, "phi_12": 0.0, "phi_jl": 0.0, "theta_jn": 0.0}
    )
    assert values["mass_1"][0] == pytest.approx(parameters["mass_1_source"], rel=1e-6)


def test_what_the_model_leaves_out_stays_as_it_was_sampled() -> None:
    """Without the redshift the density is that of the masses of sources at the distances that the prior has."""
    given = priors()
    sample, log_prior = draws_of(given)
    _, whole = sampling_density(given, sample, log_prior, ("mass_1", "mass_ratio", "redshift"))
    values, masses = sampling_density(given, sample, log_prior, ("mass_1", "mass_ratio"))
    _, redshifts = sampling_density(given, sample, log_prior, ("redshift",))
    # Masses in the detectors' frame and distance are independent: the density of masses given one distance times that of it.
    np.testing.assert_allclose(masses + redshifts, whole, atol=1e-8)
    near = (values["mass_1"] > 20) & (values["mass_1"] < 30)
    assert np.isfinite(masses[near]).all()
    sampled = sampling_density(given, sample, log_prior, ("a_1",))[1]
    np.testing.assert_allclose(sampled, -np.log(0.9), atol=1e-9)


def test_a_fixed_distance_has_no_redshift_of_its_own() -> None:
    given = priors(luminosity_distance=1000.0)
    sample, log_prior = draws_of(given, 500)
    values, log_density = sampling_density(given, sample, log_prior, ("mass_1", "mass_ratio"))
    redshift = float(conversion.luminosity_distance_to_redshift(1000.0))
    chirp, ratio = sample["chirp_mass"], sample["mass_ratio"]
    # p(m1, q) = p(Mc, q) dMc / dm1 (1 + z)
    others = PriorDict({key: given[key] for key in ("a_1", "tilt_1", "dec", "geocent_time")})
    expected = log_prior - AnyPrior(others).log_prob(sample) + np.log(chirp / values["mass_1"])
    assert values["mass_1"] == pytest.approx(chirp * (1 + ratio) ** 0.2 / ratio**0.6 / (1 + redshift), rel=1e-6)
    np.testing.assert_allclose(log_density, expected, atol=1e-9)
    with pytest.raises(PriorError, match="no distance was sampled, only"):
        sampling_density(given, sample, log_prior)


@pytest.mark.parametrize(
    ("changes", "keys", "words"),
    [
        ({}, ("chi_eff",), "'chi_eff' is not a population parameter"),
        ({}, ("a_2",), r"none of \['a_2'\] was sampled"),
        ({}, ("mass_1",), "name as many masses"),
        ({"a_1": AlignedSpin()}, ("chi_1",), r"none of \['chi_1'\]"),
    ],
)
def test_what_is_not_told(changes: dict[str, object], keys: tuple[str, ...], words: str) -> None:
    given = priors(**changes)
    sample, log_prior = draws_of(priors(), 10)
    with pytest.raises(PriorError, match=words):
        sampling_density(given, sample, log_prior, keys)


def _below_redshift(reference_params: dict[str, float], redshift: float) -> dict[str, float]:
    return {"minimum": 0.0, "maximum": redshift}


def test_priors_that_bind_one_parameter_to_another() -> None:
    given = bilby.core.prior.ConditionalPriorDict(
        {
            "redshift": Uniform(0, 1),
            "a_1": ConditionalUniform(_below_redshift, minimum=0, maximum=1),
        }
    )
    sample = {"redshift": np.array([0.5]), "a_1": np.array([0.2])}
    with pytest.raises(PriorError, match="depends on that of"):
        sampling_density(given, sample, np.zeros(1), ("a_1",))


def weighted_result(size: int = 4000) -> bilby.core.result.Result:
    """A run whose likelihood is one of the source's primary mass, by draws of the prior."""
    given = priors()
    sample, log_prior = draws_of(given, size)
    mass = sampling_density(given, sample, log_prior, ("mass_1", "mass_ratio", "redshift"))[0]["mass_1"]
    log_likelihood = -0.5 * ((mass - 24) / 3) ** 2
    weights = np.exp(log_likelihood)
    result = bilby.core.result.Result("a", ".", "flowpe", list(sample), [], [], given, {})
    result.meta_data = {
        KEY: {"importance_weighted": True, "log_evidence": float(np.log(weights.mean())), "n_draws": size}
    }
    result.log_evidence = float(np.log(weights.mean()))
    result.log_noise_evidence = result.log_bayes_factor = np.nan
    from pandas import DataFrame

    table = DataFrame(
        {**sample, "log_likelihood": log_likelihood, "log_prior": log_prior, "weights": weights / weights.sum()}
    )
    result.nested_samples = table
    rng = np.random.default_rng(1)
    rows = rng.choice(size, 2000, p=table["weights"])
    result.posterior = table.iloc[rows].reset_index(drop=True)
    return result


def test_tables_give_the_evidence_under_a_population() -> None:
    """The mean of model over prior, times the evidence, is the evidence with the model for a prior: by draws of the model."""
    result = weighted_result()
    rng = np.random.default_rng(5)
    # A population of primary masses alone on [20, 30], all else as the prior has it given the masses.
    expected = np.mean(np.exp(-0.5 * ((rng.uniform(20, 30, SIZE) - 24) / 3) ** 2))
    for weighted in (True, False):
        (table,) = population_tables([result], weighted=weighted)
        assert [*table] == ["mass_1", "mass_ratio", "redshift", "prior"]
        inside = (
            (table["mass_1"] > 20)
            & (table["mass_1"] < 30)
            & (table["mass_ratio"] > 0.4)
            & (table["redshift"].between(0.1, 0.45))
        )
        model = np.where(inside, 1 / 10 / 0.6 / 0.35, 0.0)
        terms = model / table["prior"].to_numpy()
        evidence = np.exp(result.log_evidence) * terms.mean()
        error = np.exp(result.log_evidence) * terms.std() / len(table) ** 0.5
        assert error < 0.1 * expected
        assert evidence == pytest.approx(expected, abs=4 * error + 0.02 * expected)


def test_results_without_draws() -> None:
    result = weighted_result(100)
    result.meta_data = {}
    with pytest.raises(DataError, match="has no weighted draws"):
        population_tables([result])
    result.posterior = result.posterior.drop(columns="log_prior")
    with pytest.raises(DataError, match="no rows with log_prior"):
        population_tables([result], weighted=False)
