"""Noise that is not Gaussian, or of a curve that is not known exactly: likelihoods of transients for any sampler of Bilby's.

They are subclasses of Bilby's ``GravitationalWaveTransient``. flowpe draws for them with the Gaussian likelihood of the same
data, its closed forms and coarse waves, and weighs every draw by them.
"""

from .comparing import compare
from .curves import ScaledNoiseTransient, notched, scaled
from .models import EstimatedCurveTransient, HyperbolicTransient, StudentTTransient, UncertainScaleTransient
from .transient import NoiseModelTransient

__all__ = [
    "EstimatedCurveTransient",
    "HyperbolicTransient",
    "NoiseModelTransient",
    "ScaledNoiseTransient",
    "StudentTTransient",
    "UncertainScaleTransient",
    "compare",
    "notched",
    "scaled",
]
