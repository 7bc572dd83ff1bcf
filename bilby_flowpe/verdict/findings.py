"""Input of a verdict besides the weights: the limits of its checks, and everything else that is known of a result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..noise_scale import NoiseScale
from ..surprise import Surprise
from .completeness import Completeness
from .partial import Partial


@dataclass(frozen=True)
class Thresholds:
    """Values of the figures at which a result needs a look (``*_check``) or has failed (``*_failed``).

    Attributes
    ----------
    pareto_k_check, pareto_k_failed
        Pareto index of the weights' tail: above 0.7 errors cannot be trusted (Vehtari et al. 2024), above 1 the weights have
        no mean.
    even_weight
        Ratio of the largest weight to the mean below which the Pareto index is not used: the weights then have no tail, the
        index of a few draws is chance, and no single draw decides the result.
    largest_weight_check, largest_weight_failed
        Fraction of the total weight that a single row may hold.
    effective_check, effective_failed
        Least number of effective draws. If fewer than ``effective_check`` were requested, the requested number is used; a
        result with as many as requested never has ``failed`` for their number.
    requested_fraction
        Least fraction of the requested number of effective draws; below it the result is ``check``.
    efficiency_check
        Least efficiency: below it the network is far from the posterior, whatever the number of draws.
    posterior_check
        Least number of equal-weight rows; a result without rows is ``failed``.
    outside_check
        Largest fraction of the draws that may lie outside the prior.
    prior_part_check
        Largest fraction of the posterior that the prior part of the proposal may draw: above it, the flow misses something.
    unreached_check
        Largest fraction of the prior that a network may be unable to reach: a posterior there would go unnoticed.
    missing_check
        Log likelihood by which a template may fit the data better than any draw.
    nan_check, nan_failed
        Fraction of all rows inside the prior for which the likelihood is not a number.
    outermost_failed
        Fraction of the posterior in the outermost quantiles of a prior, beyond which nothing can be drawn.
    surprise_check
        Probability, by simulations of the model's own problem, of data that are as surprising.
    noise_scale_check
        Probability, by chance, of noise in the band of the signal that is as far from its PSD in some detector.
    missed_check
        Probability that a mode with more than 1% of the posterior was missed, where no network knows the posterior.
    coarse_check
        Least efficiency of the ratio of the likelihood to the coarse likelihood that was drawn with. At 0.3 the logarithm of
        the ratio scatters by 1.1, more than between two waveform models of the same physics for a loud signal. Weights correct
        that much; below this efficiency too few draws show how large the ratio can be.
    coarse_lost_check
        Fraction of the draws inside the prior for which the coarse likelihood is zero and the likelihood is not.
    partial_evaluated_check
        Least number of evaluated draws, if not every row of the posterior is evaluated.
    partial_efficiency_check
        Least fraction of the effective draws that would be left if such rows were evaluated: the measured value minus two
        standard errors.
    partial_shift_check
        Shift of a mean or of a standard deviation by the missing likelihoods, in standard deviations: the measured value plus
        two standard errors. A mean that is off by 0.05 has the same error as one from 400 effective draws; the divergence of
        the marginal is 0.001 nat.
    """

    pareto_k_check: float = 0.7
    pareto_k_failed: float = 1.0
    even_weight: float = 10.0
    largest_weight_check: float = 0.05
    largest_weight_failed: float = 0.2
    effective_check: float = 1000.0
    effective_failed: float = 100.0
    requested_fraction: float = 0.5
    efficiency_check: float = 0.01
    posterior_check: int = 100
    outside_check: float = 0.9
    prior_part_check: float = 0.1
    unreached_check: float = 0.01
    missing_check: float = 8.0
    nan_check: float = 1e-3
    nan_failed: float = 0.05
    outermost_failed: float = 1e-3
    surprise_check: float = 0.005
    noise_scale_check: float = 0.005
    missed_check: float = 0.01
    coarse_check: float = 0.3
    coarse_lost_check: float = 1e-3
    partial_evaluated_check: int = 200
    partial_efficiency_check: float = 0.98
    partial_shift_check: float = 0.05


@dataclass(frozen=True)
class Findings:
    """Knowledge about a result besides its weights; a figure that is not known is ``None``.

    Attributes
    ----------
    n_posterior
        Number of equal-weight rows in the posterior.
    outside
        Fraction of the draws outside the prior.
    prior_part
        Fraction of the posterior that the prior part of the proposal draws.
    unreached
        Fraction of the prior that the network cannot reach, if a network is used.
    missing_log_likelihood
        Log likelihood by which a template of the matched filter fits the data better than the best draw.
    unfinished
        Why the proposal did not become good enough, in words, such as a budget that ended. The result is ``failed`` if it has
        fewer effective draws than requested, and ``check`` otherwise.
    closed_form_difference
        Largest difference between the closed form for parameters drawn conditionally and the user's likelihood, if it is too
        large.
    nan_share
        Fraction of all rows inside the prior for which the likelihood is not a number.
    outermost
        Parameter with the largest fraction of the posterior in the outermost quantiles of its prior, and that fraction.
    completeness
        How modes were searched, where no network knows the posterior.
    compared
        Number of draws from the prior at which the closed form for parameters drawn conditionally was compared with the
        likelihood, if there is such a closed form.
    surprise
        How much the data differ from simulated ones.
    noise_scales
        Ratio of the noise of each detector to its PSD in the band of the signal, if the likelihood assumes Gaussian noise with
        that PSD.
    coarse_efficiency
        Efficiency of the ratio of the likelihood to the coarse likelihood, if one was drawn with.
    coarse_lost
        Fraction of the draws inside the prior for which the coarse likelihood is zero and the likelihood is not.
    partial
        Effect of the rows of the posterior that are not evaluated, if there are such.
    """

    n_posterior: int | None = None
    outside: float | None = None
    prior_part: float | None = None
    unreached: float | None = None
    missing_log_likelihood: float | None = None
    unfinished: str | None = None
    closed_form_difference: float | None = None
    nan_share: float | None = None
    outermost: tuple[str, float] | None = None
    completeness: Completeness | None = None
    compared: int | None = None
    surprise: Surprise | None = None
    noise_scales: Mapping[str, NoiseScale] = field(default_factory=dict)
    coarse_efficiency: float | None = None
    coarse_lost: float | None = None
    partial: Partial | None = None
