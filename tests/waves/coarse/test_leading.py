"""The chirp mass that keeps the best-measured phase, on phases that are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bilby_flowpe.waves.coarse.leading import _RADIANS, LeadingMass, leading_mass
from bilby_flowpe.waves.coarse.metric import Drawn

FREQUENCIES = np.geomspace(25.0, 1000.0, 60)
# Of an inspiral: the amplitude squared over a flat noise, on points evenly spaced in the logarithm.
POWER = FREQUENCIES ** (-7 / 3 + 1)
SUN = 4.925491e-6  # seconds
BEST = {"chirp_mass": 1.2, "mass_ratio": 0.9, "chi_1": 0.0}


def phase(mass: float, ratio: float, spin: float) -> np.ndarray:
    """Return the phases (radians) of an inspiral at leading order and the next orders, by mass ratio and spin."""
    eta = ratio / (1 + ratio) ** 2
    x = (np.pi * SUN * mass * FREQUENCIES) ** (1 / 3)
    first = (3715 / 756 + 55 * eta / 9) * eta**-0.4 * x**-3
    return 3 / 128 * (x**-5 + first + (113 / 3 * spin - 16 * np.pi) * eta**-0.6 * x**-2)


class Stage:
    """Templates of these phases."""

    def __init__(self) -> None:
        self.fixed: dict[str, float] = {}

    def changes(self, rows: list[dict[str, Any]]) -> Drawn:
        phases = np.array([phase(row["chirp_mass"], row["mass_ratio"], row["chi_1"]) for row in rows])
        return Drawn(FREQUENCIES, np.zeros(phases.shape), phases, np.tile(POWER, (len(rows), 1)))


def rows(size: int, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "chirp_mass": np.full(size, 1.2), "mass_ratio": rng.uniform(0.6, 1, size), "chi_1": rng.uniform(-0.05, 0.05, size)
    }  # fmt: skip


@pytest.fixture(scope="module")
def found() -> LeadingMass:
    fitted = leading_mass(Stage(), rows(300, 1), BEST)
    assert fitted is not None
    return fitted


def left(phases: np.ndarray) -> np.ndarray:
    """Without a constant and a slope, by weighted least squares."""
    polynomial = np.polynomial.polynomial.polyfit(FREQUENCIES, phases, 1, w=np.sqrt(POWER))
    return phases - np.polynomial.polynomial.polyval(FREQUENCIES, polynomial)


def test_at_that_mass_the_leading_phase_is_the_references(found: LeadingMass) -> None:
    tried = rows(50, 2)
    step = 1e-6
    slope = left(phase(1.2 * np.exp(step), 0.9, 0.0) - phase(1.2 * np.exp(-step), 0.9, 0.0)) / (2 * step)
    size = np.sum(POWER * slope**2)
    for mass, ratio, spin in zip(np.exp(found(tried)), tried["mass_ratio"], tried["chi_1"], strict=True):
        change = left(phase(mass, ratio, spin) - phase(1.2, 0.9, 0.0))
        along = np.sum(POWER * change * slope) / size
        # As far as the polynomial goes, which says itself how far that is: in radians of that phase.
        assert abs(along) * np.sqrt(size / POWER.sum()) < 6 * max(found.radians, 1e-3)
    # Without the polynomial it would be radians.
    assert np.ptp(found(tried)) / found.scale * _RADIANS > 100 * found.radians


def test_a_unit_turns_the_phase_by_so_many_radians(found: LeadingMass) -> None:
    change = left(phase(1.2 * np.exp(1e-3 * found.scale), 0.9, 0.0) - phase(1.2, 0.9, 0.0))
    assert np.sqrt(np.average(change**2, weights=POWER)) == pytest.approx(1e-3 * _RADIANS, rel=1e-2)


def test_beyond_the_rows_it_stays(found: LeadingMass) -> None:
    far, edge = ({"mass_ratio": np.array([ratio]), "chi_1": np.array([0.0])} for ratio in (0.1, found_edge(found)))
    assert found(far) == pytest.approx(found(edge), abs=1e-12)


def found_edge(found: LeadingMass) -> float:
    """The mass ratio whose symmetric one is the smallest of the fit."""
    eta = float(found.low[0])
    return float((1 - 2 * eta - np.sqrt(1 - 4 * eta)) / (2 * eta))


def test_without_a_mass_or_with_few_rows_there_is_none() -> None:
    assert (
        leading_mass(Stage(), {key: column for key, column in rows(300, 3).items() if key != "chirp_mass"}, BEST)
        is None
    )
    assert leading_mass(Stage(), rows(10, 4), BEST) is None
    alone = Stage()
    alone.fixed = {"mass_ratio": 0.9, "chi_1": 0.0}
    assert leading_mass(alone, {"chirp_mass": rows(300, 5)["chirp_mass"]}, BEST) is None
