"""A referee's road to the same posterior with fewer parameters to walk in: some integrated out, and drawn afterwards.

Bilby's own likelihood does both. Evidences stay the same, and so does the posterior, as long as the integral is that of the
waveform (:mod:`bilby_flowpe.marginalisation`).
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from pathlib import Path

from bilby.core.prior import PriorDict
from bilby.core.result import Result
from bilby.core.utils import random
from bilby.gw.conversion import generate_posterior_samples_from_marginalized_likelihood
from bilby.gw.likelihood import GravitationalWaveTransient

from ..errors import SimulationError
from ..marginalisation import check_marginalisation
from ..plain import is_plain, is_wave
from ..priors import PriorTransform, copied

_NAMES = {"phase": "phase", "distance": "luminosity_distance"}


def marginalised(
    likelihood: GravitationalWaveTransient, priors: PriorDict, kinds: Sequence[str], outdir: Path
) -> tuple[GravitationalWaveTransient, PriorDict]:
    """The same problem with parameters integrated out.

    Parameters
    ----------
    likelihood, priors
        The problem; left as they are.
    kinds
        ``"phase"``, ``"distance"`` or both.
    outdir
        For the table of the integral over distances, which takes a minute to make.

    Raises
    ------
    SimulationError
        If the likelihood is no plain one of gravitational waves, a parameter is not searched, or the integral is not that of
        its waveform.
    """
    if not (is_wave(likelihood) and is_plain(likelihood)):
        raise SimulationError(
            f"likelihood={type(likelihood).__name__}: only a plain GravitationalWaveTransient can be marginalised for a "
            "referee; take one that samples all parameters"
        )
    searched = PriorTransform(priors)
    if missing := [_NAMES[kind] for kind in kinds if _NAMES[kind] not in searched.keys]:
        raise SimulationError(f"priors do not search {missing}, which the referee integrates out: take another referee")
    outdir.mkdir(parents=True, exist_ok=True)
    # One table for each prior of the distance.
    distance = hashlib.sha256(repr(priors.get("luminosity_distance")).encode()).hexdigest()[:8]
    priors = copied(priors)
    other = GravitationalWaveTransient(
        likelihood.interferometers,
        likelihood.waveform_generator,
        priors=priors,
        distance_marginalization_lookup_table=str(outdir / f"distances_{distance}.npz"),
        **{f"{kind}_marginalization": True for kind in kinds},
    )
    priors.convert_floats_to_delta_functions()
    check_marginalisation(other, likelihood, searched, None)
    return other, priors


def reconstructed(
    result: Result, likelihood: GravitationalWaveTransient, priors: PriorDict, npool: int, seed: int
) -> Result:
    """A copy of the result with the parameters that ``likelihood`` integrates out, drawn given the others.

    Parameters
    ----------
    result
        Of a run on ``likelihood``.
    likelihood
        The marginalised one.
    priors
        Those of the problem with all parameters.
    npool, seed
        Processes and seed of the draws.
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
