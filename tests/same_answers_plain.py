"""Problems of ``tests/same_answers.py`` without gravitational waves: noise models, simulators, black boxes, priors.

Each function takes a folder to write in and gives what it came to, piece by piece: a name and a result or a dictionary.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import bilby
import numpy as np
from bilby.core.likelihood import GaussianLikelihood, Likelihood, Multinomial, StudentTLikelihood
from bilby.core.prior import (
    Categorical,
    ConditionalGaussian,
    ConditionalPriorDict,
    DirichletPriorDict,
    Gaussian,
    Interped,
    MultivariateGaussian,
    MultivariateGaussianDist,
    PriorDict,
    Uniform,
)
from bilby.core.prior.slabspike import SlabSpikePrior
from bilby.core.result import Result

SMALLER: dict[str, dict[str, Any]] = {
    "Settings": {"calibration_events": 2, "null_events": 20},
    "RepresentationConfig": {"n_fit": 2048},
    "TrainingConfig": {"bf16": False, "batch_size": 256, "validation_size": 1024, "validations": 4},
}
"""Defaults of trainings on demand: small ones, and no measurement of which precision is faster, whose outcome differs from run
to run."""

Pieces = Iterator[tuple[str, Any]]
FEW = {"max_likelihood_evaluations": 4000}
BRIEF_TRAINING = {"training_steps": 40, "training_time": None, "n_waveforms": 2000, "hidden_features": 32}


def shrink(defaults: dict[str, dict[str, Any]]) -> None:
    """Change the defaults of dataclasses of the package, wherever each is kept in this tree."""
    owners = [module for key, module in sorted(sys.modules.items()) if key.startswith("bilby_flowpe.")]
    for name, changes in defaults.items():
        make = next(getattr(module, name) for module in owners if hasattr(module, name)).__init__
        names = make.__code__.co_varnames[1 : make.__code__.co_argcount]
        values = dict(zip(names[-len(make.__defaults__) :], make.__defaults__, strict=True))
        make.__defaults__ = tuple((values | changes).values())


def sample(likelihood: Likelihood, priors: PriorDict, folder: Path, **changes: Any) -> Result:
    """A run with few draws, which leaves no file behind but a trained model."""
    options = {"n_effective": 200, "max_likelihood_evaluations": 10_000, "sampling_seed": 1, "resume": False, **changes}
    return bilby.run_sampler(
        likelihood, priors, sampler="flowpe", outdir=str(folder), label="run", save=False, plot=False, progress=False,
        **options,
    )  # fmt: skip


# Bilby's noise models ----------------------------------------------------------------------------------------------------


def line(x: np.ndarray, slope: float, offset: float) -> np.ndarray:
    return offset + slope * x


X = np.linspace(0.0, 2.0, 12)
Y = line(X, 1.0, 0.7)
ON_A_LINE = {"slope": Uniform(0.1, 2), "offset": Uniform(0.5, 3)}


def conjugate(name: str) -> tuple[Likelihood, PriorDict]:
    from bilby_flowpe.problems import conjugate as problems

    return getattr(problems, name)()[:2]


def unknown_sigma() -> tuple[Likelihood, PriorDict]:
    y = Y + 0.3 * np.random.default_rng(1).standard_normal(len(X))
    return GaussianLikelihood(X, y, line), PriorDict({**ON_A_LINE, "sigma": Uniform(0.1, 1)})


def student_t(searched: bool) -> tuple[Likelihood, PriorDict]:
    y = Y + 0.3 * np.random.default_rng(2).standard_t(3, len(X))
    likelihood = StudentTLikelihood(X, y, line, nu=None if searched else 2.5, sigma=0.3)
    return likelihood, PriorDict({**ON_A_LINE, **({"nu": Uniform(1, 9)} if searched else {})})


def multinomial() -> tuple[Likelihood, PriorDict]:
    return Multinomial([5, 0, 10, 15], 4, base="share_"), DirichletPriorDict(n_dim=4, label="share_")


def noise_model(
    make: Callable[[], tuple[Likelihood, PriorDict]], folder: Path, without: bool = True, **changes: Any
) -> Pieces:
    """Answer with a network that is trained on demand and found again by a second run, and without a network."""
    yield "trained", sample(*make(), folder, **{**BRIEF_TRAINING, **changes})
    yield "found", sample(*make(), folder, **{**BRIEF_TRAINING, "sampling_seed": 2, **changes})
    if without:
        yield "none", sample(*make(), folder, network="none")


# A likelihood with a simulator of its own ----------------------------------------------------------------------------------


class Mean(Likelihood):
    """Noisy measurements of one number, of known or searched scatter."""

    SIZE = 12

    def __init__(self, observed_data: np.ndarray) -> None:
        super().__init__()
        self.observed_data = observed_data

    def simulate(self, parameters: dict, rng: np.random.Generator) -> np.ndarray:
        return parameters["mu"] + parameters["sigma"] * rng.standard_normal(self.SIZE)

    def log_likelihood(self, parameters: dict) -> float:
        z = (self.observed_data - parameters["mu"]) / parameters["sigma"]
        return float(-0.5 * z @ z - self.SIZE * np.log(parameters["sigma"] * np.sqrt(2 * np.pi)))


def own_simulator() -> tuple[Likelihood, PriorDict]:
    data = 0.7 + 0.5 * np.random.default_rng(1).standard_normal(Mean.SIZE)
    return Mean(data), PriorDict({"mu": Gaussian(0, 1), "sigma": Uniform(0.2, 2)})


# Black boxes ---------------------------------------------------------------------------------------------------------------


class Plain(Likelihood):
    """A likelihood from a function of the parameters."""

    def __init__(self, function: Callable[[dict], float]) -> None:
        super().__init__()
        self.function = function

    def log_likelihood(self, parameters: dict) -> float:
        return float(self.function(parameters))


def toy(name: str, folder: Path, *arguments: Any, **changes: Any) -> Pieces:
    from bilby_flowpe.problems import constrained, toys

    make = getattr(toys, name, None) or getattr(constrained, name)
    yield "run", sample(*make(*arguments)[:2], folder, **changes)


def several_processes(folder: Path) -> Pieces:
    """The same numbers from one process and from two."""
    for npool in (1, 2):
        yield f"npool_{npool}", sample(*conjugate("linear_regression"), folder, network="none", npool=npool)


class Stopping(Likelihood):
    """A normal density that raises KeyboardInterrupt at a certain call, once."""

    def __init__(self, at: int | None) -> None:
        super().__init__()
        self.calls, self.at = 0, at

    def log_likelihood(self, parameters: dict) -> float:
        self.calls += 1
        if self.calls == self.at:
            self.at = None
            raise KeyboardInterrupt
        return -0.5 * ((parameters["a"] - 0.3) ** 2 + (parameters["b"] + 0.1) ** 2) / 0.01


def interrupted(folder: Path) -> Pieces:
    """Stopped amid its likelihoods, started again, and left alone: how many calls the second start makes is noted."""
    priors = PriorDict({"a": Uniform(-1, 1), "b": Uniform(-1, 1)})
    for label, at in (("alone", None), ("resumed", 2500)):
        likelihood = Stopping(at)
        options = {"resume": True, "n_effective": 500, "max_likelihood_evaluations": 8000}
        before = 0
        try:
            result = sample(likelihood, priors.copy(), folder / label, **options)
        except (KeyboardInterrupt, SystemExit):
            before = likelihood.calls
            result = sample(likelihood, priors.copy(), folder / label, **options)
        yield label, result
        yield f"{label}/calls", {"before": before, "all": likelihood.calls}


# Priors --------------------------------------------------------------------------------------------------------------------


def discrete(folder: Path) -> Pieces:
    weights = np.array([1.0, 2.0, 0.5, 4.0])
    likelihood = Plain(lambda p: -0.5 * ((p["x"] - p["k"]) / 0.1) ** 2 + np.log(weights[round(p["k"])]))
    yield "run", sample(likelihood, PriorDict({"x": Uniform(-2, 5), "k": Categorical(4)}), folder, **FEW)


def spike(folder: Path) -> Pieces:
    t = np.linspace(-1, 1, 20)
    y = 0.4 + 0.25 * t + np.random.default_rng(4).normal(0, 0.3, 20)
    slope = SlabSpikePrior(Uniform(-2, 2), spike_location=0.0, spike_height=0.3)
    likelihood = GaussianLikelihood(t, y, lambda x, offset, slope: offset + slope * x, sigma=0.3)
    yield "run", sample(likelihood, PriorDict({"offset": Uniform(-5, 5), "slope": slope}), folder)


def table(folder: Path) -> Pieces:
    grid = np.linspace(0.5, 10, 12)
    prior = Interped(grid, grid**3 * np.exp(-grid / 1.5) * (1 + np.sin(3 * grid) ** 2))
    likelihood = Plain(lambda p: -0.5 * ((p["x"] - 3.4) / 0.2) ** 2 - 0.5 * (p["y"] / 0.3) ** 2)
    yield "run", sample(likelihood, PriorDict({"x": prior, "y": Uniform(-2, 2)}), folder)


def given_any(reference_params: dict, x: float) -> dict[str, float]:
    return {"mu": 0.5 * x, "sigma": 0.5}


def conditional(folder: Path) -> Pieces:
    likelihood = Plain(lambda p: -0.5 * ((p["x"] - 0.3) / 0.3) ** 2 - 0.5 * ((p["y"] - 0.9) / 0.2) ** 2)
    for label, first in (("smooth", Uniform(-1, 1)), ("discrete", Categorical(3))):
        y = ConditionalGaussian(given_any, name="y", mu=0, sigma=1)
        yield label, sample(likelihood, ConditionalPriorDict({"y": y, "x": first}), folder)


def joint(folder: Path) -> Pieces:
    likelihood = Plain(lambda p: -0.5 * ((p["a"] - 1.0) ** 2 + (p["b"] + 0.5) ** 2) / 0.25)
    for label, bounds in (("free", None), ("bounded", [(-1.0, 2.0), (-1.0, 1.5)])):
        dist = MultivariateGaussianDist(
            ["a", "b"], mus=[[0.5, 0.0]], covs=[np.array([[1.0, 0.8], [0.8, 1.0]])], bounds=bounds
        )
        yield label, sample(likelihood, PriorDict({key: MultivariateGaussian(dist, key) for key in "ab"}), folder)


def sky_map(folder: Path) -> Pieces:
    import healpy
    from bilby.gw.prior import HealPixMapPriorDist, HealPixPrior

    spot = np.asarray(healpy.ang2vec(1.2, 3.0))
    places = np.array(healpy.pix2vec(16, np.arange(healpy.nside2npix(16)))).T
    probability = np.exp(30 * (places @ spot - 1))
    healpy.write_map(folder / "map.fits", probability / probability.sum(), dtype=np.float64)
    dist = HealPixMapPriorDist(str(folder / "map.fits"), names=["ra", "dec"])

    def log_likelihood(p: dict) -> float:
        place = np.array([np.cos(p["dec"]) * np.cos(p["ra"]), np.cos(p["dec"]) * np.sin(p["ra"]), np.sin(p["dec"])])
        return float(40.0 * (place @ spot - 1))

    yield "run", sample(Plain(log_likelihood), PriorDict({key: HealPixPrior(dist, key) for key in dist.names}), folder)


# The same draws under another question -------------------------------------------------------------------------------------


def reweighted(folder: Path) -> Pieces:
    from bilby_flowpe.reweighting import reweight

    likelihood, priors = unknown_sigma()
    result = sample(likelihood, copy.deepcopy(priors), folder, network="none", n_posterior=300)
    yield "run", result
    other = StudentTLikelihood(X, likelihood.y, line, nu=8.0)
    narrower = PriorDict({**priors, "slope": Uniform(0.5, 1.5)})
    yield "likelihood", reweight(result, other, n_posterior=300, seed=3)
    yield "priors", reweight(result, priors=narrower, n_posterior=300, seed=3)
    yield "both", reweight(result, other, narrower, n_posterior=300, seed=3)


PLAIN: dict[str, Callable[[Path], Pieces]] = {
    "noise_gaussian": partial(noise_model, partial(conjugate, "linear_regression")),
    "noise_gaussian_sigma": partial(noise_model, unknown_sigma),
    "noise_poisson": partial(noise_model, partial(conjugate, "poisson_counts")),
    "noise_exponential": partial(noise_model, partial(conjugate, "waiting_times")),
    "noise_student_t": partial(noise_model, partial(student_t, False)),
    "noise_student_t_nu": partial(noise_model, partial(student_t, True)),
    "noise_multinomial": partial(noise_model, multinomial),
    "own_simulator": partial(noise_model, own_simulator),
    "shells": partial(toy, "gaussian_shells"),
    "eggbox": partial(toy, "eggbox", **FEW),
    "modes": partial(toy, "unequal_modes"),
    "constrained": partial(toy, "constrained_gaussian"),
    "constrained_data": lambda folder: toy("constrained_gaussian", folder, True, **BRIEF_TRAINING),
    "budget_ends": partial(toy, "gaussian_shells", n_effective=2000, max_likelihood_evaluations=2100),
    "npool": several_processes,
    "interrupted": interrupted,
    "prior_discrete": discrete,
    "prior_spike": spike,
    "prior_table": table,
    "prior_conditional": conditional,
    "prior_joint": joint,
    "prior_sky_map": sky_map,
    "reweighted": reweighted,
} | {
    f"network_{family}": partial(noise_model, unknown_sigma, without=False, network=family)
    for family in ("gaussian", "nsf", "cvae", "cvae+")
}
"""Problems by name."""
