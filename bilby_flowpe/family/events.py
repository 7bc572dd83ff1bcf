"""Simulated events of a family, as views and coordinates: the training data of its networks.

The signal-to-noise ratio is uniform in its logarithm. The data are those of a short segment, whatever the length of the
signal, because relative to a reference wave everything that matters varies slowly with frequency.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from bilby.gw.detector import get_empty_interferometer

from ..waves.detectors import Detector
from .binned import Binned, Shares
from .bounds import Family
from .curves import Curves
from .pivot import Climb
from .posterior import Posterior
from .templates import POINTS, Templates, bodies_of
from .view import Seen, coherent_view

_DETECTORS = ("H1", "L1", "V1")
_COUNTS, _PROBABILITY = (1, 2, 3), (0.05, 0.45, 0.5)
_SPACING = 0.25
"""Step of the data's frequencies in Hz: small beside the scale on which the data vary relative to a reference wave, for
a 4 s segment."""

# Hz: the usual minimum frequency, the share of events that have it, and the range of all others
_USUAL, _USUALLY, _RANGE = 20.0, 0.6, (15.0, 40.0)
# Hz: maximum frequencies for data of 1024 to 4096 samples a second
_HIGHEST = (448.0, 512.0, 896.0, 1024.0, 1792.0, 2048.0)
_CURVES_SEED = 7  # any number: the curves that are made up are the same in all shards
TIME = np.array([1126259462.0])
"""GPS seconds of all events; any time would do, because sky positions are uniform over the sky."""


@dataclass(frozen=True)
class Noise:
    r"""Noise weights of an event on the grid of frequencies.

    Attributes
    ----------
    detectors
        Indices of the detectors among H1, L1 and V1, (D,).
    weights
        :math:`4 \Delta f / S`, zero outside the band, (D, F).
    """

    detectors: np.ndarray
    weights: np.ndarray


class Simulation:
    """Parts of a simulation that all families share: noise curves, detectors and places on the sky.

    Parameters
    ----------
    family
        Family of the events.
    rng
        Random generator.
    spacing
        Step between frequencies of the data, in Hz.

    Attributes
    ----------
    frequencies
        Frequencies of the data, in Hz, (F,).
    templates
        Object that makes waves.
    """

    def __init__(self, family: Family, rng: np.random.Generator, spacing: float) -> None:
        self.family, self._rng = family, rng
        self.frequencies = np.arange(POINTS[0], family.highest, spacing)
        self._curves = Curves(self.frequencies, np.random.default_rng(_CURVES_SEED))
        self.templates = Templates()
        self._climb = Climb(self.templates, family.along)
        self._detectors = [Detector.from_interferometer(get_empty_interferometer(name)) for name in _DETECTORS]

    def noise(self) -> Noise:
        """Draw the noise of some detectors, in a band as users choose it."""
        rng, frequencies = self._rng, self.frequencies
        detectors = np.sort(rng.choice(len(_DETECTORS), size=rng.choice(_COUNTS, p=_PROBABILITY), replace=False))
        lowest = _USUAL if rng.random() < _USUALLY else rng.uniform(*_RANGE)
        inside = (frequencies >= lowest) & (frequencies <= rng.choice(_HIGHEST))
        spacing = frequencies[1] - frequencies[0]
        return Noise(detectors, np.where(inside, 4 * spacing * np.exp(-self._curves.draw(len(detectors), rng)), 0.0))

    def place(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draw right ascension, declination and polarisation angle of a signal from anywhere, (1,) each."""
        rng = self._rng
        return rng.uniform(0, 2 * np.pi, 1), np.arcsin(rng.uniform(-1, 1, 1)), rng.uniform(0, np.pi, 1)

    def noisy(self, strains: np.ndarray, noise: Noise) -> np.ndarray | None:
        """Scale strains (D, F) to a random strength, add noise, apply the weights; ``None`` without a signal in the band."""
        found = float(np.sum(noise.weights * np.abs(strains) ** 2))
        if not found > 0:
            return None
        rng, roots = self._rng, np.sqrt(noise.weights)
        snr = np.exp(rng.uniform(*np.log(self.family.snr)))
        white = rng.standard_normal((2, *roots.shape))
        data: np.ndarray = roots * (roots * strains * snr / np.sqrt(found) + white[0] + 1j * white[1])
        return data


class Events(Simulation):
    """Simulates events of a family of aligned spins.

    Parameters
    ----------
    family, rng
        As in :class:`Simulation`.
    """

    def __init__(self, family: Family, rng: np.random.Generator) -> None:
        super().__init__(family, rng, _SPACING)
        self._shares = Shares.of(self.frequencies)
        self._posterior = Posterior(family, self.templates, self._climb)

    def __call__(self) -> list[tuple[Seen, np.ndarray]]:
        """Simulate an event: its view, and coordinates of draws of its posterior, (K, n); an empty list if that fails."""
        truth = self.family.prior.sample(1, self._rng)
        noise = self.noise()
        bodies = bodies_of(truth)
        amplitudes, phases = self.templates(bodies)
        start = self._climb.base(bodies)[0]
        binned = self._binned(noise, amplitudes[0], phases[0])
        if binned is None:
            return []
        seen = coherent_view(binned, self._climb, start, self._rng)
        coordinates = self._posterior.draws(binned, seen, truth, self._rng)
        return [] if coordinates is None else [(seen, coordinates)]

    def _binned(self, noise: Noise, amplitudes: np.ndarray, phases: np.ndarray) -> Binned | None:
        """Return data of a signal and noise relative to the signal's own wave; ``None`` without a signal in the band."""
        shape = np.interp(np.log(self.frequencies), np.log(POINTS), amplitudes)
        data = self.noisy(np.abs(self._responses(noise.detectors))[:, None] * shape, noise)
        if data is None:
            return None
        return Binned.of(
            np.stack([self._shares.summed(row) for row in data]),
            np.stack([self._shares.summed(row) for row in noise.weights]),
            phases,
        )

    def _responses(self, detectors: np.ndarray) -> np.ndarray:
        """Draw complex amplitudes in the detectors of a wave with random direction and orientation, (D,)."""
        place, cosine = self.place(), self._rng.uniform(-1, 1)
        found = []
        for index in detectors:
            plus, cross = self._detectors[index].antenna(*place, TIME)
            found.append(0.5 * (1 + cosine**2) * plus[0] + 1j * cosine * cross[0])
        return np.array(found)
