"""Importance weights of a network's draws, from the user's own likelihood and prior."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from bilby.core.likelihood import Likelihood
from bilby.core.utils import logger

from .conditional import ConditionalDraws
from .model import BoundPosterior, Draws
from .parallel import Row, evaluate
from .phase import InnerProducts
from .priors import Parameters, PriorTransform

_FAILED = -1e300
_BLOCK = 20_000
_SPOT_CHECKS = 16
_SPOT_TOLERANCE = 1e-3


@dataclass
class LogLikelihood:
    """Task: the user's log likelihood of one row; picklable."""

    likelihood: Likelihood
    use_ratio: bool

    def __call__(self, row: Row) -> np.ndarray | None:
        """``None`` where it is not a number."""
        function = self.likelihood.log_likelihood_ratio if self.use_ratio else self.likelihood.log_likelihood
        value = float(function(dict(row)))
        return None if np.isnan(value) else np.array([value])


@dataclass(frozen=True)
class WeightedDraws:
    """Draws with everything known of them.

    Attributes
    ----------
    parameters
        All search parameters, (N,) each.
    log_weights
        Logarithm of prior times likelihood over proposal, -inf for a row outside the prior, (N,).
    log_likelihood, log_prior
        Of each row, in the units that the user asked for, (N,).
    n_likelihood
        Likelihood evaluations spent.
    n_outside
        Rows outside the prior.
    spot_difference
        Largest difference between log likelihoods from the conditional phase's closed form and the user's own, 0 if there
        was nothing to compare.
    """

    parameters: Parameters
    log_weights: np.ndarray
    log_likelihood: np.ndarray
    log_prior: np.ndarray
    n_likelihood: int
    n_outside: int
    spot_difference: float

    @property
    def spot_check_failed(self) -> bool:
        """Whether the closed form disagrees with the user's likelihood."""
        return not self.spot_difference <= _SPOT_TOLERANCE


def draw_and_weigh(
    bound: BoundPosterior,
    size: int,
    likelihood: Likelihood,
    transform: PriorTransform,
    use_ratio: bool,
    generator: torch.Generator,
    rng: np.random.Generator,
    npool: int = 1,
    progress: str | None = None,
) -> WeightedDraws:
    """``size`` draws with their weights, in blocks of bounded memory.

    Parameters
    ----------
    bound
        A model and its data.
    size
        Number of draws.
    likelihood, transform, use_ratio, rng, npool, progress
        As in :func:`weigh`.
    generator
        Generator of the network's draws.
    """
    blocks = []
    for first in range(0, size, _BLOCK):
        count = min(_BLOCK, size - first)
        draws = bound.draw(count, generator, rng)
        title = f"{progress}, {first + count} of {size} draws" if progress else None
        blocks.append(weigh(bound, draws, likelihood, transform, use_ratio, rng, npool, title))
    return WeightedDraws(
        parameters={key: np.concatenate([block.parameters[key] for block in blocks]) for key in transform.keys},
        log_weights=np.concatenate([block.log_weights for block in blocks]),
        log_likelihood=np.concatenate([block.log_likelihood for block in blocks]),
        log_prior=np.concatenate([block.log_prior for block in blocks]),
        n_likelihood=sum(block.n_likelihood for block in blocks),
        n_outside=sum(block.n_outside for block in blocks),
        spot_difference=float(np.max([block.spot_difference for block in blocks])),
    )


def weigh(
    bound: BoundPosterior,
    draws: Draws,
    likelihood: Likelihood,
    transform: PriorTransform,
    use_ratio: bool,
    rng: np.random.Generator,
    npool: int = 1,
    progress: str | None = None,
) -> WeightedDraws:
    """Weigh draws from a network.

    With parameters drawn from their exact conditional (:mod:`.conditional`), ``x = (rest, c)`` and ``q(x) = q(rest) q(c |
    rest, d)``: the weight is the prior of the rest over ``q(rest)``, times prior and likelihood of ``c`` over ``q(c | rest, d)``.

    Parameters
    ----------
    bound
        The model that drew them.
    draws
        What it drew.
    likelihood, transform
        The user's likelihood and prior.
    use_ratio
        Whether likelihoods are given as ratios to that of noise alone.
    rng
        Generator of the phases.
    npool
        Processes.
    progress
        Title of the progress bar; none is shown when left out.
    """
    size = len(draws.log_q)
    conditional = bound.conditional
    parameters = {key: value.copy() for key, value in draws.parameters.items()}
    parameters |= {key: np.full(size, value) for key, value in conditional.reference.items()}
    inside = np.flatnonzero(draws.inside)
    rows = bound.simulator.rows({key: value[inside] for key, value in parameters.items()})
    log_likelihood = np.full(size, -np.inf)
    log_weights = np.full(size, -np.inf)
    spot = 0.0
    task = InnerProducts(likelihood) if conditional.keys else LogLikelihood(likelihood, use_ratio)
    values, good = evaluate(task, rows, npool, progress)
    alive = inside[good]
    if conditional.keys and len(alive):
        drawn = conditional.draw(values, rng)
        for key, column in drawn.parameters.items():
            parameters[key][alive] = column
        noise = 0.0 if use_ratio else float(likelihood.noise_log_likelihood())
        log_likelihood[alive] = drawn.log_likelihood_ratio + noise
        log_weights[alive] = drawn.log_ratio + noise
        spot = _spot_check(likelihood, [rows[i] for i in np.flatnonzero(good)], drawn)
    elif len(alive):
        log_likelihood[alive] = log_weights[alive] = values[:, 0]
    log_prior = np.where(draws.inside, transform.log_prob(parameters), -np.inf)
    of_rest = transform.log_prob(parameters, tuple(draws.parameters))
    alive_weights = log_weights > -np.inf
    log_weights = np.where(draws.inside & alive_weights, log_weights + of_rest - draws.log_q, -np.inf)
    return WeightedDraws(
        parameters={key: parameters[key] for key in transform.keys},
        log_weights=np.where(log_likelihood > _FAILED, log_weights, -np.inf),
        log_likelihood=log_likelihood,
        log_prior=log_prior,
        n_likelihood=len(rows) + (min(_SPOT_CHECKS, len(alive)) if conditional.keys else 0),
        n_outside=int(size - len(inside)),
        spot_difference=spot,
    )


def _spot_check(likelihood: Likelihood, rows: list[Row], drawn: ConditionalDraws) -> float:
    """Largest difference to the user's own likelihood over a few rows spread over the draws."""
    picked = np.unique(np.linspace(0, len(rows) - 1, min(_SPOT_CHECKS, len(rows))).astype(int))
    differences = []
    for index in picked:
        row = {**rows[index], **{key: float(column[index]) for key, column in drawn.parameters.items()}}
        own = float(likelihood.log_likelihood_ratio(row))
        differences.append(abs(own - drawn.log_likelihood_ratio[index]) / max(1.0, 1e-6 * abs(own)))
    worst = float(np.max(differences))
    if not worst <= _SPOT_TOLERANCE:
        logger.warning(
            f"The closed form of {list(drawn.parameters)} differs from the likelihood by {worst:.3g}: the weights cannot be "
            "trusted"
        )
    return worst
