"""The memory of a training is computed before any work."""

from __future__ import annotations

import pytest

from bilby_flowpe.errors import MemoryLimitError, SimulationError
from bilby_flowpe.simulation.stored import check_memory

GIB = 2.0**30


@pytest.fixture(autouse=True)
def four_gibibytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bilby_flowpe.simulation.stored.spare_memory", lambda: 4 * GIB)


def test_what_fits() -> None:
    check_memory(50_000, 2000, 2, 500)


def test_fewer_waveforms_that_would_fit_are_told() -> None:
    # 8 bytes a number; beside them 4 batches of 8192 x 2 x 500, and 3 matrices of (2 x 500)^2.
    working = 8 * (4 * 8192 * 2 * 500 + 3 * 1000**2)
    with pytest.raises(MemoryLimitError, match="give at most") as caught:
        check_memory(50_000, 20_000, 2, 500)
    assert caught.value.most == int((4 * GIB - working) / (8 * 20_000))
    check_memory(caught.value.most, 20_000, 2, 500)
    with pytest.raises(MemoryLimitError):
        check_memory(caught.value.most + 1, 20_000, 2, 500)


def test_too_many_frequencies_for_any_bank() -> None:
    """32 s at 2048 Hz: the matrix of the compression alone takes 96 GiB."""
    with pytest.raises(MemoryLimitError, match=r"3 x 32000 frequencies needs .* GiB.*network='none'") as caught:
        check_memory(1, 3 * 32_000, 3, 32_000)
    assert caught.value.most == 0
    assert isinstance(caught.value, SimulationError)
