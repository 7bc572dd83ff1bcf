r"""Phase of a reference wave, which is subtracted from every term so that the rest is smooth in frequency.

The reference is the non-precessing wave of one row of parameters, seen face on: its spins are made parallel to the orbital
angular momentum. Its phase :math:`\Psi(f)` is that of the term with :math:`|m| = 2`; a term of order m, whose frequency at
any moment is :math:`|m| / 2` times that of the :math:`|m| = 2` term, then has nearly the phase
:math:`|m| / 2 \; \Psi(2 f / |m|)`. Only the phase is divided out: a reference amplitude may vanish where other waves do not.

The phase is the integral of its derivative, the group delay, which is measured at pairs of frequencies (:mod:`.pairs`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.interpolate import CubicSpline

from ...processes.parallel import Row
from .models import Parameters
from .pairs import FrequencyPairs
from .terms import Terms

# Nodes, evenly spaced in ln f, of the spline through the group delay, which is made once for each reference
_POINTS = 1500
# Amplitude f |h|, relative to the loudest, below which the phase of a wave that is read is only rounding or windowing.
_FAINT = 1e-4
_INCLINED = {"theta_jn": 1.0, "iota": 1.0, "cos_theta_jn": 0.54}  # radians, radians, cosine: no special angle
_AFTER = 0.1  # fraction of the data's duration that a signal may last after its merger; ringdowns are much shorter
_NEWTONIAN = -8 / 3  # power of the frequency to which the group delay of an inspiral is proportional at leading order


class ReferencePhase:
    r"""A smooth phase as a function of frequency, continued beyond the frequencies at which it was measured.

    Parameters
    ----------
    frequencies
        Increasing frequencies in Hz, (F,).
    slopes
        Derivative of the phase at these frequencies, in radians per Hz, (F,).
    """

    def __init__(self, frequencies: np.ndarray, slopes: np.ndarray) -> None:
        self._lowest, self._highest = float(frequencies[0]), float(frequencies[-1])
        self._first, self._last = float(slopes[0]), float(slopes[-1])
        # In the logarithm of the frequency an inspiral is smooth on one scale.
        self._integral = CubicSpline(np.log(frequencies), slopes * frequencies).antiderivative()

    def __call__(self, frequencies: np.ndarray) -> np.ndarray:
        """Return the phase in radians at frequencies in Hz."""
        within = np.clip(frequencies, self._lowest, self._highest)
        below, above = np.minimum(frequencies / self._lowest, 1.0), np.maximum(frequencies - self._highest, 0.0)
        power = _NEWTONIAN + 1
        # Continued below as an inspiral, above with a constant delay.
        before = self._first * self._lowest * (below**power - 1) / power
        phase: np.ndarray = self._integral(np.log(within)) + before + self._last * above
        return phase

    def of_order(self, order: int, frequencies: np.ndarray) -> np.ndarray:
        """Return the phase of a term of this order; order zero stands for a wave as a whole."""
        ratio = abs(order) / 2 if order else 1.0
        return ratio * self(frequencies / ratio)


def face_on(parameters: Parameters) -> Parameters:
    """Return the arguments of the non-precessing wave seen face on, with spins replaced by their components along the orbit."""
    changed: dict[str, Any] = dict(parameters)
    for number in ("1", "2"):
        cosine = _cosine(parameters, number)
        if cosine is None or f"a_{number}" not in parameters:
            continue
        changed[f"a_{number}"] = abs(parameters[f"a_{number}"] * cosine)
        for key, value in ((f"tilt_{number}", 0.0 if cosine >= 0 else np.pi), (f"cos_tilt_{number}", np.sign(cosine))):
            if key in parameters:
                changed[key] = float(value)
    for key in ("theta_jn", "phi_12", "phi_jl", "iota"):
        if key in parameters:
            changed[key] = 0.0
    if "cos_theta_jn" in parameters:
        changed["cos_theta_jn"] = 1.0
    return changed


def _cosine(parameters: Parameters, number: str) -> float | None:
    if f"tilt_{number}" in parameters:
        return float(np.cos(parameters[f"tilt_{number}"]))
    return parameters.get(f"cos_tilt_{number}")


def reference_phase(terms: Terms, row: Row, band: tuple[float, float], duration: float) -> ReferencePhase | None:
    """Return the phase of a row's reference wave, or ``None`` where there is no wave.

    Parameters
    ----------
    terms
        Computes the terms of waves.
    row
        All parameters of the reference.
    band
        Lowest and highest frequency of the terms, in Hz.
    duration
        Duration of the data in seconds, for waves that are only known on the data's frequencies.
    """
    ratios = [abs(order) / 2 if order else 1.0 for order in terms.orders]
    # The term of |m| = 2, or the one that is nearest to it.
    chosen = int(np.argmin(np.abs(np.array(ratios) - 1)))
    parameters = face_on(terms.model.parameters(row))
    if ratios[chosen] != 1.0:
        # Face on, only terms of |m| = 2 are not zero.
        parameters |= {key: value for key, value in _INCLINED.items() if key in parameters}
    if terms.model.on_bins:
        bins = np.arange(int(np.ceil(band[0] * duration)), int(np.floor(band[1] * duration)) + 1)
        found = _read(terms, parameters, bins / duration, chosen, duration)
    else:
        ends = band[0] / max(*ratios, 1.0), band[1] / min(*ratios, 1.0)
        found = _measured(terms, parameters, np.geomspace(*ends, _POINTS), chosen)
    if found is None:
        return None
    frequencies, slopes = found
    return ReferencePhase(frequencies / ratios[chosen], slopes)


def _measured(
    terms: Terms, parameters: Parameters, frequencies: np.ndarray, chosen: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return frequencies, and slopes of the phase from small frequency steps."""
    pairs = FrequencyPairs(frequencies)
    waves = terms(parameters, pairs.both)
    if waves is None:
        return None
    wave = waves[chosen][int(np.argmax(np.sum(np.abs(waves[chosen]) ** 2, axis=1)))]
    products = pairs.products(wave)
    kept = _whole_part(np.isfinite(products) & (np.abs(products) > 0))
    return None if kept is None else (frequencies[kept], pairs.slopes(wave)[kept])


def _read(
    terms: Terms, parameters: Parameters, frequencies: np.ndarray, chosen: int, duration: float
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return frequencies, and slopes of the phase from the differences between the data's frequencies."""
    waves = terms(parameters, frequencies)
    if waves is None:
        return None
    wave = waves[chosen][int(np.argmax(np.sum(np.abs(waves[chosen]) ** 2, axis=1)))]
    loud = np.abs(wave) * frequencies
    kept = _whole_part(np.isfinite(wave) & (loud > _FAINT * np.max(loud[np.isfinite(loud)], initial=0.0)))
    if kept is None:
        return None
    # A signal comes up to the duration before its merger, and little after it.
    product = wave[kept][1:] * wave[kept][:-1].conj() * np.exp(-1j * np.pi * (1 - 2 * _AFTER))
    slopes = (np.angle(product) + np.pi * (1 - 2 * _AFTER)) * duration
    return 0.5 * (frequencies[kept][1:] + frequencies[kept][:-1]), slopes


def _whole_part(good: np.ndarray) -> slice[int, int, None] | None:
    """Return the longest stretch of good values, if it has at least eight."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], good.astype(int), [0]])))
    if not len(edges):
        return None
    starts, ends = edges[::2], edges[1::2]
    longest = int(np.argmax(ends - starts))
    return slice(int(starts[longest]), int(ends[longest])) if ends[longest] - starts[longest] >= 8 else None
