"""Places on the sky with weights and moments of the distance: what a map is made of, and what a run keeps for one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

FILE = "sky.npz"
"""Name of the file in the folder that a run leaves beside its result."""


@dataclass(frozen=True)
class SkyCandidates:
    """P weighted places of a posterior, of independent rows.

    Attributes
    ----------
    ra, dec
        In radians, (P,).
    weight
        Sums to one, (P,).
    distance, square
        Mean of the luminosity distance, and of its square, given the place, in Mpc and Mpc^2, (P,); not a number where it is
        not known.
    row
        Number of the posterior's row that a place belongs to, (P,).
    log_evidence
        Of the run, which tells whether a result is this run's; not a number where there is none.
    seconds
        Seconds that the candidates took.
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
        """Effective number of places: that of the weights (Kish)."""
        return float(1 / np.sum(self.weight**2))

    def merged(self) -> SkyCandidates:
        """Each place of a row once, with all of its weight, and the mean moments of its distance."""
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
        """About ``most`` of the places at most: those of little weight are kept by chance, with a weight that is larger.

        Expectations stay as they are.
        """
        if len(self.weight) <= most:
            return self
        # The bound below which a weight is raised to it, or lost: it leaves so many places on average.
        ascending = np.sort(self.weight)
        below, above = np.cumsum(ascending), len(ascending) - 1 - np.arange(len(ascending))
        with np.errstate(divide="ignore", invalid="ignore"):
            expected = below / ascending + above
        bound = ascending[np.argmax(expected <= most)]
        kept = rng.random(len(self.weight)) * bound < self.weight
        return self._some(kept, np.maximum(self.weight[kept], bound))

    def without_the_weightless(self) -> SkyCandidates:
        """Those that have a weight; all of them where each has."""
        some = self.weight > 0
        return self if some.all() else self._some(some, self.weight[some])

    def _some(self, kept: np.ndarray, weight: np.ndarray) -> SkyCandidates:
        """Some of the places, with other weights, (P,)."""
        columns = {name: getattr(self, name)[kept] for name in ("ra", "dec", "distance", "square", "row")}
        return SkyCandidates(
            weight=weight / weight.sum(), log_evidence=self.log_evidence, seconds=self.seconds, **columns
        )


def of_rows(ra: np.ndarray, dec: np.ndarray, distance: np.ndarray | None = None) -> SkyCandidates:
    """Places of equal weight: the rows of a posterior, in radians, with distances in Mpc where there are some.

    A row that is there several times, as resampling and chains that stay leave them, is one place of so much more weight:
    its copies are no draws of their own, and would be taken for a source that is well known.
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
    """Write to a file, whole or not at all; places are good to a twentieth of an arc second."""
    temporary = path.with_name(f".{path.stem}.tmp.npz")
    arrays: Mapping[str, Any] = {
        field.name: np.asarray(getattr(candidates, field.name), dtype=_KEPT.get(field.name, np.float32))
        for field in fields(SkyCandidates)
    }
    np.savez(temporary, **arrays)
    return temporary.replace(path)


_KEPT = {"row": np.int32, "log_evidence": np.float64}


def load_candidates(path: Path) -> SkyCandidates:
    """The inverse of :func:`save_candidates`.

    Raises
    ------
    ValueError, OSError, KeyError
        If the file is none of those.
    """
    with np.load(path, allow_pickle=False) as arrays:
        found = {field.name: arrays[field.name] for field in fields(SkyCandidates)}
    columns = {name: column.astype(np.float64) for name, column in found.items() if column.ndim}
    columns["weight"] /= columns["weight"].sum()
    columns["row"] = found["row"].astype(np.int64)
    return SkyCandidates(**columns, log_evidence=float(found["log_evidence"]), seconds=float(found["seconds"]))
