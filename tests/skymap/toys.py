"""Densities on the sky whose values are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bilby_flowpe.skymap.candidates import SkyCandidates, of_rows
from bilby_flowpe.waves.detectors import direction


def angles(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.arctan2(vectors[:, 1], vectors[:, 0]) % (2 * np.pi), np.arcsin(np.clip(vectors[:, 2], -1, 1))


@dataclass(frozen=True)
class Blob:
    """Positions that follow the von Mises-Fisher distribution about a place, with a width in radians."""

    width: float = np.radians(4.0)
    ra: float = 6.2
    dec: float = -0.7

    def draw(self, size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        sharp = 1 / self.width**2
        cosine = 1 + np.log(rng.random(size) + (1 - rng.random(size)) * np.exp(-2 * sharp)) / sharp
        turn, sine = 2 * np.pi * rng.random(size), np.sqrt(np.maximum(1 - cosine**2, 0.0))
        centre = direction(np.array(self.ra), np.array(self.dec))
        east = np.array([-np.sin(self.ra), np.cos(self.ra), 0.0])
        across = np.cos(turn)[:, None] * east + np.sin(turn)[:, None] * np.cross(centre, east)
        return angles(cosine[:, None] * centre + sine[:, None] * across)

    def density(self, ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
        sharp, cosine = 1 / self.width**2, direction(ra, dec) @ direction(np.array(self.ra), np.array(self.dec))
        return sharp / (2 * np.pi * (1 - np.exp(-2 * sharp))) * np.exp(sharp * (cosine - 1))


@dataclass(frozen=True)
class Ring:
    """Part of a ring, as two detectors see a source: so many radians wide, at 66 degrees from a pole."""

    width: float = np.radians(2.0)
    height: float = 0.4

    @property
    def axes(self) -> np.ndarray:
        pole = np.array([0.3, 0.5, 0.8124]) / np.linalg.norm([0.3, 0.5, 0.8124])
        first = np.cross(pole, [1.0, 0.0, 0.0])
        first /= np.linalg.norm(first)
        return np.stack([first, np.cross(pole, first), pole])

    def draw(self, size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        along, turn = self.height + self.width * rng.standard_normal(size), rng.vonmises(0.0, 1.0, size)
        across = np.sqrt(1 - along**2)
        return angles(np.stack([across * np.cos(turn), across * np.sin(turn), along], axis=1) @ self.axes)

    def density(self, ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
        first, second, along = self.axes @ direction(ra, dec).T
        of_height = np.exp(-0.5 * ((along - self.height) / self.width) ** 2) / np.sqrt(2 * np.pi) / self.width
        return of_height * np.exp(np.cos(np.arctan2(second, first))) / (2 * np.pi * np.i0(1.0))


def places(toy: Blob | Ring, size: int, seed: int, distance: float | None = None) -> SkyCandidates:
    rng = np.random.default_rng(seed)
    ra, dec = toy.draw(size, rng)
    return of_rows(ra, dec, None if distance is None else distance * (1 + 0.1 * rng.standard_normal(size)))
