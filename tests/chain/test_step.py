"""The requirements that every step has to meet."""

from __future__ import annotations

import numpy as np
from bilby.core.prior import PriorDict, Uniform

from bilby_flowpe.chain.batch import Batch
from bilby_flowpe.chain.step import WithoutTask
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.processes.parallel import evaluate
from bilby_flowpe.proposals.mixture import Draws


def test_a_step_without_a_task_is_taken_for_every_row_and_evaluates_nothing() -> None:
    step, rng, nothing = WithoutTask(), np.random.default_rng(0), np.zeros(3)
    draws = Draws({"x": nothing}, nothing, np.ones(3, dtype=bool), nothing[:, None], nothing.astype(int), nothing)
    batch = Batch.of(draws, PriorTransform(PriorDict({"x": Uniform(0, 1)})), {}, 0)
    chosen = step.choose(batch, rng)
    assert chosen.tolist() == [0, 1, 2]
    values, good = evaluate(step.task, step.rows(batch, chosen, rng))
    assert len(values) == len(good) == 0
    assert step.evaluations == 0
