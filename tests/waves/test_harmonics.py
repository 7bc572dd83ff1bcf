"""Harmonics of a wave: its terms by their order, and the factors of inclination."""

from __future__ import annotations

import numpy as np
import pytest

from bilby_flowpe.waves.harmonics import constant_ratio, fewest_phases, harmonics, inclination_factors, terms_of

ORDERS = (1, 2, -2)


class Sum:
    """A generator whose wave is a sum of known terms."""

    def __init__(self) -> None:
        rng = np.random.default_rng(1)
        self.terms = {order: rng.standard_normal((2, 9)) + 1j * rng.standard_normal((2, 9)) for order in ORDERS}
        self.calls = 0

    def frequency_domain_strain(self, parameters: dict) -> dict | None:
        self.calls += 1
        if parameters.get("fails"):
            return None
        wave = sum(term * np.exp(1j * order * parameters["phase"]) for order, term in self.terms.items())
        return dict(zip(("plus", "cross"), wave, strict=True))


def test_a_wave_is_the_sum_of_its_harmonics() -> None:
    generator = Sum()
    found = harmonics(generator, {"phase": 0.3}, ORDERS)
    assert generator.calls == fewest_phases(ORDERS)
    for order in ORDERS:
        np.testing.assert_allclose(found[order], generator.terms[order], atol=1e-12)


def test_where_a_waveform_fails_there_are_none() -> None:
    assert harmonics(Sum(), {"fails": True}, ORDERS) is None


def test_orders_that_a_wave_lacks_have_no_term() -> None:
    generator, phases = Sum(), 2 * np.pi * np.arange(16) / 16
    waves = [list(generator.frequency_domain_strain({"phase": phase}).values()) for phase in phases]
    orders = np.arange(16) - 8
    terms = terms_of(np.array(waves), orders)
    loud = np.abs(terms).max(axis=(1, 2)) > 1e-12
    assert set(orders[loud]) == set(ORDERS)


@pytest.mark.parametrize(("orders", "count"), [((1, 2, 3, 4), 4), ((2,), 1), ((1, 3), 3), ((-2, 2), 3), ((2, 4, 6), 3)])
def test_fewest_phases(orders: tuple[int, ...], count: int) -> None:
    assert fewest_phases(orders) == count


def test_inclination_factors_face_on_edge_on_and_face_off() -> None:
    plus, cross = inclination_factors(np.array([0.0, np.pi / 2, np.pi]))
    np.testing.assert_allclose(plus, [1, 0.5, 1])
    np.testing.assert_allclose(cross, [1, 0, -1], atol=1e-15)


def test_constant_ratio() -> None:
    plus = np.array([1.0, 2j, -0.5])
    assert constant_ratio(plus, 1j * plus) == 1j
    assert constant_ratio(plus, np.array([1.0, 2j, 0.5])) is None
    assert constant_ratio(0 * plus, plus) is None
