"""Reference runs with some parameters integrated out, which are reconstructed afterwards.

The sampler then has fewer parameters to explore. Bilby's own likelihood does both. Evidence and posterior stay the same, as
long as the integral is right for the waveform (:mod:`bilby_flowpe.translation.marginalisation`).
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from bilby.core.prior import Cosine, PriorDict, Sine, Uniform
from bilby.core.result import Result
from bilby.core.utils import random
from bilby.gw.conversion import generate_posterior_samples_from_marginalized_likelihood
from bilby.gw.detector import InterferometerList
from bilby.gw.likelihood import GravitationalWaveTransient

from ..errors import SimulationError
from ..kinds.recognise import is_plain
from ..priors import copied
from ..problem import Problem
from ..translation.marginalisation import check_marginalisation

# Shortest window of times, in seconds, for which the detectors' frame is used: several times the 21 ms that light takes
# from a detector to the Earth's centre.
_LONG_WINDOW = 0.1
_NAMES = {"phase": "phase", "distance": "luminosity_distance"}


def marginalised(
    problem: Problem,
    kinds: Sequence[str],
    outdir: Path,
    detector_frame: bool = False,
) -> tuple[GravitationalWaveTransient, PriorDict]:
    """Return the same problem with some parameters integrated out.

    Parameters
    ----------
    problem
        The problem, which is not changed.
    kinds
        ``"phase"``, ``"distance"`` or both.
    outdir
        Folder for the table of the integral over distances, which takes a minute to make.
    detector_frame
        Sample the sky in the frame of the first two detectors, and the time at the first, if the prior covers the whole sky and
        a window of times that is long compared with the light-travel time of the Earth's radius: chains move more easily there.
        Density and evidence are the same, except for sources within a light-travel time of the window's ends.

    Raises
    ------
    SimulationError
        If the likelihood is not a plain one of gravitational waves, a parameter is not searched, or the integral is not right
        for its waveform.
    """
    likelihood, priors, searched = problem.likelihood, copied(problem.prior.given), problem.prior
    if not is_plain(likelihood):
        raise SimulationError(
            f"likelihood={type(likelihood).__name__}: only a plain GravitationalWaveTransient can be marginalised for a "
            "referee; choose a referee that samples all parameters"
        )
    if missing := [_NAMES[kind] for kind in kinds if _NAMES[kind] not in searched.keys]:
        raise SimulationError(
            f"priors do not search {missing}, which the referee integrates out: choose another referee"
        )
    outdir.mkdir(parents=True, exist_ok=True)
    # One table for each prior of the distance.
    distance = hashlib.sha256(repr(priors.get("luminosity_distance")).encode()).hexdigest()[:8]
    other = GravitationalWaveTransient(
        likelihood.interferometers,
        likelihood.waveform_generator,
        priors=priors,
        distance_marginalization_lookup_table=str(outdir / f"distances_{distance}.npz"),
        **{f"{kind}_marginalization": True for kind in kinds},
        **(_as_detectors_see_it(likelihood.interferometers, priors) if detector_frame else {}),
    )
    priors.convert_floats_to_delta_functions()
    check_marginalisation(other, problem, None)
    return other, priors


def _as_detectors_see_it(interferometers: InterferometerList, priors: PriorDict) -> dict[str, Any]:
    """Return arguments of the likelihood for the detectors' frame, and change the priors; none if these do not allow it."""
    names = [interferometer.name for interferometer in interferometers]
    ra, dec, time = (priors.get(key) for key in ("ra", "dec", "geocent_time"))
    whole = type(ra) is Uniform and type(dec) is Cosine and np.isclose(ra.maximum - ra.minimum, 2 * np.pi)
    whole = whole and np.allclose((dec.minimum, dec.maximum), (-np.pi / 2, np.pi / 2))
    if len(names) < 2 or not whole or type(time) is not Uniform or time.maximum - time.minimum < _LONG_WINDOW:
        return {}
    for key in ("ra", "dec", "geocent_time"):
        del priors[key]
    priors["azimuth"] = Uniform(0, 2 * np.pi, name="azimuth", boundary="periodic")
    priors["zenith"] = Sine(name="zenith")
    priors[f"{names[0]}_time"] = Uniform(time.minimum, time.maximum, name=f"{names[0]}_time")
    return {"reference_frame": InterferometerList(list(interferometers)[:2]), "time_reference": names[0]}


def reconstructed(
    result: Result, likelihood: GravitationalWaveTransient, priors: PriorDict, npool: int, seed: int
) -> Result:
    """Return a copy of the result in which the parameters that ``likelihood`` integrates out are drawn given the others.

    Parameters
    ----------
    result
        Result of a run on ``likelihood``.
    likelihood
        The marginalised likelihood.
    priors
        Priors of the problem with all parameters.
    npool, seed
        Number of processes, and seed of the draws.
    """
    random.seed(seed)
    other = copy.copy(result)
    other.posterior = generate_posterior_samples_from_marginalized_likelihood(
        result.posterior.copy(), likelihood, npool=npool, use_cache=False
    )
    drawn = [key for key in likelihood.marginalized_parameters if key in priors]
    other.search_parameter_keys = [*result.search_parameter_keys, *drawn]
    other.fixed_parameter_keys = [key for key in result.fixed_parameter_keys if key not in drawn]
    other.priors = copied(priors)
    return other
