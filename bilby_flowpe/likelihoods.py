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
    """Task that evaluates the user's log likelihood of one row; it can be pickled."""

    likelihood: Likelihood
    use_ratio: bool

    def __call__(self, row: Row) -> np.ndarray | None:
        """Return the log likelihood of a row; ``None`` if it is not a number."""
        given = called(self.likelihood, row, self.use_ratio)
        try:
            value = float(given)
        except (TypeError, ValueError) as error:
            raise DataError(
                f"the log likelihood of {type(self.likelihood).__name__} is {given!r} at {row}: let it return one real number"
            ) from error
        if value == np.inf:
            raise DataError(
                f"the log likelihood is infinite at {row}, so that the draw has no weight: correct the likelihood there, or "
                "narrow the prior"
            )
        return None if np.isnan(value) else np.array([value])


def called(likelihood: Likelihood, row: Row, use_ratio: bool) -> Any:
    """Return what a likelihood gives for a row.

    It is called as Bilby calls it, whether it takes its parameters as an argument or, as older ones do, stores them. An older
    one whose ratio is inherited from Bilby, which takes parameters, would never be given any to store: every row would have the
    likelihood of the first.

    Raises
    ------
    SimulationError
        If the likelihood raises an error.
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
    except Exception as error:  # the user's likelihood may raise anything
        raise SimulationError(
            f"the likelihood {type(likelihood).__name__} raised {type(error).__name__} ({error}) at {dict(row)}: let it "
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

    Bilby inspects the signature in every call, which takes longer than some likelihoods.
    """
    method = getattr(kind, name, None)
    return method is not None and "parameters" in inspect.signature(method).parameters


def gives_ratio(likelihood: Likelihood, rows: Sequence[Row]) -> bool:
    """Return whether the ratio to the likelihood of noise alone is a number for any of some rows.

    The likelihood of noise alone need not be a number: some likelihoods only give a ratio.
    """
    return any(not np.isnan(float(called(likelihood, row, use_ratio=True))) for row in rows)
