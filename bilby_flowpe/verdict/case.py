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
        Summary of the weights.
    findings
        Everything else that is known of the result.
    limits
        Limits of the checks.
    n_effective
        Requested number of effective draws, if there is such a request.
    """

    summary: WeightSummary
    findings: Findings
    limits: Thresholds
    n_effective: int | None = None

    @property
    def met(self) -> bool:
        """Tells whether the result has as many effective draws as were requested."""
        return self.n_effective is not None and self.summary.effective_sample_size >= self.n_effective

    @property
    def few_asked(self) -> bool:
        """Tells whether fewer posterior rows than usual are enough: few draws were requested, and reached."""
        return self.met and self.n_effective is not None and self.n_effective <= self.limits.posterior_check

    @property
    def least_effective(self) -> float:
        """Number of effective draws that is enough: the usual number, or the requested one where that is smaller."""
        usual = self.limits.effective_check
        return usual if self.n_effective is None else min(usual, self.n_effective)

    @property
    def enough_effective(self) -> float | None:
        """Number of effective draws, where it passes the usual limits; else ``None``."""
        effective = self.summary.effective_sample_size
        passes = effective >= self.limits.effective_failed and effective >= self.least_effective
        return effective if passes else None

    @property
    def infinite_error(self) -> float | None:
        """Error of the log evidence, where it is infinite or not a number although the evidence is finite; else ``None``."""
        summary = self.summary
        infinite = math.isfinite(summary.log_evidence) and not math.isfinite(summary.log_evidence_err)
        return summary.log_evidence_err if infinite else None

    @property
    def outermost(self) -> float | None:
        """Fraction of the posterior at the outermost ends of one prior, where it is known."""
        return None if self.findings.outermost is None else self.findings.outermost[1]

    @property
    def p_value(self) -> float | None:
        """Probability that data of the model are at least as surprising as these, where it is known."""
        return None if self.findings.surprise is None else self.findings.surprise.p_value

    def partial(self, name: str) -> float | None:
        """Return one of the figures about rows that were not evaluated; ``None`` where all rows were."""
        return None if self.findings.partial is None else getattr(self.findings.partial, name)

    @property
    def uneven(self) -> bool:
        """Tells whether the largest weight stands out, so that the tail of the weights matters."""
        return not self.summary.largest_weight * self.summary.n_weighed <= self.limits.even_weight

    @property
    def most_surprising(self) -> str:
        """The most surprising figure of the data in words, with its place in the data."""
        if (surprise := self.findings.surprise) is None:
            return ""
        most = surprise.most
        where = f", {surprise.where}" if surprise.where else ""
        return f"{IN_WORDS[most]} is {surprise.scores[most]:.3g}{UNITS[most]}{where}"

    @property
    def noise_p_value(self) -> float | None:
        """Probability that noise of the PSD is as far from it in some detector; ``None`` where nothing was measured."""
        scales = self.findings.noise_scales
        return min(1.0, len(scales) * min(scale.p_value for scale in scales.values())) if scales else None

    @property
    def noise_scales(self) -> str:
        """Ratio of the noise to its PSD in each detector, in words."""
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
        """Beginning of a clause that says how a missed mode can be excluded; empty where that is not known."""
        remedy = "" if self.findings.completeness is None else self.findings.completeness.remedy
        return f"{remedy}, or " if remedy else ""

    @property
    def closed_form_over_prior(self) -> str:
        """Clause on how many draws from the prior compared the closed form, and which fraction of the prior stays unchecked."""
        compared = self.findings.compared
        if compared is None:
            coarse = "; these draws were weighed by the coarse likelihood only, which may not see all modes"
            return "" if self.findings.coarse_efficiency is None else coarse
        if not compared:
            return (
                "; the closed form for the parameters drawn conditionally was not compared with the likelihood over the "
                "prior"
            )
        return (
            f"; the closed form for the parameters drawn conditionally agreed with the likelihood at {compared} of them: a "
            f"failure in less than {300 / compared:.1g}% of the prior may have gone unnoticed"
        )
