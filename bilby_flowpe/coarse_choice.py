"""Whether a run draws with coarse waves, and around which reference these are made."""

from __future__ import annotations

import numpy as np
from bilby.core.utils import logger

from .conditional.base import Conditional
from .conditional.coherent import CoherentConditional
from .errors import CoarseObstacle
from .problem import Problem
from .processes.parallel import Row
from .sampling.start import Searched
from .waves.coarse.build import coarse_waves
from .waves.coarse.search import Found, find_reference

_SEED = 20261130  # any number: the search of an event is the same in every run


class CoarseChoice:
    """Makes what draws with coarse waves, for one event.

    Parameters
    ----------
    problem
        The problem that draws are made for.
    coarse
        Whether coarse waves are wanted, or the approximant that is to make them.
    """

    def __init__(self, problem: Problem, coarse: bool | str) -> None:
        self._problem, self._coarse = problem, coarse
        self._found: Found | None = None

    def of(self, conditional: Conditional, at: Row | None = None) -> Conditional | None:
        """Return what draws the same parameters with coarse waves; ``None`` where there can be none, which is logged.

        Parameters
        ----------
        conditional
            What draws them with the likelihood's own waves.
        at
            Parameters of the reference; those of the best wave that a search finds when left out.
        """
        if not self._coarse or not isinstance(conditional, CoherentConditional) or conditional.config.phase_known:
            return None
        orders = conditional.config.phase_orders or (conditional.config.phase_order,)
        approximant = self._coarse if isinstance(self._coarse, str) else None
        likelihood, prior, window = self._problem.likelihood, self._problem.prior, conditional.window
        try:
            if at is None:
                at = self._reference(orders, window, approximant)
            waves = coarse_waves(likelihood, prior, orders, at, window, approximant)
        except CoarseObstacle as obstacle:
            logger.info(f"No coarse waves: {obstacle}")
            return None
        logger.info(
            f"Draws are steered by {waves.terms.model.words} on {len(waves.nodes)} frequencies, which give the log likelihood "
            f"to {waves.error:.2g} near the reference"
        )
        return conditional.with_waves(waves)

    @property
    def searched(self) -> Searched | None:
        """All rows that the search has tried, where there was one."""
        found = self._found
        return None if found is None else Searched(found.columns, found.log_ratios, found.seen)

    @property
    def evaluations(self) -> int:
        """Templates that the search has made."""
        return 0 if self._found is None else self._found.evaluations

    def _reference(self, orders: tuple[int, ...], window: tuple[float, float], approximant: str | None) -> Row:
        if self._found is None:
            rng = np.random.default_rng(_SEED)
            self._found = find_reference(
                self._problem.likelihood, self._problem.prior, orders, window, rng, approximant
            )
        return self._found.reference
