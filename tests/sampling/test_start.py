"""The first round of a refinement after a search: about its best rows, and from the prior."""

from __future__ import annotations

import numpy as np
from bilby.core.prior import PriorDict, Uniform

from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.proposals.binary_chart import BinaryChart
from bilby_flowpe.sampling.start import Searched, start_of

KEYS = ("chirp_mass", "mass_ratio", "theta_jn")


def searched(size: int = 2000) -> tuple[Searched, BinaryChart, PriorTransform]:
    """Rows whose ratio depends on two of three parameters."""
    transform = PriorTransform(PriorDict({key: Uniform(0, 1) for key in KEYS}))
    columns = transform.sample(size, np.random.default_rng(1))
    ratios = 100 - 0.5 * ((columns["chirp_mass"] - 0.8) / 0.02) ** 2 - 0.5 * ((columns["mass_ratio"] - 0.3) / 0.1) ** 2
    return Searched(columns, ratios, KEYS[:2]), BinaryChart(transform), transform


def test_half_is_drawn_about_the_best_rows_and_half_from_the_prior() -> None:

    rows, chart, transform = searched()
    start = start_of(rows, chart, transform)
    assert start is not None
    proposal = start.proposal
    assert proposal.names == ("search", "prior")
    draws = proposal.draw_each(np.array([2000, 0]), np.random.default_rng(2))
    means = {key: draws.parameters[key][draws.inside].mean() for key in KEYS}
    spread = {key: draws.parameters[key][draws.inside].std() for key in KEYS}
    assert abs(means["chirp_mass"] - 0.8) < 0.05
    # Wider than the likelihood, by the factor and by the temperature of the rows' weights, and narrower than the prior.
    assert 0.04 < spread["chirp_mass"] < 0.2
    # What the search does not see is drawn from the prior: the standard deviation of a uniform variable, to 3%.
    assert abs(spread["theta_jn"] / np.sqrt(1 / 12) - 1) < 0.05
    # At the best row the density of the mixture is more than that of the prior alone, everywhere at least half of it.
    sample = transform.sample(100, np.random.default_rng(3))
    assert np.all(proposal.log_prob(sample) >= transform.log_prob(sample) + np.log(0.5) - 1e-9)
    best = {"chirp_mass": np.array([0.8]), "mass_ratio": np.array([0.3]), "theta_jn": np.array([0.5])}
    assert proposal.log_prob(best)[0] > 0.5


def test_a_search_that_sees_nothing_is_no_start() -> None:
    rows, chart, transform = searched()
    assert start_of(Searched(rows.columns, rows.log_ratios, ("luminosity_distance",)), chart, transform) is None
    silent = Searched(rows.columns, np.full(2000, -np.inf), rows.seen)
    assert start_of(silent, chart, transform) is None
