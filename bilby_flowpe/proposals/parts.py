"""Parts of a mixture: densities on a chart, and the prior.

Each can draw, and can evaluate its density anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from ..priors import Parameters, PriorTransform
from .charts import Chart, turned
from .latents import Encoder

FLOW, BROAD, PRIOR = "flow", "broadened flow", "prior"
_LOG_2PI = float(np.log(2 * np.pi))
"""natural logarithm of 2 pi: half of it normalises a normal density in each dimension"""


class BaseDensity(Protocol):
    """A density in a chart's base space."""

    def draw(self, size: int, rng: np.random.Generator) -> np.ndarray:
        """Draw ``size`` points, (size, n)."""
        ...

    def log_prob(self, base: np.ndarray) -> np.ndarray:
        """Return the log density (N,) at points (N, n)."""
        ...


class BroadDensity(BaseDensity, Protocol):
    """A density that can be made broader."""

    def broadened(self, width: float) -> BroadDensity:
        """Return the same density, broader by the factor ``width``."""
        ...


@runtime_checkable
class AdaptedChart(Chart, Protocol):
    """A network for many problems, bound to one signal of an event; other modes are unknown to it.

    Attributes
    ----------
    density
        Density that is used in its base space.
    """

    density: BroadDensity

    @property
    def can_start(self) -> bool:
        """True if a refinement may start from this network."""
        ...

    def cut(self, parameters: Parameters, log_weights: np.ndarray) -> float:
        """Return the largest share of a posterior at an edge of what the network draws, with more of the prior beyond."""
        ...


@dataclass(frozen=True)
class Normal:
    """A centred normal density of equal width in all n dimensions."""

    features: int
    width: float = 1.0

    def broadened(self, width: float) -> Normal:
        """Return the same density, broader by the factor ``width``."""
        return Normal(self.features, self.width * width)

    def draw(self, size: int, rng: np.random.Generator) -> np.ndarray:
        """Draw points, as specified in :class:`BaseDensity`."""
        return self.width * rng.standard_normal((size, self.features))

    def log_prob(self, base: np.ndarray) -> np.ndarray:
        """Return the log density, as specified in :class:`BaseDensity`."""
        scaled = np.sum((base / self.width) ** 2, axis=1)
        return -0.5 * scaled - self.features * (np.log(self.width) + 0.5 * _LOG_2PI)


class Part(Protocol):
    """Parts of a mixture that are evaluated together; there may be only one.

    Attributes
    ----------
    names
        Names of the K parts.
    """

    names: tuple[str, ...]

    def draw(self, index: int, size: int, rng: np.random.Generator) -> tuple[Parameters, np.ndarray]:
        """Draw ``size`` samples of part ``index``, with a mask of the rows inside the prior."""
        ...

    def log_prob(self, parameters: Parameters) -> np.ndarray:
        """Return the log densities of all parts, (N, K)."""
        ...


class Charted:
    """Densities in the base space of one chart, as parts of a mixture.

    Parameters
    ----------
    chart
        The chart.
    densities
        Densities in its base space, by name.
    symmetric
        Whether the chart's symmetry, if it has one, is applied to draws and densities.
    """

    def __init__(self, chart: Chart, densities: Mapping[str, BaseDensity], symmetric: bool = True) -> None:
        self.chart, self._symmetric = chart, symmetric and chart.turn is not None
        self.names = tuple(densities)
        self.densities = dict(densities)

    def draw(self, index: int, size: int, rng: np.random.Generator) -> tuple[Parameters, np.ndarray]:
        """Draw samples, as specified in :class:`Part`."""
        parameters, inside = self.chart.inverse(self.densities[self.names[index]].draw(size, rng), rng)
        if self._symmetric:
            parameters = turned(self.chart, parameters, rng.integers(2, size=size))
        return parameters, inside

    def log_prob(self, parameters: Parameters) -> np.ndarray:
        """Return log densities, as specified in :class:`Part`."""
        log_prob = self._log_prob(parameters)
        if not self._symmetric:
            return log_prob
        other = self._log_prob(turned(self.chart, parameters, np.ones(len(log_prob))))
        return np.logaddexp(log_prob, other) - np.log(2.0)

    @property
    def in_values(self) -> tuple[str, ...]:
        """Parameters that are drawn by their values, as far out as the prior extends."""
        return getattr(self.chart, "in_values", ())

    def _log_prob(self, parameters: Parameters) -> np.ndarray:
        base, log_jacobian = self.chart.forward(parameters)
        log_prob = np.stack([density.log_prob(base) + log_jacobian for density in self.densities.values()], axis=-1)
        return np.where(np.isnan(log_prob), -np.inf, log_prob)


class FromPrior:
    """The user's prior, as a part of a mixture.

    Parameters
    ----------
    transform
        The prior.
    keys
        Parameters of the proposal; the others must be independent of them.
    encoder
        Density of the latent variables that the proposal has beside them, if any.
    """

    names: tuple[str, ...] = (PRIOR,)

    def __init__(self, transform: PriorTransform, keys: tuple[str, ...], encoder: Encoder | None = None) -> None:
        self.transform, self.keys, self._encoder = transform, keys, encoder

    def draw(self, index: int, size: int, rng: np.random.Generator) -> tuple[Parameters, np.ndarray]:
        """Draw samples, as specified in :class:`Part`."""
        sample = self.transform.sample(size, rng)
        parameters = {key: sample[key] for key in self.keys}
        if self._encoder:
            parameters |= self._encoder.draw(parameters, rng)
        return parameters, np.ones(size, dtype=bool)

    def log_prob(self, parameters: Parameters) -> np.ndarray:
        """Return log densities, as specified in :class:`Part`."""
        size = len(parameters[self.keys[0]])
        others = {key: value for key, value in self.transform.from_median().items() if key not in self.keys}
        filled = {**{key: np.full(size, value) for key, value in others.items()}, **parameters}
        log_prob = self.transform.log_prob(filled, self.keys)
        return (log_prob + self._encoder.log_prob(parameters) if self._encoder else log_prob)[:, None]
