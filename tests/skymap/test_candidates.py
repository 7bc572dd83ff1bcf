"""Weighted places: fewer of them have the same expectations, and a file keeps them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bilby_flowpe.skymap.candidates import SkyCandidates, load_candidates, of_rows, save_candidates

from .toys import Blob, places


@pytest.fixture(scope="module")
def many() -> SkyCandidates:
    plain = places(Blob(), 20_000, 1, 500.0)
    weight = np.random.default_rng(2).exponential(size=20_000) ** 4
    return replace(plain, weight=weight / weight.sum(), log_evidence=12.5, seconds=0.25)


def test_fewer_places_have_the_same_expectations(many: SkyCandidates) -> None:
    means, counts = [], []
    for seed in range(40):
        few = many.thinned(2000, np.random.default_rng(seed))
        counts.append(len(few.weight))
        means.append([few.weight @ few.distance, few.weight @ np.sin(few.dec)])
        assert few.weight.sum() == pytest.approx(1.0) and few.effective > 0.5 * many.effective
    assert np.mean(counts) == pytest.approx(2000, rel=0.02)
    error = np.std(means, axis=0) / np.sqrt(len(means))
    wanted = np.array([many.weight @ many.distance, many.weight @ np.sin(many.dec)])
    assert np.all(np.abs(np.mean(means, axis=0) - wanted) < 4 * error)
    # The heavy ones are all there.
    assert np.isin(many.ra[many.weight > np.quantile(many.weight, 0.99)], few.ra).all()


def test_a_place_that_is_there_several_times_counts_once() -> None:
    plain = places(Blob(), 3, 1, 500.0)
    which, weight = np.array([0, 1, 1, 2, 0]), np.array([0.1, 0.2, 0.3, 0.3, 0.1])
    columns = {name: getattr(plain, name)[which] for name in ("ra", "dec", "row")}
    distance = np.array([1.0, 2.0, 4.0, 5.0, 3.0])
    found = SkyCandidates(**columns, weight=weight, distance=distance, square=distance**2).merged()
    assert found.weight == pytest.approx([0.2, 0.5, 0.3]) and np.array_equal(found.ra, plain.ra)
    assert found.distance == pytest.approx([2.0, 3.2, 5.0]) and found.square == pytest.approx([5.0, 11.2, 25.0])
    assert plain.merged() is plain


def test_few_places_stay(many: SkyCandidates) -> None:
    assert many.thinned(20_000, np.random.default_rng(1)) is many


def test_a_file_keeps_them(many: SkyCandidates, tmp_path: Path) -> None:
    again = load_candidates(save_candidates(many, tmp_path / "sky.npz"))
    assert again.ra == pytest.approx(many.ra, abs=5e-7) and again.weight == pytest.approx(many.weight, rel=1e-5)
    assert np.array_equal(again.row, many.row) and (again.log_evidence, again.seconds) == (12.5, 0.25)
    assert [path.name for path in tmp_path.iterdir()] == ["sky.npz"]
    with pytest.raises((KeyError, ValueError)):
        np.savez(tmp_path / "other.npz", ra=many.ra)
        load_candidates(tmp_path / "other.npz")


def test_rows_are_places_of_equal_weight() -> None:
    found = of_rows(np.array([-0.1, 1.0]), np.array([0.2, 0.3]))
    assert found.ra[0] == pytest.approx(2 * np.pi - 0.1) and np.isnan(found.distance).all() and found.effective == 2
