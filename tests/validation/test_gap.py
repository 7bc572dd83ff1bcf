"""The gap to the exact posterior over fresh events, its log and the model card."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bilby_flowpe.kinds import problem_of
from bilby_flowpe.model import TrainedPosterior
from bilby_flowpe.plotting import plot_efficiency
from bilby_flowpe.validation.card import write_card
from bilby_flowpe.validation.gap import EventGap, measure_gap, summarise_gap, worst_events
from bilby_flowpe.validation.loss import FreshLoss
from bilby_flowpe.waves.inner_products import InnerProducts

EVENTS, DRAWS = 4, 400


@pytest.fixture(scope="module")
def measured(
    problem_5d: tuple, trained_5d: tuple, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[EventGap], Path]:
    log = tmp_path_factory.mktemp("gap") / "events.jsonl"
    return measure_gap(trained_5d[1], problem_of(*problem_5d), EVENTS, DRAWS, seed=3, log=log, progress=False), log


def test_estimators_bound_each_other(measured: tuple[list[EventGap], Path]) -> None:
    events, _ = measured
    summary = summarise_gap(events)
    assert summary["events"] == EVENTS
    assert 0 < summary["efficiency_worst"] <= summary["efficiency_10"] <= summary["efficiency_median"] <= 1
    assert sum(summary["verdicts"].values()) == EVENTS
    # A hardly trained network is nats away; weighted draws see at most ln N of it.
    assert 0 < summary["kl_weighted"]["mean"] <= np.log(DRAWS)
    assert np.isfinite(summary["kl_truth"]["mean"])
    # Its loss is the lowest possible one plus the distance, by definition of the estimator at the truths.
    loss = -np.mean([event.log_q for event in events])
    assert loss - summary["lowest_loss"] == pytest.approx(summary["kl_truth"]["mean"])


def test_events_found_in_the_log_are_not_done_again(
    measured: tuple[list[EventGap], Path], problem_5d: tuple, trained_5d: tuple
) -> None:
    events, log = measured
    lines = log.read_text().splitlines()
    log.write_text("\n".join(lines[:-1]) + "\n")
    again = measure_gap(trained_5d[1], problem_of(*problem_5d), EVENTS, DRAWS, seed=3, log=log, progress=False)
    # The last one is measured anew and comes out the same: each event has seeds of its own.
    assert again == events


def test_worst_events_come_with_their_truth(measured: tuple[list[EventGap], Path], problem_5d: tuple) -> None:
    events, _ = measured
    worst = worst_events(events, problem_of(*problem_5d), seed=3, count=2)
    assert [event.efficiency for _, event, _ in worst] == sorted(event.efficiency for event in events)[:2]
    for index, event, truth in worst:
        assert events[index] == event
        row = {**problem_5d[0].injection_parameters, **truth}
        assert np.sqrt(InnerProducts(problem_5d[0])(row)[2]) == pytest.approx(event.snr, rel=1e-6)


def test_card_and_picture(
    measured: tuple[list[EventGap], Path], trained_5d: tuple[Path, TrainedPosterior], tmp_path: Path
) -> None:
    events, _ = measured
    folder = trained_5d[1].save(tmp_path / "some-model")
    gap = {**summarise_gap(events), "draws": DRAWS, "seed": 3}
    commands, loss = {"train": "TRAIN", "measure": "MEASURE"}, FreshLoss(-6.54, 0.01, 3.21, 2000)
    card = write_card(folder, trained_5d[1], gap, commands, loss).read_text()
    for wanted in ("# some-model", "`TRAIN`", "`MEASURE`", "SHA-256", f"{gap['efficiency_median']:.4f}", "mass_1"):
        assert wanted in card
    assert "2000 new waveforms" in card
    assert "-6.540 +- 0.010 nat, of which the KL term 3.210" in card
    assert "new waveforms" not in write_card(folder, trained_5d[1], gap, commands).read_text()
    assert plot_efficiency(events, tmp_path / "efficiency.png").stat().st_size > 0
