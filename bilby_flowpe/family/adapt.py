"""Adapt a network's density to an event by the family's own statistic, before anything is drawn.

A wave of the family on binned data costs some thirty microseconds, a draw of the posterior a millisecond. A thousand rows that
the network draws are weighed by the statistic and the user's prior, and normal densities are fitted to them in the network's
base space, where its own density is a standard normal: what it has not learnt well, and priors that it was not trained with,
are made good in a few tenths of a second.
"""

from __future__ import annotations

import numpy as np

from ..proposals.charts import dimension
from ..proposals.event_mixture import NormalMixture
from ..proposals.latents import encoder_of
from ..proposals.parts import FromPrior
from ..sampling.adapted import adapted
from .chart import FamilyChart
from .pivot import filtered
from .templates import bodies_of

_GENERATIONS, _EACH, _SETTLED = 4, 768, 0.95  # generations, rows of each, and efficiency at which no further is drawn
_ARRIVED = 0.5  # of the path from the network to the statistic: below it the fit is of something else
_WIDER = 1.05  # of the standard deviations: the statistic is not the posterior


class _OfNetwork:
    """The statistic and the user's prior over a network's base space, as :func:`bilby_flowpe.sampling.adapted.adapted` asks."""

    def __init__(self, chart: FamilyChart) -> None:
        self._chart = chart
        self._prior = FromPrior(chart.transform, chart.keys, encoder_of(chart))

    def log_targets(self, places: np.ndarray) -> np.ndarray:
        """Log density of the prior over the base space, up to a constant, and the statistic, (2, N); -inf outside."""
        chart = self._chart
        parameters, inside = chart.inverse(places, np.random.default_rng(0))
        with np.errstate(invalid="ignore"):
            log_prior = self._prior.log_prob(parameters)[:, 0] - chart.forward(parameters)[1]
        inside &= np.isfinite(log_prior)
        bodies = bodies_of(chart.of_family(parameters))
        bodies[~inside] = chart.seen.pivot.body
        values = filtered(chart.binned, *chart.templates(bodies)).values
        return np.stack([np.where(inside, log_prior, -np.inf), np.where(inside, values, -np.inf)])


def adapt(chart: FamilyChart) -> None:
    """Adapt a chart's density, where the statistic sees all that its network has learnt."""
    if chart.model.family.precesses:
        return
    size = dimension(chart)
    first = NormalMixture(np.ones(1), np.zeros((1, size)), np.eye(size)[None])
    found = adapted(_OfNetwork(chart), first, _GENERATIONS, _SETTLED, _EACH)
    if found.arrived > _ARRIVED:
        chart.density = found.density.broadened(_WIDER)
