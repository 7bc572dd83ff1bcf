"""Sky maps in files: what is written is what the standard's readers read."""

from __future__ import annotations

from pathlib import Path

import healpy
import numpy as np
import pytest
from astropy.io import fits

from bilby_flowpe.errors import DataError
from bilby_flowpe.skymap.fits import read_sky_map, write_sky_map
from bilby_flowpe.skymap.map import SkyMap
from bilby_flowpe.skymap.smooth import smoothed

from .toys import Blob, places


@pytest.fixture(scope="module")
def found() -> SkyMap:
    made = SkyMap.of(smoothed(places(Blob(), 2000, 1, 500.0)))
    return SkyMap(
        made.cells, made.density, made.mu, made.sigma, made.norm, {"OBJECT": ("S1", "name"), "MJD-OBS": 58000.5}
    )


@pytest.fixture(scope="module")
def file(found: SkyMap, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sky_map(found, tmp_path_factory.mktemp("map") / "map.fits")


def test_a_map_is_read_as_it_was_written(found: SkyMap, file: Path) -> None:
    again = read_sky_map(file)
    for name in ("density", "mu", "sigma", "norm"):
        assert np.array_equal(getattr(again, name), getattr(found, name))
    assert np.array_equal(again.cells.uniq, found.cells.uniq)
    assert (again.header["OBJECT"], again.header["MJD-OBS"], again.header["CREATOR"]) == ("S1", 58000.5, "bilby_flowpe")
    assert write_sky_map(again, file.with_name("again.fits.gz")).is_file()


def test_columns_and_header_are_the_standards(file: Path) -> None:
    with fits.open(file) as opened:
        table = opened[1]
        assert table.columns.names == ["UNIQ", "PROBDENSITY", "DISTMU", "DISTSIGMA", "DISTNORM"]
        assert table.columns.units == ["", "sr-1", "Mpc", "Mpc", "Mpc-2"]
        assert [table.header[key] for key in ("PIXTYPE", "ORDERING", "COORDSYS", "INDXSCHM", "MOC")] == [
            "HEALPIX", "NUNIQ", "C", "EXPLICIT", True,
        ]  # fmt: skip
        assert table.header["MOCORDER"] == np.max(read_sky_map(file).cells.order)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("length", [20, 40, 60, 67, 68, 69, 120])
@pytest.mark.parametrize("letter", ["x", "'"])
def test_long_labels_are_kept_whole(found: SkyMap, tmp_path: Path, length: int, letter: str) -> None:
    label = "a" + letter * (length - 2) + "z"
    header = {**found.header, "OBJECT": (label, "Unique identifier for this event")}
    path = write_sky_map(SkyMap(found.cells, found.density, header=header), tmp_path / "map.fits")
    assert fits.getheader(path, 1)["OBJECT"] == label
    assert read_sky_map(path).header["OBJECT"] == label


@pytest.mark.parametrize("ordering", ["NESTED", "RING"])
def test_flat_maps_are_read(found: SkyMap, tmp_path: Path, ordering: str) -> None:
    probability = found.flat(6) * 4 * np.pi / (12 * 4**6)
    flat = probability if ordering == "NESTED" else healpy.reorder(probability, n2r=True)
    table = fits.BinTableHDU.from_columns([fits.Column("PROB", "D", array=flat)])
    table.header["ORDERING"] = ordering
    table.writeto(tmp_path / "flat.fits")
    again = read_sky_map(tmp_path / "flat.fits")
    assert again.flat(6) == pytest.approx(found.flat(6)) and again.mu is None


def test_files_that_are_none_are_told(found: SkyMap, file: Path, tmp_path: Path) -> None:
    (tmp_path / "no.fits").write_text("no")
    with pytest.raises(DataError, match="is not a FITS file with a table"):
        read_sky_map(tmp_path / "no.fits")
    with fits.open(file) as opened:
        opened[1].header["ORDERING"] = "SPIRAL"
        opened.writeto(tmp_path / "spiral.fits")
        opened[1].header["ORDERING"] = "NUNIQ"
        opened[1].data = opened[1].data[:-1]
        opened.writeto(tmp_path / "part.fits")
    with pytest.raises(DataError, match="ORDERING='SPIRAL'"):
        read_sky_map(tmp_path / "spiral.fits")
    with pytest.raises(DataError, match="do not cover the sky"):
        read_sky_map(tmp_path / "part.fits")


@pytest.mark.slow
def test_other_readers_read_it(found: SkyMap, file: Path) -> None:
    """ligo.skymap's areas and distance, and mocpy's region of 90%."""
    io = pytest.importorskip("ligo.skymap.io.fits")
    crossmatch = pytest.importorskip("ligo.skymap.postprocess.crossmatch").crossmatch
    distance = pytest.importorskip("ligo.skymap.distance")
    from astropy.coordinates import SkyCoord

    table = io.read_sky_map(file, moc=True)
    place = SkyCoord(Blob().ra, Blob().dec + 0.05, unit="rad")
    theirs = crossmatch(table, place, contours=(0.5, 0.9))
    assert theirs.contour_areas == pytest.approx([found.area(0.5), found.area(0.9)], rel=0.01)
    (ours,) = found.searched_probability(place.ra.rad, place.dec.rad)
    assert theirs.searched_prob == pytest.approx(ours, abs=0.01)
    mean, _ = distance.parameters_to_marginal_moments(
        found.probability, *(np.asarray(table[name]) for name in ("DISTMU", "DISTSIGMA"))
    )
    # Cells that no distance is known of count there as of none.
    known = found.probability[np.isfinite(found.mu)].sum()
    assert mean / known == pytest.approx(found.distance[0], rel=1e-4)
    moc = pytest.importorskip("mocpy").MOC.from_multiordermap_fits_file(file, cumul_to=0.9)
    assert moc.sky_fraction * 41252.96 == pytest.approx(found.area(0.9), rel=0.05)
