r"""Comparison of two models of the same data, by their evidences.

Errors of two evidences are added in quadrature if the runs are independent. They are not, if both runs have the same seed, or
if one is the other reweighted: the errors are then added linearly, which is an upper bound. Nor is the fraction of the prior
that constraints leave: if both results have the same priors and the same error of it, it was counted with the same random
numbers and cancels in the ratio.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from bilby.core.prior import Constraint, PriorDict
from bilby.core.result import Result

from .errors import DataError
from .result_files import result_of
from .results import is_merged, statistics_of

__all__ = ["BayesFactor", "bayes_factor"]

# Largest relative difference of two log noise evidences for which the data count as the same: what rounding in
# different files leaves.
_SAME_DATA = 1e-6


@dataclass(frozen=True)
class BayesFactor:
    """Odds of one model over another, for equal prior odds.

    Attributes
    ----------
    log
        Natural logarithm of the odds.
    error
        Standard error of the logarithm, or an upper bound of it.
    shared
        Error that both evidences share, and that cancels in the ratio.
    one_seed
        Tells whether both runs had the same seed, or, if merged, may have had: ``error`` is then the sum of both errors.
    verdicts
        Verdicts of the two runs, ``None`` for another sampler; for merged runs that of the first.
    """

    log: float
    error: float
    shared: float
    one_seed: bool
    verdicts: tuple[str | None, str | None]

    @property
    def usable(self) -> bool:
        """Tells whether both numbers are finite and neither run has failed."""
        return "failed" not in self.verdicts and bool(np.isfinite(self.log) and np.isfinite(self.error))


def bayes_factor(one: Result | str | Path, other: Result | str | Path) -> BayesFactor:
    """Return the evidence of ``one`` over that of ``other``.

    Parameters
    ----------
    one, other
        Results of the same data, of flowpe or another sampler, or their files.

    Raises
    ------
    DataError
        If one has no evidence, or the evidences of noise alone differ, which means that the data differ.

    Examples
    --------
    >>> factor = bayes_factor(narrower, result)
    >>> print(f"ln B = {factor.log:.2f} +- {factor.error:.2f}")
    ln B = 0.69 +- 0.0...
    """
    one, other = result_of(one, "one"), result_of(other, "other")
    for result in (one, other):
        if result.log_evidence is None or not np.isfinite(float(result.log_evidence)):
            raise DataError(
                f"the result {result.label!r} has no evidence (log_evidence={result.log_evidence}): run it weighted"
            )
        if result.log_evidence_err is None:
            raise DataError(f"the result {result.label!r} has no error of its evidence: run it again")
        if result.priors is None:
            raise DataError(f"the result {result.label!r} has no priors: run it again")
    noise = [math.nan if (value := result.log_noise_evidence) is None else float(value) for result in (one, other)]
    if np.all(np.isfinite(noise)) and not abs(noise[0] - noise[1]) <= _SAME_DATA * (1 + abs(noise[0])):
        raise DataError(
            f"log_noise_evidence={noise[0]:.6f} of {one.label!r} and {noise[1]:.6f} of {other.label!r}: the data or the PSDs "
            "differ, and the evidences cannot be compared: give results of the same data"
        )
    (own, counted), (own_other, counted_other) = _errors(one), _errors(other)
    same_constraints = _constrained(one.priors) == _constrained(other.priors)
    # Equal within rounding: the same fraction was counted with the same random numbers.
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
    """Return whether two results of flowpe have the same seed; for merged ones not all seeds are known."""
    seeds = [statistics_of(result).get("seed") for result in (one, other)]
    if None in seeds:
        return False
    return seeds[0] == seeds[1] or is_merged(one) or is_merged(other)


def _errors(result: Result) -> tuple[float, float]:
    """Return the error of the draws, and that of the fraction which constraints leave."""
    total = float(result.log_evidence_err)
    own = total if is_merged(result) else float(statistics_of(result).get("log_evidence_err", total))
    return own, float(np.sqrt(max(total**2 - own**2, 0.0)))


def _constrained(priors: PriorDict) -> dict[str, str]:
    """Return the constraints as text, with all priors that they may depend on."""
    if not any(isinstance(prior, Constraint) for prior in priors.values()):
        return {}
    return {key: repr(prior) for key, prior in priors.items() if "mass" in key or isinstance(prior, Constraint)}
