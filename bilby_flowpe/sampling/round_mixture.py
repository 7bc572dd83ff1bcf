"""Proposal of a round of refinement: the event's flow, and further parts where it may draw too little."""

from __future__ import annotations

from ..proposals.charts import Chart, dimension
from ..proposals.event_flow import EventFlow
from ..proposals.event_quantiles import InQuantiles
from ..proposals.mixture import Mixture
from ..proposals.parts import BROAD, FLOW, BaseDensity, Charted, FromPrior, Normal, Part
from .pace import Pace
from .weighing import Target

WIDTH = 1.5
"""Factor on the widths of a broadened density."""

_BROAD, _START, _PRIOR = (0.1, 0.05, 0.02)
"""Shares of the broadened flow, of a network at which the path started, and of the prior."""

# Share of a mixture in the values of parameters, if the posterior is far out in the tail of their prior.
_VALUES = 0.4
_MODES = 0.1  # share of the modes that were found, if there are several
_COOLED = 0.5  # factor on a flow's inverse temperature that gives the largest one of a hotter flow


def round_mixture(
    target: Target,
    pace: Pace,
    chart: Chart,
    network: Chart | None,
    beta: float,
    flow: EventFlow,
    earlier: list[tuple[float, EventFlow]],
    edges: InQuantiles | None,
    in_values: Charted | None,
    modes: Charted | None = None,
) -> Mixture:
    """Return the mixture of a flow, a broadened one, one for edges, a hotter one, and a little of the network and prior.

    A hotter flow still draws what a flow loses on the path, such as the end of a long ridge or a side mode, and so the
    weights show it.

    Parameters
    ----------
    target
        The posterior.
    pace
        Settings of the rounds, with the shares.
    chart
        Coordinates of the flow.
    network
        A network that is bound to the event's data, if there is one.
    beta
        Inverse temperature of the flow.
    flow
        The latest flow.
    earlier
        Inverse temperatures and flows of earlier rounds.
    edges
        A mixture in quantiles, on a path from the prior.
    in_values
        A mixture in values, if the posterior is far out in the tail of a prior.
    modes
        Several modes found among draws of the prior, broadened: each keeps a share, whatever later fits do.
    """
    # If flows are slow to evaluate, the mixture next to the flow is broadened instead.
    broad = (flow.beside or flow) if pace.beside else flow
    densities: dict[str, BaseDensity] = {FLOW: flow, BROAD: broad.broadened(WIDTH)}
    shares = [1 - _BROAD - _PRIOR, _BROAD]

    def add(name: str, density: BaseDensity, share: float) -> None:
        densities[name] = density
        shares[0] -= share
        shares.append(share)

    if pace.beside and flow.beside is not None:
        add("normal mixture", flow.beside, pace.beside)
    if edges is not None:
        add("mixture in quantiles", edges, pace.edges)
    if hotter := [other for of_other, other in earlier if of_other <= _COOLED * beta]:
        add("hotter flow", hotter[-1], pace.hotter)
    if modes is not None and modes.chart is chart:
        add("modes", modes.densities["modes"], _MODES)
    if pace.earlier and earlier and earlier[-1][0] >= 1:
        add("earlier flow", earlier[-1][1], pace.earlier)
    parts: list[Part] = [Charted(chart, densities)]
    if modes is not None and modes.chart is not chart:
        parts.append(modes)
        shares[0] -= _MODES
        shares.append(_MODES)
    if in_values is not None:
        parts.append(in_values)
        shares = [*((1 - _VALUES) * share for share in shares), _VALUES * (1 - _PRIOR)]
    if network is not None:
        parts.append(Charted(network, {"network": Normal(dimension(network))}))
        shares[0] -= _START
        shares.append(_START)
    parts.append(FromPrior(target.prior, target.keys))
    return Mixture(parts, [*shares, _PRIOR])
