"""Which likelihoods data can be made for: Bilby's own, and what leaves of them all that a likelihood's value hangs on.

A subclass with a ``log_likelihood``, ``residual`` or ``sigma`` of its own may be another likelihood altogether. Data drawn by
its parent's rule would be those of another problem; it is for such a class to say how its data come about, by ``simulate``.
"""

from __future__ import annotations

import numpy as np
from bilby.core.likelihood import GaussianLikelihood, Likelihood

from ..overrides import replaced
from ..priors import PriorTransform
from .noise import Noise, sizes_of_noise
from .noise_kinds import NOISES

# What a subclass may redefine all the same: none of it enters the likelihood as a function of the parameters.
_OF_NO_ACCOUNT = frozenset({"noise_log_likelihood", "meta_data", "marginalized_parameters"})


def noise_of(likelihood: Likelihood) -> type[Noise] | None:
    """How data come about for a likelihood, where that is known."""
    kind = _nearest(likelihood)
    return None if kind is None or _redefined(likelihood, kind.of) else kind


def nobody_simulates(likelihood: Likelihood) -> str:
    """Why no data can be simulated for a likelihood, in words."""
    said = f"likelihood={type(likelihood).__name__}"
    if callable(getattr(likelihood, "simulate", None)):
        said += ", whose simulate does not take (parameters, rng)"
    if (kind := _nearest(likelihood)) is not None:
        members = ", ".join(_redefined(likelihood, kind.of))
        return f"{said} is a {kind.of.__name__} with another {members}, so that nobody knows how its data come about"
    known = ", ".join(kind.of.__name__ for kind in NOISES)
    return f"{said}: data can be simulated for a GravitationalWaveTransient and for {known}, but not for this one"


def _redefined(likelihood: Likelihood, bilby: type[Likelihood]) -> list[str]:
    """Members of one of Bilby's classes that a likelihood or its class defines anew, special methods apart."""
    names = (name for name in dir(bilby) if not name.startswith("__") and name not in _OF_NO_ACCOUNT)
    return replaced(likelihood, bilby, names)


def known_sigma(likelihood: GaussianLikelihood, transform: PriorTransform) -> np.ndarray | None:
    """Known noise of a Gaussian likelihood, one number for each datum; ``None`` where the priors have to tell."""
    # A fixed parameter of this name takes the place of the likelihood's own, as it does in the likelihood.
    sigma = transform.fixed.get("sigma", likelihood.sigma)
    if sigma is None or "sigma" in transform.keys:
        return None
    return sizes_of_noise(sigma, np.shape(likelihood.y), GaussianLikelihood)


def _nearest(likelihood: Likelihood) -> type[Noise] | None:
    return next((kind for kind in NOISES if isinstance(likelihood, kind.of)), None)
