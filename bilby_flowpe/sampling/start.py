"""Where a refinement begins: at a network, at the best rows of a search beside the prior, or at the prior alone.

A search by matched filters tells masses and spins along the orbit; nothing of it enters a weight. What it says is widened, and
the first round draws from it and from the prior in equal parts. Of the former some are drawn from every hill of the statistic
(:mod:`.hills`), so that a second mode has its draws however much lower it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from ..names import CHIRP_MASS
from ..importance import effective_sample_size
from ..priors import Parameters, PriorTransform
from ..proposals.charts import Chart, unreached_share
from ..proposals.event_flow import Whitening
from ..proposals.event_mixture import NormalMixture
from ..proposals.mixture import Mixture
from ..proposals.parts import Charted, FromPrior, Part
from ..proposals.binary_chart import BinaryChart
from ..proposals.leading_chart import LeadingChart, can_lead
from ..waves.coarse.bank import Bank
from ..waves.coarse.leading import leading_mass
from .adapted import adapted, metric_density
from .hills import Hills, Surface, find_hills
from .missed import Looked
from .pool import Pool

TRUSTED = 0.05
"""Efficiency below which a path does not start from a network, and rounds at the posterior have not arrived."""

_MISSED, _UNREACHED = 0.05, 0.01  # shares of the posterior and of the prior that a network may miss
_FAR = -1e6  # log density of a start below which one draw more or less says nothing
_SHARE, _ADAPTED, _HILLS = 0.5, 0.75, 0.15  # of the first round's draws those about the search, and of these those from its hills
_WIDER = 2.0  # of the rows' standard deviations: parameters that a search does not see move the others
_EFFECTIVE = 100.0  # rows that the density is made of: some twenty for each of the parameters that a search sees
_COLDEST = 0.2  # inverse temperature of the rows' weights, at most: they are densest where the search has ended
_BISECTIONS = 40
_NEAR = 400
_FITS, _WIDER_FIT = (4, 8, 8), 1.5
_SEED = 20261130


@dataclass(frozen=True)
class Searched:
    """Rows that a search has tried.

    Attributes
    ----------
    columns
        Search parameters, (N,) each.
    log_ratios
        Log likelihood ratios, maximised over all that does not shape the wave, (N,).
    seen
        Parameters that they depend on.
    bank
        What tells how modes were looked for, where that is known.
    """

    columns: Parameters
    log_ratios: np.ndarray
    seen: tuple[str, ...]
    bank: Bank | None = None


@dataclass(frozen=True)
class Start:
    """Where a refinement begins after a search.

    Attributes
    ----------
    proposal
        Of the first round.
    searched
        What was tried.
    keys
        Parameters that are drawn.
    chart
        Coordinates of the refinement.
    hills
        The statistic's, where they are known.
    """

    proposal: Mixture
    searched: Searched
    keys: tuple[str, ...]
    chart: BinaryChart
    hills: Hills | None = None

    def looked(self, draws: tuple[tuple[Mixture, int], ...]) -> Looked | None:
        """What modes were looked for with, where hills are known: with draws of some proposals, too."""
        bank = self.searched.bank
        if bank is None or self.hills is None:
            return None
        words = ", ".join(key for key in self.searched.seen if key in self.keys)
        return Looked(bank, bank.values, self.hills, self.keys, draws, words)


def start_of(searched: Searched, chart: BinaryChart, transform: PriorTransform) -> Start | None:
    """Return the first round's proposal; ``None`` where the search sees none of the parameters.

    Parameters
    ----------
    searched
        What was tried.
    chart
        Coordinates in which the prior is a standard normal.
    transform
        The prior.
    """
    seen = np.array([key in searched.seen and key not in chart.across for key in chart.keys])
    base, log_jacobian = chart.forward({key: searched.columns[key] for key in chart.keys})
    alive = np.isfinite(searched.log_ratios) & np.isfinite(log_jacobian) & np.all(np.isfinite(base), axis=1)
    if not seen.any() or alive.sum() < 2 * _EFFECTIVE:
        return None
    log_weights = _tempered(searched.log_ratios[alive])
    weights = np.exp(log_weights - log_weights.max())
    hills = None
    if searched.bank is not None:
        hills = find_hills(searched.bank, searched.columns, searched.log_ratios, seen, chart, transform)
    own = None if hills is None else _leading(searched, alive, weights, seen, chart, transform)
    if own is None:
        of_seen = Whitening.of(base[alive][:, seen], weights / weights.sum())
        whole = NormalMixture(np.ones(1), of_seen.mean[None], of_seen.cholesky[None])
        own = chart, _over_all(whole, seen, _WIDER)
    parts: list[Part] = [Charted(own[0], {"search": own[1]})]
    shares = [_SHARE]
    if hills is not None:
        parts.append(Charted(chart, {"hills": hills.density}))
        share = _SHARE if own[0] is chart else _ADAPTED
        shares = [share - _HILLS, _HILLS]
    proposal = Mixture([*parts, FromPrior(transform, chart.keys)], [*shares, 1 - sum(shares)])
    return Start(proposal, searched, chart.keys, own[0], hills)


def _leading(
    searched: Searched,
    alive: np.ndarray,
    weights: np.ndarray,
    seen: np.ndarray,
    chart: BinaryChart,
    transform: PriorTransform,
) -> tuple[BinaryChart, NormalMixture] | None:
    """Coordinates with the best-measured phase, and a density in these that is adapted to the statistic."""
    bank = searched.bank
    if bank is None or not can_lead(transform, chart.keys) or CHIRP_MASS not in searched.seen:
        return None
    rng = np.random.default_rng(_SEED)
    rows = np.flatnonzero(alive)
    some = np.unique(rng.choice(np.flatnonzero(alive), _NEAR, p=weights / weights.sum()))
    worth = np.ones(len(some))
    best = int(np.argmax(np.where(alive, searched.log_ratios, -np.inf)))
    reference = {**bank.fixed, **{key: float(column[best]) for key, column in searched.columns.items()}}
    columns = {key: column[some] for key, column in searched.columns.items()}
    led, found = chart, None
    for generations in _FITS:
        leading = leading_mass(bank.stages[-1], columns, worth, reference)
        if leading is None:
            return None
        led = LeadingChart(transform, chart.keys, leading, leading.scale)
        surface = Surface(bank.stages[-1], led, transform, seen)
        if found is None:
            place = led.forward({key: np.array([reference[key]]) for key in led.keys})[0][0, seen]
            first = metric_density(surface, place, float(searched.log_ratios[best]))
        else:
            base, log_jacobian = led.forward({key: columns[key] for key in led.keys})
            base = base[np.isfinite(log_jacobian)][:, seen]
            whitening = Whitening.of(base, np.full(len(base), 1 / len(base)))
            first = NormalMixture(np.ones(1), whitening.mean[None], whitening.cholesky[None])
        found = adapted(surface, first, generations)
        import time; print("adapted", time.process_time(), found.inverse_temperature, len(found.density.shares), surface.templates, leading.scatter)
        columns, inside = surface.columns(found.density.broadened(_WIDER_FIT).draw(_NEAR, rng))
        columns = {key: column[inside] for key, column in columns.items()}
        worth = np.ones(int(inside.sum()))
    return led, _over_all(found.density, seen, 1.3)


def _over_all(density: NormalMixture, seen: np.ndarray, wider: float) -> NormalMixture:
    """A density over what a search sees as one over all coordinates, what it does not see as in the prior."""
    count = len(density.shares)
    means, cholesky = np.zeros((count, len(seen))), np.tile(np.eye(len(seen)), (count, 1, 1))
    means[:, seen] = density.means
    cholesky[np.ix_(np.arange(count), seen, seen)] = wider * density.cholesky
    return NormalMixture(density.shares, means, cholesky)


def _tempered(log_ratios: np.ndarray) -> np.ndarray:
    """The largest multiple of the log ratios, up to a hot one, whose weights have enough effective rows."""
    low, high = 0.0, _COLDEST
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if effective_sample_size(middle * log_ratios) >= _EFFECTIVE else (low, middle)
    return low * log_ratios


def starts_from(network: Chart, prior: Chart, pool: Pool, transform: PriorTransform) -> bool:
    """Whether a path starts from the network: not if it misses part of the posterior, or the prior is nearer to that.

    Parameters
    ----------
    network
        A network bound to the data.
    prior
        Coordinates in which the prior is a standard normal.
    pool
        Draws of both, those of the network first.
    transform
        The prior.
    """
    log_weights = pool.log_weights(pool.log_target)
    if unreached_share(network, transform) > _UNREACHED:
        return False
    _, log_jacobian = pool.in_base(network)
    unreached = np.isneginf(log_jacobian) & np.isfinite(log_weights)
    if unreached.any() and logsumexp(log_weights[unreached]) - logsumexp(log_weights) > np.log(_MISSED):
        return False
    # A network that hardly hits the posterior may lack a side of it, which no path from there brings back.
    of_network = pool.batches[0].log_weights
    if effective_sample_size(of_network) < TRUSTED * len(of_network):
        return False
    # The start that gives the posterior, as far as it is known, the higher density.
    alive = np.isfinite(log_weights)
    if not alive.any():
        return False
    weights = np.exp(log_weights[alive] - log_weights.max())
    score_of_prior, score = (
        float(np.average(np.maximum(pool.start_density(chart)[alive], _FAR), weights=weights))
        for chart in (prior, network)
    )
    return score > score_of_prior
