"""Tests of the distance between two noise curves; whole contracts are compared in ``test_contract.py``."""

from __future__ import annotations

import numpy as np
import pytest

from bilby_flowpe.contract.matching import psd_distance


def test_psd_distance() -> None:
    trained = np.array([1.0, 2.0, 4.0, np.inf]) * 1e-46
    assert psd_distance(trained, trained) == 0.0
    assert psd_distance(trained, np.e * trained) == pytest.approx(1.0)
    assert psd_distance(trained, trained / np.e) == pytest.approx(1.0)
    asked = trained * np.exp([1.0, 0.0, -2.0, 0.0])
    assert psd_distance(trained, asked) == pytest.approx(np.sqrt(5 / 3))
    assert psd_distance(trained, np.full(4, 1e-46)) == np.inf
    assert psd_distance(np.full(4, 1e-46), trained) == np.inf
    assert psd_distance(np.full(4, np.inf), np.full(4, np.inf)) == 0.0
