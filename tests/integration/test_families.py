"""Tests that hardly trained networks of every family give the right evidence by their weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bilby_flowpe.importance import summarise
from bilby_flowpe.kinds import problem_of
from bilby_flowpe.model import TrainedPosterior
from bilby_flowpe.networks.families import FAMILIES
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.proposals.mixture import flow_alone, marginal_log_prob
from bilby_flowpe.sampling.weighing import Target
from bilby_flowpe.sampling.weighted import WeightedDraws
from bilby_flowpe.training.build import train_model
from bilby_flowpe.translation.translated import as_it_stands
from tests.trained import small_settings

DRAWS = 1200


@pytest.fixture(scope="module", params=sorted(FAMILIES))
def model(
    request: pytest.FixtureRequest, problem_5d: tuple, tmp_path_factory: pytest.TempPathFactory
) -> TrainedPosterior:
    settings = small_settings(steps=250)
    network = replace(settings.network, family=request.param, gaussian_features=(64, 64), latent=4)
    trained = train_model(*problem_5d, replace(settings, network=network), progress=False)
    return TrainedPosterior.load(trained.save(tmp_path_factory.mktemp("family") / "model"))


@pytest.fixture(scope="module")
def reference(problem_5d: tuple, trained_5d: tuple[Path, TrainedPosterior]) -> tuple[float, float]:
    """ln Z and its error, by a network that stands apart."""
    summary = summarise(draw(trained_5d[1], problem_5d, 4000).log_weights)
    return summary.log_evidence, summary.log_evidence_err


def draw(model: TrainedPosterior, problem: tuple, size: int, alone: bool = False) -> WeightedDraws:
    transform = PriorTransform(problem[1])
    bound = model.bind(problem[0], transform)
    target = Target(as_it_stands(problem_of(problem[0], transform)), True, bound.conditional)
    proposal = flow_alone(bound) if alone else bound.mixture()
    return target.draw(proposal, size, np.random.default_rng(1))


@pytest.mark.parametrize("alone", [True, False], ids=["flow alone", "mixture"])
def test_evidence(model: TrainedPosterior, problem_5d: tuple, reference: tuple[float, float], alone: bool) -> None:
    weighted = draw(model, problem_5d, DRAWS, alone)
    summary = summarise(weighted.log_weights)
    assert summary.efficiency > 0.02
    error = np.hypot(summary.log_evidence_err, reference[1])
    assert abs(summary.log_evidence - reference[0]) < 4 * error
    assert set(weighted.parameters) == set(PriorTransform(problem_5d[1]).keys)


def test_base_and_density_of_pairs(model: TrainedPosterior, problem_5d: tuple) -> None:
    """Through the base space and back, and the density that draws are given."""
    bound = model.bind(problem_5d[0], PriorTransform(problem_5d[1]))
    proposal = flow_alone(bound)
    draws = proposal.draw(200, np.random.default_rng(2))
    assert len(bound.latent) == model.network.latent
    assert set(draws.parameters) == {*bound.keys, *bound.latent}
    base, _ = bound.forward(draws.parameters)
    again, _ = bound.inverse(base, np.random.default_rng(3))
    for key, column in draws.parameters.items():
        np.testing.assert_allclose(again[key][draws.inside], column[draws.inside], rtol=2e-3, atol=2e-3)
    if not bound.latent:
        np.testing.assert_array_equal(draws.log_encoder, 0.0)
        assert proposal.encoder is None
    else:
        assert np.all(np.isfinite(draws.log_encoder[draws.inside]))
        # The encoder's own draws have the density that it says: pairs made either way give the same density of x.
        few = {key: draws.parameters[key][draws.inside][:3] for key in bound.keys}
        one, other = (marginal_log_prob(proposal, few, 4000, np.random.default_rng(seed)) for seed in (4, 5))
        np.testing.assert_allclose(one, other, atol=0.3)
