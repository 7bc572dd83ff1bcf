"""What a round of refinement fits to the draws so far: a flow, or a mixture of normals, and what helps where it falls short."""

from __future__ import annotations

import numpy as np

from ..proposals.charts import Chart
from ..proposals.event_flow import EventFlow, fit_event_flow
from ..proposals.event_quantiles import fit_in_quantiles, reaches_edges
from ..proposals.mixture import Mixture
from ..proposals.parts import Charted
from .pace import Pace
from .pool import Pool, tempered
from .round_mixture import WIDTH, round_mixture
from .tail import Tail
from .weighing import Target

_STEPS, _LAST_STEPS = 150, 400  # training steps on the way, and at the posterior itself
_NEAR_ENOUGH = 0.02  # divergence from the posterior, in nats, at which a mixture of normals needs no flow beside it


class Fits:
    """The fits of one refinement, in turn.

    Parameters
    ----------
    target
        The posterior.
    pace
        How the refinement goes on.
    network
        A network that is bound to the event's data, if there is one.
    rng
        Source of all randomness.
    """

    def __init__(self, target: Target, pace: Pace, network: Chart | None, rng: np.random.Generator) -> None:
        self._target, self._pace, self._network, self._rng = target, pace, network, rng
        self._tail = Tail(target, rng)
        self._flows: list[tuple[float, EventFlow]] = []

    @property
    def made(self) -> bool:
        """Return whether any fit was made."""
        return bool(self._flows)

    def __call__(self, pool: Pool, chart: Chart, beta: float, modes: Charted | None, wants_flow: bool) -> Mixture:
        """Return what draws the next round.

        Parameters
        ----------
        pool
            All draws.
        chart
            Where the path starts from.
        beta
            Inverse temperature at which they are weighted.
        modes
            Those that were found, if there were several.
        wants_flow
            Whether a mixture of normals was not efficient enough at the posterior itself.
        """
        base, log_jacobian = pool.in_base(chart)
        log_density = tempered(pool.start_density(chart), pool.log_target, beta)
        log_weights = pool.log_weights(log_density)
        usable = np.isfinite(log_jacobian)
        steps, near_enough = (_STEPS, self._pace.near_enough_hot) if beta < 1 else (_LAST_STEPS, _NEAR_ENOUGH)
        if beta >= 1 and self._pace.mixture_first and not wants_flow:
            near_enough = np.inf
        flow = fit_event_flow(
            base[usable],
            log_weights[usable],
            self._rng,
            steps,
            log_density[usable] - log_jacobian[usable],
            near_enough,
        )
        edges = None
        if chart is not self._network and reaches_edges(base[usable], log_weights[usable]):
            edges = fit_in_quantiles(base[usable], log_weights[usable], self._rng, WIDTH)
        in_values = self._tail(pool, log_weights)
        proposal = round_mixture(
            self._target, self._pace, chart, self._network, beta, flow, self._flows, edges, in_values, modes
        )
        self._flows.append((beta, flow))
        return proposal
