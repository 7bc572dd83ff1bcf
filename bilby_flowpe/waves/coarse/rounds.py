r"""Rounds of a search: new rows around the best ones, with steps adapted to how fast templates change.

If all templates are filtered from a higher frequency on, a few thousand cover a wide prior, since most of an inspiral's cycles
are at its lowest frequencies. The best rows are followed to lower frequencies, with steps as large as what the stage before
could not distinguish. At all frequencies, steps become as short as the posterior is wide.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...priors import Parameters, PriorTransform
from ...processes.parallel import make_rows
from .bank import Stage
from .metric import metric_of

ROUNDS = (
    *((3.0, 8), (2.0, 8), (1.4, 8), (1.4, 8), (1.0, 8), (1.0, 8), (0.7, 8), (0.7, 8)),
    *((0.5, 4), (0.5, 4), (0.35, 4), (0.35, 4), (0.25, 4), (0.18, 4)),
)
"""Steps of the last rounds, in widths of the posterior expected at a template, and the number of rows that each starts from."""

_PER_ROUND = 128  # rows that each round evaluates: more cost templates, fewer may not find the maximum
_FOLLOWED, _EACH = 96, 8  # rows that are followed to lower frequencies, and rows around each
# Fractions of a template's power that are lost a step away: one that the stage before could not distinguish, in the metric of
# that stage, and half of it in the stage's own metric.
_LOST = (0.25, 0.12)
_DIFFERENCE = 1e-3  # step for derivatives of templates, in standard deviations of the prior


class Around:
    """Draws of rows around others, inside the prior.

    Parameters
    ----------
    transform
        The prior.
    moved
        Mask of the prior's coordinates that the statistic depends on.
    """

    def __init__(self, transform: PriorTransform, moved: np.ndarray) -> None:
        self._transform, self._moved = transform, moved

    def __call__(
        self, stage: Stage, columns: Parameters, lost: np.ndarray, each: int, rng: np.random.Generator
    ) -> Parameters:
        """Draw ``each`` rows around every row, so far away that its template loses the fraction ``lost``, (N,), of its power.

        Steps are drawn from a normal density of that metric times the prior, so that they are never wider than the prior.
        """
        centres = self._transform.to_unconstrained(columns)
        roots = [self._root(stage, centre, one) for centre, one in zip(centres, lost, strict=True)]
        white = rng.standard_normal((len(centres), each, int(self._moved.sum())))
        places = np.repeat(centres[:, None], each, axis=1)
        places[:, :, self._moved] += np.einsum("nab,neb->nea", np.stack(roots), white)
        rows = self._transform.from_unconstrained(places.reshape(-1, centres.shape[1]))
        inside = self._transform.satisfies(rows)
        return {key: column[inside] for key, column in rows.items()}

    def _root(self, stage: Stage, centre: np.ndarray, lost: float) -> np.ndarray:
        """Return a root of the covariance of the steps from a point, (n, n)."""
        n = int(self._moved.sum())
        # Towards the centre, as there are no waves beyond the edge of a prior.
        steps = _DIFFERENCE * np.where(centre[self._moved] > 0, -1.0, 1.0)
        places = np.repeat(centre[None], 1 + n, axis=0)
        places[1 + np.arange(n), np.flatnonzero(self._moved)] += steps
        metric = metric_of(stage.drawn(self._transform.from_unconstrained(places)), steps)
        precision = np.eye(n) if metric is None else metric / lost + np.eye(n)
        root: np.ndarray = np.linalg.cholesky(np.linalg.inv(precision))
        return root


class Tried:
    """Rows of a search, and their values at one stage.

    Parameters
    ----------
    stage
        Stage whose templates are filtered.
    keys
        Names of the search parameters.
    """

    def __init__(self, stage: Stage, keys: Sequence[str]) -> None:
        self.stage, self._keys = stage, keys
        self._pieces: list[Parameters] = []
        self.values, self.times = np.zeros(0), np.zeros(0)

    @property
    def size(self) -> int:
        """Number of rows that were evaluated."""
        return len(self.values)

    @property
    def columns(self) -> Parameters:
        """Search parameters of all rows, (N,) each."""
        self._pieces = [{key: np.concatenate([piece[key] for piece in self._pieces]) for key in self._keys}]
        return self._pieces[0]

    def add(self, columns: Parameters) -> None:
        """Evaluate further rows and add them."""
        if len(next(iter(columns.values()))):
            self.put(columns, *self.stage.statistic(make_rows(self.stage.fixed, columns)))

    def put(self, columns: Parameters, values: np.ndarray, times: np.ndarray) -> None:
        """Add rows whose values are known."""
        self._pieces.append(columns)
        self.values, self.times = np.append(self.values, values), np.append(self.times, times)

    def best(self, size: int) -> tuple[Parameters, np.ndarray]:
        """Return the best rows, the highest value first, and their values."""
        order = np.argsort(-self.values)[:size]
        order = order[np.isfinite(self.values[order])]
        return {key: column[order] for key, column in self.columns.items()}, self.values[order]

    def follow(self, before: Tried, around: Around, rng: np.random.Generator) -> None:
        """Evaluate the best rows of the stage before, and rows around them."""
        columns, _ = before.best(_FOLLOWED)
        self.add(columns)
        for stage, lost in zip((before.stage, self.stage), _LOST, strict=True):
            self.add(around(stage, columns, np.full(len(next(iter(columns.values()))), lost), _EACH, rng))
            columns, _ = self.best(_FOLLOWED)

    def settle(self, around: Around, rng: np.random.Generator) -> None:
        """Evaluate rows around the best ones in rounds of smaller and smaller steps.

        Only the best row of rounds with steps narrower than a posterior is kept, since the spread of all rows is the width with
        which a refinement begins.
        """
        narrow = Tried(self.stage, self._keys)
        for step, starts in ROUNDS:
            rows = narrow if step < 1 else self
            if rows is narrow and not narrow.size:
                columns, values = self.best(starts)
                narrow.put(columns, values, self._times_of(starts))
            columns, values = rows.best(starts)
            if not len(values):
                return
            # At a distance of one width the statistic l falls by 1/2: the fraction 1 / (2 l) is lost.
            lost = step**2 / (2 * np.maximum(values, 1.0))
            rows.add(around(self.stage, columns, lost, _PER_ROUND // len(values), rng))
        self.put(*narrow.best(1), narrow._times_of(1))

    def _times_of(self, size: int) -> np.ndarray:
        """Return the arrival times of the best rows."""
        order = np.argsort(-self.values)[:size]
        return self.times[order[np.isfinite(self.values[order])]]
