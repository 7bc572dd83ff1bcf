"""The rows of one batch while the steps of the weight are taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ..errors import ContractError
from ..importance import ZERO_WEIGHT
from ..priors import Parameters, PriorTransform
from ..proposals.mixture import Draws
from ..thinning.rows import ThinnedRows
from .comparison import Comparison, joined
from .increment import Increment


@dataclass
class Batch:
    """State of N rows after the steps taken so far.

    Attributes
    ----------
    draws
        Draws of the proposal.
    prior
        The prior whose parameters are drawn.
    columns
        All parameters, (N,) each; those that a later step draws have their reference values.
    log_prior_of_rest
        Log prior of the parameters that the proposal drew, (N,); -inf outside the prior.
    log_likelihood
        Log likelihood by the latest step that gave one, (N,); zero before any, -inf outside the prior.
    log_steps
        Sum of the steps' changes of the log weight, (N,); -inf for a row without weight.
    log_prior_change
        Sum of the steps' changes of the log prior that is reported, (N,).
    without_value
        Rows inside the prior for which the task of a step gave no value, (N,) bool.
    drawn_by_steps
        Parameters that steps may draw.
    checks
        Number of rows at which the closed form of a step is compared with the likelihood.
    compared
        Results of all comparisons so far.
    n_nan
        Rows inside the prior for which a likelihood is not a number.
    thinned
        Which rows were kept, if a step has thinned them.
    """

    draws: Draws
    prior: PriorTransform
    columns: Parameters
    log_prior_of_rest: np.ndarray
    log_likelihood: np.ndarray
    log_steps: np.ndarray
    log_prior_change: np.ndarray
    without_value: np.ndarray
    drawn_by_steps: frozenset[str]
    checks: int
    compared: Comparison = field(default_factory=Comparison)
    n_nan: int = 0
    thinned: ThinnedRows | None = None

    @classmethod
    def of(cls, draws: Draws, prior: PriorTransform, reference: Mapping[str, float], checks: int) -> Batch:
        """Start a batch from draws of a proposal and the reference values of the parameters that the steps will draw."""
        size = len(draws)
        # Latent variables of a network are not parameters of the prior.
        own = {key: value.copy() for key, value in draws.parameters.items() if key in prior.keys}
        columns = own | {key: np.full(size, value) for key, value in reference.items()}
        of_prior = {key: value for key, value in columns.items() if key in prior.keys}
        log_prior = np.where(draws.inside, prior.log_prob(of_prior, tuple(own)), -np.inf)
        inside = log_prior > -np.inf
        start = np.where(inside, 0.0, -np.inf)
        without_value = np.zeros(size, dtype=bool)
        drawn_by_steps = frozenset(reference)
        return cls(
            draws, prior, columns, log_prior, start, start.copy(), np.zeros(size), without_value, drawn_by_steps, checks
        )

    @property
    def alive(self) -> np.ndarray:
        """Indices of the rows that still have a weight."""
        return np.flatnonzero(self.log_steps > ZERO_WEIGHT)

    @property
    def with_value(self) -> np.ndarray:
        """Indices of the rows inside the prior for which the tasks so far gave a value."""
        return np.flatnonzero((self.log_prior_of_rest > -np.inf) & ~self.without_value)

    @property
    def parameters(self) -> Parameters:
        """The parameters of the prior, (N,) each."""
        return {key: value for key, value in self.columns.items() if key in self.prior.keys}

    def parameters_of(self, rows: np.ndarray) -> Parameters:
        """Return the parameters of the prior at some rows."""
        return {key: value[rows] for key, value in self.parameters.items()}

    def add(self, chosen: np.ndarray, increment: Increment) -> None:
        """Add the result of a step for the chosen rows.

        Raises
        ------
        ContractError
            If the step draws a parameter that is in no step's reference: the proposal may have drawn it, too.
        """
        if unknown := [key for key in increment.columns if key not in self.drawn_by_steps]:
            raise ContractError(f"a step draws {unknown}, which its reference does not name: add them to it")
        for key, column in increment.columns.items():
            self.columns[key][chosen] = column
        if increment.log_likelihood is not None:
            self.log_likelihood[chosen] = increment.log_likelihood
        self.log_steps[chosen] += increment.log_weight
        self.log_prior_change[chosen] += increment.log_prior
        if increment.without_value is not None:
            self.without_value[chosen] = increment.without_value
        self.compared = joined([self.compared, increment.compared])
        self.n_nan += increment.n_nan
        if increment.thinned is not None:
            thinned = self.thinned = increment.thinned
            gone = ~thinned.kept
            if thinned.unevaluated is not None and thinned.log_row is not None:
                gone &= ~thinned.unevaluated
                self.log_steps[thinned.unevaluated] -= thinned.log_row[thinned.unevaluated]
            self.log_steps[gone] = self.log_likelihood[gone] = -np.inf

    def log_weights(self, rows: np.ndarray, change: np.ndarray | float = 0.0) -> np.ndarray:
        """Return the log weights of some rows after a further change, (M,); -inf for rows without weight."""
        log_steps = self.log_steps[rows] + change
        log_weights = np.full(len(rows), -np.inf)
        weighty = log_steps > ZERO_WEIGHT
        at = rows[weighty]
        draws = self.draws
        of_draw = self.log_prior_of_rest[at] + draws.log_encoder[at] - draws.log_q[at]
        log_weights[weighty] = log_steps[weighty] + of_draw
        return log_weights

    def log_prior(self) -> np.ndarray:
        """Return the log prior of all its parameters, with the changes by the steps, (N,)."""
        of_all = np.where(self.draws.inside, self.prior.log_prob(self.parameters), -np.inf)
        return of_all + self.log_prior_change
