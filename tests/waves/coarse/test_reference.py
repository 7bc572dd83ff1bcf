"""The reference phase: integrals of group delays, however long the signal is."""

from __future__ import annotations

import numpy as np
import pytest

from bilby_flowpe.waves.coarse.reference import ReferencePhase, face_on, reference_phase
from bilby_flowpe.waves.coarse.terms import OneTerm

TURNS = 4e6  # of f^(-5/3): 2.7e4 radians at 20 Hz


class Inspiral:
    """An inspiral at leading order, with a group delay of hundreds of seconds at 20 Hz."""

    words, on_bins = "an inspiral", False

    def __init__(self, on_bins: bool = False, turns: float = TURNS) -> None:
        self.on_bins, self._turns = on_bins, turns

    def parameters(self, row):
        return dict(row)

    def __call__(self, parameters, frequencies, **changes):
        return np.stack([frequencies ** (-7 / 6) * np.exp(-1j * self._turns * frequencies ** (-5 / 3))] * 2)


def test_a_phase_of_many_turns() -> None:
    phase = reference_phase(OneTerm(Inspiral(), (2,)), {}, (20.0, 1000.0), 128.0)
    frequencies = np.array([20.0, 21.0, 50.0, 300.0, 1000.0])
    expected = -TURNS * (frequencies ** (-5 / 3) - 1000.0 ** (-5 / 3))
    np.testing.assert_allclose(phase(frequencies) - phase(frequencies[-1:]), expected, rtol=1e-6)
    # Below the band it goes on as an inspiral does, which this is.
    assert phase(np.array([10.0])) - phase(np.array([20.0])) == pytest.approx(
        -TURNS * (10.0 ** (-5 / 3) - 20.0 ** (-5 / 3)), rel=1e-6
    )


def test_a_phase_that_is_read() -> None:
    """The phase is read from steps between the frequencies of the data, with a delay of two of four seconds."""
    turns = 4.0 / 5 * 3 * np.pi * 20.0 ** (8 / 3)
    phase = reference_phase(OneTerm(Inspiral(True, turns), (2,)), {}, (20.0, 400.0), 4.0)
    frequencies = np.array([25.0, 60.0, 300.0])
    expected = -turns * (frequencies ** (-5 / 3) - 300.0 ** (-5 / 3))
    np.testing.assert_allclose(phase(frequencies) - phase(frequencies[-1:]), expected, atol=0.02)


def test_orders_scale_the_phase() -> None:
    phase = ReferencePhase(np.geomspace(5.0, 2000.0, 50), np.geomspace(5.0, 2000.0, 50) ** (-8 / 3))
    frequencies = np.array([30.0, 80.0])
    np.testing.assert_array_equal(phase.of_order(4, frequencies), 2 * phase(frequencies / 2))
    np.testing.assert_array_equal(phase.of_order(-1, frequencies), 0.5 * phase(2 * frequencies))
    np.testing.assert_array_equal(phase.of_order(0, frequencies), phase(frequencies))


def test_face_on() -> None:
    given = {"a_1": 0.8, "tilt_1": 2.5, "a_2": 0.4, "cos_tilt_2": 0.5, "theta_jn": 1.0, "phi_jl": 2.0, "mass_1": 30.0}
    made = face_on(given)
    assert made["a_1"] == pytest.approx(0.8 * -np.cos(2.5))
    assert made["tilt_1"] == pytest.approx(np.pi)
    assert made["a_2"] == pytest.approx(0.2)
    assert made["cos_tilt_2"] == 1
    assert made["theta_jn"] == made["phi_jl"] == 0
    assert made["mass_1"] == 30
    assert given["theta_jn"] == 1.0
