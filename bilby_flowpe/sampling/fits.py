"""Fits of a round of refinement to all draws so far: a flow or a mixture of normals, and parts for edges and tails."""

from __future__ import annotations

import numpy as np

from ..proposals.charts import Chart
from ..proposals.event_flow import EventFlow, fit_event_flow, fit_normals
from ..proposals.event_quantiles import fit_in_quantiles, reaches_edges
from ..proposals.mixture import Mixture
from ..proposals.parts import Charted
from .pace import Pace
from .pool import Pool, tempered
from .round_mixture import WIDTH, Reaching, has_hotter, round_mixture
from .tail import Tail
from .weighing import Target

# largest numbers of training steps of a flow, on the path and at the posterior itself, where a good fit matters more
_STEPS, _LAST_STEPS = 150, 400
# divergence from the posterior, in nats, up to which a mixture of normals needs no flow: it costs about 2% of the draws
_NEAR_ENOUGH = 0.02
# Inverse temperature of the fits that reach into tails. A tail with 0.5% of a posterior of 3 parameters was still missed
# by a third at 0.3; at 0.03, fewer of their draws have weight, and runs took a third more evaluations than at 0.1.
_REACHING = 0.1


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
        reaching = self._reaching(pool, chart, beta)
        proposal = round_mixture(
            self._target, self._pace, chart, self._network, beta, flow, self._flows, edges, in_values, modes, reaching
        )
        self._flows.append((beta, flow))
        return proposal

    def _reaching(self, pool: Pool, chart: Chart, beta: float) -> Reaching | None:
        """Fit the tempered posterior, if the path from the prior came to the posterior itself without a hotter flow.

        Such a path is too short to leave a flow that still draws at the end of a long ridge, and weights do not show a
        tail in which nothing draws.
        """
        if self._pace.reaching is None or chart is self._network or beta < 1 or has_hotter(self._flows, beta):
            return None
        base, log_jacobian = pool.in_base(chart)
        log_density = tempered(pool.start_density(chart), pool.log_target, _REACHING)
        usable = np.isfinite(log_jacobian)
        points, log_weights = base[usable], pool.log_weights(log_density)[usable]
        (own,) = self._rng.spawn(1)  # the other fits of a round do not depend on these
        return Reaching(fit_normals(points, log_weights, own, 1.0), fit_in_quantiles(points, log_weights, own, 1.0))
