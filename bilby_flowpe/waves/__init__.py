"""A signal in the detectors: waveforms, geometry, whitening, symmetries, inner products; below all that draws or learns."""
