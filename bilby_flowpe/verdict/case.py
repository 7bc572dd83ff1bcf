"""A result that is to be graded, and the figures that its checks look at."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..importance import WeightSummary
from ..surprise import IN_WORDS, UNITS
from .findings import Findings, Thresholds


@dataclass(frozen=True)
class Case:
    """A result that is to be graded.

    Attributes
    ----------
    summary
        Summary of its weights.
    findings
        What else is known of it.
    limits
        Limits of the checks.
    n_effective
        Number of effective draws asked for, if any.
    """

    summary: WeightSummary
    findings: Findings
    limits: Thresholds
    n_effective: int | None = None

    @property
    def met(self) -> bool:
        """Whether there are as many effective draws as were asked for."""
        return self.n_effective is not None and self.summary.effective_sample_size >= self.n_effective

    @property
    def few_asked(self) -> bool:
        """Whether fewer posterior rows than usual are enough: as few effective draws were asked for, and are there."""
        return self.met and self.n_effective is not None and self.n_effective <= self.limits.posterior_check

    @property
    def least_effective(self) -> float:
        """Effective draws that are enough: the usual number, or as many as were asked for where that is less."""
        usual = self.limits.effective_check
        return usual if self.n_effective is None else min(usual, self.n_effective)

    @property
    def enough_effective(self) -> float | None:
        """Number of effective draws, where it passes the usual limits."""
        effective = self.summary.effective_sample_size
        passes = effective >= self.limits.effective_failed and effective >= self.least_effective
        return effective if passes else None

    @property
    def infinite_error(self) -> float | None:
        """Error of the log evidence, where it is infinite or not a number beside an evidence that is finite."""
        summary = self.summary
        infinite = math.isfinite(summary.log_evidence) and not math.isfinite(summary.log_evidence_err)
        return summary.log_evidence_err if infinite else None

    @property
    def outermost(self) -> float | None:
        """Share of the posterior at the very ends of one prior, where it is known."""
        return None if self.findings.outermost is None else self.findings.outermost[1]

    @property
    def p_value(self) -> float | None:
        """Probability of data as surprising, where it is known."""
        return None if self.findings.surprise is None else self.findings.surprise.p_value

    def partial(self, name: str) -> float | None:
        """A figure of rows that are not evaluated, where there are such."""
        return None if self.findings.partial is None else getattr(self.findings.partial, name)

    @property
    def uneven(self) -> bool:
        """Whether the largest weight stands out, so that the tail of the weights matters."""
        return not self.summary.largest_weight * self.summary.n_weighed <= self.limits.even_weight

    @property
    def most_surprising(self) -> str:
        """The most surprising figure of the data, in words, and where in the data it is."""
        if (surprise := self.findings.surprise) is None:
            return ""
        most = surprise.most
        where = f", {surprise.where}" if surprise.where else ""
        return f"{IN_WORDS[most]} is {surprise.scores[most]:.3g}{UNITS[most]}{where}"

    @property
    def noise_p_value(self) -> float | None:
        """Probability of noise as far from its curve in any detector; not known without figures."""
        scales = self.findings.noise_scales
        return min(1.0, len(scales) * min(scale.p_value for scale in scales.values())) if scales else None

    @property
    def noise_scales(self) -> str:
        """How far the noise is from its curve in each detector, in words."""
        return ", ".join(
            f"{name} {scale.factor:.2f} +- {scale.scatter:.2f} ({scale.low:.0f} to {scale.high:.0f} Hz)"
            for name, scale in self.findings.noise_scales.items()
        )

    @property
    def missed(self) -> float | None:
        """Probability that a mode was missed, where no network knows the posterior."""
        return None if self.findings.completeness is None else self.findings.completeness.chance

    @property
    def remedy(self) -> str:
        """What would exclude a missed mode, as the beginning of a clause; empty where that is not known."""
        remedy = "" if self.findings.completeness is None else self.findings.completeness.remedy
        return f"{remedy}, or " if remedy else ""

    @property
    def closed_form_over_prior(self) -> str:
        """At how many draws from the prior the closed form was compared, and what part of the prior that leaves open."""
        compared = self.findings.compared
        if compared is None:
            coarse = "; the coarse likelihood alone has weighed them, and what it does not see was not looked for"
            return "" if self.findings.coarse_efficiency is None else coarse
        if not compared:
            return (
                "; the closed form of what is drawn conditionally was not compared with the likelihood over the prior"
            )
        return (
            f"; the closed form of what is drawn conditionally agreed with the likelihood at {compared} of them: a failure "
            f"in less than {300 / compared:.1g}% of the prior may have gone unnoticed"
        )
