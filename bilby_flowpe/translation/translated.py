"""A problem in the form that is used for drawing, and the way back to the user's problem."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from bilby.core.likelihood import Likelihood
from bilby.gw.likelihood import GravitationalWaveTransient

from ..names import TIME, TIME_JITTER
from ..priors import Parameters
from ..problem import Problem
from ..processes.parallel import Row, make_rows
from .calibration_errors import CalibrationErrors
from .forms import Forms
from .marginalisation import Jitter


@dataclass(frozen=True)
class Translated:
    """A problem in the form that is used for drawing.

    Attributes
    ----------
    problem
        The problem that is used for drawing.
    given
        The user's own likelihood.
    asked
        The likelihood that gives the weights: the user's own, with nothing integrated out.
    keys, fixed
        The user's sampled parameters, and values of fixed ones.
    forms
        Maps from the drawn parameters to the user's.
    calibration
        Calibration errors that are drawn given the wave.
    corrects
        Whether ``asked`` has values other than the likelihood that is used for drawing.
    dropped
        Parameters that ``given`` integrates out.
    jitter
        The jitter of a time-marginalised likelihood, if it is sampled.
    raw_reasons
        Reasons, in words, why draws without weights are only approximate.
    obstacle
        Reason, in words, why a gravitational-wave likelihood is sampled as it is, without a network and with nothing in
        closed form; ``None`` if it is not.
    no_network
        Reason, in words, why no network can be used; empty if one can.
    log_cover_err
        Standard error of the log normalisation of joint priors.
    """

    problem: Problem
    given: Likelihood
    asked: Likelihood
    keys: tuple[str, ...]
    fixed: Row
    forms: Forms = field(default_factory=Forms)
    calibration: CalibrationErrors = field(default_factory=CalibrationErrors)
    corrects: bool = False
    dropped: tuple[str, ...] = ()
    jitter: Jitter | None = None
    raw_reasons: tuple[str, ...] = ()
    obstacle: str | None = None
    no_network: str = ""
    log_cover_err: float = 0.0

    @property
    def is_asked(self) -> bool:
        """True if the problem is analysed in the user's own form."""
        return self.problem.likelihood is self.given and self.keys == self.problem.prior.keys and not self.forms

    @property
    def log_normalisation_err(self) -> float:
        """Standard error of the log normalisation of the prior, as far as it was found by Monte Carlo."""
        return float(np.hypot(self.problem.prior.log_normalisation_err, self.log_cover_err))

    @property
    def steers(self) -> bool:
        """True if the user's likelihood can return the nearest plain likelihood near a signal (:mod:`bilby_flowpe.noise`)."""
        return self.corrects and self.obstacle is None and callable(getattr(self.asked, "curves_near", None))

    def plain_near(self, row: Row) -> GravitationalWaveTransient:
        """Return the plain likelihood, with other noise curves, that is nearest to the user's; it is used for drawing.

        Parameters
        ----------
        row
            All parameters of a signal, in the form that is used for drawing.
        """
        asked: Any = self.asked
        curves = asked.curves_near(dict(self.rows({key: np.array([value]) for key, value in row.items()})[0]))
        return GravitationalWaveTransient(curves, self.problem.likelihood.waveform_generator)

    def rows(self, columns: Parameters) -> Sequence[Row]:
        """Make one dictionary for each draw, for the likelihood :attr:`asked`."""
        return make_rows(self.fixed, self.forms.back(columns))

    def reported(self, columns: Parameters) -> Parameters:
        """Return the user's sampled parameters, (N,) each, from all drawn ones."""
        asked = self.forms.back(columns)
        if self.jitter:
            asked = {**asked, TIME_JITTER: self.jitter.of(columns[TIME])}
        return {key: asked[key] for key in self.keys}

    def log_prior(self, columns: Parameters, log_prior: np.ndarray) -> np.ndarray:
        """Return the log density (N,) of the user's prior, from that of the drawn parameters."""
        log_prior, prior = self.calibration.with_log_prior(columns, log_prior), self.problem.prior
        for key in self.dropped:
            log_prior = log_prior - prior.priors[key].ln_prob(columns[key]) - prior.log_scale[key]
        if self.jitter:
            log_prior = log_prior + self.jitter.prior.ln_prob(self.jitter.of(columns[TIME]))
        if self.forms.quantiles:
            inside = np.isfinite(log_prior)
            log_prior[inside] += self.forms.quantiles.log_prior({key: value[inside] for key, value in columns.items()})
        return log_prior


def as_it_stands(problem: Problem) -> Translated:
    """Return a problem that is analysed in the user's own form."""
    return Translated(problem, problem.likelihood, problem.likelihood, problem.prior.keys, problem.prior.fixed)
