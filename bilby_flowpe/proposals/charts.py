"""Charts: bijections between parameters and a base space in which a proposal is simple.

A trained network is a chart: its base space is the one in which its flow starts from a standard normal. The prior is
another: its base space has the standard-normal coordinates of :mod:`bilby_flowpe.priors`. A proposal
(:mod:`bilby_flowpe.proposals.mixture`) is a density in the base space of a chart; the chart's Jacobian turns it into a
density of the parameters.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ..priors import Parameters, PriorTransform, within_quantiles

_TRIALS = 1000
"""Draws of the prior by which the share that a chart cannot reach is estimated: a share of 1% is known to a third of
itself."""


class Chart(Protocol):
    """Bijection between parameters and a base space of as many dimensions."""

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the n parameters."""
        ...

    @property
    def latent(self) -> tuple[str, ...]:
        """Names of the chart's d latent variables; they have columns of these names beside the parameters."""
        ...

    @property
    def turn(self) -> tuple[str, float, float] | None:
        """Symmetry that draws on this chart are made to have; ``None`` if there is none.

        It is a parameter, a shift and a period: draws are shifted, modulo the period, with probability 1/2. A network
        that sees two modes of a phase may have learnt only one of them.
        """
        ...

    def forward(self, parameters: Parameters) -> tuple[np.ndarray, np.ndarray]:
        """Return base coordinates (N, n + d) and ``log |d base / d parameters|`` (N,), -inf out of reach of the chart."""
        ...

    def inverse(self, base: np.ndarray, rng: np.random.Generator) -> tuple[Parameters, np.ndarray]:
        """Return the parameters at base coordinates (N, n + d), and a mask (N,) of the rows inside the prior."""
        ...


class LatentChart(Chart, Protocol):
    """A chart with latent variables and a density of these given the parameters."""

    def encode(self, parameters: Parameters, rng: np.random.Generator) -> Parameters:
        """Draw latent variables, (N,) each, from ``q(z | x, y)``."""
        ...

    def log_encoder(self, parameters: Parameters) -> np.ndarray:
        """Return ``log q(z | x, y)`` (N,) for given parameters and latent variables."""
        ...


def dimension(chart: Chart) -> int:
    """Return the number of dimensions of a chart's base space, latent variables included."""
    return len(chart.keys) + len(chart.latent)


def turned(chart: Chart, parameters: Parameters, how: np.ndarray) -> Parameters:
    """Return the mirror images of parameters under the chart's symmetry: rows are shifted where ``how`` is one."""
    if chart.turn is None:
        return parameters
    key, by, period = chart.turn
    return {**parameters, key: (parameters[key] + how * by) % period}


def raw_draws(chart: Chart, size: int, rng: np.random.Generator) -> Parameters:
    """Draw from a network alone, without latent variables in the result; of ``size`` draws those inside the prior are kept."""
    drawn, inside = chart.inverse(rng.standard_normal((size, dimension(chart))), rng)
    return {key: drawn[key][inside] for key in chart.keys}


def unreached_share(chart: Chart, transform: PriorTransform) -> float:
    """Estimate the share of the prior that a chart does not reach, always from the same draws."""
    sample = transform.sample(_TRIALS, np.random.default_rng(0))
    parameters = {key: sample[key] for key in chart.keys}
    # Whether a draw of the prior is within reach does not depend on the latent variables.
    parameters |= dict.fromkeys(chart.latent, np.zeros(_TRIALS))
    unreached = np.isneginf(chart.forward(parameters)[1])
    if chart.turn:
        unreached &= np.isneginf(chart.forward(turned(chart, parameters, np.ones(_TRIALS)))[1])
    return float(np.mean(unreached))


class PriorChart:
    """Chart with the prior's own coordinates; a standard normal in the base space is the prior.

    Parameters
    ----------
    transform
        The user's prior.
    keys
        Parameters of the chart, all of them by default; the parameters left out must be independent of these.
    """

    latent: tuple[str, ...] = ()
    turn = None

    def __init__(self, transform: PriorTransform, keys: tuple[str, ...] | None = None) -> None:
        self.transform = transform
        self.keys = transform.keys if keys is None else keys
        self._columns = [transform.keys.index(key) for key in self.keys]
        self._others = {key: value for key, value in transform.from_median().items() if key not in self.keys}

    def forward(self, parameters: Parameters) -> tuple[np.ndarray, np.ndarray]:
        """Compute base coordinates and log Jacobian, as specified in :class:`Chart`."""
        size = len(parameters[self.keys[0]])
        filled = {**{key: np.full(size, value) for key, value in self._others.items()}, **parameters}
        v = self.transform.to_unconstrained(filled)
        return v[:, self._columns], self.transform.log_jacobian(filled, v, self.keys)

    def inverse(self, base: np.ndarray, rng: np.random.Generator) -> tuple[Parameters, np.ndarray]:
        """Compute the parameters at base coordinates, as specified in :class:`Chart`; ``rng`` is not used."""
        parameters, within = self._parameters(base)
        inside = within & self.transform.satisfies(parameters)
        return {key: parameters[key] for key in self.keys}, inside

    def _parameters(self, base: np.ndarray) -> tuple[Parameters, np.ndarray]:
        """Return all parameters of the prior, and a mask of the rows within the range of its quantiles."""
        within: np.ndarray = np.all(within_quantiles(base), axis=1)
        v = np.zeros((len(base), self.transform.ndim))
        # Rows beyond that range, infinite ones included, count as outside; they get a harmless value, so that no prior
        # or constraint is evaluated at an invalid one.
        v[:, self._columns] = np.where(within[:, None], base, 0.0)
        return self.transform.from_unconstrained(v), within
