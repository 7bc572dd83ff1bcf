"""The loss over fresh simulations, against the densities of single events."""

from __future__ import annotations

import numpy as np
import pytest

from bilby_flowpe.kinds import problem_of
from bilby_flowpe.model import TrainedPosterior
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.simulation.injections import inject_signal
from bilby_flowpe.validation.loss import fresh_loss

ROWS, EVENTS = 3000, 150


def test_the_loss_is_the_mean_of_minus_the_log_density_in_standardised_parameters(
    problem_5d: tuple, trained_network_5d: tuple
) -> None:
    likelihood, priors = problem_5d
    model: TrainedPosterior = trained_network_5d[1]
    found = fresh_loss(model, problem_of(likelihood, priors), ROWS, seed=5)
    assert found.rows == ROWS
    assert found.kl is None
    transform = PriorTransform(priors)
    moments = transform.moments(np.random.default_rng(0))
    scales = sum(np.log(moments[key][1]) for key in model.coordinates.keys)
    rows = []
    for index in range(EVENTS):
        event, truth = inject_signal(problem_of(likelihood, transform), np.random.default_rng((7, index)))
        base, log_jacobian = model.bind(event, transform).forward(
            {key: np.array([truth[key]]) for key in transform.keys}
        )
        log_q = -0.5 * np.sum(base**2 + np.log(2 * np.pi)) + log_jacobian[0]
        rows.append(-log_q - scales)
    error = np.hypot(found.standard_error, np.std(rows, ddof=1) / np.sqrt(EVENTS))
    assert np.mean(rows) == pytest.approx(found.mean, abs=4 * error)
    # Hardly trained, but far from the prior already: what the bound above can tell apart.
    assert error < 0.5


def test_the_same_seed_is_the_same_validation_set(problem_5d: tuple, trained_5d: tuple) -> None:
    first, second = (fresh_loss(trained_5d[1], problem_of(*problem_5d), 100, seed=2) for _ in range(2))
    assert first == second
    assert fresh_loss(trained_5d[1], problem_of(*problem_5d), 100, seed=3) != first
