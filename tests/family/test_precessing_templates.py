"""Precessing waves at the fixed frequencies, and the statistic of binned data."""

from __future__ import annotations

import numpy as np
import pytest

from bilby_flowpe.family.bounds import FAMILIES
from bilby_flowpe.family.coordinates import bodies_of
from bilby_flowpe.family.orders import Gathered, phases_of_order
from bilby_flowpe.family.precessing_events import PrecessingEvents
from bilby_flowpe.family.precessing_templates import ORDERS, PrecessingTemplates, statistic
from bilby_flowpe.family.templates import Templates

FAMILY = FAMILIES["bbh-precessing"]
TRUTH = {
    "chirp_mass": 25.0, "mass_ratio": 0.3, "a_1": 0.8, "a_2": 0.3, "tilt_1": 1.2, "tilt_2": 0.4, "phi_12": 1.0, "phi_jl": 2.0,
    "theta_jn": 1.1,
}  # fmt: skip


def simulated(strength: float) -> tuple[Gathered, np.ndarray]:
    """Noiseless data of the whole wave in two detectors that see it differently, and the phases of its aligned twin."""
    events = PrecessingEvents(FAMILY, np.random.default_rng(3))
    columns = {key: np.array([value]) for key, value in TRUTH.items()}
    frequencies, wave = events.frequencies, events._wave(columns)
    inside = (frequencies >= 20) & (frequencies <= 800)
    weights = np.where(inside, 1e40 * (frequencies / 100) ** -1.0, 0)
    responses = np.array([[0.6, 0.3], [-0.2, 0.7]])
    strains = responses @ wave
    scale = strength / np.sqrt(np.sum(weights * np.abs(strains) ** 2))
    data = [weights[inside] * scale * strain[inside] for strain in strains]
    phases = Templates()(bodies_of(columns))[1][0]
    return Gathered([frequencies[inside]] * 2, data, [weights[inside]] * 2, [0, 1], np.zeros(2)), phases


def value(gathered: Gathered, phases: np.ndarray, **changed: float) -> float:
    orders = [gathered.about(phases_of_order(phases, order)[0]) for order in ORDERS]
    columns = {key: np.array([changed.get(key, number)]) for key, number in TRUTH.items()}
    return float(statistic(orders, PrecessingTemplates()(columns))[0])


def test_the_true_wave_finds_nearly_all_of_the_signal() -> None:
    gathered, phases = simulated(30.0)
    # What is lost: modes but (m, m), a ridge of 2%, phases a quarter of a radian apart.
    assert 0.93 * 450 < value(gathered, phases) < 1.02 * 450


@pytest.mark.parametrize("changed", [{"chirp_mass": 25.6}, {"theta_jn": 0.2}, {"a_1": 0.1}, {"mass_ratio": 0.6}])
def test_other_waves_find_less(changed: dict[str, float]) -> None:
    gathered, phases = simulated(30.0)
    assert value(gathered, phases, **changed) < value(gathered, phases) - 5


def test_a_row_without_a_wave_is_left_out() -> None:
    gathered, phases = simulated(30.0)
    orders = [gathered.about(phases_of_order(phases, order)[0]) for order in ORDERS]
    assert statistic(orders, np.zeros((1, len(ORDERS), 2, len(phases))))[0] == -np.inf
