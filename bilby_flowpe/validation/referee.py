"""Another sampler as a referee: fixed settings, and whether its run can be trusted."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import bilby
import numpy as np
from bilby.core.likelihood import Likelihood
from bilby.core.prior import PriorDict
from bilby.core.result import Result
from bilby.core.sampler.base_sampler import SamplerNotInstalledError

from ..errors import ConfigurationError, DataError
from ..kinds import problem_of
from ..priors import copied
from ..results import statistics_of
from .comparison import stored
from .marginalised import marginalised, reconstructed

REFEREES: Mapping[str, Mapping[str, Any]] = {
    # Bilby's own defaults, written out, so that a newer Bilby does not change them.
    "dynesty": {
        "sampler": "dynesty",
        "nlive": 1000,
        "sample": "act-walk",
        "bound": "live",
        "dlogz": 0.1,
        "naccept": 60,
        "nact": 2,
        "maxmcmc": 5000,
    },
    "dynesty-fast": {
        "sampler": "dynesty",
        "nlive": 500,
        "sample": "acceptance-walk",
        "bound": "live",
        "dlogz": 0.1,
        "naccept": 30,
        "maxmcmc": 5000,
    },
    # For eight parameters and more: with all parameters, a thousand likelihoods give one independent point.
    "dynesty-marginalised": {
        "sampler": "dynesty",
        "nlive": 1000,
        "sample": "acceptance-walk",
        "bound": "live",
        "dlogz": 0.1,
        "naccept": 60,
        "maxmcmc": 5000,
        "marginalise": ("phase", "distance"),
    },
    "emcee": {"sampler": "emcee", "nwalkers": 200, "iterations": 6000, "nburn": 3000},
}
"""Settings of referees by name; ``marginalise``: parameters that Bilby's likelihood integrates out and reconstructs."""

# Least length of a chain, in autocorrelation times, for which it counts as converged; more would be safer, and take
# longer.
_LEAST_TIMES = 20
# Largest relative difference of log noise evidences for which two results count as of the same data: what rounding in
# different files leaves.
_AGREEMENT = 1e-6
# Limits of a nested sampler, and the number of iterations or calls above which a limit is none in practice.
_LIMITS, _ENDLESS = ("maxiter", "maxcall"), 1e9


def settings_of(name: str) -> dict[str, Any]:
    """Return the arguments of :func:`bilby.run_sampler` for a named referee; Bilby's other samplers have their defaults.

    Raises
    ------
    ConfigurationError
        If Bilby has no sampler of that name.
    """
    if name in REFEREES:
        return dict(REFEREES[name])
    samplers = {*bilby.core.sampler.get_implemented_samplers()} - {"flowpe", "fake_sampler"}
    if name not in samplers:
        raise ConfigurationError(
            f"referee={name!r}: give one of {sorted(REFEREES)}, or the name of another sampler of Bilby's"
        )
    return {"sampler": name}


def run_referee(
    name: str, likelihood: Likelihood, priors: PriorDict, outdir: Path, label: str, npool: int, seed: int
) -> Result:
    """Run a referee; an interrupted run is resumed, and a finished one is used again.

    Parameters
    ----------
    name
        Name in :data:`REFEREES`, or a sampler of Bilby's.
    likelihood, priors
        The same objects that flowpe is given.
    outdir, label
        Folder and label of Bilby's files.
    npool, seed
        Number of processes, and seed.

    Raises
    ------
    ConfigurationError
        If the sampler is not installed.
    SimulationError
        If the settings require a marginalisation that is not possible for the problem.
    """
    settings = settings_of(name)
    if kinds := settings.pop("marginalise", ()):
        other, fewer = marginalised(problem_of(likelihood, priors), kinds, outdir)
        return reconstructed(_run(name, settings, other, fewer, outdir, label, npool, seed), other, priors, npool, seed)
    return _run(name, settings, likelihood, priors, outdir, label, npool, seed)


def _run(
    name: str,
    settings: dict[str, Any],
    likelihood: Likelihood,
    priors: PriorDict,
    outdir: Path,
    label: str,
    npool: int,
    seed: int,
) -> Result:
    truth = getattr(likelihood, "injection_parameters", None)
    try:
        return bilby.run_sampler(
            likelihood,
            copied(priors),
            outdir=str(outdir),
            label=label,
            npool=npool,
            sampling_seed=seed,
            injection_parameters=truth,
            check_point_plot=False,
            **settings,
        )
    except SamplerNotInstalledError as error:
        raise ConfigurationError(
            f"referee={name!r} is not installed ({error}): install it, or choose another"
        ) from error


def obstacle(referee: Result) -> str | None:
    """Return the reason why a referee's run cannot be trusted, in words; ``None`` if there is none.

    Nested sampling ends by its own rule, and then has an evidence. Chains of an ensemble sampler have to be many
    autocorrelation times long; otherwise the walkers still depend on where they began.
    """
    if not len(referee.posterior):
        return "it has no posterior"
    verdict = statistics_of(referee).get("verdict")
    if verdict == "failed":
        return "its own verdict is failed"
    for limit in _LIMITS:
        if (value := (referee.sampler_kwargs or {}).get(limit)) and np.isfinite(float(value)) and value < _ENDLESS:
            return f"it was stopped by {limit}={value}, whether converged or not"
    time, walkers = referee.max_autocorrelation_time, stored(referee, "walkers")
    if time is not None and walkers is not None:
        kept = np.shape(walkers)[1] - int(stored(referee, "nburn") or 0)
        if not (math.isfinite(float(time)) and kept >= _LEAST_TIMES * float(time)):
            return f"its chains are {kept} steps long with an autocorrelation time of {float(time):.0f} steps: not converged"
        return None
    if not (math.isfinite(referee.log_evidence) and math.isfinite(referee.log_evidence_err)):
        return "it has neither an evidence nor chains whose convergence could be judged"
    return None


def thinned(referee: Result) -> Result:
    """Return an ensemble sampler's result with one row per autocorrelation time, without repeated rows; others unchanged."""
    if referee.max_autocorrelation_time is None:
        return referee
    referee = copy.copy(referee)
    step = max(math.ceil(float(referee.max_autocorrelation_time)), 1)
    keys = referee.search_parameter_keys
    referee.posterior = referee.posterior.iloc[::step].drop_duplicates(subset=keys).reset_index(drop=True)
    return referee


def same_problem(result: Result, referee: Result) -> None:
    """Check that two results have the same data and priors.

    Raises
    ------
    DataError
        If they differ; it names the difference.
    """
    if set(result.search_parameter_keys) != set(referee.search_parameter_keys):
        raise DataError(
            f"the results have different parameters, {sorted(result.search_parameter_keys)} and "
            f"{sorted(referee.search_parameter_keys)}: compare results of the same problem"
        )
    for key in sorted({*result.priors, *referee.priors}):
        first, second = (one.priors.get(key) for one in (result, referee))
        if first != second:
            raise DataError(
                f"the results have different priors of {key}, {first} and {second}: compare results of the same problem"
            )
    ours, theirs = ((one.meta_data or {}).get("likelihood") or {} for one in (result, referee))
    for key in ("waveform_arguments", "frequency_domain_source_model", "time_domain_source_model"):
        if key in ours and key in theirs and str(ours[key]) != str(theirs[key]):
            raise DataError(
                f"the results have different {key}, {ours[key]} and {theirs[key]}: compare results of the same problem"
            )
    first, second = (float(one.log_noise_evidence) for one in (result, referee))
    if math.isfinite(first) and math.isfinite(second) and abs(first - second) > _AGREEMENT * max(1.0, abs(first)):
        raise DataError(
            f"the results have different data: their log noise evidences are {first:.6f} and {second:.6f}; compare results of "
            "the same data"
        )
