"""All draws that a refinement has made, and the densities that they were drawn from.

Draws of several proposals count as draws of the mixture of these, in the shares in which they were made (deterministic mixture
weights; Veach & Guibas 1995).
"""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

from ..importance import effective_sample_size
from ..priors import Parameters
from ..proposals.charts import Chart, dimension, turned
from ..proposals.mixture import Mixture
from ..proposals.parts import Normal
from .weighing import WeightedDraws


class Pool:
    """All draws of all rounds; densities and base coordinates are computed once for each."""

    def __init__(self) -> None:
        self.batches: list[WeightedDraws] = []
        self.proposals: list[Mixture] = []
        self._densities: dict[tuple[int, int], np.ndarray] = {}
        self._drawn_from: np.ndarray | None = None
        self._charted: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = {}

    def add(self, weighted: WeightedDraws, proposal: Mixture) -> None:
        """Let a batch count, drawn from ``proposal``."""
        self.batches.append(weighted)
        self.proposals.append(proposal)
        self._drawn_from = None

    @property
    def log_target(self) -> np.ndarray:
        """Prior times likelihood of every draw, (N,)."""
        return np.concatenate([batch.log_target for batch in self.batches])

    def log_weights(self, log_density: np.ndarray) -> np.ndarray:
        """Log weights for a density given at every draw, (N,)."""
        if self._drawn_from is None:
            self._drawn_from = self._mixed()
        drawn_from = self._drawn_from
        alive = np.isfinite(log_density) & np.isfinite(drawn_from)
        return np.where(alive, log_density - np.where(alive, drawn_from, 0.0), -np.inf)

    def in_base(self, chart: Chart) -> tuple[np.ndarray, np.ndarray]:
        """Base coordinates of every draw and their log Jacobian."""
        pieces = [self._on_chart(chart, index) for index in range(len(self.batches))]
        return np.concatenate([base for base, _ in pieces]), np.concatenate([jacobian for _, jacobian in pieces])

    def start_density(self, chart: Chart) -> np.ndarray:
        """Log density of a standard normal in the chart's base, at every draw, (N,)."""
        base, log_jacobian = self.in_base(chart)
        start_density: np.ndarray = Normal(dimension(chart)).log_prob(base) + log_jacobian
        return start_density

    def last_efficiency(self) -> float:
        """Efficiency of the latest batch alone, by its own proposal."""
        latest = self.batches[-1]
        return effective_sample_size(latest.log_weights) / len(latest.log_weights)

    def _mixed(self) -> np.ndarray:
        """Log density of all proposals together, in proportion to their draws, at every draw, (N,)."""
        counts = np.array([len(batch.draws) for batch in self.batches], dtype=np.float64)
        columns = [
            np.concatenate([self._density(which, index) for index in range(len(self.batches))])
            for which in range(len(self.proposals))
        ]
        mixed: np.ndarray = logsumexp(np.stack(columns, axis=-1) + np.log(counts / counts.sum()), axis=1)
        return mixed

    def _density(self, which: int, index: int) -> np.ndarray:
        key = (which, index)
        if key not in self._densities:
            draws = self.batches[index].draws
            log_prob = draws.log_q if which == index else self.proposals[which].log_prob(draws.parameters)
            self._densities[key] = np.where(draws.inside & ~np.isnan(log_prob), log_prob, -np.inf)
        return self._densities[key]

    def _on_chart(self, chart: Chart, index: int) -> tuple[np.ndarray, np.ndarray]:
        key = (id(chart), index)
        if key not in self._charted:
            parameters = self.batches[index].draws.parameters
            base, log_jacobian = _soundly(chart, parameters)
            if chart.turn:
                # Of two copies the one that the start knows better.
                copy, of_copy = _soundly(chart, turned(chart, parameters, np.ones(len(base))))
                normal = Normal(dimension(chart))
                better = normal.log_prob(copy) + of_copy > normal.log_prob(base) + log_jacobian
                base, log_jacobian = np.where(better[:, None], copy, base), np.where(better, of_copy, log_jacobian)
            self._charted[key] = base, log_jacobian
        return self._charted[key]


def _soundly(chart: Chart, parameters: Parameters) -> tuple[np.ndarray, np.ndarray]:
    """Base coordinates, zero where they are no numbers, and log Jacobian, -inf there."""
    base, log_jacobian = chart.forward(parameters)
    sound = np.isfinite(log_jacobian) & np.all(np.isfinite(base), axis=1)
    return np.where(sound[:, None], base, 0.0), np.where(sound, log_jacobian, -np.inf)


def tempered(log_start: np.ndarray, log_target: np.ndarray, beta: float) -> np.ndarray:
    """``(1 - beta) log_start + beta log_target``, -inf where either is and has a share."""
    if beta >= 1:
        return log_target
    alive = np.isfinite(log_start) & np.isfinite(log_target)
    return np.where(alive, (1 - beta) * np.where(alive, log_start, 0) + beta * np.where(alive, log_target, 0), -np.inf)
