r"""Another prior, or a population, for events that were analysed: by their weights, and what these are then worth.

Draws of an event with weights :math:`w` under its prior :math:`\pi` have weights :math:`w' = w \, \pi' / \pi` under another
one. Of a population both densities are those of its own parameters (:mod:`.population`). The evidence of each event under it is
the mean of :math:`w'`, and how many draws are left is told by its effective number: where that is low, new draws are needed
(:mod:`.reprior`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from bilby.core.prior import Prior, PriorDict
from bilby.core.result import Result
from pandas import DataFrame

from ..errors import ConfigurationError, DataError, PriorError
from ..importance import WeightSummary, summarise
from ..priors import copied
from ..result_files import read_result
from ..results import kept_draws
from ..translation.covers import AnyPrior
from .event_folder import EventFolder
from .population import KEYS, Population, sampling_density

_PRIOR_DRAWS = 20_000  # a share of 1.5e-4 of the prior is found with a probability of 95%
_SEED = 1
EVENTS = "events"
"""Folder of the events in that of a catalogue."""


@dataclass(frozen=True)
class ReweightedEvent:
    """An event under another prior.

    Attributes
    ----------
    name
        Of the event.
    draws
        Its draws of non-zero weight: parameters, ``log_likelihood``, ``log_prior`` of the run, and the new ``weights``, of sum
        one.
    summary
        Of the new weights of all draws: effective number, evidence and its error, Pareto k.
    beyond
        Share of the new prior where the old one has none: no draw is there, and the evidence lacks it. Not known (NaN) of a
        population.
    """

    name: str
    draws: DataFrame
    summary: WeightSummary
    beyond: float

    @property
    def n_effective(self) -> float:
        """Effective number of draws."""
        return self.summary.effective_sample_size

    @property
    def log_evidence(self) -> float:
        """Logarithm of the evidence under the new prior, or of the Bayes factor where likelihoods were ratios to noise."""
        return self.summary.log_evidence


def results_of(catalogue: Path) -> dict[str, Path]:
    """Result files of a catalogue's events, by name.

    Raises
    ------
    DataError
        If there is none.
    """
    events = [EventFolder(path) for path in sorted((catalogue / EVENTS).glob("*")) if path.is_dir()]
    found = {event.name: result for event in events if (result := event.result()) is not None and result.is_file()}
    if not found:
        raise DataError(f"catalogue={str(catalogue)!r}: no result there: give the outdir of flowpe catalogue")
    return found


def reweighted(
    catalogue: Path | Mapping[str, Result] | Iterable[Result],
    priors: Mapping[str, Any] | None = None,
    population: Population | None = None,
    keys: Sequence[str] = KEYS,
) -> list[ReweightedEvent]:
    """Every event of a catalogue under another prior, or under a population, without any new likelihood.

    Parameters
    ----------
    catalogue
        Outdir of ``flowpe catalogue``, or weighted results.
    priors
        By parameter, priors in the place of those of each event: Bilby's, or as text of a prior file.
    population
        Density of a population instead, (N,), of a dictionary of ``keys``, (N,) each, normalised. All other parameters keep
        their prior.
    keys
        Parameters of the population, by gwpopulation's names (:func:`.population.population_tables`).

    Returns
    -------
    list of ReweightedEvent
        One each, in the order of names.

    Raises
    ------
    ConfigurationError
        If neither priors nor a population is given, or both.
    PriorError
        If a parameter was not sampled, or would not be, or a population's parameters cannot be told from what was.
    """
    if (priors is None) == (population is None):
        raise ConfigurationError("priors and population: give one of them")
    found = []
    for name, result in _named(catalogue):
        kept = kept_draws(result)
        log_prior = kept.column("log_prior")
        beyond = np.nan
        if population is not None:
            values, log_density = sampling_density(result.priors, kept.parameters, log_prior, keys)
            with np.errstate(divide="ignore"):
                log_ratio = np.log(np.asarray(population(values), dtype=np.float64)) - log_density
        else:
            asked = changed(result.priors, priors or {})
            new, old = AnyPrior(kept.searched(asked)), AnyPrior(kept.searched(result.priors))
            _check_same_search(name, new, old)
            log_ratio = new.log_prob(kept.parameters) - log_prior
            beyond = new.share_beyond(old, _PRIOR_DRAWS, np.random.default_rng(_SEED))
        # Where the prior was zero no draw is, and none counts.
        log_weights = kept.log_weights(np.where(np.isneginf(log_prior), -np.inf, log_ratio))
        summary = summarise(log_weights)
        here = log_weights[: len(kept.table)]
        weights = np.exp(here - here.max()) if summary.n_finite else np.zeros(len(here))
        draws = kept.table.assign(weights=weights / max(weights.sum(), np.finfo(float).tiny))
        found.append(ReweightedEvent(name, draws, summary, beyond))
    return found


def changed(priors: PriorDict, changes: Mapping[str, Any]) -> PriorDict:
    """A copy of priors with some replaced.

    Raises
    ------
    PriorError
        If there is no such parameter, or a text is no prior.
    """
    new = copied(priors)
    for key, prior in changes.items():
        if key not in priors:
            raise PriorError(f"priors[{key!r}]: the run has none of it, but of {sorted(priors)}: name one of these")
        if isinstance(prior, str):
            try:
                prior = type(priors)({key: prior})[key]
            except Exception as error:  # of whatever kind the text raises
                raise PriorError(
                    f"priors[{key!r}]={prior!r} is no prior of Bilby's ({error}): write it as in a prior file"
                ) from error
        if not isinstance(prior, Prior):
            raise PriorError(f"priors[{key!r}]={prior!r} is no prior: give one of Bilby's, or its text")
        prior.name = prior.name or key
        new[key] = prior
    return new


def _check_same_search(name: str, new: AnyPrior, old: AnyPrior) -> None:
    """Refuse priors under which other parameters are fixed, or at other values: likelihoods are of those of the run."""
    if {*new.keys} != {*old.keys}:
        raise PriorError(
            f"priors search for {sorted(new.keys)}, the draws of {name!r} are of {sorted(old.keys)}: give priors of these"
        )
    if new.fixed != old.fixed:
        raise PriorError(
            f"priors fix {new.fixed}, those of {name!r} {old.fixed}, and its likelihoods are of these: fix the same values"
        )


def _named(catalogue: Path | Mapping[str, Result] | Iterable[Result]) -> Iterable[tuple[str, Result]]:
    if isinstance(catalogue, str | Path):
        return ((name, read_result(path)) for name, path in results_of(Path(catalogue)).items())
    if isinstance(catalogue, Mapping):
        return catalogue.items()
    results: Iterable[Any] = catalogue
    return ((str(result.label), result) for result in results)
