"""Noise that is not Gaussian, or whose curve is not known exactly: likelihoods of transients for any of Bilby's samplers.

They are subclasses of Bilby's ``GravitationalWaveTransient``. flowpe draws with the Gaussian likelihood of the same data, its
closed forms and coarse waves, and weights every draw by the likelihood of the noise model.

Read first :mod:`.transient` (:class:`.transient.NoiseModelTransient`, the base class of all noise models), :mod:`.densities`
(the density of one frequency bin for each kind of noise) and :mod:`.comparing` (a result under several noise models). To add
one: write its density as a class with the methods of :class:`.densities.Density`, a likelihood of it as
:class:`.models.StudentTTransient` is one, and name it in :func:`.choices.noise_models` if it is to be compared by default.
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
