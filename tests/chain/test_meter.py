"""Counting evaluations."""

from __future__ import annotations

import numpy as np

from bilby_flowpe.chain.meter import Meter


def test_every_row_counts_with_a_value_or_without() -> None:
    meter, told = Meter(), []
    values, good = meter.evaluate(
        lambda row: None if row["x"] > 1 else np.array([row["x"]]), [{"x": 0.5}, {"x": 1.5}], 1, told.append
    )
    assert meter.n_likelihood == 2
    assert good.tolist() == [True, False]
    assert values.tolist() == [[0.5]]
    assert told == [2]
    meter.evaluate(lambda row: None, [])
    assert meter.n_likelihood == 2
