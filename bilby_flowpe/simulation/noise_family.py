r"""Family of noise curves around those of a likelihood, for networks that serve many noise curves.

The curves come from a folder, or are made up: the logarithm of the likelihood's curve plus a scale, a tilt, a smooth random
function and a few lines,

.. math:: \ln S(f) = \ln S_0(f) + a + b \ln(f / 100\,\mathrm{Hz}) + \sum_w c_w \cos(w\,x(f) + \delta_w) + \sum_l h_l\, e^{-(f -
    f_l)^2 / 2 s_l^2},

independently for each detector. A pool of curves is made once; every draw is one of them with a new scale and tilt.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import DataError

_POOL = 2048  # curves in the pool of each detector: more take longer to make, fewer repeat more often
_SCALE, _TILT, _SMOOTH = 0.35, 0.3, 0.25  # standard deviations: of ln S, of its slope in ln f, of the smooth function
_WAVES = 6  # cosine terms of the smooth function: the shortest has three periods over the band in ln f
_LINES = 4.0  # mean number of lines in a curve
_LINE_HEIGHT, _LINE_WIDTH = (1.0, 6.0), (0.3, 3.0)  # range of the lines' heights in ln S, and of their widths in Hz
_JITTER = 0.05  # standard deviation of the scale and the tilt of curves from files, so that no two draws are the same
_PIVOT = 100.0  # Hz: frequency at which a tilt changes nothing, in the middle of the detectors' band
_FEWEST = 2  # fewest curves of a detector in a folder: a single one is no family


class NoiseFamily:
    """Source of random noise curves, by their logarithms.

    Parameters
    ----------
    frequencies
        Frequencies in Hz, (F,).
    log_reference
        Logarithm of the likelihood's own curves in 1/Hz, (D, F).
    rng
        Generator of random numbers for the pool.
    curves
        Logarithms of known curves of each detector, (K, F) each; by default curves are made up.
    """

    def __init__(
        self,
        frequencies: np.ndarray,
        log_reference: np.ndarray,
        rng: np.random.Generator,
        curves: Sequence[np.ndarray] | None = None,
    ) -> None:
        self._log_frequency = np.log(np.maximum(frequencies, 1.0) / _PIVOT).astype(np.float32)
        if curves is None:
            self._spread = (_SCALE, _TILT)
            pools = [reference + made_up(frequencies, rng) for reference in log_reference]
        else:
            self._spread = (_JITTER, _JITTER)
            pools = list(curves)
        self._pools = [np.asarray(pool, dtype=np.float32) for pool in pools]

    def draw(self, size: int, rng: np.random.Generator) -> np.ndarray:
        """Draw logarithms of curves, (N, D, F) float32."""
        drawn = []
        for pool in self._pools:
            scale, tilt = (rng.normal(0, spread, (size, 1)).astype(np.float32) for spread in self._spread)
            drawn.append(pool[rng.integers(len(pool), size=size)] + scale + tilt * self._log_frequency)
        return np.stack(drawn, axis=1)


def made_up(frequencies: np.ndarray, rng: np.random.Generator, pool: int = _POOL) -> np.ndarray:
    """Draw smooth functions with lines, (pool, F)."""
    place = np.log(np.maximum(frequencies, 1.0))
    place = np.pi * (place - place.min()) / max(float(np.ptp(place)), 1e-9)
    made = np.zeros((pool, len(frequencies)))
    for wave in range(1, _WAVES + 1):
        height = rng.normal(0, _SMOOTH * (2 / _WAVES) ** 0.5, (pool, 1))
        made += height * np.cos(wave * place + rng.uniform(0, 2 * np.pi, (pool, 1)))
    for row, lines in enumerate(rng.poisson(_LINES, pool)):
        for _ in range(lines):
            centre = np.exp(rng.uniform(np.log(frequencies[0]), np.log(frequencies[-1])))
            near = np.exp(-0.5 * ((frequencies - centre) / rng.uniform(*_LINE_WIDTH)) ** 2)
            made[row] += rng.uniform(*_LINE_HEIGHT) * near
    return made


def read_curves(folder: str | Path, detectors: Sequence[str], frequencies: np.ndarray) -> list[np.ndarray]:
    """Read the logarithms of noise curves ``*H1*.txt`` and so on in a folder, (K, F) for each detector.

    Parameters
    ----------
    folder
        Files of two columns, frequency in Hz and power spectral density in 1/Hz.
    detectors
        Names of the detectors.
    frequencies
        Frequencies in Hz, (F,).

    Raises
    ------
    DataError
        If a detector has fewer than two curves, or a curve is not positive over these frequencies.
    """
    curves = []
    for detector in detectors:
        files = sorted(Path(folder).glob(f"*{detector}*.txt"))
        if len(files) < _FEWEST:
            raise DataError(
                f"the folder psd={str(folder)!r} has {len(files)} noise curves *{detector}*.txt: give at least {_FEWEST}, or "
                "psd='amortised' for a family of made-up curves"
            )
        curves.append(np.stack([_read(path, frequencies) for path in files]))
    return curves


def _read(path: Path, frequencies: np.ndarray) -> np.ndarray:
    try:
        known, values = np.loadtxt(path, unpack=True)
    except (ValueError, OSError) as error:
        raise DataError(
            f"{path} is not a noise curve of two columns ({error}): give frequencies in Hz and power spectral density in 1/Hz"
        ) from error
    if known.min() > frequencies[0] or known.max() < frequencies[-1] - 1:
        raise DataError(
            f"the noise curve {path} covers {known.min():g} to {known.max():g} Hz, but the data {frequencies[0]:g} to "
            f"{frequencies[-1]:g} Hz: give a curve that covers the data"
        )
    rising = np.argsort(known)
    curve = np.interp(frequencies, known[rising], values[rising])
    if not (np.all(np.isfinite(curve)) and np.all(curve > 0)):
        raise DataError(
            f"the noise curve {path} is not positive and finite between {frequencies[0]:g} and {frequencies[-1]:g} Hz: "
            "repair or remove it"
        )
    return np.log(curve)
