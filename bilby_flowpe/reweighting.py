r"""The same data under another likelihood or prior, by the weighted draws of a run.

With weights :math:`w` of one posterior, :math:`w' = w \, L' \pi' / (L \pi)` are the weights of another. They give its evidence,
its posterior and a verdict on both. This takes one evaluation of the new likelihood for each draw of non-zero weight, and none
for a new prior. The draws are those for the first posterior: if the second one lies in their tails, the verdict says so, and
all reasons of the first verdict remain. A prior that reaches beyond the first one is an error, because there are no draws.
"""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from bilby.core.likelihood import Likelihood
from bilby.core.prior import PriorDict
from bilby.core.result import Result

from .arguments.kinds import check_seed, whole
from .arguments.table import check_npool
from .errors import ConfigurationError, DataError, PriorError
from .importance import KeptSummary, WeightSummary, equal_weight_rows, summarise
from .kinds.recognise import marginalised
from .likelihoods import LogLikelihood, gives_ratio
from .priors import Parameters, prior_dict
from .processes.parallel import evaluate, make_rows
from .result_files import result_of
from .results import Drawn, KeptDraws, error_of_evidence, fill, kept_draws
from .translation.covers import AnyPrior
from .verdict import Findings, Thresholds, Verdict, judge
from .verdict.checks import PARTIAL_WORDS
from .verdict.grade import RANKS, Grade

__all__ = ["reweight"]

_PRIOR_DRAWS = 20_000  # draws that find a fraction of 1.5e-4 of the prior with a probability of 95%
_RATIOS_TRIED = 16  # number of draws at which a ratio is looked for; one is enough
_WITHOUT_VALUE = (
    1e-3  # largest fraction of the weight without a likelihood: it does not show within the error of an evidence
)


def reweight(
    result: Result | str | Path,
    likelihood: Likelihood | None = None,
    priors: PriorDict | dict[str, Any] | None = None,
    npool: int = 1,
    n_posterior: int = 5000,
    seed: int = 0,
    label: str | None = None,
) -> Result:
    """Return a result under another likelihood, another prior, or both.

    Parameters
    ----------
    result
        Weighted result of ``sampler="flowpe"``, or its file.
    likelihood
        New likelihood; by default that of the result.
    priors
        New priors of the same parameters; by default those of the result. There are only draws where the old priors allow them.
    npool
        Number of processes for the likelihood.
    n_posterior
        Largest number of equal-weight rows.
    seed
        Seed of the choice of these rows.
    label
        Label of the new result; by default the old one followed by ``_reweighted``.

    Returns
    -------
    Result
        A new result, with evidence, weighted draws, posterior and verdict. The error of the evidence is that of independent
        draws, which is too large if the run's own error is very small. The posterior has the search parameters and the fixed
        ones; a conversion function can add derived ones.

    Raises
    ------
    DataError
        If the result cannot be read or has no weighted draws, draws of some weight have no likelihood, or the other likelihood
        integrates other parameters out.
    PriorError
        If the priors are not a table of priors, search for other parameters, fix other values without a likelihood, or reach
        beyond those of the result.
    ConfigurationError
        If ``npool`` or ``n_posterior`` is not a whole number of at least one, ``seed`` is not valid, or the new likelihood has
        no ratio to noise although that of the result had one.

    Examples
    --------
    >>> narrower = reweight(result, priors=priors_half_as_wide)
    >>> print(f"{narrower.log_evidence - result.log_evidence:.2f}")  # ln 2: both hold the whole posterior
    0.69
    """
    npool, n_posterior, seed = check_npool(npool), whole("n_posterior", n_posterior), check_seed("seed", seed)
    if likelihood is not None and not isinstance(likelihood, Likelihood):
        raise DataError(f"likelihood={likelihood!r}: give a likelihood of Bilby's, or leave it out")
    result = result_of(result)
    kept = kept_draws(result)
    if priors is not None:
        priors = prior_dict(priors)
    new = AnyPrior(kept.searched(result.priors if priors is None else priors))
    _check(kept, new, likelihood, priors is not None, seed)
    values = _values(kept, new, likelihood, priors is not None, npool)
    log_weights = kept.log_weights(values.log_ratio)
    rows, available = equal_weight_rows(log_weights, n_posterior, np.random.default_rng(seed))
    summary = _summary(kept, log_weights)
    findings = Findings(n_posterior=available, nan_share=values.nan_share)
    verdict = _verdict(kept, judge(summary, _asked(result), findings), likelihood is not None)
    table = kept.table.assign(log_likelihood=values.log_likelihood, log_prior=values.log_prior)
    samples = np.ascontiguousarray(table[list(kept.keys)].to_numpy())
    drawn = Drawn(table, samples, rows, log_weights, summary, error_of_evidence(summary, new.log_normalisation_err))
    other = copy.copy(result)
    other.label = label or f"{result.label}_reweighted"
    if priors is not None:
        other.priors = copy.deepcopy(priors)
    statistics = {
        "marginalised": kept.statistics.get("marginalised", []),
        "reweighted_from": result.label,
        "seed": kept.statistics.get("seed"),
    }
    fill(other, drawn, verdict, values.n_likelihood, statistics)
    other.posterior = table.iloc[rows].drop(columns="weights").reset_index(drop=True).assign(**new.fixed)
    if likelihood is not None:
        other.log_noise_evidence = float(likelihood.noise_log_likelihood())
    _set_evidences(other, summary.log_evidence)
    return other


@dataclass(frozen=True)
class _Values:
    """Values of the draws under the new likelihood and prior, (N,) each.

    Attributes
    ----------
    log_likelihood, log_prior
        New values, or those of the result if they do not change.
    log_ratio
        Logarithm of the ratio of new to old likelihood times prior.
    n_likelihood
        Number of likelihood evaluations.
    nan_share
        Fraction of these that are not numbers.
    """

    log_likelihood: np.ndarray
    log_prior: np.ndarray
    log_ratio: np.ndarray
    n_likelihood: int
    nan_share: float


def _values(kept: KeptDraws, new: AnyPrior, likelihood: Likelihood | None, new_priors: bool, npool: int) -> _Values:
    log_likelihood, log_prior = kept.column("log_likelihood"), kept.column("log_prior")
    spent, nan_share = 0, 0.0
    log_ratio = np.zeros(len(kept.table))
    if likelihood is not None:
        before, spent = log_likelihood, len(kept.table)
        log_likelihood, nan_share = _evaluated(
            likelihood, bool(kept.result.use_ratio), new.fixed, kept.parameters, npool
        )
        log_ratio += _difference(log_likelihood, before, kept.column("weights"))
    if new_priors:
        log_prior = new.log_prob(kept.parameters)
        log_ratio += log_prior - kept.column("log_prior")
    return _Values(log_likelihood, log_prior, log_ratio, spent, nan_share)


def _check(kept: KeptDraws, new: AnyPrior, likelihood: Likelihood | None, new_priors: bool, seed: int) -> None:
    """Raise an error for a likelihood or prior with which the draws cannot be weighted."""
    if {*new.keys} != {*kept.keys}:
        raise PriorError(
            f"the priors search for {sorted(new.keys)}, but the draws are of {sorted(kept.keys)}: give priors of "
            "these parameters"
        )
    if likelihood is not None:
        _check_marginalisation(kept, likelihood)
    if new_priors:
        _check_priors(kept, new, likelihood is None, seed)
    if likelihood is not None:
        _check_ratio(kept, new, likelihood)


def _check_priors(kept: KeptDraws, new: AnyPrior, same_likelihood: bool, seed: int) -> None:
    """Raise an error for priors that fix other values than those of the likelihoods, or that reach where no draws are."""
    old, label = AnyPrior(kept.searched(kept.result.priors)), kept.result.label
    if same_likelihood and new.fixed != old.fixed:
        raise PriorError(
            f"the priors fix {new.fixed}, but the likelihoods of the result {label!r} were evaluated at {old.fixed}: fix these "
            "values, or give the likelihood, too"
        )
    beyond = new.share_beyond(old, _PRIOR_DRAWS, np.random.default_rng(seed))
    if beyond > 0:
        raise PriorError(
            f"a fraction of {beyond:.3g} of the new priors lies outside those of the result {label!r}, where there are no "
            "draws: give priors inside them, or run the sampler with the new ones"
        )


def _check_ratio(kept: KeptDraws, new: AnyPrior, likelihood: Likelihood) -> None:
    """Raise an error for a likelihood without a ratio to noise alone, if the result was made with such ratios."""
    if not kept.result.use_ratio:
        return
    few = {key: value[:_RATIOS_TRIED] for key, value in kept.parameters.items()}
    if not gives_ratio(likelihood, make_rows(new.fixed, few)):
        raise ConfigurationError(
            f"likelihood={type(likelihood).__name__} has no likelihood of noise alone, and the result {kept.result.label!r} "
            "was run with use_ratio=True: give another likelihood, or run the sampler without use_ratio"
        )


def _summary(kept: KeptDraws, log_weights: np.ndarray) -> WeightSummary:
    summary = summarise(log_weights)
    if "n_kept" not in kept.statistics:
        return summary
    return KeptSummary(**asdict(summary), n_kept=int(kept.statistics["n_kept"]))


def _asked(result: Result) -> int | None:
    """Return the requested number of effective draws, if it is smaller than the usual limit of the verdict."""
    asked = (result.sampler_kwargs or {}).get("n_effective")
    return int(asked) if asked is not None and asked < Thresholds().effective_check else None


def _verdict(kept: KeptDraws, of_weights: Verdict, new_likelihood: bool) -> Verdict:
    """Return the verdict on the new weights and on the draws: a mode without draws is missing with any weights."""
    said, of_run = list(kept.statistics.get("reasons", [])), kept.statistics.get("verdict", "failed")
    partial = kept.statistics.get("coarse", {}).get("partial")
    if new_likelihood and partial:
        # All rows are evaluated now.
        left = [reason for reason in said if not reason.startswith(PARTIAL_WORDS)]
        said, of_run = left, of_run if left or not said else "reliable"
    reasons = [f"of the run itself: {reason}" for reason in said]
    grades: list[Grade] = [of_weights.grade, of_run]
    if partial and not new_likelihood:
        grades.append("check")
        reasons.insert(
            0,
            f"{partial['n_rows'] - partial['n_evaluated']} of {partial['n_rows']} rows were not evaluated in the result, and "
            "the effect of this was measured under its own prior only: give the likelihood, too",
        )
    if new_likelihood and kept.n_without_likelihood:
        grades.append("check")
        reasons.insert(
            0,
            f"{kept.n_without_likelihood} of {kept.n_draws} draws had no likelihood in the result and are not kept there: "
            "those that the new likelihood allows are missing",
        )
    return Verdict(max(grades, key=RANKS.__getitem__), (*of_weights.reasons, *reasons))


def _set_evidences(result: Result, log_evidence: float) -> None:
    """Set evidence and Bayes factor from the evidence of the weights, which is a Bayes factor if likelihoods are ratios."""
    result.log_evidence = result.log_bayes_factor = log_evidence
    if result.use_ratio:
        result.log_evidence = log_evidence + result.log_noise_evidence
    else:
        result.log_bayes_factor = log_evidence - result.log_noise_evidence


def _check_marginalisation(kept: KeptDraws, likelihood: Likelihood) -> None:
    """Raise an error if the two likelihoods integrate over different parameters: their ratio has no meaning then."""
    theirs = marginalised(likelihood)
    ours = kept.statistics.get("marginalised", [])
    if {*theirs} != {*ours}:
        raise DataError(
            f"likelihood={type(likelihood).__name__} is marginalised over {sorted(theirs)}, but that of the result over "
            f"{sorted(ours)}: give a likelihood that is marginalised over the same parameters"
        )


def _evaluated(
    likelihood: Likelihood, use_ratio: bool, fixed: dict[str, float], sample: Parameters, npool: int
) -> tuple[np.ndarray, float]:
    """Return log likelihoods (N,), and the fraction of them that are not numbers."""
    rows = make_rows(fixed, sample)
    values, good = evaluate(LogLikelihood(likelihood, use_ratio), rows, npool, None)
    log_likelihood = np.full(len(rows), -np.inf)
    if good.any():
        log_likelihood[good] = values[:, 0]
    return log_likelihood, 1.0 - float(np.mean(good))


def _difference(new: np.ndarray, old: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return ``new - old``, and minus infinity if there is no old value: such a draw gets no weight."""
    known = np.isfinite(old)
    share = float(np.sum(weights[~known]))
    if share > _WITHOUT_VALUE:
        raise DataError(
            f"{np.sum(~known)} draws with a fraction of {share:.3g} of the weight have no finite log_likelihood in the result: "
            "run the sampler again"
        )
    difference = np.full(len(new), -np.inf)
    difference[known] = new[known] - old[known]
    return difference
