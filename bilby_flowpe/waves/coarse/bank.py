"""The templates of a search that were drawn from the prior, and what can be asked of them."""

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
    """Templates that are filtered from some frequency on.

    Attributes
    ----------
    lowest
        That frequency, in Hz.
    statistic
        Log likelihood ratios of rows.
    changes
        Templates of rows at a few frequencies, for their metric.
    fixed
        Parameters that all rows share.
    """

    lowest: float
    statistic: Statistic
    changes: Changes
    fixed: Row

    def ratios(self, columns: Parameters) -> np.ndarray:
        """Log likelihood ratios (N,) of rows."""
        return self.statistic(make_rows(self.fixed, columns)).values

    def drawn(self, columns: Parameters) -> Drawn:
        """Templates of rows at a few frequencies."""
        return self.changes(make_rows(self.fixed, columns))


@dataclass(frozen=True)
class Bank:
    """The draws of the prior among the rows of a search, and what can be asked of them.

    Attributes
    ----------
    size
        Number of draws, the first rows.
    values
        Their statistic at the first of the stages, (B,).
    matched
        How well waves drawn afresh match them there.
    stages
        From the frequencies at which the draws are filtered to all.
    templates
        Templates of rows at the frequencies of ``thinned``.
    thinned
        Few frequencies, for inner products of templates.
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
        """Log likelihood ratios (N,) of rows at all frequencies."""
        return self.stages[-1].ratios(columns)

    def waves(self, columns: Parameters) -> np.ndarray:
        """Templates (N, J) of rows, of any amplitude."""
        return self.templates(make_rows(self.fixed, columns))
