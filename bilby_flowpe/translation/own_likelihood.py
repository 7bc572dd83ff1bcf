"""The user's own likelihood, called as Bilby's samplers call it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from bilby.core.likelihood import Likelihood, _safe_likelihood_call

from ..errors import DataError
from ..processes.parallel import Row


@dataclass
class LogLikelihood:
    """Task: the user's log likelihood of one row; picklable."""

    likelihood: Likelihood
    use_ratio: bool

    def __call__(self, row: Row) -> np.ndarray | None:
        """``None`` where it is not a number."""
        # Bilby's own way to call a likelihood, whether it takes its parameters or, as older ones do, holds them.
        given = _safe_likelihood_call(self.likelihood, dict(row), use_ratio=self.use_ratio)
        try:
            value = float(given)
        except (TypeError, ValueError) as error:
            raise DataError(
                f"the log likelihood of {type(self.likelihood).__name__} is {given!r} at {row}: it has to be one real number"
            ) from error
        if value == np.inf:
            raise DataError(
                f"the log likelihood is infinite at {row}: no weight can be made of it; mend the likelihood there, or narrow "
                "the prior"
            )
        return None if np.isnan(value) else np.array([value])


def has_ratio(likelihood: Likelihood) -> bool:
    """Whether likelihoods can be had as ratios to that of noise alone, which not all know."""
    return bool(np.isfinite(float(likelihood.noise_log_likelihood())))
