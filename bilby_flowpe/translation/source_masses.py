r"""Draw masses of the source's frame in the detectors' frame, where the distance changes nothing but the amplitude of a wave.

A prior of ``chirp_mass_source`` or ``mass_1_source`` makes the masses that a detector sees, :math:`m = (1 + z(d)) \, m_s`, move
with the distance, so that the distance cannot be drawn in closed form. At fixed :math:`m` it can. So the masses are drawn in
the detectors' frame, from a prior that covers all that source masses and distances allow, and each draw is weighted by

.. math:: \frac{\pi_s(m / (1 + z)) \, (1 + z)^{-n}}{\pi(m)}

for n masses, a constraint's share of either prior included.
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

SOURCE = "_source"  # how Bilby's names of masses in the source's frame end
_MASSES = ("mass_1", "mass_2", "chirp_mass", "total_mass")
# Draws at which the waveform is tried, and how far it may be off: Bilby finds redshifts to 1e-8 by iteration, which turns the
# phase of a light binary by some 1e-5.
_ROWS, _TOLERANCE = 4, 1e-4


class SourceMasses:
    """Turns masses and their density from the source's frame into that of the detectors, and back.

    Parameters
    ----------
    transform
        The prior, some masses of which are in the source's frame.

    Attributes
    ----------
    keys : tuple of str
        These masses.
    redshift : Redshifts
        Of luminosity distances.
    """

    def __init__(self, transform: PriorTransform) -> None:
        self.keys = source_masses(transform)
        self._asked = transform
        distance = transform.priors[DISTANCE]
        self.redshift = Redshifts(float(distance.minimum), float(distance.maximum))

    def plain_priors(self, priors: PriorDict) -> PriorDict:
        """``priors`` with masses in the detectors' frame, which cover those of the source's frame at all distances."""
        plain = copied(priors)
        nearest, farthest = 1 + self.redshift(np.array(self.redshift.ends))
        for key in self.keys:
            asked, name = plain.pop(key), key.removesuffix(SOURCE)
            plain[name] = Uniform(float(asked.minimum * nearest), float(asked.maximum * farthest), name=name)
        self._plain = PriorTransform(plain)
        return plain

    def back(self, parameters: Parameters) -> Parameters:
        """Parameters (N,) with masses in the source's frame."""
        scale = 1 + self.redshift(np.asarray(parameters[DISTANCE], dtype=np.float64))
        asked = dict(parameters)
        for key in self.keys:
            asked[key] = asked.pop(key.removesuffix(SOURCE)) / scale
        return asked

    def log_ratio(self, plain: Parameters, asked: Parameters) -> np.ndarray:
        """Log density (N,) that the prior asked for has in the plain parameters, over that of the plain prior."""
        scale = 1 + self.redshift(np.asarray(plain[DISTANCE], dtype=np.float64))
        of_plain = self._plain.log_prob({key: plain[key] for key in self._plain.keys})
        of_asked = self._asked.log_prob({key: asked[key] for key in self._asked.keys})
        inside = np.isfinite(of_plain)
        log_ratio: np.ndarray = np.where(inside, of_asked - np.where(inside, of_plain, 0.0), 0.0)
        log_ratio -= len(self.keys) * np.log(scale)
        return log_ratio


def source_masses(transform: PriorTransform) -> tuple[str, ...]:
    """Return the searched masses in the source's frame that can be drawn in the detectors' frame instead.

    There are none where the distance is fixed or another parameter gives it, where a mass has a conditional or unbounded prior,
    and where the priors name the same mass in both frames.
    """
    keys = tuple(f"{mass}{SOURCE}" for mass in _MASSES if f"{mass}{SOURCE}" in transform.keys)
    named = {*transform.keys, *transform.fixed, *transform.constraints}
    if not keys or DISTANCE not in transform.keys or any(key.removesuffix(SOURCE) in named for key in keys):
        return ()
    for key in (*keys, DISTANCE):
        prior = transform.priors[key]
        if getattr(prior, "required_variables", None) or not np.all(np.isfinite([prior.minimum, prior.maximum])):
            return ()
    # Another prior may be conditional on what would be gone.
    tied = {name for prior in transform.priors.values() for name in getattr(prior, "required_variables", [])}
    return () if tied & {*keys} else keys


def can_be_drawn_in_the_detectors_frame(problem: Problem) -> bool:
    """Whether the waveform of masses in the source's frame is that of the redshifted masses, tried on draws from the prior."""
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
