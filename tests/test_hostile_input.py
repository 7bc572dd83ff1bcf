"""Priors, strains, noise curves and arguments made at random, hostile ones: a typed error, or an answer that holds."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable
from typing import Any

import bilby
import numpy as np
import pytest
from bilby.core import prior as bilby_prior
from bilby.core.prior import PriorDict
from bilby.gw.detector import PowerSpectralDensity
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bilby_flowpe.arguments.table import ARGUMENTS, check_arguments, check_npool
from bilby_flowpe.errors import ConfigurationError, FlowPEError, PriorError
from bilby_flowpe.kinds import problem_of
from bilby_flowpe.model import TrainedPosterior
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.sampler import FlowPE
from bilby_flowpe.sampling.weighing import Target
from bilby_flowpe.translation.translated import as_it_stands

# The same cases every time: a suite that fails by chance is not believed.
FIXED = settings(deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), max_examples=300)
NUMBERS = st.one_of(
    st.floats(-1e3, 1e3),
    st.sampled_from([0.0, -0.0, 1.0, 1e-300, 1e300, -1e300, math.inf, -math.inf, math.nan, 5e-324, 1126259462.4]),
)
ODD = st.one_of(
    st.none(), st.booleans(), NUMBERS, st.integers(-(10**30), 10**30), st.text(max_size=8), st.binary(max_size=4),
    st.lists(st.integers(0, 3), max_size=3), st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
    st.sampled_from(["True", "false", "none", "1e3", "nan", "inf", "-1", "0x10", " 5 ", object, np.float64(3)]),
    st.just(np.array([1, 2])),
)  # fmt: skip

PRIORS: dict[str, int] = {
    "Uniform": 2, "LogUniform": 2, "Gaussian": 2, "TruncatedGaussian": 4, "LogNormal": 2, "Exponential": 1, "Beta": 2,
    "Gamma": 2, "StudentT": 3, "Cauchy": 2, "Logistic": 2, "ChiSquared": 1, "PowerLaw": 3, "Sine": 2, "Cosine": 2,
    "HalfGaussian": 1, "SymmetricLogUniform": 2, "DeltaFunction": 1, "Triangular": 3, "FermiDirac": 3,
}  # fmt: skip


@st.composite
def priors(draw: st.DrawFn) -> PriorDict:
    """A dictionary of one to three priors that Bilby lets be made."""
    made = PriorDict()
    for key in "abc"[: draw(st.integers(1, 3))]:
        kind = draw(st.sampled_from(sorted(PRIORS)))
        arguments = [draw(NUMBERS) for _ in range(PRIORS[kind])]
        try:
            made[key] = getattr(bilby_prior, kind)(*arguments)
        except Exception:  # Bilby's own refusal, of whatever type
            made[key] = bilby_prior.Uniform(0, 1)
    return made


@pytest.mark.training
@FIXED
@given(priors())
def test_priors(made: PriorDict) -> None:
    """Accepted priors can be drawn from, have finite densities there, and coordinates that lead back."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            transform = PriorTransform(made)
        except PriorError as error:
            assert "prior" in str(error)
            return
        draws = transform.sample(200, np.random.default_rng(0))
        log_prob = transform.log_prob(draws)
        back = transform.from_unconstrained(transform.to_unconstrained(draws))
    assert set(draws) == set(transform.keys)
    for key, value in draws.items():
        assert np.all(np.isfinite(value)), key
        lowest, highest = made[key].minimum, made[key].maximum
        assert np.all((value >= lowest) & (value <= highest)), key
        # Neighbouring floats of a wide prior are far apart in its last quantiles.
        scale = np.ptp(value) + np.abs(value)
        assert np.median(np.abs(back[key] - value) / scale) < 1e-6, key
    assert np.mean(np.isfinite(log_prob)) > 0.99


@pytest.mark.training
@FIXED
@given(st.dictionaries(st.sampled_from(sorted(FlowPE.default_kwargs)), ODD, min_size=1, max_size=3))
def test_arguments(changes: dict[str, Any]) -> None:
    """An argument is of its proper type and range, or is named in the error."""
    try:
        checked = check_arguments({**FlowPE.default_kwargs, **changes})
    except ConfigurationError as error:
        assert any(key in str(error) for key in FlowPE.default_kwargs)
        return
    for key in ("n_effective", "n_posterior", "max_likelihood_evaluations", "n_waveforms", "hidden_features"):
        assert type(checked[key]) is int and checked[key] >= 1
    for key in ("importance", "refine", "fold_phase", "resume", "progress"):
        assert type(checked[key]) is bool
    for argument in ARGUMENTS:
        assert not argument.kind.choices or checked[argument.name] in argument.kind.choices
    for key in ("training_time", "max_time"):
        assert checked[key] is None or (checked[key] > 0 and math.isfinite(checked[key]))
    assert checked["sampling_seed"] is None or checked["sampling_seed"] >= 0


@pytest.mark.training
@FIXED
@given(ODD)
def test_npool(value: Any) -> None:
    try:
        assert check_npool(value) >= 1
    except ConfigurationError as error:
        assert "npool" in str(error)


Trained = tuple[Any, TrainedPosterior]


def used(trained: TrainedPosterior, likelihood: Any, transform: PriorTransform) -> None:
    """Use the data as a run does; this gives either a typed error with a message, or weights that are numbers."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            bound = trained.bind(likelihood, transform)
            target = Target(as_it_stands(problem_of(likelihood, transform)), True, bound.conditional)
            rng = np.random.default_rng(0)
            weighted = target.draw(bound.mixture(), 16, rng)
        except FlowPEError as error:
            assert len(str(error)) > 20
            return
    assert not np.isnan(weighted.log_weights).any()
    assert not np.any(weighted.log_weights == np.inf)


def spoilt(test: Callable[..., None]) -> Callable[..., None]:
    """A few values, in a share of the frequencies, by a seed."""
    values, share = st.lists(NUMBERS, min_size=1, max_size=4), st.sampled_from([0.002, 0.1, 1.0])
    return settings(FIXED, max_examples=40)(given(values=values, share=share, seed=st.integers(0, 9))(test))


@spoilt
def test_strains(trained_5d: Trained, problem_5d: tuple, values: list[float], share: float, seed: int) -> None:
    likelihood = copy.deepcopy(problem_5d[0])
    rng = np.random.default_rng(seed)
    strain = likelihood.interferometers[0].strain_data.frequency_domain_strain.copy()
    hit = rng.random(len(strain)) < share
    # In units of the noise, as they are, and of another phase.
    strain[hit] = rng.choice(values, hit.sum()) * rng.choice([1e-23, 1.0, 1e-23j], hit.sum())
    data = likelihood.interferometers[0].strain_data
    data._frequency_domain_strain = strain
    used(trained_5d[1], likelihood, PriorTransform(problem_5d[1]))


@spoilt
def test_noise_curves(trained_5d: Trained, problem_5d: tuple, values: list[float], share: float, seed: int) -> None:
    likelihood = copy.deepcopy(problem_5d[0])
    rng = np.random.default_rng(seed)
    interferometer = likelihood.interferometers[0]
    curve = interferometer.power_spectral_density_array.copy()
    hit = rng.random(len(curve)) < share
    curve[hit] = rng.choice(values, hit.sum()) * rng.choice([1e-46, 1.0], hit.sum())
    interferometer.power_spectral_density = PowerSpectralDensity(
        frequency_array=interferometer.frequency_array, psd_array=curve
    )
    used(trained_5d[1], likelihood, PriorTransform(problem_5d[1]))


class Odd(bilby.core.likelihood.Likelihood):
    """A likelihood of any value, now and then of an odd type or none."""

    def __init__(self, values: list[Any]) -> None:
        super().__init__()
        self.values = values

    def log_likelihood(self, parameters: dict | None = None) -> Any:
        return self.values[int(parameters["a"] * 1e6) % len(self.values)]


@pytest.mark.training
@settings(FIXED, max_examples=10)
@given(
    st.lists(
        st.one_of(
            st.floats(-50, 50), st.sampled_from([-math.inf, math.nan, -1.8e308, np.float32(-3), np.array(1.0), 0, True])
        ),
        min_size=1,
        max_size=3,
    )
)
def test_likelihoods(tmp_path_factory: pytest.TempPathFactory, values: list[Any]) -> None:
    """A run end to end, of a prior a millionth of it wide in each value."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = bilby.run_sampler(
            Odd(values), PriorDict({"a": bilby_prior.Uniform(0, 1)}), sampler="flowpe", n_effective=200, n_posterior=50,
            max_likelihood_evaluations=6000, progress=False, save=False, sampling_seed=1,
            outdir=str(tmp_path_factory.mktemp("odd")), label="odd",
        )  # fmt: skip
    verdict = result.meta_data["run_statistics"]["verdict"]
    known = [float(value) for value in values]
    exact = np.mean([0.0 if math.isnan(value) else math.exp(max(value, -1e4)) for value in known])
    if verdict != "failed":
        assert exact > 0
        # Values of neighbouring points have nothing to do with each other: their scatter is in the error.
        assert abs(result.log_evidence - math.log(exact)) < 5 * result.log_evidence_err + 1e-6
