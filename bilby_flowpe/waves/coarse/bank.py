"""The templates of a search that were drawn from the prior, and what can be asked of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...priors import Parameters
from ...processes.parallel import Row, make_rows
from .matches import Matched, Thinned
from .statistic import Statistic
from .templates import Templates


@dataclass(frozen=True)
class Bank:
    """The draws of the prior among the rows of a search, and what can be asked of them.

    Attributes
    ----------
    size
        Number of draws, the first rows.
    matched
        How well waves drawn afresh match them.
    statistic
        Log likelihood ratios of further rows.
    templates
        Templates of rows at the frequencies of ``thinned``.
    thinned
        Few frequencies, for inner products of templates.
    fixed
        Parameters that all rows share.
    """

    size: int
    matched: Matched
    statistic: Statistic
    templates: Templates
    thinned: Thinned
    fixed: Row

    def ratios(self, columns: Parameters) -> np.ndarray:
        """Log likelihood ratios (N,) of rows."""
        return self.statistic(make_rows(self.fixed, columns)).values

    def waves(self, columns: Parameters) -> np.ndarray:
        """Templates (N, J) of rows, of any amplitude."""
        return self.templates(make_rows(self.fixed, columns))
