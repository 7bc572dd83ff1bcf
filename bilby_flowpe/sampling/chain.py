"""The steps of one run's weight, in their order."""

from __future__ import annotations

from collections import Counter

from ..chain.step import Step
from ..chain.thinned import Thinned
from ..conditional.base import Conditional
from ..conditional.spot_check import SpotCheck
from ..conditional.step import DrawnConditionally
from ..errors import ContractError
from ..thinning.rows import Thinning
from ..translation.steps import AskedPrior, OfNoiseAlone, OverDrawn, asked_likelihood
from ..translation.translated import Translated

_FROM_PRIOR = 0.05  # share of distances from their prior, where the likelihood drawn with is not the one asked for
_FROM_PRIOR_COARSE = 0.02  # the same where the two are as near as the coarse likelihood comes


def steps_of(
    translated: Translated,
    conditional: Conditional | None,
    use_ratio: bool,
    thinning: Thinning | None = None,
    steering: bool = False,
) -> tuple[Step, ...]:
    """The chain from what a proposal draws to the weight by the prior and likelihood asked for.

    Its first step gives a likelihood: that of the closed form of what is drawn conditionally, or the one asked for. Where both
    are needed the latter is the last step, for the rows that have a weight by then; for some of them where the likelihood drawn
    with is a coarse one.

    Parameters
    ----------
    translated
        The problem, as draws are made for it.
    conditional
        What draws parameters in closed form, where there are such.
    use_ratio
        Whether likelihoods are given as ratios to that of noise alone.
    thinning
        For which rows the likelihood asked for takes the place of a coarse one; for all when left out.
    steering
        Whether the chain ends before: weights are those of the coarse likelihood, and steer only.

    Raises
    ------
    ContractError
        If two steps draw the same parameter.
    """
    prior: list[Step] = [AskedPrior(translated.forms)] if translated.forms else []
    asked = asked_likelihood(translated, use_ratio)
    if conditional is None or not conditional.keys:
        return (asked, *prior)
    exact, problem = conditional.exact, translated.problem
    if translated.corrects or not exact:
        conditional = conditional.defended(_FROM_PRIOR if translated.corrects else _FROM_PRIOR_COARSE)
    # Where every row that is kept is weighed by the likelihood itself, there is nothing to compare.
    check: list[Step] = [SpotCheck(problem)] if exact else []
    drawn: list[Step] = [DrawnConditionally(conditional, problem), *check]
    noise: list[Step] = [] if use_ratio else [OfNoiseAlone(problem.likelihood)]
    over: list[Step] = [OverDrawn(asked)] if translated.corrects else []
    if not exact:
        over = [] if steering else [Thinned(asked, thinning or Thinning())]
    steps = (*drawn, *noise, *prior, *over)
    names = Counter(key for step in steps for key in step.reference)
    if twice := sorted(key for key, count in names.items() if count > 1):
        raise ContractError(f"{twice} are drawn by two steps of the weight: leave one out")
    return steps
