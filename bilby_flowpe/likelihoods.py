"""The user's own likelihood, called as Bilby's samplers call it."""

from __future__ import annotations

import inspect
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import numpy as np
from bilby.core.likelihood import Likelihood, _safe_likelihood_call

from .errors import DataError, FlowPEError, SimulationError
from .processes.parallel import Row


@dataclass
class LogLikelihood:
    """Task: the user's log likelihood of one row; picklable."""

    likelihood: Likelihood
    use_ratio: bool

    def __call__(self, row: Row) -> np.ndarray | None:
        """``None`` where it is not a number."""
        given = called(self.likelihood, row, self.use_ratio)
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


def called(likelihood: Likelihood, row: Row, use_ratio: bool) -> Any:
    """What a likelihood gives for a row.

    Whether it takes its parameters or, as older ones do, holds them. To those whose ratio is Bilby's own, which takes
    parameters, Bilby would not give any to hold, and every row would have the likelihood of the first.

    Raises
    ------
    SimulationError
        If the likelihood raises.
    """
    try:
        name = "log_likelihood_ratio" if use_ratio else "log_likelihood"
        kind = cast(Hashable, type(likelihood))
        if use_ratio and _holds_parameters(likelihood):
            likelihood.parameters.update(row)
        if name not in getattr(likelihood, "__dict__", ()) and _takes_parameters(kind, name):
            return getattr(likelihood, name)(parameters=dict(row))
        return _safe_likelihood_call(likelihood, dict(row), use_ratio=use_ratio)
    except FlowPEError:
        raise
    except Exception as error:  # of any kind: the likelihood is the user's own
        raise SimulationError(
            f"the likelihood {type(likelihood).__name__} raised {type(error).__name__} ({error}) at {dict(row)}: have it "
            "return -inf where it has no value, or narrow the priors to where it has one"
        ) from error


def _holds_parameters(likelihood: Likelihood) -> bool:
    """Tell whether a log likelihood, of a class or set on the object, reads its parameters from the object."""
    if "log_likelihood" in getattr(likelihood, "__dict__", ()):
        return "parameters" not in inspect.signature(likelihood.log_likelihood).parameters
    return not _takes_parameters(cast(Hashable, type(likelihood)), "log_likelihood")


@lru_cache
def _takes_parameters(kind: Hashable, name: str) -> bool:
    """Tell whether a method of a class has an argument ``parameters``, or reads them from the object.

    Bilby looks at the signature in every call, which takes longer than many a likelihood.
    """
    method = getattr(kind, name, None)
    return method is not None and "parameters" in inspect.signature(method).parameters


def gives_ratio(likelihood: Likelihood, rows: Sequence[Row]) -> bool:
    """Whether the ratio to the likelihood of noise alone is a number at any of some rows.

    The likelihood of noise alone need not be one: a ratio may be all that a likelihood knows.
    """
    return any(not np.isnan(float(called(likelihood, row, use_ratio=True))) for row in rows)
