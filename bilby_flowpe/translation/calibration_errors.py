"""Calibration errors as sampled parameters: drawn given the wave, and weighed by the likelihood."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from bilby.core.prior import Constraint, DeltaFunction, DiscreteValues, Prior, PriorDict, SlabSpikePrior

from ..errors import PriorError
from ..prior_natures import nature_of
from ..priors import Parameters

_INNER = (0.1, 0.9)  # quantiles that must differ for the prior of an error to have a width


@dataclass(frozen=True)
class CalibrationErrors:
    """The calibration errors that are sampled; none by default.

    Attributes
    ----------
    priors
        Prior of each error.
    log_scale
        Log of the factor that normalises the prior density of each error.
    """

    priors: Mapping[str, Prior] = field(default_factory=dict)
    log_scale: Mapping[str, float] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Return whether any calibration errors are sampled."""
        return bool(self.priors)

    @property
    def reference(self) -> dict[str, float]:
        """Medians of the priors."""
        return {key: float(prior.rescale(0.5)) for key, prior in self.priors.items()}

    def with_log_prior(self, columns: Parameters, log_prior: np.ndarray) -> np.ndarray:
        """Return a log prior (N,) with that of the errors added."""
        for key, prior in self.priors.items():
            log_prior = log_prior + prior.ln_prob(columns[key]) + self.log_scale[key]
        return log_prior

    @classmethod
    def taken_from(cls, priors: PriorDict, keys: Sequence[str]) -> CalibrationErrors:
        """Take the priors of the calibration out of a dictionary of priors, fixed ones included.

        Parameters
        ----------
        priors
            Priors, changed in place.
        keys
            Names of the calibration parameters.

        Raises
        ------
        PriorError
            If an error is tied to another parameter, or its prior has no width.
        """
        taken = {key: priors.pop(key) for key in keys}
        searched = {key: prior for key, prior in taken.items() if not isinstance(prior, DeltaFunction)}
        for key, prior in searched.items():
            if isinstance(prior, Constraint) or getattr(prior, "required_variables", None) or hasattr(prior, "dist"):
                raise PriorError(f"priors[{key!r}]={prior!r}: give a calibration parameter an independent prior")
        return cls(searched, {key: _log_scale_of(key, prior) for key, prior in searched.items()})


def _log_scale_of(key: str, prior: Prior) -> float:
    """Return the log normalisation of an error's density; zero for indices of curves and for densities with a spike."""
    if isinstance(prior, DiscreteValues | SlabSpikePrior):
        return 0.0
    low, high = (float(prior.rescale(share)) for share in _INNER)
    if not low < high:
        raise PriorError(f"priors[{key!r}]={prior!r} has no width: fix the parameter to {low!r}")
    return nature_of(key, prior).log_scale
