"""Signals in the detectors: waveforms, geometry, whitening, symmetries and inner products.

Nothing here draws parameters or learns.

To read first: :mod:`.waveforms`, how a waveform generator is called; :mod:`.symmetries`, which parameters change a wave by
algebra alone, found by trying; and :mod:`.inner_products`, a signal's products with the data by the user's own likelihood.

To add a symmetry, try it in :mod:`.turns` on the user's generator before it is relied on, and say what the wave
becomes in :mod:`.extrinsic`.
"""
