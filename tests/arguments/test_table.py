"""Keyword arguments: what is clear is taken, what is not is refused by name."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bilby_flowpe.arguments.table import ARGUMENTS, MODES, OF_THE_MODEL, check_arguments, check_npool, settings_of
from bilby_flowpe.errors import ConfigurationError
from bilby_flowpe.sampler import FlowPE
from bilby_flowpe.training.settings import Settings


def checked(**changes: Any) -> dict[str, Any]:
    return check_arguments({**FlowPE.default_kwargs, **changes})


def test_defaults_pass_unchanged() -> None:
    assert checked() == FlowPE.default_kwargs


def test_strings_of_a_configuration_file() -> None:
    made = checked(importance="False", training_time="10", n_effective="500", model="None", sampling_seed="3")
    assert made["importance"] is False
    assert made["training_time"] == 10.0
    assert made["n_effective"] == 500
    assert made["model"] is None
    assert made["sampling_seed"] == 3
    for given, taken in (("False", False), ("true", True), ("None", None), ("IMRPhenomXPHM", "IMRPhenomXPHM")):
        assert checked(coarse=given)["coarse"] is taken or checked(coarse=given)["coarse"] == taken != bool(taken)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *[
            (key, 0)
            for key in ("n_effective", "n_posterior", "max_likelihood_evaluations", "n_waveforms", "training_time")
        ],
        ("n_effective", True),
        ("n_waveforms", 2.5),
        ("training_steps", 1.5),
        ("training_time", -1),
        ("training_time", float("nan")),
        ("learning_rate", "fast"),
        ("sampling_seed", "x"),
        ("sampling_seed", -1),
        ("sampling_seed", 2**63),
        ("network", np.array([1, 2])),
        ("network", "x"),
        ("phase", "x"),
        ("representation", "linear"),
        ("fold_phase", "no"),
        ("importance", 1),
        ("coarse", 1),
        ("coarse", ""),
        ("model", 3),
        ("cache", ""),
        ("device", None),
    ],
)
def test_what_is_not_usable_is_named_with_its_value(key: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=key) as caught:
        checked(**{key: value})
    assert repr(value) in str(caught.value)


def test_arguments_that_contradict_each_other() -> None:
    with pytest.raises(ConfigurationError, match="n_effective=600 is more than max_likelihood_evaluations=500"):
        checked(n_effective=600, max_likelihood_evaluations=500)
    with pytest.raises(ConfigurationError, match="training_time=None and training_steps=None"):
        checked(training_time=None)


def test_npool() -> None:
    assert check_npool(None) == 1
    assert check_npool("2") == 2
    with pytest.raises(ConfigurationError, match="npool='two'"):
        check_npool("two")


def test_every_argument_is_checked_and_documented() -> None:
    assert {*FlowPE.default_kwargs} == {argument.name for argument in ARGUMENTS} - {"npool"}
    for argument in ARGUMENTS:
        assert f"\n{argument.name} : {argument.kind.words}" in FlowPE.__doc__
        assert argument.words and not argument.words.endswith(".")
        if not argument.of_bilby:
            with pytest.raises(ConfigurationError, match=f"^{argument.name}="):
                checked(**{argument.name: object()})


def test_none_is_for_those_that_may_be_left_out() -> None:
    for argument in ARGUMENTS:
        if argument.optional:
            assert argument.checked(None) is argument.checked("None") is None
        else:
            with pytest.raises(ConfigurationError, match=argument.name):
                argument.checked(None)


def test_what_a_training_uses_are_fields_of_its_settings() -> None:
    assert {argument.name for argument in ARGUMENTS if argument.setting} == {*OF_THE_MODEL}
    settings = Settings()
    for part, values in settings_of(FlowPE.default_kwargs).items():
        assert {*values} <= {field.name for field in fields(getattr(settings, part) if part else settings)}
    assert {*MODES} == {"phase", "distance", "time", "sky"} <= {*settings_of(FlowPE.default_kwargs)[""]}


def test_defaults_are_those_of_the_settings() -> None:
    """Compare all but the steps and seconds of a training and the widths of a network."""
    settings = Settings()
    parts = settings_of(FlowPE.default_kwargs)
    assert parts["network"].pop("hidden_features") == 256
    for part, values in parts.items():
        owner = getattr(settings, part) if part else settings
        assert values == {key: getattr(owner, key) for key in values}


def test_a_folder_of_noise_curves_is_named_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "curves").mkdir()
    monkeypatch.chdir(tmp_path)
    assert checked(psd="curves")["psd"] == str(tmp_path / "curves")
    assert checked(psd="amortised")["psd"] == "amortised"
    with pytest.raises(ConfigurationError, match="psd='nowhere': choose 'fixed' or 'amortised', or give a folder"):
        checked(psd="nowhere")
