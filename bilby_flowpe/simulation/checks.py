"""Conditions for simulating a gravitational-wave likelihood, and for the faster factorised path."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from bilby.gw.detector import Interferometer
from bilby.gw.detector.calibration import Recalibrate

from ..errors import DataError, SimulationError
from ..priors import PriorTransform
from ..problem import Problem
from ..waves.symmetries import EXTRINSIC, Symmetries


def check_likelihood(problem: Problem) -> None:
    """Raise an error if a problem of gravitational waves cannot be simulated or analysed.

    Raises
    ------
    SimulationError
        If the likelihood is marginalised or has another reference than sky and geocentre, or the prior of the time is
        conditional or unbounded.
    DataError
        If the strain is not finite.
    """
    likelihood, transform = problem.likelihood, problem.prior
    marginalised = list(likelihood.marginalized_parameters)
    if marginalised:
        raise SimulationError(
            f"the likelihood is marginalised over {marginalised}: give the same likelihood without marginalisation; flowpe "
            "draws these parameters itself (the phase from its exact conditional)"
        )
    for name, wanted in (("reference_frame", "sky"), ("time_reference", "geocent")):
        if (given := getattr(likelihood, name)) != wanted:
            raise SimulationError(
                f"the likelihood has {name}={given!r}: give a likelihood with {name}={wanted!r}, and priors of its parameters"
            )
    prior = transform.priors.get("geocent_time")
    if getattr(prior, "required_variables", None):
        raise SimulationError(
            "the prior of geocent_time is conditional: give it a prior that depends on no other parameter"
        )
    if prior is not None and not np.all(np.isfinite([prior.minimum, prior.maximum])):
        raise SimulationError(f"priors['geocent_time']={prior!r} has no finite range: give it a minimum and a maximum")
    for interferometer in likelihood.interferometers:
        if not np.all(np.isfinite(interferometer.frequency_domain_strain[interferometer.frequency_mask])):
            raise DataError(f"the strain of {interferometer.name} is not finite: repair or replace the data")


def factorisation_obstacle(
    transform: PriorTransform, symmetries: Symmetries, interferometers: Sequence[Interferometer]
) -> str | None:
    """Return the reason why the factorised path cannot be taken, or ``None`` if it can."""
    known = {*transform.keys, *transform.fixed}
    if not {*EXTRINSIC} <= known:
        return f"the priors lack {sorted({*EXTRINSIC} - known)}"
    if not {*EXTRINSIC} & {*transform.keys} <= {*symmetries.inert}:
        return "the waveform depends on the time, the sky position or the polarisation angle"
    if any(type(ifo.calibration_model) is not Recalibrate for ifo in interferometers):
        return "the interferometers have a calibration model"
    if not symmetries.distance:
        return "the waveform does not scale with luminosity_distance"
    return None
