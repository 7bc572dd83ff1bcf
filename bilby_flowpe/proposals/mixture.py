r"""Proposals with exact densities, and their defensive mixture.

Importance weights cannot show what was never drawn, and their variance is infinite if the proposal's tails are too
thin. The proposal is therefore a mixture,

.. math:: q(x) = \sum_k a_k q_k(x),

of the network's flow, the same flow with a broader base, and a little of the prior (Hesterberg 1995, Technometrics 37,
185). Every draw is weighted by the whole of ``q``, so that a weight is at most its weight under one part over that
part's share, and a part of share ``a`` costs at most a share ``a`` of the efficiency. The number of draws from each
part is its expected number, rounded at random (Owen and Zhou 2000, JASA 95, 135): where the flow is near the posterior,
draws of the prior have no weight, and a random number of them would be most of the scatter of the evidence. The share
of the posterior that falls to each part,

.. math:: R_k = \sum_i \bar w_i \, a_k q_k(x_i) / q(x_i) ,

shows where the posterior is: with the flow, in its tails, or where the flow does not draw at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.special import logsumexp

from ..errors import ConfigurationError
from ..priors import Parameters, PriorTransform
from .charts import Chart, dimension
from .latents import Encoder, encoder_of
from .parts import BROAD, FLOW, BaseDensity, BroadDensity, Charted, FromPrior, Normal, Part


@dataclass(frozen=True)
class Shares:
    """Shares of the parts of the defensive mixture.

    Attributes
    ----------
    broad
        Share of the flow with a broader base.
    prior
        Share of the prior.
    width
        Standard deviation of the broader base, relative to that of the flow's own base.
    """

    broad: float = 0.05
    prior: float = 0.005
    width: float = 1.5

    def __post_init__(self) -> None:
        if not (self.broad >= 0 and self.prior >= 0 and self.broad + self.prior < 1):
            raise ConfigurationError(
                f"shares broad={self.broad!r}, prior={self.prior!r}: give shares of at least 0 whose sum is below 1"
            )
        if not (np.isfinite(self.width) and self.width >= 1):
            raise ConfigurationError(f"width={self.width!r}: give a number of at least 1")

    def to_dict(self) -> dict[str, float]:
        """Return plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Draws:
    """Draws from a proposal, with their densities.

    Attributes
    ----------
    parameters
        Parameters that the proposal draws, latent variables included, (N,) each; those that are drawn conditionally are
        not among them.
    log_q
        Log density of the proposal in these parameters, (N,); +inf outside the prior.
    inside
        Which rows are inside the prior, (N,).
    log_parts
        Log of each part's share times its density, (N, K).
    part
        The part that each row was drawn from, (N,).
    log_encoder
        Log density of the latent variables given the parameters, (N,); zero where there are none.
    """

    parameters: Parameters
    log_q: np.ndarray
    inside: np.ndarray
    log_parts: np.ndarray
    part: np.ndarray
    log_encoder: np.ndarray

    def __len__(self) -> int:
        return len(self.log_q)


class Mixture:
    """A mixture of densities with fixed shares, as a proposal.

    Parameters
    ----------
    parts
        Densities that are mixed.
    shares
        Share of each part, in the order of the parts' names; they sum to one.
    encoder
        Density of the latent variables given the parameters, if the parts draw any.
    """

    def __init__(self, parts: Sequence[Part], shares: Sequence[float], encoder: Encoder | None = None) -> None:
        self.encoder = encoder
        self.parts, self.shares = tuple(parts), np.asarray(shares, dtype=np.float64)
        self.names = tuple(name for part in self.parts for name in part.names)
        if len(self.shares) != len(self.names) or not np.isclose(self.shares.sum(), 1) or np.any(self.shares < 0):
            raise ConfigurationError(
                f"shares={list(shares)!r} for the parts {list(self.names)}: give each a share, summing to 1"
            )

    def draw(self, size: int, rng: np.random.Generator) -> Draws:
        """Draw ``size`` samples; rows are ordered by part, which matters to no result."""
        return self.draw_each(self.allot(size, rng), rng)

    def allot(self, size: int, rng: np.random.Generator) -> np.ndarray:
        """Return how many of ``size`` draws to take from each part, (K,): its share, rounded at random with the exact mean."""
        upper = np.floor(np.cumsum(self.shares) * size + rng.random()).astype(int)
        upper[-1] = size
        return np.diff(np.minimum(upper, size), prepend=0)

    def draw_each(self, chosen: np.ndarray, rng: np.random.Generator) -> Draws:
        """Draw ``chosen[k]`` samples from each part k; rows are ordered by part."""
        size = int(np.sum(chosen))
        pieces: list[tuple[Parameters, np.ndarray]] = []
        first = 0
        for part in self.parts:
            for index in range(len(part.names)):
                if count := int(chosen[first + index]):
                    pieces.append(part.draw(index, count, rng))
            first += len(part.names)
        keys = pieces[0][0].keys()
        parameters = {key: np.concatenate([piece[key] for piece, _ in pieces]) for key in keys}
        inside = np.concatenate([piece for _, piece in pieces])
        log_parts = self.log_parts(parameters)
        log_q = logsumexp(log_parts, axis=1)
        inside = inside & np.isfinite(log_q)
        return Draws(
            parameters,
            np.where(inside, log_q, np.inf),
            inside,
            log_parts,
            np.repeat(range(len(chosen)), chosen),
            self.encoder.log_prob(parameters) if self.encoder else np.zeros(size),
        )

    def log_parts(self, parameters: Parameters) -> np.ndarray:
        """Return the log of share times density for every part, (N, K)."""
        with np.errstate(divide="ignore"):
            log_parts = np.concatenate([part.log_prob(parameters) for part in self.parts], axis=1)
            return log_parts + np.log(self.shares)

    def log_prob(self, parameters: Parameters) -> np.ndarray:
        """Return the log density of the mixture, (N,)."""
        return logsumexp(self.log_parts(parameters), axis=1)


def on_network(
    chart: Chart, densities: Mapping[str, BaseDensity], transform: PriorTransform | None, shares: Sequence[float]
) -> Mixture:
    """Return the mixture of densities on the chart of a network and, as its last part, the prior.

    Parameters
    ----------
    chart
        A network bound to the data of an event.
    densities
        Densities in the chart's base space, by name.
    transform
        The user's prior. Without it, the mixture has the densities only, and the chart's symmetry is not applied.
    shares
        Share of each density, and of the prior.
    """
    encoder = encoder_of(chart)
    parts: list[Part] = [Charted(chart, densities, symmetric=transform is not None)]
    if transform is not None:
        parts.append(FromPrior(transform, chart.keys, encoder))
    return Mixture(parts, shares, encoder)


def flow_alone(chart: Chart) -> Mixture:
    """Return the network's flow alone as a proposal, without broadening, prior or symmetry."""
    return on_network(chart, {FLOW: Normal(dimension(chart))}, None, [1.0])


def prior_alone(transform: PriorTransform, keys: tuple[str, ...]) -> Mixture:
    """Return the user's prior of the given parameters as a proposal."""
    return Mixture([FromPrior(transform, keys)], [1.0])


def defensive(chart: Chart, transform: PriorTransform, shares: Shares, density: BroadDensity | None = None) -> Mixture:
    """Return the defensive mixture of the flow, the broadened flow and a little of the prior.

    Parameters
    ----------
    chart
        A network bound to the data of an event.
    transform
        The user's prior.
    shares
        Shares of the parts.
    density
        Density in the base space; the network's own standard normal by default.
    """
    density = density or Normal(dimension(chart))
    densities: dict[str, BaseDensity] = {FLOW: density, BROAD: density.broadened(shares.width)}
    return on_network(chart, densities, transform, [1 - shares.broad - shares.prior, shares.broad, shares.prior])


def marginal_log_prob(mixture: Mixture, parameters: Parameters, samples: int, rng: np.random.Generator) -> np.ndarray:
    """Return the log density of the parameters alone, (N,), estimated over draws of the encoder if there are latent variables.

    It uses ``q(x) = E[q(x, z) / q(z | x, y)]`` over ``z ~ q(z | x, y)``. The logarithm is too low by half of the
    estimate's relative variance.
    """
    if mixture.encoder is None:
        return mixture.log_prob(parameters)
    size = len(next(iter(parameters.values())))
    repeated = {key: np.repeat(value, samples) for key, value in parameters.items()}
    repeated |= mixture.encoder.draw(repeated, rng)
    log_ratio = mixture.log_prob(repeated) - mixture.encoder.log_prob(repeated)
    return logsumexp(log_ratio.reshape(size, samples), axis=1) - np.log(samples)


def posterior_shares(draws: Draws, log_weights: np.ndarray, names: Sequence[str]) -> dict[str, float]:
    """Return the share of the posterior that falls to each part, by name; empty if no row has weight."""
    alive = np.isfinite(log_weights)
    if not alive.any():
        return {}
    weights = np.exp(log_weights[alive] - log_weights[alive].max())
    responsibility = np.exp(draws.log_parts[alive] - draws.log_q[alive, None])
    shares = weights @ responsibility / weights.sum()
    return {name: float(share) for name, share in zip(names, shares, strict=True)}


def concatenate(blocks: Sequence[Any]) -> Draws:
    """Concatenate draws of one mixture."""
    keys = blocks[0].parameters
    columns = {
        name: np.concatenate([getattr(block, name) for block in blocks])
        for name in ("log_q", "inside", "log_parts", "part", "log_encoder")
    }
    return Draws(
        parameters={key: np.concatenate([block.parameters[key] for block in blocks]) for key in keys}, **columns
    )
