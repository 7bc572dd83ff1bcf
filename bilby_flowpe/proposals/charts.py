"""Charts: bijections between parameters and a base space in which a proposal is simple.

A trained network is one (its base is the standard normal that its flow starts from), the prior another (its base are the
standard-normal coordinates of :mod:`bilby_flowpe.priors`). Proposals (:mod:`bilby_flowpe.proposals.mixture`) are densities in a
base space, carried over by the chart's Jacobian.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ..priors import Parameters, PriorTransform, within_quantiles

_TRIALS = 1000


class Chart(Protocol):
    """Bijection between parameters and a base space of as many dimensions."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The parameters, n of them."""
        ...

    @property
    def latent(self) -> tuple[str, ...]:
        """Names of the chart's latent variables, d of them; columns of these names go with the parameters."""
        ...

    @property
    def turn(self) -> tuple[str, float, float] | None:
        """Symmetry that proposals on this chart are given.

        A parameter, by how much it is moved, or not, with equal probability, and its period. A network that sees both modes of
        an unfolded phase may have missed one.
        """
        ...

    def forward(self, parameters: Parameters) -> tuple[np.ndarray, np.ndarray]:
        """Base coordinates (N, n + d) and ``log |d base / d parameters|`` (N,); -inf where the chart does not reach."""
        ...

    def inverse(self, base: np.ndarray, rng: np.random.Generator) -> tuple[Parameters, np.ndarray]:
        """Parameters at base coordinates (N, n + d), and which of them are inside the prior (N,)."""
        ...


class LatentChart(Chart, Protocol):
    """A chart with latent variables, and their density given the parameters."""

    def encode(self, parameters: Parameters, rng: np.random.Generator) -> Parameters:
        """Latent variables drawn from ``q(z | x, y)``, (N,) each."""
        ...

    def log_encoder(self, parameters: Parameters) -> np.ndarray:
        """``log q(z | x, y)`` (N,) of parameters and latent variables."""
        ...


def dimension(chart: Chart) -> int:
    """Of a chart's base space."""
    return len(chart.keys) + len(chart.latent)


def turned(chart: Chart, parameters: Parameters, how: np.ndarray) -> Parameters:
    """The copies of ``parameters`` under the chart's symmetry, moved where ``how`` is one."""
    if chart.turn is None:
        return parameters
    key, by, period = chart.turn
    return {**parameters, key: (parameters[key] + how * by) % period}


def raw_draws(chart: Chart, size: int, rng: np.random.Generator) -> Parameters:
    """What a network draws by itself: of ``size`` draws those inside the prior, latent variables left out."""
    drawn, inside = chart.inverse(rng.standard_normal((size, dimension(chart))), rng)
    return {key: drawn[key][inside] for key in chart.keys}


def unreached_share(chart: Chart, transform: PriorTransform) -> float:
    """Share of the prior that a chart does not reach, on draws that are always the same."""
    sample = transform.sample(_TRIALS, np.random.default_rng(0))
    parameters = {key: sample[key] for key in chart.keys}
    # Whether a draw of the prior is within reach does not depend on the latent variables.
    parameters |= dict.fromkeys(chart.latent, np.zeros(_TRIALS))
    unreached = np.isneginf(chart.forward(parameters)[1])
    if chart.turn:
        unreached &= np.isneginf(chart.forward(turned(chart, parameters, np.ones(_TRIALS)))[1])
    return float(np.mean(unreached))


class PriorChart:
    """The prior's own coordinates: a standard normal in the base is the prior.

    Parameters
    ----------
    transform
        The user's prior.
    keys
        Parameters wanted, all when left out; the others must be independent of them.
    """

    latent: tuple[str, ...] = ()
    turn = None

    def __init__(self, transform: PriorTransform, keys: tuple[str, ...] | None = None) -> None:
        self.transform = transform
        self.keys = transform.keys if keys is None else keys
        self._columns = [transform.keys.index(key) for key in self.keys]
        self._others = {key: value for key, value in transform.from_median().items() if key not in self.keys}

    def forward(self, parameters: Parameters) -> tuple[np.ndarray, np.ndarray]:
        """See :class:`Chart`."""
        size = len(parameters[self.keys[0]])
        filled = {**{key: np.full(size, value) for key, value in self._others.items()}, **parameters}
        v = self.transform.to_unconstrained(filled)
        return v[:, self._columns], self.transform.log_jacobian(filled, v, self.keys)

    def inverse(self, base: np.ndarray, rng: np.random.Generator) -> tuple[Parameters, np.ndarray]:
        """See :class:`Chart`; ``rng`` is not needed."""
        parameters, within = self._parameters(base)
        inside = within & self.transform.satisfies(parameters)
        return {key: parameters[key] for key in self.keys}, inside

    def _parameters(self, base: np.ndarray) -> tuple[Parameters, np.ndarray]:
        """All parameters of the prior, and which rows are within reach of its quantiles."""
        within: np.ndarray = np.all(within_quantiles(base), axis=1)
        v = np.zeros((len(base), self.transform.ndim))
        # What is beyond, infinite too, is outside whatever its parameters: no prior or constraint need bear them.
        v[:, self._columns] = np.where(within[:, None], base, 0.0)
        return self.transform.from_unconstrained(v), within
