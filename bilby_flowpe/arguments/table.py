"""The sampler's keyword arguments: declared once, in :data:`ARGUMENTS`, and checked before anything long is started.

Defaults, checks, the documentation of the sampler, the table in docs/usage.md and the settings of a training follow from that
table. Values may come from a configuration file that knows only strings: what is clearly a number or a truth value is taken as
one.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from dataclasses import dataclass
from typing import Any, TypeVar

from ..errors import ConfigurationError
from .kinds import COARSE, FLAG, POSITIVE, PSD, SEED, TEXT, WHOLE, Kind, choice, is_none, whole

DRAWN_BY = choice("conditional", "network")
"""Values of an argument that chooses what draws a parameter: its exact conditional, or the network."""
AUTO = "auto"
"""Value of ``network`` that leaves the choice between a network and none to what is cheaper."""
USUAL_FAMILY = "maf"
"""Family of a network where none is named."""


@dataclass(frozen=True)
class Argument:
    """Declare one keyword argument of ``sampler="flowpe"``.

    Attributes
    ----------
    name, default
        Its name and default.
    kind
        Values that it may have.
    words
        What it does, in Markdown.
    optional
        Whether it may be ``None``.
    setting
        Field of :class:`bilby_flowpe.training.settings.Settings` that it sets, such as ``"training.device"``, where only a
        training uses it.
    of_bilby
        Whether Bilby's base class has it already, and its default.
    """

    name: str
    default: Any
    kind: Kind
    words: str
    optional: bool = False
    setting: str = ""
    of_bilby: bool = False

    def checked(self, value: Any) -> Any:
        """Return a value of the proper type.

        Raises
        ------
        ConfigurationError
            Naming the argument, its value and what it may be.
        """
        return None if self.optional and is_none(value) else self.kind.check(self.name, value)


ARGUMENTS = (
    Argument(
        "model",
        None,
        TEXT,
        "folder of a trained model, or the name of a shipped one; left out, a model whose problem this one lies within is "
        "looked for among the shipped ones and in the cache",
        optional=True,
    ),
    Argument(
        "network",
        AUTO,
        choice(AUTO, "gaussian", "maf", "nsf", "cvae", "cvae+", "none"),
        'how the proposal is made where no model fits: `"auto"`, as is [cheaper for one event](networks.md#which-network); a '
        'family: a network of it is trained, for many events; `"none"`: models are not looked for, and a proposal is refined '
        "from the prior, for this event alone",
        setting="network.family",
    ),
    Argument(
        "phase",
        "conditional",
        DRAWN_BY,
        'draw the phase from its exact conditional where that is possible; `"network"`: by the network',
        setting="phase",
    ),
    Argument(
        "distance",
        "conditional",
        DRAWN_BY,
        "the same of the distance, and of the inclination where one detector makes one number of both",
        setting="distance",
    ),
    Argument("time", "conditional", DRAWN_BY, "the same of the geocentric time", setting="time"),
    Argument(
        "sky",
        "conditional",
        DRAWN_BY,
        "the same of sky position, polarisation angle and inclination, where they are searched",
        setting="sky",
    ),
    Argument(
        "coarse",
        True,
        COARSE,
        "search and draw by [a coarse likelihood](method.md#coarse-likelihoods-and-thinning) where one can be made, and "
        "evaluate the likelihood for some of the draws only; `False` or `None`: for all; or the name of a waveform "
        "approximant that searches in the place of a slower one",
        optional=True,
    ),
    Argument(
        "psd",
        "fixed",
        PSD,
        'noise curves of a network to be trained: `"fixed"` for the likelihood\'s, `"amortised"` for a family around them, '
        "or a folder of noise curves, `*H1*.txt` and so on",
        setting="simulation.psd",
    ),
    Argument(
        "fold_phase",
        True,
        FLAG,
        'with `phase="network"`: show the network half a turn of the phase, where the other half is the same',
        setting="fold_phase",
    ),
    Argument(
        "representation",
        "aligned",
        choice("aligned", "series"),
        'what a network to be trained is shown; `"series"`: the whitened time series as it is, as in the paper',
        setting="representation.kind",
    ),
    Argument("n_effective", 5000, WHOLE, "effective samples to aim at"),
    Argument("n_posterior", 5000, WHOLE, "largest number of equal-weight posterior samples"),
    Argument(
        "max_likelihood_evaluations",
        500_000,
        WHOLE,
        "most likelihood evaluations, refinement and those of a coarse likelihood included",
    ),
    Argument(
        "max_time",
        None,
        POSITIVE,
        "most seconds for drawing, weighing and refining; finding or training a model is apart. Blocks of draws are sized "
        "by what draws cost so far, so that a seed's result depends on the machine. Where coarse waves draw and time does not "
        "last for the likelihood at every row, [some rows are not evaluated](method.md#where-time-does-not-last)",
        optional=True,
    ),
    Argument(
        "search_time",
        3.0,
        POSITIVE,
        "seconds for further draws of the prior that look for [missed modes](method.md#modes-that-were-missed), where no "
        "network and no template knows the posterior; as many as in the first round are allowed in any case",
    ),
    Argument("refine", True, FLAG, "refine a proposal that is not efficient enough on this event"),
    Argument("importance", True, FLAG, "`False`: raw draws of the network, marked as such, without evidence"),
    Argument(
        "training_time",
        600.0,
        POSITIVE,
        "seconds given to a training, simulation of waveforms apart; at least 100 steps are made, in up to three times as "
        'long. Measuring the model takes about half as long again. Given with `network="auto"`, it asks for a training',
        optional=True,
        setting="training.max_time",
    ),
    Argument("training_steps", None, WHOLE, "most steps of a training", optional=True, setting="training.max_steps"),
    Argument("n_waveforms", 50_000, WHOLE, "waveforms simulated for a training", setting="simulation.n_waveforms"),
    Argument(
        "hidden_features",
        256,
        WHOLE,
        "width of the two hidden layers of each transform, or Gaussian, of a network to be trained",
        setting="network.hidden_features",
    ),
    Argument(
        "learning_rate", 1.5e-3, POSITIVE, "highest learning rate of a training", setting="training.learning_rate"
    ),
    Argument(
        "cache",
        None,
        TEXT,
        "folder of the models trained on demand; else `$BILBY_FLOWPE_CACHE`, else `~/.cache/bilby_flowpe`",
        optional=True,
    ),
    Argument("device", "cpu", TEXT, "device of a training", setting="training.device"),
    Argument("npool", 1, WHOLE, "processes for waveforms and likelihoods", of_bilby=True),
    Argument(
        "sampling_seed", None, SEED, "seed; for a given model the result does not depend on `npool`", optional=True
    ),
    Argument(
        "resume",
        True,
        FLAG,
        "whether a run that was [interrupted](#when-a-run-is-interrupted) goes on with what it had simulated, trained and "
        "evaluated",
    ),
    Argument(
        "progress", True, FLAG, "progress bars; of an event one, with stage, likelihood evaluations and efficiency"
    ),
)
"""All keyword arguments of the sampler."""

_OWN = tuple(argument for argument in ARGUMENTS if not argument.of_bilby)
OF_THE_MODEL = tuple(argument.name for argument in ARGUMENTS if argument.setting)
"""Arguments that only a training uses."""
MODES = tuple(argument.name for argument in ARGUMENTS if argument.kind is DRAWN_BY)
"""Names of the arguments that choose between the exact conditional and the network."""


def default_kwargs() -> dict[str, Any]:
    """Return the default of every argument that Bilby does not have already."""
    return {argument.name: argument.default for argument in _OWN}


def check_arguments(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of the sampler's keyword arguments, each of its proper type.

    Raises
    ------
    ConfigurationError
        Naming the argument, its value and what it may be.
    """
    checked = {**kwargs, **{argument.name: argument.checked(kwargs[argument.name]) for argument in _OWN}}
    if checked["training_time"] is None and checked["training_steps"] is None:
        raise ConfigurationError("training_time=None and training_steps=None: give seconds or steps")
    if checked["n_effective"] > checked["max_likelihood_evaluations"]:
        raise ConfigurationError(
            f"n_effective={checked['n_effective']} is more than max_likelihood_evaluations="
            f"{checked['max_likelihood_evaluations']}: raise the latter"
        )
    return checked


def check_npool(value: Any) -> int:
    """Return the number of processes; ``None`` is one."""
    return 1 if value is None else whole("npool", value)


def settings_of(kwargs: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what the arguments set of a training, by part of its settings.

    Parameters
    ----------
    kwargs
        Checked arguments.

    Returns
    -------
    dict
        Fields and values of ``simulation``, ``network``, ``training`` and so on; under ``""`` those of no part.
    """
    parts: dict[str, dict[str, Any]] = {}
    for argument in ARGUMENTS:
        if argument.setting:
            part, _, field = argument.setting.rpartition(".")
            parts.setdefault(part, {})[field] = kwargs[argument.name]
    if parts["network"]["family"] == AUTO:
        parts["network"]["family"] = USUAL_FAMILY
    return parts


Documented = TypeVar("Documented", bound=type)


def with_parameters(kind: Documented) -> Documented:
    """Add the arguments to the documentation of the sampler's class, in NumPy's style."""
    entries = []
    for argument in ARGUMENTS:
        optional = ", optional" if argument.optional else ""
        # Links lead to other places of the documentation.
        words = re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", re.sub(r"`([^`]+)`", r"``\1``", argument.words))
        words = textwrap.fill(f"{words[0].upper()}{words[1:]}.", 116, break_on_hyphens=False)
        entries.append(f"{argument.name} : {argument.kind.words}{optional}\n{textwrap.indent(words, '    ')}")
    kind.__doc__ = "\n".join([inspect.cleandoc(kind.__doc__ or ""), "", "Parameters", "----------", *entries])
    return kind
