"""Sky positions with weights and moments of the distance, which a map is made of and which a run stores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

FILE = "sky.npz"
"""Name of the file in the folder that a run leaves next to its result."""


@dataclass(frozen=True)
class SkyCandidates:
    """P weighted sky positions of a posterior, from independent rows.

    Attributes
    ----------
    ra, dec
        Right ascension and declination in radians, (P,) each.
    weight
        Weights, which sum to one, (P,).
    distance, square
        Mean of the luminosity distance, and of its square, given the position, in Mpc and Mpc^2, (P,) each; NaN where it is not
        known.
    row
        Number of the posterior's row that a position belongs to, (P,).
    log_evidence
        Log evidence of the run, by which it is recognised whether a result is of this run; NaN if there is none.
    seconds
        Computing time of the candidates in seconds.
    """

    ra: np.ndarray
    dec: np.ndarray
    weight: np.ndarray
    distance: np.ndarray
    square: np.ndarray
    row: np.ndarray
    log_evidence: float = np.nan
    seconds: float = 0.0

    @property
    def effective(self) -> float:
        """Effective number of positions, by Kish's formula for their weights."""
        return float(1 / np.sum(self.weight**2))

    def merged(self) -> SkyCandidates:
        """Return each position of a row once, with its total weight and the mean moments of its distance."""
        order = np.lexsort((self.dec, self.ra, self.row))
        columns = np.stack([self.row, self.ra, self.dec])[:, order]
        first = np.flatnonzero(np.append(True, np.any(columns[:, 1:] != columns[:, :-1], axis=0)))
        if len(first) == len(order):
            return self
        weight = np.add.reduceat(self.weight[order], first)
        shares = self.weight[order] / np.maximum(np.repeat(weight, np.diff(np.append(first, len(order)))), 1e-300)
        distance, square = (np.add.reduceat(shares * each[order], first) for each in (self.distance, self.square))
        found = self._some(order[first], weight)
        return replace(found, distance=distance, square=square)

    def thinned(self, most: int, rng: np.random.Generator) -> SkyCandidates:
        """Return at most about ``most`` of the positions: a random part of those with little weight, whose weight is raised.

        Expectation values stay the same on average.
        """
        if len(self.weight) <= most:
            return self
        # Weights below this bound are raised to it or dropped at random; on average ``most`` positions are left.
        ascending = np.sort(self.weight)
        below, above = np.cumsum(ascending), len(ascending) - 1 - np.arange(len(ascending))
        with np.errstate(divide="ignore", invalid="ignore"):
            expected = below / ascending + above
        bound = ascending[np.argmax(expected <= most)]
        kept = rng.random(len(self.weight)) * bound < self.weight
        return self._some(kept, np.maximum(self.weight[kept], bound))

    def without_the_weightless(self) -> SkyCandidates:
        """Return the positions of nonzero weight; all of them if each has one."""
        some = self.weight > 0
        return self if some.all() else self._some(some, self.weight[some])

    def _some(self, kept: np.ndarray, weight: np.ndarray) -> SkyCandidates:
        """Return some of the positions, with other weights, (P,)."""
        columns = {name: getattr(self, name)[kept] for name in ("ra", "dec", "distance", "square", "row")}
        return SkyCandidates(
            weight=weight / weight.sum(), log_evidence=self.log_evidence, seconds=self.seconds, **columns
        )


def of_rows(ra: np.ndarray, dec: np.ndarray, distance: np.ndarray | None = None) -> SkyCandidates:
    """Make positions of equal weight from the rows of a posterior, in radians, with distances in Mpc if there are any.

    A row that occurs several times, as after resampling or in chains that stay at a point, becomes one position of a larger
    weight: its copies are not independent draws, and would look like a well-localised source.
    """
    size = len(ra)
    own = np.full(size, np.nan) if distance is None else np.asarray(distance, dtype=np.float64)
    ra, dec = np.asarray(ra, dtype=np.float64) % (2 * np.pi), np.asarray(dec, dtype=np.float64)
    rows = np.stack([ra, dec, np.where(np.isfinite(own), own, -1.0)])  # not a number is unlike itself
    _, first, counts = np.unique(rows, axis=1, return_index=True, return_counts=True)
    order = np.argsort(first)
    first, counts = first[order], counts[order]
    return SkyCandidates(ra[first], dec[first], counts / size, own[first], own[first] ** 2, first)


def save_candidates(candidates: SkyCandidates, path: Path) -> Path:
    """Write positions to a file, whole or not at all; they are exact to a twentieth of an arcsecond."""
    temporary = path.with_name(f".{path.stem}.tmp.npz")
    arrays: Mapping[str, Any] = {
        field.name: np.asarray(getattr(candidates, field.name), dtype=_KEPT.get(field.name, np.float32))
        for field in fields(SkyCandidates)
    }
    np.savez(temporary, **arrays)
    return temporary.replace(path)


_KEPT = {"row": np.int32, "log_evidence": np.float64}


def load_candidates(path: Path) -> SkyCandidates:
    """Read positions from a file of :func:`save_candidates`.

    Raises
    ------
    ValueError, OSError, KeyError
        If the file was not written by that function.
    """
    with np.load(path, allow_pickle=False) as arrays:
        found = {field.name: arrays[field.name] for field in fields(SkyCandidates)}
    columns = {name: column.astype(np.float64) for name, column in found.items() if column.ndim}
    columns["weight"] /= columns["weight"].sum()
    columns["row"] = found["row"].astype(np.int64)
    return SkyCandidates(**columns, log_evidence=float(found["log_evidence"]), seconds=float(found["seconds"]))
