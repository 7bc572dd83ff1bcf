"""Mixtures of exact densities, on problems with closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from bilby.core.prior import Constraint, PowerLaw, PriorDict, Uniform
from bilby.gw.prior import BBHPriorDict
from scipy.special import logsumexp
from scipy.stats import norm

from bilby_flowpe.errors import ConfigurationError
from bilby_flowpe.importance import summarise
from bilby_flowpe.kinds import problem_of
from bilby_flowpe.model import TrainedPosterior
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.proposals.charts import PriorChart
from bilby_flowpe.proposals.mixture import Mixture, Shares, concatenate, defensive, flow_alone, posterior_shares
from bilby_flowpe.proposals.parts import BROAD, FLOW, PRIOR, Charted, FromPrior, Normal
from bilby_flowpe.sampling.weighing import Target
from bilby_flowpe.translation.translated import as_it_stands

SIZE = 40_000


class Shift:
    """A chart of the plane: base coordinates are shifted and stretched parameters."""

    keys = ("a", "b")
    latent = ()
    turn = None

    def __init__(self, centre: float = 0.0, scale: float = 0.1) -> None:
        self.centre, self.scale = centre, scale

    def forward(self, parameters):
        base = (np.stack([parameters[key] for key in self.keys], axis=-1) - self.centre) / self.scale
        return base, np.full(len(base), -2 * np.log(self.scale))

    def inverse(self, base, rng):
        columns = base * self.scale + self.centre
        parameters = dict(zip(self.keys, columns.T, strict=True))
        return parameters, np.all(np.abs(columns) <= 1, axis=1)


@pytest.fixture
def transform() -> PriorTransform:
    return PriorTransform(PriorDict({"a": Uniform(-1, 1), "b": Uniform(-1, 1)}))


def log_target(parameters: dict, centre: float = 0.0, scale: float = 0.1) -> np.ndarray:
    """Normalised, inside the prior but for a part in 1e10."""
    return norm(centre, scale).logpdf(parameters["a"]) + norm(centre, scale).logpdf(parameters["b"])


def weights(draws, centre: float = 0.0, scale: float = 0.1) -> np.ndarray:
    return np.where(draws.inside, log_target(draws.parameters, centre, scale) - draws.log_q, -np.inf)


def test_density_of_a_mixture_is_normalised_and_is_what_is_drawn(transform: PriorTransform) -> None:
    """E[f / q] over the draws is the integral of f, for any f: the target's is one."""
    mixture = defensive(Shift(0.05), transform, Shares(0.2, 0.1, 2.0))
    draws = mixture.draw(SIZE, np.random.default_rng(1))
    summary = summarise(weights(draws))
    assert summary.log_evidence == pytest.approx(0, abs=5 * summary.log_evidence_err)
    uniform = np.where(draws.inside, -np.log(4) - draws.log_q, -np.inf)
    assert logsumexp(uniform) - np.log(SIZE) == pytest.approx(0, abs=5 * summarise(uniform).log_evidence_err)
    np.testing.assert_allclose(mixture.log_prob(draws.parameters)[draws.inside], draws.log_q[draws.inside])
    np.testing.assert_allclose(np.bincount(draws.part, minlength=3), SIZE * np.array([0.7, 0.2, 0.1]), atol=1)


def test_numbers_of_the_parts_are_their_shares_on_average(transform: PriorTransform) -> None:
    """Rounded at random: an evidence of few draws would be biased otherwise."""
    mixture = defensive(Shift(), transform, Shares(0.033, 0.004))
    rng = np.random.default_rng(3)
    for size in (1, 7, 500):
        counts = np.array([mixture.allot(size, rng) for _ in range(4000)])
        expected = size * mixture.shares
        assert np.all(counts.sum(axis=1) == size)
        assert np.all(np.abs(counts - expected) < 1)
        # A number of two values a whole apart deviates by a half at most.
        np.testing.assert_allclose(counts.mean(axis=0), expected, atol=5 * 0.5 / 4000**0.5)


@pytest.mark.training
def test_evidence_of_an_exact_flow_does_not_scatter_with_the_number_of_prior_draws(transform: PriorTransform) -> None:
    """A dozen draws without weight among thousands of equal ones: what it scattered by, and its error with it."""
    mixture = defensive(Shift(), transform, Shares(0.005, 0.002))
    seeds, size = 300, 5000
    z, pooled = [], []
    for seed in range(seeds):
        draws = mixture.draw(size, np.random.default_rng(seed))
        log_w = weights(draws)
        run = summarise(log_w, draws.part)
        z.append(run.log_evidence / run.log_evidence_err)
        pooled.append(summarise(log_w).log_evidence_err / run.log_evidence_err)
    # Four standard errors of a mean and a deviation; a number left to chance makes the deviation 2.
    assert abs(np.mean(z)) < 4 / seeds**0.5
    assert abs(np.std(z) - 1) < 4 / (2 * seeds) ** 0.5
    assert np.mean(pooled) > 1.5


def test_a_wrong_density_is_found(transform: PriorTransform) -> None:
    draws = defensive(Shift(), transform, Shares()).draw(SIZE, np.random.default_rng(1))
    summary = summarise(weights(draws) + 0.02)
    assert abs(summary.log_evidence) > 5 * summary.log_evidence_err


@pytest.mark.parametrize("shares", [Shares(0.05, 0.005), Shares(0.2, 0.05, 2.0), Shares(0.0, 0.0)])
def test_a_good_flow_loses_no_more_than_the_shares(transform: PriorTransform, shares: Shares) -> None:
    alone = summarise(weights(flow_alone(Shift()).draw(SIZE, np.random.default_rng(1)))).efficiency
    mixed = summarise(weights(defensive(Shift(), transform, shares).draw(SIZE, np.random.default_rng(1)))).efficiency
    assert alone > 0.999
    assert mixed >= alone * (1 - shares.broad - shares.prior) - 0.005


def test_a_narrow_flow_has_no_variance_alone_and_is_cured(transform: PriorTransform) -> None:
    narrow = Shift(scale=0.05)  # k = 1 - 0.05^2 / 0.1^2
    assert summarise(weights(flow_alone(narrow).draw(SIZE, np.random.default_rng(1)))).pareto_k > 0.6
    cured = summarise(
        weights(defensive(narrow, transform, Shares(0.2, 0.01, 2.0)).draw(SIZE, np.random.default_rng(1)))
    )
    assert cured.pareto_k < 0.5
    assert cured.efficiency > 0.3
    assert cured.log_evidence == pytest.approx(0, abs=5 * cured.log_evidence_err)


def test_a_missed_mode_shows_in_the_shares(transform: PriorTransform) -> None:
    """Half of the posterior lies where the flow never draws: the prior's part holds it, and the evidence is right."""
    draws = defensive(Shift(-0.4), transform, Shares(0.05, 0.05)).draw(SIZE, np.random.default_rng(1))
    one, other = (log_target(draws.parameters, centre) for centre in (-0.4, 0.4))
    both = np.where(draws.inside, np.logaddexp(one, other) - np.log(2) - draws.log_q, -np.inf)
    shares = posterior_shares(draws, both, (FLOW, BROAD, PRIOR))
    assert sum(shares.values()) == pytest.approx(1)
    assert shares[PRIOR] == pytest.approx(0.5, abs=0.1)
    assert summarise(both).log_evidence == pytest.approx(0, abs=5 * summarise(both).log_evidence_err)
    fine = posterior_shares(draws, weights(draws, -0.4), (FLOW, BROAD, PRIOR))
    assert fine[PRIOR] < 0.01


def test_a_turn_draws_both_copies() -> None:
    transform = PriorTransform(PriorDict({"a": Uniform(0, 2), "b": Uniform(-1, 1)}))
    chart = Shift(0.3, 0.05)
    chart.turn = ("a", 1.0, 2.0)
    turned = Mixture([Charted(chart, {FLOW: Normal(2)})], [1.0])
    draws = turned.draw(SIZE, np.random.default_rng(1))
    low = draws.parameters["a"] < 0.8
    assert np.mean(low) == pytest.approx(0.5, abs=5 * 0.5 / SIZE**0.5)
    # Its density at either copy is half of the flow's at the first.
    alone = flow_alone(chart).log_prob({"a": np.array([0.3]), "b": np.array([0.3])})[0]
    both = turned.log_prob({"a": np.array([0.3, 1.3]), "b": np.array([0.3, 0.3])})
    np.testing.assert_allclose(both, alone - np.log(2))
    assert transform.keys == ("a", "b")


def test_prior_part_knows_constraints_and_shapes() -> None:
    priors = PriorDict({"a": Uniform(0, 1), "b": PowerLaw(2, 1, 3), "c": Uniform(0, 1), "order": Constraint(0, 1)})
    priors.conversion_function = _order
    transform = PriorTransform(priors)
    part = FromPrior(transform, ("a", "b", "c"))
    parameters, inside = part.draw(0, 1000, np.random.default_rng(1))
    assert inside.all()
    assert np.all(parameters["a"] >= parameters["c"])
    np.testing.assert_allclose(part.log_prob(parameters)[:, 0], transform.log_prob(parameters))
    alone = FromPrior(transform, ("b",))
    np.testing.assert_allclose(alone.log_prob({"b": np.array([2.0])})[0, 0], np.log(3 * 4 / 26))


def _order(sample: dict) -> dict:
    return {**sample, "order": sample["a"] - sample["c"]}


def test_prior_chart_is_a_bijection_whose_base_is_the_prior(transform_5d: PriorTransform) -> None:
    chart = PriorChart(transform_5d, ("mass_1", "mass_2", "geocent_time"))
    base = np.random.default_rng(1).standard_normal((500, 3))
    parameters, inside = chart.inverse(base, np.random.default_rng(2))
    assert inside.all()
    again, log_jacobian = chart.forward(parameters)
    # GPS times in double precision are 2.4e-7 s apart, of 0.2 s: at four standard deviations, 1e-6 / 1.3e-4.
    np.testing.assert_allclose(again, base, atol=1e-2)
    of_prior = FromPrior(transform_5d, chart.keys).log_prob(parameters)[:, 0]
    np.testing.assert_allclose(Normal(3).log_prob(again) + log_jacobian, of_prior, atol=1e-6)


def test_network_is_a_chart(trained_5d: tuple, problem_5d: tuple) -> None:
    """Base coordinates and back; weights of the mixture give the evidence that those of the flow alone give."""
    model: TrainedPosterior = trained_5d[1]
    transform = PriorTransform(problem_5d[1])
    bound = model.bind(problem_5d[0], transform)
    base = np.random.default_rng(1).standard_normal((300, len(bound.keys)))
    parameters, inside = bound.inverse(base, np.random.default_rng(2))
    again, log_jacobian = bound.forward(parameters)
    np.testing.assert_allclose(again[inside], base[inside], atol=2e-2)
    assert np.all(np.isfinite(log_jacobian[inside]))
    target = Target(as_it_stands(problem_of(problem_5d[0], transform)), True, bound.conditional)
    alone, mixed = (
        summarise(target.draw(proposal, 3000, np.random.default_rng(6)).log_weights)
        for proposal in (flow_alone(bound), bound.mixture())
    )
    error = np.hypot(alone.log_evidence_err, mixed.log_evidence_err)
    assert error < 0.3
    assert mixed.log_evidence == pytest.approx(alone.log_evidence, abs=4 * error)


def test_blocks_put_together(transform: PriorTransform) -> None:
    mixture = defensive(Shift(), transform, Shares())
    blocks = [mixture.draw(100, np.random.default_rng(seed)) for seed in (1, 2)]
    whole = concatenate(blocks)
    assert len(whole) == 200
    np.testing.assert_array_equal(whole.log_q, np.concatenate([block.log_q for block in blocks]))


@pytest.mark.parametrize("shares", [{"broad": 0.9, "prior": 0.1}, {"broad": -0.1}, {"width": 0.9}, {"width": np.nan}])
def test_shares_are_checked(shares: dict) -> None:
    with pytest.raises(ConfigurationError, match="give"):
        Shares(**shares)


def test_mixture_wants_shares_that_sum_to_one(transform: PriorTransform) -> None:
    with pytest.raises(ConfigurationError, match="summing to 1"):
        Mixture([FromPrior(transform, ("a", "b"))], [0.9])


def test_the_prior_tells_what_is_outside() -> None:
    """Beyond the last quantile, or where a constraint is broken; each is enough."""
    priors = BBHPriorDict({"mass_1": Uniform(10, 50), "mass_2": Uniform(20, 60), "mass_ratio": Constraint(0, 1)})
    chart = PriorChart(PriorTransform(priors))
    base = np.array([[1.5, -1.5], [40.0, -1.5], [np.inf, -1.5], [-1.5, 1.5]])
    _, inside = chart.inverse(base, np.random.default_rng(0))
    assert inside.tolist() == [True, False, False, False]
