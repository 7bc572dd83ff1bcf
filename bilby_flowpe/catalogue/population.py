r"""Tables of a catalogue for population models: posteriors, with the density of the sampling prior in the model's parameters.

A population model is a density of source masses, redshifts and spins; a run has sampled other parameters, such as chirp mass
and luminosity distance. For every draw, :mod:`gwpopulation` needs the density of the run's prior in the model's own parameters,

.. math:: \pi(p) = \pi(\theta_\mathrm{model}) \, \left|\frac{\partial \theta_\mathrm{model}}{\partial p}\right| ,

with those sampled parameters that correspond to the model's. All other parameters keep their priors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from bilby.core.prior import ConditionalPriorDict, Constraint, JointPrior, PriorDict
from bilby.core.result import Result
from pandas import DataFrame

from ..binaries import is_mass
from ..errors import DataError, PriorError
from ..priors import Parameters
from ..results import kept_draws
from ..translation.covers import AnyPrior
from .coordinates import DISTANCES, Binaries, as_arrays, redshift_of

KEYS = ("mass_1", "mass_ratio", "redshift")
"""Parameters of a population of masses and redshifts, by gwpopulation's names."""
_OF_SOURCES = ("mass_1", "mass_2", "chirp_mass", "total_mass")
_SPINS = {
    **{f"a_{i}": (f"a_{i}",) for i in (1, 2)},
    **{f"chi_{i}": (f"chi_{i}",) for i in (1, 2)},
    **{f"cos_tilt_{i}": (f"cos_tilt_{i}", f"tilt_{i}") for i in (1, 2)},
}
"""Spins of a population model, and the parameters that a run may have sampled for each."""

Population = Callable[[Parameters], np.ndarray]
"""Function that gives the density of a population, (N,), from its parameters, (N,) each."""


def population_tables(results: Iterable[Result], keys: Sequence[str] = KEYS, weighted: bool = True) -> list[DataFrame]:
    """Return posteriors of events in the form that :class:`gwpopulation.hyperpe.HyperparameterLikelihood` takes.

    Parameters
    ----------
    results
        One result per event; weighted results of flowpe, unless ``weighted=False``.
    keys
        Parameters of the population model by gwpopulation's names: ``mass_1``, ``mass_2``, ``chirp_mass`` and ``total_mass``
        are those of the source's frame; ``mass_ratio``, ``redshift``, ``a_1``, ``cos_tilt_1``, ``chi_1`` and so on.
    weighted
        ``True``: the rows are all weighted draws, and ``prior`` is divided by the weight relative to the mean weight, so that
        the mean of the model's density over ``prior`` is the weighted mean. ``False``: the equal-weight rows of the posterior,
        which are fewer.

    Returns
    -------
    list of DataFrame
        Columns of ``keys`` and ``prior``.

    Raises
    ------
    DataError
        If a result has no weighted draws, or no rows.
    PriorError
        If the sampled parameters do not determine those of the model.
    """
    tables = []
    for result in results:
        draws, log_prior, weights = _draws(result, weighted)
        values, log_density = sampling_density(result.priors, draws, log_prior, keys)
        with np.errstate(divide="ignore"):
            prior = np.exp(log_density - np.log(weights * len(weights)))
        tables.append(DataFrame({**values, "prior": prior}))
    return tables


def _draws(result: Result, weighted: bool) -> tuple[Parameters, np.ndarray, np.ndarray]:
    """Return draws, the logarithms of their prior, and weights of sum one."""
    if weighted:
        kept = kept_draws(result)
        there = kept.column("weights") > 0
        draws = {key: value[there] for key, value in kept.parameters.items()}
        return draws, kept.column("log_prior")[there], kept.column("weights")[there] / kept.column("weights").sum()
    posterior = result.posterior
    if not len(posterior) or "log_prior" not in posterior:
        raise DataError(f"the posterior of {result.label!r} has no rows with log_prior: give a result that has them")
    draws = {key: posterior[key].to_numpy(dtype=np.float64) for key in result.search_parameter_keys}
    return draws, posterior["log_prior"].to_numpy(), np.full(len(posterior), 1 / len(posterior))


def sampling_density(
    priors: PriorDict, draws: Parameters, log_prior: np.ndarray, keys: Sequence[str] = KEYS
) -> tuple[Parameters, np.ndarray]:
    """Return a population model's parameters of draws, and the log of the prior's density in these parameters.

    Parameters
    ----------
    priors
        Priors of the run.
    draws
        Search parameters, (N,) each.
    log_prior
        Logarithm of their normalised prior density, (N,).
    keys
        Parameters of the population model.

    Returns
    -------
    values, log_density
        Parameters by gwpopulation's names, and the log density, (N,).

    Raises
    ------
    PriorError
        If the sampled parameters do not determine those of the model, or a prior connects them with other parameters.
    """
    names = {key: f"{key}_source" if key in _OF_SOURCES else key for key in keys}
    values, volume, replaced = _of_binaries(
        {key: name for key, name in names.items() if _is_binary(name)}, priors, draws
    )
    for key in keys:
        if key in values:
            continue
        if key not in _SPINS:
            raise PriorError(
                f"{key!r} is not a population parameter for which the density of the prior is known: {_known()}"
            )
        sampled = next((name for name in _SPINS[key] if name in draws), None)
        if sampled is None:
            raise PriorError(f"{key!r}: none of {list(_SPINS[key])} was sampled, only {sorted(draws)}: leave it out")
        values[key] = draws[sampled] if sampled == key else np.cos(draws[sampled])
        if sampled != key:
            # d tilt / d cos(tilt)
            volume = volume - np.log(np.sin(draws[sampled]))
        replaced.add(sampled)
    density = log_density_of(priors, draws, log_prior, replaced)
    return {key: values[key] for key in keys}, density + volume


def _known() -> str:
    return f"give some of {[*_OF_SOURCES, 'mass_ratio', 'redshift', *_SPINS]}"


def _is_binary(name: str) -> bool:
    return is_mass(name) or name in DISTANCES


def _of_binaries(
    names: Mapping[str, str], priors: PriorDict, draws: Parameters
) -> tuple[Parameters, np.ndarray, set[str]]:
    """Return masses and redshifts of the model, the change of volume to them, and the sampled parameters that they replace."""
    size = len(next(iter(draws.values())))
    if not names:
        return {}, np.zeros(size), set()
    fixed = {
        key: float(prior.peak)
        for key, prior in priors.items()
        if not isinstance(prior, Constraint) and getattr(prior, "is_fixed", False) and _is_binary(key)
    }
    masses, distances = ([key for key in draws if check(key)] for check in (is_mass, DISTANCES.__contains__))
    wanted_masses = [name for name in names.values() if is_mass(name)]
    wanted_distances = [name for name in names.values() if name in DISTANCES]
    if wanted_masses and len(wanted_masses) != len(masses):
        raise PriorError(
            f"{sorted(names)}: the run has sampled the masses {masses}: name as many masses of the population, or none"
        )
    if len(wanted_distances) > len(distances):
        raise PriorError(f"{sorted(names)}: no distance was sampled, only {sorted(draws)}: leave the redshift out")
    columns = as_arrays({**fixed, **{key: draws[key] for key in [*masses, *distances]}})
    if wanted_masses:
        binaries = Binaries.of(columns)
    else:
        # Only the distance matters here: any masses will do.
        binaries = Binaries(np.ones(size), np.ones(size), redshift_of(columns))
        masses = []
    # Parameters that the model does not contain stay as they were sampled.
    asked, given = [*wanted_masses, *(wanted_distances or distances)], [*masses, *distances]
    volume = binaries.log_volume(given) - binaries.log_volume(asked) if asked != given else np.zeros(size)
    replaced = {*masses, *(distances if wanted_distances else ())}
    return {key: binaries.value(name) for key, name in names.items()}, volume, replaced


def log_density_of(priors: PriorDict, draws: Parameters, log_prior: np.ndarray, keys: set[str]) -> np.ndarray:
    """Return the log density of some of the search parameters, (N,); the normalisation by constraints counts for the masses.

    Raises
    ------
    PriorError
        If a prior connects these parameters with others.
    """
    if not keys:
        return np.zeros(len(log_prior))
    for key in draws:
        prior = priors[key]
        bound = {*getattr(prior, "required_variables", ())}
        if isinstance(prior, JointPrior):
            bound |= {*prior.dist.names}
        crossing = (bound - keys) if key in keys else (bound & keys)
        if crossing:
            raise PriorError(
                f"the prior of {key!r} depends on that of {sorted(crossing)}, so that a population cannot replace one alone: "
                "sample with independent priors"
            )
    density = _without_constraints(priors, draws, [key for key in draws if key in keys])
    if any(isinstance(prior, Constraint) for prior in priors.values()) and any(map(is_mass, keys)):
        # It is the same for every draw, except for rounding.
        density = density + np.median(log_prior - _without_constraints(priors, draws, list(draws)))
    return density


def _without_constraints(priors: PriorDict, draws: Parameters, keys: Sequence[str]) -> np.ndarray:
    conditional = any(getattr(priors[key], "required_variables", ()) for key in keys)
    chosen = (ConditionalPriorDict if conditional else PriorDict)({key: priors[key] for key in keys})
    return AnyPrior(chosen).log_prob({key: draws[key] for key in keys})
