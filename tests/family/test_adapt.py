"""Densities of networks that are adapted to an event by the statistic of the family's waves."""

from __future__ import annotations

import numpy as np
import pytest
from bilby.core.prior import Uniform
from bilby.gw.prior import BBHPriorDict

from bilby_flowpe.errors import SimulationError
from bilby_flowpe.family.adapt import adapt, beside
from bilby_flowpe.family.chart import FamilyChart
from bilby_flowpe.family.pivot import filtered
from bilby_flowpe.family.templates import bodies_of
from bilby_flowpe.importance import summarise
from bilby_flowpe.priors import Parameters, PriorTransform
from bilby_flowpe.proposals.charts import dimension
from bilby_flowpe.proposals.event_mixture import NormalMixture
from bilby_flowpe.proposals.mixture import Shares, defensive
from bilby_flowpe.proposals.parts import Normal
from tests.family.small import ALIGNED, untrained
from tests.family.test_chart import ALONG, FEATURES, OF_FAMILY, PRIORS, TRUTH, chart_of, data


def log_target(chart: FamilyChart, parameters: Parameters) -> np.ndarray:
    """Log of the user's prior and the statistic, made anew."""
    own = {key: parameters[key] for key in chart.keys}
    values = filtered(
        chart.gathered.about(chart.seen.pivot.phases), *chart.templates(bodies_of(chart.of_family(own)))
    ).values
    return chart.transform.log_prob(own, chart.keys) + values


def efficiency(chart: FamilyChart) -> tuple[float, float]:
    """Return the efficiency of the mixture on the statistic, and the log evidence."""
    mixture = defensive(chart, chart.transform, Shares(), chart.density)
    draws = mixture.draw(3000, np.random.default_rng(6))
    there = {key: column[draws.inside] for key, column in draws.parameters.items()}
    log_weights = np.full(3000, -np.inf)
    log_weights[draws.inside] = log_target(chart, there) + draws.log_encoder[draws.inside] - draws.log_q[draws.inside]
    summary = summarise(log_weights)
    return summary.efficiency, summary.log_evidence


@pytest.mark.parametrize("name", ["as the family", "component masses"])
def test_what_a_network_has_not_learnt_is_made_good(name: str) -> None:
    transform = PriorTransform(PRIORS[name])
    model = untrained(ALIGNED, FEATURES[ALIGNED.name], width=2.0)
    model.location[:] = 0.7
    chart = FamilyChart(model, data(), transform, transform.keys, TRUTH, (0, 1))
    assert isinstance(chart.density, Normal)
    before, evidence = efficiency(chart)
    adapt(chart)
    after, same = efficiency(chart)
    assert after > 2 * before and after > 0.4
    # The evidence of the statistic does not depend on what draws: to four times the error of the poorer of both.
    assert abs(same - evidence) < 4 * np.sqrt((1 / before - 1) / 3000)


def test_pairs_with_latent_variables_are_adapted() -> None:
    chart = chart_of("as the family", "cvae+")
    before, _ = efficiency(chart)
    adapt(chart)
    after, _ = efficiency(chart)
    assert chart.density.log_prob(np.zeros((1, dimension(chart)))).shape == (1,)
    assert after > before
    chart.density = Normal(dimension(chart))


def test_a_network_that_draws_nothing_of_the_prior_is_told() -> None:
    """The family's best wave is of a glitch, say, and the user's prior is elsewhere."""
    transform = PriorTransform(BBHPriorDict({**OF_FAMILY, **ALONG, "chirp_mass": Uniform(60, 90)}))
    model = untrained(ALIGNED, FEATURES[ALIGNED.name])
    chart = FamilyChart(model, data(), transform, transform.keys, TRUTH, (0, 1))
    with pytest.raises(SimulationError, match="none of its draws is within the prior"):
        adapt(chart)


def test_a_network_stays_beside_what_precessing_waves_say() -> None:
    chart = chart_of("precessing")
    adapt(chart)
    size = dimension(chart)
    assert isinstance(chart.density, NormalMixture)
    # The last component is the network's own density, of three draws in ten.
    assert chart.density.shares[-1] == pytest.approx(0.3)
    assert not chart.density.means[-1].any() and np.array_equal(chart.density.cholesky[-1], np.eye(size))


def test_two_mixtures_keep_their_shares() -> None:
    one = NormalMixture(np.array([0.25, 0.75]), np.array([[0.0], [4.0]]), np.ones((2, 1, 1)))
    other = NormalMixture(np.ones(1), np.array([[-6.0]]), np.ones((1, 1, 1)))
    both, places = beside(one, other, 0.2), np.linspace(-8, 8, 9)[:, None]
    expected = np.logaddexp(np.log(0.8) + one.log_prob(places), np.log(0.2) + other.log_prob(places))
    assert both.log_prob(places) == pytest.approx(expected)
