"""Quantiles of weighted draws."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from bilby_flowpe.noise.quantiles import moved, weighted_quantiles


def test_equal_weights_are_plain_quantiles() -> None:
    values = np.random.default_rng(1).normal(size=4000)
    found = weighted_quantiles(values, np.full(4000, 0.3))
    np.testing.assert_allclose(found, np.quantile(values, [0.16, 0.5, 0.84]), atol=2e-3)


def test_shift_and_width() -> None:
    """Normal draws are weighted to a normal density one standard deviation to the right and half as wide."""
    values = np.random.default_rng(2).normal(size=200_000)
    weights = np.exp(-((values - 1) ** 2) / (2 * 0.25) + values**2 / 2)
    tables = [pd.DataFrame({"x": values, "weights": w}) for w in (np.ones_like(values), weights)]
    results = [SimpleNamespace(search_parameter_keys=["x"], nested_samples=table) for table in tables]
    shift, width = moved(*results)["x"]  # type: ignore[arg-type]
    assert shift == pytest.approx(1, abs=0.03)
    assert width == pytest.approx(0.5, abs=0.02)
