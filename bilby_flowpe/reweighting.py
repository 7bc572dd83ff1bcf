r"""The same data under another likelihood or prior, by the weighted draws of a run.

With weights :math:`w` of one posterior, :math:`w' = w \, L' \pi' / (L \pi)` are those of another: its evidence, its posterior
and a verdict on both come at one evaluation of the new likelihood for each draw of non-zero weight, and none for a new prior.
The draws are those of the first posterior's proposal: where the second lies in its tails, the verdict says so, and what was
said of the first result stays true of the second. A prior that reaches beyond the first one is refused: no draw is there.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from bilby.core.likelihood import Likelihood
from bilby.core.prior import PriorDict
from bilby.core.result import Result
from bilby.core.utils import logger

from .arguments.kinds import check_seed, whole
from .arguments.table import check_npool
from .errors import ConfigurationError, DataError, PriorError
from .importance import equal_weight_rows, normalised_weights, summarise
from .kinds.recognise import marginalised
from .likelihoods import LogLikelihood, gives_ratio
from .priors import Parameters
from .processes.parallel import evaluate, make_rows
from .statistics import KEY, is_merged, statistics_of
from .translation.covers import AnyPrior
from .verdict import Findings, judge

__all__ = ["reweight"]

_GRADES = ("reliable", "check", "failed")
_NOT_PARAMETERS = ("weights", "log_likelihood", "log_prior")
_PRIOR_DRAWS = 20_000
_RATIOS_TRIED = 16  # draws of which one with a ratio is enough
_WITHOUT_VALUE = 1e-3  # of the weight: what the error of an evidence does not show


def reweight(
    result: Result,
    likelihood: Likelihood | None = None,
    priors: PriorDict | None = None,
    npool: int = 1,
    n_posterior: int = 5000,
    seed: int = 0,
    label: str | None = None,
) -> Result:
    """A result under another likelihood, another prior, or both.

    Parameters
    ----------
    result
        Of ``sampler="flowpe"``, weighted.
    likelihood
        The other likelihood; that of the result when left out.
    priors
        The other priors of the same parameters; those of the result when left out. Draws exist where the old ones allow.
    npool
        Processes for the likelihood.
    n_posterior
        Most equal-weight rows.
    seed
        Of their choice.
    label
        Of the new result; the old one and ``_reweighted`` when left out.

    Returns
    -------
    Result
        A new one, with its own evidence, weighted draws, posterior and verdict. The error of the evidence is that of
        independent draws, which is too large where the run's own is very small. The posterior has the search parameters and the
        fixed ones; derived ones are for a conversion function to add.

    Raises
    ------
    DataError
        If the result has no weighted draws, draws of some weight have no likelihood, or the other likelihood integrates other
        parameters out.
    PriorError
        If the priors search for other parameters, fix other values without a likelihood, or reach beyond those of the result.
    ConfigurationError
        If ``npool`` or ``n_posterior`` is no whole number of at least one, ``seed`` none, or the new likelihood has no ratio to
        noise where that of the result had.
    """
    npool, n_posterior, seed = check_npool(npool), whole("n_posterior", n_posterior), check_seed("seed", seed)
    if likelihood is not None and not isinstance(likelihood, Likelihood):
        raise DataError(f"likelihood={likelihood!r}: give a likelihood of Bilby's, or leave it out")
    statistics = statistics_of(result)
    merged = is_merged(result)
    # Bilby's property raises where there are none.
    table = getattr(result, "_nested_samples", None)
    if table is None or not statistics.get("importance_weighted") or "log_prior" not in table:
        raise DataError(
            f"the result {result.label!r} of {result.sampler} has no weighted draws of flowpe: give one of a run with "
            "importance=True" + (", not one that was merged: reweight its runs, and merge these" if merged else "")
        )
    keys = tuple(key for key in table if key not in _NOT_PARAMETERS)
    new = AnyPrior(result.priors if priors is None else priors)
    if {*new.keys} != {*keys}:
        raise PriorError(
            f"priors search for {sorted(new.keys)}, the draws are of {sorted(keys)}: give priors of these parameters"
        )
    _check_likelihood(likelihood, statistics)
    if priors is not None:
        old = AnyPrior(result.priors)
        if likelihood is None and new.fixed != old.fixed:
            raise PriorError(
                f"priors fix {new.fixed}, those of the result {result.label!r} {old.fixed}, and its likelihoods are of these: "
                "fix the same values, or give the likelihood, too"
            )
        beyond = new.share_beyond(old, _PRIOR_DRAWS, np.random.default_rng(seed))
        if beyond > 0:
            raise PriorError(
                f"{beyond:.3g} of the new priors lies where those of the result {result.label!r} allow nothing and no draw is: "
                "give priors inside them, or run the sampler with the new ones"
            )
    sample: Parameters = {key: table[key].to_numpy(dtype=np.float64) for key in keys}
    if (
        likelihood is not None
        and result.use_ratio
        and not gives_ratio(
            likelihood, make_rows(new.fixed, {key: value[:_RATIOS_TRIED] for key, value in sample.items()})
        )
    ):
        raise ConfigurationError(
            f"likelihood={type(likelihood).__name__} has no likelihood of noise alone, and the result {result.label!r} was run "
            "with use_ratio=True: give another, or run without"
        )
    weights, log_likelihood, log_prior = (table[key].to_numpy() for key in ("weights", "log_likelihood", "log_prior"))
    new_likelihood, spent, nan_share = log_likelihood, 0, 0.0
    log_ratio = np.zeros(len(table))
    if likelihood is not None:
        new_likelihood, nan_share = _evaluated(likelihood, bool(result.use_ratio), new.fixed, sample, npool)
        spent = len(table)
        log_ratio += _difference(new_likelihood, log_likelihood, weights)
    new_prior = log_prior if priors is None else new.log_prob(sample)
    if priors is not None:
        log_ratio += new_prior - log_prior
    # Rows of no weight were drawn, and count.
    n_draws, old_evidence = int(statistics["n_draws"]), float(statistics["log_evidence"])
    log_weights = np.full(n_draws, -np.inf)
    with np.errstate(divide="ignore"):
        log_weights[: len(table)] = np.log(weights * n_draws) + old_evidence + log_ratio
    other = _copied(result, label or f"{result.label}_reweighted")
    if priors is not None:
        other.priors = copy.deepcopy(priors)
    available = _fill(
        other, log_weights, sample, new_likelihood, new_prior, new.fixed, n_posterior, np.random.default_rng(seed)
    )
    if likelihood is not None:
        other.log_noise_evidence = float(likelihood.noise_log_likelihood())
    summary = summarise(log_weights)
    other.log_evidence = other.log_bayes_factor = summary.log_evidence
    if result.use_ratio:
        other.log_evidence = summary.log_evidence + other.log_noise_evidence
    else:
        other.log_bayes_factor = other.log_evidence - other.log_noise_evidence
    other.log_evidence_err = float(np.hypot(summary.log_evidence_err, new.log_normalisation_err))
    other.num_likelihood_evaluations = spent
    verdict = judge(summary, findings=Findings(n_posterior=available, nan_share=nan_share))
    # What is wrong with the draws, a mode that they miss, is wrong with any weights of theirs.
    before = [f"of the run itself: {reason}" for reason in statistics.get("reasons", [])]
    of_zero = _draws_of_zero(statistics) if likelihood is not None else 0
    if of_zero:
        before.insert(
            0,
            f"{of_zero} of {n_draws} draws had no likelihood in the result and are not kept there: what the new one allows of "
            "them is missing",
        )
    grade = max(
        verdict.grade, str(statistics.get("verdict", "failed")), "check" if of_zero else "reliable", key=_GRADES.index
    )
    reasons = [*verdict.reasons, *before]
    other.meta_data = {
        **result.meta_data,
        KEY: {
            **summary.to_dict(),
            "importance_weighted": True,
            "n_posterior": len(other.posterior),
            "n_likelihood_evaluations": spent,
            "marginalised": statistics.get("marginalised", []),
            "reweighted_from": result.label,
            "seed": statistics.get("seed"),
            "verdict": grade,
            "reasons": reasons,
        },
    }
    message = f"Verdict: {grade}" + "".join(f"; {reason}" for reason in reasons)
    (logger.info if grade == "reliable" else logger.warning)(message)
    return other


def _draws_of_zero(statistics: dict[str, Any]) -> int:
    """Draws inside the prior that had no likelihood, the rows of which no result keeps."""
    return max(int(statistics["n_draws"] - statistics["n_finite"] - statistics.get("n_outside_prior", 0)), 0)


def _check_likelihood(likelihood: Likelihood | None, statistics: dict[str, Any]) -> None:
    """Values of likelihoods that integrate different parameters out are no ratio of the same thing."""
    if likelihood is None:
        return
    theirs = marginalised(likelihood)
    ours = statistics.get("marginalised", [])
    if {*theirs} != {*ours}:
        raise DataError(
            f"likelihood={type(likelihood).__name__} is marginalised over {sorted(theirs)}, that of the result over "
            f"{sorted(ours)}: give one that is marginalised over the same parameters"
        )


def _evaluated(
    likelihood: Likelihood, use_ratio: bool, fixed: dict[str, float], sample: Parameters, npool: int
) -> tuple[np.ndarray, float]:
    """Log likelihoods (N,), and the share of them that are no numbers."""
    rows = make_rows(fixed, sample)
    values, good = evaluate(LogLikelihood(likelihood, use_ratio), rows, npool, None)
    log_likelihood = np.full(len(rows), -np.inf)
    if good.any():
        log_likelihood[good] = values[:, 0]
    return log_likelihood, 1.0 - float(np.mean(good))


def _difference(new: np.ndarray, old: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """``new - old``, and minus infinity where there is no old value: such a draw counts for nothing."""
    known = np.isfinite(old)
    share = float(np.sum(weights[~known]))
    if share > _WITHOUT_VALUE:
        raise DataError(
            f"{np.sum(~known)} draws of {share:.3g} of the weight have no finite log_likelihood in the result: run it again"
        )
    difference = np.full(len(new), -np.inf)
    difference[known] = new[known] - old[known]
    return difference


def _copied(result: Result, label: str) -> Result:
    other = copy.copy(result)
    other.label = label
    return other


def _fill(
    result: Result,
    log_weights: np.ndarray,
    sample: Parameters,
    log_likelihood: np.ndarray,
    log_prior: np.ndarray,
    fixed: dict[str, Any],
    n_posterior: int,
    rng: np.random.Generator,
) -> int:
    """Weighted and equal-weight rows; how many there were of the latter."""
    table = result.nested_samples.copy()
    table["log_likelihood"], table["log_prior"] = log_likelihood, log_prior
    alive = np.isfinite(log_weights[: len(table)])
    table["weights"] = normalised_weights(log_weights)[: len(table)] if alive.any() else 0.0
    rows, available = equal_weight_rows(log_weights, n_posterior, rng)
    posterior = table.iloc[rows].drop(columns="weights").reset_index(drop=True).assign(**fixed)
    result.nested_samples = table[alive].reset_index(drop=True)
    result.posterior = posterior
    result.samples = posterior[list(sample)].to_numpy()
    result.log_likelihood_evaluations = posterior["log_likelihood"].to_numpy()
    result.log_prior_evaluations = posterior["log_prior"].to_numpy()
    return available
