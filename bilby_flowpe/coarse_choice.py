"""The choice whether a run draws with coarse waveforms, and the reference around which they are made."""

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
from .names import INCLINATION, PLACE
from .problem import Problem
from .processes.parallel import Row
from .sampling.start import Searched
from .waves.coarse.build import coarse_waves
from .waves.coarse.search import Found, find_reference
from .waves.coarse.sources import named_generator
from .waves.coarse.turned import TurnedWaves
from .waves.symmetries import find_symmetries

Near: TypeAlias = Callable[[Row], GravitationalWaveTransient]
"""Function that returns a plain likelihood for all parameters of a signal."""
# Seed of the search, so that the search of an event is the same in every run; its value does not matter.
_SEED = 20261130


class CoarseChoice:
    """Maker of a conditional that draws with coarse waveforms, for one event.

    Parameters
    ----------
    problem
        Problem for which draws are made.
    coarse
        Tells whether coarse waveforms should be used, or names the approximant that makes them.
    drawn_by
        Requested way to draw each parameter.
    near
        Function that returns the plain likelihood closest to the user's, near a row; by default that of the problem.

    Attributes
    ----------
    seconds : dict
        Seconds of the search.
    """

    def __init__(
        self, problem: Problem, coarse: bool | str, drawn_by: DrawnBy | None = None, near: Near | None = None
    ) -> None:
        self._problem, self._coarse, self._drawn_by = problem, coarse, drawn_by or DrawnBy()
        self._near = near or (lambda row: problem.likelihood)
        self._found: Found | None = None
        self.seconds: dict[str, float] = {}

    def of(self, conditional: Conditional, at: Row | None = None, network: bool = False) -> Conditional | None:
        """Return a conditional that draws with coarse waveforms; ``None`` if that is not possible, which is logged.

        It draws the same parameters as ``conditional``. If an approximant is named and no network draws the other parameters,
        the symmetries of that approximant decide instead, because the likelihood's own waveforms then weigh draws only.

        Parameters
        ----------
        conditional
            Conditional that draws with the likelihood's own waveforms.
        at
            Parameters of the reference; by default those of the best waveform that a search finds.
        network
            Tells whether a network draws all other parameters.
        """
        if not self._coarse or not self._problem.has_noise_curves:
            return None
        try:
            drawing = conditional if self._approximant is None or network else self._of_named
            return self._made(drawing, at)
        # The last two may come from waveforms and priors with which a run without coarse waveforms still works.
        except (CoarseObstacle, ContractError, PriorError, SimulationError) as obstacle:
            say = logger.info if self._approximant is None else logger.warning
            say(f"No coarse waveforms are used: {obstacle}")
            return None

    def _made(self, conditional: Conditional, at: Row | None) -> Conditional:
        if not isinstance(conditional, TakesCoarseWaves):
            if not {*PLACE, INCLINATION} & {*self._problem.prior.keys}:
                raise CoarseObstacle("sky position and orientation are not sampled")
            raise CoarseObstacle(
                "they need the time, sky position and orientation to be drawn from their conditional; here it draws "
                f"{list(conditional.keys) or 'nothing'}, because the others are fixed, connected by the prior, drawn in "
                "another way on request (such as phase='network'), or change the shape of the waveform. If the waveform has no "
                "simple dependence on the phase, coarse= may name an approximant that has, such as 'IMRPhenomXPHM'"
            )
        config, known = conditional.config, conditional.config.phase_known
        orders = self._orders if known else config.phase_orders or (config.phase_order,)
        prior, window = self._problem.prior, conditional.window
        if at is None:
            at = self._reference(orders, window)
        others = () if self._found is None else self._found.others
        waves = coarse_waves(self._near(at), prior, orders, at, window, self._approximant, others=others)
        logger.info(
            f"Draws are made with {waves.terms.model.words} at {len(waves.nodes)} frequencies, which give the log likelihood "
            f"with an error of {waves.error:.2g} near the reference"
        )
        return conditional.with_waves(TurnedWaves(waves) if known else waves)

    @property
    def searched(self) -> Searched | None:
        """Rows that the search has tried; ``None`` if there was no search."""
        found = self._found
        return None if found is None else Searched(found.columns, found.log_ratios, found.seen, found.bank)

    @property
    def reference(self) -> Row | None:
        """Parameters, fixed ones included, of the best waveform of the search; ``None`` if there was no search."""
        return None if self._found is None else self._found.reference

    @property
    def evaluations(self) -> int:
        """Number of templates that the search has made."""
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
        """Conditional that the symmetries of the named approximant allow."""
        try:
            return closed_form_of(self._problem, self._drawn_by, generator=self._generator)
        except SimulationError as error:
            raise CoarseObstacle(
                f"coarse={self._coarse!r} has no waveforms for these priors ({error}): name another approximant, such as "
                "'IMRPhenomXPHM', which takes spins of any direction, or leave it out"
            ) from error

    @cached_property
    def _orders(self) -> tuple[int, ...]:
        """Orders of the terms of a waveform whose phase is known."""
        symmetries = find_symmetries(self._generator, self._problem.prior)
        return symmetries.phase_orders or (symmetries.phase_order,)

    def _reference(self, orders: tuple[int, ...], window: tuple[float, float]) -> Row:
        if self._found is None:
            rng = np.random.default_rng(_SEED)
            logger.info("Searching for the signal with templates of the whole prior; wide priors of masses take longer")
            began = time.monotonic()
            self._found = find_reference(
                self._problem.likelihood, self._problem.prior, orders, window, rng, self._approximant
            )
            self.seconds["search"] = round(time.monotonic() - began, 3)
        return self._found.reference
