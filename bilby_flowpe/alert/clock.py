"""Where the time of an event goes: seconds by the wall clock, and seconds of the processors, stage by stage."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_DIGITS = 3


def cpu_seconds() -> float:
    """CPU seconds of this process, and of those that it has started and waited for."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


class Clock:
    """Counts the seconds of stages that follow one another.

    Attributes
    ----------
    stages : dict
        By stage, in order, ``(wall, cpu)`` in seconds.
    """

    def __init__(self) -> None:
        self.stages: dict[str, tuple[float, float]] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what is done inside under this name, also where it fails."""
        wall, cpu = time.monotonic(), cpu_seconds()
        try:
            yield
        finally:
            before = self.stages.get(name, (0.0, 0.0))
            self.stages[name] = before[0] + time.monotonic() - wall, before[1] + cpu_seconds() - cpu

    def to_dict(self) -> dict[str, Any]:
        """Seconds of each stage and of all together, by the wall clock and of the processors."""
        walls, cpus = ({name: both[which] for name, both in self.stages.items()} for which in (0, 1))
        return {
            "wall": {name: round(value, _DIGITS) for name, value in walls.items()},
            "cpu": {name: round(value, _DIGITS) for name, value in cpus.items()},
            "wall_total": round(sum(walls.values()), _DIGITS),
            "cpu_total": round(sum(cpus.values()), _DIGITS),
        }
