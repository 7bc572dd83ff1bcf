r"""Two models of one data set, by their evidences.

Errors of two evidences are added in quadrature as far as the runs are independent. What both runs share is not: draws of one
seed (their errors are then added up, an upper bound), and the share of the prior that constraints leave, counted once by the
same numbers wherever the constrained parameters have the same priors, which drops out of the ratio.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from bilby.core.prior import Constraint, PriorDict
from bilby.core.result import Result

from .errors import DataError

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
        Whether both runs had one seed: ``error`` is then the sum of the two runs' own.
    verdicts
        Of the two runs, ``None`` of another sampler's.
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
    """
    for result in (one, other):
        if not np.isfinite(float(result.log_evidence)):
            raise DataError(
                f"the result {result.label!r} has no evidence (log_evidence={result.log_evidence}): run it weighted"
            )
    noise = [float(result.log_noise_evidence) for result in (one, other)]
    if np.all(np.isfinite(noise)) and not abs(noise[0] - noise[1]) <= _SAME_DATA * (1 + abs(noise[0])):
        raise DataError(
            f"log_noise_evidence={noise[0]:.6f} of {one.label!r} and {noise[1]:.6f} of {other.label!r}: the data or the noise "
            "curves are not the same, and the evidences cannot be compared"
        )
    own, counted = zip(*(_errors(result) for result in (one, other)), strict=True)
    same_constraints = _constrained(one.priors) == _constrained(other.priors)
    # To rounding, the same share was left by the same numbers.
    alike = same_constraints and bool(np.isclose(*counted, rtol=1e-6, atol=0))
    shared = counted[0] if alike else 0.0
    rest = [0.0 if shared else value for value in counted]
    one_seed = _seed(one) is not None and _seed(one) == _seed(other)
    drawn = sum(own) if one_seed else float(np.hypot(*own))
    error = float(np.hypot(drawn, np.hypot(*rest)))
    return BayesFactor(
        log=float(one.log_evidence - other.log_evidence),
        error=error,
        shared=shared,
        one_seed=one_seed,
        verdicts=(_statistics(one).get("verdict"), _statistics(other).get("verdict")),
    )


def _statistics(result: Result) -> dict:
    return (result.meta_data or {}).get("run_statistics") or {}


def _seed(result: Result) -> int | None:
    return _statistics(result).get("seed")


def _errors(result: Result) -> tuple[float, float]:
    """Error of the draws, and of the count of what constraints leave."""
    total = float(result.log_evidence_err)
    own = float(_statistics(result).get("log_evidence_err", total))
    return own, float(np.sqrt(max(total**2 - own**2, 0.0)))


def _constrained(priors: PriorDict) -> dict[str, str]:
    """Constraints, in words, and with them all priors that they may be of."""
    if not any(isinstance(prior, Constraint) for prior in priors.values()):
        return {}
    return {key: repr(prior) for key, prior in priors.items() if "mass" in key or isinstance(prior, Constraint)}
