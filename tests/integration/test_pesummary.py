"""PESummary reads results of flowpe, in both formats and two at a time, and makes its pages of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import bilby
import h5py
import numpy as np
import pytest
from bilby.core.result import Result, read_in_result

from bilby_flowpe.problems import green2020
from bilby_flowpe.validation.notes import notes_of

pesummary = pytest.importorskip("pesummary.io", reason="PESummary is not installed")

pytestmark = pytest.mark.slow

PROGRAMS = Path(sys.executable).parent
SEARCHED = ["mass_1", "mass_2", "luminosity_distance", "geocent_time", "phase"]
LABELS = {"flowpe_json": "json", "flowpe_hdf5": "hdf5"}
N_SAMPLES = 100


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Result files of two runs on the same data, by label."""
    likelihood, priors = green2020(5, seed=1)
    folder = tmp_path_factory.mktemp("results")
    files = {}
    for seed, (label, extension) in enumerate(LABELS.items()):
        bilby.run_sampler(
            likelihood,
            priors.copy(),
            sampler="flowpe",
            model="green2020-5d-maf",
            n_effective=1000,
            n_posterior=300,
            sampling_seed=seed,
            progress=False,
            outdir=str(folder),
            label=label,
            save=extension,
            injection_parameters=dict(likelihood.injection_parameters),
        )
        files[label] = folder / f"{label}_result.{extension}"
    return files


def summarypages(folder: Path, results: dict[str, Path], *options: str) -> None:
    words = [str(PROGRAMS / "summarypages"), "--webdir", str(folder), "--labels", *results]
    words += ["--samples", *map(str, results.values()), "--nsamples", str(N_SAMPLES)]
    # Interactive and expert plots take longest and look at no more of a result.
    words += ["--disable_interactive", "--disable_expert", *options]
    environment = {**os.environ, "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, cwd=folder.parent, env=environment, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr[-5000:]


def check_file(folder: Path, label: str, result: Result) -> None:
    """Compare what PESummary keeps with the result that it was made from."""
    with h5py.File(folder / "samples" / "posterior_samples.h5") as file:
        samples, injected = file[label]["posterior_samples"][()], file[label]["injection_data"][()]
        sampler = {key: value[0] for key, value in file[label]["meta_data/sampler"].items()}
        statistics = file[label]["meta_data/other/run_statistics"]
        assert statistics["verdict"][0].decode() == result.meta_data["run_statistics"]["verdict"]
    assert len(samples) == N_SAMPLES
    for key in SEARCHED:
        # Drawn from the rows that there are.
        assert np.isin(samples[key], result.posterior[key]).all(), key
        assert injected[key][0] == pytest.approx(result.injection_parameters[key])
    # PESummary rounds.
    for key, value in (("ln_evidence", result.log_evidence), ("ln_bayes_factor", result.log_bayes_factor)):
        assert sampler[key] == pytest.approx(value, abs=0.005 + 1e-9)


def test_one_result(results: dict[str, Path], tmp_path: Path) -> None:
    """Without ``--gw`` PESummary knows of no particular parameter."""
    folder, label, notes = tmp_path / "pages", "flowpe_hdf5", tmp_path / "notes.txt"
    notes.write_text(notes_of([results[label]]))
    summarypages(folder, {label: results[label]}, "--notes", str(notes))
    # The verdict on a page of its own; the tables of PESummary's pages have no place for it.
    (page,) = (folder / "html").glob("*Notes*.html")
    assert "verdict" in page.read_text()
    check_file(folder, label, read_in_result(str(results[label])))
    # By its own reader, too.
    assert pesummary.read(str(folder / "samples" / "posterior_samples.h5")).labels == [label]
    assert "Summary" in (folder / "home.html").read_text()
    for key in SEARCHED:
        assert (folder / "html" / f"{label}_{label}_{key}.html").is_file()
        assert (folder / "plots" / f"{label}_1d_posterior_{key}.png").stat().st_size > 0


def test_two_results_compared(results: dict[str, Path], tmp_path: Path) -> None:
    """Return two results of gravitational waves, one from JSON and one from HDF5."""
    folder = tmp_path / "pages"
    summarypages(folder, results, "--gw", "--no_ligo_skymap")
    home = (folder / "home.html").read_text()
    for label, file in results.items():
        result = read_in_result(str(file))
        check_file(folder, label, result)
        assert str(np.round(result.log_bayes_factor, 2)) in home
        # What PESummary derives.
        assert (folder / "plots" / f"{label}_1d_posterior_chirp_mass_source.png").stat().st_size > 0
    assert (folder / "html" / "Comparison_mass_1.html").is_file()
    assert (folder / "plots" / "combined_1d_posterior_mass_1.png").stat().st_size > 0
