"""The first round of a refinement after a search: about its best rows, and from the prior."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from bilby.core.prior import PriorDict, Uniform

from bilby_flowpe.priors import Parameters, PriorTransform
from bilby_flowpe.proposals.binary_chart import BinaryChart
from bilby_flowpe.proposals.event_mixture import NormalMixture
from bilby_flowpe.proposals.parts import Normal
from bilby_flowpe.sampling.hills import Hills
from bilby_flowpe.sampling.start import Searched, network_and_hills, start_of

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


class Tent:
    """A network's place taken by a normal density about the best row, in the prior's coordinates."""

    keys, turn = KEYS, None

    def __init__(self, chart: BinaryChart, latent: tuple[str, ...] = ()) -> None:
        self._chart, self.latent = chart, latent
        self.density, self.can_start = Normal(3 + len(latent)), not latent
        self._centre = chart.forward(
            {"chirp_mass": np.array([0.8]), "mass_ratio": np.array([0.3]), "theta_jn": np.array([0.5])}
        )[0]

    def forward(self, parameters: Parameters) -> tuple[np.ndarray, np.ndarray]:
        base, log_jacobian = self._chart.forward(parameters)
        return (base - self._centre) / 0.2, log_jacobian - 3 * np.log(0.2)

    def inverse(self, base: np.ndarray, rng: np.random.Generator) -> tuple[Parameters, np.ndarray]:
        return self._chart.inverse(0.2 * base + self._centre, rng)

    def cut(self, parameters: Parameters, log_weights: np.ndarray) -> float:
        return 0.0

    def encode(self, parameters: Parameters, rng: np.random.Generator) -> Parameters:
        return {key: rng.standard_normal(len(parameters["chirp_mass"])) for key in self.latent}

    def log_encoder(self, parameters: Parameters) -> np.ndarray:
        return np.zeros(len(parameters["chirp_mass"]))


def hills_at(*places: float) -> Hills:
    """Hills of some chirp masses, in the prior's coordinates."""
    means = np.array([[place, 0.0, 0.0] for place in places])
    roots = np.tile(0.1 * np.eye(3), (len(places), 1, 1))
    density = NormalMixture(np.full(len(places), 1 / len(places)), means, roots)
    return SimpleNamespace(density=density, values=np.full(len(places), 50.0), templates=0)


def test_a_network_the_hills_and_the_prior() -> None:
    _, chart, transform = searched()
    network = Tent(chart)
    mixture = network_and_hills(network, chart, transform, hills_at(0.8, -1.0), 0.1)
    assert mixture.names == ("flow", "broadened flow", "hills", "prior")
    assert mixture.shares.sum() == 1 and mixture.shares[2] == 0.1
    # The hills' share is taken from all others alike.
    usual = network_and_hills(network, chart, transform, None, 0.1)
    assert usual.names == ("flow", "broadened flow", "prior") and usual.shares[-1] == 0.1
    np.testing.assert_allclose(np.delete(mixture.shares, 2), 0.9 * usual.shares)
    # The prior's density in its own coordinates is that of a standard normal; so is the mixture's, one where it is a density.
    draws = mixture.draw(4000, np.random.default_rng(4))
    weights = np.exp(np.where(draws.inside, transform.log_prob(draws.parameters) - draws.log_q, -np.inf))
    assert abs(weights.mean() - 1) < 4 * weights.std() / np.sqrt(len(weights))
    # Where the second hill is and the network is not there are draws: a tenth of the half that each hill has.
    low = chart.forward(draws.parameters)[0][:, 0] < -0.7
    assert low.mean() > 0.05


@pytest.mark.parametrize("hills", [None, hills_at(0.8)])
def test_of_one_hill_a_network_has_its_own_draws(hills: Hills | None) -> None:
    _, chart, transform = searched()
    assert network_and_hills(Tent(chart), chart, transform, hills, 0.1).names == ("flow", "broadened flow", "prior")


def test_pairs_with_latent_variables_are_not_mixed_with_hills() -> None:
    _, chart, transform = searched()
    mixture = network_and_hills(Tent(chart, ("latent[0]",)), chart, transform, hills_at(0.8, -1.0), 0.1)
    assert "hills" not in mixture.names and mixture.encoder is not None


def test_a_refinement_begins_at_a_network() -> None:
    rows, chart, transform = searched()
    network, hills = Tent(chart), hills_at(0.8, -1.0)
    start = start_of(rows, chart, transform, network, hills)
    assert start is not None and start.chart is network and start.hills is hills
    assert start.proposal.names == ("flow", "broadened flow", "hills", "prior")
    # A tenth of the prior, of what the hills leave.
    assert start.proposal.shares[-1] == pytest.approx(0.09)
    assert start.path is start.proposal.parts[0] and start.templates == 0 and start.better is None
