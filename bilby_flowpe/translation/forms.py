"""Forms of a prior: maps from the drawn parameters to the user's, with the change of density."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..priors import Parameters
from .quantiles import Quantiles


class Form(Protocol):
    """A change of parameters, or of their prior.

    Sky and time in a detector's frame (:mod:`.frames`), masses in the source frame (:mod:`.source_masses`) and joint
    priors (:mod:`.covers`) are forms.
    """

    def back(self, parameters: Parameters) -> Parameters:
        """Return the user's parameters (N,) for drawn ones."""

    def log_ratio(self, plain: Parameters, asked: Parameters) -> np.ndarray:
        """Return the log density (N,) of the user's prior in the drawn parameters, over that of the drawn prior."""


@dataclass(frozen=True)
class Forms:
    """All forms of a problem, in the order in which they lead back to the user's parameters.

    Attributes
    ----------
    forms
        Forms that change a density.
    quantiles
        Parameters that are sampled through their quantiles, which changes no weight; applied last.
    """

    forms: tuple[Form, ...] = ()
    quantiles: Quantiles | None = None

    def __bool__(self) -> bool:
        """Return whether any form changes a density."""
        return bool(self.forms)

    def back(self, parameters: Parameters) -> Parameters:
        """Return the user's parameters, (N,) each, for drawn ones."""
        for form in self.forms:
            parameters = form.back(parameters)
        return self.quantiles.back(parameters) if self.quantiles else parameters

    def log_ratio(self, parameters: Parameters) -> np.ndarray:
        """Return the log density (N,) of the user's prior over that of the drawn prior, in the drawn parameters."""
        log_ratio = np.zeros(len(next(iter(parameters.values()))))
        for form in self.forms:
            asked = form.back(parameters)
            log_ratio = log_ratio + form.log_ratio(parameters, asked)
            parameters = asked
        return log_ratio
