"""Needs and tolerances of a model, measured on a small one."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest

from bilby_flowpe.kinds import problem_of
from bilby_flowpe.model import TrainedPosterior
from bilby_flowpe.processes.parallel import evaluate
from bilby_flowpe.storage.ledger import Ledger, remembering
from bilby_flowpe.training.calibrate import (
    BROAD_SHARES,
    MOVES,
    PRIOR_SHARE,
    WIDTHS,
    _Residual,
    borne,
    calibrate,
    calibrated,
    describe_calibration,
    moved_psd,
)

Trained = tuple[Path, TrainedPosterior]


@pytest.fixture(scope="module")
def measured(trained_5d: Trained, problem_5d: tuple):
    return calibrate(trained_5d[1], problem_of(*problem_5d), events=2, draws=200, null_events=60)


def test_the_best_candidate_is_chosen(measured) -> None:
    table = measured.table
    assert len(table["mixtures"]) == len(WIDTHS) * len(BROAD_SHARES)
    means = [row["mean"] for row in table["mixtures"]]
    best = table["mixtures"][int(np.argmax(means))]
    assert (measured.shares.broad, measured.shares.width) == (best["broad"], best["width"])
    assert measured.shares.prior == PRIOR_SHARE
    assert all(0 < mean <= 1 for mean in means)


def test_tolerance_comes_from_the_medians(measured) -> None:
    medians = measured.table["noise curves"]
    assert list(medians) == ["0", *(f"{move:g}" for move in MOVES)]
    assert measured.psd_tolerance == borne(medians)


@pytest.mark.parametrize(
    ("medians", "tolerance"),
    [
        ((0.9, 0.8, 0.7, 0.5, 0.1), 0.4),
        ((0.9, 0.8, 0.3, 0.8, 0.8), 0.1),  # what is beyond the first break does not count
        ((0.9, 0.4, 0.4, 0.4, 0.4), 0.0),
        ((0.9, 0.9, 0.9, 0.9, 0.45), 0.8),
    ],
)
def test_tolerance_is_the_last_move_before_the_first_break(medians: tuple[float, ...], tolerance: float) -> None:
    assert borne(dict(zip(["0", *(f"{move:g}" for move in MOVES)], medians, strict=True))) == tolerance


def test_what_was_measured_goes_with_the_model(measured, trained_5d: Trained, tmp_path: Path) -> None:
    model = calibrated(trained_5d[1], measured)
    assert trained_5d[1].information.get("psd_tolerance") is None
    loaded = TrainedPosterior.load(model.save(tmp_path / "model"))
    assert loaded.shares == measured.shares
    assert loaded.information["psd_tolerance"] == measured.psd_tolerance
    assert loaded.information["calibration"] == measured.table
    assert any("chosen" in line for line in describe_calibration(measured))


@pytest.mark.parametrize("move", [0.1, 0.8])
def test_moved_psd_is_moved_by_what_is_said(problem_hl: tuple, move: float) -> None:
    likelihood = copy.deepcopy(problem_hl[0])
    before = [ifo.power_spectral_density_array.copy() for ifo in likelihood.interferometers]
    moved_psd(likelihood, move, np.random.default_rng(1))
    for old, ifo in zip(before, likelihood.interferometers, strict=True):
        mask = ifo.frequency_mask
        change = np.log(ifo.power_spectral_density_array[mask] / old[mask])
        assert np.sqrt(np.mean(change**2)) == pytest.approx(move, rel=1e-3)


def test_residuals_are_kept_by_event_whatever_the_processes(
    trained_5d: Trained, problem_5d: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interrupted run does not repeat what it has measured in several processes."""
    task = _Residual(trained_5d[1], problem_of(*problem_5d), 0)
    rows = [{"event": float(index)} for index in range(70)]
    made = [
        remembering(Ledger(tmp_path / "kept"), lambda npool=npool: evaluate(task, rows, npool)[0]) for npool in (2, 1)
    ]
    np.testing.assert_array_equal(*made)
    counted = []
    plain = _Residual._residual
    monkeypatch.setattr(_Residual, "_residual", lambda self, index: counted.append(index) or plain(self, index))
    again = remembering(Ledger(tmp_path / "kept"), lambda: evaluate(task, rows, 1)[0])
    np.testing.assert_array_equal(again, made[0])
    assert len(counted) <= 4  # two chunks, of each the first event and the largest
