"""Start of a refinement: a network, the best rows of a search together with the prior, or the prior alone.

A search by matched filters measures masses and spins along the orbit; no weight depends on it. Its result is widened,
and the first round is drawn half from it and half from the prior. Some of the former draws are made at every hill of
the statistic (:mod:`.hills`), so that a second mode has draws even if it is much lower.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from ..bisection import last_that_holds
from ..importance import effective_sample_size
from ..priors import Parameters, PriorTransform
from ..processes.parallel import Row
from ..proposals.binary_chart import BinaryChart
from ..proposals.charts import Chart, unreached_share
from ..proposals.event_flow import Whitening
from ..proposals.event_mixture import NormalMixture
from ..proposals.mixture import Mixture, Shares, defensive
from ..proposals.parts import AdaptedChart, Charted, FromPrior, Part
from ..waves.coarse.bank import Bank
from .hills import Hills, find_hills
from .missed import Looked
from .pool import Pool
from .search_density import SearchDensity, over_all, search_density
from .weighted import WeightedDraws

TRUSTED = 0.05
"""Efficiency below which a path does not start from a network, and rounds at the posterior have not succeeded."""

_MISSED, _UNREACHED = 0.05, 0.01  # shares of the posterior and of the prior that a network may miss
_FAR = -1e6  # least log density of a start, in nats: below it, single draws would dominate the mean
# share of the first round's draws near the search, and share of all draws that comes from its hills
_SHARE, _HILLS = 0.5, 0.15
_OF_NETWORK, _OF_HILLS = 0.1, 0.1  # shares of the prior and of several hills in a proposal with a network
_WIDER = 2.0  # factor on the rows' standard deviations, because parameters that a search ignores shift the others
# effective rows from which the density is made: some twenty for each parameter that affects the statistic
_EFFECTIVE = 100.0
_COLDEST = 0.2  # largest inverse temperature of the rows' weights: rows are densest where the search has ended


@dataclass(frozen=True)
class Searched:
    """Rows that a search has tried.

    Attributes
    ----------
    columns
        Sampled parameters, (N,) each.
    log_ratios
        Log likelihood ratios, maximised over all parameters that do not shape the wave, (N,).
    seen
        Parameters on which they depend.
    bank
        Bank of templates, from which the chance of a missed mode can be computed, if there is one.
    """

    columns: Parameters
    log_ratios: np.ndarray
    seen: tuple[str, ...]
    bank: Bank | None = None


@dataclass(frozen=True)
class Start:
    """Start of a refinement after a search.

    Attributes
    ----------
    proposal
        Proposal of the first round.
    searched
        Rows that the search tried.
    keys
        Parameters that are drawn.
    chart
        Coordinates of the refinement.
    hills
        Hills of the statistic, if they are known.
    templates
        Number of templates with which a density was adapted to the statistic.
    path
        Density at which the path of temperatures starts; ``None`` for the prior.
    better
        All parameters of a wave that fits far better than the best row of the search, if there is one.
    """

    proposal: Mixture
    searched: Searched
    keys: tuple[str, ...]
    chart: Chart
    hills: Hills | None = None
    templates: int = 0
    path: Part | None = None
    better: Row | None = None

    def looked(self, draws: tuple[tuple[Mixture, int], ...]) -> Looked | None:
        """Return templates, climbs and draws with which modes were looked for; ``None`` if hills are not known."""
        bank = self.searched.bank
        if bank is None or self.hills is None:
            return None
        words = ", ".join(key for key in self.searched.seen if key in self.keys)
        return Looked(bank, bank.values, self.hills, self.keys, draws, words)


def start_of(
    searched: Searched,
    chart: BinaryChart,
    transform: PriorTransform,
    network: AdaptedChart | None = None,
    hills: Hills | None = None,
) -> Start | None:
    """Return the start of a refinement from a search; ``None`` if none of the parameters affects the search.

    Parameters
    ----------
    searched
        Rows that the search tried.
    chart
        Coordinates in which the prior is a standard normal.
    transform
        The prior.
    network
        A network without latent variables that is bound to the data, in place of a density that is adapted to the
        search.
    hills
        Hills of the statistic, if they are known already.
    """
    seen = np.array([key in searched.seen and key not in chart.across for key in chart.keys])
    base, log_jacobian = chart.forward({key: searched.columns[key] for key in chart.keys})
    alive = np.isfinite(searched.log_ratios) & np.isfinite(log_jacobian) & np.all(np.isfinite(base), axis=1)
    if not seen.any() or alive.sum() < 2 * _EFFECTIVE:
        return None
    log_weights = _tempered(searched.log_ratios[alive])
    weights = np.exp(log_weights - log_weights.max())
    if searched.bank is not None and hills is None:
        hills = find_hills(searched.bank, searched.columns, searched.log_ratios, seen, chart, transform)
    about_search = None
    if network is not None:
        start = network_and_hills(network, chart, transform, hills, _OF_NETWORK)
        return Start(start, searched, chart.keys, network, hills, path=start.parts[0])
    if searched.bank is not None and hills is not None:
        log_ratios = np.where(alive, searched.log_ratios, -np.inf)
        tempered = np.zeros(len(alive))
        tempered[alive] = weights / weights.sum()
        about_search = search_density(searched.bank, searched.columns, log_ratios, tempered, seen, chart, transform)
    if about_search is None:
        of_seen = Whitening.of(base[alive][:, seen], weights / weights.sum())
        whole = NormalMixture(np.ones(1), of_seen.mean[None], of_seen.cholesky[None])
        about_search = SearchDensity(chart, over_all(whole, seen, _WIDER))
    about = Charted(about_search.chart, {"search": about_search.density})
    parts: list[Part] = [about]
    shares = [_SHARE]
    if hills is not None:
        parts.append(Charted(chart, {"hills": hills.density}))
        shares = [_SHARE - _HILLS, _HILLS]
    proposal = Mixture([*parts, FromPrior(transform, chart.keys)], [*shares, 1 - _SHARE])
    path = None if about_search.chart is chart else about
    return Start(
        proposal, searched, chart.keys, about_search.chart, hills, about_search.templates, path, about_search.better
    )


def network_and_hills(
    network: AdaptedChart, chart: Chart, transform: PriorTransform, hills: Hills | None, of_prior: float
) -> Mixture:
    """Return the mixture of a network's density, the same broadened, several hills of the statistic, and the prior.

    Parameters
    ----------
    network
        A network bound to the data.
    chart
        The prior's coordinates.
    transform
        The prior.
    hills
        Hills of the statistic.
    of_prior
        Share of the prior.
    """
    shares, several = Shares(prior=of_prior), hills is not None and len(hills.values) > 1
    usual = defensive(network, transform, shares, network.density)
    if hills is None or not several or network.latent:
        return usual
    flow, prior = usual.parts
    of_hills = Charted(chart, {"hills": hills.density})
    left = (1 - _OF_HILLS) * usual.shares
    return Mixture([flow, of_hills, prior], [*left[:-1], _OF_HILLS, left[-1]])


def _tempered(log_ratios: np.ndarray) -> np.ndarray:
    """Return the largest multiple of the log ratios, up to a hot one, for which enough rows are effective."""
    beta = last_that_holds(lambda inverse: effective_sample_size(inverse * log_ratios) >= _EFFECTIVE, 0.0, _COLDEST)
    return beta * log_ratios


def misses(network: Chart, weighted: WeightedDraws) -> bool:
    """Return whether a network cannot draw a part of the posterior; then, neither could rounds in its coordinates.

    Parameters
    ----------
    network
        A network bound to the data.
    weighted
        Draws of the network and of other parts.
    """
    alive = np.isfinite(weighted.log_weights)
    if not alive.any():
        return False
    _, log_jacobian = network.forward({key: column[alive] for key, column in weighted.draws.parameters.items()})
    return _lacks(log_jacobian, weighted.log_weights[alive])


def _lacks(log_jacobian: np.ndarray, log_weights: np.ndarray) -> bool:
    """Return whether rows out of a chart's reach, with a log Jacobian (N,) of -inf, have too much of the weight."""
    unreached = log_weights[np.isneginf(log_jacobian) & np.isfinite(log_weights)]
    return bool(len(unreached)) and float(logsumexp(unreached) - logsumexp(log_weights)) > np.log(_MISSED)


def starts_from(network: Chart, prior: Chart, pool: Pool, transform: PriorTransform) -> bool:
    """Return whether a path starts from the network: not if it misses part of the posterior, or the prior is closer to it.

    Parameters
    ----------
    network
        A network bound to the data.
    prior
        Coordinates in which the prior is a standard normal.
    pool
        Draws of both, with those of the network first.
    transform
        The prior.
    """
    log_weights = pool.log_weights(pool.log_target)
    if unreached_share(network, transform) > _UNREACHED:
        return False
    if _lacks(pool.in_base(network)[1], log_weights):
        return False
    # A network that hardly draws the posterior may lack a side of it, which no path from there would find.
    of_network = pool.batches[0].log_weights
    if effective_sample_size(of_network) < TRUSTED * len(of_network):
        return False
    # The start that gives the known posterior the higher density is used.
    alive = np.isfinite(log_weights)
    if not alive.any():
        return False
    weights = np.exp(log_weights[alive] - log_weights.max())
    score_of_prior, score = (
        float(np.average(np.maximum(pool.start_density(chart)[alive], _FAR), weights=weights))
        for chart in (prior, network)
    )
    return score > score_of_prior
