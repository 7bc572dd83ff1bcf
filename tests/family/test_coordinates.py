"""Coordinates of a network: there and back, as wide as they should be, and with the mass that keeps the phase."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from bilby_flowpe.family.bounds import ALIGNED as KEYS
from bilby_flowpe.family.bounds import Family
from bilby_flowpe.family.coordinates import (
    FAR,
    Leading,
    Scales,
    log_slope,
    rest_about,
    squashed,
    stretched,
    target,
)
from bilby_flowpe.family.templates import POINTS
from tests.family.small import ALIGNED, BODY, FREQUENCIES, PRECESSING, climb, event, red, seen_of, templates, view

LIGHT = np.array([9.0, 0.7, 0.1, 0.2])


@cache
def fitted(of_light: bool) -> tuple[Scales, Leading]:
    if of_light:
        gathered, phases = event([red(FREQUENCIES)], 20.0, LIGHT)
        seen = view(gathered.about(phases), LIGHT)
    else:
        _, seen = seen_of([red(FREQUENCIES)], 20.0)
    scales = Scales.of(ALIGNED, seen)
    return scales, Leading(seen, scales, climb())


@pytest.mark.parametrize("family", [ALIGNED, PRECESSING], ids=lambda family: family.name)
def test_there_and_back(family: Family) -> None:
    scales = Scales.of(family, seen_of([red(FREQUENCIES)], 20.0)[1])
    base = np.random.default_rng(1).standard_normal((20, len(family.keys)))
    np.testing.assert_allclose(scales.from_network(scales.to_network(base)), base, atol=1e-12)
    # The map is linear: its Jacobian is the determinant of what it makes of unit vectors.
    units = np.concatenate([np.zeros((1, base.shape[1])), np.eye(base.shape[1])])
    columns = scales.from_network(units)
    assert np.linalg.slogdet(columns[1:] - columns[0])[1] == pytest.approx(scales.log_volume)


def test_the_pivot_is_the_middle_and_the_metric_the_unit() -> None:
    _, seen = seen_of([red(FREQUENCIES)], 20.0)
    scales, _ = fitted(False)
    base = seen.pivot.base.copy()
    scaled = scales.to_network(base[None])[0]
    assert scaled[scales.rest] == pytest.approx(np.zeros(3), abs=1e-9)
    # On the ridge a normal posterior of the metric's covariance has its mean mass, given the others.
    rng = np.random.default_rng(2)
    draws = base + rng.standard_normal((4000, 4)) @ seen.pivot.root.T
    logs = np.log(climb().bodies(draws)[:, 0])
    apart = (logs - scales.ridge(draws[:, 1:])) / scales.unit
    rest = scales.to_network(draws)[:, scales.rest]
    both = np.column_stack([apart, rest])
    # 4000 draws tell a covariance to 3 / sqrt(4000); the logarithm of the mass is straight in its coordinate to some per cent.
    assert np.abs(np.cov(both.T) - np.eye(4)).max() < 0.1


def test_newtons_mass_keeps_the_phase() -> None:
    """For light binaries, the product of a wave with its change by the chirp mass, without phase and time, is zero."""
    scales, leading = fitted(True)
    assert leading.by_phase
    gathered, phases = event([red(FREQUENCIES)], 20.0, LIGHT)
    seen = view(gathered.about(phases), LIGHT)
    bodies = climb().bodies(rest_about(scales, 1.0, 20, np.random.default_rng(3)))
    logs, good = leading.exact(bodies)
    assert good.all()
    bodies[:, 0] = np.exp(logs)
    power = seen.weights * seen.pivot.amplitudes**2
    roots = np.sqrt(power / power.sum())
    free = np.linalg.qr(np.stack([np.ones(len(POINTS)), POINTS], axis=1) * roots[:, None])[0]

    def apart(rows: np.ndarray) -> np.ndarray:
        weighted = (templates()(rows)[1] - templates()(seen.pivot.body[None])[1]) * roots
        return weighted - weighted @ free @ free.T

    heavier, lighter = (seen.pivot.body * np.array([1 + by, 1, 1, 1]) for by in (1e-6, -1e-6))
    change = (apart(heavier[None]) - apart(lighter[None]))[0] / 2e-6
    off = apart(bodies) @ change / (change @ change)
    # Newton's last step is below a thousandth of ten radians; of the coordinate that is a small part.
    assert np.abs(off).max() < 0.01 * scales.unit


@pytest.mark.parametrize("of_light", [True, False])
def test_a_polynomial_stands_for_the_mass(of_light: bool) -> None:
    scales, leading = fitted(of_light)
    rng = np.random.default_rng(4)
    leading.fit(climb().bodies(rest_about(scales, 1.6, 240, rng)), 3)
    bodies = climb().bodies(rest_about(scales, 1.0, 40, rng))
    logs, good = leading.exact(bodies)
    apart = leading(dict(zip(KEYS, bodies.T, strict=True))) - logs
    of_ridge = scales.ridge(climb().base(bodies)[:, 1:]) - logs
    # What it leaves is known to the weights: less than the ridge would.
    assert np.median(np.abs(apart[good])) < 0.35 * np.median(np.abs(of_ridge[good]))


def test_of_heavy_binaries_the_ridge_stays() -> None:
    heavy = np.array([85.0, 0.9, 0.0, 0.0])
    gathered, phases = event([red(FREQUENCIES)], 8.0, heavy)
    seen = view(gathered.about(phases), heavy)
    scales = Scales.of(ALIGNED, seen)
    leading = Leading(seen, scales, climb())
    bodies = climb().bodies(rest_about(scales, 1.0, 10, np.random.default_rng(5)))
    if not leading.by_phase:
        leading.fit(bodies, 3)
    np.testing.assert_allclose(
        leading(dict(zip(KEYS, bodies.T, strict=True))), scales.ridge(climb().base(bodies)[:, 1:])
    )


def test_tails_are_drawn_near_and_back() -> None:
    scaled = np.array([[-28.0, -3.0, 0.1, 9.0], [0.0, 1e-3, 1.0, 29.0]])
    found = squashed(scaled)
    np.testing.assert_allclose(stretched(found), scaled, rtol=1e-12)
    assert np.abs(found).max() < 10 and found[0, 2] == pytest.approx(0.1, rel=1e-3)
    slopes = (squashed(scaled + 1e-6) - squashed(scaled - 1e-6)) / 2e-6
    np.testing.assert_allclose(log_slope(scaled), np.sum(np.log(slopes), axis=1), atol=1e-6)


def test_targets_of_truths() -> None:
    scales, leading = fitted(False)
    near = {key: np.array([value]) for key, value in zip(KEYS, BODY, strict=True)}
    found = target(ALIGNED, scales, leading, near)
    assert np.all(np.abs(found) < 5)
    far = {**near, "chirp_mass": np.array([90.0])}
    assert (
        np.all(np.isnan(target(ALIGNED, scales, leading, far)))
        or np.abs(target(ALIGNED, scales, leading, far)).max() < FAR
    )
