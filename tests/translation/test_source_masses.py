"""Masses of the source's frame drawn in the detectors' frame: Bilby's conversion, and densities by their sums."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bilby.core.prior import Constraint, PowerLaw, PriorDict, Uniform
from bilby.gw.conversion import convert_to_lal_binary_black_hole_parameters, luminosity_distance_to_redshift
from bilby.gw.likelihood import GravitationalWaveTransient
from bilby.gw.prior import BBHPriorDict

from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.translation.source_masses import SourceMasses, source_masses
from bilby_flowpe.translation.translate import translated

DISTANCE = {"luminosity_distance": PowerLaw(2, 300, 3000)}
FORMS: dict[str, dict[str, Any]] = {
    "chirp mass": {"chirp_mass_source": Uniform(20, 30), "mass_ratio": Uniform(0.5, 1), **DISTANCE},
    "components": {
        "mass_1_source": Uniform(20, 40),
        "mass_2_source": Uniform(20, 40),
        "mass_ratio": Constraint(0, 1),
        **DISTANCE,
    },
    "power law": {"total_mass_source": PowerLaw(-2, 40, 80), "mass_ratio": Uniform(0.5, 1), **DISTANCE},
}


@pytest.fixture(scope="module", params=FORMS)
def case(request: pytest.FixtureRequest) -> tuple[PriorTransform, SourceMasses, PriorTransform]:
    priors = BBHPriorDict(dictionary=dict(FORMS[request.param]))
    asked = PriorTransform(priors)
    frame = SourceMasses(asked)
    return asked, frame, PriorTransform(frame.plain_priors(priors))


def test_redshift_is_bilbys(case) -> None:
    distances = np.geomspace(300, 3000, 7)
    np.testing.assert_allclose(case[1].redshift(distances), luminosity_distance_to_redshift(distances), rtol=1e-7)


def test_back_is_the_inverse_of_bilbys_conversion(case) -> None:
    asked, frame, plain = case
    draws = plain.sample(5, np.random.default_rng(1))
    back = frame.back(draws)
    assert set(back) == set(asked.keys)
    for index in range(5):
        row, _ = convert_to_lal_binary_black_hole_parameters({key: float(back[key][index]) for key in back})
        for key in frame.keys:
            name = key.removesuffix("_source")
            assert row[name] == pytest.approx(draws[name][index], rel=1e-8)


def test_density_asked_for_is_normalised_over_the_plain_prior(case) -> None:
    """Mean of the ratio over the cover is one, constraints of either frame included; without the Jacobian it is not."""
    _, frame, plain = case
    size = 100_000
    draws = plain.sample(size, np.random.default_rng(2))
    asked = frame.back(draws)
    ratio = np.exp(frame.log_ratio(draws, asked))
    # The constraint's share of either prior is counted on 400000 draws: 0.2 %.
    error = np.hypot(np.std(ratio) / size**0.5, 0.002)
    assert np.mean(ratio) == pytest.approx(1.0, abs=4 * error)
    without = ratio * (1 + frame.redshift(draws["luminosity_distance"])) ** len(frame.keys)
    assert abs(np.mean(without) - 1) > 4 * error


@pytest.mark.training
def test_weighted_draws_follow_the_prior_asked_for() -> None:
    priors = BBHPriorDict(dictionary=dict(FORMS["chirp mass"]))
    asked = PriorTransform(priors)
    frame = SourceMasses(asked)
    plain = PriorTransform(frame.plain_priors(priors))
    draws = plain.sample(40_000, np.random.default_rng(3))
    back = frame.back(draws)
    weights = np.exp(frame.log_ratio(draws, back))
    effective = weights.sum() ** 2 / np.sum(weights**2)
    # Uniform from 20 to 30, whatever the distance: mean, and correlation with the distance.
    mass = back["chirp_mass_source"]
    assert np.average(mass, weights=weights) == pytest.approx(25, abs=5 * (100 / 12 / effective) ** 0.5)
    distance = back["luminosity_distance"] - np.average(back["luminosity_distance"], weights=weights)
    covariance = np.average((mass - 25) * distance, weights=weights)
    assert abs(covariance) < 5 * (100 / 12) ** 0.5 * np.std(distance) / effective**0.5


@pytest.mark.parametrize(
    "changes",
    [
        {"luminosity_distance": 500.0},
        {"chirp_mass": Uniform(20, 30)},
        {"chirp_mass_source": 25.0},
        {"luminosity_distance": None, "redshift": Uniform(0.1, 0.5)},
    ],
)
def test_what_is_left_as_it_is(changes: dict[str, Any]) -> None:
    priors = {**FORMS["chirp mass"], **changes}
    kept = PriorDict({key: prior for key, prior in priors.items() if prior is not None})
    assert source_masses(PriorTransform(kept)) == ()


@pytest.mark.training
def test_a_likelihood_is_translated_where_its_waveform_allows(problem_hl: tuple) -> None:
    given, priors = problem_hl
    source = BBHPriorDict(dictionary={**priors, "mass_1_source": Uniform(20, 40), "mass_2_source": Uniform(20, 40)})
    del source["mass_1"], source["mass_2"]
    likelihood = GravitationalWaveTransient(given.interferometers, given.waveform_generator)
    problem = translated(likelihood, source)
    assert {"mass_1", "mass_2"} <= set(problem.problem.prior.keys)
    assert set(problem.keys) == set(PriorTransform(source).keys)
    # The user's likelihood at what is reported is that of the draws.
    draws = problem.problem.prior.sample(3, np.random.default_rng(4))
    reported = problem.reported(draws)
    for index in range(3):
        one, other = ({key: float(value[index]) for key, value in columns.items()} for columns in (draws, reported))
        assert likelihood.log_likelihood_ratio(other) == pytest.approx(likelihood.log_likelihood_ratio(one), abs=1e-3)
    assert translated(likelihood, priors).is_asked


@pytest.mark.training
def test_a_distance_that_is_integrated_out_is_bilbys(problem_hl: tuple) -> None:
    """Bilby converts source masses at one distance: its marginalised likelihood is another problem, sampled as it stands."""
    given, priors = problem_hl
    others = {key: prior for key, prior in priors.items() if not key.startswith("mass")}
    for mass, obstacle in (("chirp_mass_source", True), ("chirp_mass", False)):
        asked = BBHPriorDict(dictionary={**others, mass: Uniform(20, 30), "mass_ratio": Uniform(0.5, 1)})
        likelihood = GravitationalWaveTransient(given.interferometers, given.waveform_generator)
        # As Bilby leaves it, without its table of integrals, which takes a minute to make.
        likelihood.distance_marginalization, likelihood.priors = True, asked.copy()
        likelihood._marginalized_parameters = ["luminosity_distance"]
        del asked["luminosity_distance"]
        problem = translated(likelihood, asked)
        said = problem.obstacle or ""
        assert ("not inversely proportional" in said) == obstacle, said
