"""``network="auto"``: by which arguments a user asks for a training, and what the log says of the choice.

One event is assumed, so that no network is trained unless that is cheaper than refining (:mod:`.pricing`). A user who has a
catalogue says so by an argument that only a training uses, or by naming a family.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from .arguments.table import MODES, OF_THE_MODEL, USUAL_FAMILY
from .pricing import Price, in_words

_LIMITS = ("training_time", "training_steps")


def announced(kwargs: Mapping[str, Any], given: Collection[str], defaults: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the arguments by which a training is asked for, where ``network`` is ``"auto"``.

    Parameters
    ----------
    kwargs
        Checked arguments.
    given
        Names of those that the user gave, be it with the default's value.
    defaults
        Of all arguments.
    """
    asked = [key for key in _LIMITS if key in given and kwargs[key] is not None]
    others = [key for key in OF_THE_MODEL if key not in (*_LIMITS, *MODES, "network")]
    asked += [key for key in others if kwargs[key] != defaults[key]]
    # Raw draws are a network's, and where nothing may be refined one has to draw.
    asked += [f"{key}=False" for key in ("importance", "refine") if not kwargs[key]]
    return tuple(asked)


def words_of_refinement(
    refinement: Price, training: Price | None, why: Sequence[str] = (), families: bool = False
) -> str:
    """Say that a proposal is refined, what it costs, and how to choose otherwise.

    Parameters
    ----------
    refinement
        What it costs.
    training
        What a training would cost; ``None`` where there can be none.
    why
        Why there can be none, or why nothing is drawn in closed form.
    families
        Whether a shipped network of a family of binaries may serve, which is known once the signal is found.
    """
    reasons = f" ({'; '.join(why)})" if why else ""
    if training is None:
        return f"No network{reasons}: a proposal is refined for this event alone, in {refinement.words}"
    first = "a shipped network draws where one serves the signal that is found; else " if families else ""
    message = f"network='auto': {first}a proposal is refined for this event alone, in {refinement.words}"
    message += f", and missed modes are looked for{reasons}"
    longer = f"about {in_words(training.seconds)}" if math.isfinite(training.seconds) else "longer"
    return (
        f"{message}. A network takes {longer} to train, and then serves every event of the kind: for many events give "
        f"network='{USUAL_FAMILY}'"
    )


def words_before_training(by: Sequence[str], refinement: Price | None = None) -> str:
    """Say why a network is trained where ``network="auto"`` left it open; the stages of the training follow.

    Parameters
    ----------
    by
        Arguments that ask for it.
    refinement
        What it would cost to refine instead, where no argument asks for a training.
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
        Simulations, and seconds of all of them: none where they are made while the network is trained, not a number where
        the price of one is not known.
    limits
        Most seconds and most steps of the training.
    measuring
        Seconds of measuring the model over those of the training.
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
