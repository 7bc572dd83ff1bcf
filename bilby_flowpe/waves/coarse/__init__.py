"""Coarse waves: each harmonic at some tens of frequencies, with summary data that take the place of the whole spectra."""
