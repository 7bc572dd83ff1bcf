"""Fresh events: the noise is what the likelihood assumes and the signal what Bilby would inject."""

from __future__ import annotations

import numpy as np

from bilby_flowpe.injections import inject
from bilby_flowpe.priors import PriorTransform


def test_noise_is_white_of_unit_variance_and_the_signal_is_there(
    problem_5d: tuple, transform_5d: PriorTransform
) -> None:
    likelihood, _ = problem_5d
    residuals = []
    for seed in range(20):
        event, truth = inject(likelihood, transform_5d, np.random.default_rng(seed))
        (ifo,) = event.interferometers
        signal = ifo.get_detector_response(event.waveform_generator.frequency_domain_strain(dict(truth)), truth)
        mask = ifo.frequency_mask
        scale = np.sqrt(ifo.power_spectral_density_array[mask] * ifo.duration / 4)
        residuals.append((ifo.frequency_domain_strain - signal)[mask] / scale)
    numbers = np.concatenate(residuals).view(float)
    # Mean and variance of n unit normals scatter by 1/sqrt(n) and sqrt(2/n).
    assert abs(numbers.mean()) < 4 / np.sqrt(numbers.size)
    assert abs(numbers.var() - 1) < 4 * np.sqrt(2 / numbers.size)


def test_the_given_likelihood_is_left_alone_and_seeds_repeat(problem_5d: tuple, transform_5d: PriorTransform) -> None:
    likelihood, _ = problem_5d
    before = likelihood.interferometers[0].frequency_domain_strain.copy()
    noise_evidence = likelihood.noise_log_likelihood()
    one, truth = inject(likelihood, transform_5d, np.random.default_rng(1))
    again, same = inject(likelihood, transform_5d, np.random.default_rng(1))
    np.testing.assert_array_equal(likelihood.interferometers[0].frequency_domain_strain, before)
    assert truth == same
    assert one.log_likelihood_ratio(truth) == again.log_likelihood_ratio(truth)
    # The noise evidence is that of the new data, not one remembered from the old.
    assert one.noise_log_likelihood() != noise_evidence
    assert transform_5d.satisfies({key: np.array([truth[key]]) for key in transform_5d.keys}).all()
