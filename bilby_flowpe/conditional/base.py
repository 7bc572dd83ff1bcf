"""Protocol of conditionals, which draw parameters given those that the proposal draws, and the configuration of one.

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
    r"""Names of the parameters drawn from their exact conditional, and the symmetries of the waveform that this rests on.

    Attributes
    ----------
    keys
        Names of the parameters that are drawn; empty if there are none. Distance and time need the phase among them, or a fixed
        phase. With a ``response`` the inclination is drawn together with the distance. Sky position and polarisation angle, and
        the inclination without a ``response``, are chosen among candidates (:mod:`bilby_flowpe.conditional.coherent`).
    phase_order
        ``m`` of a signal proportional to ``exp(i m phase)``; 0 where nothing is drawn conditionally, or there are several.
    response
        :math:`F_+` and :math:`F_\times` of the only detector, where the inclination is drawn together with the distance.
    cross_ratio
        Real and imaginary part of :math:`h_\times / h_+` face on.
    phase_orders
        All ``m`` of a signal that is a sum of terms ``exp(i m phase)`` (:mod:`bilby_flowpe.conditional.harmonics`).
    phase_known
        True if the phase is fixed: all others are then drawn given its value, without an average over the phase.
    """

    keys: tuple[str, ...] = ()
    phase_order: int = 0
    response: tuple[float, float] | None = None
    cross_ratio: tuple[float, float] = (0.0, 0.0)
    phase_orders: tuple[int, ...] = ()
    phase_known: bool = False

    @property
    def coherent(self) -> bool:
        """True if sky position, polarisation angle, inclination or harmonics are chosen among candidates."""
        return bool({*PLACE} & {*self.keys} or self.phase_orders) or (
            INCLINATION in self.keys and self.response is None
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as plain values, for JSON."""
        values = asdict(self)
        return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ConditionalConfig:
        """Restore a configuration from the output of :meth:`to_dict`."""
        sequences = {key: tuple(value) for key, value in values.items() if isinstance(value, list)}
        return cls(**{**values, **sequences})


@dataclass(frozen=True)
class ConditionalDraws:
    """Draws of the conditional parameters, with their likelihoods and weights.

    Attributes
    ----------
    parameters
        Parameters of :attr:`ConditionalConfig.keys` by name, (N,) each.
    log_likelihood_ratio
        Log likelihood ratio at these parameters, (N,).
    log_weight
        Logarithm of their prior times the likelihood ratio over the density they were drawn from, (N,); -inf outside
        the prior. Its exponential averages to the likelihood ratio averaged over their prior.
    """

    parameters: Parameters
    log_likelihood_ratio: np.ndarray
    log_weight: np.ndarray


class Exact:
    """Base class of conditionals whose likelihood is the user's own."""

    @property
    def exact(self) -> bool:
        """True, as this conditional uses the user's own likelihood."""
        return True

    def describe(self) -> dict[str, Any]:
        """Return an empty description, as there is no coarse likelihood to describe."""
        return {}


class Conditional(Protocol):
    """Protocol of a class that draws the conditional parameters of one problem.

    A row counts as one evaluation, however many waveforms :meth:`task` makes of it.

    Attributes
    ----------
    keys
        Names of the conditional parameters.
    reference
        Values that these have in a row until they are drawn.
    """

    keys: tuple[str, ...]

    @property
    def exact(self) -> bool:
        """True if the likelihood in its weights is the user's own, False if it is a coarse one.

        A coarse likelihood decides which draws are kept; the user's own likelihood is evaluated for these
        (:mod:`bilby_flowpe.chain.thinned`).
        """

    @property
    def reference(self) -> dict[str, float]: ...

    def defended(self, share: float) -> Conditional:
        """Return a copy that draws a fraction of the distances from their prior, for use where another likelihood weighs them.

        If the distance is not among the keys, nothing changes.
        """

    def task(self, likelihood: GravitationalWaveTransient) -> Task:
        """Return the task that computes the products of one row for :meth:`draw`; it can be pickled for worker processes."""

    def task_rows(self, rows: Sequence[Row], rng: np.random.Generator) -> Sequence[Row]:
        """Return rows of all parameters at their reference values, with what each row's own draws need."""

    def draw(self, products: np.ndarray, rng: np.random.Generator) -> ConditionalDraws:
        """Draw the parameters once for each row of products.

        The weight contains the normalisation of the prior (``PriorTransform.log_scale``).
        """

    def describe(self) -> dict[str, Any]:
        """Return a description of a coarse likelihood for the result, as plain values; an empty one if it is exact."""

    def log_average(self, likelihood: GravitationalWaveTransient, row: Row) -> float:
        """Return the log likelihood ratio averaged over the conditional parameters' prior, the others as in ``row``.

        No weight contains it; the gap of a network is measured with it.
        """


@runtime_checkable
class TakesCoarseWaves(Conditional, Protocol):
    """Protocol of conditionals that can draw with coarse waves in place of the likelihood's own.

    It is enough to have these members, whatever the class. A conditional that wraps another one has to pass them on: without
    them a run cannot use coarse waves or a network of a family.

    Attributes
    ----------
    config
        Names of the parameters that are drawn, and symmetries of the waveform.
    """

    config: ConditionalConfig

    @property
    def window(self) -> tuple[float, float]:
        """First and last geocentric time of the prior, in GPS seconds."""

    def with_waves(self, waves: FilteredWaves) -> Self:
        """Return a copy that draws with these coarse waves and has ``exact = False``."""
