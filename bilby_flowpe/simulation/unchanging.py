"""Parameters that do not change simulated data, found by tests on draws.

A network can only learn the prior of such a parameter. A likelihood may still depend on it: for example one with its own model
of glitches or calibration, whose data are simulated from the waveform alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..problem import Bank
from .rows import Rows

_TRIED = 8  # pairs of draws from the prior at which data have to be exactly the same


def unchanging(bank: Bank, keys: Sequence[str]) -> tuple[str, ...]:
    """Return those of ``keys`` that do not change the simulated data for any of a few draws from the prior.

    Parameters
    ----------
    bank
        Simulates the data.
    keys
        Names of search parameters. Those that constraints or conditional priors tie to others are left out, as they cannot be
        changed alone.
    """
    transform = bank.prior
    free = {*transform.independent_keys()}
    rng = np.random.default_rng(20200218)
    rows, others = (Rows(transform, transform.sample(_TRIED, rng))[:] for _ in range(2))
    data = [bank.example(row, seed) for seed, row in enumerate(rows)]
    if all(of_row is None for of_row in data):
        return ()

    def changes(key: str) -> bool:
        moved = ({**row, key: other[key]} for row, other in zip(rows, others, strict=True))
        return any(
            not _same(of_row, bank.example(row, seed))
            for seed, (row, of_row) in enumerate(zip(moved, data, strict=True))
        )

    return tuple(key for key in keys if key in free and not changes(key))


def _same(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    if one is None or other is None:
        return one is None and other is None
    return bool(np.array_equal(one, other))
