"""Simulated events of a family whose spins have any direction: views and coordinates, some of each wave.

A wave takes as long as all else of an event: each is seen from several places in the sky, at several strengths, under several
noise curves.
"""

from __future__ import annotations

import lal
import lalsimulation
import numpy as np
from bilby.gw.detector import get_empty_interferometer

from ..names import CHIRP_MASS
from ..priors import Parameters
from ..waves.detectors import Detector
from .bounds import MASS_RATIO, Family
from .coordinates import Leading, Scales, rest_about, target
from .curves import Curves
from .events import DETECTORS, Noise, noise_of
from .orders import Gathered, view_by_orders
from .pivot import Climb
from .precessing_templates import APPROXIMANT, spins_of
from .templates import POINTS, Templates, bodies_of
from .view import Seen

_EACH = 3  # events of a wave
_AROUND, _FITTED, _DEGREE = 1.5, 24, 2  # rows that tell whether the phase can be followed
_SPACING = 0.5  # Hz: a wave takes as long as it has frequencies
_REFERENCE = 20.0  # Hz, at which spins are given
_DISTANCE = 1e25  # metres: strengths are set afterwards
_TIME = 1126259462.0  # any: sky positions are even over the sky


class PrecessingEvents:
    """Simulates events.

    Parameters
    ----------
    family
        Which.
    rng
        Generator.
    """

    def __init__(self, family: Family, rng: np.random.Generator) -> None:
        self.family, self._rng = family, rng
        self.frequencies = np.arange(POINTS[0], family.highest, _SPACING)
        self._curves = Curves(self.frequencies, np.random.default_rng(7))
        self.templates = Templates()
        self._climb = Climb(self.templates, family.along)
        self._detectors = [Detector.from_interferometer(get_empty_interferometer(name)) for name in DETECTORS]
        self._vector = lal.CreateREAL8Vector(len(self.frequencies))
        self._vector.data = self.frequencies

    def __call__(self) -> list[tuple[Seen, np.ndarray]]:
        """Views and coordinates of events that share a wave; fewer where some cannot be made."""
        truth = self.family.prior.sample(1, self._rng)
        bodies = bodies_of(truth)
        phases = self.templates(bodies)[1][0]
        start = self._climb.base(bodies)[0]
        wave = self._wave(truth)
        made = []
        for _ in range(_EACH):
            gathered = self._gathered(noise_of(self._curves, self.frequencies, self._rng), wave)
            if gathered is None:
                continue
            seen = view_by_orders(gathered, phases, self._climb, start, self._rng)
            scales = Scales.of(self.family, seen)
            leading = Leading(seen, scales, self.templates, self._climb)
            leading.fit(self._climb.bodies(rest_about(scales, _AROUND, _FITTED, self._rng)), _DEGREE)
            coordinates = target(self.family, scales, leading, truth)
            if np.all(np.isfinite(coordinates)):
                made.append((seen, coordinates))
        return made

    def _wave(self, truth: Parameters) -> np.ndarray:
        """Polarisations (2, F)."""
        one = {key: float(column[0]) for key, column in truth.items()}
        heavier = one[CHIRP_MASS] * (1 + one[MASS_RATIO]) ** 0.2 * one[MASS_RATIO] ** -0.6 * lal.MSUN_SI
        phase = self._rng.uniform(0, 2 * np.pi)
        inclination, *components = spins_of(one, heavier, phase)
        plus, cross = lalsimulation.SimInspiralChooseFDWaveformSequence(
            phase, heavier, heavier * one[MASS_RATIO], *components, _REFERENCE, _DISTANCE, inclination, lal.CreateDict(),
            lalsimulation.GetApproximantFromString(APPROXIMANT), self._vector,
        )  # fmt: skip
        return np.stack([plus.data.data, cross.data.data])

    def _gathered(self, noise: Noise, wave: np.ndarray) -> Gathered | None:
        """Data of a wave from somewhere and noise; ``None`` where nothing of it is in the band."""
        rng = self._rng
        ra, dec, psi = rng.uniform(0, 2 * np.pi, 1), np.arcsin(rng.uniform(-1, 1, 1)), rng.uniform(0, np.pi, 1)
        seen_by = [self._detectors[index] for index in noise.detectors]
        time = np.array([_TIME])
        responses = np.array([np.concatenate(one.antenna(ra, dec, psi, time)) for one in seen_by])
        delays = np.array([float(one.delay(ra, dec, time)[0]) for one in seen_by])
        strains = responses @ wave
        found = float(np.sum(noise.weights * np.abs(strains) ** 2))
        if not found > 0:
            return None
        snr = np.exp(rng.uniform(*np.log(self.family.snr)))
        roots = np.sqrt(noise.weights)
        white = rng.standard_normal((2, *roots.shape))
        data = roots * (roots * strains * snr / np.sqrt(found) + white[0] + 1j * white[1])
        inside = [weights > 0 for weights in noise.weights]
        return Gathered(
            [self.frequencies[one] for one in inside],
            [row[one] for row, one in zip(data, inside, strict=True)],
            [row[one] for row, one in zip(noise.weights, inside, strict=True)],
            list(noise.detectors),
            delays,
        )
