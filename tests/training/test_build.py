"""The way from Bilby's objects to a model, and the cache."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bilby.core.likelihood import GaussianLikelihood, Likelihood
from bilby.core.prior import Gaussian, PriorDict, Uniform
from bilby.gw.detector import PowerSpectralDensity

from bilby_flowpe import cache as cache_module
from bilby_flowpe.bound import BoundPosterior
from bilby_flowpe.cache import cache_folder, cached_models, new_folder
from bilby_flowpe.errors import ConfigurationError, SimulationError
from bilby_flowpe.kinds import problem_of
from bilby_flowpe.model import TrainedPosterior
from bilby_flowpe.networks import NetworkConfig
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.proposals.mixture import flow_alone
from bilby_flowpe.representation import RepresentationConfig
from bilby_flowpe.sampling.weighing import Target
from bilby_flowpe.storage.folder import write_description
from bilby_flowpe.training.build import train_model
from bilby_flowpe.training.settings import Settings, adapted, kind_of
from bilby_flowpe.translation.translated import as_it_stands
from tests.trained import small_settings

pytestmark = pytest.mark.training

TINY = small_settings(steps=30, n_waveforms=300)


def best_model(*arguments: Any) -> tuple[Path, TrainedPosterior] | None:
    """The first that is offered."""
    return next(cached_models(*arguments), None)


@pytest.fixture(autouse=True)
def no_shipped_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what the tests train themselves is found."""
    monkeypatch.setattr(cache_module, "SHIPPED", tmp_path / "none")


def line(x: np.ndarray, slope: float, intercept: float) -> np.ndarray:
    return slope * x + intercept


def regression(keys: tuple[str, ...] = ("slope", "intercept")) -> tuple[GaussianLikelihood, PriorDict]:
    x = np.linspace(-1, 1, 20)
    likelihood = GaussianLikelihood(x, line(x, 0.5, -0.2), line, sigma=0.5)
    priors = PriorDict({key: Gaussian(0, 1) if key in keys else 0.3 for key in ("slope", "intercept")})
    priors.fill_priors()
    return likelihood, priors


def contract_of(problem: tuple) -> object:
    likelihood, priors = problem
    return problem_of(likelihood, priors).describe()


# Training --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tiny(problem_5d: tuple) -> TrainedPosterior:
    return train_model(*problem_5d, TINY, progress=False)


def test_settings_are_of_their_class(problem_5d: tuple) -> None:
    with pytest.raises(ConfigurationError, match=r"settings=.*: give bilby_flowpe.training.Settings"):
        train_model(*problem_5d, {"network": "maf"})  # type: ignore[arg-type]


@pytest.mark.parametrize("npool", [0, "four"])
def test_the_number_of_processes_is_checked(problem_5d: tuple, npool: object) -> None:
    with pytest.raises(ConfigurationError, match=f"npool={npool!r}: give a whole number"):
        train_model(*problem_5d, TINY, npool=npool)  # type: ignore[arg-type]


def test_model_describes_itself(tiny: TrainedPosterior, problem_5d: tuple) -> None:
    assert tiny.contract.differences(contract_of(problem_5d)) == []
    assert tiny.history["step"][-1] == 30
    assert tiny.conditional.phase_order == 2
    assert "phase" not in tiny.coordinates.keys
    assert tiny.settings == TINY.to_dict()
    assert tiny.information["n_parameters"] == tiny.network.n_parameters
    assert tiny.information["factorised"] is True
    assert tiny.information["compression"]["worst_loss"] <= RepresentationConfig().tolerance


@pytest.mark.parametrize("family", ["gaussian", "cvae", "cvae+"])
def test_other_families_make_models(family: str, tmp_path: Path) -> None:
    network = NetworkConfig(family, 1, (16,), 16, 0, gaussian_features=(16,), latent=3, batch_norm=True)
    settings = replace(TINY, network=network, training=replace(TINY.training, max_steps=3), calibration_events=2)
    model = train_model(*regression(), settings, progress=False)
    assert len(model.history["validation_kl"]) == (0 if family == "gaussian" else len(model.history["step"]))
    loaded = TrainedPosterior.load(model.save(tmp_path / "model"))
    assert loaded.network.config == network
    context = torch.zeros(1, model.network.context)
    one, other = (m.network.propose(context, 10, torch.Generator().manual_seed(0)) for m in (model, loaded))
    assert torch.equal(one.x, other.x)
    assert one.z.shape == (10, 0 if family == "gaussian" else 3)


def test_problem_is_left_alone(problem_5d: tuple) -> None:
    likelihood, priors = problem_5d
    strain = likelihood.interferometers[0].frequency_domain_strain.copy()
    before = copy.deepcopy(priors)
    train_model(likelihood, priors, replace(TINY, training=replace(TINY.training, max_steps=2)), progress=False)
    assert priors == before
    np.testing.assert_array_equal(likelihood.interferometers[0].frequency_domain_strain, strain)


def test_same_seed_gives_the_same_model(tiny: TrainedPosterior, problem_5d: tuple) -> None:
    # Neither another event nor the state of the global generators matters.
    from bilby_flowpe.problems import green2020

    np.random.seed(5)  # noqa: NPY002
    torch.manual_seed(5)
    again = train_model(*green2020(5, seed=9), TINY, progress=False)
    for key, value in tiny.network.state_dict().items():
        assert torch.equal(again.network.state_dict()[key], value), key
    assert again.history["validation_loss"] == tiny.history["validation_loss"]


@pytest.mark.parametrize("fold", [True, False])
def test_phase_in_the_network(problem_5d: tuple, fold: bool) -> None:
    settings = replace(TINY, phase="network", fold_phase=fold, training=replace(TINY.training, max_steps=2))
    model = train_model(*problem_5d, settings, progress=False)
    assert "phase" in model.coordinates.keys
    assert (model.conditional.keys, model.coordinates.fold_phase) == ((), fold)


def test_time_series_in_full(problem_5d: tuple, tmp_path: Path) -> None:
    settings = replace(
        TINY, representation=RepresentationConfig(kind="series"), training=replace(TINY.training, max_steps=2)
    )
    model = train_model(*problem_5d, settings, progress=False)
    assert model.kind == "series"
    assert model.grid.duration == 1.0
    assert TrainedPosterior.load(model.save(tmp_path / "model")).network.context == 1024


@pytest.mark.parametrize("keys", [("slope", "intercept"), ("slope",)])
def test_gaussian_likelihood(keys: tuple[str, ...], tmp_path: Path) -> None:
    """A model of one or several free parameters is found again although it was not requested as linear."""
    problem = regression(keys)
    model = train_model(*problem, TINY, progress=False)
    assert (model.kind, model.grid, model.coordinates.keys) == ("linear", None, keys)
    assert model.representation.features == 2  # the span of the predictions: a fixed intercept has its direction, too
    model.save(new_folder(contract_of(problem), TINY, str(tmp_path)))
    folder, found = best_model(contract_of(problem), TINY, str(tmp_path))
    assert folder.parent == tmp_path
    bound = found.bind(problem[0], PriorTransform(problem[1]))
    draws = flow_alone(bound).draw(100, np.random.default_rng(0))
    assert set(draws.parameters) == set(keys)
    assert draws.inside.all()


def test_unusable_problems_are_refused() -> None:
    x = np.linspace(0, 1, 5)
    unknown_noise = GaussianLikelihood(x, x, line)
    priors = PriorDict({"slope": Gaussian(0, 1), "intercept": Gaussian(0, 1)})
    with pytest.raises(SimulationError, match=r"priors lack \['sigma'\], which the GaussianLikelihood needs"):
        train_model(unknown_noise, priors, TINY, progress=False)
    with pytest.raises(SimulationError, match="likelihood=Likelihood"):
        train_model(Likelihood(), PriorDict({"a": Uniform(0, 1)}), TINY, progress=False)


# Cache -----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def cache(tiny: TrainedPosterior, problem_5d: tuple, tmp_path: Path) -> Path:
    """A cache with one model in it."""
    tiny.save(new_folder(contract_of(problem_5d), TINY, str(tmp_path)))
    return tmp_path


def test_cached_model_is_found(cache: Path, tiny: TrainedPosterior, problem_5d: tuple) -> None:
    folder, model = best_model(contract_of(problem_5d), TINY, str(cache))
    assert folder == new_folder(contract_of(problem_5d), TINY, str(cache))
    assert model.history == tiny.history


def test_only_a_model_of_the_same_kind(cache: Path, problem_5d: tuple) -> None:
    contract = contract_of(problem_5d)
    other_size = replace(TINY, network=NetworkConfig(transforms=9))
    assert best_model(contract, other_size, str(cache))
    assert best_model(contract, replace(TINY, phase="network"), str(cache)) is None
    assert best_model(contract, replace(TINY, network=NetworkConfig(family="nsf")), str(cache)) is None


def test_only_a_model_of_the_same_problem(cache: Path, problem_5d: tuple, problem_8d: tuple) -> None:
    likelihood, priors = problem_5d
    other = copy.deepcopy(priors)
    other["mass_1"] = Uniform(35, 90)
    assert best_model(contract_of((likelihood, other)), TINY, str(cache)) is None
    assert best_model(contract_of(problem_8d), TINY, str(cache)) is None
    assert best_model(contract_of(regression()), TINY, str(cache)) is None


@pytest.mark.parametrize(
    ("had", "asked", "enough"),
    [
        # Budgets are (max_steps, max_time); the model stopped at step 30 after about a second.
        ((30, None), (30, None), True),
        ((30, None), (31, None), False),
        ((30, None), (None, 600.0), False),
        ((30, 600.0), (None, 600.0), False),
        ((30, 600.0), (30, None), True),
        ((30, None), (30, 600.0), True),
        ((None, 600.0), (None, 600.0), True),  # by the same recipe, and so early for want of improvement
        ((1000, None), (1000, None), True),
        ((None, 600.0), (None, 700.0), False),
        ((None, 600.0), (30, None), True),
        ((None, 600.0), (31, None), False),
        ((None, 600.0), (None, 1e-6), True),
    ],
)
def test_only_a_model_that_was_trained_for_as_long(
    cache: Path, problem_5d: tuple, had: tuple, asked: tuple, enough: bool
) -> None:
    (folder,) = cache.iterdir()
    description = json.loads((folder / "model.json").read_text())
    description["settings"]["training"].update(max_steps=had[0], max_time=had[1])
    description["history"]["seconds"][-1] = 1.0
    write_description(folder, description)
    training = replace(TINY.training, max_steps=asked[0], max_time=asked[1])
    found = best_model(contract_of(problem_5d), replace(TINY, training=training), str(cache))
    assert (found is not None) == enough


def test_shipped_models_need_no_check_of_their_training(
    cache: Path, problem_5d: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "SHIPPED", cache)
    assert best_model(contract_of(problem_5d), Settings(), str(tmp_path / "none"))


def test_damaged_models_are_passed_over(cache: Path, problem_5d: tuple, tiny: TrainedPosterior) -> None:
    contract = contract_of(problem_5d)
    (good,) = cache.iterdir()
    for name, content in (("0_empty", ""), ("0_list", "[]"), ("0_partial", '{"contract": {}}'), ("0_text", "text")):
        (cache / name).mkdir()
        (cache / name / "model.json").write_text(content)
    (cache / "0_stray").write_text("")
    assert best_model(contract, TINY, str(cache))[0] == good
    (good / "weights.safetensors").write_bytes(b"")
    assert best_model(contract, TINY, str(cache)) is None


def test_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BILBY_FLOWPE_CACHE", str(tmp_path / "variable"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    assert cache_folder(str(tmp_path / "given")) == tmp_path / "given"
    assert cache_folder() == tmp_path / "variable"
    monkeypatch.delenv("BILBY_FLOWPE_CACHE")
    assert cache_folder() == tmp_path / "user" / "bilby_flowpe"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "bilby_flowpe"
    assert cache_folder("~/models") == tmp_path / "models"


def test_no_cache_is_no_model(problem_5d: tuple, tmp_path: Path) -> None:
    assert best_model(contract_of(problem_5d), TINY, str(tmp_path / "missing")) is None


def test_new_folders_differ(problem_5d: tuple, problem_8d: tuple) -> None:
    five, eight = contract_of(problem_5d), contract_of(problem_8d)
    folders = {new_folder(five, TINY, "a"), new_folder(eight, TINY, "a"), new_folder(five, Settings(), "a")}
    assert len(folders) == 3
    assert new_folder(five, TINY, "a") in folders


# Many noise curves -----------------------------------------------------------------------------------------------------


def test_a_model_for_many_noise_curves(make_problem_hl: Any, tmp_path: Path) -> None:
    """Masses and spins in the network, all else drawn coherently; another noise curve is shown to it."""
    likelihood, priors = make_problem_hl()
    for interferometer in likelihood.interferometers:
        interferometer.maximum_frequency = 128.0
    simulation = replace(TINY.simulation, psd="amortised")
    settings = replace(TINY, simulation=simulation, training=replace(TINY.training, max_steps=3))
    model = train_model(likelihood, priors, settings, progress=False)
    assert model.kind == "amortised"
    assert model.psd == "amortised"
    assert model.coordinates.keys == ("mass_1", "mass_2", "chi_1", "chi_2")
    assert set(model.conditional.keys) >= {"ra", "dec", "psi", "theta_jn", "geocent_time", "phase"}
    assert model.grid.duration == likelihood.interferometers.duration
    loaded = TrainedPosterior.load(model.save(tmp_path / "model"))
    transform = PriorTransform(priors)
    contexts = []
    for factor in (1.0, 3.0):
        for interferometer in likelihood.interferometers:
            psd = factor * interferometer.power_spectral_density_array
            interferometer.power_spectral_density = PowerSpectralDensity(
                frequency_array=interferometer.frequency_array, psd_array=psd
            )
        bound = BoundPosterior(loaded, problem_of(likelihood, transform))
        contexts.append(bound.context)
        target = Target(as_it_stands(problem_of(likelihood, transform)), True, bound.conditional)
        weighted = target.draw(bound.mixture(), 60, np.random.default_rng(1))
        assert not weighted.spot_check_failed
        assert np.isfinite(weighted.log_weights).sum() > 30
    assert not torch.allclose(*contexts)
    folder = new_folder(model.contract, settings, str(tmp_path / "cache"))
    assert folder != new_folder(model.contract, replace(settings, simulation=TINY.simulation), str(tmp_path / "cache"))
    described = json.loads((tmp_path / "model" / "model.json").read_text())
    assert kind_of(described["settings"]) == adapted(settings, model.contract).kind()


def test_noise_curves_where_there_are_none() -> None:
    settings = replace(TINY, simulation=replace(TINY.simulation, psd="amortised"))
    with pytest.raises(ConfigurationError, match="psd='amortised': only a GravitationalWaveTransient has noise curves"):
        train_model(*regression(), settings, progress=False)


def test_noise_curves_of_no_kind(problem_5d: tuple) -> None:
    settings = replace(TINY, simulation=replace(TINY.simulation, psd="nonsense"))
    with pytest.raises(ConfigurationError, match="psd='nonsense': choose 'fixed' or 'amortised'"):
        train_model(*problem_5d, settings, progress=False)


def test_noise_curves_and_the_whole_series(problem_5d: tuple) -> None:
    settings = replace(
        TINY, simulation=replace(TINY.simulation, psd="amortised"), representation=RepresentationConfig(kind="series")
    )
    with pytest.raises(ConfigurationError, match="with representation='series': use 'aligned'"):
        train_model(*problem_5d, settings, progress=False)
