"""Noise curves for training networks of families: published ones, from the first runs to design, and changes of these."""

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
"""Number of random changes of curves that are made in advance and chosen from: more would need more memory and time."""

# standard deviations of ln S, about 40% of S, and of its slope in ln f
_SCALE, _TILT = 0.35, 0.3
_PIVOT = 100.0  # frequency in Hz at which a tilt changes nothing
_STEP = 0.25  # step in Hz of the grid on which analytical curves are computed
_HARDLY = 60.0  # difference of ln S from its minimum beyond which frequencies count as without sensitivity


def published(name: str, frequencies: np.ndarray) -> np.ndarray:
    """Return the log of a published noise curve, (F,), from a file of Bilby or a function of LALSimulation.

    Parameters
    ----------
    name
        Name of the file without its ending, or of the function.
    frequencies
        Frequencies in Hz, (F,).
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
    """Return logs of the training curves, or of those held out, (K, F), on evenly spaced frequencies."""
    names = _HELD_OUT if held_out else (*_BILBY, *_LALSIMULATION)
    return _curves(names, float(frequencies[0]), float(frequencies[-1]), len(frequencies))


class Curves:
    """Draws noise curves: a published one, plus a scale, a tilt, a smooth random function and lines.

    Parameters
    ----------
    frequencies
        Frequencies in Hz, evenly spaced, (F,).
    rng
        Random generator of the changes.
    """

    def __init__(self, frequencies: np.ndarray, rng: np.random.Generator) -> None:
        self._published = all_published(frequencies, held_out=False)
        self._made_up = made_up(frequencies, rng, _POOL).astype(np.float32)
        self._tilts = np.log(frequencies / _PIVOT)

    def draw(self, size: int, rng: np.random.Generator) -> np.ndarray:
        """Draw logs of noise curves, (size, F)."""
        curves = self._published[rng.integers(len(self._published), size=size)]
        # One in four is a published curve, up to its scale; all others have a tilt, bumps and lines.
        changed = rng.random((size, 1)) < 0.75
        curves = curves + np.where(changed, self._made_up[rng.integers(_POOL, size=size)], 0.0)
        scale, tilt = rng.normal(0, _SCALE, (size, 1)), rng.normal(0, _TILT, (size, 1))
        curves = curves + scale + np.where(changed, tilt, 0.0) * self._tilts
        return np.minimum(curves, curves.min(axis=1, keepdims=True) + _HARDLY)
