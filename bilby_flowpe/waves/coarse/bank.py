"""Bank of templates drawn from the prior in a search, with their matches to waves of the prior."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ...priors import Parameters
from ...processes.parallel import Row, make_rows
from .matches import Matched, Thinned
from .metric import Changes, Drawn
from .statistic import Statistic


@dataclass(frozen=True)
class Stage:
    """Stage of a search, whose templates are filtered from some frequency on.

    Attributes
    ----------
    lowest
        Lowest frequency that is filtered, in Hz.
    statistic
        Computes log likelihood ratios of rows.
    changes
        Computes templates of rows at a few frequencies, for their metric.
    fixed
        Parameters that all rows share.
    """

    lowest: float
    statistic: Statistic
    changes: Changes
    fixed: Row

    def ratios(self, columns: Parameters) -> np.ndarray:
        """Return log likelihood ratios (N,) of rows."""
        return self.statistic(make_rows(self.fixed, columns)).values

    def drawn(self, columns: Parameters) -> Drawn:
        """Return the templates of rows at a few frequencies."""
        return self.changes(make_rows(self.fixed, columns))


@dataclass(frozen=True)
class Bank:
    """Draws from the prior among the rows of a search, and their templates.

    Attributes
    ----------
    size
        Number of draws, B, which are the first rows of the search.
    values
        Their log likelihood ratios at the first of the stages, (B,).
    matched
        Matches of waves drawn afresh to these templates, at the first of the stages.
    stages
        Stages from the one at which the draws are filtered to the one with all frequencies.
    templates
        Computes templates of rows at the frequencies of ``thinned``.
    thinned
        A few frequencies, for inner products of templates.
    fixed
        Parameters that all rows share.
    """

    size: int
    values: np.ndarray
    matched: Matched
    stages: tuple[Stage, ...]
    templates: Callable[[Sequence[Row]], np.ndarray]
    thinned: Thinned
    fixed: Row

    def ratios(self, columns: Parameters) -> np.ndarray:
        """Return log likelihood ratios (N,) of rows at all frequencies."""
        return self.stages[-1].ratios(columns)

    def waves(self, columns: Parameters) -> np.ndarray:
        """Return templates (N, J) of rows, of arbitrary amplitude."""
        return self.templates(make_rows(self.fixed, columns))
