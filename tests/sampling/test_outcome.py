"""The statistics of a run fit into every file that Bilby writes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import bilby
import numpy as np
import pytest
from bilby.core.likelihood import Likelihood
from bilby.core.prior import PriorDict, Uniform
from bilby.core.result import read_in_result


class Bump(Likelihood):
    """Nobody can simulate from it: the proposal is refined, and the rounds are noted."""

    def log_likelihood(self, parameters: dict | None = None) -> float:
        return -0.5 * ((parameters["a"] - 0.3) / 0.05) ** 2 - 0.5 * math.log(2 * math.pi * 0.05**2)


def assert_same(one: Any, other: Any, where: str = "run_statistics") -> None:
    """Equal but for the types that a file knows: an array is a list there, an empty table or list may be none."""
    if isinstance(one, dict):
        assert {key for key, value in one.items() if value != {}} == {*other}, where
        for key in other:
            assert_same(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), where
        for index, pair in enumerate(zip(one, other, strict=True)):
            assert_same(*pair, f"{where}[{index}]")
    else:
        assert one == other, where


@pytest.mark.training
@pytest.mark.parametrize("extension", ["json", "hdf5"])
def test_a_refined_result_is_saved(tmp_path: Path, extension: str) -> None:
    result = bilby.run_sampler(
        Bump(),
        PriorDict({"a": Uniform(0, 1)}),
        sampler="flowpe",
        outdir=str(tmp_path),
        label="refined",
        save=extension,
        n_effective=200,
        max_likelihood_evaluations=20_000,
        sampling_seed=1,
        progress=False,
    )
    statistics = result.meta_data["run_statistics"]
    rounds = statistics["refinement"]["rounds"]
    assert rounds["inverse_temperature"][-1] == 1.0
    assert len({len(column) for column in rounds.values()}) == 1
    # Where it cannot write a value Bilby leaves half a file, and a pickle beside it.
    files = [file.name for file in tmp_path.iterdir() if file.is_file()]
    assert files == [f"refined_result.{extension}"]
    read = read_in_result(str(tmp_path / files[0]))
    assert_same(statistics, read.meta_data["run_statistics"])
    np.testing.assert_array_equal(read.posterior["a"], result.posterior["a"])
