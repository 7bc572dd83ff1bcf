"""Smooth densities of weighted places, against the densities that these were drawn from."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest

from bilby_flowpe.skymap.candidates import SkyCandidates
from bilby_flowpe.skymap.cells import finest_of, split
from bilby_flowpe.skymap.map import SkyMap
from bilby_flowpe.skymap.smooth import smoothed

from .toys import Blob, Ring, places

TOYS = {"blob": Blob(), "ring": Ring()}


def loss(found: SkyMap, toy: Blob | Ring, size: int = 20_000) -> float:
    """Divergence of the truth from a map, in nat."""
    ra, dec = toy.draw(size, np.random.default_rng(5))
    return float(np.mean(np.log(toy.density(ra, dec)) - np.log(found.density_at(ra, dec))))


@pytest.mark.parametrize(("name", "most"), [("blob", 0.05), ("ring", 0.12)])
def test_a_density_is_found(name: str, most: float) -> None:
    found = smoothed(places(TOYS[name], 3000, 1))
    assert found.cells.covers and found.probability.sum() == pytest.approx(1.0)
    smooth = loss(SkyMap.of(found), TOYS[name])
    assert 0 < smooth < most
    # Cells alone, which are not smoothed, are several times farther off.
    of_rows = places(TOYS[name], 3000, 1)
    finest = finest_of(of_rows.ra, of_rows.dec)
    for full in (10, 30, 100):
        cells = split(finest, of_rows.weight, full)
        share = np.bincount(cells.numbers(finest), of_rows.weight, minlength=len(cells.start)) + cells.area / 4e4
        assert loss(SkyMap(cells, share / share.sum() / cells.area), TOYS[name]) > 2 * smooth


def test_more_places_are_nearer_to_the_truth() -> None:
    losses = [loss(SkyMap.of(smoothed(places(Blob(), size, 1))), Blob()) for size in (200, 10_000)]
    assert losses[1] < 0.3 * losses[0]


def test_true_places_are_spread_evenly_over_searched_probabilities_and_a_wrong_map_is_told() -> None:
    found = SkyMap.of(smoothed(places(Ring(), 5000, 2)))
    truths = Ring().draw(400, np.random.default_rng(3))
    assert kstest(found.searched_probability(*truths), "uniform").pvalue > 0.01
    narrow = found.density**1.6
    narrow = SkyMap(found.cells, narrow / (narrow @ found.cells.area))
    assert kstest(narrow.searched_probability(*truths), "uniform").pvalue < 1e-4


def test_weights_and_distances_are_those_of_the_places() -> None:
    """Two blobs, one with a quarter of the weight and twice the distance, from places that are drawn evenly from both."""
    near, far = places(Blob(), 2000, 1, 500.0), places(Blob(ra=2.0), 2000, 2, 1000.0)
    columns = {
        name: np.concatenate([getattr(near, name), getattr(far, name)])
        for name in ("ra", "dec", "distance", "square", "row")
    }
    weight = np.repeat([0.75, 0.25], 2000) / 2000
    found = SkyMap.of(smoothed(SkyCandidates(weight=weight, **columns)))
    ra, _ = found.cells.centres
    assert found.probability[np.abs(ra - 2.0) < 1].sum() == pytest.approx(0.25, abs=0.01)
    for place, mean in ((Blob(), 500.0), (Blob(ra=2.0), 1000.0)):
        (distance,), (deviation,) = found.distance_at(place.ra, place.dec)
        assert distance == pytest.approx(mean, rel=0.03) and deviation == pytest.approx(0.1 * mean, rel=0.3)
    first, deviation = found.distance
    assert first == pytest.approx(weight @ columns["distance"], rel=2e-3)
    assert deviation == pytest.approx(
        np.sqrt(weight @ columns["square"] - (weight @ columns["distance"]) ** 2), rel=0.01
    )


def test_places_of_no_weight_change_nothing() -> None:
    plain = places(Blob(), 500, 1)
    more = {
        name: np.concatenate([getattr(plain, name), getattr(plain, name)[:50]])
        for name in ("dec", "distance", "square", "row")
    }
    ra, weight = np.concatenate([plain.ra, plain.ra[:50] + 2]), np.concatenate([plain.weight, np.zeros(50)])
    found = smoothed(SkyCandidates(ra=ra, weight=weight, **more))
    assert found.probability == pytest.approx(smoothed(plain).probability)
