"""Signals in the detectors: waveforms, geometry, whitening, symmetries and inner products.

Read first :mod:`.waveforms` (how a waveform generator is called), :mod:`.inner_products` (a signal's inner products with the
data) and :mod:`.symmetries` (which parameters change a wave by algebra alone). Nothing here draws parameters or learns.
"""
