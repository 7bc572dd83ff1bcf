r"""Analysed events under another prior, or under a population: new weights of their draws, and what these are worth.

Draws of an event with weights :math:`w` under its prior :math:`\pi` have weights :math:`w' = w \, \pi' / \pi` under another
one. For a population, both densities are those of its own parameters (:mod:`.population`). The evidence of each event under it
is the mean of :math:`w'`. The effective number tells how many draws are left: if it is low, new draws are needed
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
from ..result_files import read_result, result_of
from ..results import kept_draws
from ..translation.covers import AnyPrior
from .event_folder import EventFolder
from .population import KEYS, Population, sampling_density

# Draws from the new prior that look for regions outside the old one: a fraction of 1.5e-4 is found with a probability
# of 95%.
_PRIOR_DRAWS = 20_000
# Seed of these draws, so that the same catalogue gives the same numbers; its value does not matter.
_SEED = 1
EVENTS = "events"
"""Name of the folder of events in the folder of a catalogue."""


@dataclass(frozen=True)
class ReweightedEvent:
    """Draws and weights of an event under another prior.

    Attributes
    ----------
    name
        Name of the event.
    draws
        Draws of non-zero weight: parameters, ``log_likelihood``, ``log_prior`` of the run, and the new ``weights``, of sum one.
    summary
        Summary of the new weights of all draws: effective number, evidence and its error, Pareto k.
    beyond
        Fraction of the new prior that lies outside the old one: no draw is there, and the evidence lacks that part. Not known
        (NaN) for a population.
    """

    name: str
    draws: DataFrame
    summary: WeightSummary
    beyond: float

    @property
    def n_effective(self) -> float:
        """Effective number of draws under the new prior."""
        return self.summary.effective_sample_size

    @property
    def log_evidence(self) -> float:
        """Log evidence under the new prior, or log Bayes factor if likelihoods were ratios to noise."""
        return self.summary.log_evidence


def results_of(catalogue: Path) -> dict[str, Path]:
    """Return the result files of a catalogue's events, by name.

    Raises
    ------
    DataError
        If there is no result.
    """
    events = [EventFolder(path) for path in sorted((catalogue / EVENTS).glob("*")) if path.is_dir()]
    found = {event.name: result for event in events if (result := event.result()) is not None and result.is_file()}
    if not found:
        raise DataError(f"catalogue={str(catalogue)!r}: there is no result: give the outdir of flowpe catalogue")
    return found


def reweighted(
    catalogue: str | Path | Mapping[str, Result | str | Path] | Iterable[Result | str | Path],
    priors: Mapping[str, Any] | None = None,
    population: Population | None = None,
    keys: Sequence[str] = KEYS,
) -> list[ReweightedEvent]:
    """Put every event of a catalogue under another prior, or under a population, without new likelihood evaluations.

    Parameters
    ----------
    catalogue
        Folder that ``flowpe catalogue`` has written, or weighted results or their files.
    priors
        Priors by parameter, which replace those of each event: Bilby's objects, or text as in a prior file.
    population
        Alternatively a function that gives the normalised density of a population, (N,), from a dictionary of ``keys``, (N,)
        each. All other parameters keep their prior.
    keys
        Parameters of the population, by gwpopulation's names (:func:`.population.population_tables`).

    Returns
    -------
    list of ReweightedEvent
        One per event, in the order of names.

    Raises
    ------
    ConfigurationError
        If neither priors nor a population is given, or both, or the population is no function.
    DataError
        If there is no result, or one cannot be read.
    PriorError
        If the priors are no table, a parameter was not sampled, a new prior would fix it, or the sampled parameters do not
        determine those of the population.
    """
    if (priors is None) == (population is None):
        raise ConfigurationError("priors and population: give exactly one of the two")
    if priors is not None and not isinstance(priors, Mapping):
        raise PriorError(f"priors={priors!r}: give a table of the priors that change, by parameter")
    if population is not None and not callable(population):
        raise ConfigurationError(f"population={population!r}: give a function that returns the density of a population")
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
        # Draws where the prior was zero have no weight.
        log_weights = kept.log_weights(np.where(np.isneginf(log_prior), -np.inf, log_ratio))
        summary = summarise(log_weights)
        here = log_weights[: len(kept.table)]
        weights = np.exp(here - here.max()) if summary.n_finite else np.zeros(len(here))
        draws = kept.table.assign(weights=weights / max(weights.sum(), np.finfo(float).tiny))
        found.append(ReweightedEvent(name, draws, summary, beyond))
    return found


def changed(priors: PriorDict, changes: Mapping[str, Any]) -> PriorDict:
    """Return a copy of priors in which some are replaced.

    Raises
    ------
    PriorError
        If there is no such parameter, or a text is not a prior.
    """
    new = copied(priors)
    for key, prior in changes.items():
        if key not in priors:
            raise PriorError(f"priors[{key!r}]: the run does not have this parameter: choose from {sorted(priors)}")
        if isinstance(prior, str):
            try:
                prior = type(priors)({key: prior})[key]
            except Exception as error:  # the text may raise anything
                raise PriorError(
                    f"priors[{key!r}]={prior!r} is not a prior of Bilby's ({error}): write it as in a prior file"
                ) from error
        if not isinstance(prior, Prior):
            raise PriorError(f"priors[{key!r}]={prior!r} is not a prior: give one of Bilby's, or its text")
        prior.name = prior.name or key
        new[key] = prior
    return new


def _check_same_search(name: str, new: AnyPrior, old: AnyPrior) -> None:
    """Raise an error for priors that fix other parameters, or other values, than the run whose likelihoods are used."""
    if {*new.keys} != {*old.keys}:
        raise PriorError(
            f"the priors search for {sorted(new.keys)}, but the draws of {name!r} are of {sorted(old.keys)}: give "
            "priors of these"
        )
    if new.fixed != old.fixed:
        raise PriorError(
            f"the priors fix {new.fixed}, but the likelihoods of {name!r} were evaluated at {old.fixed}: fix these values"
        )


def _named(
    catalogue: str | Path | Mapping[str, Result | str | Path] | Iterable[Result | str | Path],
) -> Iterable[tuple[str, Result]]:
    if isinstance(catalogue, str | Path):
        return ((name, read_result(path)) for name, path in results_of(Path(catalogue)).items())
    if isinstance(catalogue, Mapping):
        return ((name, result_of(given, f"catalogue[{name!r}]")) for name, given in catalogue.items())
    if isinstance(catalogue, Result) or not isinstance(catalogue, Iterable):
        raise DataError(f"catalogue={catalogue!r}: give the outdir of flowpe catalogue, or a list of results")
    results = (result_of(given, f"catalogue[{number}]") for number, given in enumerate(catalogue))
    return ((str(result.label), result) for result in results)
