"""Checks of priors, with errors or remarks, before anything is made from them."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import numpy as np
from bilby.core.prior import Constraint, DeltaFunction, JointPrior, Prior, PriorDict

from .errors import PriorError
from .prior_natures import conditions, drawn_at, number_or_nan


def require_limits(priors: Mapping[str, Prior]) -> None:
    """Raise an error for limits and fixed values that are not numbers: Bilby would look for draws between them for ever.

    Raises
    ------
    PriorError
        If there is one; it names the parameter.
    """
    for key, prior in priors.items():
        limits = [getattr(prior, name, None) for name in ("minimum", "maximum", "peak")]
        if any(isinstance(limit, float) and np.isnan(limit) for limit in limits):
            raise PriorError(f"priors[{key!r}]={prior!r} has a limit or value that is not a number: give a number")


def idle_constraints(priors: PriorDict, sample: Mapping[str, np.ndarray]) -> list[str]:
    """Return constraints on quantities that no conversion function computes, which Bilby ignores."""
    constraints = [key for key, prior in priors.items() if isinstance(prior, Constraint)]
    if not constraints:
        return []
    made = priors.conversion_function(dict(sample))
    return [key for key in constraints if key not in made]


def require_conditions(priors: Mapping[str, Prior]) -> None:
    """Raise an error for condition functions that fail for numbers: no sampler can draw from them.

    Raises
    ------
    PriorError
        Naming the parameter.
    """
    known: dict[str, float] = {
        key: float(prior.peak) for key, prior in priors.items() if isinstance(prior, DeltaFunction)
    }
    left = {key: prior for key, prior in priors.items() if isinstance(prior, Prior) and key not in known}
    while ready := [key for key in left if {*conditions(left[key])} <= {*known}]:
        for key in ready:
            prior = left.pop(key)
            if isinstance(prior, Constraint | JointPrior):
                known[key] = 0.0
                continue
            row = {name: known[name] for name in conditions(prior)}
            if row:
                known[key] = drawn_at(key, copy.deepcopy(prior), 0.5, row)
            else:
                known[key] = number_or_nan(copy.deepcopy(prior).rescale, 0.5)
