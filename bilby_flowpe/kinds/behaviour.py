"""What a user's own function does, in numbers: its name says little, for its code may have changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from bilby.core.utils import logger

from ..contract.matching import BEHAVIOUR
from ..priors import PriorTransform
from ..processes.parallel import Row, make_rows

SEED = 20200218
"""Any number: the same places of the prior, and the same noise, for a model and for what it is held against."""

_TRIED = 8  # places of the prior at which a function is called: enough to tell one function from another
_MOST_NUMBERS = 4096  # of its values that are stored with a model


def behaviour(compute: Callable[[Row], Any], prior: PriorTransform) -> dict[str, np.ndarray]:
    """Values of a function at a few draws from the prior, as an array of a contract.

    Returns
    -------
    dict
        Empty where the function fails or gives another answer each time.
    """
    rows = make_rows(prior.fixed, prior.sample(_TRIED, np.random.default_rng(SEED)))
    try:
        one, other = (
            np.concatenate([np.ravel(np.asarray(compute(dict(row)), float)) for row in rows]) for _ in range(2)
        )
    except Exception as error:  # of any kind, of a function of the user's: training says what is wrong with it
        logger.debug(f"The values of the model are not compared with those trained with: {error!r}")
        return {}
    one, other = np.nan_to_num(one), np.nan_to_num(other)
    return {BEHAVIOUR: one[:: max(1, len(one) // _MOST_NUMBERS)]} if np.array_equal(one, other) else {}
