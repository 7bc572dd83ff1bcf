r"""Two models of one data set, by their evidences.

Errors of two evidences are added in quadrature as far as the runs are independent. What both runs share is not: draws of one
seed, or of one run that was reweighted (their errors are then added up, an upper bound), and the share of the prior that
constraints leave: where the same priors and the same error are found in both results, it was counted by the same numbers and
drops out of the ratio.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from bilby.core.prior import Constraint, PriorDict
from bilby.core.result import Result

from .errors import DataError
from .results import is_merged, statistics_of

__all__ = ["BayesFactor", "bayes_factor"]

_SAME_DATA = 1e-6


@dataclass(frozen=True)
class BayesFactor:
    """Odds of one model over another, of equal prior odds.

    Attributes
    ----------
    log
        Natural logarithm.
    error
        Its standard error, or an upper bound of it.
    shared
        Error that both evidences have alike, and the ratio has not.
    one_seed
        Whether both runs had one seed, or may have had, as merged ones: ``error`` is then the sum of the two runs' own.
    verdicts
        Of the two runs, ``None`` of another sampler's; of merged runs that of the first.
    """

    log: float
    error: float
    shared: float
    one_seed: bool
    verdicts: tuple[str | None, str | None]

    @property
    def usable(self) -> bool:
        """Whether neither run has failed."""
        return "failed" not in self.verdicts and bool(np.isfinite(self.log) and np.isfinite(self.error))


def bayes_factor(one: Result, other: Result) -> BayesFactor:
    """Evidence of ``one`` over that of ``other``.

    Parameters
    ----------
    one, other
        Results of the same data, of flowpe or another sampler.

    Raises
    ------
    DataError
        If one has no evidence, or the evidences of noise alone are not the same: the data differ then.

    Examples
    --------
    >>> factor = bayes_factor(narrower, result)
    >>> print(f"ln B = {factor.log:.2f} +- {factor.error:.2f}")
    ln B = 0.69 +- 0.0...
    """
    for result in (one, other):
        if result.log_evidence is None or not np.isfinite(float(result.log_evidence)):
            raise DataError(
                f"the result {result.label!r} has no evidence (log_evidence={result.log_evidence}): run it weighted"
            )
        if result.log_evidence_err is None:
            raise DataError(f"the result {result.label!r} has no error of its evidence: run it anew")
        if result.priors is None:
            raise DataError(f"the result {result.label!r} has no priors: run it anew")
    noise = [math.nan if (value := result.log_noise_evidence) is None else float(value) for result in (one, other)]
    if np.all(np.isfinite(noise)) and not abs(noise[0] - noise[1]) <= _SAME_DATA * (1 + abs(noise[0])):
        raise DataError(
            f"log_noise_evidence={noise[0]:.6f} of {one.label!r} and {noise[1]:.6f} of {other.label!r}: the data or the noise "
            "curves are not the same, and the evidences cannot be compared"
        )
    (own, counted), (own_other, counted_other) = _errors(one), _errors(other)
    same_constraints = _constrained(one.priors) == _constrained(other.priors)
    # To rounding, the same share was left by the same numbers.
    alike = same_constraints and bool(np.isclose(counted, counted_other, rtol=1e-6, atol=0))
    shared = counted if alike else 0.0
    rest = 0.0 if shared else float(np.hypot(counted, counted_other))
    one_seed = _may_share_draws(one, other)
    drawn = own + own_other if one_seed else float(np.hypot(own, own_other))
    error = float(np.hypot(drawn, rest))
    return BayesFactor(
        log=float(one.log_evidence - other.log_evidence),
        error=error,
        shared=shared,
        one_seed=one_seed,
        verdicts=(statistics_of(one).get("verdict"), statistics_of(other).get("verdict")),
    )


def _may_share_draws(one: Result, other: Result) -> bool:
    """Whether two results of flowpe have one seed; of merged ones nobody knows all."""
    seeds = [statistics_of(result).get("seed") for result in (one, other)]
    if None in seeds:
        return False
    return seeds[0] == seeds[1] or is_merged(one) or is_merged(other)


def _errors(result: Result) -> tuple[float, float]:
    """Error of the draws, and of the count of what constraints leave."""
    total = float(result.log_evidence_err)
    own = total if is_merged(result) else float(statistics_of(result).get("log_evidence_err", total))
    return own, float(np.sqrt(max(total**2 - own**2, 0.0)))


def _constrained(priors: PriorDict) -> dict[str, str]:
    """Constraints, in words, and with them all priors that they may be of."""
    if not any(isinstance(prior, Constraint) for prior in priors.values()):
        return {}
    return {key: repr(prior) for key, prior in priors.items() if "mass" in key or isinstance(prior, Constraint)}
