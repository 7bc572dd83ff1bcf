"""Fits of a round of refinement to all draws so far: a flow or a mixture of normals, and parts for edges and tails."""

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

# largest numbers of training steps of a flow, on the path and at the posterior itself, where a good fit matters more
_STEPS, _LAST_STEPS = 150, 400
# divergence from the posterior, in nats, up to which a mixture of normals needs no flow: it costs about 2% of the draws
_NEAR_ENOUGH = 0.02


class Fits:
    """The fits of one refinement, one after the other.

    Parameters
    ----------
    target
        The posterior.
    pace
        Settings of the refinement's rounds.
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
        """True if any fit was made."""
        return bool(self._flows)

    def __call__(self, pool: Pool, chart: Chart, beta: float, modes: Charted | None, wants_flow: bool) -> Mixture:
        """Fit the draws so far and return the proposal of the next round.

        Parameters
        ----------
        pool
            All draws so far.
        chart
            Chart in which the path of temperatures starts.
        beta
            Inverse temperature for which the draws are weighted.
        modes
            Modes that were found, if there are several.
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
