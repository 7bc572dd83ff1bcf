"""Values of a user's own function, which identify it better than its name: the code may have changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from bilby.core.utils import logger

from ..contract.matching import BEHAVIOUR
from ..priors import PriorTransform
from ..processes.parallel import Row, make_rows

SEED = 20200218
"""Seed of the parameters and of the noise at which a function is evaluated.

Its value does not matter, but has to be the same for a model and for the problem that is compared with it.
"""

# Number of draws from the prior at which a function is evaluated: enough to tell one function from another.
_TRIED = 8
# Largest number of function values that are stored with a model, to keep its file small.
_MOST_NUMBERS = 4096


def behaviour(compute: Callable[[Row], Any], prior: PriorTransform) -> dict[str, np.ndarray]:
    """Evaluate a function at a few draws from the prior, and return its values as an array of a contract.

    Returns
    -------
    dict
        Empty if the function fails, or gives another answer each time.
    """
    rows = make_rows(prior.fixed, prior.sample(_TRIED, np.random.default_rng(SEED)))
    try:
        one, other = (
            np.concatenate([np.ravel(np.asarray(compute(dict(row)), float)) for row in rows]) for _ in range(2)
        )
    except Exception as error:  # a user's function may raise anything; training reports it
        logger.debug(f"The values of the model cannot be compared with those of the training: {error!r}")
        return {}
    one, other = np.nan_to_num(one), np.nan_to_num(other)
    return {BEHAVIOUR: one[:: max(1, len(one) // _MOST_NUMBERS)]} if np.array_equal(one, other) else {}
