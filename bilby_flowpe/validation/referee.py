"""Another sampler as referee: frozen settings, and whether its run may be believed."""

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
    # Bilby's own defaults, written out: a newer Bilby must not move them.
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
    # For eight parameters and more: all of them walk a thousand likelihoods for one independent point.
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
"""Named settings of referees; ``marginalise`` is what Bilby's likelihood integrates out, and draws for the result."""

_LEAST_TIMES = 20
_AGREEMENT = 1e-6
_LIMITS, _ENDLESS = ("maxiter", "maxcall"), 1e9


def settings_of(name: str) -> dict[str, Any]:
    """Keyword arguments of :func:`bilby.run_sampler` for a named referee; any other sampler of Bilby's has its defaults.

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
            f"referee={name!r} is neither one of {sorted(REFEREES)} nor another sampler of Bilby's: give one of these"
        )
    return {"sampler": name}


def run_referee(
    name: str, likelihood: Likelihood, priors: PriorDict, outdir: Path, label: str, npool: int, seed: int
) -> Result:
    """A referee's run, resumed where it was stopped; a finished one is used again.

    Parameters
    ----------
    name
        Of :data:`REFEREES`, or a sampler of Bilby's.
    likelihood, priors
        What flowpe is given, too.
    outdir, label
        Of Bilby's files.
    npool, seed
        Processes and seed.

    Raises
    ------
    ConfigurationError
        If the sampler is not installed.
    SimulationError
        If the problem cannot be marginalised, and the settings ask for it.
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
        raise ConfigurationError(f"referee={name!r} is not installed ({error}): install it, or give another") from error


def obstacle(referee: Result) -> str | None:
    """Why a referee's run may not be believed, in words; ``None`` if nothing speaks against it.

    Nested sampling ends by its own rule, and has an evidence then. Chains of an ensemble sampler have to be many
    autocorrelation times long, or the walkers still remember where they began.
    """
    if not len(referee.posterior):
        return "it has no posterior"
    verdict = statistics_of(referee).get("verdict")
    if verdict == "failed":
        return "its own verdict is failed"
    for limit in _LIMITS:
        if (value := (referee.sampler_kwargs or {}).get(limit)) and np.isfinite(float(value)) and value < _ENDLESS:
            return f"it was told to stop by {limit}={value}, converged or not"
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
    """An ensemble sampler's result with one row an autocorrelation time, none twice; others as they are."""
    if referee.max_autocorrelation_time is None:
        return referee
    referee = copy.copy(referee)
    step = max(math.ceil(float(referee.max_autocorrelation_time)), 1)
    keys = referee.search_parameter_keys
    referee.posterior = referee.posterior.iloc[::step].drop_duplicates(subset=keys).reset_index(drop=True)
    return referee


def same_problem(result: Result, referee: Result) -> None:
    """See that two results are of the same data and priors.

    Raises
    ------
    DataError
        If they are not, naming what differs.
    """
    if set(result.search_parameter_keys) != set(referee.search_parameter_keys):
        raise DataError(
            f"the results have other parameters: {sorted(result.search_parameter_keys)} and "
            f"{sorted(referee.search_parameter_keys)}: compare results of one problem"
        )
    for key in sorted({*result.priors, *referee.priors}):
        first, second = (one.priors.get(key) for one in (result, referee))
        if first != second:
            raise DataError(
                f"the results have other priors of {key}: {first} and {second}: compare results of one problem"
            )
    ours, theirs = ((one.meta_data or {}).get("likelihood") or {} for one in (result, referee))
    for key in ("waveform_arguments", "frequency_domain_source_model", "time_domain_source_model"):
        if key in ours and key in theirs and str(ours[key]) != str(theirs[key]):
            raise DataError(f"the results have another {key}: {ours[key]} and {theirs[key]}")
    first, second = (float(one.log_noise_evidence) for one in (result, referee))
    if math.isfinite(first) and math.isfinite(second) and abs(first - second) > _AGREEMENT * max(1.0, abs(first)):
        raise DataError(f"the results are of other data: log noise evidences {first:.6f} and {second:.6f}")
