"""Coordinates and a density of a long signal by turns: of a wave without noise, and where there are none."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from bilby.core.prior import PriorDict, Uniform

from bilby_flowpe.priors import Parameters, PriorTransform
from bilby_flowpe.proposals.binary_chart import BinaryChart
from bilby_flowpe.proposals.event_mixture import NormalMixture
from bilby_flowpe.proposals.mixture import Mixture
from bilby_flowpe.proposals.parts import Charted
from bilby_flowpe.sampling.pool import Pool
from bilby_flowpe.sampling.search_density import SearchDensity, over_all, search_density
from bilby_flowpe.waves.coarse.metric import Drawn

FREQUENCIES = np.geomspace(25.0, 1000.0, 60)
POWER = FREQUENCIES ** (-7 / 3 + 1) / np.sum(FREQUENCIES ** (-7 / 3 + 1))
SUN = 4.925491e-6  # seconds
TRUTH = {"chirp_mass": 1.2, "mass_ratio": 0.8, "chi_1": 0.01}
SNR = 25.0
KEYS = ("chirp_mass", "mass_ratio", "chi_1", "theta_jn")


def phases(columns: Parameters) -> np.ndarray:
    """Return the phases (radians) of an inspiral at leading order and the next orders, by mass ratio and spin, (N, F)."""
    eta = (columns["mass_ratio"] / (1 + columns["mass_ratio"]) ** 2)[:, None]
    x = (np.pi * SUN * columns["chirp_mass"][:, None] * FREQUENCIES) ** (1 / 3)
    first = (3715 / 756 + 55 * eta / 9) * eta**-0.4 * x**-3
    return 3 / 128 * (x**-5 + first + (113 / 3 * columns["chi_1"][:, None] - 16 * np.pi) * eta**-0.6 * x**-2)


class Stage:
    """Templates of these phases, and data of one of them without noise."""

    fixed: dict[str, float] = {}

    def drawn(self, columns: Parameters) -> Drawn:
        made = phases(columns)
        return Drawn(FREQUENCIES, np.zeros(made.shape), made, np.tile(POWER, (len(made), 1)))

    def changes(self, rows: list[dict[str, float]]) -> Drawn:
        return self.drawn({key: np.array([row[key] for row in rows]) for key in rows[0]})

    def ratios(self, columns: Parameters) -> np.ndarray:
        """The signal's, less half the squared phases that a constant and a slope leave."""
        change = phases(columns) - phases({key: np.array([value]) for key, value in TRUTH.items()})
        basis = np.linalg.qr((np.stack([np.ones(60), FREQUENCIES]) * np.sqrt(POWER)).T)[0]
        weighted = change * np.sqrt(POWER)
        left = weighted - (weighted @ basis) @ basis.T
        return 0.5 * SNR**2 * np.maximum(1 - np.sum(left**2, axis=1), 0.0)


STAGE = Stage()


def found_with(half: float, below: float = 0.0) -> SearchDensity | None:
    """About rows so far below the largest statistic at least, with a prior of this half width of chirp masses."""
    mass = Uniform(1.2 - half, 1.2 + half)
    priors = {
        "chirp_mass": mass,
        "mass_ratio": Uniform(0.3, 1),
        "chi_1": Uniform(-0.05, 0.05),
        "theta_jn": Uniform(0, 1),
    }
    transform, rng, stage = PriorTransform(PriorDict(priors)), np.random.default_rng(1), STAGE
    chart, size = BinaryChart(transform), 600
    columns = transform.sample(size, rng)
    columns["chirp_mass"] = np.clip(1.2 + 2e-4 * rng.standard_normal(size), 1.2 - 0.99 * half, 1.2 + 0.99 * half)
    columns["mass_ratio"] = rng.uniform(0.7, 0.9, size)
    ratios = stage.ratios(columns)
    some = ratios <= 0.5 * SNR**2 - below
    columns, ratios = {key: column[some] for key, column in columns.items()}, ratios[some]
    weights = np.exp(0.05 * (ratios - ratios.max()))
    bank, seen = SimpleNamespace(stages=(stage,), fixed={}), np.array([True, True, True, False])
    return search_density(bank, columns, ratios, weights / weights.sum(), seen, chart, transform)


def test_draws_have_the_statistic_of_the_posterior() -> None:
    found, stage = found_with(0.01), STAGE
    assert found is not None
    draws, inside = found.chart.inverse(found.density.draw(2000, np.random.default_rng(2)), np.random.default_rng(3))
    below = stage.ratios({key: np.array([value]) for key, value in TRUTH.items()})[0] - stage.ratios(draws)
    # Three parameters: half a chi-squared of as many degrees of freedom, broadened; the prior's draws are hundreds below.
    assert np.median(below[inside]) < 6
    # In these coordinates the density is simple; the mass itself hangs on the others a hundred times more than its width.
    base, _ = found.chart.forward({key: column[inside] for key, column in draws.items()})
    curve = np.log(draws["chirp_mass"][inside])
    assert base[:, 0].std() * found.chart.scale < 0.3 * curve.std()
    # What the search does not see is as in the prior.
    assert base[:, 3].std() == pytest.approx(1.0, abs=0.06)


def test_a_wave_that_fits_far_better_than_the_best_row_is_told() -> None:
    assert found_with(0.01).better is None  # rows near the truth are among those of the search
    found = found_with(0.01, below=20.0)
    assert found is not None
    assert found.better is not None
    columns = {key: np.array([found.better[key]]) for key in KEYS}
    assert STAGE.ratios(columns)[0] > 0.5 * SNR**2 - 3.0


@pytest.mark.parametrize("half", [1e-5, 1e-4])
def test_an_edge_of_the_prior_that_cuts_the_signal_leaves_the_mass_in_its_place(half: float) -> None:
    assert found_with(half) is None


def test_a_density_over_some_coordinates_is_one_over_all() -> None:
    some = NormalMixture(np.array([0.3, 0.7]), np.array([[1.0, 2.0], [3.0, 4.0]]), np.stack([np.eye(2), 2 * np.eye(2)]))
    whole = over_all(some, np.array([True, False, True]), 1.5)
    np.testing.assert_array_equal(whole.means, [[1, 0, 2], [3, 0, 4]])
    np.testing.assert_array_equal(np.diagonal(whole.cholesky, axis1=1, axis2=2), [[1.5, 1, 1.5], [3, 1, 3]])


def test_a_path_begins_at_a_density_that_is_given() -> None:
    found = found_with(0.01)
    assert found is not None
    part = Charted(found.chart, {"search": found.density})
    proposal = Mixture([part], [1.0])
    draws = proposal.draw_each(np.array([200]), np.random.default_rng(4))
    pool = Pool(start=part)
    # The pool asks for the rows alone.
    pool.add(SimpleNamespace(draws=draws), proposal)
    expected = proposal.log_prob(draws.parameters)
    np.testing.assert_allclose(pool.start_density(found.chart), expected, rtol=1e-12)
    assert not np.allclose(_without_start(pool).start_density(found.chart), expected)


def _without_start(pool: Pool) -> Pool:
    plain = Pool()
    plain.add(pool.batches[0], pool.proposals[0])
    return plain
