r"""Templates for a search: non-precessing waves seen face on, on all frequencies, from a few of them.

Seen face on, a non-precessing wave is one term whose amplitude and phase are smooth, whatever the masses: both are splines in
the logarithm of the frequency, through some tens of points. The phase is the integral of the group delay, as for the reference
(:mod:`.reference`). This takes no reference wave, serves the whole prior, and is good to a few per cent of a radian.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from bilby.gw import source
from bilby.gw.waveform_generator import WaveformGenerator
from scipy.interpolate import CubicSpline

from ...errors import SimulationError
from ...names import PHASE
from ...processes.parallel import Row
from .models import MODES, ByFrequency, Model, sequence_of
from .reference import STEP, face_on
from .splines import Spline
from .terms import ByModes, Terms

_POINTS = 72  # frequencies: six hundredths apart in ln f from 20 to 1500 Hz, where a ringdown is twice as wide
_APPROXIMANT = "IMRPhenomXAS"  # where waves have several modes or are dear: the (2, 2) mode of any binary is like it
_SPINS = ("a_1", "a_2", "tilt_1", "tilt_2", "phi_12", "phi_jl")


class Templates:
    """Makes templates of many rows.

    Parameters
    ----------
    generator
        The user's.
    terms
        What makes coarse waves of it.
    frequencies
        Those at which templates are wanted, in Hz, (F,).
    tried
        A row at which another approximant is tried in place of waves on all frequencies.
    """

    def __init__(self, generator: WaveformGenerator, terms: Terms, frequencies: np.ndarray, tried: Row) -> None:
        self._frequencies = frequencies
        self._model = _model_of(generator, terms, tried)
        if not self._model.on_bins:
            points = np.geomspace(frequencies[0], frequencies[-1], _POINTS)
            self._pairs = np.stack([points, points + STEP], axis=1).ravel()
            self._points, self._steps = points, np.diff(self._pairs)[::2]
            self._spline = Spline(np.log(points))
            # The last point may be a rounding error beyond the last frequency.
            self._places = np.minimum(np.log(frequencies), np.log(points[-1]))
            self._integrate = CubicSpline(np.log(points), np.eye(_POINTS)).antiderivative()(np.log(points))

    @property
    def words(self) -> str:
        """What makes the templates."""
        return self._model.words

    @property
    def dear(self) -> bool:
        """Whether a template is a wave on all frequencies."""
        return self._model.on_bins

    def __call__(self, rows: Sequence[Row]) -> np.ndarray:
        """Templates (N, F), complex64 and of any amplitude; zero where a row has no wave."""
        if self._model.on_bins:
            waves = [self._wave(row, self._frequencies) for row in rows]
            whole = np.array(waves)
            largest = np.abs(whole).max(axis=1, keepdims=True)
            return (whole / np.where(largest > 0, largest, 1)).astype(np.complex64)
        amplitudes, phases = self.smooth(rows)
        found = np.empty((len(rows), len(self._frequencies)), dtype=np.complex64)
        # Whole turns go before single precision comes.
        angles = (phases % (2 * np.pi)).astype(np.float32)
        np.cos(angles, out=found.real)
        np.sin(angles, out=found.imag)
        found *= amplitudes.astype(np.float32)
        return found

    def smooth(self, rows: Sequence[Row]) -> tuple[np.ndarray, np.ndarray]:
        """Amplitudes, one at the largest, and phases in radians, without jumps and up to a constant, (N, F) each.

        Not where a template is a wave on all frequencies (:attr:`dear`).
        """
        pairs = np.array([self._wave(row, self._pairs) for row in rows]).reshape(len(rows), _POINTS, 2)
        slopes = np.angle(pairs[..., 1] * pairs[..., 0].conj()) / self._steps
        amplitudes = np.abs(pairs[..., 0])
        largest = amplitudes.max(axis=1, keepdims=True)
        amplitudes = amplitudes / np.where(largest > 0, largest, 1)
        phases = (slopes * self._points) @ self._integrate.T
        both = self._spline.at(self._places, np.concatenate([amplitudes, phases]))
        return both[: len(rows)], both[len(rows) :]

    def _wave(self, row: Row, frequencies: np.ndarray) -> np.ndarray:
        """The louder polarisation of the wave, (F,); zeros where there is none."""
        try:
            wave = self._model({**face_on(self._model.parameters(row)), PHASE: 0.0}, frequencies)
        except SimulationError:
            # The row itself, with its own spins, may well have one: it is not for a search to say.
            wave = None
        if wave is None or not np.all(np.isfinite(wave)):
            return np.zeros(len(frequencies), dtype=np.complex128)
        return wave[0] if np.any(wave[0]) else wave[1]


def _model_of(generator: WaveformGenerator, terms: Terms, tried: Row) -> Model:
    """The source model for templates: with the modes of ``|m| = 2`` alone, and fast where that is possible."""
    model = terms.model
    if isinstance(terms, ByModes) and isinstance(model, ByFrequency):
        kept = [group for order, group in zip(terms.orders, terms.groups, strict=True) if abs(order) == 2]
        if kept:
            return _usual(generator, tried) or _with_modes(model, kept[0])
    if model.on_bins:
        return _usual(generator, tried) or model
    return model


def _with_modes(model: ByFrequency, modes: Sequence[tuple[int, int]]) -> ByFrequency:
    arguments = {**model.arguments, MODES: [list(mode) for mode in modes]}
    return ByFrequency(model.words, model.model, model.conversion, model.keys, arguments, model.ends)


def _usual(generator: WaveformGenerator, tried: Row) -> ByFrequency | None:
    """The usual waves of a binary black hole, where the generator's parameters are those of one."""
    model = sequence_of(generator, source.lal_binary_black_hole, _APPROXIMANT)
    kept = ("waveform_approximant", "reference_frequency", "catch_waveform_errors")
    model.arguments = {key: value for key, value in model.arguments.items() if key in kept}
    parameters = model.parameters(tried)
    if not {"mass_1", "mass_2", "luminosity_distance", "theta_jn"} <= {*parameters}:
        return None
    model.arguments |= {key: 0.0 for key in _SPINS if key not in parameters}
    wave = model(face_on({**parameters, PHASE: 0.0}), np.array([30.0, 60.0]))
    return model if wave is not None and np.all(np.isfinite(wave)) else None
