"""Choice and order of the steps of a run's weight."""

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

# share of distances drawn from their prior if the user's likelihood differs from the one used to propose: ROQ,
# calibration, ...
_FROM_PRIOR = 0.05
_FROM_PRIOR_COARSE = 0.02  # the same share if the two are as close as a coarse likelihood is to the user's


def steps_of(
    translated: Translated,
    conditional: Conditional | None,
    use_ratio: bool,
    thinning: Thinning | None = None,
    steering: bool = False,
) -> tuple[Step, ...]:
    """Return the chain of steps from a proposal's draws to the weight by the user's prior and likelihood.

    Its first step gives a likelihood: that of the closed form of the parameters drawn conditionally, or the user's. If
    both are needed, the user's likelihood is the last step, for the rows that still have a weight; for a random
    selection of them if the likelihood used to propose is a coarse one.

    Parameters
    ----------
    translated
        The problem in the form that is used for drawing.
    conditional
        Conditional that draws parameters in closed form, if there are any.
    use_ratio
        Whether likelihoods are given as ratios to that of noise alone.
    thinning
        Rows for which the user's likelihood replaces a coarse one; all rows by default.
    steering
        Whether the chain ends before that step: weights are those of the coarse likelihood, and are used for steering
        only.

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
    # If every row that is kept is weighed by the user's likelihood, there is nothing to compare.
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
