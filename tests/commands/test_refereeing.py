"""The command ``compare``: two files, or runs of both samplers on the same simulated events."""

from __future__ import annotations

import json
from pathlib import Path

import bilby
import numpy as np
import pandas as pd
import pytest
from bilby.core.prior import PriorDict, Uniform
from bilby.core.result import Result

from bilby_flowpe.cli import main


def written(folder: Path, label: str, seed: int, **changes) -> Path:
    rng = np.random.default_rng(seed)
    made = Result(
        label=label,
        outdir=str(folder),
        sampler=label,
        search_parameter_keys=["a", "b"],
        priors=PriorDict({key: Uniform(-9, 9, name=key, latex_label=key) for key in ("a", "b")}),
        posterior=pd.DataFrame(rng.standard_normal((2000, 2)), columns=["a", "b"]),
        log_evidence=1.0,
        log_evidence_err=0.1,
        log_noise_evidence=-500.0,
        meta_data={"run_statistics": {}},
        sampling_time=10.0,
    )
    for key, value in changes.items():
        setattr(made, key, value)
    made.save_to_file(overwrite=True)
    return folder / f"{label}_result.json"


@pytest.mark.training
def test_two_files(tmp_path: Path, capsys) -> None:
    files = [written(tmp_path, label, seed) for seed, label in enumerate(("flowpe", "dynesty"))]
    outdir = tmp_path / "out"
    assert main(["compare", "--results", *map(str, files), "--outdir", str(outdir)]) == 0
    comparison = json.loads((outdir / "comparison.json").read_text())["results"]
    assert comparison["referee"] == "dynesty"
    assert set(comparison["marginals"]) == {"a", "b"}
    assert (outdir / "results.png").stat().st_size > 0
    assert "effective" in capsys.readouterr().out


def test_a_referee_that_did_not_converge_is_not_used(tmp_path: Path, capsys) -> None:
    ours = written(tmp_path, "flowpe", 0)
    other = written(tmp_path, "emcee", 1, log_evidence=np.nan, log_evidence_err=np.nan)
    assert main(["compare", "--results", str(ours), str(other), "--outdir", str(tmp_path)]) == 0
    comparison = json.loads((tmp_path / "comparison.json").read_text())["results"]
    assert "not used" in comparison
    assert "marginals" not in comparison
    assert "emcee is not used" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words", [[], ["green2020-5d-maf", "--results", "a", "b"], ["green2020-5d-maf", "--referee", "x"]]
)
def test_misuse_is_told_at_once(words: list[str], tmp_path: Path, capsys) -> None:
    assert main(["compare", *words, "--outdir", str(tmp_path)]) == 2
    assert "flowpe compare:" in capsys.readouterr().err


@pytest.mark.training
def test_runs_of_both(tmp_path: Path, monkeypatch) -> None:
    """The referee is played by flowpe with another seed: what is tested is that both see the same event."""
    real, seen = bilby.run_sampler, []

    def run(likelihood, priors, sampler, **kwargs):
        seen.append((sampler, likelihood.interferometers[0].frequency_domain_strain.copy()))
        kwargs = {key: value for key, value in kwargs.items() if key not in ("nlive", "sample", "bound", "dlogz")}
        kwargs |= {"model": "green2020-5d-maf", "n_effective": 1000, "progress": False}
        return real(likelihood, priors, sampler="flowpe", **kwargs)

    monkeypatch.setattr("bilby.run_sampler", run)
    assert main(["compare", "green2020-5d-maf", "--injections", "1", "--npool", "1", "--outdir", str(tmp_path)]) == 0
    assert [sampler for sampler, _ in seen] == ["dynesty", "flowpe"]
    np.testing.assert_array_equal(seen[0][1], seen[1][1])
    (comparison,) = json.loads((tmp_path / "comparison.json").read_text()).values()
    assert abs(comparison["evidence"]["n_sigma"]) < 5
    assert comparison["cost"]["flowpe"]["training_seconds"] > 0
