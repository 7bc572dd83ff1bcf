r"""Latent variables in weights: the target becomes a density of pairs.

A network with latent variables z knows the density of its draws (x, z), but not that of x. Weights need no more. With
any density :math:`q(z|x,y)` of the latent variables given the parameters, in practice that of the encoder,

.. math:: w = \frac{\pi(x) \, L(y|x) \, q(z|x,y)}{p(z|y) \, p(x|z,y)}, \qquad E[w] = Z ,

because the integral over z of the target :math:`\pi L \, q(z|x,y)` is :math:`\pi L`. A poor encoder costs efficiency.
If its tails are wider than those of :math:`p(z|y) p(x|z,y)`, the variance of the weights may be unbounded, which the
verdict has to detect.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from ..priors import Parameters
from .charts import Chart, LatentChart, turned


class Encoder:
    """Density of a chart's latent variables given its parameters, with the chart's symmetry applied.

    Parameters
    ----------
    chart
        A chart with latent variables.
    """

    def __init__(self, chart: LatentChart) -> None:
        self.chart = chart

    def draw(self, parameters: Parameters, rng: np.random.Generator) -> Parameters:
        """Draw latent variables, (N,) each, for given parameters."""
        size = len(next(iter(parameters.values())))
        if self.chart.turn:
            # Proposals on this chart are given its symmetry, so that z may have been drawn for either mirror image.
            parameters = turned(self.chart, parameters, rng.integers(2, size=size))
        return self.chart.encode(parameters, rng)

    def log_prob(self, parameters: Parameters) -> np.ndarray:
        """Return the log density (N,) of latent variables given parameters."""
        log_prob = self.chart.log_encoder(parameters)
        if self.chart.turn:
            other = self.chart.log_encoder(turned(self.chart, parameters, np.ones(len(log_prob))))
            log_prob = np.logaddexp(log_prob, other) - np.log(2.0)
        return np.where(np.isnan(log_prob), -np.inf, log_prob)


def encoder_of(chart: Chart) -> Encoder | None:
    """Return the encoder of a chart, or ``None`` if the chart has no latent variables."""
    # A chart with latent variables is a LatentChart.
    return Encoder(cast(LatentChart, chart)) if chart.latent else None
