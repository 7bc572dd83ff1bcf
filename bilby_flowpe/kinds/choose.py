"""Choice of the kind of a problem from the user's likelihood."""

from __future__ import annotations

import numpy as np
from bilby.core.likelihood import Likelihood
from bilby.core.prior import PriorDict

from ..priors import PriorTransform, prior_dict
from ..problem import Problem
from ..processes.parallel import Row
from .black_box import BlackBox
from .gravitational_wave import GravitationalWave
from .noise_model import NoiseModel
from .own_simulate import OwnSimulate
from .recognise import has_simulate, is_transient, noise_of


def problem_of(likelihood: Likelihood, priors: PriorDict | PriorTransform) -> Problem:
    """Make the problem of a likelihood and its priors.

    Parameters
    ----------
    likelihood
        The user's likelihood.
    priors
        The user's priors, or their transform if it was made already.

    Raises
    ------
    PriorError
        If the priors are not a table of priors, or cannot be used.
    """
    prior = priors if isinstance(priors, PriorTransform) else PriorTransform(prior_dict(priors))
    return choose(likelihood)(likelihood, prior)


def choose(likelihood: Likelihood) -> type[Problem]:
    """Return the kind of problem of a likelihood.

    A method ``simulate`` of the user's own has precedence over what is known of Bilby's likelihoods, except for gravitational
    waves.
    """
    if is_transient(likelihood):
        return GravitationalWave
    if has_simulate(likelihood):
        return OwnSimulate
    return BlackBox if noise_of(likelihood) is None else NoiseModel


def inject(
    likelihood: Likelihood, priors: PriorDict | PriorTransform, rng: np.random.Generator
) -> tuple[Likelihood, Row]:
    """Simulate an event of Bilby's objects: :meth:`bilby_flowpe.problem.Problem.inject`.

    Parameters
    ----------
    likelihood, priors
        Bilby's objects; the likelihood is not changed.
    rng
        Random generator.

    Returns
    -------
    likelihood, parameters
        A likelihood with the data of the event, and all parameters of its signal.
    """
    problem, truth = problem_of(likelihood, priors).inject(rng)
    return problem.likelihood, truth
