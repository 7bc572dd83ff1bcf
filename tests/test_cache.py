"""The best of the models that may be used is chosen; folders here hold contracts without a network."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

import bilby_flowpe.cache as cache
from bilby_flowpe.cache import cached_models, new_folder
from bilby_flowpe.contract import Contract
from bilby_flowpe.errors import ModelError
from bilby_flowpe.model import TrainedPosterior
from bilby_flowpe.training.recipe import TrainingConfig
from bilby_flowpe.training.settings import Settings, kind_of

SETTINGS = Settings(training=TrainingConfig(max_steps=10, max_time=None))
CURVE = np.geomspace(1e-46, 1e-44, 64)


def problem(
    mass: tuple[float, float] = (30.0, 60.0), curve: np.ndarray = CURVE, approximant: str = "A", **facts: Any
) -> Contract:
    """A contract with little in it."""
    return Contract(
        {
            "kind": "gravitational wave",
            "priors": {"mass": {"class": "Uniform", "minimum": mass[0], "maximum": mass[1]}},
            "fixed": {},
            "constraints": {},
            "detectors": {"H1": {"minimum_frequency": 20.0}},
            "waveform": {"arguments": {"approximant": approximant}},
            **facts,
        },
        {"power_spectral_density.H1": curve},
    )


def keep(
    folder: Path,
    contract: Contract,
    seconds: float = 100.0,
    tolerance: float | None = None,
    settings: Settings = SETTINGS,
) -> Path:
    """Write the parts of a model that the search reads."""
    folder.mkdir(parents=True)
    described = {
        "contract": contract.facts,
        "settings": settings.to_dict(),
        "history": {"step": [5, 10], "seconds": [1.0, seconds]},
        "information": {} if tolerance is None else {"psd_tolerance": tolerance},
    }
    (folder / "model.json").write_text(json.dumps(described))
    arrays = {f"contract.{name}": value for name, value in contract.arrays.items()}
    save_file({**arrays, "network.weight": np.zeros(3)}, folder / "model.safetensors")
    (folder / "model.safetensors").rename(folder / "weights.safetensors")
    return folder


@pytest.fixture(autouse=True)
def loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Names of the folders that were loaded; those called ``damaged`` cannot be."""
    names: list[str] = []

    def load(folder: Path) -> str:
        names.append(folder.name)
        if folder.name.endswith("damaged"):
            raise ModelError(f"model={str(folder)!r} is damaged")
        return f"model of {folder.name}"

    monkeypatch.setattr(TrainedPosterior, "load", load)
    monkeypatch.setattr(cache, "SHIPPED", tmp_path / "shipped")
    return names


def best(folder: Path, contract: Contract, settings: Settings = SETTINGS) -> str | None:
    found = next(cached_models(contract, settings, str(folder)), None)
    if found is None:
        return None
    assert found[1] == f"model of {found[0].name}"
    return found[0].name


def test_an_exact_model_is_preferred(tmp_path: Path, loaded: list[str]) -> None:
    keep(tmp_path / "a_wider", problem((20, 80)), seconds=1000)
    keep(tmp_path / "b_exact", problem(), seconds=10)
    keep(tmp_path / "c_wider", problem((25, 80)), seconds=1000)
    assert best(tmp_path, problem()) == "b_exact"
    assert loaded == ["b_exact"]  # the networks of the others are not read


def test_fewer_corrections_are_preferred(tmp_path: Path) -> None:
    keep(tmp_path / "a_two", problem((20, 80), approximant="B"), seconds=1000)
    keep(tmp_path / "b_one", problem((20, 80)), seconds=10)
    assert best(tmp_path, problem()) == "b_one"
    keep(tmp_path / "c_other", problem(approximant="B"), seconds=20)
    assert best(tmp_path, problem()) == "c_other"  # one as well, and trained for longer


def test_all_others_follow_the_best(tmp_path: Path, loaded: list[str]) -> None:
    keep(tmp_path / "a_two", problem((20, 80), approximant="B"))
    keep(tmp_path / "b_none", problem())
    keep(tmp_path / "c_damaged", problem((20, 80)), seconds=200)
    keep(tmp_path / "d_one", problem((20, 80)))
    keep(tmp_path / "e_refused", problem((40, 50)))
    models = cached_models(problem(), SETTINGS, str(tmp_path))
    assert next(models) == (tmp_path / "b_none", "model of b_none")
    assert loaded == ["b_none"]
    assert [folder.name for folder, _ in models] == ["d_one", "a_two"]
    assert loaded == ["b_none", "c_damaged", "d_one", "a_two"]


@pytest.mark.parametrize("longer", ["a", "b", "c"])
@pytest.mark.parametrize("mass", [(30.0, 60.0), (20.0, 80.0)])
def test_of_equals_the_most_trained_is_preferred(tmp_path: Path, longer: str, mass: tuple[float, float]) -> None:
    for name in ("a", "b", "c"):
        keep(tmp_path / name, problem(mass), seconds=200 if name == longer else 100)
    assert best(tmp_path, problem()) == longer


def test_refused_models_are_not_used(tmp_path: Path, loaded: list[str]) -> None:
    keep(tmp_path / "narrower", problem((40, 50)))
    keep(tmp_path / "longer", problem(duration=8.0))
    keep(tmp_path / "quieter", problem(curve=CURVE / 2))
    assert best(tmp_path, problem()) is None
    assert loaded == []


def test_the_tolerance_in_the_noise_curve_is_the_models_own(tmp_path: Path) -> None:
    asked = problem(curve=CURVE * 1.2)  # ln 1.2 = 0.182
    keep(tmp_path / "a_none", problem())
    keep(tmp_path / "b_small", problem(), tolerance=0.18)
    assert best(tmp_path, asked) is None
    keep(tmp_path / "c_enough", problem(), tolerance=0.19)
    assert best(tmp_path, asked) == "c_enough"


def test_shipped_and_own_models_compete(tmp_path: Path) -> None:
    keep(tmp_path / "shipped" / "wide", problem((20, 80)), seconds=1000)
    keep(tmp_path / "own" / "exact", problem(), seconds=10)
    assert best(tmp_path / "own", problem()) == "exact"
    assert best(tmp_path / "own", problem((35, 60))) == "wide"
    # Of shipped models no training is demanded.
    longer = replace(SETTINGS, training=TrainingConfig(max_steps=20, max_time=None))
    assert best(tmp_path / "own", problem(), longer) == "wide"


def test_what_is_drawn_conditionally_makes_a_model_another(tmp_path: Path) -> None:
    keep(tmp_path / "conditional", problem())
    in_network = replace(SETTINGS, distance="network")
    assert best(tmp_path, problem()) == "conditional"
    assert best(tmp_path, problem(), in_network) is None
    # Models of old do not say.
    folder = keep(tmp_path / "old", problem(), settings=in_network)
    described = json.loads((folder / "model.json").read_text())
    del described["settings"]["distance"]
    (folder / "model.json").write_text(json.dumps(described))
    assert best(tmp_path, problem(), in_network) == "old"


def test_the_next_best_stands_in_for_a_damaged_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    keep(tmp_path / "a_damaged", problem())
    keep(tmp_path / "b_wide", problem((20, 80)))
    keep(tmp_path / "c_empty", problem())
    (tmp_path / "c_empty" / "weights.safetensors").write_bytes(b"")
    keep(tmp_path / "d_untrained", problem())
    described = json.loads((tmp_path / "d_untrained" / "model.json").read_text())
    described["history"]["seconds"] = []
    (tmp_path / "d_untrained" / "model.json").write_text(json.dumps(described))
    logger = logging.getLogger("bilby")
    logger.addHandler(caplog.handler)
    try:
        assert best(tmp_path, problem()) == "b_wide"
    finally:
        logger.removeHandler(caplog.handler)
    for name in ("a_damaged", "c_empty", "d_untrained"):
        assert f"Ignoring the model in {tmp_path / name}" in caplog.text


def test_folders_tell_the_order_of_the_detectors(tmp_path: Path) -> None:
    names = {"H1": {"minimum_frequency": 20.0}, "L1": {"minimum_frequency": 20.0}}
    one, other = problem(detectors=names), problem(detectors=dict(reversed(names.items())))
    assert new_folder(one, SETTINGS, str(tmp_path)) != new_folder(other, SETTINGS, str(tmp_path))
    assert new_folder(one, SETTINGS, str(tmp_path)) == new_folder(one, SETTINGS, str(tmp_path))


def test_an_error_of_the_package_itself_is_not_taken_for_a_damaged_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(tmp_path / "a_good", problem())

    def broken(folder: Path) -> None:
        raise AttributeError("a slip of the pen")

    monkeypatch.setattr(TrainedPosterior, "load", broken)
    with pytest.raises(AttributeError, match="a slip of the pen"):
        best(tmp_path, problem())


@pytest.mark.parametrize(
    ("key", "value"),
    [("contract", []), ("settings", {}), ("history", None), ("information", 3), ("history", {"step": [], "seconds": [1.0]})],
)  # fmt: skip
def test_whatever_is_wrong_with_a_description_the_model_is_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, key: str, value: Any
) -> None:
    file = keep(tmp_path / "a_spoilt", problem()) / "model.json"
    keep(tmp_path / "b_wide", problem((20, 80)))
    file.write_text(json.dumps({**json.loads(file.read_text()), key: value}))
    logger = logging.getLogger("bilby")
    logger.addHandler(caplog.handler)
    try:
        assert best(tmp_path, problem()) == "b_wide"
    finally:
        logger.removeHandler(caplog.handler)
    assert f"Ignoring the model in {tmp_path / 'a_spoilt'}: model='{tmp_path / 'a_spoilt'}' is damaged" in caplog.text


def test_training_that_is_enough(tmp_path: Path) -> None:
    """A model needs as many steps or seconds as are asked for, or a training that was given as much and stopped early."""
    keep(tmp_path / "made", problem())  # 10 steps in 100 s, of at most 10 steps
    for steps, seconds, enough in (
        (10, None, True), (11, None, False), (None, 100.0, True), (None, 101.0, False), (11, 100.0, True),
        (11, 101.0, False), (None, 1e9, False),
    ):  # fmt: skip
        asked = replace(SETTINGS, training=TrainingConfig(max_steps=steps, max_time=seconds))
        assert (best(tmp_path, problem(), asked) == "made") == enough, (steps, seconds)


def test_settings_of_a_model_are_of_the_kind_that_they_say() -> None:
    for settings in (
        SETTINGS,
        replace(SETTINGS, phase="network"),
        replace(SETTINGS, phase="network", fold_phase=False),
    ):
        assert kind_of(settings.to_dict()) == settings.kind()
    assert kind_of(SETTINGS.to_dict()) != kind_of(replace(SETTINGS, sky="network").to_dict())
