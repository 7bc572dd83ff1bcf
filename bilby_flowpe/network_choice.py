"""Choice of ``network="auto"``: the arguments by which a user requests a training, and the words of the log.

One event is assumed, so that no network is trained unless that is cheaper than a refinement (:mod:`.pricing`). A user with many
events says so by an argument that only a training uses, or by naming a family.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from .arguments.table import MODES, OF_THE_MODEL, USUAL_FAMILY
from .pricing import Price, in_words

# Seconds of a refinement from which a training pays for some ten events: a quarter of an hour is the time of ten refinements
# of 90 s. Faster ones need a hundred events.
_SLOW = 60.0
_LIMITS = ("training_time", "training_steps")


def announced(kwargs: Mapping[str, Any], given: Collection[str], defaults: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the arguments that request a training, if ``network`` is ``"auto"``.

    Parameters
    ----------
    kwargs
        Checked arguments.
    given
        Names of the arguments that the user gave, even with their default value.
    defaults
        Defaults of all arguments.
    """
    asked = [key for key in _LIMITS if key in given and kwargs[key] is not None]
    others = [key for key in OF_THE_MODEL if key not in (*_LIMITS, *MODES, "network")]
    asked += [key for key in others if kwargs[key] != defaults[key]]
    # Raw draws need a network, and so does a run without refinement.
    asked += [f"{key}=False" for key in ("importance", "refine") if not kwargs[key]]
    return tuple(asked)


def words_of_refinement(
    refinement: Price,
    training: Price | None,
    why: Sequence[str] = (),
    families: bool = False,
    search: float | None = None,
) -> str:
    """Say that a proposal is refined, what it costs, and how to choose otherwise.

    Parameters
    ----------
    refinement
        Expected cost of the refinement.
    training
        Expected cost of a training; ``None`` if none is possible.
    why
        Reasons why no training is possible, or why no parameter is drawn in closed form.
    families
        Tells whether a shipped network of a family of binaries may be used, which is known when the signal is found.
    search
        Seconds for draws that look for missed modes; ``None`` if templates do this, whose cost is included.
    """
    reasons = f" ({'; '.join(why)})" if why else ""
    if training is None:
        return f"No network{reasons}: {words_of_cost(refinement, search)}"
    first = "a shipped network draws if one serves the signal that is found; else " if families else ""
    return f"network='auto': {first}{words_of_cost(refinement, search)}{reasons}. {_words_of_training(refinement, training)}"


def words_of_cost(refinement: Price, search: float | None = None) -> str:
    """Say that a proposal is refined, and what this and the search for missed modes cost.

    Parameters
    ----------
    refinement
        Expected cost of the refinement.
    search
        Seconds for draws that look for missed modes; ``None`` if templates do this, whose cost is included.
    """
    beginning = f"a proposal is refined for this event alone, in {refinement.words}"
    if search is None:
        return f"{beginning}, searches for the signal and for missed modes included"
    return (
        f"{beginning}; the search for missed modes adds draws of {search:g} s (search_time), or as many as in the first round, "
        "and comparisons of these, which may take longer"
    )


def _words_of_training(refinement: Price, training: Price) -> str:
    """Say when a training pays: if it serves so many events that refining a proposal for each would take longer."""
    longer = f"takes about {in_words(training.seconds)}, and " if math.isfinite(training.seconds) else ""
    begin = (
        f"Training a network for all events of this kind (network='{USUAL_FAMILY}') {longer}pays only for many of them"
    )
    if not math.isfinite(refinement.seconds):
        return begin
    if refinement.seconds < _SLOW:
        return f"{begin}: from about the hundredth on where fitting a proposal takes seconds, as here"
    return f"{begin}: from about the tenth on where it takes minutes, as here"


def words_before_training(by: Sequence[str], refinement: Price | None = None) -> str:
    """Say why a network is trained although ``network="auto"`` left it open; the stages of the training follow.

    Parameters
    ----------
    by
        Arguments that request it.
    refinement
        Expected cost of a refinement instead, if no argument requests a training.
    """
    chosen = f"network='auto': a network ({USUAL_FAMILY}) is trained"
    if by:
        asks = "asks" if len(by) == 1 else "ask"
        return f"{chosen}, which {' and '.join(by)} {asks} for; network='none' would refine a proposal instead"
    cost = "" if refinement is None else f" ({refinement.words}); network='none' would do that"
    return f"{chosen}, which is cheaper than refining a proposal for this event alone{cost}"


def words_of_stages(
    n_waveforms: int, simulating: float, limits: tuple[float | None, int | None], measuring: float
) -> str:
    """Name the stages of a training with their seconds, as far as these are known.

    Parameters
    ----------
    n_waveforms, simulating
        Number of simulations, and seconds of all of them: zero if they are made during the training, not a number if the
        time of one is not known.
    limits
        Largest number of seconds and of steps of the training.
    measuring
        Ratio of the time for measuring the model to that of the training.
    """
    longest, steps = limits
    stages = [f"simulating {n_waveforms} waveforms"]
    if math.isfinite(simulating) and simulating > 0:
        stages[0] += f" ({in_words(simulating)})"
    if longest is None:
        return ", ".join([*stages, f"training for {steps} steps"])
    stages.append(f"training for {in_words(longest)}" + (f" or {steps} steps" if steps else ""))
    if measuring:
        stages.append(f"measuring the model for about {in_words(measuring * longest)}")
    message = ", ".join(stages)
    if math.isfinite(simulating):
        message += f"; in all about {in_words(simulating + longest * (1 + measuring))}"
    return message
