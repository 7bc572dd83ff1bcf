"""Areas, searched probabilities and divergences of a map, compared with closed forms."""

from __future__ import annotations

import healpy
import numpy as np
import pytest

from bilby_flowpe.errors import DataError
from bilby_flowpe.skymap.cells import Cells, split
from bilby_flowpe.skymap.map import SQUARE_DEGREES, SkyMap, divergence, symmetric_divergence

from .toys import Blob


def mapped(toy: Blob) -> SkyMap:
    """The toy's own density, in cells that are small where it is high."""
    from bilby_flowpe.skymap.cells import finest_of

    finest = finest_of(*toy.draw(40_000, np.random.default_rng(1)))
    cells = split(finest, np.ones(len(finest)), 8)
    density = toy.density(*cells.centres)
    return SkyMap(cells, density / (density @ cells.area))


@pytest.fixture(scope="module")
def blob() -> SkyMap:
    return mapped(Blob())


EVEN = SkyMap(Cells(np.arange(12) << 58, np.zeros(12, dtype=int)), np.full(12, 1 / (4 * np.pi)))


def test_areas_of_a_blob_are_those_of_its_closed_form(blob: SkyMap) -> None:
    for share in (0.5, 0.9):
        # Of a narrow one, a share P lies within an area -2 pi width^2 ln(1 - P).
        wanted = -2 * np.pi * Blob().width ** 2 * np.log(1 - share) * SQUARE_DEGREES
        assert blob.area(share) == pytest.approx(wanted, rel=0.02)
    assert blob.area(0.0) == 0.0 and EVEN.area(0.5) == pytest.approx(0.5 * 4 * np.pi * SQUARE_DEGREES)
    with pytest.raises(DataError, match="share=90"):
        blob.area(90)


def test_searched_probability_and_area_of_a_place(blob: SkyMap) -> None:
    off = 1.5 * Blob().width
    (probability,) = blob.searched_probability(Blob().ra, Blob().dec + off)
    assert probability == pytest.approx(1 - np.exp(-0.5 * 1.5**2), abs=0.02)
    (area,) = blob.searched_area(Blob().ra, Blob().dec + off)
    assert area == pytest.approx(np.pi * off**2 * SQUARE_DEGREES, rel=0.05)
    # Where all places are as good as each other, half of them are searched.
    assert EVEN.searched_probability(1.0, 0.3)[0] == pytest.approx(0.5)


def test_divergences_are_those_of_closed_forms(blob: SkyMap) -> None:
    wide = mapped(Blob(width=1.5 * Blob().width))
    # Of two-dimensional normal densities about one place.
    ratio = 1 / 1.5**2
    assert divergence(blob, wide) == pytest.approx(ratio - 1 - np.log(ratio), abs=0.01)
    assert divergence(blob, blob) == 0.0 and symmetric_divergence(blob, blob) == pytest.approx(0.0, abs=1e-12)
    elsewhere = mapped(Blob(ra=2.0))
    assert symmetric_divergence(blob, elsewhere) == pytest.approx(np.log(2), abs=1e-3)
    none = SkyMap(EVEN.cells, np.where(np.arange(12) == 3, 3 / np.pi, 0.0))
    assert divergence(blob, none) == np.inf


def test_a_flat_map_has_the_same_probability(blob: SkyMap) -> None:
    flat = blob.flat(5)
    assert flat.sum() * 4 * np.pi / len(flat) == pytest.approx(1.0)
    ra, dec = Blob().draw(200, np.random.default_rng(2))
    fine = blob.flat(10)[healpy.ang2pix(2**10, np.pi / 2 - dec, ra, nest=True)]
    assert fine == pytest.approx(blob.density_at(ra, dec), rel=1e-9)
    with pytest.raises(DataError, match="order=20"):
        blob.flat(20)


def test_a_map_without_distances_says_so(blob: SkyMap) -> None:
    assert blob.distance is None
    with pytest.raises(DataError, match="has no distances"):
        blob.distance_at(0.0, 0.0)


def test_the_densest_place(blob: SkyMap) -> None:
    ra, dec = blob.peak
    assert (ra - Blob().ra, dec - Blob().dec) == pytest.approx((0, 0), abs=0.3 * Blob().width)
