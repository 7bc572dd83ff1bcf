"""Redshifts of luminosity distances by a spline, because Bilby's own conversion takes two milliseconds each."""

from __future__ import annotations

import numpy as np
from bilby.gw.conversion import luminosity_distance_to_redshift
from scipy.interpolate import CubicSpline

# Number of nodes over the distances: a cubic spline in the logarithms then has a relative error of 1e-10.
_NODES = 400
# Smallest distance of the spline as a fraction of the largest, for priors that begin at zero.
_NEAREST = 1e-6


class Redshifts:
    """Redshift as a function of the luminosity distance, in Bilby's default cosmology.

    Parameters
    ----------
    nearest, farthest
        Smallest and largest distance in Mpc.
    """

    def __init__(self, nearest: float, farthest: float) -> None:
        self.ends = max(nearest, _NEAREST * farthest), farthest
        nodes = np.geomspace(*self.ends, _NODES)
        redshifts = np.asarray(luminosity_distance_to_redshift(nodes), dtype=np.float64)
        self._spline = CubicSpline(np.log(nodes), np.log(redshifts))

    def __call__(self, distance: np.ndarray) -> np.ndarray:
        """Return the redshifts at distances in Mpc, (N,); outside the range that of the nearer end."""
        return np.exp(self._spline(np.log(np.clip(distance, *self.ends))))
