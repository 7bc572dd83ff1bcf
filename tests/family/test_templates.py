"""Waves at fixed frequencies, held against those that LALSimulation makes on a fine grid."""

from __future__ import annotations

import lal
import lalsimulation
import numpy as np
import pytest

from bilby_flowpe.errors import SimulationError
from bilby_flowpe.family.templates import APPROXIMANT, POINTS, Waves, bodies_of, row_of
from tests.family.small import BODY, templates


@pytest.mark.parametrize("body", [BODY, np.array([8.0, 0.2, -0.6, 0.5])])
def test_amplitudes_and_phases_are_those_of_the_wave(body: np.ndarray) -> None:
    amplitudes, phases = (values[0] for values in templates()(body[None]))
    heavier = body[0] * (1 + body[1]) ** 0.2 * body[1] ** -0.6 * lal.MSUN_SI
    spacing = 0.0625  # Hz
    plus, _ = lalsimulation.SimInspiralChooseFDWaveform(
        heavier, heavier * body[1], 0, 0, body[2], 0, 0, body[3], 1e25, 0, 0, 0, 0, 0, spacing, 15.0, 2048.0, 20.0, None,
        lalsimulation.GetApproximantFromString(APPROXIMANT),
    )  # fmt: skip
    frequencies = plus.f0 + spacing * np.arange(len(plus.data.data))
    there = (POINTS > 20) & (POINTS < 300)
    known = np.abs(plus.data.data)
    expected = np.interp(POINTS[there], frequencies, known)
    np.testing.assert_allclose(amplitudes[there] / amplitudes[there][0], expected / expected[0], rtol=1e-3)
    turns = np.interp(POINTS[there], frequencies, np.unwrap(np.angle(plus.data.data)))
    # A phase and a time are free.
    free = np.stack([np.ones(there.sum()), POINTS[there]], axis=1)
    apart = phases[there] - turns
    left = apart - free @ np.linalg.lstsq(free, apart, rcond=None)[0]
    # A few per cent of a radian will do: the integral of delays between points 4% apart.
    assert np.sqrt(np.mean(left**2)) < 0.05
    assert amplitudes.max() == 1 and phases[0] == 0


def test_columns_of_any_spins_are_those_along_the_orbit() -> None:
    columns = {"chirp_mass": np.array([30.0]), "mass_ratio": np.array([0.5])}
    tilted = {
        "a_1": np.array([0.6]),
        "tilt_1": np.array([np.pi / 3]),
        "a_2": np.array([0.4]),
        "tilt_2": np.array([np.pi]),
    }
    np.testing.assert_allclose(bodies_of({**columns, **tilted}), [[30, 0.5, 0.3, -0.4]])
    with pytest.raises(SimulationError, match="chi_1 is missing"):
        bodies_of(columns)
    assert bodies_of({key: np.array([value]) for key, value in row_of(BODY).items()})[0] == pytest.approx(BODY)


def test_the_power_is_the_noises_weight() -> None:
    weights = np.linspace(0, 1, len(POINTS))
    drawn = Waves(templates(), weights).changes([row_of(BODY)])
    amplitudes, phases = templates()(BODY[None])
    np.testing.assert_allclose(drawn.power, weights * amplitudes**2)
    np.testing.assert_allclose(drawn.phases, phases)
