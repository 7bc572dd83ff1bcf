"""Tests of which events a network of a family serves, and of the messages for those that it does not."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bilby
import numpy as np
import pytest
from bilby.core.prior import ConditionalUniform, PriorDict, Uniform
from bilby.gw.likelihood import GravitationalWaveTransient
from bilby.gw.prior import BBHPriorDict, ConditionalPriorDict

from bilby_flowpe.errors import ContractError, ModelError
from bilby_flowpe.family import shipped
from bilby_flowpe.family.bounds import Family
from bilby_flowpe.family.choice import FamilyChoice
from bilby_flowpe.priors import PriorTransform
from tests.family.small import ALIGNED, PRECESSING, likelihood, untrained
from tests.family.test_chart import ALONG, ANGLES, OF_FAMILY, PRIORS, TILTED, TRUTH

BY_CONDITIONAL = SimpleNamespace(keys=("luminosity_distance", "phase", "psi", "ra", "dec", "geocent_time"))


@cache
def data() -> GravitationalWaveTransient:
    return likelihood()


def problem(priors: PriorDict, detectors: tuple[str, ...] = ("H1", "L1"), lowest: float = 20.0) -> Any:
    """Describe what a choice asks of a problem: the prior, and the detectors of the data."""
    seen_by = [SimpleNamespace(name=name, minimum_frequency=lowest) for name in detectors]
    return SimpleNamespace(prior=PriorTransform(priors), likelihood=SimpleNamespace(interferometers=seen_by))


def said(priors: PriorDict, family: Family = ALIGNED, found: dict[str, float] = TRUTH, **data: Any) -> str | None:
    of = problem(priors, **data)
    return FamilyChoice(of).obstacle(family, of.prior.keys, found)


@pytest.mark.parametrize("name", PRIORS)
def test_problems_that_are_served(name: str) -> None:
    precessing = name.startswith("precessing")
    assert said(PRIORS[name], PRECESSING if precessing else ALIGNED) is None
    assert said(PRIORS[name], ALIGNED if precessing else PRECESSING) is not None


TIED = ConditionalPriorDict(
    {
        **OF_FAMILY,
        "chi_1": Uniform(-0.5, 0.5),
        "chi_2": ConditionalUniform(lambda reference_params, chi_1: {}, minimum=-0.5, maximum=0.5),
    }
)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"priors": BBHPriorDict({**OF_FAMILY, "chi_1": ALONG["chi_1"]})},
            r"it draws \['chi_2'\], which are not sampled",
        ),
        ({"priors": BBHPriorDict({**OF_FAMILY, **ALONG, "mass_ratio": 0.8})}, r"it draws \['mass_ratio'\]"),
        (
            {"priors": BBHPriorDict({**OF_FAMILY, **ALONG, "lambda_1": Uniform(0, 500)})},
            r"has not learnt \['lambda_1'\], which it would have to draw",
        ),
        ({"priors": TIED}, r"the priors of \['.*'\] depend on other parameters"),
        (
            {
                "priors": BBHPriorDict({**OF_FAMILY, **TILTED, **ANGLES}),
                "family": PRECESSING,
                "detectors": ("H1", "K1"),
            },
            r"trained for \['H1', 'L1', 'V1'\], the data are of \['K1'\]",
        ),
        ({"detectors": ("H1", "L1", "V1", "K1", "A1")}, "up to 4 detectors, there are 5"),
        ({"lowest": 100.0}, "minimum_frequency is 100 Hz, it can be used for 10 to 50 Hz"),
        ({"lowest": 5.0}, "minimum_frequency is 5 Hz"),
        ({"found": {**TRUTH, "chirp_mass": 3.0}}, "a chirp mass of 3 solar masses, it was trained for 5 to 100"),
        ({"found": {**TRUTH, "mass_ratio": 0.05}}, "a mass ratio of 0.05, it was trained for 0.0556 to 1"),
        ({"found": {**TRUTH, "chi_2": -0.995}}, "a spin of 0.99 or more"),
        ({"found": {**TRUTH, "chi_2": np.nan}}, "spin"),
    ],
)
def test_problems_that_are_not_served_are_told(change: dict[str, Any], words: str) -> None:
    found = said(**{"priors": PRIORS["as the family"], **change})
    assert found is not None and re.search(words, found)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package's folder of networks, with one."""
    monkeypatch.setattr(shipped, "_FOLDER", tmp_path)
    return untrained(ALIGNED, 48).save(tmp_path / "bbh-aligned-maf")


def choice(priors: PriorDict, model: str | None = None) -> FamilyChoice:
    return FamilyChoice(SimpleNamespace(prior=PriorTransform(priors), likelihood=data()), model)


@pytest.mark.parametrize("model", [None, "bbh-aligned", "bbh-aligned-maf"])
def test_a_network_is_bound(folder: Path, model: str | None) -> None:
    bound = choice(PRIORS["component masses"], model).of(BY_CONDITIONAL, TRUTH)
    assert bound is not None
    chart, name = bound
    assert name == "bbh-aligned-maf" and chart.keys == PriorTransform(PRIORS["component masses"]).keys


def test_without_a_network_that_serves_a_run_does_without(folder: Path) -> None:
    assert choice(PRIORS["precessing"]).of(BY_CONDITIONAL, TRUTH) is None
    with pytest.raises(
        ContractError, match=r"model='bbh-aligned' does not serve this problem: it draws .*; leave model out"
    ):
        choice(PRIORS["precessing"], "bbh-aligned").of(BY_CONDITIONAL, TRUTH)


def test_a_network_that_was_named_is_refused_before_a_search(folder: Path) -> None:
    tides = BBHPriorDict({**OF_FAMILY, **ALONG, "lambda_1": Uniform(0, 500)})
    with pytest.raises(ContractError, match=r"model='bbh-aligned' does not serve this problem: it has not learnt"):
        choice(tides, "bbh-aligned").check(BY_CONDITIONAL)
    choice(tides).check(BY_CONDITIONAL)
    choice(PRIORS["as the family"], "bbh-aligned").check(BY_CONDITIONAL)
    (folder / "weights.safetensors").write_bytes(b"damaged")
    with pytest.raises(ModelError):
        choice(PRIORS["as the family"], "bbh-aligned").check(BY_CONDITIONAL)


def test_data_that_a_network_cannot_be_bound_to_are_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object) -> None:
        raise np.linalg.LinAlgError("singular")

    monkeypatch.setattr("bilby_flowpe.family.chart.FamilyChart.__init__", fails)
    monkeypatch.setattr(bilby.core.utils.logger, "propagate", True)
    assert choice(PRIORS["as the family"]).of(BY_CONDITIONAL, TRUTH) is None
    assert "bbh-aligned-maf cannot be bound to these data (singular): the run goes on without it" in caplog.text
    with pytest.raises(ContractError, match=r"model='bbh-aligned' cannot be bound to these data \(singular\): leave"):
        choice(PRIORS["as the family"], "bbh-aligned").of(BY_CONDITIONAL, TRUTH)


def test_a_network_of_another_versions_views_is_refused(folder: Path) -> None:
    untrained(ALIGNED, 47).save(folder)
    with pytest.raises(
        ModelError, match="trained on views of 47 numbers, this version makes 48: train the network again"
    ):
        choice(PRIORS["as the family"]).of(BY_CONDITIONAL, TRUTH)


def test_a_family_may_be_for_fewer_binaries() -> None:
    narrow = replace(ALIGNED, chirp_mass=(20.0, 25.0))
    assert "trained for 20 to 25" in str(said(PRIORS["as the family"], narrow))
