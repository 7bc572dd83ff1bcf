"""Derivatives of phases by pairs of frequencies."""

from __future__ import annotations

import numpy as np

from bilby_flowpe.waves.coarse.pairs import STEP, FrequencyPairs

FREQUENCIES = np.geomspace(20.0, 1000.0, 50)


def test_slopes_are_those_of_a_phase_of_thousands_of_turns() -> None:
    pairs = FrequencyPairs(FREQUENCIES)
    waves = np.stack([np.exp(1j * coefficient * pairs.both ** (-5 / 3)) for coefficient in (-4e5, 1e5)])
    expected = np.stack([-5 / 3 * coefficient * FREQUENCIES ** (-8 / 3) for coefficient in (-4e5, 1e5)])
    # Of a phase of 2700 radians, known to 5e-13, over a step.
    np.testing.assert_allclose(pairs.slopes(waves), expected, atol=1e-12 / STEP, rtol=1e-5)


def test_a_wave_without_values_has_no_product() -> None:
    products = FrequencyPairs(FREQUENCIES).products(np.where(np.arange(100) < 40, 0.0, 1.0 + 0j))
    assert np.count_nonzero(products) == 30
