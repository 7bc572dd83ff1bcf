"""Draws of a proposal with their weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..chain.batch import Batch
from ..chain.comparison import Comparison, agrees, joined, spread_where_likely
from ..importance import WeightSummary, summarise
from ..priors import Parameters
from ..proposals.mixture import Draws, concatenate, posterior_shares
from ..thinning.partial import Missing, log_of_evaluated, summarise_partly
from ..thinning.rows import ThinnedRows


@dataclass(frozen=True)
class WeightedDraws:
    """Draws of a proposal, with weights, likelihoods and priors.

    Attributes
    ----------
    draws
        Draws of the proposal.
    parameters
        All sampled parameters of the problem that is used for drawing, (N,) each.
    columns
        These, and further parameters that steps have drawn: calibration errors.
    log_weights
        Log of prior times likelihood over proposal, -inf for a row outside the prior, (N,).
    log_likelihood, log_prior
        Log likelihood and log prior of each row, in the user's units, (N,).
    n_likelihood
        Number of likelihood evaluations.
    n_outside
        Number of rows outside the prior.
    compared
        Comparison of the conditionals' closed form with the user's likelihood, at some rows.
    allotted
        Whether the numbers of draws from the proposal's parts were fixed beforehand, and all of them were made.
    thinned
        Coarse weights, and which draws were kept, if the user's likelihood was evaluated for some only; the others have
        no weight.
    """

    draws: Draws
    parameters: Parameters
    columns: Parameters
    log_weights: np.ndarray
    log_likelihood: np.ndarray
    log_prior: np.ndarray
    n_likelihood: int
    n_outside: int
    compared: Comparison
    allotted: bool = True
    thinned: ThinnedRows | None = None

    @classmethod
    def of(cls, batch: Batch, n_likelihood: int) -> WeightedDraws:
        """Make weighted draws from the rows of a batch, after the last step."""
        log_prior = batch.log_prior()
        return cls(
            draws=batch.draws,
            parameters={key: batch.columns[key] for key in batch.prior.keys},
            columns=batch.columns,
            log_weights=batch.log_weights(np.arange(len(batch.draws))),
            log_likelihood=batch.log_likelihood,
            log_prior=log_prior,
            n_likelihood=n_likelihood,
            n_outside=int(np.sum(~np.isfinite(log_prior))),
            compared=batch.compared,
            thinned=batch.thinned,
        )

    @classmethod
    def joined(cls, blocks: Sequence[WeightedDraws], allotted: bool) -> WeightedDraws:
        """Join several blocks of one batch."""

        def together(name: str) -> np.ndarray:
            return np.concatenate([getattr(block, name) for block in blocks])

        thinned = [block.thinned for block in blocks if block.thinned is not None]
        columns = {key: np.concatenate([block.columns[key] for block in blocks]) for key in blocks[0].columns}
        return cls(
            draws=concatenate([block.draws for block in blocks]),
            parameters={key: columns[key] for key in blocks[0].parameters},
            columns=columns,
            log_weights=together("log_weights"),
            log_likelihood=together("log_likelihood"),
            log_prior=together("log_prior"),
            n_likelihood=sum(block.n_likelihood for block in blocks),
            n_outside=sum(block.n_outside for block in blocks),
            compared=joined([block.compared for block in blocks]),
            allotted=allotted,
            thinned=ThinnedRows.joined(thinned) if thinned else None,
        )

    def summary(self) -> WeightSummary:
        """Summarise the weights: evidence, effective draws and tail."""
        parts = self.draws.part if self.allotted else None
        if self.thinned is not None:
            return summarise_partly(self.log_weights, self.thinned, parts)
        return summarise(self.log_weights, parts)

    def by_coarse(self) -> WeightedDraws:
        """Return the same draws with their coarse weights, for steering; unchanged if nothing was thinned."""
        if self.thinned is None:
            return self
        return replace(self, log_weights=self.thinned.log_coarse, thinned=None)

    def with_mean_ratio(self) -> WeightedDraws:
        """Multiply likelihood and weight of unevaluated draws by the mean ratio of the likelihoods.

        The draws are unchanged if every row is evaluated.
        """
        if self.thinned is None or self.thinned.unevaluated is None:
            return self
        change = np.where(self.thinned.unevaluated, Missing.of(self.log_weights, self.thinned).log_ratio, 0.0)
        return replace(self, log_weights=self.log_weights + change, log_likelihood=self.log_likelihood + change)

    @property
    def log_evaluated(self) -> np.ndarray:
        """Log weights of the evaluated draws, over the probability of being evaluated, (N,); -inf for the others."""
        return self.log_weights if self.thinned is None else log_of_evaluated(self.log_weights, self.thinned)

    @property
    def coarse_spread(self) -> float:
        """Scatter of the user's log likelihood over the coarse one where the posterior is; zero if it is not known."""
        if self.thinned is None:
            return 0.0
        log_weights = self.log_evaluated[self.thinned.kept]
        if not len(log_weights):
            return 0.0
        return spread_where_likely(log_weights - self.thinned.log_kept, log_weights)

    @property
    def spot_difference(self) -> float:
        """Largest scaled difference of the closed form from the user's likelihood; 0 if there was nothing to compare."""
        return self.compared.largest

    @property
    def spot_check_failed(self) -> bool:
        """True if the closed form disagrees with the user's likelihood."""
        return not agrees(self.spot_difference)

    @property
    def log_target(self) -> np.ndarray:
        """Log of prior times likelihood in the proposal's parameters, times the encoder's density, (N,).

        If parameters were drawn conditionally, it is an estimate of their average, which is exact except for the
        conditional's grid.
        """
        alive = np.isfinite(self.log_weights)
        return np.where(alive, self.log_weights + np.where(alive, self.draws.log_q, 0.0), -np.inf)

    def shares(self, names: Sequence[str]) -> dict[str, float]:
        """Return the share of the posterior that falls to each part of the proposal."""
        return posterior_shares(self.draws, self.log_weights, names)
