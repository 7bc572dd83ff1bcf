"""Amplitudes given the data, against sums over fine grids of distances."""

from __future__ import annotations

import numpy as np
import pytest
from bilby.core.prior import Interped, PowerLaw, PriorDict
from scipy.special import logsumexp

from bilby_flowpe.conditional.amplitudes import KnownAmplitude, amplitudes_of, at_phase, averaged_over_phase
from bilby_flowpe.errors import ContractError
from bilby_flowpe.names import DISTANCE
from bilby_flowpe.priors import PriorTransform


def test_distance_given_the_phase() -> None:
    """Against a sum over the distances, the inner product negative, too."""
    prior = PowerLaw(2, 100, 2000, name="luminosity_distance")
    amplitudes = amplitudes_of((DISTANCE,), PriorTransform(PriorDict({DISTANCE: prior})), log_likelihood=at_phase)
    distances = np.linspace(prior.minimum, prior.maximum, 20_001)
    reference = amplitudes.reference[DISTANCE]
    rng = np.random.default_rng(3)
    for kappa, norm in ((400.0, 380.0), (-3.0, 4.0), (0.5, 0.1)):
        scale = reference / distances
        log_density = scale * kappa - scale**2 * norm / 2 + prior.ln_prob(distances)
        exact = np.log(np.trapezoid(np.exp(log_density - log_density.max()), distances)) + log_density.max()
        assert amplitudes.log_marginal(np.array([kappa]), np.array([norm]))[0] == pytest.approx(exact, abs=0.01)
        amplitude, drawn, log_ratio = amplitudes.draw(np.full(2000, kappa), np.full(2000, norm), rng)
        weights = log_ratio + at_phase(amplitude, kappa, norm)
        assert logsumexp(weights) - np.log(2000) == pytest.approx(exact, abs=0.01)
        assert np.all((drawn[DISTANCE] >= prior.minimum) & (drawn[DISTANCE] <= prior.maximum))


@pytest.mark.parametrize("norm", [0.3, 30.0, 4000.0])
def test_the_profile_is_the_marginal_but_for_a_constant(norm: float) -> None:
    transform = PriorTransform(PriorDict({DISTANCE: PowerLaw(2, 100, 2000)}))
    amplitudes = amplitudes_of((DISTANCE,), transform)
    # From the faintest amplitudes that the prior allows on: signals that would be fainter still all end at its edge.
    kappa = norm * np.linspace(1.1 * amplitudes.range[0], 4.0, 50)
    # Beside another signal's, as they come.
    profile = amplitudes.profile(np.array([7.0, norm]))
    difference = profile(kappa, np.ones(50, dtype=int)) - amplitudes.log_marginal(kappa, np.full(50, norm))
    # Times are drawn from it and weighted by what they were drawn from: a tenth of a nat costs a hundredth of the efficiency.
    assert np.ptp(difference) < 0.1


def test_a_known_distance_has_one_amplitude() -> None:
    transform = PriorTransform(PriorDict({"a": PowerLaw(2, 100, 2000)}))
    known = amplitudes_of((), transform)
    assert isinstance(known, KnownAmplitude)
    kappa, norm = np.array([3.0, 30.0]), np.array([4.0, 25.0])
    exact = averaged_over_phase(np.ones(2), kappa, norm)
    np.testing.assert_array_equal(known.log_marginal(kappa, norm), exact)
    assert known.profile(np.array([4.0, 25.0]))(kappa, np.array([0, 1]))[1] == exact[1]
    amplitude, drawn, log_ratio = known.draw(kappa, norm, np.random.default_rng(1))
    assert drawn == {}
    np.testing.assert_array_equal(amplitude, np.ones(2))
    np.testing.assert_array_equal(log_ratio, np.zeros(2))


def test_priors_with_features_narrower_than_the_nodes_are_refused() -> None:
    distances = np.linspace(100, 2000, 20_001)
    comb = np.where(np.arange(20_001) % 200 < 4, 1.0, 1e-6)
    transform = PriorTransform(PriorDict({DISTANCE: Interped(distances, comb, 100, 2000)}))
    with pytest.raises(
        ContractError, match="too narrow for that: use a smoother prior, or train a model with distance='network'"
    ):
        amplitudes_of((DISTANCE,), transform)
