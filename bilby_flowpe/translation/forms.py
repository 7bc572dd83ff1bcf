"""Other forms of a prior: from the parameters drawn to those that were asked for, and the change of density."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..priors import Parameters
from .quantiles import Quantiles


class Form(Protocol):
    """One change of parameters, or of their prior.

    Sky and time in a detector's frame (:mod:`.frames`), masses of the source's frame (:mod:`.source_masses`) and joint priors
    (:mod:`.covers`) are forms.
    """

    def back(self, parameters: Parameters) -> Parameters:
        """Parameters (N,) asked for, from those that draws are made in."""

    def log_ratio(self, plain: Parameters, asked: Parameters) -> np.ndarray:
        """Log density (N,) that the prior asked for has in the drawn parameters, over that of the prior drawn from."""


@dataclass(frozen=True)
class Forms:
    """All forms of one problem, in the order in which they lead back to what was asked.

    Attributes
    ----------
    forms
        Those that change a density.
    quantiles
        What is sampled through its quantiles, which changes no weight; last of all.
    """

    forms: tuple[Form, ...] = ()
    quantiles: Quantiles | None = None

    def __bool__(self) -> bool:
        """Whether any density changes."""
        return bool(self.forms)

    def back(self, parameters: Parameters) -> Parameters:
        """Parameters as the likelihood that was given has them, (N,) each."""
        for form in self.forms:
            parameters = form.back(parameters)
        return self.quantiles.back(parameters) if self.quantiles else parameters

    def log_ratio(self, parameters: Parameters) -> np.ndarray:
        """Log density (N,) of the prior asked for over that of the prior drawn from, in the latter's parameters."""
        log_ratio = np.zeros(len(next(iter(parameters.values()))))
        for form in self.forms:
            asked = form.back(parameters)
            log_ratio = log_ratio + form.log_ratio(parameters, asked)
            parameters = asked
        return log_ratio
