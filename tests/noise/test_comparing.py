"""A result under several noise models, by its draws: against runs of their own, and what is told where draws do not last."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import bilby
import numpy as np
import pandas as pd
import pytest
from bilby.core.prior import PowerLaw
from bilby.core.result import Result
from bilby.gw.likelihood import GravitationalWaveTransient
from scipy.stats import norm

from bilby_flowpe.errors import DataError
from bilby_flowpe.importance import equal_weight_rows, summarise
from bilby_flowpe.noise import StudentTTransient, compare, notched
from bilby_flowpe.noise.choices import GAUSSIAN, NoiseModel, noise_models
from bilby_flowpe.noise.compared import NoiseComparison
from bilby_flowpe.noise.densities import StudentT
from bilby_flowpe.noise.page import format_noise, write_page
from bilby_flowpe.results import Drawn, fill
from bilby_flowpe.verdict import judge

from .shared import SIGNAL, detectors, generator

pytestmark = pytest.mark.training


def priors() -> Any:
    found = bilby.core.prior.PriorDict({**SIGNAL})
    found["luminosity_distance"] = PowerLaw(2, 100, 5000)
    return found


def drawn(likelihood: GravitationalWaveTransient, label: str = "run", n_draws: int = 400) -> Result:
    """A weighted result as a run leaves it: distances from a normal density about the posterior, three times as wide."""
    given, rng = priors(), np.random.default_rng(3)
    grid = np.linspace(300, 4000, 80)
    logs = np.array([likelihood.log_likelihood({**SIGNAL, "luminosity_distance": one}) for one in grid])
    shares = np.exp(logs - logs.max()) * given["luminosity_distance"].prob(grid)
    mean = np.average(grid, weights=shares)
    proposal = norm(mean, 2 * np.sqrt(np.average((grid - mean) ** 2, weights=shares)))
    distances = proposal.rvs(n_draws, random_state=rng)
    log_likelihood = np.array([likelihood.log_likelihood({**SIGNAL, "luminosity_distance": one}) for one in distances])
    log_prior = given["luminosity_distance"].ln_prob(distances)
    log_weights = log_likelihood + log_prior - proposal.logpdf(distances)
    table = pd.DataFrame({"luminosity_distance": distances, "log_likelihood": log_likelihood, "log_prior": log_prior})
    rows, _ = equal_weight_rows(log_weights, 100, rng)
    summary = summarise(log_weights)
    found = Result(label=label, outdir="none", search_parameter_keys=["luminosity_distance"], priors=given)
    found.use_ratio, found.log_noise_evidence = False, likelihood.noise_log_likelihood()
    samples = table[["luminosity_distance"]].to_numpy()
    fill(
        found, Drawn(table, samples, rows, log_weights, summary, summary.log_evidence_err), judge(summary), n_draws, {}
    )
    found.posterior = table.iloc[rows].assign(**{key: value for key, value in SIGNAL.items() if key not in table})
    return found


@pytest.fixture(scope="module")
def plain() -> GravitationalWaveTransient:
    """Return the plain likelihood of data in heavy-tailed noise."""
    return GravitationalWaveTransient(detectors(noise=StudentT(8.0), seed=4), generator())


@pytest.fixture(scope="module")
def result(plain: GravitationalWaveTransient) -> Result:
    return drawn(plain)


@pytest.fixture(scope="module")
def compared(plain: GravitationalWaveTransient, result: Any) -> NoiseComparison:
    every = noise_models(plain, {"L1": [(300, 320)]}, segments=31)
    assert {GAUSSIAN, "Student-t", "curve of median", "Student-t, lines left out"} < set(every)
    models = {name: model for name, model in every.items() if name.startswith((GAUSSIAN, "Student-t"))}
    return compare(result, plain, models, lines={"L1": [(300, 320)]})


def test_evidences_are_those_of_quadrature(compared: NoiseComparison, plain: Any) -> None:
    """Over the distance. In noise of eight degrees of freedom the Student-t likelihood wins, with a signal and without."""
    gaussian, student = compared.models[:2]
    assert (gaussian.name, gaussian.data, student.name) == (GAUSSIAN, "all data", "Student-t")
    likelihood = noise_models(plain)["Student-t"].likelihood
    distances = np.linspace(100, 5000, 400)
    logs = np.array([likelihood.log_likelihood({**SIGNAL, "luminosity_distance": one}) for one in distances])
    density = PowerLaw(2, 100, 5000).prob(distances)
    integral = np.trapezoid(np.exp(logs - logs.max()) * density, distances)
    assert student.log_evidence == pytest.approx(np.log(integral) + logs.max(), abs=5 * student.log_evidence_err)
    assert student.log_evidence_err < 0.1
    assert student.log_noise == likelihood.noise_log_likelihood()
    assert student.log_ratio > 50
    assert student.log_noise_ratio > 50
    assert abs(student.residual) < 4
    assert gaussian.residual > 10
    assert not gaussian.expected


def test_the_error_of_a_ratio_is_that_of_common_draws(compared: NoiseComparison) -> None:
    """Smaller than that of independent runs, and none of the result over itself."""
    gaussian, student = compared.models[:2]
    assert gaussian.log_ratio_err == 0
    assert 0 < student.log_ratio_err < np.hypot(gaussian.log_evidence_err, student.log_evidence_err)
    assert gaussian.changes["luminosity_distance"] == (0, 1)
    assert student.changes["luminosity_distance"] != (0, 1)


def test_data_sets_are_kept_apart(compared: NoiseComparison) -> None:
    whole, without = ({m.data for m in compared.models if m.name.endswith("out") is left} for left in (False, True))
    assert whole == {"all data"}
    assert without == {"lines left out"}
    assert "L1 300-320 Hz" in format_noise(compared)
    first = next(model for model in compared.models if model.data != "all data")
    assert first.log_noise_ratio == first.log_ratio == 0
    assert first.log_noise > compared.models[0].log_noise


def test_the_page_says_it(compared: NoiseComparison, tmp_path: Path) -> None:
    text = write_page(compared, tmp_path / "noise.html").read_text(encoding="utf-8")
    for model in compared.models:
        assert model.name in text
        assert model.name[:31] in format_noise(compared)
    assert "data:image/png;base64," in text
    assert compared.to_dict()["models"][1]["log_bayes_factor"] == compared.models[1].log_bayes_factor


def test_where_draws_do_not_last_it_is_said_and_mended(
    plain: Any, result: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """If hardly any signal is left in the data, the distance may have any value, and there are no draws for it."""
    most = GravitationalWaveTransient(notched(plain.interferometers, [(21, 150)]), generator())
    models = {"without most": NoiseModel(most, "without 21 to 150 Hz")}
    (left,) = compare(result, plain, models).models
    assert left.note.startswith("too few effective draws") and "--refine" in left.note
    assert not left.enough and not left.anew
    asked: dict[str, Any] = {}

    def run_sampler(likelihood: Any, given: Any, **options: Any) -> Result:
        asked.update(options, likelihood=likelihood)
        return drawn(likelihood, options["label"])

    monkeypatch.setattr(bilby, "run_sampler", run_sampler)
    (mended,) = compare(result, plain, models, refine={"n_effective": 700}, outdir=tmp_path).models
    assert mended.note.startswith("run again")
    assert mended.enough and mended.anew
    assert asked["likelihood"] is most
    assert (asked["sampler"], asked["n_effective"], asked["outdir"]) == ("flowpe", 700, str(tmp_path))
    assert asked["label"] == "run_without_most"
    assert mended.log_evidence == pytest.approx(left.log_evidence, abs=0.4)


def test_what_cannot_be_compared_is_refused(plain: Any, result: Any) -> None:
    with pytest.raises(DataError, match="does not assume Gaussian noise"):
        compare(result, StudentTTransient(plain.interferometers, generator()))
    with pytest.raises(DataError, match="likelihood that the result was made with"):
        compare(result, GravitationalWaveTransient(detectors(seed=5), generator()))
    marginalised = copy.deepcopy(result)
    marginalised.meta_data["run_statistics"]["marginalised"] = ["phase"]
    with pytest.raises(DataError, match="marginalised over"):
        compare(marginalised, plain)


def test_frames_of_the_likelihood_are_those_of_the_models() -> None:
    likelihood = GravitationalWaveTransient(detectors(), generator(), reference_frame="H1L1", time_reference="H1")
    for model in noise_models(likelihood, {"H1": [(50, 60)]}).values():
        assert model.likelihood.time_reference == "H1"
        assert [ifo.name for ifo in model.likelihood.reference_frame] == ["H1", "L1"]
