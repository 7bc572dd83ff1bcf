"""Whole runs in which a coarse likelihood draws: a real conditional, spoilt on purpose."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import bilby
import numpy as np
import pytest
from bilby.core.result import Result

from bilby_flowpe import run as run_module
from bilby_flowpe.coarse_choice import CoarseChoice
from bilby_flowpe.conditional.base import Conditional, ConditionalDraws
from bilby_flowpe.model_choice import ModelChoice
from bilby_flowpe.processes.parallel import Row
from bilby_flowpe.reweighting import reweight
from bilby_flowpe.sampling.coarse import CoarseLikelihoodError
from bilby_flowpe.sampling.event import EventSampler
from bilby_flowpe.sampling.outcome import Outcome
from tests.coarse_toy import TRANSFORM, Coarse, Ridge


class Spoilt:
    """A conditional whose likelihood has another value, by a tenth of it or by something else."""

    exact = False

    def __init__(self, inner: Conditional, factor: float, noise: float = 0.0) -> None:
        self.inner, self.factor, self.noise = inner, factor, noise
        self.keys, self.reference = inner.keys, inner.reference
        self.task, self.task_rows = inner.task, inner.task_rows

    def defended(self, share: float) -> Spoilt:
        return Spoilt(self.inner.defended(share), self.factor, self.noise)

    def describe(self) -> dict[str, Any]:
        return {"source": "the same wave, spoilt"}

    def draw(self, products: np.ndarray, rng: np.random.Generator) -> ConditionalDraws:
        drawn = self.inner.draw(products, rng)
        change = self.factor * drawn.log_likelihood_ratio + self.noise * rng.standard_normal(len(products))
        return ConditionalDraws(drawn.parameters, drawn.log_likelihood_ratio + change, drawn.log_weight + change)

    def log_average(self, likelihood: Any, row: Row) -> float:
        return self.inner.log_average(likelihood, row)


def run(problem: tuple, tmp_path: Path, **changes: Any) -> Result:
    options = {"network": "none", "sampling_seed": 1, "progress": False, "save": False, "n_effective": 300, **changes}
    return bilby.run_sampler(*problem, sampler="flowpe", outdir=str(tmp_path), label="run", **options)


def spoil(monkeypatch: pytest.MonkeyPatch, factor: float, noise: float = 0.0) -> list[Row | None]:
    """Have runs draw with a spoilt conditional; the rows to which its reference was to move."""
    places: list[Row | None] = []

    def made(self: CoarseChoice, conditional: Conditional, at: Row | None = None, network: bool = False) -> Conditional:
        places.append(at)
        return Spoilt(conditional, factor, noise)

    monkeypatch.setattr(CoarseChoice, "of", made)
    return places


@pytest.fixture(scope="module")
def exact(problem_5d: tuple, tmp_path_factory: pytest.TempPathFactory) -> Result:
    return run(problem_5d, tmp_path_factory.mktemp("exact"), coarse=False)


@pytest.mark.slow
def test_a_run_by_a_coarse_likelihood(
    problem_5d: tuple, exact: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer is that of a run without; the likelihood was evaluated for the draws that were kept."""
    places = spoil(monkeypatch, 0.01, noise=0.2)
    result = run(problem_5d, tmp_path, save="hdf5")
    said = result.meta_data["run_statistics"]
    error = np.hypot(result.log_evidence_err, exact.log_evidence_err)
    assert abs(result.log_evidence - exact.log_evidence) < 4 * error
    assert result.num_likelihood_evaluations == said["n_likelihood_evaluations"] <= said["n_kept"] + 300
    assert said["n_kept"] < said["n_draws"] < said["n_coarse_evaluations"]
    # Noise of 0.2 alone leaves exp(-0.04).
    assert 0.9 < said["coarse_efficiency"] < 0.97
    assert said["coarse"] == {"source": "the same wave, spoilt", "reference_moved": 0, "floor": 0.01, "lost": 0.0}
    assert said["effective_sample_size"] > 250
    assert said["by_differences"]
    assert said["n_nan_likelihoods"] == 0
    assert said["closed_form"]["n_rows"] > said["n_kept"]
    assert places == [None]
    json.dumps(said)
    again = bilby.core.result.read_in_result(str(tmp_path / "run_result.hdf5"))
    assert again.meta_data["run_statistics"]["coarse"]["source"] == "the same wave, spoilt"
    # Rows of the posterior have the likelihood of the user.
    likelihood, row = problem_5d[0], result.posterior.iloc[0].to_dict()
    assert row["log_likelihood"] == pytest.approx(likelihood.log_likelihood_ratio(row), abs=1e-6)
    np.testing.assert_allclose(result.nested_samples["weights"].sum(), 1.0)
    same = reweight(result, likelihood=likelihood)
    assert same.log_evidence == pytest.approx(result.log_evidence, abs=0.01)


@pytest.mark.slow
def test_a_coarse_likelihood_that_is_too_far_off_is_given_up(
    problem_5d: tuple, exact: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its reference moves twice before, to draws with the user's likelihood at its best."""
    places = spoil(monkeypatch, 0.0, noise=2.5)
    monkeypatch.setattr(bilby.core.utils.logger, "propagate", True)
    result = run(problem_5d, tmp_path)
    said = result.meta_data["run_statistics"]
    assert "continues without the coarse likelihood" in caplog.text
    assert places[0] is None
    assert all(row is not None and row["mass_1"] > 30 for row in places[1:])
    assert len(places) == 3
    assert "coarse" not in said and "coarse_efficiency" not in said
    error = np.hypot(result.log_evidence_err, exact.log_evidence_err)
    assert abs(result.log_evidence - exact.log_evidence) < 4 * error


class FarOff(EventSampler):
    """Finds every coarse likelihood too far off."""

    def run(self) -> Outcome:
        if self.target.coarse:
            raise CoarseLikelihoodError("too far off")
        return super().run()


def test_a_run_goes_on_without_a_coarse_likelihood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(run_module, "EventSampler", FarOff)
    exact = Coarse()
    exact.exact = True
    monkeypatch.setattr(ModelChoice, "conditional_alone", lambda *_: exact)
    places = spoil(monkeypatch, 0.01)
    monkeypatch.setattr(bilby.core.utils.logger, "propagate", True)
    likelihood = Ridge()
    result = run((likelihood, TRANSFORM.priors), tmp_path, max_likelihood_evaluations=1500)
    said = result.meta_data["run_statistics"]
    assert "too far off: the run continues without the coarse likelihood, as with coarse=False" in caplog.text
    assert places == [None]
    assert said["conditional"] == ["b"]
    assert "coarse" not in said


@pytest.mark.parametrize("changes", [{"coarse": False}, {"coarse": "None"}])
def test_it_can_be_switched_off(changes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exact = Coarse()
    exact.exact = True
    monkeypatch.setattr(ModelChoice, "conditional_alone", lambda *_: exact)
    places = spoil(monkeypatch, 0.01)
    result = run((Ridge(), TRANSFORM.priors), tmp_path, n_effective=100, max_likelihood_evaluations=1500, **changes)
    assert places == []
    assert "coarse" not in result.meta_data["run_statistics"]
