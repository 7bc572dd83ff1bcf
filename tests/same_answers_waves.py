"""Problems of ``tests/same_answers.py`` with gravitational waves: networks, shipped models, other likelihoods.

As in ``same_answers_plain.py``, each function takes a folder and gives what it came to, piece by piece.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from bilby.core.prior import DeltaFunction, MultivariateGaussian, MultivariateGaussianDist, PriorDict, Uniform
from bilby.core.result import Result
from bilby.gw import source
from bilby.gw.likelihood import (
    BasicGravitationalWaveTransient,
    GravitationalWaveTransient,
    MBGravitationalWaveTransient,
    RelativeBinningGravitationalWaveTransient,
)
from same_answers_plain import BRIEF_TRAINING, FEW, Pieces, sample, shrink

Problem = tuple[GravitationalWaveTransient, PriorDict]


def solved(likelihood: Any, priors: PriorDict, folder: Path, **changes: Any) -> Result:
    """A run with fewer evaluations than of what is cheap."""
    return sample(likelihood, priors, folder, **{**FEW, **changes})


# The paper's problems, one detector ----------------------------------------------------------------------------------------


def paper(parameters: int = 5) -> Problem:
    from bilby_flowpe.problems import green2020

    return green2020(parameters, seed=1)


def of_paper(folder: Path, parameters: int = 5, **changes: Any) -> Pieces:
    yield "run", solved(*paper(parameters), folder, **changes)


def trained(folder: Path, parameters: int = 5, measured: bool = False, **changes: Any) -> Pieces:
    """A network of one's own: the shipped models stand aside. Measuring it on simulated events takes most of the time."""
    shrink({"Settings": {"calibration_events": 1 if measured else 0, "null_events": 10}})
    options = {**BRIEF_TRAINING, "learning_rate": 3e-3, **changes}
    likelihood, priors = paper(parameters)
    # A wider prior than any shipped model has.
    priors["mass_1"], priors["mass_2"] = Uniform(30, 80), Uniform(30, 80)
    yield "run", solved(likelihood, priors, folder, **options)


def shipped(model: str, folder: Path) -> Pieces:
    yield "run", solved(*paper(8 if "-8d-" in model else 5), folder, model=model, n_effective=300)


def raw(folder: Path) -> Pieces:
    for model in ("green2020-5d-maf", "green2020-5d-maf-joint"):
        yield model, solved(*paper(), folder, model=model, importance=False)


def units(folder: Path) -> Pieces:
    for use_ratio in (False, True):
        yield f"ratio_{use_ratio}", solved(*paper(), folder, model="green2020-5d-maf", use_ratio=use_ratio)


def refined(folder: Path) -> Pieces:
    """A proposal that is not good enough: a normal density, which a flow is refined from."""
    yield "run", sample(*paper(), folder, model="green2020-5d-gaussian-joint")


def narrower(folder: Path) -> Pieces:
    """A model serves a prior and a waveform within its own."""
    likelihood, priors = paper()
    likelihood.waveform_generator.waveform_arguments["waveform_approximant"] = "IMRPhenomD"
    truth = likelihood.injection_parameters
    priors["mass_1"] = Uniform(max(35, truth["mass_1"] - 10), min(80, truth["mass_1"] + 10))
    priors["luminosity_distance"] = Uniform(1000, 3000)
    yield "run", solved(likelihood, priors, folder)


# Other forms of the likelihood and the prior --------------------------------------------------------------------------------


def binned(folder: Path) -> Pieces:
    likelihood, priors = paper()
    waves = copy.copy(likelihood.waveform_generator)
    waves.frequency_domain_source_model = source.lal_binary_black_hole_relative_binning
    fixed = {key: float(prior.peak) for key, prior in priors.items() if isinstance(prior, DeltaFunction)}
    given = RelativeBinningGravitationalWaveTransient(
        likelihood.interferometers, waves, fiducial_parameters={**fixed, **likelihood.injection_parameters}, priors=priors,
        epsilon=0.1,
    )  # fmt: skip
    yield "run", solved(given, priors, folder, model="green2020-5d-maf")


def multibanded(folder: Path) -> Pieces:
    likelihood, priors = paper()
    waves = copy.copy(likelihood.waveform_generator)
    waves.frequency_domain_source_model = source.binary_black_hole_frequency_sequence
    given = MBGravitationalWaveTransient(likelihood.interferometers, waves, reference_chirp_mass=30.0, priors=priors)
    yield "run", solved(given, priors, folder, model="green2020-5d-maf")


class Tempered(GravitationalWaveTransient):
    """A likelihood with a term of its own."""

    def log_likelihood_ratio(self, parameters: dict | None = None) -> float:
        return 0.7 * super().log_likelihood_ratio(parameters) - 0.01 * (parameters["mass_1"] - 40.0) ** 2


def own_term(folder: Path) -> Pieces:
    likelihood, priors = paper()
    given = Tempered(likelihood.interferometers, likelihood.waveform_generator)
    for model in ("green2020-5d-maf", "green2020-5d-maf-joint"):
        yield model, solved(given, priors.copy(), folder, model=model)


def basic(folder: Path) -> Pieces:
    likelihood, priors = paper()
    given = BasicGravitationalWaveTransient(likelihood.interferometers, likelihood.waveform_generator)
    yield "run", solved(given, priors, folder, model="green2020-5d-maf")


def joint_prior(folder: Path) -> Pieces:
    likelihood, priors = paper()
    time = priors["geocent_time"]
    keys = ["luminosity_distance", "geocent_time"]
    dist = MultivariateGaussianDist(
        keys, mus=[[2000.0, 0.5 * (time.minimum + time.maximum)]], sigmas=[[300.0, 0.04]],
        corrcoefs=[[[1.0, 0.6], [0.6, 1.0]]], bounds=[(1000.0, 3000.0), (time.minimum, time.maximum)],
    )  # fmt: skip
    for key in keys:
        priors[key] = MultivariateGaussian(dist, key)
    yield "run", solved(likelihood, priors, folder, model="green2020-5d-maf-joint")


MODELS = (
    "green2020-5d-cvae+", "green2020-5d-cvae+-joint", "green2020-5d-cvae-joint", "green2020-5d-gaussian-joint",
    "green2020-5d-maf", "green2020-5d-maf-joint", "green2020-8d-cvae+", "green2020-8d-maf",
)  # fmt: skip

WAVES: dict[str, Callable[[Path], Pieces]] = {
    **{f"shipped_{model}": partial(shipped, model) for model in MODELS},
    **{f"trained_{family}": partial(trained, network=family) for family in ("gaussian", "maf", "nsf", "cvae", "cvae+")},
    "trained_measured": partial(trained, measured=True),
    "trained_8d": partial(trained, parameters=8),
    "trained_series": partial(trained, representation="series", training_steps=300),
    "trained_psd": partial(trained, psd="amortised"),
    "trained_phase_network": partial(trained, phase="network"),
    "trained_all_network": partial(trained, phase="network", distance="network", time="network", fold_phase=False),
    "raw": raw,
    "units": units,
    "refined": refined,
    "narrower": narrower,
    "none_5d": partial(of_paper, network="none"),
    "none_8d": partial(of_paper, parameters=8, network="none"),
    "none_5d_network": partial(of_paper, network="none", phase="network", distance="network", time="network"),
    "budget_of_waves": partial(of_paper, network="none", n_effective=900, max_likelihood_evaluations=1000),
    "relative_binning": binned,
    "multibanding": multibanded,
    "own_term": own_term,
    "basic": basic,
    "joint_prior": joint_prior,
}
"""Problems by name."""
