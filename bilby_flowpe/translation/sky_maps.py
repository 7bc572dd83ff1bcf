r"""Sky maps in HEALPix pixels as priors of right ascension and declination.

A map gives a probability :math:`p_k` to each pixel k of area :math:`A`, so that the density in right ascension and
declination is :math:`p_k \cos\delta / A`. Bilby's density leaves out :math:`\cos\delta`, and uses the first row's pixel
for all rows. Bilby's draws are smeared over a square of twice a pixel's side, differently each time. Here the density
is that of the map.

Draws are made from a table of right ascensions in bands of declination: the declination from its marginal distribution,
the right ascension from that of its band. The cells of the table are smaller than pixels, or as small as memory allows.
Each cell gets a little of its neighbours' probability and of a uniform one, so that every pixel can be drawn.
Differences between table and map are corrected by the weights.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from bilby.core.prior import Prior
from bilby.gw.prior import HealPixMapPriorDist

from ..errors import PriorError
from ..priors import Parameters

_PER_SIDE, _MOST_BANDS = (6, 768)
"""Declination bands for each HEALPix subdivision, twice the number of pixel rows, and the largest number of bands,
which bounds the memory of the table."""

_FINEST = 1024  # subdivisions of a finely split pixel: its parts are small beside the smallest cells
_NEXT_TO_NOTHING = 1e-6  # total probability of the pixels that are left out of the table
_ANYWHERE = 1e-4
"""Share of the draws that may lie anywhere on the sky, so that wherever the map has some probability, its cover has
some, too."""

_POINTS = 3  # points in a cell, in each direction, at which the map is looked up
# share of a cell's probability that is given to its neighbours, so that the borders of pixels are covered
_SPREAD = 0.05
# Table of distances: its steps, the most probable pixels it is averaged over (more would take longer), standard
# deviations beyond the mean at which it ends, and the share that is uniform, so that no distance is out of reach.
_NODES, _MOST_PIXELS, _FAR, _EVEN = 1000, 4000, 6.0, 0.1


class SkyMap:
    """A sky map, and priors that cover it.

    Parameters
    ----------
    dist
        Bilby's distribution of right ascension, declination and, optionally, distance, in this order.

    Attributes
    ----------
    priors : dict
        Priors of declination, of right ascension given declination, and of distance.

    Raises
    ------
    PriorError
        If the map has no probability within the bounds.
    """

    def __init__(self, dist: HealPixMapPriorDist) -> None:
        self._dist, self._healpy = dist, dist.hp
        self.names = list(dist.names)
        self._probability = np.asarray(dist.prob, dtype=np.float64)
        ra, dec = self.names[:2]
        ra_edges, dec_edges, table = self._table(*(np.asarray(dist.bounds[key], dtype=np.float64) for key in (ra, dec)))
        self.priors: dict[str, Prior] = {
            dec: DeclinationOfTable(dec_edges, table.sum(axis=1), name=dec),
            ra: RightAscensionOfTable(dec, dec_edges, ra_edges, table, name=ra),
        }
        if dist.distance:
            distance = self.names[2]
            edges, masses = self._distances(np.asarray(dist.bounds[distance], dtype=np.float64))
            self.priors[distance] = Stepped(edges, masses, name=distance)

    def log_density(self, rows: np.ndarray) -> np.ndarray:
        """Return the log density (N,) of rows (N, 2 or 3), each from its own pixel."""
        ra, dec = rows[:, 0], rows[:, 1]
        pixel = self._healpy.ang2pix(self._dist.nside, np.clip(0.5 * np.pi - dec, 0.0, np.pi), ra)
        with np.errstate(divide="ignore", invalid="ignore"):
            log_density = np.log(self._probability[pixel]) + np.log(np.cos(dec)) - np.log(self._dist.pixel_area)
            if self._dist.distance:
                log_density = log_density + np.log(self._of_distance(rows[:, 2], pixel))
        return np.where(np.isnan(log_density), -np.inf, log_density)

    def log_cover(self, rows: np.ndarray) -> np.ndarray:
        """Return the log density (N,) of :attr:`priors` at rows."""
        ra, dec = self.names[:2]
        log_density: np.ndarray = self.priors[dec].ln_prob(rows[:, 1]) + self.priors[ra].ln_prob(
            rows[:, 0], **{dec: rows[:, 1]}
        )
        if self._dist.distance:
            log_density = log_density + self.priors[self.names[2]].ln_prob(rows[:, 2])
        return log_density

    def sample(self, size: int, rng: np.random.Generator) -> Parameters:
        """Draw right ascensions and declinations of the map itself, precise to 1e-3 of a pixel, without the bounds."""
        pixel = rng.choice(len(self._probability), size=size, p=self._probability)
        finer = min(2**10, 2**29 // self._dist.nside)
        nested = self._healpy.ring2nest(self._dist.nside, pixel) * finer**2 + rng.integers(finer**2, size=size)
        theta, phi = self._healpy.pix2ang(self._dist.nside * finer, nested, nest=True)
        return {self.names[0]: phi, self.names[1]: 0.5 * np.pi - theta}

    def _table(self, ra: np.ndarray, dec: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return edges of right ascension and declination, and the probabilities of cells, (declinations, right ascensions)."""
        nside = self._dist.nside
        low, high = max(float(dec[0]), -0.5 * np.pi), min(float(dec[1]), 0.5 * np.pi)
        left, right = float(ra[0]), min(float(ra[1]), float(ra[0]) + 2 * np.pi)
        whole = min(_PER_SIDE * nside, _MOST_BANDS)
        n_dec = max(int(np.ceil(whole * (high - low) / np.pi)), 4)
        n_ra = max(int(np.ceil(2 * whole * (right - left) / (2 * np.pi))), 4)
        dec_edges, ra_edges = np.linspace(low, high, n_dec + 1), np.linspace(left, right, n_ra + 1)
        table = np.zeros((n_dec, n_ra))
        if whole == _PER_SIDE * nside:
            within = (np.arange(_POINTS) + 0.5) / _POINTS
            for down in within:
                theta = 0.5 * np.pi - (dec_edges[:-1] + down * np.diff(dec_edges))
                for along in within:
                    phi = ra_edges[:-1] + along * np.diff(ra_edges)
                    pixel = self._healpy.ang2pix(nside, theta[:, None], phi)
                    table += self._probability[pixel] * np.sin(theta)[:, None]
        else:
            # Pixels that are not small beside the cells are split into parts, which are counted; pixels with nearly no
            # probability are left out.
            order = np.argsort(-self._probability)
            held = np.searchsorted(np.cumsum(self._probability[order]), 1 - _NEXT_TO_NOTHING) + 1
            pixel = order[:held]
            parts = max(_FINEST // nside, 1) ** 2
            nested = self._healpy.ring2nest(nside, pixel)[:, None] * parts + np.arange(parts)
            theta, phi = self._healpy.pix2ang(max(nside, _FINEST), nested.ravel(), nest=True)
            band = np.floor((0.5 * np.pi - theta - low) / (high - low) * n_dec).astype(int)
            step = np.floor(((phi - left) % (2 * np.pi)) / (right - left) * n_ra).astype(int)
            inside = (band >= 0) & (band < n_dec) & (step < n_ra)
            masses = np.repeat(self._probability[pixel] / parts, parts)
            table += np.bincount(band[inside] * n_ra + step[inside], masses[inside], minlength=n_dec * n_ra).reshape(
                n_dec, n_ra
            )
        if not table.sum() > 0:
            raise PriorError(
                f"the sky map {self._dist.hp_file!r} has no probability within the bounds {self._dist.bounds}: widen them"
            )
        table = _spread(table / table.sum(), bool(right - left > 2 * np.pi - 1e-9))
        evenly = np.diff(np.sin(dec_edges))[:, None] * np.full(n_ra, 1 / n_ra)
        return ra_edges, dec_edges, (1 - _ANYWHERE) * table + _ANYWHERE * evenly / evenly.sum()

    def _of_distance(self, distance: np.ndarray, pixel: np.ndarray) -> np.ndarray:
        """Return the density of distances given pixels; zero where the map has none."""
        mu, sigma, norm = (np.asarray(getattr(self._dist, name))[pixel] for name in ("distmu", "distsigma", "distnorm"))
        known = np.isfinite(mu) & (mu > 0) & (sigma > 0)
        z = (distance - np.where(known, mu, 0.0)) / np.where(known, sigma, 1.0)
        density = norm * np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi) / np.where(known, sigma, 1.0) * distance**2
        return np.where(known & (distance > 0), density, 0.0)

    def _distances(self, bounds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return edges and probabilities of a table of distances for the whole map, wider than its own."""
        mu, sigma = (np.asarray(getattr(self._dist, name), dtype=np.float64) for name in ("distmu", "distsigma"))
        pixels = np.flatnonzero(np.isfinite(mu) & (mu > 0) & (sigma > 0) & (self._probability > 0))
        if not len(pixels):
            raise PriorError(f"the sky map {self._dist.hp_file!r} has no distances: use it for the sky position only")
        low = max(float(bounds[0]), 0.0)
        high = min(float(bounds[1]), float(np.max(mu[pixels] + _FAR * sigma[pixels])))
        edges = np.linspace(low, high, _NODES + 1)
        middle = 0.5 * (edges[1:] + edges[:-1])
        likely = pixels[np.argsort(-self._probability[pixels])[:_MOST_PIXELS]]
        masses = np.zeros(_NODES)
        for pixel in likely:
            masses += self._probability[pixel] * self._of_distance(middle, np.full(_NODES, pixel))
        if not masses.sum() > 0:
            raise PriorError(
                f"the sky map {self._dist.hp_file!r} has no distances within the bounds {self._dist.bounds}: widen them"
            )
        return edges, (1 - _EVEN) * masses / masses.sum() + _EVEN / _NODES


class Stepped(Prior):
    """A prior with a piecewise constant density.

    Parameters
    ----------
    edges
        Edges of the pieces, (N + 1,).
    masses
        Probability of each piece, (N,).
    name
        See :class:`bilby.core.prior.Prior`.
    """

    exact = True
    """Declares that ``cdf`` and ``prob`` agree with the draws."""

    def __init__(self, edges: np.ndarray, masses: np.ndarray, name: str | None = None) -> None:
        super().__init__(name=name, minimum=float(edges[0]), maximum=float(edges[-1]))
        self._edges = self._scaled(np.asarray(edges, dtype=np.float64))
        self._masses = np.asarray(masses, dtype=np.float64) / np.sum(masses)
        self._below = np.concatenate([[0.0], np.cumsum(self._masses)])
        self._below /= self._below[-1]

    def _scaled(self, x: Any) -> Any:
        """Return the variable in which the density is constant within a piece."""
        return x

    def _unscaled(self, s: Any) -> Any:
        return s

    def get_instantiation_dict(self) -> dict[str, Any]:
        """Return values that distinguish this prior from another."""
        table = np.concatenate([self._edges, self._masses])
        return {"digest": hashlib.sha256(table.round(12).tobytes()).hexdigest()}

    def rescale(self, val: Any) -> Any:
        """Return values at quantiles."""
        cell = np.clip(np.searchsorted(self._below, val, side="right") - 1, 0, len(self._masses) - 1)
        width = np.diff(self._below)[cell]
        share = np.where(width > 0, (val - self._below[cell]) / np.where(width > 0, width, 1.0), 0.0)
        s = self._edges[cell] + np.clip(share, 0.0, 1.0) * np.diff(self._edges)[cell]
        return np.clip(self._unscaled(s), self.minimum, self.maximum)

    def cdf(self, val: Any) -> Any:
        """Return quantiles at values."""
        return np.interp(self._scaled(np.clip(val, self.minimum, self.maximum)), self._edges, self._below)

    def prob(self, val: Any) -> Any:
        """Return the density at values."""
        return np.exp(self.ln_prob(val))

    def ln_prob(self, val: Any) -> Any:
        """Return the log density at values."""
        s = self._scaled(np.clip(val, self.minimum, self.maximum))
        cell = np.clip(np.searchsorted(self._edges, s, side="right") - 1, 0, len(self._masses) - 1)
        with np.errstate(divide="ignore"):
            log_density = np.log(np.diff(self._below)[cell]) - np.log(np.diff(self._edges)[cell]) + self._log_slope(val)
        return np.where(self.is_in_prior_range(val), log_density, -np.inf)

    def _log_slope(self, val: Any) -> Any:
        """Return the log of the derivative of the scaled variable."""
        return 0.0


class DeclinationOfTable(Stepped):
    """A prior that is uniform over the sphere within bands of declination."""

    def _scaled(self, x: Any) -> Any:
        return np.sin(x)

    def _unscaled(self, s: Any) -> Any:
        return np.arcsin(np.clip(s, -1.0, 1.0))

    def _log_slope(self, val: Any) -> Any:
        return np.log(np.maximum(np.cos(val), 1e-300))


class RightAscensionOfTable(Prior):
    """A prior with a piecewise constant density for each band of declination.

    Parameters
    ----------
    dec
        Name of the declination.
    dec_edges, ra_edges
        Edges of the table, (M + 1,) and (N + 1,).
    table
        Probability of each cell, (M, N).
    name
        See :class:`bilby.core.prior.Prior`.
    """

    exact = True

    def __init__(
        self, dec: str, dec_edges: np.ndarray, ra_edges: np.ndarray, table: np.ndarray, name: str | None = None
    ) -> None:
        super().__init__(name=name, minimum=float(ra_edges[0]), maximum=float(ra_edges[-1]))
        self.required_variables = [dec]
        self._dec_edges, self._left, self._width = dec_edges, float(ra_edges[0]), float(ra_edges[1] - ra_edges[0])
        bands = table.sum(axis=1, keepdims=True)
        # In bands without any probability, right ascension is uniform.
        self._rows = np.where(bands > 0, table / np.where(bands > 0, bands, 1.0), 1.0 / table.shape[1])
        below = np.cumsum(self._rows, axis=1)
        self._below = np.concatenate([np.zeros((len(below), 1)), below / below[:, -1:]], axis=1)
        # One increasing array for all bands, so that the entries of many rows are found at once.
        self._all = (self._below + np.arange(len(below))[:, None]).ravel()

    def get_instantiation_dict(self) -> dict[str, Any]:
        """Return values that distinguish this prior from another."""
        return {"digest": hashlib.sha256(self._below.round(12).tobytes()).hexdigest()}

    def rescale(self, val: Any, **required: Any) -> Any:
        """Return right ascensions at quantiles, in the bands of the declinations."""
        band = self._band(required)
        val = np.clip(np.asarray(val, dtype=np.float64), 0.0, 1.0 - 1e-12)
        size = self._below.shape[1]
        found = np.searchsorted(self._all, band + val, side="right") - 1 - band * size
        cell = np.clip(found, 0, size - 2)
        low, high = self._below[band, cell], self._below[band, cell + 1]
        share = np.where(high > low, (val - low) / np.where(high > low, high - low, 1.0), 0.0)
        return np.clip(self._left + self._width * (cell + np.clip(share, 0.0, 1.0)), self.minimum, self.maximum)

    def cdf(self, val: Any, **required: Any) -> Any:
        """Return quantiles at right ascensions."""
        band = self._band(required)
        cell, within = self._cell(val)
        return (1 - within) * self._below[band, cell] + within * self._below[band, cell + 1]

    def prob(self, val: Any, **required: Any) -> Any:
        """Return the density at right ascensions."""
        return np.exp(self.ln_prob(val, **required))

    def ln_prob(self, val: Any, **required: Any) -> Any:
        """Return the log density at right ascensions."""
        band = self._band(required)
        cell, _ = self._cell(val)
        with np.errstate(divide="ignore"):
            log_density = np.log(self._below[band, cell + 1] - self._below[band, cell]) - np.log(self._width)
        return np.where(self.is_in_prior_range(val), log_density, -np.inf)

    def _band(self, required: dict[str, Any]) -> Any:
        dec = required[self.required_variables[0]]
        return np.clip(np.searchsorted(self._dec_edges, dec, side="right") - 1, 0, len(self._rows) - 1)

    def _cell(self, val: Any) -> tuple[Any, Any]:
        place = (np.asarray(val, dtype=np.float64) - self._left) / self._width
        cell = np.clip(np.floor(place).astype(int), 0, self._below.shape[1] - 2)
        return cell, np.clip(place - cell, 0.0, 1.0)


def _spread(table: np.ndarray, turns: bool) -> np.ndarray:
    """Give a share of each cell to its neighbours; ``turns`` means that the last column is next to the first."""
    around = np.zeros_like(table)
    padded = np.pad(table, ((1, 1), (0, 0)))
    padded = np.pad(padded, ((0, 0), (1, 1)), mode="wrap" if turns else "constant")
    for down in range(3):
        for along in range(3):
            around += padded[down : down + table.shape[0], along : along + table.shape[1]]
    return (1 - _SPREAD) * table + _SPREAD * around / around.sum()
