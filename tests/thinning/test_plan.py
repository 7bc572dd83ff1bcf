"""Plans of thinned batches: what is expected comes, and a budget holds."""

from __future__ import annotations

import numpy as np
import pytest

from bilby_flowpe.importance import effective_sample_size
from bilby_flowpe.thinning.plan import choose_thinning, expected_effective, expected_kept, plan_batch
from bilby_flowpe.thinning.rows import FLOOR, Thinning
from tests.thinning.test_rows import N, drawn


def test_expected_numbers_are_those_of_many_batches() -> None:
    rng = np.random.default_rng(4)
    log_coarse = drawn("right", rng, size=20_000)[1].log_coarse
    thinning = Thinning(2.0)
    effective, kept = [], []
    for _ in range(50):
        log_w, rows = drawn("right", rng)
        effective.append(effective_sample_size(log_w))
        kept.append(rows.n_kept)
    assert expected_effective(log_coarse, N, thinning) == pytest.approx(np.mean(effective), rel=0.01)
    assert expected_kept(log_coarse, N, thinning) == pytest.approx(np.mean(kept), rel=0.01)


def test_the_threshold_is_the_largest_that_will_do() -> None:
    log_coarse = drawn("right", np.random.default_rng(4))[1].log_coarse
    # The more effective draws are wanted, the more are kept; all where there are no more.
    kept = [expected_kept(log_coarse, N, choose_thinning(log_coarse, N, wanted)) for wanted in (10, 100, 1000, 2000, N)]
    assert kept == sorted(kept)
    assert kept[-1] == N
    for wanted in (100, 1000, 2000):
        chosen = choose_thinning(log_coarse, N, wanted)
        assert expected_effective(log_coarse, N, chosen) == pytest.approx(wanted, rel=1e-6)
        assert expected_effective(log_coarse, N, Thinning(chosen.log_tau + 0.01)) < wanted
    assert choose_thinning(log_coarse, N, 2 * N) == Thinning()
    assert choose_thinning(np.full(3, -np.inf), N, 10) == Thinning()
    # The floor holds: of one in a hundred no fewer are kept, however few are wanted.
    assert expected_kept(log_coarse, 1e6, choose_thinning(log_coarse, 1e6, 10)) == pytest.approx(1e6 * FLOOR, rel=0.05)


@pytest.mark.parametrize("each", [1, 2])
@pytest.mark.parametrize("most", [10**6, 4000, 300])
def test_a_plan_keeps_to_its_budget(most: int, each: int) -> None:
    log_coarse = drawn("right", np.random.default_rng(4))[1].log_coarse - 5.0
    plan = plan_batch(log_coarse, 2000, most, each=each)
    spent = [
        plan.n_draws + each * np.random.default_rng(seed).binomial(plan.n_draws, plan.n_kept / plan.n_draws)
        for seed in range(20)
    ]
    assert max(spent) <= most
    assert plan.short == (most < 10**6)
    effective = expected_effective(log_coarse, plan.n_draws, plan.thinning)
    if not plan.short:
        assert effective == pytest.approx(1.2 * 2000, rel=0.01)
        # Cheaper than keeping all of the least number of draws.
        assert plan.n_kept < 0.9 * 1.2 * 2000 / (effective_sample_size(log_coarse) / N)
    else:
        assert 0.5 * most < np.mean(spent)


def test_a_plan_keeps_to_its_time() -> None:
    log_coarse = drawn("right", np.random.default_rng(4))[1].log_coarse
    plan = plan_batch(log_coarse, 2000, 10**6, in_time=1000.0)
    assert plan.short
    assert plan.n_draws + 5 * plan.n_kept <= 1000.0
    # Where nothing has a weight, or nothing was drawn, all is tried for which there is a budget.
    for nothing in (np.full(10, -np.inf), np.empty(0)):
        assert plan_batch(nothing, 2000, 100).n_draws == 50
        assert plan_batch(nothing, 2000, 0).n_draws == 1
