"""Coarse waves: each harmonic at some tens of frequencies, with summary data that take the place of the whole spectra.

To read first: :mod:`.build`, the stages; :mod:`.coarse_waves`, waves and products from values at nodes; and
:mod:`.search`, the search for the signal.

To add a source model that gives waves at chosen frequencies, name it in :mod:`.models`: it is compared with the
user's generator before it is used.
"""
