"""One inference problem: the user's likelihood and prior, and what the package asks of them.

A :class:`Problem` is made once, by :func:`bilby_flowpe.kinds.problem_of`, which chooses the kind. The rest of the package
asks the object. What the class of a likelihood says is in ``kinds/recognise.py``: for the choice of the kind, for
``translation/``, which finds the form of a problem before it is made, and for what a result says of it. Whether methods of a
class are replaced (:mod:`bilby_flowpe.overrides`) is also asked where waves and closed forms are made.

A likelihood need not have a kind of its own: with a method ``simulate(parameters, rng)`` and its ``observed_data`` it is one of
``kinds/own_simulate.py``, and another noise of Bilby's one-dimensional likelihoods is a class in
``simulation/noise_kinds.py`` (and in its ``NOISES``; in ``FITTED`` of ``representation/linear.py``, by its kind).

How to add a kind of problem:

1. Write one file in ``kinds/`` with a subclass of :class:`Problem` that answers :meth:`Problem.describe`, :meth:`Problem.view`,
   :meth:`Problem.bank`, :meth:`Problem.inject` and :meth:`Problem.obstacle`, and has its ``kind``. The facts of its contract
   say what sort of data they are of (``"kind"``), in words that models keep, and describe the priors
   (``contract.restore.describe_priors``). Set ``has_noise_curves`` where the data are strain of detectors. Give
   :meth:`Problem.residual` and :meth:`Problem.farthest_off` only if the data have a power that can be compared with that of
   noise.
   ``kinds/own_simulate.py`` is the shortest example of a kind that can be simulated.
2. Put views and banks into ``simulation/``; :mod:`bilby_flowpe.problem.data` says what they must be able to do.
3. Let ``kinds/choose.py`` recognise the likelihoods that belong to the kind; what is asked of their class goes into
   ``kinds/recognise.py``.
4. Add an example to ``tests/kinds/test_choose.py``, which asks every kind the same questions, and the file to
   ``tests/test_layout.py``.

What is drawn in closed form is that of gravitational waves: another kind says in :meth:`Problem.obstacle` that it has none.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self

import numpy as np
from bilby.core.likelihood import Likelihood

from ..contract import Contract
from ..noise_scale import NoiseScale
from ..priors import Parameters, PriorTransform
from ..processes.parallel import Engine, Row, make_rows
from ..waves.grid import Grid
from .config import FIXED, SimulationConfig
from .data import Bank, View

Wanted = Literal["simulation", "closed form", "own frequencies"]
"""What may not be possible for a problem: see :meth:`Problem.obstacle`."""


@dataclass(frozen=True, eq=False)
class Problem(ABC):
    """A likelihood and a prior. Frozen: another likelihood makes another problem.

    Attributes
    ----------
    likelihood
        The likelihood that draws are made with.
    prior
        Its prior, ready to be transformed, sampled and evaluated.
    kind
        Name of the kind of problem.
    has_noise_curves
        Whether the data are strain of detectors, whose noise has a power spectral density.
    """

    likelihood: Likelihood
    prior: PriorTransform

    kind: ClassVar[str]
    has_noise_curves: ClassVar[bool] = False

    @abstractmethod
    def describe(self) -> Contract:
        """Describe the problem, for a model to be held against.

        Raises
        ------
        SimulationError
            If no model can be trained for it.
        """

    @abstractmethod
    def view(self, grid: Grid | None = None, psd: str = FIXED) -> View:
        """Show the data of the likelihood as a network sees them.

        Parameters
        ----------
        grid
            Frequencies that the network sees; all of the data when left out. Other data than strain have no use for it.
        psd
            Which noise curves the network was trained for: :attr:`.SimulationConfig.psd`.

        Raises
        ------
        SimulationError, DataError
            If a network cannot be shown these data.
        """

    @abstractmethod
    def bank(
        self,
        config: SimulationConfig | None = None,
        npool: int | Engine = 1,
        seed: int | None = None,
        grid: Grid | None = None,
        progress: bool = True,
    ) -> Bank:
        """Make a source of training data.

        Parameters
        ----------
        config
            Sizes and choices; data other than strain have no use for these and for all that follows.
        npool
            Processes for the waveforms, or what makes them elsewhere.
        seed
            Seed of the waveforms' parameters.
        grid
            Frequencies of the data; chosen from the signals when left out.
        progress
            Whether to show a progress bar.

        Raises
        ------
        SimulationError, DataError
            If data cannot be simulated.
        """

    @abstractmethod
    def inject(self, rng: np.random.Generator) -> tuple[Self, Row]:
        """Simulate an event: parameters from the prior, data from the likelihood's own noise.

        Returns
        -------
        problem, parameters
            The problem with these data and the same prior, and the true parameters, fixed ones included. The likelihood of
            this problem stays as it is.

        Raises
        ------
        SimulationError
            If data cannot be simulated.
        """

    def residual(self, log_likelihood_ratio: float) -> float | None:
        """Power that a signal leaves in the data, in standard deviations over its expectation for Gaussian noise.

        Parameters
        ----------
        log_likelihood_ratio
            Of the best signal known.

        Returns
        -------
        float or None
            ``None`` for data that have no power to speak of, and for a ratio that is not finite.
        """
        return None

    def noise_scales(self, row: Mapping[str, float]) -> dict[str, NoiseScale]:
        """How far the noise of each detector is from its curve in the band of a signal; empty for data without such curves.

        Parameters
        ----------
        row
            All parameters of the signal.
        """
        return {}

    def farthest_off(self, row: Mapping[str, float]) -> str | None:
        """Say where in the data the power left after a signal is farthest from that of noise; ``None`` if there is no answer.

        Parameters
        ----------
        row
            All parameters of the signal.
        """
        return None

    @abstractmethod
    def obstacle(self, wanted: Wanted) -> str | None:
        """Say why something cannot be done for this problem, in words; ``None`` if it can be tried.

        Parameters
        ----------
        wanted
            ``"simulation"``: to simulate data, and train a network. ``"closed form"``: to draw some parameters from their
            exact conditional. ``"own frequencies"``: to have the waveform at every frequency
            of the data, which the exact conditional of the time asks for.
        """

    @property
    def has_ratio(self) -> bool:
        """Whether the likelihood of noise alone is known, so that its ratio can be had from the likelihood and vice versa."""
        return bool(np.isfinite(float(self.likelihood.noise_log_likelihood())))

    def with_likelihood(self, likelihood: Likelihood) -> Self:
        """The problem of other data: a likelihood of the same kind and the same prior."""
        return replace(self, likelihood=likelihood)

    def rows(self, parameters: Parameters) -> list[Row]:
        """One dictionary a draw, fixed parameters included: what Bilby's own functions take."""
        return make_rows(self.prior.fixed, parameters)

    def event(self, seed: Sequence[int]) -> Event:
        """Simulate the event of a seed; see :meth:`inject`."""
        rng = np.random.default_rng(seed)
        return Event(*self.inject(rng), rng)

    def events(self, count: int, *seed: int) -> Iterator[Event]:
        """Simulate events one by one: number ``i`` is that of the seed ``(first, i, *others)``.

        Parameters
        ----------
        count
            Number of events.
        seed
            A number, and further ones that tell streams of events from each other.
        """
        first, *others = seed
        for index in range(count):
            yield self.event((first, index, *others))


@dataclass(frozen=True)
class Event:
    """A simulated event.

    Attributes
    ----------
    problem
        With the data of the event.
    truth
        All its parameters, fixed ones included.
    rng
        The generator that made it, in the state after that.
    """

    problem: Problem
    truth: Row
    rng: np.random.Generator
