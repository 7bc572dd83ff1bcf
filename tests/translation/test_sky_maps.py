"""Sky maps as priors: densities against the pixels themselves, covers against sums and the map's own draws."""

from __future__ import annotations

from pathlib import Path

import healpy
import numpy as np
import pytest
from bilby.core.prior import PriorDict
from bilby.gw.prior import HealPixMapPriorDist, HealPixPrior
from scipy.stats import kstest

from bilby_flowpe.errors import PriorError
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.translation.covers import Covers
from bilby_flowpe.translation.sky_maps import SkyMap

NSIDE = 16
P_VALUE = 1e-3


def spot(theta: float, phi: float, width: float = 0.1, nside: int = NSIDE) -> np.ndarray:
    places = np.array(healpy.pix2vec(nside, np.arange(healpy.nside2npix(nside)))).T
    return np.exp((places @ np.asarray(healpy.ang2vec(theta, phi)) - 1) / width**2)


def ring(theta: float, phi: float, radius: float) -> np.ndarray:
    places = np.array(healpy.pix2vec(NSIDE, np.arange(healpy.nside2npix(NSIDE)))).T
    return np.exp(-0.5 * ((np.arccos(places @ np.asarray(healpy.ang2vec(theta, phi))) - radius) / 0.1) ** 2)


def one_pixel() -> np.ndarray:
    alone = np.zeros(healpy.nside2npix(NSIDE))
    alone[1234] = 1.0
    return alone


MAPS = {
    "spot": lambda: spot(1.2, 3.0),
    "two spots": lambda: spot(0.7, 1.0) + 0.5 * spot(2.0, 4.5),
    "ring": lambda: ring(1.0, 2.0, 0.9),
    "at ra 0": lambda: spot(1.5, 0.0),
    "at a pole": lambda: spot(0.0, 0.0),
    "near the other pole": lambda: spot(3.1, 2.0, 0.05),
    "one pixel": one_pixel,
    "whole sky": lambda: np.ones(healpy.nside2npix(NSIDE)),
    "finer than cells": lambda: spot(1.2, 3.0, 0.1, 256),
}


def written(probability: np.ndarray, folder: Path, **more) -> HealPixMapPriorDist:
    path = folder / "map.fits"
    healpy.write_map(path, probability / probability.sum(), dtype=np.float64)
    return HealPixMapPriorDist(str(path), names=["ra", "dec"], **more)


@pytest.fixture(params=list(MAPS))
def dist(request: pytest.FixtureRequest, tmp_path: Path) -> HealPixMapPriorDist:
    return written(MAPS[request.param](), tmp_path)


def test_bilby_looks_up_the_first_row_for_all(tmp_path: Path) -> None:
    """If this fails, Bilby has been corrected, and its own density can be used."""
    dist = written(MAPS["spot"](), tmp_path)
    rows = np.array([[3.0, np.pi / 2 - 1.2], [0.5, 1.0]])
    assert dist.ln_prob(rows)[1] == dist.ln_prob(rows)[0] != dist.ln_prob(rows[1:])


def test_cover_reaches_the_whole_map_and_little_more(dist: HealPixMapPriorDist) -> None:
    sky = SkyMap(dist)
    drawn = sky.sample(20_000, np.random.default_rng(1))
    rows = np.stack([drawn["ra"], drawn["dec"]], axis=-1)
    ratio = np.exp(sky.log_density(rows) - sky.log_cover(rows))
    # Draws of the map weigh p / q, of which the mean is the inverse of the efficiency: 1 where the cover is the map.
    assert np.all(np.isfinite(ratio))
    # A pixel alone has an edge all around, with cells that lie half outside.
    assert 1 <= np.mean(ratio) < (2.5 if np.count_nonzero(dist.prob) == 1 else 1.3)


def test_draws_of_the_cover_weighted_are_those_of_the_map(dist: HealPixMapPriorDist) -> None:
    covers = Covers(PriorDict({key: HealPixPrior(dist, key) for key in ("ra", "dec")}))
    transform = PriorTransform(covers.priors)
    rng = np.random.default_rng(2)
    draws = transform.sample(40_000, rng)
    weights = np.exp(covers.log_ratio(draws))
    assert covers.log_normalisation_err == 0.0
    # The density is normalised: five standard errors.
    assert abs(np.mean(weights) - 1) < 5 * np.std(weights) / 200
    kept = rng.random(len(weights)) < weights / weights.max()
    own = SkyMap(dist).sample(20_000, rng)
    for key in ("ra", "dec"):
        assert kstest(draws[key][kept], own[key]).pvalue > P_VALUE, key
    turned = [
        (columns["ra"] - columns["dec"]) % (2 * np.pi) for columns in ({k: v[kept] for k, v in draws.items()}, own)
    ]
    assert kstest(*turned).pvalue > P_VALUE


def test_coordinates_go_back_and_forth(dist: HealPixMapPriorDist) -> None:
    transform = PriorTransform(Covers(PriorDict({key: HealPixPrior(dist, key) for key in ("ra", "dec")})).priors)
    v = np.random.default_rng(3).uniform(-4, 4, (500, 2))
    again = transform.to_unconstrained(transform.from_unconstrained(v))
    # A right ascension or a sine of a declination is a number between -1 and 7 of 1e-15, where some of a cell of 1e-2 may hold
    # 1e-9 of the probability; the probit's slope at four deviations is 7e3.
    assert np.mean(np.abs(again - v) < 1e-6) > 0.99
    parameters = transform.from_unconstrained(v)
    low, high = (transform.from_unconstrained(v + step * np.array([1.0, 0.0])) for step in (-1e-6, 1e-6))
    assert np.all(np.isfinite(transform.log_jacobian(parameters, v, transform.keys)))
    assert np.all(high[transform.keys[0]] >= low[transform.keys[0]])


def test_density_is_that_of_each_rows_pixel(dist: HealPixMapPriorDist) -> None:
    rng = np.random.default_rng(4)
    rows = np.stack([rng.uniform(0, 2 * np.pi, 300), np.arcsin(rng.uniform(-1, 1, 300))], axis=-1)
    found = SkyMap(dist).log_density(rows)
    for (ra, dec), value in zip(rows, found, strict=True):
        with np.errstate(divide="ignore"):
            pixel = healpy.ang2pix(dist.nside, np.pi / 2 - dec, ra)
            expected = np.log(dist.prob[pixel]) + np.log(np.cos(dec) * healpy.nside2npix(dist.nside) / (4 * np.pi))
        assert value == pytest.approx(expected, abs=1e-9)


def test_bounds_cut_the_map_off(tmp_path: Path) -> None:
    """A hemisphere of the whole sky has twice the density."""
    bounds = {"ra": (0, 2 * np.pi), "dec": (0.0, np.pi / 2)}
    dist = written(MAPS["whole sky"](), tmp_path, bounds=bounds)
    covers = Covers(PriorDict({key: HealPixPrior(dist, key) for key in ("ra", "dec")}))
    columns = {"ra": np.array([1.0, 1.0]), "dec": np.array([0.5, -0.5])}
    of_cover = covers.priors["dec"].ln_prob(columns["dec"]) + covers.priors["ra"].ln_prob(
        columns["ra"], dec=columns["dec"]
    )
    found = covers.log_ratio(columns) + np.where(np.isfinite(of_cover), of_cover, 0.0)
    assert found[0] == pytest.approx(np.log(np.cos(0.5) / (2 * np.pi)), abs=0.01)
    assert np.isneginf(found[1])


def test_bounds_without_any_of_the_map_are_refused(tmp_path: Path) -> None:
    dist = written(one_pixel(), tmp_path, bounds={"ra": (0, 2 * np.pi), "dec": (-1.5, -1.4)})
    with pytest.raises(PriorError, match="no probability within the bounds"):
        SkyMap(dist)
