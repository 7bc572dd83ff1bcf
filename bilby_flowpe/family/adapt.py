"""Adaptation of a network's density to an event, by a statistic of the family's own waves, before anything is drawn.

A wave of the family on binned data takes some forty microseconds, a draw of the posterior a millisecond. Three thousand
rows from the network are weighed by the statistic and the user's prior, and normal densities are fitted to them in the
base space of the network, where its own density is a standard normal. In a few tenths of a second this corrects what
the network has not learnt well, and priors other than those of its training.
"""

from __future__ import annotations

import numpy as np

from ..errors import SimulationError
from ..proposals.charts import dimension
from ..proposals.event_mixture import NormalMixture
from ..proposals.latents import encoder_of
from ..proposals.parts import FromPrior
from ..sampling.adapted import adapted
from .chart import FamilyChart
from .orders import phases_of_order
from .pivot import filtered
from .precessing_templates import ORDERS, PrecessingTemplates, statistic
from .templates import bodies_of

# Largest number of generations of rows, rows of each, and efficiency at which no further generation is drawn. A
# precessing wave takes ten times as long as an aligned one.
_USUAL, _OF_PRECESSING = (4, 768, 0.95), (16, 768, 0.5)
# share of the path from the network to the statistic below which the fit is not used: it is too far from the posterior
_ARRIVED = 0.5
# the same for precessing waves: a fit after part of the path is broader than the posterior, which does no harm
_BEGUN = 0.1
_OF_NETWORK = 0.3
"""Share of the network beside a fit to precessing waves: the fit may draw too little, as its statistic allows any
mixture of polarisations."""

_WIDER = 1.05  # factor on the standard deviations of the fit, because the statistic is not exactly the posterior


class _OfNetwork:
    """The statistic and the user's prior over a network's base space, for :func:`bilby_flowpe.sampling.adapted.adapted`."""

    def __init__(self, chart: FamilyChart) -> None:
        self._chart = chart
        phases = chart.seen.pivot.phases
        self._precessing = PrecessingTemplates() if chart.model.family.precesses else None
        orders = (2,) if self._precessing is None else ORDERS
        self._binned = [chart.gathered.about(phases_of_order(phases, order)[0]) for order in orders]
        self._prior = FromPrior(chart.transform, chart.keys, encoder_of(chart))

    def log_targets(self, places: np.ndarray) -> np.ndarray:
        """Return the log density of the prior in the base space, up to a constant, and the statistic, (2, N); -inf outside."""
        chart = self._chart
        parameters, inside = chart.inverse(places, np.random.default_rng(0))
        with np.errstate(invalid="ignore"):
            log_prior = self._prior.log_prob(parameters)[:, 0] - chart.forward(parameters)[1]
        inside &= np.isfinite(log_prior)
        if not inside.any():
            return np.full((2, len(places)), -np.inf)
        columns = {key: column[inside] for key, column in chart.of_family(parameters).items()}
        values = np.full(len(places), -np.inf)
        if self._precessing is None:
            values[inside] = filtered(self._binned[0], *chart.templates(bodies_of(columns))).values
        else:
            values[inside] = statistic(self._binned, self._precessing(columns))
        return np.stack([np.where(inside, log_prior, -np.inf), values])


def adapt(chart: FamilyChart) -> None:
    """Adapt the density of a chart to its event, in place.

    Raises
    ------
    SimulationError
        If no draw of the network is within the user's prior.
    """
    size = dimension(chart)
    generations, each, settled = _OF_PRECESSING if chart.model.family.precesses else _USUAL
    first = NormalMixture(np.ones(1), np.zeros((1, size)), np.eye(size)[None])
    found = adapted(_OfNetwork(chart), first, generations, settled, each)
    if not np.isfinite(found.value):
        raise SimulationError("none of its draws is within the prior")
    if chart.model.family.precesses:
        if found.arrived > _BEGUN:
            chart.density = beside(found.density.broadened(_WIDER), first, _OF_NETWORK)
    elif found.arrived > _ARRIVED:
        chart.density = found.density.broadened(_WIDER)


def beside(one: NormalMixture, other: NormalMixture, share: float) -> NormalMixture:
    """Return a mixture of two mixtures, in which the second one has the given share."""
    shares = np.concatenate([(1 - share) * one.shares / one.shares.sum(), share * other.shares / other.shares.sum()])
    return NormalMixture(
        shares, np.concatenate([one.means, other.means]), np.concatenate([one.cholesky, other.cholesky])
    )
