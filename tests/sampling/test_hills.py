"""Hills of a statistic that is known: their number, places, widths and the level."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from bilby.core.prior import PriorDict, Uniform
from scipy.special import ndtr

from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.proposals.binary_chart import BinaryChart
from bilby_flowpe.sampling import hills as module
from bilby_flowpe.sampling.hills import find_hills
from bilby_flowpe.waves.coarse.metric import Drawn

KEYS = ("chirp_mass", "mass_ratio", "theta_jn")
TRANSFORM = PriorTransform(PriorDict({key: Uniform(0, 1) for key in KEYS}))
CHART = BinaryChart(TRANSFORM)
SEEN = np.array([True, True, False])
FREQUENCIES = np.linspace(20.0, 100.0, 81)
TURNS = 2.0  # radians by which a template's phase bends over the band for each unit of a coordinate
TOPS = ((np.array([1.0, 0.2]), 60.0), (np.array([-0.8, -0.4]), 50.0))


def shapes() -> np.ndarray:
    """Phases that each coordinate adds, (2, J): neither is a constant and a slope."""
    x = np.linspace(-1, 1, len(FREQUENCIES))
    return TURNS * np.stack([x**2, x**3])


def metric() -> np.ndarray:
    """Return mean products of the phases per unit of each coordinate, without a constant and a slope (by least squares)."""
    left = [phase - np.polyval(np.polyfit(FREQUENCIES, phase, 1), FREQUENCIES) for phase in shapes()]
    return np.array([[np.mean(one * other) for other in left] for one in left])


class TwoSignals:
    """A bank whose statistic is that of two waves in the data, without noise."""

    def __init__(self, size: int = 800) -> None:
        self.size = size
        self.matched = SimpleNamespace(found=np.full((100, 1), 0.95))
        self.columns = TRANSFORM.sample(size, np.random.default_rng(2))
        self.values, self.stages = self.ratios(self.columns), (self,)

    def ratios(self, columns) -> np.ndarray:
        places = TRANSFORM.to_unconstrained(columns)[:, SEEN]
        found = [
            top * np.exp(-np.einsum("na,ab,nb->n", places - at, metric(), places - at)) for at, top in TOPS
        ]  # to second order m^2 = 1 - g
        return np.max(found, axis=0)

    def drawn(self, columns) -> Drawn:
        phases = TRANSFORM.to_unconstrained(columns)[:, SEEN] @ shapes()
        return Drawn(FREQUENCIES, np.zeros(phases.shape), phases, np.ones(phases.shape))


def hills_of(bank: TwoSignals):
    found = find_hills(bank, bank.columns, bank.ratios(bank.columns), SEEN, CHART, TRANSFORM)
    assert found is not None
    return found


def test_both_hills_are_found() -> None:
    found = hills_of(TwoSignals())
    assert len(found.values) == 2
    assert found.values == pytest.approx([60, 50], abs=1.0)
    for (place, top), mean, root in zip(TOPS, found.density.means, found.density.cholesky, strict=True):
        # The prior draws a mode towards its middle.
        precision = 2 * top * metric() + np.eye(2)
        expected = np.linalg.solve(precision, 2 * top * metric() @ place)
        step = root[np.ix_(SEEN, SEEN)]
        assert np.linalg.norm(np.linalg.solve(step, mean[SEEN] - expected)) < 0.5
        assert (mean[2], root[2, 2]) == (0, 1)  # what the statistic does not see is as in the prior
        covariance = module._WIDER**2 * np.linalg.inv(precision)
        assert step @ step.T == pytest.approx(covariance, rel=0.1, abs=1e-4)
    assert found.density.shares.min() > 0.5 / 2 * 0.9
    # A match of 0.95 to a signal forty below the best.
    assert found.level == pytest.approx(0.95**2 * (found.values.max() - module._LESS), rel=0.1)


def test_the_volume_of_a_mode() -> None:
    """Against the sum over draws of the prior."""
    found = hills_of(TwoSignals())
    (place, top), *_ = TOPS
    at = {key: np.array([value]) for key, value in zip(KEYS, (*ndtr(place), 0.5), strict=True)}
    places = np.random.default_rng(1).standard_normal((200_000, 2)) - place
    by_draws = np.mean(np.exp(-top * np.einsum("na,ab,nb->n", places, metric(), places)))
    assert found.surface.log_volumes(at, top)[0] == pytest.approx(np.log(by_draws), abs=0.05)


def test_the_level_is_what_was_not_climbed(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(module, "_MOST_CLIMBS", 1)
    monkeypatch.setattr(module.logger, "propagate", True)
    bank = TwoSignals()
    with caplog.at_level("INFO", logger="bilby"):
        found = hills_of(bank)
    # It takes seconds, so that the log says what is done.
    assert "Looking for all modes: 2 templates of the search climb to the maxima near them" in caplog.text
    ratios = bank.ratios(bank.columns)
    assert found.climbs == 1
    assert found.level in ratios
    assert found.around.shape == (bank.size,)
    # The second hill's highest draw, or one beside it.
    assert 30 < found.level < ratios.max()


def test_too_few_rows() -> None:
    bank = TwoSignals(5)
    assert find_hills(bank, bank.columns, bank.ratios(bank.columns), SEEN, CHART, TRANSFORM) is None
