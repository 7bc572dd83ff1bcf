r"""Latent variables in weights: the target becomes a density of pairs.

A network with latent variables z knows the density of its draws (x, z), and not that of x. Weights need no more: with any
density :math:`q(z|x,y)` of the latent variables given the parameters, that of the encoder above all,

.. math:: w = \frac{\pi(x) \, L(y|x) \, q(z|x,y)}{p(z|y) \, p(x|z,y)}, \qquad E[w] = Z ,

for the integral over z of the target :math:`\pi L \, q(z|x,y)` is that of :math:`\pi L`. A poor encoder costs efficiency; one
whose tails are wider than those of :math:`p(z|y) p(x|z,y)` costs the variance, which the verdict has to see.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from ..priors import Parameters
from .charts import Chart, LatentChart, turned


class Encoder:
    """Density of a chart's latent variables given its parameters, with the chart's symmetry.

    Parameters
    ----------
    chart
        With latent variables.
    """

    def __init__(self, chart: LatentChart) -> None:
        self.chart = chart

    def draw(self, parameters: Parameters, rng: np.random.Generator) -> Parameters:
        """Latent variables, (N,) each."""
        size = len(next(iter(parameters.values())))
        if self.chart.turn:
            # As proposals on this chart are given the symmetry, z may have been drawn for either copy.
            parameters = turned(self.chart, parameters, rng.integers(2, size=size))
        return self.chart.encode(parameters, rng)

    def log_prob(self, parameters: Parameters) -> np.ndarray:
        """Log density (N,) of parameters and latent variables."""
        log_prob = self.chart.log_encoder(parameters)
        if self.chart.turn:
            other = self.chart.log_encoder(turned(self.chart, parameters, np.ones(len(log_prob))))
            log_prob = np.logaddexp(log_prob, other) - np.log(2.0)
        return np.where(np.isnan(log_prob), -np.inf, log_prob)


def encoder_of(chart: Chart) -> Encoder | None:
    """The encoder of a chart that has latent variables."""
    # What has latent variables has their density.
    return Encoder(cast(LatentChart, chart)) if chart.latent else None
