"""Cells of several sizes: they cover the sky, and are healpy's pixels."""

from __future__ import annotations

import sys

import healpy
import numpy as np
import pytest

from bilby_flowpe.errors import ConfigurationError
from bilby_flowpe.skymap.cells import FINEST, Cells, finest_of, healpix, split

from .toys import Ring


@pytest.fixture(scope="module")
def some() -> tuple[np.ndarray, Cells]:
    finest = finest_of(*Ring().draw(3000, np.random.default_rng(1)))
    return finest, split(finest, np.ones(3000), 20)


def test_cells_are_split_while_they_are_full(some) -> None:
    finest, cells = some
    counts = np.bincount(cells.numbers(finest), minlength=len(cells.start))
    assert cells.covers and counts.sum() == 3000 and counts.max() <= 20
    assert cells.area.sum() == pytest.approx(4 * np.pi)
    # Four cells of one parent have more between them than one may have.
    parents = cells.start >> 2 * (FINEST - cells.order + 1)
    for order in np.unique(cells.order[cells.order > 0]):
        of_order = cells.order == order
        for parent in np.unique(parents[of_order]):
            within = (finest >> 2 * (FINEST - order + 1)) == parent
            assert within.sum() > 20


def test_weights_count_by_their_effective_number() -> None:
    finest = finest_of(*Ring().draw(3000, np.random.default_rng(1)))
    weight = np.where(np.arange(3000) < 100, 1.0, 1e-6)
    assert len(split(finest, weight, 20).start) < len(split(finest, np.ones(3000), 20).start) / 5


def test_cells_are_not_deeper_than_asked() -> None:
    one = finest_of(np.array([1.0]), np.array([0.5]))
    assert split(np.repeat(one, 100), np.ones(100), 2, deepest=6).order.max() == 6


def test_cells_are_as_small_as_asked(some) -> None:
    finest, _ = some
    cells = split(finest, np.ones(3000), 20, shallowest=3)
    assert cells.covers and cells.order.min() == 3


def test_numbers_of_the_scheme_and_back(some) -> None:
    _, cells = some
    shuffled = np.random.default_rng(2).permutation(len(cells.start))
    again, which = Cells.of_uniq(cells.uniq[shuffled])
    assert np.array_equal(again.start, cells.start) and np.array_equal(again.order, cells.order)
    assert np.array_equal(shuffled[which], np.arange(len(cells.start)))
    # The largest numbers of all orders, where a logarithm would round.
    ends = np.array([4 * 4**order + 12 * 4**order - 1 for order in range(FINEST + 1)])
    found, _ = Cells.of_uniq(ends)
    assert sorted(found.order.tolist()) == list(range(FINEST + 1))


def test_centres_are_those_of_healpy(some) -> None:
    _, cells = some
    ra, dec = cells.centres
    assert np.array_equal(cells.numbers(finest_of(ra, dec)), np.arange(len(ra)))
    for index in (0, len(ra) // 2):
        theta, phi = healpy.pix2ang(2 ** int(cells.order[index]), int(cells.pixel[index]), nest=True)
        assert (phi, np.pi / 2 - theta) == pytest.approx((ra[index], dec[index]))


def test_cells_that_leave_a_gap_do_not_cover(some) -> None:
    _, cells = some
    assert not Cells(np.delete(cells.start, 5), np.delete(cells.order, 5)).covers


def test_without_healpy_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "healpy", None)
    with pytest.raises(ConfigurationError, match=r"bilby_flowpe\[skymap\]"):
        healpix()
