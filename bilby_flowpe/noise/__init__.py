"""Noise that is not Gaussian, or whose curve is not known exactly: likelihoods of transients for any of Bilby's samplers.

They are subclasses of Bilby's ``GravitationalWaveTransient``. flowpe draws with the Gaussian likelihood of the same data, its
closed forms and coarse waves, and weights every draw by the likelihood of the noise model.

Read first :mod:`.transient` (:class:`.transient.NoiseModelTransient`, the base class of all noise models), :mod:`.densities`
(the density of one frequency bin for each kind of noise) and :mod:`.comparing` (a result under several noise models).

To add a noise model:

1. In :mod:`.densities`, write a frozen dataclass with the methods of :class:`.densities.Density`, which refuses bad values in
   ``__post_init__``.
2. In :mod:`.models`, derive the likelihood from ``_EachBin``, as :class:`.models.StudentTTransient`, and decorate it with
   ``takes_options_of``: otherwise bilby_pipe drops its options without a word. If the bins are not independent, derive it from
   :class:`.transient.NoiseModelTransient`, and write ``log_density``, ``equivalent`` and ``slope``.
3. Export it here; a test then asks for its place in the documentation.
4. For ``flowpe noise``, add it to ``_of_data`` in :mod:`.choices`, with a default for every argument.
5. Tests: ``DENSITIES``, limits and refusals in ``tests/noise/test_densities.py``, ``NEARLY_GAUSSIAN`` and the constructors in
   ``test_transient.py``, ``test_bad_arguments`` in ``test_models.py``, the names in ``test_comparing.py``.
6. Documentation: the table under "Other noise" in ``docs/method.md``, the remedies in ``docs/real_events.md``, and a kind of
   noise in ``benchmarks/noise_models.py`` with a number in ``docs/results.md``.
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
