"""All draws of a refinement, and the densities from which they were drawn.

Draws of several proposals count as draws of their mixture, with shares in proportion to their numbers (deterministic
mixture weights; Veach & Guibas 1995).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import logsumexp

from ..importance import effective_sample_size
from ..priors import Parameters
from ..proposals.charts import Chart, PriorChart, dimension, turned
from ..proposals.mixture import Mixture
from ..proposals.parts import FromPrior, Normal, Part
from .weighted import WeightedDraws

_LATEST = 3  # batches from whose weights the size of the final batch is planned
# most batches kept: every proposal's density is evaluated at every draw, a cost that grows with the square of their
# number
_MOST_BATCHES = 16


class Pool:
    """The draws of the latest rounds and of the first one; densities and base coordinates are computed only once.

    A batch is removed together with its proposal, so that the remaining draws are those of the remaining mixture.

    Parameters
    ----------
    most
        Number of batches that are kept.
    start
        Density at which a path of temperatures starts; by default, a standard normal in the base of a chart.
    """

    def __init__(self, most: int = _MOST_BATCHES, start: Part | None = None) -> None:
        self._most, self._start = most, start
        self.batches: list[WeightedDraws] = []
        self.proposals: list[Mixture] = []
        self._numbers: list[int] = []
        self._added = 0
        self._densities: dict[tuple[int, int], np.ndarray] = {}
        self._drawn_from: np.ndarray | None = None
        self._charted: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = {}
        self._start_density: dict[int, np.ndarray] = {}

    def add(self, weighted: WeightedDraws, proposal: Mixture) -> None:
        """Add a batch drawn from ``proposal``, and remove the oldest one but the first if there are too many."""
        self.batches.append(weighted)
        self.proposals.append(proposal)
        self._numbers.append(self._added)
        self._added += 1
        self._drawn_from = None
        if len(self.batches) > self._most:
            self._leave_out(1)

    def leave_out_latest(self) -> None:
        """Remove the latest batch: if it has missed the posterior, its few heavy weights would spoil all others."""
        self._leave_out(len(self.batches) - 1)
        self._drawn_from = None

    def _leave_out(self, index: int) -> None:
        gone = self._numbers[index]
        del self.batches[index], self.proposals[index], self._numbers[index]
        self._densities = {key: value for key, value in self._densities.items() if gone not in key}
        self._charted = {key: value for key, value in self._charted.items() if key[1] != gone}
        self._start_density.pop(gone, None)

    @property
    def log_target(self) -> np.ndarray:
        """Log of prior times likelihood for every draw, (N,)."""
        return np.concatenate([batch.log_target for batch in self.batches])

    def column(self, key: str) -> np.ndarray:
        """Return one parameter of every draw, (N,)."""
        return np.concatenate([batch.draws.parameters[key] for batch in self.batches])

    def log_weights(self, log_density: np.ndarray) -> np.ndarray:
        """Return log weights for a density given at every draw, (N,)."""
        if self._drawn_from is None:
            self._drawn_from = self._mixed()
        drawn_from = self._drawn_from
        alive = np.isfinite(log_density) & np.isfinite(drawn_from)
        return np.where(alive, log_density - np.where(alive, drawn_from, 0.0), -np.inf)

    def in_base(self, chart: Chart) -> tuple[np.ndarray, np.ndarray]:
        """Return base coordinates of every draw and their log Jacobian."""
        pieces = [self._on_chart(chart, index) for index in range(len(self.batches))]
        return np.concatenate([base for base, _ in pieces]), np.concatenate([jacobian for _, jacobian in pieces])

    def density_in_base(self, chart: Chart) -> tuple[np.ndarray, np.ndarray]:
        """Return base coordinates of every draw, and the log density of the posterior in them, up to a constant."""
        base, log_jacobian = self.in_base(chart)
        known = np.isfinite(log_jacobian)
        return base, np.where(known, self.log_target - np.where(known, log_jacobian, 0.0), -np.inf)

    def start_density(self, chart: Chart) -> np.ndarray:
        """Return the log density at which a path of temperatures starts, for every draw, (N,).

        By default it is a standard normal in the chart's base. In the prior's coordinates this is the prior, whose own
        density is exact beyond the last of its quantiles, too.
        """
        if self._start is not None:
            return np.concatenate([self._of_start(self._start, index) for index in range(len(self.batches))])
        if isinstance(chart, PriorChart):
            prior = FromPrior(chart.transform, chart.keys)
            return np.concatenate([self._of_start(prior, index) for index in range(len(self.batches))])
        base, log_jacobian = self.in_base(chart)
        return Normal(dimension(chart)).log_prob(base) + log_jacobian

    def latest_log_weights(self, hot: Sequence[bool]) -> np.ndarray:
        """Return log weights of the latest batch, and of earlier ones drawn for the posterior itself, (N,).

        The result is empty if a budget has left no round. A single heavy weight of one batch, or the weights of a first
        round at the posterior, would lead to a much larger batch than needed. Of the latest batch, the latest two and
        so on, those with the most even weights are used.

        Parameters
        ----------
        hot
            Whether each round was drawn for a temperature above that of the posterior.
        """
        latest = [batch.log_weights for batch in self.batches[-_LATEST:]]
        first = max((number + 1 for number, is_hot in enumerate(hot[-_LATEST:]) if is_hot), default=0)
        if not latest:
            return np.empty(0)
        some = [np.concatenate(latest[start:]) for start in range(min(first, len(latest) - 1), len(latest))]
        return max(some, key=lambda weights: effective_sample_size(weights) / len(weights))

    def last_efficiency(self) -> float:
        """Return the efficiency of the latest batch alone, for its own proposal."""
        latest = self.batches[-1]
        return effective_sample_size(latest.log_weights) / len(latest.log_weights)

    def _mixed(self) -> np.ndarray:
        """Return the log density of all proposals together, in proportion to their draws, at every draw, (N,)."""
        counts = np.array([len(batch.draws) for batch in self.batches], dtype=np.float64)
        columns = [
            np.concatenate([self._density(which, index) for index in range(len(self.batches))])
            for which in range(len(self.proposals))
        ]
        return logsumexp(np.stack(columns, axis=-1) + np.log(counts / counts.sum()), axis=1)

    def _density(self, which: int, index: int) -> np.ndarray:
        key = (self._numbers[which], self._numbers[index])
        if key not in self._densities:
            draws = self.batches[index].draws
            log_prob = draws.log_q if which == index else self.proposals[which].log_prob(draws.parameters)
            self._densities[key] = np.where(draws.inside & ~np.isnan(log_prob), log_prob, -np.inf)
        return self._densities[key]

    def _of_start(self, start: Part, index: int) -> np.ndarray:
        number = self._numbers[index]
        if number not in self._start_density:
            self._start_density[number] = start.log_prob(self.batches[index].draws.parameters)[:, 0]
        return self._start_density[number]

    def _on_chart(self, chart: Chart, index: int) -> tuple[np.ndarray, np.ndarray]:
        key = (id(chart), self._numbers[index])
        if key not in self._charted:
            parameters = self.batches[index].draws.parameters
            base, log_jacobian = _soundly(chart, parameters)
            if chart.turn:
                # Of the two mirror images, the one with the higher density at the start is used.
                copy, of_copy = _soundly(chart, turned(chart, parameters, np.ones(len(base))))
                normal = Normal(dimension(chart))
                better = normal.log_prob(copy) + of_copy > normal.log_prob(base) + log_jacobian
                base, log_jacobian = np.where(better[:, None], copy, base), np.where(better, of_copy, log_jacobian)
            self._charted[key] = base, log_jacobian
        return self._charted[key]


def _soundly(chart: Chart, parameters: Parameters) -> tuple[np.ndarray, np.ndarray]:
    """Return base coordinates and log Jacobian, with zero and -inf where they are not finite."""
    base, log_jacobian = chart.forward(parameters)
    sound = np.isfinite(log_jacobian) & np.all(np.isfinite(base), axis=1)
    return np.where(sound[:, None], base, 0.0), np.where(sound, log_jacobian, -np.inf)


def tempered(log_start: np.ndarray, log_target: np.ndarray, beta: float) -> np.ndarray:
    """Return ``(1 - beta) log_start + beta log_target``; -inf if a term that contributes is -inf."""
    if beta >= 1:
        return log_target
    alive = np.isfinite(log_start) & np.isfinite(log_target)
    return np.where(alive, (1 - beta) * np.where(alive, log_start, 0) + beta * np.where(alive, log_target, 0), -np.inf)
