"""The ratio of two evidences and its error: what is independent, and what is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bilby.core.prior import Constraint, PriorDict, Uniform
from bilby.core.result import Result
from pandas import DataFrame

from bilby_flowpe.errors import DataError
from bilby_flowpe.selection import bayes_factor


def made(log_evidence: float, own: float, counted: float = 0.0, seed: int | None = 1, **changes) -> Result:
    priors = PriorDict({"mass_1": Uniform(1, 2), "chi_1": Uniform(0, changes.pop("spin", 1.0))})
    if counted:
        priors["mass_ratio"] = Constraint(0, changes.pop("ratio", 1.0))
    statistics = {
        "log_evidence": log_evidence,
        "log_evidence_err": own,
        "seed": seed,
        "verdict": changes.pop("verdict", "reliable"),
    }
    return Result(
        label="made",
        search_parameter_keys=["mass_1", "chi_1"],
        fixed_parameter_keys=[],
        constraint_parameter_keys=[],
        priors=priors,
        log_evidence=log_evidence,
        log_evidence_err=float(np.hypot(own, counted)),
        log_noise_evidence=changes.pop("noise", -900.0),
        meta_data={"run_statistics": statistics if seed is not None else {}},
    )


def test_independent_errors_add_in_quadrature() -> None:
    found = bayes_factor(made(-10.0, 0.03, seed=1), made(-12.5, 0.04, seed=2))
    assert found.log == pytest.approx(2.5)
    assert found.error == pytest.approx(0.05)
    assert not found.one_seed and found.shared == 0.0 and found.usable


def test_files_of_results_will_do(tmp_path: Path) -> None:
    one, other = made(-10.0, 0.03, seed=1), made(-12.5, 0.04, seed=2)
    one.posterior = other.posterior = DataFrame({"mass_1": [1.5], "chi_1": [0.5]})
    for name, result in (("one", one), ("other", other)):
        result.save_to_file(outdir=str(tmp_path), filename=f"{name}.json", extension="json")
    assert bayes_factor(tmp_path / "one.json", str(tmp_path / "other.json")).log == pytest.approx(2.5)
    with pytest.raises(DataError, match="other=None: give Bilby's Result"):
        bayes_factor(one, None)  # type: ignore[arg-type]


def test_one_seed_may_be_anything_up_to_the_sum() -> None:
    assert bayes_factor(made(-10.0, 0.03), made(-12.5, 0.04)).error == pytest.approx(0.07)
    # Another sampler has no seed of ours.
    assert bayes_factor(made(-10.0, 0.03), made(-12.5, 0.04, seed=None)).error == pytest.approx(0.05)


def test_a_count_of_both_drops_out() -> None:
    one, other = made(-10.0, 0.03, counted=0.1, seed=1), made(-12.5, 0.04, counted=0.1, seed=2, spin=0.5)
    found = bayes_factor(one, other)
    assert found.shared == pytest.approx(0.1)
    assert found.error == pytest.approx(0.05)
    # Other constraints, or another count, are independent.
    for different in ({"counted": 0.1, "ratio": 0.9}, {"counted": 0.11}):
        found = bayes_factor(one, made(-12.5, 0.04, seed=2, **different))
        assert found.shared == 0.0
        assert found.error == pytest.approx(np.sqrt(0.05**2 + 0.1**2 + different["counted"] ** 2))


def test_scatter_is_the_error() -> None:
    """Over many pairs of evidences with errors as stated."""
    rng = np.random.default_rng(0)
    z = []
    for _ in range(2000):
        factor = bayes_factor(made(rng.normal(0, 0.3), 0.3, seed=1), made(rng.normal(-1, 0.4), 0.4, seed=2))
        z.append((factor.log - 1) / factor.error)
    assert np.std(z) == pytest.approx(1.0, abs=4 / np.sqrt(2 * 2000))


def test_failed_runs_are_not_usable() -> None:
    assert not bayes_factor(made(-10.0, 0.03, verdict="failed"), made(-12.5, 0.04)).usable


def test_refusals() -> None:
    with pytest.raises(DataError, match="no evidence"):
        bayes_factor(made(np.nan, 0.1), made(-1.0, 0.1))
    nothing = made(-1.0, 0.1)
    nothing.log_evidence = None
    with pytest.raises(DataError, match="no evidence"):
        bayes_factor(nothing, made(-1.0, 0.1))
    with pytest.raises(DataError, match="the data or the PSDs differ"):
        bayes_factor(made(-1.0, 0.1), made(-1.0, 0.1, noise=-901.0))
