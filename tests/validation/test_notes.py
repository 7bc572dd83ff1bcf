"""Verdicts as a text for PESummary's notes."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from bilby.core.prior import PriorDict, Uniform
from bilby.core.result import Result

from bilby_flowpe.cli import main
from bilby_flowpe.errors import DataError
from bilby_flowpe.validation.notes import notes_of


def written(folder: Path, label: str, said: dict) -> Path:
    result = Result(
        label=label, outdir=str(folder), sampler=label, search_parameter_keys=["a"],
        priors=PriorDict({"a": Uniform(0, 1)}), posterior=pd.DataFrame({"a": [0.25, 0.5]}),
        log_evidence=-500.12344, log_evidence_err=0.00678, log_noise_evidence=-510.0, log_bayes_factor=9.87656,
        meta_data={"run_statistics": said},
    )  # fmt: skip
    result.save_to_file(overwrite=True)
    return folder / f"{label}_result.json"


def test_verdict_with_every_reason(tmp_path: Path, capsys) -> None:
    said = {
        "verdict": "check", "reasons": ["a mode may be missed " * 8, "few draws"], "effective_sample_size": 361.5,
        "log_evidence": 9.87656,
    }  # fmt: skip
    ours, theirs = written(tmp_path, "flowpe", said), written(tmp_path, "dynesty", {})
    text = notes_of([ours, theirs])
    assert "verdict: check" in text and "- few draws" in text and text.count("a mode may be") == 8
    assert "log_bayes_factor: 9.8766 +- 0.0068" in text and "log_evidence: -500.1234 +- 0.0068" in text
    assert "effective_sample_size: 361.5" in text and "equal-weight posterior samples: 2" in text
    assert "dynesty_result.json)\n    no verdict: another sampler's result" in text
    assert "merged" not in text and max(map(len, text.splitlines())) <= 104
    # Bilby's merged results keep the statistics of the first.
    merged = notes_of([written(tmp_path, "merged", said | {"log_evidence": 9.5})])
    assert "merged from several runs" in merged
    assert main(["notes", str(ours), "--output", str(tmp_path / "new" / "notes.txt")]) == 0
    assert (tmp_path / "new" / "notes.txt").read_text() == notes_of([ours])
    capsys.readouterr()
    assert main(["notes", str(ours)]) == 0 and capsys.readouterr().out == notes_of([ours])


def test_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.json"):
        notes_of([tmp_path / "nowhere.json"])
