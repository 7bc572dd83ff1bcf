"""Sky maps of results: of what a run has kept, and of rows of any sampler's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bilby.core.prior import Cosine, PriorDict, Uniform
from bilby.core.result import Result
from pandas import DataFrame

from bilby_flowpe.errors import DataError
from bilby_flowpe.skymap import read_sky_map, sky_map, write_sky_map
from bilby_flowpe.skymap.candidates import FILE, save_candidates
from bilby_flowpe.skymap.of_result import candidates_of

from .toys import Blob, places


def result_of(rows: int = 400, sampler: str = "dynesty", **statistics: float) -> Result:
    rng = np.random.default_rng(1)
    ra, dec = Blob().draw(rows, rng)
    priors = PriorDict({"ra": Uniform(0, 2 * np.pi, "ra"), "dec": Cosine(name="dec")})
    table = {
        "ra": ra,
        "dec": dec,
        "luminosity_distance": rng.normal(500, 50, rows),
        "geocent_time": np.full(rows, 1187008882.43),
    }
    found = Result(
        label="event", sampler=sampler, search_parameter_keys=["ra", "dec"], priors=priors, posterior=DataFrame(table),
        log_evidence=-90.0, log_noise_evidence=-100.0, log_bayes_factor=10.0, outdir="nowhere",
        meta_data={"likelihood": {"interferometers": {"L1": {}, "H1": {}}}, "run_statistics": statistics},
    )  # fmt: skip
    return found


def test_of_rows_of_another_sampler() -> None:
    found = sky_map(result_of())
    (probability,) = found.searched_probability(Blob().ra, Blob().dec)
    assert probability < 0.3 and found.distance == (pytest.approx(500, rel=0.02), pytest.approx(50, rel=0.1))
    header = {key: value[0] if isinstance(value, tuple) else value for key, value in found.header.items()}
    assert (header["OBJECT"], header["INSTRUME"], header["LOGBSN"]) == ("event", "H1,L1", 10.0)
    # GW170817's merger was on 17 August 2017 at 12:41:04.43.
    assert header["DATE-OBS"].startswith("2017-08-17T12:41:04.43") and header["MJD-OBS"] == pytest.approx(
        57982.528524, abs=1e-5
    )
    assert header["DISTMEAN"] == pytest.approx(500, rel=0.02) and header["HISTORY"].startswith(
        "Made from 400 effective rows of the posterior"
    )


@pytest.mark.parametrize("times", [2, 5])
def test_a_row_that_is_there_several_times_counts_once(times: int) -> None:
    once, several = result_of(), result_of()
    several.posterior = several.posterior.loc[several.posterior.index.repeat(times)].reset_index(drop=True)
    assert sky_map(several).area(0.9) == pytest.approx(sky_map(once).area(0.9), rel=1e-6)
    # Drawn with repetition from 200, it is as well known as of these.
    rows, of_200 = np.random.default_rng(3).choice(200, 4000), result_of()
    of_200.posterior, several.posterior = once.posterior.iloc[:200], once.posterior.iloc[rows].reset_index(drop=True)
    for share in (0.5, 0.9):
        assert sky_map(several).area(share) == pytest.approx(sky_map(of_200).area(share), rel=0.05)


def test_names_beyond_ascii_and_times_that_are_none(tmp_path: Path) -> None:
    result = result_of()
    result.label = "événement\n1"
    result.posterior["geocent_time"] = np.nan
    again = read_sky_map(write_sky_map(sky_map(result), tmp_path / "map.fits"))
    assert again.header["OBJECT"] == "?v?nement?1" and "DATE-OBS" not in again.header


def test_of_what_the_run_has_kept(tmp_path: Path) -> None:
    result = result_of(sampler="flowpe", log_evidence=10.0)
    kept = places(Blob(ra=1.0), 3000, 2, 700.0)
    (tmp_path / "flowpe_event").mkdir()
    for log_evidence, mean in ((10.0, 700), (11.0, 500)):
        # Those of another run, which has another evidence, are not taken.
        kept = type(kept)(**{**vars(kept), "log_evidence": log_evidence})
        save_candidates(kept, tmp_path / "flowpe_event" / FILE)
        assert sky_map(result, tmp_path).distance[0] == pytest.approx(mean, rel=0.03)
    (tmp_path / "flowpe_event" / FILE).write_bytes(b"no")
    assert len(candidates_of(result, tmp_path).ra) == 400


def test_a_file_is_a_result_too(tmp_path: Path) -> None:
    result = result_of()
    result.save_to_file(outdir=str(tmp_path), filename=str(tmp_path / "event_result.json"))
    assert np.array_equal(sky_map(tmp_path / "event_result.json").density, sky_map(result).density)
    with pytest.raises(DataError, match="there is no such file"):
        sky_map(tmp_path / "no_result.json")


def test_results_without_a_sky_are_told() -> None:
    result = result_of()
    result.posterior = result.posterior.drop(columns="dec")
    with pytest.raises(DataError, match=r"has no columns \['dec'\]"):
        sky_map(result)
    for key, value in (("ra", np.nan), ("dec", 2.0)):
        result = result_of()
        result.posterior.loc[3, key] = value
        with pytest.raises(DataError, match="not finite or beyond a pole"):
            sky_map(result)
    with pytest.raises(DataError, match="20 different sky positions"):
        sky_map(result_of(20))
    result = result_of()
    result.posterior = result.posterior.assign(ra=1.0, dec=0.5)
    with pytest.raises(DataError, match="1 different sky positions"):
        sky_map(result)
