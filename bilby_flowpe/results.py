"""Functions that fill Bilby's result, and that read the statistics which a run has written into it.

The sampler, weighted or not, and :func:`bilby_flowpe.reweighting.reweight` fill a result by :func:`fill`; only this function
writes ``meta_data["run_statistics"]``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from bilby.core.prior import PriorDict
from bilby.core.result import Result
from bilby.core.utils import logger
from pandas import DataFrame

from .errors import DataError, PriorError
from .importance import WeightSummary, normalised_weights
from .priors import Parameters, copied
from .verdict import Verdict

KEY = "run_statistics"
NOT_PARAMETERS = ("weights", "log_likelihood", "log_prior")
"""Columns of a table of draws that are not parameters."""


@dataclass(frozen=True)
class Drawn:
    """Draws in the form in which a result stores them.

    Attributes
    ----------
    table
        One row per draw: its parameters, ``log_likelihood`` and ``log_prior``. Draws of zero weight may be missing at the end.
    samples
        Only the parameters, (N, D), in the order of the result's search parameters, because one of them may have the name of
        another column of the table.
    rows
        Numbers of the rows that form the posterior.
    log_weights
        Log weights of all draws, including those missing in the table, (N,); ``None`` if draws are not weighted.
    summary
        Summary of the weights; ``None`` if there are none.
    log_evidence_err
        Error of the log evidence; not a number if there is no evidence.
    """

    table: DataFrame
    samples: np.ndarray
    rows: np.ndarray
    log_weights: np.ndarray | None = None
    summary: WeightSummary | None = None
    log_evidence_err: float = np.nan


def error_of_evidence(summary: WeightSummary, log_normalisation_err: float) -> float:
    """Return the error of the log evidence, from the weights and from the normalisation of the prior.

    Parameters
    ----------
    summary
        Summary of the weights.
    log_normalisation_err
        Error of the log normalisation of the prior, if constraints or a joint density were integrated by Monte Carlo.
    """
    return float(np.hypot(summary.log_evidence_err, log_normalisation_err))


def fill(
    result: Result,
    drawn: Drawn,
    verdict: Verdict,
    n_likelihood: int,
    statistics: Mapping[str, Any],
    figures: str = "",
) -> Result:
    """Fill a result with draws and with the statistics of a run, and log the verdict.

    The log evidence is that of the weights, and not a number without weights. If the likelihood was a ratio, it is that of
    the ratio, and the caller adds that of noise alone.

    Parameters
    ----------
    result
        The result, changed in place.
    drawn
        Draws, in the form of the result.
    verdict
        Verdict on the draws.
    n_likelihood
        Number of likelihood evaluations.
    statistics
        Further statistics of the run; they replace entries of the same name that are made here from the weights.
    figures
        Figures on which the verdict is based, in words, for the log.

    Returns
    -------
    Result
        ``result``.
    """
    _fill_draws(result, drawn)
    summary = drawn.summary
    result.log_evidence = summary.log_evidence if summary else np.nan
    result.log_evidence_err = drawn.log_evidence_err
    result.num_likelihood_evaluations = n_likelihood
    said = {
        **(summary.to_dict() if summary else {"n_draws": len(drawn.table)}),
        # No name here may contain "posterior": PESummary takes such a place in its files for a table of samples.
        "n_equal_weight": len(drawn.rows),
        "n_likelihood_evaluations": n_likelihood,
        "importance_weighted": summary is not None,
        "verdict": verdict.grade,
        "reasons": list(verdict.reasons),
        **statistics,
    }
    result.meta_data = {**(result.meta_data or {}), KEY: said}
    message = f"Verdict: {verdict.grade}" + (f" ({figures})" if figures else "")
    log = logger.info if verdict.grade == "reliable" else logger.warning
    for line in (message, *(f"Reason: {reason}" for reason in verdict.reasons)):
        log(line)
    return result


def _fill_draws(result: Result, drawn: Drawn) -> None:
    """Fill in the rows of the posterior, and the weighted draws if there are weights."""
    table = drawn.table
    posterior = table.iloc[drawn.rows]
    result.samples = drawn.samples[drawn.rows]
    result.log_likelihood_evaluations = posterior["log_likelihood"].to_numpy()
    result.log_prior_evaluations = posterior["log_prior"].to_numpy()
    if drawn.log_weights is None or drawn.summary is None:
        return
    has_weight = np.isfinite(drawn.log_weights[: len(table)])
    weights = normalised_weights(drawn.log_weights)[: len(table)] if drawn.summary.n_finite else 0.0
    result.nested_samples = table.assign(weights=weights)[has_weight].reset_index(drop=True)


def statistics_of(result: Result) -> dict[str, Any]:
    """Return statistics and verdict of a run of flowpe, as it wrote them; empty for a result of another sampler."""
    return _as_written((result.meta_data or {}).get(KEY) or {})


def _as_written(value: Any) -> Any:
    """Replace NumPy's arrays and numbers, which Bilby reads from HDF5, by lists and Python's numbers."""
    if isinstance(value, Mapping):
        return {key: _as_written(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return [_as_written(item) for item in value] if isinstance(value, list) else value


def is_merged(result: Result) -> bool:
    """Return whether a result was merged from several runs: Bilby then keeps statistics and verdict of the first one."""
    said = statistics_of(result).get("log_evidence")
    if said is None or not np.isfinite(said):
        return False
    # In a run's own result it is one of these two, depending on whether likelihoods were ratios.
    own = [float(value) for value in (result.log_evidence, result.log_bayes_factor)]
    return not np.any(np.isclose(own, said, rtol=1e-12, atol=1e-9))


@dataclass(frozen=True)
class KeptDraws:
    """Weighted draws that a result contains.

    Attributes
    ----------
    result
        Result with the draws.
    statistics
        Statistics of its run.
    table
        Table with a row for each draw of non-zero weight.
    """

    result: Result
    statistics: dict[str, Any]
    table: DataFrame

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the parameters of the draws."""
        return tuple(key for key in self.table if key not in NOT_PARAMETERS)

    @property
    def parameters(self) -> Parameters:
        """Values of the parameters of the draws, (N,) each."""
        return {key: self.table[key].to_numpy(dtype=np.float64) for key in self.keys}

    @property
    def n_draws(self) -> int:
        """Number of all draws, including those of zero weight."""
        return int(self.statistics["n_draws"])

    @property
    def n_without_likelihood(self) -> int:
        """Number of draws inside the prior that had no likelihood; no result keeps their rows."""
        # Draws that thinning did not keep have no row either, but a likelihood.
        weighed = self.statistics.get("n_kept", self.statistics["n_draws"])
        if "n_kept" in self.statistics:
            return max(int(weighed - self.statistics["n_finite"]), 0)
        of_zero = weighed - self.statistics["n_finite"]
        return max(int(of_zero - self.statistics.get("n_outside_prior", 0)), 0)

    def searched(self, priors: PriorDict) -> PriorDict:
        """Return the priors without those of parameters that the likelihood integrates out, which Bilby's conversion restores.

        Raises
        ------
        PriorError
            If one of these priors has changed: the likelihood is integrated over the old one.
        """
        dropped = [key for key in self.statistics.get("marginalised", ()) if key in priors and key not in self.keys]
        dropped = [key for key in dropped if not priors[key].is_fixed]
        if other := [key for key in dropped if priors[key] != (self.result.priors or {}).get(key)]:
            raise PriorError(
                f"the likelihood of the result {self.result.label!r} is marginalised over {other}, under the prior of its run: "
                "run it again without this marginalisation; flowpe draws these parameters in closed form anyway"
            )
        own = copied(priors)
        for key in dropped:
            del own[key]
        return own

    def column(self, name: str) -> np.ndarray:
        """Return a column of the table, (N,)."""
        return self.table[name].to_numpy()

    def log_weights(self, log_ratio: np.ndarray) -> np.ndarray:
        """Return the log weights of all draws, each changed by ``log_ratio``, (N,); draws of zero weight are included."""
        log_weights = np.full(self.n_draws, -np.inf)
        with np.errstate(divide="ignore"):
            log_weights[: len(self.table)] = (
                np.log(self.column("weights") * self.n_draws) + float(self.statistics["log_evidence"]) + log_ratio
            )
        return log_weights


def kept_draws(result: Result) -> KeptDraws:
    """Return the weighted draws that a result keeps.

    Raises
    ------
    DataError
        If there are none: for another sampler's result, raw draws, or a merged result.
    """
    statistics, merged = statistics_of(result), is_merged(result)
    # Bilby's property raises an error if there are none.
    table = getattr(result, "_nested_samples", None)
    if table is None or not statistics.get("importance_weighted") or "log_prior" not in table:
        raise DataError(
            f"the result {result.label!r} of {result.sampler} has no weighted draws of flowpe: give one of a run with "
            "importance=True" + (", not a merged one: reweight the single runs, and merge them then" if merged else "")
        )
    return KeptDraws(result, statistics, table)
