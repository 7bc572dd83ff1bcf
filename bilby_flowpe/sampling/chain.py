"""The steps of one run's weight, in their order."""

from __future__ import annotations

from ..chain.step import Step
from ..conditional.base import Conditional
from ..conditional.spot_check import SpotCheck
from ..conditional.step import DrawnConditionally
from ..errors import ContractError
from ..translation.steps import AskedPrior, OfNoiseAlone, OverDrawn, asked_likelihood
from ..translation.translated import Translated

_FROM_PRIOR = 0.05  # share of distances from their prior, where the likelihood drawn with is not the one asked for


def steps_of(translated: Translated, conditional: Conditional | None, use_ratio: bool) -> tuple[Step, ...]:
    """The chain from what a proposal draws to the weight by the prior and likelihood asked for.

    Its first step gives a likelihood: that of the closed form of what is drawn conditionally, or the one asked for. Where both
    are needed the latter is the last step, for the rows that have a weight by then.

    Parameters
    ----------
    translated
        The problem, as draws are made for it.
    conditional
        What draws parameters in closed form, where there are such.
    use_ratio
        Whether likelihoods are given as ratios to that of noise alone.
    """
    prior: list[Step] = [AskedPrior(translated.forms)] if translated.forms else []
    asked = asked_likelihood(translated, use_ratio)
    if conditional is None or not conditional.keys:
        return (asked, *prior)
    if translated.corrects:
        conditional = conditional.defended(_FROM_PRIOR)
    problem = translated.problem
    drawn: list[Step] = [DrawnConditionally(conditional, problem), SpotCheck(problem)]
    noise: list[Step] = [] if use_ratio else [OfNoiseAlone(problem.likelihood)]
    over: list[Step] = [OverDrawn(asked)] if translated.corrects else []
    if twice := {*conditional.keys} & ({*asked.reference} if over else set()):
        raise ContractError(
            f"{sorted(twice)} are drawn conditionally and as errors of the calibration: give them one name each"
        )
    return (*drawn, *noise, *prior, *over)
