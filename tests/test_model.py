"""Model folders: what is written comes back, damage is found, and another problem is refused."""

from __future__ import annotations

import copy
import json
import shutil
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from bilby.core.prior import DeltaFunction, PowerLaw, PriorDict, Uniform
from bilby.gw.detector import InterferometerList
from bilby.gw.likelihood import GravitationalWaveTransient
from bilby.gw.source import lal_binary_black_hole
from bilby.gw.waveform_generator import WaveformGenerator

from bilby_flowpe import model as model_module
from bilby_flowpe.errors import ContractError, ModelError
from bilby_flowpe.importance import summarise
from bilby_flowpe.kinds import problem_of
from bilby_flowpe.model import TrainedPosterior, find_model, shipped_models
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.problems import START_TIME, overhead
from bilby_flowpe.proposals.mixture import Draws, flow_alone
from bilby_flowpe.sampling.weighing import Target
from bilby_flowpe.storage import folder as folder_module
from bilby_flowpe.storage import shipped as shipped_module
from bilby_flowpe.storage.folder import DESCRIPTION, FORMAT, WEIGHTS, write_description
from bilby_flowpe.translation.translated import as_it_stands
from bilby_flowpe.waves.symmetries import find_symmetries

Trained = tuple[Path, TrainedPosterior]
SIZE = 200


def draw(model: TrainedPosterior, problem: tuple, seed: int = 3) -> Draws:
    likelihood, priors = problem
    bound = model.bind(likelihood, PriorTransform(priors))
    return flow_alone(bound).draw(SIZE, np.random.default_rng(seed))


def assert_same(one: Draws, other: Draws) -> None:
    assert one.parameters.keys() == other.parameters.keys()
    for key, value in one.parameters.items():
        np.testing.assert_array_equal(value, other.parameters[key])
    np.testing.assert_array_equal(one.log_q, other.log_q)
    np.testing.assert_array_equal(one.inside, other.inside)


@pytest.fixture
def copied(trained_5d: Trained, tmp_path: Path) -> Path:
    """A copy of the model's folder, to be damaged."""
    return Path(shutil.copytree(trained_5d[0], tmp_path / "model"))


@pytest.fixture(params=["conditional", "network"])
def either(request: pytest.FixtureRequest, trained_5d: Trained, trained_network_5d: Trained) -> Trained:
    return trained_5d if request.param == "conditional" else trained_network_5d


def test_round_trip_gives_the_same_draws(either: Trained, problem_5d: tuple) -> None:
    folder, model = either
    began = time.perf_counter()
    loaded = TrainedPosterior.load(folder)
    print(f"loaded in {time.perf_counter() - began:.3f} s")
    assert_same(draw(model, problem_5d), draw(loaded, problem_5d))
    assert loaded.settings == model.settings
    assert loaded.history == model.history
    assert (loaded.conditional, loaded.coordinates, loaded.grid) == (model.conditional, model.coordinates, model.grid)
    assert loaded.contract.differences(model.contract) == []


def test_draws_are_sound(either: Trained, problem_5d: tuple) -> None:
    transform = PriorTransform(problem_5d[1])
    draws = draw(either[1], problem_5d)
    assert set(draws.parameters) == set(either[1].coordinates.keys)
    assert draws.inside.mean() > 0.9
    filled = {key: np.full(SIZE, value) for key, value in transform.from_median().items()} | draws.parameters
    np.testing.assert_array_equal(np.isfinite(transform.log_prob(filled)), draws.inside)


@pytest.mark.parametrize("half", [True, False])
def test_precision_of_the_weights(trained_5d: Trained, problem_5d: tuple, tmp_path: Path, half: bool) -> None:
    from safetensors.torch import load_file

    model = copy.deepcopy(trained_5d[1])
    with torch.no_grad():  # weights that half precision cannot hold
        for parameter in model.network.parameters():
            parameter.mul_(1.0001)
    before = draw(model, problem_5d)
    folder = model.save(tmp_path / "model", half=half)
    weights = {key: value.dtype for key, value in load_file(folder / WEIGHTS).items() if value.is_floating_point()}
    assert {value for key, value in weights.items() if key.startswith("network.")} == {
        torch.float16 if half else torch.float32
    }
    after = draw(model, problem_5d)
    assert_same(after, draw(TrainedPosterior.load(folder), problem_5d))
    assert all(parameter.dtype == torch.float32 for parameter in model.network.parameters())
    if half:
        # Eleven bits: log densities of order ten move by thousandths.
        assert 0 < np.max(np.abs(after.log_q - before.log_q)) < 0.1
    else:
        assert_same(before, after)


def test_folder_is_plain(trained_5d: Trained) -> None:
    folder, _ = trained_5d
    assert sorted(path.name for path in folder.iterdir()) == [DESCRIPTION, WEIGHTS]
    for path in folder.iterdir():
        assert not zipfile.is_zipfile(path)  # torch.save's format
        assert path.read_bytes()[:1] != b"\x80"  # pickle's first byte
    assert json.loads((folder / DESCRIPTION).read_text())["format"] == FORMAT


def test_saving_replaces_an_older_model(trained_5d: Trained, copied: Path, problem_5d: tuple) -> None:
    (copied / "rubbish").write_text("of an older version")
    model = copy.deepcopy(trained_5d[1])
    model.information["name"] = "newer"
    model.save(copied)
    assert sorted(path.name for path in copied.iterdir()) == [DESCRIPTION, WEIGHTS]
    assert TrainedPosterior.load(copied).information["name"] == "newer"


def test_failing_write_leaves_the_old_model(
    trained_5d: Trained, copied: Path, problem_5d: tuple, monkeypatch: pytest.MonkeyPatch
) -> None:
    def disk_full(*_: object, **__: object) -> None:
        raise OSError("no space left on device")

    for owner, name in ((folder_module, "save_file"), (folder_module.json, "dumps")):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, disk_full)
            with pytest.raises(OSError, match="no space left"):
                trained_5d[1].save(copied)
        assert [path.name for path in copied.parent.iterdir()] == [copied.name]
        assert_same(draw(TrainedPosterior.load(copied), problem_5d), draw(trained_5d[1], problem_5d))


def test_other_folders_are_not_deleted(trained_5d: Trained, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ModelError, match="contains something other than a model"):
        trained_5d[1].save(tmp_path)
    assert (tmp_path / "thesis.tex").exists()
    (tmp_path / "empty").mkdir()
    assert trained_5d[1].save(tmp_path / "empty").is_dir()


# Damage ----------------------------------------------------------------------------------------------------------------


def edit(folder: Path, change: Callable[[dict], object]) -> None:
    description = json.loads((folder / DESCRIPTION).read_text())
    change(description)
    (folder / DESCRIPTION).write_text(json.dumps(description))


def signed(folder: Path, change: Callable[[dict], object]) -> None:
    """A change that digests do not tell of."""
    description = json.loads((folder / DESCRIPTION).read_text())
    change(description)
    write_description(folder, description)


def truncate(folder: Path) -> None:
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content[: len(content) // 2])


def flip(folder: Path) -> None:
    """Change one bit of one weight."""
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[-3] ^= 1
    (folder / WEIGHTS).write_bytes(bytes(content))


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (truncate, "damaged .*train the model anew"),
        (lambda folder: (folder / WEIGHTS).write_bytes(b""), "damaged .*train the model anew"),
        (lambda folder: (folder / WEIGHTS).unlink(), f"no {WEIGHTS} there; give the folder"),
        (lambda folder: (folder / DESCRIPTION).unlink(), f"no {DESCRIPTION} there; give the folder"),
        (lambda folder: (folder / DESCRIPTION).write_text("not JSON"), "cannot be read .*train the model anew"),
        (lambda folder: (folder / DESCRIPTION).write_bytes(b"\xff\xfe"), "cannot be read .*train the model anew"),
        (lambda folder: (folder / DESCRIPTION).write_text("[1]"), "cannot be read .*train the model anew"),
        (lambda folder: edit(folder, lambda d: d.pop("format")), "cannot be read .*train the model anew"),
        (lambda folder: edit(folder, lambda d: d.update(format=99)), "format 99.*update bilby_flowpe"),
        (lambda folder: edit(folder, lambda d: d.update(format="new")), "format 'new'.*update bilby_flowpe"),
        (lambda folder: signed(folder, lambda d: d.pop("contract")), "damaged .*contract.*train the model anew"),
        (lambda folder: signed(folder, lambda d: d["coordinates"].pop("scale")), "damaged .*scale.*anew"),
        (lambda folder: signed(folder, lambda d: d.update(kind="nonsense")), "damaged .*nonsense.*anew"),
        (lambda folder: signed(folder, lambda d: d["network"].update(family="nonsense")), "damaged .*nonsense.*anew"),
        (lambda folder: signed(folder, lambda d: d["network"].update(transforms=7)), "damaged .*anew"),
        (lambda folder: signed(folder, lambda d: d.update(network=None)), "damaged .*anew"),
        (
            lambda folder: edit(folder, lambda d: d["network"].update(transforms=2)),
            f"damaged .*{DESCRIPTION} has the SHA-256",
        ),
        (lambda folder: edit(folder, lambda d: d.pop("sha256")), "damaged .*sha256.*anew"),
        (flip, f"damaged .*{WEIGHTS} has the SHA-256.*anew"),
        (shutil.rmtree, f"no {WEIGHTS} there; give the folder"),
    ],
)
def test_damage_is_found(copied: Path, damage: Callable[[Path], object], complaint: str) -> None:
    damage(copied)
    with pytest.raises(ModelError, match=r"(?s)" + complaint) as error:
        TrainedPosterior.load(copied)
    assert str(copied) in str(error.value)


def test_models_of_the_first_format_have_no_digests(copied: Path) -> None:
    description = json.loads((copied / DESCRIPTION).read_text())
    del description["sha256"]
    (copied / DESCRIPTION).write_text(json.dumps({**description, "format": 1}))
    assert TrainedPosterior.load(copied).contract.facts == description["contract"]


def test_find_model(trained_5d: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, model = trained_5d
    assert find_model(str(folder)).history == model.history
    with pytest.raises(ModelError, match="'nonsense' is neither a folder nor one of the shipped models"):
        find_model("nonsense")
    for module in (model_module, shipped_module):
        monkeypatch.setattr(module, "SHIPPED", folder.parent)
    assert folder.name in shipped_models()
    monkeypatch.chdir(tmp_path)
    assert find_model(folder.name).history == model.history


# Other problems --------------------------------------------------------------------------------------------------------


def test_another_problem_is_refused_with_every_difference(trained_5d: Trained, problem_5d: tuple) -> None:
    likelihood, priors = problem_5d
    other = copy.deepcopy(priors)
    other["mass_1"], other["chi_1"] = Uniform(35, 90), DeltaFunction(0.5)
    with pytest.raises(ContractError) as error:
        trained_5d[1].bind(likelihood, PriorTransform(other))
    message = str(error.value)
    assert "priors.mass_1.maximum: 90" in message
    assert "fixed.chi_1: 0.5, trained with 0.0" in message
    assert "or leave model out" in message


def test_same_data_at_another_time_give_the_same_draws(trained_5d: Trained, problem_5d: tuple) -> None:
    likelihood, priors = problem_5d
    later = 1000 * 86_400.0
    interferometer = copy.deepcopy(likelihood.interferometers[0])
    strain = interferometer.frequency_domain_strain
    interferometer.set_strain_data_from_frequency_domain_strain(
        strain, sampling_frequency=1024.0, duration=1.0, start_time=START_TIME + later
    )
    moved = copy.deepcopy(priors)
    window = priors["geocent_time"]
    moved["geocent_time"] = Uniform(window.minimum + later, window.maximum + later)
    for key, value in overhead(interferometer, START_TIME + later + 0.75).items():
        moved[key] = DeltaFunction(value)
    generator = likelihood.waveform_generator
    again = GravitationalWaveTransient(InterferometerList([interferometer]), generator)
    one, other = draw(trained_5d[1], problem_5d), draw(trained_5d[1], (again, moved))
    for key, value in one.parameters.items():
        # Doubles at 1e9 s are 2e-7 s apart; all else is the same.
        shift, tolerance = (later, 1e-6) if key == "geocent_time" else (0.0, 1e-6 * np.abs(value).max())
        np.testing.assert_allclose(other.parameters[key] - shift, value, rtol=0, atol=tolerance)
    # The response at another time differs by about 1e-6, too.
    np.testing.assert_allclose(other.log_q, one.log_q, atol=1e-2)


def test_draws_depend_on_the_data(trained_5d: Trained, problem_5d: tuple) -> None:
    from bilby_flowpe.problems import green2020

    one, other = draw(trained_5d[1], problem_5d), draw(trained_5d[1], green2020(5, seed=2))
    assert np.max(np.abs(one.parameters["mass_1"] - other.parameters["mass_1"])) > 1


def weighed(model: TrainedPosterior, likelihood: GravitationalWaveTransient, priors: PriorDict, size: int = 4000):
    """Weights of a model, under priors that need not be those trained with."""
    transform = PriorTransform(priors)
    bound = model.bind(likelihood, transform)
    target = Target(as_it_stands(problem_of(likelihood, transform)), True, bound.conditional)
    return target.draw(bound.mixture(), size, np.random.default_rng(5)), bound


def test_a_narrower_prior_is_corrected_exactly(trained_5d: Trained, problem_5d: tuple) -> None:
    """Bayes: the evidence grows by the posterior share of the new range over its prior share."""
    likelihood, priors = problem_5d
    middle = likelihood.injection_parameters["luminosity_distance"]
    low, high = max(1000.0, middle - 300), min(3000.0, middle + 500)
    narrow = copy.deepcopy(priors)
    narrow["luminosity_distance"] = PowerLaw(2, low, high)
    narrow["mass_1"] = Uniform(40, 80)
    whole, _ = weighed(trained_5d[1], likelihood, priors)
    part, bound = weighed(trained_5d[1], likelihood, narrow)
    assert len(bound.corrections) >= 2
    weights = np.exp(whole.log_weights - whole.log_weights.max())
    distance, mass = whole.parameters["luminosity_distance"], whole.parameters["mass_1"]
    inside = (distance > low) & (distance < high) & (mass > 40)
    share = weights[inside].sum() / weights.sum()
    prior_share = float(np.diff(priors["luminosity_distance"].cdf(np.array([low, high])))[0])
    # Of the triangle mass_1 >= mass_2, with 40 < mass_1: all but the small one below 40.
    prior_share *= 1 - (5 / 45) ** 2
    one, other = summarise(whole.log_weights), summarise(part.log_weights)
    error = np.hypot(one.log_evidence_err, other.log_evidence_err)
    assert error < 0.2
    expected = one.log_evidence + np.log(share / prior_share)
    assert other.log_evidence == pytest.approx(expected, abs=4 * error)
    np.testing.assert_array_less(part.parameters["luminosity_distance"][np.isfinite(part.log_weights)], high)


def with_waveform(likelihood: GravitationalWaveTransient, approximant: str) -> GravitationalWaveTransient:
    plain = likelihood.waveform_generator
    generator = WaveformGenerator(
        1.0,
        1024.0,
        plain.start_time,
        frequency_domain_source_model=lal_binary_black_hole,
        waveform_arguments={**plain.waveform_arguments, "waveform_approximant": approximant},
    )
    return GravitationalWaveTransient(likelihood.interferometers, generator)


def test_another_waveform_is_corrected(trained_5d: Trained, problem_5d: tuple) -> None:
    other = with_waveform(problem_5d[0], "IMRPhenomD")
    weighted, bound = weighed(trained_5d[1], other, problem_5d[1], 300)
    assert any("IMRPhenomD" in correction for correction in bound.corrections)
    assert not weighted.spot_check_failed


def test_another_waveform_without_the_symmetries_is_refused(
    trained_5d: Trained, problem_5d: tuple, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = find_symmetries(problem_5d[0].waveform_generator, PriorTransform(problem_5d[1]))
    monkeypatch.setattr(model_module, "find_symmetries", lambda *_: replace(found, phase_order=0))
    with pytest.raises(ContractError, match=r"does not allow for \['phase'\]: .*phase='network'"):
        weighed(trained_5d[1], with_waveform(problem_5d[0], "IMRPhenomD"), problem_5d[1], 300)


def test_a_parameter_of_which_no_symmetry_is_known_is_refused_with_another_waveform(
    trained_5d: Trained, problem_5d: tuple
) -> None:
    model = trained_5d[1]
    further = replace(model, conditional=replace(model.conditional, keys=(*model.conditional.keys, "lambda_1")))
    with pytest.raises(ContractError, match=r"does not allow for \['lambda_1'\]"):
        further.bind(with_waveform(problem_5d[0], "IMRPhenomD"), PriorTransform(problem_5d[1]))
