"""What a verdict is made of beside the weights: the limits of its checks, and what else is known of a result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..noise_scale import NoiseScale
from ..surprise import Surprise
from .completeness import Completeness
from .partial import Partial


@dataclass(frozen=True)
class Thresholds:
    """Where a figure of a :class:`WeightSummary` begins to need a look (``*_check``), or fails (``*_failed``).

    Attributes
    ----------
    pareto_k_check, pareto_k_failed
        Above 0.7 errors are no longer to be trusted (Vehtari et al. 2024); above 1 the weights have no mean.
    even_weight
        Largest weight over the mean up to which the index is not asked: what a few draws of a tail that is no tail add to it
        is chance, and no draw has a say in the result.
    largest_weight_check, largest_weight_failed
        Share of the total weight that a single row may hold.
    effective_check, effective_failed
        Least number of effective draws. Where fewer than ``effective_check`` were asked for, that number takes its place; as
        many as were asked for are never ``failed``.
    requested_fraction
        Least share of the number of effective draws asked for, where these are many; ``check`` below it.
    efficiency_check
        Least efficiency: below it the network is far from the posterior, whatever the number of draws.
    posterior_check
        Least number of equal-weight rows; none at all is ``failed``.
    outside_check
        Share of the draws outside the support of the prior.
    prior_part_check
        Share of the posterior that falls to the prior's part of the proposal: parts disagree, for that is where no flow draws.
    unreached_check
        Share of the prior that a network cannot reach: weights are blind to what is there.
    missing_check
        By how much, in log likelihood, a template may fit the data better than any draw.
    nan_check, nan_failed
        Share of all rows inside the prior for which the likelihood is no number.
    outermost_failed
        Share of the posterior in the last quantiles of a prior, beyond which no draw can lie.
    surprise_check
        Probability, by simulations of the model's own problem, of data as unlike them.
    noise_scale_check
        Probability, by chance, of noise in the band of the signal that is as far from its curve in some detector.
    missed_check
        Probability that a mode of more than a hundredth of the posterior was missed, where no network knows the posterior.
    coarse_check
        Least efficiency of the ratio of the likelihood to the coarse one that has drawn. At 0.3 the logarithm of the ratio
        scatters by 1.1, more than another waveform model of the same physics makes of a loud signal: weights undo that, and
        beyond it few draws show how large the ratio gets.
    coarse_lost_check
        Share of the draws inside the prior at which the coarse likelihood is zero and the likelihood is not.
    partial_evaluated_check
        Least number of evaluated draws, where not every row of the posterior is evaluated.
    partial_efficiency_check
        Least share of the effective draws that such rows leave, two standard errors below what is measured.
    partial_shift_check
        Shift of a mean or of a standard deviation by such rows, in standard deviations, two standard errors above what is
        measured. A mean that is off by a twentieth has the error of one from 400 effective draws; the divergence of the
        marginal is 0.001 nat.
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
    """What is known of a result beside its weights; a figure that is not known is ``None``.

    Attributes
    ----------
    n_posterior
        Number of equal-weight rows in the posterior handed over.
    outside
        Share of the draws outside the support of the prior.
    prior_part
        Share of the posterior that falls to the prior's part of the proposal.
    unreached
        Share of the prior that the network cannot reach, where it is relied on.
    missing_log_likelihood
        By how much a template of the matched filter fits the data better than the best draw.
    unfinished
        Why the proposal did not become good enough, in words: a budget that ended, say. It is ``failed`` where fewer effective
        draws came of it than were asked for, ``check`` where as many did.
    closed_form_difference
        Largest difference of the conditionals' closed form from the user's likelihood, where it is too large.
    nan_share
        Share of all rows inside the prior for which the likelihood is no number.
    outermost
        The parameter with the largest share of the posterior in the last quantiles of its prior, and that share.
    completeness
        How modes were looked for, where no network knows the posterior.
    compared
        Draws of the prior at which the closed form of what is drawn conditionally was compared with the likelihood, where
        there is such a closed form.
    surprise
        How unlike those simulated the data are.
    noise_scales
        How far the noise of each detector is from its curve in the band of the signal, where the likelihood has it for
        Gaussian noise of that curve.
    coarse_efficiency
        Efficiency of the ratio of the likelihood to the coarse one, where such a one has drawn.
    coarse_lost
        Share of the draws inside the prior that have no weight for the coarse likelihood alone.
    partial
        What rows of the posterior lack that are not evaluated, where there are such.
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
