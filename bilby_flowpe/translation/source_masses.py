r"""Source-frame masses, drawn in the detector frame, where the distance changes only the amplitude of a wave.

With a prior of ``chirp_mass_source`` or ``mass_1_source``, the masses that a detector sees,
:math:`m = (1 + z(d)) \, m_s`, change with the distance, so that the distance cannot be drawn in closed form. At fixed
:math:`m` it can. The masses are therefore drawn in the detector frame, from a prior that covers all values that source
masses and distances allow, and each draw is weighted by

.. math:: \frac{\pi_s(m / (1 + z)) \, (1 + z)^{-n}}{\pi(m)}

for n masses. Each prior includes the share that its constraints leave.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from bilby.core.prior import PriorDict, Uniform

from ..errors import SimulationError
from ..names import DISTANCE
from ..priors import Parameters, PriorTransform, copied
from ..problem import Problem
from ..redshifts import Redshifts
from ..waves.waveforms import polarisations

SOURCE = "_source"  # suffix of Bilby's names of source-frame masses
_MASSES = ("mass_1", "mass_2", "chirp_mass", "total_mass")
# Draws at which the waveform is checked, and its largest relative difference: Bilby finds redshifts to 1e-8 by
# iteration, which changes the phase of a light binary by some 1e-5 radians.
_ROWS, _TOLERANCE = 4, 1e-4


class SourceMasses:
    """Converts masses and their density from the source frame to the detector frame, and back.

    Parameters
    ----------
    transform
        The prior, with some masses in the source frame.

    Attributes
    ----------
    keys : tuple of str
        Names of these masses.
    redshift : Redshifts
        Redshifts of luminosity distances.
    """

    def __init__(self, transform: PriorTransform) -> None:
        self.keys = source_masses(transform)
        self._asked = transform
        distance = transform.priors[DISTANCE]
        self.redshift = Redshifts(float(distance.minimum), float(distance.maximum))

    def plain_priors(self, priors: PriorDict) -> PriorDict:
        """Return ``priors`` with detector-frame masses, which cover those of the source frame at all distances."""
        plain = copied(priors)
        nearest, farthest = 1 + self.redshift(np.array(self.redshift.ends))
        for key in self.keys:
            asked, name = plain.pop(key), key.removesuffix(SOURCE)
            plain[name] = Uniform(float(asked.minimum * nearest), float(asked.maximum * farthest), name=name)
        self._plain = PriorTransform(plain)
        return plain

    def back(self, parameters: Parameters) -> Parameters:
        """Return parameters (N,) with masses in the source frame."""
        scale = 1 + self.redshift(np.asarray(parameters[DISTANCE], dtype=np.float64))
        asked = dict(parameters)
        for key in self.keys:
            asked[key] = asked.pop(key.removesuffix(SOURCE)) / scale
        return asked

    def log_ratio(self, plain: Parameters, asked: Parameters) -> np.ndarray:
        """Return the log density (N,) of the user's prior in the plain parameters, over that of the plain prior."""
        scale = 1 + self.redshift(np.asarray(plain[DISTANCE], dtype=np.float64))
        of_plain = self._plain.log_prob({key: plain[key] for key in self._plain.keys})
        of_asked = self._asked.log_prob({key: asked[key] for key in self._asked.keys})
        inside = np.isfinite(of_plain)
        log_ratio: np.ndarray = np.where(inside, of_asked - np.where(inside, of_plain, 0.0), 0.0)
        log_ratio -= len(self.keys) * np.log(scale)
        return log_ratio


def source_masses(transform: PriorTransform) -> tuple[str, ...]:
    """Return the sampled source-frame masses that can be drawn in the detector frame instead.

    There are none if the distance is fixed or follows from another parameter, if a mass has a conditional or unbounded
    prior, or if the priors name the same mass in both frames.
    """
    keys = tuple(f"{mass}{SOURCE}" for mass in _MASSES if f"{mass}{SOURCE}" in transform.keys)
    named = {*transform.keys, *transform.fixed, *transform.constraints}
    if not keys or DISTANCE not in transform.keys or any(key.removesuffix(SOURCE) in named for key in keys):
        return ()
    for key in (*keys, DISTANCE):
        prior = transform.priors[key]
        if getattr(prior, "required_variables", None) or not np.all(np.isfinite([prior.minimum, prior.maximum])):
            return ()
    # Another prior may be conditional on a mass that would be removed.
    tied = {name for prior in transform.priors.values() for name in getattr(prior, "required_variables", [])}
    return () if tied & {*keys} else keys


def can_be_drawn_in_the_detectors_frame(problem: Problem) -> bool:
    """Return whether waveforms depend on source-frame masses through redshifted ones only, tested on draws from the prior."""
    transform, generator = problem.prior, problem.likelihood.waveform_generator
    if not source_masses(transform):
        return False
    frame = SourceMasses(transform)
    draws = transform.sample(_ROWS, np.random.default_rng(20200218))
    scale = 1 + frame.redshift(draws[DISTANCE])
    for index in range(_ROWS):
        row: dict[str, Any] = {**transform.fixed, **{key: float(value[index]) for key, value in draws.items()}}
        seen = {key: value for key, value in row.items() if key not in frame.keys}
        seen |= {key.removesuffix(SOURCE): row[key] * float(scale[index]) for key in frame.keys}
        try:
            waves = [polarisations(generator, one) for one in (row, seen)]
        except SimulationError:
            return False
        if waves[0] is None or waves[1] is None or waves[0].keys() != waves[1].keys():
            return False
        top = max(float(np.max(np.abs(wave))) for wave in waves[0].values())
        if any(float(np.max(np.abs(waves[0][mode] - waves[1][mode]))) > _TOLERANCE * top for mode in waves[0]):
            return False
    return True
