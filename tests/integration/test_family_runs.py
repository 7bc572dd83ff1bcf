"""Whole runs with networks of a family that have learnt nothing: good ones by the metric alone, and poor ones."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import bilby
import numpy as np
import pytest
from bilby.core.prior import Cosine, PowerLaw, Sine, Uniform
from bilby.core.result import Result
from bilby.gw.likelihood import GravitationalWaveTransient
from bilby.gw.prior import BBHPriorDict

from bilby_flowpe.errors import ConfigurationError, ContractError
from bilby_flowpe.family import shipped
from tests.family.small import ALIGNED, MERGER, likelihood, untrained
from tests.family.test_chart import ALONG, OF_FAMILY

PRIORS = {
    **OF_FAMILY,
    **ALONG,
    "luminosity_distance": PowerLaw(2, 100, 3000),
    "theta_jn": Sine(),
    **{key: Uniform(0, 2 * np.pi, boundary="periodic") for key in ("phase", "ra")},
    "psi": Uniform(0, np.pi, boundary="periodic"),
    "dec": Cosine(),
    "geocent_time": Uniform(MERGER - 0.1, MERGER + 0.1),
}
LOG_Z, ERROR = -26.459, 0.005
"""Of runs with ``network="none"``, the last test's with 6000 effective draws."""


@cache
def signal() -> GravitationalWaveTransient:
    """Data of a signal without noise, whose search is never far off."""
    return likelihood()


def run(tmp_path: Path, priors: dict[str, Any] = PRIORS, **changes: Any) -> Result:
    options = {"n_effective": 300, "sampling_seed": 1, "progress": False, "save": False, "resume": False, **changes}
    made = bilby.run_sampler(
        signal(), BBHPriorDict(priors), sampler="flowpe", outdir=str(tmp_path), label="run", **options
    )
    assert abs(made.log_evidence - LOG_Z) < 4 * np.hypot(made.log_evidence_err, ERROR)
    return made


def said(result: Result) -> dict[str, Any]:
    return result.meta_data["run_statistics"]


def network(tmp_path: Path, kind: str = "maf", location: float = 0.1, width: float = 1.2) -> str:
    model = untrained(ALIGNED, 48, kind, width)
    model.location[:] = location
    return str(model.save(tmp_path / "a network"))


@pytest.mark.parametrize("kind", ["maf", pytest.param("cvae+", marks=pytest.mark.slow)])
def test_a_run_by_a_network_that_was_named(kind: str, tmp_path: Path) -> None:
    result = run(tmp_path, model=network(tmp_path, kind))
    statistics = said(result)
    assert statistics["model"] == "a network" and statistics["efficiency"] > 0.1
    assert "refinement" not in statistics["seconds"] and statistics["seconds"]["view"] > 0
    # What it says of modes is what templates and draws can tell.
    assert "unreached" not in statistics or statistics["unreached"] is None


@pytest.mark.slow
def test_the_shipped_network_is_used_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "_FOLDER", tmp_path)
    untrained(ALIGNED, 48).save(tmp_path / "bbh-aligned-maf")
    assert said(run(tmp_path))["model"] == "bbh-aligned-maf"
    assert said(run(tmp_path, network="none"))["model"] == "none"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["maf", "cvae+"])
def test_a_poor_network_is_left_for_what_the_search_has_found(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(bilby.core.utils.logger, "propagate", True)
    with caplog.at_level("INFO", logger="bilby"):
        result = run(tmp_path, model=network(tmp_path, kind, location=3.0, width=0.3))
    assert "refining a proposal costs less" in caplog.text
    assert said(result)["efficiency"] > 0.3 and said(result)["seconds"]["refinement"] > 0
    # The network has drawn nothing of it.
    assert said(result)["model"] == "none"


@pytest.mark.slow
def test_the_evidence_without_a_network(tmp_path: Path) -> None:
    assert said(run(tmp_path, network="none", n_effective=6000))["model"] == "none"


def test_a_network_that_does_not_serve_is_told_before_any_draw(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="needs coarse waveforms: leave coarse=False out, or model"):
        run(tmp_path, model=network(tmp_path), coarse=False)


def test_arguments_that_say_nothing_to_a_network_of_a_family_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(bilby.core.utils.logger, "propagate", True)
    with caplog.at_level("WARNING", logger="bilby"), pytest.raises(ConfigurationError, match="has no raw draws"):
        run(tmp_path, model=network(tmp_path), importance=False, training_time=5.0)
    assert "is used as it was trained: ['training_time'] have no effect" in caplog.text
