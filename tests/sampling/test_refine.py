"""Refinement from the prior and from a poor start, on posteriors with closed forms."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from bilby.core.likelihood import Likelihood
from bilby.core.prior import Gaussian, PriorDict, Uniform
from scipy.stats import norm

from bilby_flowpe.importance import effective_sample_size, summarise
from bilby_flowpe.kinds import problem_of
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.proposals import event_flow, spline_flow
from bilby_flowpe.proposals.charts import PriorChart
from bilby_flowpe.proposals.event_flow import fit_event_flow, thinned
from bilby_flowpe.proposals.mixture import Shares, defensive
from bilby_flowpe.proposals.parts import Normal
from bilby_flowpe.sampling.budget import Budget
from bilby_flowpe.sampling.pool import Pool
from bilby_flowpe.sampling.refine import Refinement
from bilby_flowpe.sampling.search import LocalSearch
from bilby_flowpe.sampling.weighing import Target
from bilby_flowpe.translation.translated import as_it_stands

HALF = 5.0


class Normals(Likelihood):
    """Normals of one width around some centres, normalised over the plane."""

    def __init__(self, centres: tuple[float, ...], width: float = 0.1) -> None:
        super().__init__()
        self.centres, self.width = centres, width

    def log_likelihood(self, parameters: dict | None = None) -> float:
        terms = [sum(norm(centre, self.width).logpdf(parameters[key]) for key in ("a", "b")) for centre in self.centres]
        return float(np.logaddexp.reduce(terms) - np.log(len(terms)))


class Fast(Normals):
    """The same without the overhead of scipy's distributions."""

    def log_likelihood(self, parameters: dict | None = None) -> float:
        point = np.array([parameters["a"], parameters["b"]])
        terms = [-0.5 * np.sum((point - c) ** 2) / self.width**2 for c in self.centres]
        return float(np.logaddexp.reduce(terms) - np.log(len(terms)) - np.log(2 * np.pi * self.width**2))


LOG_Z = -2 * np.log(2 * HALF)


class Start:
    """A network's place taken by a normal."""

    keys = ("a", "b")
    latent = ()
    turn = None

    def __init__(self, centre: float, scale: float, reach: float = np.inf) -> None:
        self.centre, self.scale, self.reach = centre, scale, reach

    def forward(self, parameters):
        base = (np.stack([parameters[key] for key in self.keys], axis=-1) - self.centre) / self.scale
        far = np.any(np.abs(base) * self.scale > self.reach, axis=1)
        return base, np.where(far, -np.inf, -2 * np.log(self.scale))

    def inverse(self, base, rng):
        columns = base * self.scale + self.centre
        inside = np.all((np.abs(columns) <= HALF) & (np.abs(base) * self.scale <= self.reach), axis=1)
        return dict(zip(self.keys, columns.T, strict=True)), inside


def target(likelihood: Likelihood) -> Target:
    transform = PriorTransform(PriorDict({"a": Uniform(-HALF, HALF), "b": Uniform(-HALF, HALF)}))
    return Target(as_it_stands(problem_of(likelihood, transform)), use_ratio=False)


def refined(likelihood: Likelihood, start: Start | None, seed: int = 1, most: int = 200_000) -> tuple:
    aim = target(likelihood)
    rng = np.random.default_rng(seed)
    refinement = Refinement(aim, start, 2000, Budget(most), rng)
    if start is not None:
        proposal = defensive(start, aim.prior, Shares())
        refinement.add(aim.draw(proposal, 1000, rng), proposal)
    ready = refinement.run()
    batch = aim.draw(refinement.proposal, max(refinement.draws_for(2000), 1), rng)
    return ready, refinement, batch


def test_the_fast_likelihood_is_the_plain_one() -> None:
    row = {"a": 0.3, "b": -0.1}
    assert Fast((0.2, -1.0)).log_likelihood(row) == pytest.approx(Normals((0.2, -1.0)).log_likelihood(row))


@pytest.mark.training
@pytest.mark.parametrize("centres", [(1.0,), (-2.0, 3.0)])
def test_from_the_prior(centres: tuple[float, ...]) -> None:
    ready, refinement, batch = refined(Fast(centres), None)
    assert ready
    assert refinement.started_from == "prior"
    summary = summarise(batch.log_weights)
    assert summary.log_evidence == pytest.approx(LOG_Z, abs=5 * summary.log_evidence_err)
    assert summary.effective_sample_size > 1000
    assert summary.pareto_k < 0.7
    weights = np.exp(batch.log_weights - batch.log_weights.max())
    near = weights[batch.parameters["a"] < 0.5].sum() / weights.sum()
    assert near == pytest.approx(0.0 if centres == (1.0,) else 0.5, abs=0.05)
    statistics = refinement.statistics()
    assert statistics["start"] == "prior"
    temperatures = statistics["rounds"]["inverse_temperature"]
    assert temperatures == sorted(temperatures)
    assert temperatures[-1] == 1.0


@pytest.mark.training
@pytest.mark.parametrize(
    ("start", "name"),
    [
        (Start(1.0, 0.3), "network"),  # too wide
        (Start(1.0, 1.0), "prior"),  # far too wide
        (Start(1.1, 0.1), "network"),  # shifted by a sigma
        (Start(-3.0, 0.05, reach=1.0), "prior"),  # cannot reach the posterior
    ],
)
def test_from_a_poor_network(start: Start, name: str) -> None:
    ready, refinement, batch = refined(Fast((1.0,)), start)
    assert ready
    assert refinement.started_from == name
    summary = summarise(batch.log_weights)
    assert summary.log_evidence == pytest.approx(LOG_Z, abs=5 * summary.log_evidence_err)
    assert summary.efficiency > 0.2


def test_a_budget_that_ends_is_kept_and_said() -> None:
    ready, refinement, batch = refined(Fast((1.0,), width=0.001), None, most=6000)
    assert not ready
    assert refinement.target.meter.n_likelihood <= 6000
    assert len(batch.log_weights) >= 1
    late = Refinement(target(Fast((1.0,))), None, 100, Budget(10**6, seconds=1e-9), np.random.default_rng(0))
    assert not late.run()


@pytest.mark.training
def test_event_flow_is_a_density_and_learns_a_bend() -> None:
    rng = np.random.default_rng(3)
    x = rng.standard_normal(4000)
    points = np.stack([x, x**2 + 0.3 * rng.standard_normal(4000)], axis=-1)
    flow = fit_event_flow(points, np.zeros(4000), rng, steps=400)
    draws = flow.draw(20_000, np.random.default_rng(1))
    exact = norm.logpdf(draws[:, 0]) + norm.logpdf(draws[:, 1], draws[:, 0] ** 2, 0.3)
    log_weights = exact - flow.log_prob(draws)
    summary = summarise(log_weights)
    assert summary.log_evidence == pytest.approx(0, abs=max(5 * summary.log_evidence_err, 0.02))
    normal = np.cov(points.T)
    cholesky = np.linalg.cholesky(normal)
    plain = points.mean(axis=0) + Normal(2).draw(20_000, np.random.default_rng(1)) @ cholesky.T
    log_q = (
        Normal(2).log_prob(np.linalg.solve(cholesky, (plain - points.mean(axis=0)).T).T)
        - np.log(np.diag(cholesky)).sum()
    )
    of_normal = norm.logpdf(plain[:, 0]) + norm.logpdf(plain[:, 1], plain[:, 0] ** 2, 0.3) - log_q
    assert summary.efficiency > 1.5 * effective_sample_size(of_normal) / 20_000


def test_divergence_is_the_closed_form() -> None:
    """The divergence of normal densities of two widths is estimated from points; far points without weight change nothing."""
    rng = np.random.default_rng(5)
    width, size = 1.3, 100_000
    points = width * rng.standard_normal((size, 1))
    points[:3] = 1e4
    weights = np.r_[np.zeros(3), np.full(size - 3, 1.0)]
    log_density = norm.logpdf(points[:, 0], 0, width) + 7.0
    expected = np.log(1 / width) + 0.5 * (width**2 - 1)
    # One over the root of the number of points, times a spread of about one.
    assert event_flow._divergence(Normal(1), points, weights, log_density) == pytest.approx(expected, abs=5 / size**0.5)


@pytest.mark.training
@pytest.mark.parametrize("bent", [False, True])
def test_a_flow_is_trained_only_where_normals_do_not_do(monkeypatch: pytest.MonkeyPatch, bent: bool) -> None:
    trained = []
    train = spline_flow.fit_spline_flow
    monkeypatch.setattr(spline_flow, "fit_spline_flow", lambda *arguments: (trained.append(1), train(*arguments))[1])
    rng = np.random.default_rng(6)
    x = rng.standard_normal(3000)
    points = np.stack([x, bent * x**2 + 0.1 * rng.standard_normal(3000)], axis=-1)
    log_density = norm.logpdf(x) + norm.logpdf(points[:, 1], bent * x**2, 0.1)
    event_flow.fit_event_flow(points, np.zeros(3000), rng, 50, log_density, enough=0.02)
    assert bool(trained) == bent
    # Without a density to hold it against the mixture is never enough.
    event_flow.fit_event_flow(points, np.zeros(3000), rng, 50)
    assert len(trained) == 1 + bent


@pytest.mark.training
def test_event_flow_of_few_points_is_a_normal() -> None:
    """Held-out points decide: ten of them make no flow."""
    rng = np.random.default_rng(4)
    points = rng.standard_normal((12, 3))
    flow = fit_event_flow(points, np.zeros(12), rng, steps=200)
    assert np.all(np.isfinite(flow.log_prob(points)))
    heavy = np.full(500, -np.inf)
    heavy[:2] = 0.0
    assert np.all(np.isfinite(fit_event_flow(rng.standard_normal((500, 2)), heavy, rng, 50).draw(5, rng)))


# What leads nowhere --------------------------------------------------------------------------------------------------


def standing_still(monkeypatch: pytest.MonkeyPatch, width: float) -> Refinement:
    """Rounds of which none raises the inverse temperature."""
    monkeypatch.setattr(Refinement, "_next_beta", lambda self: 0.01)
    # What is fitted on the way does not matter.
    monkeypatch.setattr("bilby_flowpe.sampling.fits._STEPS", 5)
    monkeypatch.setattr("bilby_flowpe.sampling.fits._LAST_STEPS", 25)
    aim = target(Fast((1.0,), width))
    rng = np.random.default_rng(1)
    return Refinement(aim, None, 100, Budget(40_000), rng)


@pytest.mark.training
def test_rounds_that_gain_nothing_end_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """After one local search, which is not allowed to help here."""
    monkeypatch.setattr("bilby_flowpe.sampling.refine._HIT", np.inf)
    refinement = standing_still(monkeypatch, 1e-4)
    assert not refinement.run()
    assert "stands still at an inverse temperature of 0.01" in refinement.unfinished
    assert "local search" in refinement.proposal.names or len(refinement.rounds) == 9
    assert refinement.target.meter.n_likelihood < 20_000


@pytest.mark.training
def test_a_local_search_takes_a_path_that_stands_still_to_the_posterior(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mode of a share of 3e-9 of the square, which no draw of the prior meets."""
    refinement = standing_still(monkeypatch, 1e-4)
    monkeypatch.setattr(Refinement, "_next_beta", lambda self: 0.01 if self._beta < 1 else 1.0)
    assert refinement.run()
    summary = refinement.target.draw(refinement.proposal, 500, refinement.rng).summary()
    assert summary.log_evidence == pytest.approx(LOG_Z, abs=5 * summary.log_evidence_err)
    assert summary.efficiency > 0.3


def test_a_local_search_finds_modes_and_their_widths() -> None:
    """Two, from points at a distance of a few widths, with the covariance that they have."""
    covariance = np.array([[1e-6, 0.9e-5], [0.9e-5, 1e-4]])
    inverse = np.linalg.inv(covariance)
    transform = PriorTransform(PriorDict({"a": Gaussian(0, 1), "b": Gaussian(0, 1)}))

    class Sheared(Likelihood):
        def log_likelihood(self, parameters: dict | None = None) -> float:
            point = np.array([parameters["a"], parameters["b"]])
            terms = [-0.5 * (point - c) @ inverse @ (point - c) for c in (-1.0, 0.5)]
            return float(np.logaddexp.reduce(terms))

    aim = Target(as_it_stands(problem_of(Sheared(), transform)), use_ratio=False)
    climber = LocalSearch(aim, PriorChart(transform), np.random.default_rng(2), lambda size: True)
    points = np.array([[-1.003, -1.02], [0.498, 0.49], [2.0, 2.0]])
    log_density = climber.evaluated(points)
    found = climber(points, log_density, 50)
    for centre in (-1.0, 0.5):
        near = np.argmin(np.linalg.norm(found.means - centre, axis=1))
        # A mean of fifty draws, of which at least a quarter counts, scatters by 0.3 of a width: three times that.
        assert np.all(np.abs(found.means[near] - centre) < np.sqrt(np.diag(covariance)))
        ratio = found.cholesky[near] @ found.cholesky[near].T @ inverse
        assert np.all(np.abs(np.linalg.eigvals(ratio)) < 3) and np.all(np.abs(np.linalg.eigvals(ratio)) > 0.3)
    assert (
        LocalSearch(aim, PriorChart(transform), np.random.default_rng(2), lambda size: False)(points, log_density, 50)
        is None
    )


def test_points_of_a_fit_are_thinned_without_a_bias() -> None:
    """Heavy points stay, sums keep their mean, and few points are left as they are."""
    rng = np.random.default_rng(3)
    weights = rng.exponential(size=5000) ** 3
    weights /= weights.sum()
    value = rng.standard_normal(5000)
    kept, same = thinned(weights, 5000, rng)
    assert len(kept) == 5000 and np.array_equal(same, weights)
    estimates = []
    for _ in range(400):
        kept, fewer = thinned(weights, 500, rng)
        assert len(kept) < 600
        assert np.argmax(weights) in kept
        estimates.append(fewer @ value[kept])
    assert np.mean(estimates) == pytest.approx(weights @ value, abs=5 * np.std(estimates) / 20)


def test_the_pool_keeps_the_first_batch_and_the_latest() -> None:
    """The rest is weighed by the density that drew it: the evidence is unbiased whatever was removed."""
    aim = target(Fast((1.0,)))
    rng = np.random.default_rng(1)
    pool, shares = Pool(), np.linspace(0.1, 0.9, 20)
    proposals = [defensive(Start(1.0, 0.1 + 0.02 * i), aim.prior, Shares(prior=float(shares[i]))) for i in range(20)]
    for proposal in proposals:
        pool.add(aim.draw(proposal, 200, rng), proposal)
    assert pool.proposals == [proposals[0], *proposals[5:]]
    summary = summarise(pool.log_weights(pool.log_target))
    assert summary.n_draws == 16 * 200
    assert summary.log_evidence == pytest.approx(LOG_Z, abs=5 * summary.log_evidence_err)


def test_without_a_round_there_are_no_weights() -> None:
    """A budget may leave no round; of several the most even weights tell how large the next batch has to be."""
    refinement = Refinement.__new__(Refinement)
    refinement.pool, refinement.rounds = Pool(), []
    assert len(refinement.log_weights) == 0
    poor, good = np.append(np.zeros(99), 12.0), np.zeros(50)
    refinement.pool.batches = [SimpleNamespace(log_weights=poor), SimpleNamespace(log_weights=good)]
    refinement.rounds = [SimpleNamespace(inverse_temperature=1.0)] * 2
    assert len(refinement.log_weights) == 50
