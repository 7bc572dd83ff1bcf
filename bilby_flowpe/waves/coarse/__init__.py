"""Coarse waves: each harmonic on some tens of frequencies, with summary data that take the place of the whole spectra."""
