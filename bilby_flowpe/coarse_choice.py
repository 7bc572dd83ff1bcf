"""Choose whether a run draws with coarse waves, and find the reference that they are made around."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cached_property
from typing import TypeAlias

import numpy as np
from bilby.core.utils import logger
from bilby.gw.likelihood import GravitationalWaveTransient
from bilby.gw.waveform_generator import WaveformGenerator

from .conditional.base import Conditional, TakesCoarseWaves
from .conditional.choose import DrawnBy, closed_form_of
from .errors import CoarseObstacle, ContractError, PriorError, SimulationError
from .problem import Problem
from .processes.parallel import Row
from .sampling.start import Searched
from .waves.coarse.build import coarse_waves
from .waves.coarse.search import Found, find_reference
from .waves.coarse.sources import named_generator
from .waves.coarse.turned import TurnedWaves
from .waves.symmetries import find_symmetries

Near: TypeAlias = Callable[[Row], GravitationalWaveTransient]
"""A plain likelihood for all parameters of a signal."""
_SEED = 20261130  # any number: the search of an event is the same in every run


class CoarseChoice:
    """Makes what draws with coarse waves, for one event.

    Parameters
    ----------
    problem
        The problem that draws are made for.
    coarse
        Whether coarse waves are wanted, or the approximant that is to make them.
    drawn_by
        What is asked to draw each parameter.
    near
        The plain likelihood that is nearest to the one asked for, near a row; that of the problem when left out.

    Attributes
    ----------
    seconds : dict
        Of the search.
    """

    def __init__(
        self, problem: Problem, coarse: bool | str, drawn_by: DrawnBy | None = None, near: Near | None = None
    ) -> None:
        self._problem, self._coarse, self._drawn_by = problem, coarse, drawn_by or DrawnBy()
        self._near = near or (lambda row: problem.likelihood)
        self._found: Found | None = None
        self.seconds: dict[str, float] = {}

    def of(self, conditional: Conditional, at: Row | None = None, network: bool = False) -> Conditional | None:
        """Return what draws with coarse waves; ``None`` where there can be none, which is logged.

        It draws the same parameters, but for an approximant that is named: where no network has learnt the others, the
        symmetries of its waves count, for the likelihood's own waves weigh draws and make none.

        Parameters
        ----------
        conditional
            What draws with the likelihood's own waves.
        at
            Parameters of the reference; those of the best wave that a search finds when left out.
        network
            Whether a network draws all other parameters.
        """
        if not self._coarse or not self._problem.has_noise_curves:
            return None
        try:
            drawing = conditional if self._approximant is None or network else self._of_named
            return self._made(drawing, at)
        # Of the last ones waves and priors are the cause, which a run without coarse waves may do with.
        except (CoarseObstacle, ContractError, PriorError, SimulationError) as obstacle:
            say = logger.info if self._approximant is None else logger.warning
            say(f"No coarse waves: {obstacle}")
            return None

    def _made(self, conditional: Conditional, at: Row | None) -> Conditional:
        if not isinstance(conditional, TakesCoarseWaves):
            raise CoarseObstacle(
                "they draw where the time and what the sky and the orientation are known by are drawn from their "
                f"conditional; here these are {list(conditional.keys) or 'none'}, for the others are fixed, tied by the "
                "prior, asked to be drawn otherwise (phase='network' and its like), or shape the wave. Where the wave does not "
                "turn with the phase, coarse= may name an approximant that does, such as 'IMRPhenomXPHM'"
            )
        config, known = conditional.config, conditional.config.phase_known
        orders = self._orders if known else config.phase_orders or (config.phase_order,)
        prior, window = self._problem.prior, conditional.window
        if at is None:
            at = self._reference(orders, window)
        others = () if self._found is None else self._found.others
        waves = coarse_waves(self._near(at), prior, orders, at, window, self._approximant, others=others)
        logger.info(
            f"Draws are steered by {waves.terms.model.words} on {len(waves.nodes)} frequencies, which give the log likelihood "
            f"to {waves.error:.2g} near the reference"
        )
        return conditional.with_waves(TurnedWaves(waves) if known else waves)

    @property
    def searched(self) -> Searched | None:
        """All rows that the search has tried, where there was one."""
        found = self._found
        return None if found is None else Searched(found.columns, found.log_ratios, found.seen, found.bank)

    @property
    def reference(self) -> Row | None:
        """All parameters of the best wave that the search has found, where there was one."""
        return None if self._found is None else self._found.reference

    @property
    def evaluations(self) -> int:
        """Templates that the search has made."""
        return 0 if self._found is None else self._found.evaluations

    @property
    def _approximant(self) -> str | None:
        return self._coarse if isinstance(self._coarse, str) else None

    @cached_property
    def _generator(self) -> WaveformGenerator:
        generator = self._problem.likelihood.waveform_generator
        return generator if self._approximant is None else named_generator(generator, self._approximant)

    @cached_property
    def _of_named(self) -> Conditional:
        """What the named approximant's symmetries allow to draw."""
        try:
            return closed_form_of(self._problem, self._drawn_by, generator=self._generator)
        except SimulationError as error:
            raise CoarseObstacle(
                f"coarse={self._coarse!r} has no waves for these priors ({error}): name another approximant, such as "
                "'IMRPhenomXPHM', which takes spins of any direction, or leave it out"
            ) from error

    @cached_property
    def _orders(self) -> tuple[int, ...]:
        """Of the terms of a wave whose phase is known."""
        symmetries = find_symmetries(self._generator, self._problem.prior)
        return symmetries.phase_orders or (symmetries.phase_order,)

    def _reference(self, orders: tuple[int, ...], window: tuple[float, float]) -> Row:
        if self._found is None:
            rng = np.random.default_rng(_SEED)
            logger.info("Looking for the signal with templates of the whole prior: the wider its masses, the longer")
            began = time.monotonic()
            self._found = find_reference(
                self._problem.likelihood, self._problem.prior, orders, window, rng, self._approximant
            )
            self.seconds["search"] = round(time.monotonic() - began, 3)
        return self._found.reference
