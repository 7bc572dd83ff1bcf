"""The record of a run's comparisons of a closed form with the likelihood."""

from __future__ import annotations

import pytest

from bilby_flowpe.chain.comparison import Comparison
from bilby_flowpe.sampling.closed_form import ClosedFormError, ClosedFormRecord


def test_a_failure_is_not_forgotten() -> None:
    record = ClosedFormRecord()
    record.add(Comparison(10, 1e-9), from_prior=True)
    record.require(["phase"])
    record.add(Comparison(10, 2.0, ({"x": 1.0},)))
    record.add(Comparison(10, 1e-9))
    assert record.failed
    assert (record.n_rows, record.n_prior_rows) == (30, 10)
    with pytest.raises(ClosedFormError, match=r"'phase'.*differs from the likelihood by 2 at"):
        record.require(["phase"])


def test_another_likelihood_is_told_by_its_scatter() -> None:
    record = ClosedFormRecord()
    record.add(Comparison(10, 1e-9, spread=2.9))
    record.require(["phase"])
    record.add(Comparison(10, 1e-9, spread=3.1))
    assert not record.failed
    with pytest.raises(ClosedFormError, match=r"scatter of 3\.1"):
        record.require(["phase"])
