"""Redshifts of luminosity distances from a spline: Bilby's own conversion takes two milliseconds each."""

from __future__ import annotations

import numpy as np
from bilby.gw.conversion import luminosity_distance_to_redshift
from scipy.interpolate import CubicSpline

_NODES = 400  # over the distances: a cubic spline in the logarithms is then good to 1e-10
_NEAREST = 1e-6  # of the largest distance, for priors that begin at zero


class Redshifts:
    """Redshift as a function of the luminosity distance, in Bilby's default cosmology, as its conversions have it.

    Parameters
    ----------
    nearest, farthest
        Distances in Mpc between which it is wanted.
    """

    def __init__(self, nearest: float, farthest: float) -> None:
        self.ends = max(nearest, _NEAREST * farthest), farthest
        nodes = np.geomspace(*self.ends, _NODES)
        redshifts = np.asarray(luminosity_distance_to_redshift(nodes), dtype=np.float64)
        self._spline = CubicSpline(np.log(nodes), np.log(redshifts))

    def __call__(self, distance: np.ndarray) -> np.ndarray:
        """Redshift at distances in Mpc, (N,); beyond an end, of that end."""
        return np.exp(self._spline(np.log(np.clip(distance, *self.ends))))
