"""What draws parameters given those that the proposal draws: the contract, and which parameters these are.

A run has one conditional. One that draws further parameters wraps the one that there is, as
:class:`.coherent.CoherentConditional` wraps :class:`.closed_form.ExactConditional`. How another one is added, and what it has
to be tested for, is in ``docs/house.md``, "Where a weight is computed".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from bilby.gw.likelihood import GravitationalWaveTransient

from ..names import INCLINATION, PLACE
from ..priors import Parameters
from ..processes.parallel import Row, Task
from .blocks.waves import FilteredWaves


@dataclass(frozen=True)
class ConditionalConfig:
    r"""What is drawn from its exact conditional.

    Attributes
    ----------
    keys
        Empty, or the phase; with it, or given its fixed value, the distance and the time; with the phase distance and
        inclination, too. Sky position and polarisation angle, and the inclination without a ``response``, are drawn coherently
        (:mod:`bilby_flowpe.conditional.coherent`).
    phase_order
        ``m`` of a signal that turns as ``exp(i m phase)``; 0 where nothing is drawn conditionally, or there are several.
    response
        :math:`F_+` and :math:`F_\times` of the only detector, where the inclination is among the keys.
    cross_ratio
        Real and imaginary part of :math:`h_\times / h_+` face on.
    phase_orders
        All ``m`` of a signal that is a sum of terms that turn so (:mod:`bilby_flowpe.conditional.harmonics`).
    phase_known
        Whether the phase is fixed: all others are then drawn given its value, and nothing is averaged over it.
    """

    keys: tuple[str, ...] = ()
    phase_order: int = 0
    response: tuple[float, float] | None = None
    cross_ratio: tuple[float, float] = (0.0, 0.0)
    phase_orders: tuple[int, ...] = ()
    phase_known: bool = False

    @property
    def coherent(self) -> bool:
        """Whether sky, polarisation angle, inclination or harmonics are drawn by their candidates, not in closed form."""
        return bool({*PLACE} & {*self.keys} or self.phase_orders) or (
            INCLINATION in self.keys and self.response is None
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        values = asdict(self)
        return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ConditionalConfig:
        """The inverse of :meth:`to_dict`."""
        sequences = {key: tuple(value) for key, value in values.items() if isinstance(value, list)}
        return cls(**{**values, **sequences})


@dataclass(frozen=True)
class ConditionalDraws:
    """Draws of the conditional parameters and what they are worth.

    Attributes
    ----------
    parameters
        Those of :attr:`ConditionalConfig.keys`, (N,) each.
    log_likelihood_ratio
        With them, (N,).
    log_weight
        Logarithm of their prior times the likelihood ratio over the density they were drawn from, (N,); -inf outside
        the prior. Its exponential averages to the likelihood ratio averaged over their prior.
    """

    parameters: Parameters
    log_likelihood_ratio: np.ndarray
    log_weight: np.ndarray


class Exact:
    """Base of a conditional whose likelihood is the user's own."""

    @property
    def exact(self) -> bool:
        """It is."""
        return True

    def describe(self) -> dict[str, Any]:
        """Nothing is to be said."""
        return {}


class Conditional(Protocol):
    """What draws the conditional parameters of one problem.

    A row counts as one evaluation, however many waveforms :meth:`task` makes of it.

    Attributes
    ----------
    keys
        Names of these.
    reference
        Their values in a row until they are drawn.
    """

    keys: tuple[str, ...]

    @property
    def exact(self) -> bool:
        """Whether its likelihood is the user's own.

        One that is not is a coarse likelihood: it steers, and the user's own is evaluated for those draws that are kept
        (:mod:`bilby_flowpe.chain.thinned`).
        """

    @property
    def reference(self) -> dict[str, float]: ...

    def defended(self, share: float) -> Conditional:
        """Return one that draws a share of the distances from their prior: another likelihood weighs them.

        Where the distance is not among the keys it is the same one.
        """

    def task(self, likelihood: GravitationalWaveTransient) -> Task:
        """What makes the products that :meth:`draw` takes, of one row; picklable, for worker processes."""

    def task_rows(self, rows: Sequence[Row], rng: np.random.Generator) -> Sequence[Row]:
        """Rows of all parameters at the reference, with what a row's own draws need."""

    def draw(self, products: np.ndarray, rng: np.random.Generator) -> ConditionalDraws:
        """One draw for each row of products; what normalises its prior (``PriorTransform.log_scale``) is in its weight."""

    def describe(self) -> dict[str, Any]:
        """What a result says of a coarse likelihood: plain values; nothing of an exact one."""

    def log_average(self, likelihood: GravitationalWaveTransient, row: Row) -> float:
        """Log likelihood ratio averaged over the prior of the conditional parameters, the others as in ``row``.

        It is no part of a weight; the gap of a network is measured with it.
        """


@runtime_checkable
class TakesCoarseWaves(Conditional, Protocol):
    """What can draw with coarse waves in the place of the likelihood's own; the class of a conditional does not matter.

    One that wraps another has these members, too, and passes them on: without them a run has no coarse waves and no network of
    a family, however good the one inside is.

    Attributes
    ----------
    config
        What is drawn.
    """

    config: ConditionalConfig

    @property
    def window(self) -> tuple[float, float]:
        """First and last geocentric time, GPS seconds."""

    def with_waves(self, waves: FilteredWaves) -> Self:
        """Return one that draws with these waves, and says ``exact = False``."""
