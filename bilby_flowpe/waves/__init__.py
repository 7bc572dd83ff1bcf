"""Signals in the detectors: waveforms, geometry, whitening, symmetries and inner products.

Read first :mod:`.waveforms` (how a waveform generator is called), :mod:`.inner_products` (a signal's inner products with the
data) and :mod:`.symmetries` (which parameters change a wave by algebra alone). Nothing here draws parameters or learns.

To read first: :mod:`.waveforms`, how a waveform generator is called; :mod:`.symmetries`, what parameters do to a
wave, found by trying; and :mod:`.inner_products`, products with the data by the user's own likelihood.

To add a symmetry, try it in :mod:`.turns` on the user's generator before it is relied on, and say what the wave
becomes in :mod:`.extrinsic`.
"""
