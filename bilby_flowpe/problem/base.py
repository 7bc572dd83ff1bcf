"""Inference problems: the user's likelihood and prior, and the questions that the package asks about them.

A :class:`Problem` is made once, by :func:`bilby_flowpe.kinds.problem_of`, which chooses the kind. The rest of the package
asks the object. Questions that the class of a likelihood answers are in ``kinds/recognise.py``: they are asked to choose the
kind, in ``translation/``, which finds the form of a problem before it is made, and for the description in a result. Whether
methods of a class are replaced (:mod:`bilby_flowpe.overrides`) is also asked where waves and closed forms are made.

A new likelihood seldom needs a new kind: with a method ``simulate(parameters, rng)`` and ``observed_data`` it belongs to
``kinds/own_simulate.py``. Another noise of Bilby's one-dimensional likelihoods is a class in ``simulation/noise_kinds.py``
(to be listed in ``NOISES`` there, and by its kind in ``FITTED`` of ``representation/linear.py``).

How to add a kind of problem:

1. Write one file in ``kinds/`` with a subclass of :class:`Problem` that answers :meth:`Problem.describe`, :meth:`Problem.view`,
   :meth:`Problem.bank`, :meth:`Problem.inject` and :meth:`Problem.obstacle`, and has its ``kind``. The facts of its contract
   name the sort of data (``"kind"``), in words that models keep, and describe the priors
   (``contract.restore.describe_priors``). Set ``has_noise_curves`` if the data are strain of detectors. Give
   :meth:`Problem.residual` and :meth:`Problem.farthest_off` only if the data have a power that can be compared with that of
   noise.
   ``kinds/own_simulate.py`` is the shortest example of a kind that can be simulated.
2. Put views and banks into ``simulation/``; :mod:`bilby_flowpe.problem.data` says which methods they need.
3. Let ``kinds/choose.py`` recognise the likelihoods that belong to the kind; questions about their class go into
``kinds/recognise.py``.
4. Add an example to ``tests/kinds/test_choose.py``, which asks every kind the same questions, and the file to
   ``tests/test_layout.py``.

Only gravitational waves have parameters that are drawn in closed form: any other kind says so in :meth:`Problem.obstacle`.
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
"""Task that may be impossible for a problem: see :meth:`Problem.obstacle`."""


@dataclass(frozen=True, eq=False)
class Problem(ABC):
    """A likelihood and a prior, frozen: another likelihood makes another problem.

    Attributes
    ----------
    likelihood
        Likelihood by which draws are made.
    prior
        Prior, ready to be transformed, sampled and evaluated.
    kind
        Name of the kind of problem.
    has_noise_curves
        Tells whether the data are strain of detectors, whose noise has a power spectral density.
    """

    likelihood: Likelihood
    prior: PriorTransform

    kind: ClassVar[str]
    has_noise_curves: ClassVar[bool] = False

    @abstractmethod
    def describe(self) -> Contract:
        """Describe the problem, so that a model can be compared with it.

        Raises
        ------
        SimulationError
            If no model can be trained for this problem.
        """

    @abstractmethod
    def view(self, grid: Grid | None = None, psd: str = FIXED) -> View:
        """Return the data of the likelihood as a network sees them.

        Parameters
        ----------
        grid
            Frequencies that the network sees; by default all of the data. Only used for strain.
        psd
            PSDs that the network was trained for: :attr:`.SimulationConfig.psd`.

        Raises
        ------
        SimulationError, DataError
            If these data cannot be given to a network.
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
            Sizes and choices; this and all further arguments are only used for strain.
        npool
            Number of processes for the waveforms, or an engine that makes them elsewhere.
        seed
            Seed of the waveforms' parameters.
        grid
            Frequencies of the data; by default chosen from the signals.
        progress
            Show a progress bar.

        Raises
        ------
        SimulationError, DataError
            If data cannot be simulated.
        """

    @abstractmethod
    def inject(self, rng: np.random.Generator) -> tuple[Self, Row]:
        """Simulate an event: parameters from the prior, data with the noise of the likelihood.

        Returns
        -------
        problem, parameters
            The problem with these data and the same prior, and the true parameters, fixed ones included. The likelihood of
            this problem is not changed.

        Raises
        ------
        SimulationError
            If data cannot be simulated.
        """

    def residual(self, log_likelihood_ratio: float) -> float | None:
        """Return the power that a signal leaves in the data, in standard deviations above its expectation for Gaussian noise.

        Parameters
        ----------
        log_likelihood_ratio
            Log likelihood ratio of the best known signal.

        Returns
        -------
        float or None
            ``None`` for data whose power has no meaning, and for a ratio that is not finite.
        """
        return None

    def noise_scales(self, row: Mapping[str, float]) -> dict[str, NoiseScale]:
        """Return the ratio of the noise of each detector to its PSD in the band of a signal; empty for data without PSDs.

        Parameters
        ----------
        row
            All parameters of the signal.
        """
        return {}

    def farthest_off(self, row: Mapping[str, float]) -> str | None:
        """Say where in the data the power left after a signal differs most from that of noise; ``None`` if there is no answer.

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
            exact conditional. ``"own frequencies"``: to have the waveform at every frequency of the data, which the exact
            conditional of the time needs.
        """

    @property
    def has_ratio(self) -> bool:
        """Tells whether the likelihood of noise alone is known, so that likelihood and likelihood ratio can be converted."""
        return bool(np.isfinite(float(self.likelihood.noise_log_likelihood())))

    def with_likelihood(self, likelihood: Likelihood) -> Self:
        """Return the problem of other data: a likelihood of the same kind, and the same prior."""
        return replace(self, likelihood=likelihood)

    def rows(self, parameters: Parameters) -> list[Row]:
        """Return one dictionary per draw, fixed parameters included, as Bilby's functions take them."""
        return make_rows(self.prior.fixed, parameters)

    def event(self, seed: Sequence[int]) -> Event:
        """Simulate the event of a seed; see :meth:`inject`."""
        rng = np.random.default_rng(seed)
        return Event(*self.inject(rng), rng)

    def events(self, count: int, *seed: int) -> Iterator[Event]:
        """Simulate events one by one; event number ``i`` has the seed ``(first, i, *others)``.

        Parameters
        ----------
        count
            Number of events.
        seed
            A number, and further ones that distinguish streams of events.
        """
        first, *others = seed
        for index in range(count):
            yield self.event((first, index, *others))


@dataclass(frozen=True)
class Event:
    """A simulated event, with its truth.

    Attributes
    ----------
    problem
        Problem with the data of the event.
    truth
        All parameters of the event, fixed ones included.
    rng
        Random generator, in the state after the simulation of the event.
    """

    problem: Problem
    truth: Row
    rng: np.random.Generator
