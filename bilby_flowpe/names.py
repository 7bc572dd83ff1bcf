"""Bilby's names of the parameters of a compact binary, in one place."""

from __future__ import annotations

TIME = "geocent_time"
RA, DEC, PSI = "ra", "dec", "psi"
PLACE = (RA, DEC, PSI)
"""Right ascension, declination and polarisation angle."""

SKY = (RA, DEC)
DISTANCE = "luminosity_distance"
CHIRP_MASS = "chirp_mass"
INCLINATION = "theta_jn"
PHASE = "phase"
TIME_JITTER = "time_jitter"
"""Shift of the grid of times in a likelihood that averages over the time, in seconds."""
