"""Seconds by stage, of an operating system's clock that is moved by hand."""

from __future__ import annotations

import pytest

from bilby_flowpe.alert import clock as module
from bilby_flowpe.alert.clock import Clock


def test_stages_add_up_and_count_what_fails(monkeypatch) -> None:
    now = {"wall": 10.0, "cpu": 5.0}
    monkeypatch.setattr(module.time, "monotonic", lambda: now["wall"])
    monkeypatch.setattr(module, "cpu_seconds", lambda: now["cpu"])
    clock = Clock()

    def work(wall: float, cpu: float) -> None:
        now["wall"], now["cpu"] = now["wall"] + wall, now["cpu"] + cpu

    with clock.stage("strain"):
        work(2.0, 1.0)
    work(50.0, 50.0)  # between stages
    with pytest.raises(ValueError), clock.stage("posterior"):
        work(3.0, 2.5)
        raise ValueError
    with clock.stage("strain"):
        work(0.5, 0.25)
    assert clock.to_dict() == {
        "wall": {"strain": 2.5, "posterior": 3.0},
        "cpu": {"strain": 1.25, "posterior": 2.5},
        "wall_total": 5.5,
        "cpu_total": 3.75,
    }
    assert list(clock.stages) == ["strain", "posterior"]
