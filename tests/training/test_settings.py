"""Settings that no model can be made with are refused before anything is simulated."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bilby_flowpe.errors import ConfigurationError
from bilby_flowpe.networks import NetworkConfig
from bilby_flowpe.representation import RepresentationConfig
from bilby_flowpe.training.recipe import TrainingConfig
from bilby_flowpe.training.settings import Settings


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"phase": "nonsense"}, "phase='nonsense': choose 'conditional' or 'network'"),
        ({"network": NetworkConfig(family="nonsense")}, "network='nonsense': choose one of .*'maf', 'nsf'"),
        ({"representation": RepresentationConfig(kind="nonsense")}, "representation='nonsense': choose one of"),
        ({"training": TrainingConfig(device="nonsense")}, "device='nonsense'"),
    ],
)
def test_settings_are_checked(values: dict, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        Settings(**values)


def test_kind_holds_what_makes_a_model_another() -> None:
    usual = Settings()
    assert replace(usual, training=TrainingConfig(max_steps=7)).kind() == usual.kind()
    assert replace(usual, fold_phase=False).kind() == usual.kind()  # nothing to fold where the phase is not drawn
    in_network = replace(usual, phase="network")
    assert in_network.kind() != usual.kind()
    assert replace(in_network, fold_phase=False).kind() != in_network.kind()
    assert replace(usual, network=NetworkConfig(family="nsf")).kind() != usual.kind()
    assert replace(usual, representation=RepresentationConfig(kind="series")).kind() != usual.kind()


def test_a_network_that_no_memory_holds_is_refused_at_once() -> None:
    with pytest.raises(
        ConfigurationError, match=r"hidden_features=\[200000, 200000\] would take .* GiB .*: give widths of"
    ):
        Settings(network=NetworkConfig(hidden_features=(200_000, 200_000)))
    Settings(network=NetworkConfig(hidden_features=(2048, 2048, 2048)))
