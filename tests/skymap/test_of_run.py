"""Candidates of a run: moments of the distance, what stands in their way, and priors that were asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ive

from bilby_flowpe.conditional.amplitudes import Amplitudes, KnownAmplitude
from bilby_flowpe.conditional.closed_form import ExactConditional
from bilby_flowpe.conditional.coherent import CoherentConditional
from bilby_flowpe.kinds import problem_of
from bilby_flowpe.skymap import of_run
from bilby_flowpe.skymap.of_run import candidates_of_run, obstacle
from bilby_flowpe.translation.forms import Forms
from bilby_flowpe.translation.translated import as_it_stands
from tests.conditional.test_coherent import ALL, CONFIGS, NO_DISTANCE, case


class Northern:
    """A prior that was asked for: only places north of a border, or only near ones."""

    def __init__(self, key: str, least: float) -> None:
        self.key, self.least = key, least

    def back(self, parameters: dict) -> dict:
        return parameters

    def log_ratio(self, plain: dict, asked: dict) -> np.ndarray:
        return np.where(plain[self.key] > self.least, 0.0, -np.inf)


@pytest.fixture(scope="module")
def event(make_problem_hl: Callable):
    """The problem, conditionals by name, and draws of the posterior given the true masses and spins."""
    likelihood, transform = case(make_problem_hl)
    translated = as_it_stands(problem_of(likelihood, transform.priors))
    truth, rows = likelihood.injection_parameters, {}
    conditionals = {name: CoherentConditional(config, transform) for name, config in CONFIGS.items()}
    for name in ("all", "no distance"):
        conditional, rng = conditionals[name], np.random.default_rng(3)
        row = {**truth, **conditional.reference}
        drawn = conditional.draw(
            np.array(conditional.task(likelihood).many(conditional.task_rows([row] * 40, rng))), rng
        )
        rows[name] = {
            key: np.full(40, value) for key, value in truth.items() if key in transform.keys
        } | drawn.parameters
    return translated, conditionals, rows


def test_moments_of_the_distance_are_those_by_quadrature(transform_hl) -> None:
    amplitudes = ExactConditional(replace(ALL, keys=("phase", "luminosity_distance")), transform_hl).amplitudes
    assert isinstance(amplitudes, Amplitudes)
    prior = transform_hl.priors["luminosity_distance"]
    rng = np.random.default_rng(1)
    # Signal-to-noise ratios seen, and those of the reference distance.
    seen, norm = rng.uniform(4, 25, (30, 6)), rng.uniform(5, 20, (30, 6)) ** 2
    kappa = seen * np.sqrt(norm)
    mean, square = of_run._moments(amplitudes, kappa, norm, np.ones(kappa.shape, dtype=bool))
    distances = np.linspace(prior.minimum, prior.maximum, 40_001)
    for index in np.ndindex(3, 6):
        amplitude = amplitudes.reference["luminosity_distance"] / distances
        loud = amplitude * kappa[index]
        log_density = np.log(ive(0, loud)) + loud - 0.5 * amplitude**2 * norm[index] + prior.ln_prob(distances)
        weight = np.exp(log_density - log_density.max())
        weight /= weight.sum()
        assert mean[index] == pytest.approx(weight @ distances, rel=4e-3)
        assert square[index] == pytest.approx(weight @ distances**2, rel=8e-3)
    assert of_run._moments(KnownAmplitude(), kappa, norm, kappa > 0)[0].max() == 1.0


@pytest.mark.training
def test_candidates_of_rows(event) -> None:
    translated, conditionals, rows = event
    found = candidates_of_run(conditionals["all"], translated, rows["all"], np.random.default_rng(1))
    assert found is not None and len(np.unique(found.row)) == 40
    assert found.effective > 300 and found.weight.sum() == pytest.approx(1.0)
    own = rows["all"]["luminosity_distance"]
    deviation = np.sqrt(found.weight @ found.square - (found.weight @ found.distance) ** 2)
    assert found.weight @ found.distance == pytest.approx(own.mean(), abs=4 * own.std() / np.sqrt(40))
    assert deviation == pytest.approx(own.std(), rel=0.5)
    # Not drawn given the wave, the distance of each row is its own.
    some = {key: column[:10] for key, column in rows["no distance"].items()}
    found = candidates_of_run(conditionals["no distance"], translated, some, np.random.default_rng(1))
    assert found.distance == pytest.approx(some["luminosity_distance"][found.row]) and found.square == pytest.approx(
        found.distance**2
    )


@pytest.mark.training
def test_a_prior_of_the_place_that_was_asked_for_is_in_the_weights(event) -> None:
    translated, conditionals, rows = event
    border = float(np.median(rows["all"]["dec"]))
    north = replace(translated, forms=Forms((Northern("dec", border),)))
    those = rows["all"]["dec"] > border
    assert 3 < those.sum() < 40
    some = {key: column[those] for key, column in rows["all"].items()}
    assert obstacle(conditionals["all"], north, some) is None
    found = candidates_of_run(conditionals["all"], north, some, np.random.default_rng(1))
    assert found.dec[found.weight > 0].min() > border
    without = candidates_of_run(conditionals["all"], translated, some, np.random.default_rng(1))
    assert without.weight[without.dec < border].sum() > 0.1


def test_what_stands_in_the_way(event) -> None:
    translated, conditionals, rows = event
    of_rows, coherent = rows["all"], conditionals["all"]
    assert obstacle(coherent, translated, of_rows) is None
    assert "not drawn from its conditional" in obstacle(None, translated, of_rows)
    assert "differs from the one" in obstacle(coherent, replace(translated, corrects=True), of_rows)
    assert "no rows" in obstacle(coherent, translated, {key: column[:0] for key, column in of_rows.items()})
    middle = float(np.median(of_rows["luminosity_distance"]))
    tied = replace(translated, forms=Forms((Northern("luminosity_distance", middle),)))
    assert "luminosity_distance" in obstacle(coherent, tied, of_rows)
    assert candidates_of_run(coherent, tied, of_rows, np.random.default_rng(1)) is None
    assert NO_DISTANCE.keys == conditionals["no distance"].keys
