"""Time that the analysis of an event takes: seconds of wall clock and of CPU, stage by stage."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# Decimal places of the seconds that are written: milliseconds.
_DIGITS = 3


def cpu_seconds() -> float:
    """Return the CPU seconds of this process, and of the processes that it has started and waited for."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


class Clock:
    """Counter of the seconds of stages that follow one another.

    Attributes
    ----------
    stages : dict
        ``(wall, cpu)`` in seconds by stage, in order.
    """

    def __init__(self) -> None:
        self.stages: dict[str, tuple[float, float]] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time of the block under this name, also where the block fails."""
        wall, cpu = time.monotonic(), cpu_seconds()
        try:
            yield
        finally:
            before = self.stages.get(name, (0.0, 0.0))
            self.stages[name] = before[0] + time.monotonic() - wall, before[1] + cpu_seconds() - cpu

    def to_dict(self) -> dict[str, Any]:
        """Return the seconds of each stage and of all together, by the wall clock and of the CPU."""
        walls, cpus = ({name: both[which] for name, both in self.stages.items()} for which in (0, 1))
        return {
            "wall": {name: round(value, _DIGITS) for name, value in walls.items()},
            "cpu": {name: round(value, _DIGITS) for name, value in cpus.items()},
            "wall_total": round(sum(walls.values()), _DIGITS),
            "cpu_total": round(sum(cpus.values()), _DIGITS),
        }
