"""Noise curves that networks of a family are trained on: published ones of the first runs to design, and changes of these."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import bilby.gw.detector
import numpy as np
import pycbc.psd.analytical

from ..simulation.noise_family import made_up

_BILBY = (
    *("aLIGO_early_asd", "aLIGO_early_high_asd", "aLIGO_late_asd", "aLIGO_ZERO_DET_high_P_asd", "aLIGO_O4_high_asd"),
    *("AdV_asd", "Aplus_asd", "KAGRA_design_asd"),
)
_LALSIMULATION = (
    *("aLIGOaLIGO140MpcT1800545", "aLIGOaLIGOO3LowT1800545", "aLIGOaLIGODesignSensitivityT1800044"),
    *("aLIGOEarlyLowSensitivityP1200087", "aLIGOLateLowSensitivityP1200087", "aLIGONoSRMHighPower", "aLIGOBHBH20Deg"),
    *(
        "aLIGOAdVO3LowT1800545",
        "AdVEarlyHighSensitivityP1200087",
        "AdVMidHighSensitivityP1200087",
        "AdVLateLowSensitivityP1200087",
    ),
)
_HELD_OUT = ("aLIGO_mid_asd", "aLIGO175MpcT1800545", "aLIGOAdVO4T1800545", "AdVDesignSensitivityP1200087")
_POOL = 1024
_SCALE, _TILT = 0.35, 0.3  # standard deviations: of ln S, of its slope in ln f
_PIVOT = 100.0  # Hz, about which a tilt turns
_STEP = 0.25  # Hz, of the grid on which analytical curves are made
_HARDLY = 60.0  # in ln S above the least: no less sensitive is told from none


def published(name: str, frequencies: np.ndarray) -> np.ndarray:
    """Logarithm of a published noise curve, (F,): a file of Bilby's, or a function of LALSimulation's.

    Parameters
    ----------
    name
        Of the file without its ending, or of the function.
    frequencies
        In Hz, (F,).
    """
    path = Path(bilby.gw.detector.__file__).parent / "noise_curves" / f"{name}.txt"
    if path.is_file():
        known, asd = np.loadtxt(path, unpack=True)
        return 2 * np.interp(np.log(frequencies), np.log(known), np.log(asd))
    length = int(frequencies[-1] / _STEP) + 8
    series = pycbc.psd.analytical.from_string(name, length, _STEP, 10.0)
    known, values = series.sample_frequencies.numpy(), series.numpy()
    there = values > 0
    return np.interp(np.log(frequencies), np.log(known[there]), np.log(values[there]))


@lru_cache(maxsize=4)
def _curves(names: tuple[str, ...], first: float, last: float, size: int) -> np.ndarray:
    return np.stack([published(name, np.linspace(first, last, size)) for name in names])


def all_published(frequencies: np.ndarray, held_out: bool) -> np.ndarray:
    """Logarithms of the curves that networks are trained on, or of those held out, (K, F), on evenly spaced frequencies."""
    names = _HELD_OUT if held_out else (*_BILBY, *_LALSIMULATION)
    return _curves(names, float(frequencies[0]), float(frequencies[-1]), len(frequencies))


class Curves:
    """Draws noise curves: a published one, plus a scale, a tilt, a smooth random function and lines.

    Parameters
    ----------
    frequencies
        In Hz, evenly spaced, (F,).
    rng
        Of what is made up.
    """

    def __init__(self, frequencies: np.ndarray, rng: np.random.Generator) -> None:
        self._published = all_published(frequencies, held_out=False)
        self._made_up = made_up(frequencies, rng, _POOL).astype(np.float32)
        self._tilts = np.log(frequencies / _PIVOT)

    def draw(self, size: int, rng: np.random.Generator) -> np.ndarray:
        """Logarithms of curves, (size, F)."""
        curves = self._published[rng.integers(len(self._published), size=size)]
        # One in four is as published: lines and bumps are in all others.
        changed = rng.random((size, 1)) < 0.75
        curves = curves + np.where(changed, self._made_up[rng.integers(_POOL, size=size)], 0.0)
        scale, tilt = rng.normal(0, _SCALE, (size, 1)), rng.normal(0, _TILT, (size, 1))
        curves = curves + scale + np.where(changed, tilt, 0.0) * self._tilts
        return np.minimum(curves, curves.min(axis=1, keepdims=True) + _HARDLY)
