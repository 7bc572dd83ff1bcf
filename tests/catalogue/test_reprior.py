"""Events under another prior, by weights and by new draws, against quadrature."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bilby
import numpy as np
import pytest
from bilby.core.prior import DeltaFunction, Gaussian, PowerLaw, PriorDict, TruncatedGaussian
from bilby.core.result import Result

from bilby_flowpe.catalogue import reprior
from bilby_flowpe.catalogue.child import work
from bilby_flowpe.catalogue.event_folder import EventFolder
from bilby_flowpe.catalogue.hdf5 import Published, load_curves, read_draws, write_hdf5
from bilby_flowpe.catalogue.other_priors import changed, results_of, reweighted
from bilby_flowpe.catalogue.reprior import plan_reprior, weights_do
from bilby_flowpe.catalogue.table import entry_of, table_of
from bilby_flowpe.errors import ConfigurationError, DataError, PriorError
from bilby_flowpe.results import kept_draws, statistics_of

from .toy import OfDistance, catalogue, log_evidence, priors

pytestmark = pytest.mark.training
MEASURED = {"near": 800.0, "far": 1500.0}
FLAT = "PowerLaw(0, 100, 3000)"
NARROW = "TruncatedGaussian(2200, 20, 100, 3000)"
"""In the tail of both events: hardly a draw is there."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return catalogue(tmp_path_factory.mktemp("toy"), MEASURED)


def test_evidences_under_another_prior(made: Path) -> None:
    found = {event.name: event for event in reweighted(made, {"luminosity_distance": FLAT})}
    assert {*found} == {*MEASURED}
    for name, measured in MEASURED.items():
        event = found[name]
        expected = log_evidence(measured, PowerLaw(0, 100, 3000))
        assert event.n_effective > 100
        assert event.log_evidence == pytest.approx(expected, abs=4 * event.summary.log_evidence_err)
        assert event.beyond == 0
        assert event.draws["weights"].sum() == pytest.approx(1)
        mean = np.average(event.draws["luminosity_distance"], weights=event.draws["weights"])
        assert mean == pytest.approx(measured, abs=4 * 150 / event.n_effective**0.5)
    narrow = reweighted(made, {"luminosity_distance": NARROW})
    assert all(event.n_effective < 100 for event in narrow)
    wide = reweighted(made, {"luminosity_distance": PowerLaw(0, 100, 6000)})
    assert wide[0].beyond == pytest.approx(0.5, abs=0.02)


def test_a_population_of_redshifts(made: Path) -> None:
    """Against the same as a prior of the distance: the density of redshifts that this prior has."""
    from bilby_flowpe.catalogue.coordinates import Binaries, redshift_of

    prior = PowerLaw(1, 100, 3000)

    def density(values: dict[str, np.ndarray]) -> np.ndarray:
        redshift = values["redshift"]
        binaries = Binaries(np.ones_like(redshift), np.ones_like(redshift), redshift)
        distance, (_, _, slope) = binaries._with_gradient("luminosity_distance")
        return prior.prob(distance) * slope

    by_prior = reweighted(made, {"luminosity_distance": prior})
    results = {name: bilby.read_in_result(str(path)) for name, path in results_of(made).items()}
    for one, other in zip(by_prior, reweighted(results, population=density, keys=("redshift",)), strict=True):
        assert (one.name, one.draws.shape) == (other.name, other.draws.shape)
        np.testing.assert_allclose(one.draws["weights"], other.draws["weights"], rtol=1e-5, atol=1e-12)
        assert one.log_evidence == pytest.approx(other.log_evidence, abs=1e-5)
        assert np.isnan(other.beyond)
    assert redshift_of({"luminosity_distance": np.array([800.0])})[0] == pytest.approx(0.163, abs=0.002)


def test_what_cannot_be_reweighted(made: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="give exactly one of the two"):
        reweighted(made)
    with pytest.raises(PriorError, match="the run does not have this parameter"):
        reweighted(made, {"redshift": FLAT})
    with pytest.raises(PriorError, match="is not a prior of Bilby's"):
        changed(priors(), {"x": "Uniforn(0, 1)"})
    with pytest.raises(PriorError, match="is not a prior: give one"):
        changed(priors(), {"x": 0.3})
    with pytest.raises(PriorError, match="priors search for"):
        reweighted(made, {"x": "0.3"})
    with pytest.raises(DataError, match="there is no result"):
        reweighted(tmp_path, {"x": FLAT})
    with pytest.raises(DataError, match="is the catalogue itself"):
        plan_reprior(made, {}, made)


def test_a_fixed_value_is_not_changed_by_weights(made: Path) -> None:
    """Likelihoods are of the value that was fixed."""
    result = bilby.read_in_result(str(results_of(made)["near"]))
    result.priors["y"] = DeltaFunction(0.3, "y")
    assert reweighted([result], {"y": "0.3"})[0].n_effective > 100
    with pytest.raises(PriorError, match="fix these values"):
        reweighted([result], {"y": "0.4"})
    with pytest.raises(PriorError, match="priors search for"):
        reweighted([result], {"y": "Uniform(0, 1)"})


def done(planned: list[reprior.Planned]) -> dict[str, EventFolder]:
    """Do in this process what the processes of the events would do."""
    for one in planned:
        if one.standing != "done":
            one.event.prepare(one.job)
            assert work(one.event, one.job, one.event.attempt()) == 0
    return {one.event.name: one.event for one in planned}


def test_topped_up_by_new_draws(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights leave no draws under the narrow prior; new draws give its evidence, once."""
    asked: list[str] = []

    def likelihood(old: EventFolder, _: Path) -> OfDistance:
        asked.append(old.name)
        return OfDistance(MEASURED[old.name])

    monkeypatch.setattr(reprior, "_likelihood", likelihood)
    for _ in range(2):
        events = done(plan_reprior(made, {"luminosity_distance": NARROW}, tmp_path / "narrow", least=100))
        assert sorted(asked) == ["far", "near"]
    prior = TruncatedGaussian(2200, 20, 100, 3000)
    for name, event in events.items():
        result = bilby.read_in_result(str(event.result()))
        expected = log_evidence(MEASURED[name], prior)
        assert statistics_of(result)["effective_sample_size"] > 500
        assert result.log_evidence == pytest.approx(expected, abs=4 * result.log_evidence_err + 1e-3)
        entry = entry_of(event)
        assert entry.row["draws"] == "new"
        assert entry.row["n_effective_by_weights"] < 100 < entry.row["n_effective"]
    assert list(table_of([entry_of(event) for event in events.values()])["draws"]) == ["new", "new"]


def test_weights_suffice(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reprior, "_likelihood", lambda *_: pytest.fail("no new draws are needed"))
    events = done(plan_reprior(made, {"luminosity_distance": FLAT}, tmp_path / "flat", least=100))
    for name, event in events.items():
        result = bilby.read_in_result(str(event.result()))
        expected = log_evidence(MEASURED[name], PowerLaw(0, 100, 3000))
        assert result.log_evidence == pytest.approx(expected, abs=4 * result.log_evidence_err)
        assert entry_of(event).row["draws"] == "weights"
        assert isinstance(result.priors["luminosity_distance"], PowerLaw)
        # Nothing of the sky was sampled, which is no error.
        assert event.state().done["map"]["map"] is None
        assert not event.state().notes


def test_noise_curves_are_those_of_the_old_catalogue(made: Path, tmp_path: Path) -> None:
    for name in MEASURED:
        np.savez_compressed(made / "events" / name / "curves.npz", H1=np.ones((3, 2)))
    events = done(plan_reprior(made, {"luminosity_distance": FLAT}, tmp_path / "flat", least=0))
    assert [load_curves(event.curves)["H1"].shape for event in events.values()] == [(3, 2)] * 2


def test_a_prior_that_the_likelihood_has_integrated_over(made: Path, tmp_path: Path) -> None:
    """New draws would be of the likelihood's own prior, under the name of the new one."""
    old = catalogue(tmp_path / "old", {"near": 800.0})
    path = results_of(old)["near"]
    result = bilby.read_in_result(str(path))
    result.meta_data["run_statistics"]["marginalised"] = ["luminosity_distance"]
    result.save_to_file(filename=str(path), extension="hdf5", overwrite=True)
    (planned,) = plan_reprior(old, {"luminosity_distance": FLAT}, tmp_path / "new")
    planned.event.prepare(planned.job)
    assert work(planned.event, planned.job, planned.event.attempt()) == 1
    assert "is marginalised over luminosity_distance" in planned.event.state().error


def test_beyond_the_old_prior_there_are_new_draws_only(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reprior, "_likelihood", lambda old, _: OfDistance(MEASURED[old.name]))
    wide = {"luminosity_distance": "PowerLaw(0, 10, 5000)"}
    (planned, *_) = plan_reprior(made, wide, tmp_path / "wide", least=100, n_effective=400)
    event = done([planned])[planned.event.name]
    assert event.state().done["weights"]["result"] is None
    result = bilby.read_in_result(str(event.result()))
    expected = log_evidence(MEASURED[event.name], PowerLaw(0, 10, 5000))
    assert result.log_evidence == pytest.approx(expected, abs=4 * result.log_evidence_err)
    assert result.sampler_kwargs["n_effective"] == 400
    (planned, *_) = plan_reprior(made, wide, tmp_path / "refused", least=0)
    planned.event.prepare(planned.job)
    assert work(planned.event, planned.job, planned.event.attempt()) == 1
    assert "lies outside those of the result" in planned.event.state().error


def test_draws_of_the_file_give_back_the_evidence_and_their_density(made: Path, tmp_path: Path) -> None:
    results = {name: bilby.read_in_result(str(path)) for name, path in results_of(made).items()}
    file = write_hdf5([Published(name, result) for name, result in results.items()], tmp_path / "catalogue.h5")
    for name, result in results.items():
        draws, size = read_draws(file, name)
        log_evidence_of_file = np.logaddexp.reduce(draws["log_weight"]) - np.log(size)
        assert log_evidence_of_file == pytest.approx(kept_draws(result).statistics["log_evidence"], abs=1e-9)
        # The proposal is normalised: over its draws the mean of f / q is the integral of f, here a normal density.
        log_f = sum(
            Gaussian(mu, sigma).ln_prob(draws[key])
            for key, mu, sigma in (("luminosity_distance", MEASURED[name], 100.0), ("x", 0.4, 0.07))
        )
        terms = np.exp(log_f - draws["log_proposal"])
        mean = terms.sum() / size
        error = np.sqrt(max((terms**2).sum() / size - mean**2, 0) / size)
        assert mean == pytest.approx(1, abs=4 * error + 1e-3)
        assert error < 0.1
    with pytest.raises(DataError, match="no weighted draws of 'none'"):
        read_draws(file, "none")
    with pytest.raises(DataError, match="each a different name"):
        write_hdf5([], file)


def test_changed_priors_are_copies() -> None:
    old = priors()
    new = changed(old, {"x": "Uniform(0, 0.5)"})
    assert (old["x"].maximum, new["x"].maximum) == (1, 0.5)
    assert isinstance(new, PriorDict)


@pytest.mark.parametrize(
    ("weights", "least", "they_do"),
    [
        ({"result": "a", "n_effective": 320.0, "failed": False}, 100.0, True),
        ({"result": "a", "n_effective": 320.0, "failed": True}, 100.0, False),
        ({"result": "a", "n_effective": 99.0, "failed": False}, 100.0, False),
        ({"result": None, "n_effective": 0.0}, 0.0, False),
        ({"result": "a", "n_effective": 320.0}, 0.0, True),
    ],
    ids=["enough", "a long tail", "too few", "beyond the old prior", "kept by an older version"],
)
def test_when_weights_do(weights: dict, least: float, they_do: bool) -> None:
    assert weights_do(weights, least) is they_do


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (None, "catalogue=None: give the outdir of flowpe catalogue, or a list of results"),
        (Result(label="a"), "catalogue=.*: give the outdir of flowpe catalogue, or a list of results"),
        (["none.json"], "there is no such file"),
        ({"a": 3}, r"catalogue\['a'\]=3: give Bilby's Result, or the path of its file"),
        ([3], r"catalogue\[0\]=3: give Bilby's Result, or the path of its file"),
    ],
)
def test_what_is_no_catalogue_is_told(given: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        reweighted(given, {})


def test_what_is_no_prior_or_population_is_told() -> None:
    with pytest.raises(PriorError, match=r"priors='my.prior': give a table of the priors that change"):
        reweighted([], "my.prior")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="population='powerlaw': give a function"):
        reweighted([], population="powerlaw")  # type: ignore[arg-type]
