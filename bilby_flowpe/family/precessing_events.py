"""Simulated events of a family with spins in any direction: views and coordinates, several events for each wave.

Making a wave takes as long as everything else. Each is therefore observed from several places in the sky, at several
strengths, with several noise curves.
"""

from __future__ import annotations

import lal
import numpy as np

from ..priors import Parameters
from .bounds import Family
from .coordinates import Leading, Scales, rest_about, target
from .events import TIME, Noise, Simulation
from .orders import Gathered, view_by_orders
from .precessing_templates import polarisations
from .templates import bodies_of
from .view import Seen

_EACH = 3
"""Events made of each wave: a wave takes as long as all else, and more events of the same wave would teach little that
is new."""

# spread in standard deviations, number and polynomial degree of rows that show whether the phase can be followed
_AROUND, _FITTED, _DEGREE = 1.5, 24, 2
_SPACING = 0.5  # step of the frequencies in Hz: the time for a wave is proportional to the number of its frequencies


class PrecessingEvents(Simulation):
    """Simulates events of a family of precessing spins.

    Parameters
    ----------
    family, rng
        As in :class:`.events.Simulation`.
    """

    def __init__(self, family: Family, rng: np.random.Generator) -> None:
        super().__init__(family, rng, _SPACING)
        self._vector = lal.CreateREAL8Vector(len(self.frequencies))
        self._vector.data = self.frequencies

    def __call__(self) -> list[tuple[Seen, np.ndarray]]:
        """Simulate views and coordinates of events that share a wave; fewer if some of them fail."""
        truth = self.family.prior.sample(1, self._rng)
        bodies = bodies_of(truth)
        phases = self.templates(bodies)[1][0]
        start = self._climb.base(bodies)[0]
        wave = self._wave(truth)
        made = []
        for _ in range(_EACH):
            gathered = self._gathered(self.noise(), wave)
            if gathered is None:
                continue
            seen = view_by_orders(gathered, phases, self._climb, start, self._rng)
            scales = Scales.of(self.family, seen)
            leading = Leading(seen, scales, self._climb)
            leading.fit(self._climb.bodies(rest_about(scales, _AROUND, _FITTED, self._rng)), _DEGREE)
            coordinates = target(self.family, scales, leading, truth)
            if np.all(np.isfinite(coordinates)):
                made.append((seen, coordinates))
        return made

    def _wave(self, truth: Parameters) -> np.ndarray:
        """Return the polarisations of a wave, (2, F)."""
        row = {key: float(column[0]) for key, column in truth.items()}
        return polarisations(row, self._rng.uniform(0, 2 * np.pi), self._vector, lal.CreateDict())

    def _gathered(self, noise: Noise, wave: np.ndarray) -> Gathered | None:
        """Return data of a wave from a random direction with noise; ``None`` without a signal in the band."""
        ra, dec, psi = self.place()
        seen_by = [self._detectors[index] for index in noise.detectors]
        responses = np.array([np.concatenate(one.antenna(ra, dec, psi, TIME)) for one in seen_by])
        delays = np.array([float(one.delay(ra, dec, TIME)[0]) for one in seen_by])
        data = self.noisy(responses @ wave, noise)
        if data is None:
            return None
        inside = [weights > 0 for weights in noise.weights]
        return Gathered(
            [self.frequencies[one] for one in inside],
            [row[one] for row, one in zip(data, inside, strict=True)],
            [row[one] for row, one in zip(noise.weights, inside, strict=True)],
            list(noise.detectors),
            delays,
        )
