"""A problem as draws are made for it, and the way back to what was asked."""

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
    """A problem in the form in which draws are made for it.

    Attributes
    ----------
    problem
        The problem that draws are made for.
    given
        The user's own likelihood.
    asked
        The likelihood that gives the weights: the user's own, with nothing integrated out.
    keys, fixed
        Search parameters asked for, and values of fixed ones.
    forms
        From the parameters drawn to those asked for.
    calibration
        Errors of the calibration that are drawn given the wave.
    corrects
        Whether ``asked`` gives other values than the likelihood that draws are made with.
    dropped
        Parameters that ``given`` integrates out.
    jitter
        The jitter of a time-marginalised likelihood, where it is searched.
    raw_reasons
        What draws that are not weighted lack, in words.
    obstacle
        Why a likelihood of gravitational waves is sampled as it stands, with no network and nothing in closed form, in
        words; ``None`` where it is not.
    no_network
        Why no network can be used, in words; empty where one can.
    log_cover_err
        Standard error of what normalises joint priors, in its logarithm.
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
        """Whether the problem is analysed as it was asked."""
        return self.problem.likelihood is self.given and self.keys == self.problem.prior.keys and not self.forms

    @property
    def log_normalisation_err(self) -> float:
        """Standard error of the prior's normalisation, in its logarithm, where Monte Carlo found it."""
        return float(np.hypot(self.problem.prior.log_normalisation_err, self.log_cover_err))

    @property
    def steers(self) -> bool:
        """Whether the likelihood asked for says which plain one is nearest to it near a signal (:mod:`bilby_flowpe.noise`)."""
        return self.corrects and self.obstacle is None and callable(getattr(self.asked, "curves_near", None))

    def plain_near(self, row: Row) -> GravitationalWaveTransient:
        """The plain likelihood that is nearest to the one asked for: that which draws are made with, under other noise curves.

        Parameters
        ----------
        row
            All parameters of a signal, as draws are made of them.
        """
        asked: Any = self.asked
        curves = asked.curves_near(dict(self.rows({key: np.array([value]) for key, value in row.items()})[0]))
        return GravitationalWaveTransient(curves, self.problem.likelihood.waveform_generator)

    def rows(self, columns: Parameters) -> Sequence[Row]:
        """One dictionary a draw for :attr:`asked`."""
        return make_rows(self.fixed, self.forms.back(columns))

    def reported(self, columns: Parameters) -> Parameters:
        """The search parameters asked for, (N,) each, from all that was drawn."""
        asked = self.forms.back(columns)
        if self.jitter:
            asked = {**asked, TIME_JITTER: self.jitter.of(columns[TIME])}
        return {key: asked[key] for key in self.keys}

    def log_prior(self, columns: Parameters, log_prior: np.ndarray) -> np.ndarray:
        """Log density (N,) of the prior asked for, from that of the parameters drawn."""
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
    """Return a problem that is analysed as it is asked."""
    return Translated(problem, problem.likelihood, problem.likelihood, problem.prior.keys, problem.prior.fixed)
