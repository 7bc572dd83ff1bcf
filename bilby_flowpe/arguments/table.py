"""The sampler's keyword arguments: declared once, in :data:`ARGUMENTS`, and checked before any long computation.

Defaults, checks, the documentation of the sampler, the table in docs/usage.md and the settings of a training are made from that
table. Values may come from a configuration file, which knows only strings: a string that is clearly a number or a truth value
is converted.
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
"""Kind of an argument that chooses how a parameter is drawn: from its exact conditional, or by the network."""
AUTO = "auto"
"""Value of ``network`` that chooses the cheaper way: with a network or without one."""
USUAL_FAMILY = "maf"
"""Family of networks that is trained where no family is named."""


@dataclass(frozen=True)
class Argument:
    """Declaration of one keyword argument of ``sampler="flowpe"``.

    Attributes
    ----------
    name, default
        Name and default value of the argument.
    kind
        Kind of value that it takes.
    words
        Explanation of the argument, in Markdown.
    optional
        Tells whether the value may be ``None``.
    setting
        Field of :class:`bilby_flowpe.training.settings.Settings` that it sets, such as ``"training.device"``; empty for an
        argument that a run without a training uses.
    of_bilby
        Tells whether Bilby's base class has this argument, with its default, already.
    """

    name: str
    default: Any
    kind: Kind
    words: str
    optional: bool = False
    setting: str = ""
    of_bilby: bool = False

    def checked(self, value: Any) -> Any:
        """Return a value, converted to the type of this argument.

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
        "folder of a trained model, or the name of a shipped one. Without it, the shipped models and the cache are searched "
        "for a model whose priors, detectors and waveform include those of this problem",
        optional=True,
    ),
    Argument(
        "network",
        AUTO,
        choice(AUTO, "gaussian", "maf", "nsf", "cvae", "cvae+", "none"),
        'how the proposal is made if no trained model fits. `"auto"` chooses what is [cheaper for one '
        "event](networks.md#which-network). The name of a family trains a network of that family, which can then be used for "
        'many events. `"none"` does not search for a trained model: the proposal starts from the prior and is refined for '
        "this event alone",
        setting="network.family",
    ),
    Argument(
        "phase",
        "conditional",
        DRAWN_BY,
        '`"conditional"` draws the phase from its exact distribution given all other parameters, where that is possible; '
        '`"network"` draws it by the network',
        setting="phase",
    ),
    Argument(
        "distance",
        "conditional",
        DRAWN_BY,
        "the same choice for the distance; with one detector for the inclination, too, because both then act as one number",
        setting="distance",
    ),
    Argument("time", "conditional", DRAWN_BY, "the same choice for the geocentric time", setting="time"),
    Argument(
        "sky",
        "conditional",
        DRAWN_BY,
        "the same choice for sky position, polarisation angle and inclination, if they are sampled",
        setting="sky",
    ),
    Argument(
        "coarse",
        True,
        COARSE,
        "`True` searches and draws with a cheaper [coarse likelihood](method.md#coarse-likelihoods-and-thinning) where one "
        "can be made, and evaluates your likelihood for some of the draws only. `False` or `None` evaluates it for all draws. "
        "The name of a waveform approximant uses this approximant for the search, in place of a slower one",
        optional=True,
    ),
    Argument(
        "psd",
        "fixed",
        PSD,
        'noise power spectral densities (PSDs) that a network is trained for: `"fixed"` for those of the likelihood, '
        '`"amortised"` for random variations around them, or a folder of files with PSDs, named `*H1*.txt` and so on',
        setting="simulation.psd",
    ),
    Argument(
        "fold_phase",
        True,
        FLAG,
        'with `phase="network"`: train the network on half of the range of the phase, if a phase shifted by pi gives the '
        "same data",
        setting="fold_phase",
    ),
    Argument(
        "representation",
        "aligned",
        choice("aligned", "series"),
        'form of the data that a network is trained on. `"aligned"`: shifted to the arrival time of a first guess, and '
        'compressed; `"series"`: the whitened time series unchanged, as in the paper',
        setting="representation.kind",
    ),
    Argument("n_effective", 5000, WHOLE, "effective number of samples at which a run ends"),
    Argument(
        "n_posterior",
        5000,
        WHOLE,
        "largest number of equal-weight posterior samples; if the weights are uneven there are fewer",
    ),
    Argument(
        "max_likelihood_evaluations",
        500_000,
        WHOLE,
        "largest number of likelihood evaluations, including those of the refinement and of a coarse likelihood",
    ),
    Argument(
        "max_time",
        None,
        POSITIVE,
        "largest number of seconds for drawing, weighing and refining; finding or training a model is not included. The "
        "number of draws then depends on the speed of the machine, and so does the result of a given seed. With a coarse "
        "likelihood, time may be too short to evaluate your likelihood for every draw: [some draws are then left "
        "out](method.md#rows-that-are-not-evaluated)",
        optional=True,
    ),
    Argument(
        "search_time",
        3.0,
        POSITIVE,
        "seconds for further draws from the prior that look for [missed modes](method.md#modes-that-were-missed), in runs "
        "without a network and without templates. As many draws as in the first round are made in any case; comparing them may "
        "take several times as long",
    ),
    Argument("refine", True, FLAG, "adapt the proposal to this event if its efficiency is too low"),
    Argument(
        "importance",
        True,
        FLAG,
        "weigh the draws by the likelihood. `False` returns the network's draws unweighted, marked as such and without an "
        "evidence",
    ),
    Argument(
        "training_time",
        600.0,
        POSITIVE,
        "seconds that a training may take. Simulating the waveforms comes on top, and measuring the finished model takes "
        "about half as long again. At least 100 steps are made, even if they take up to three times as long. With "
        '`network="auto"`, giving this argument asks for a training',
        optional=True,
        setting="training.max_time",
    ),
    Argument(
        "training_steps",
        None,
        WHOLE,
        "largest number of steps of a training",
        optional=True,
        setting="training.max_steps",
    ),
    Argument(
        "n_waveforms",
        50_000,
        WHOLE,
        "number of waveforms that are simulated for a training",
        setting="simulation.n_waveforms",
    ),
    Argument(
        "hidden_features",
        256,
        WHOLE,
        "number of units in each of the two hidden layers, in every transform or Gaussian of a network that is trained",
        setting="network.hidden_features",
    ),
    Argument(
        "learning_rate", 1.5e-3, POSITIVE, "highest learning rate of a training", setting="training.learning_rate"
    ),
    Argument(
        "cache",
        None,
        TEXT,
        "folder for models that runs have trained. Without it, `$BILBY_FLOWPE_CACHE` is used if it is set, else "
        "`~/.cache/bilby_flowpe`",
        optional=True,
    ),
    Argument("device", "cpu", TEXT, 'device of a training, such as `"cuda"`', setting="training.device"),
    Argument("npool", 1, WHOLE, "number of processes for waveforms and likelihoods", of_bilby=True),
    Argument(
        "sampling_seed",
        None,
        SEED,
        "seed of the random numbers; with a given model the result does not depend on `npool`",
        optional=True,
    ),
    Argument(
        "resume",
        True,
        FLAG,
        "continue an [interrupted](#when-a-run-is-interrupted) run with what it had simulated, trained and evaluated; "
        "`False` starts again",
    ),
    Argument(
        "progress",
        True,
        FLAG,
        "show progress bars; the bar of an event shows stage, likelihood evaluations and efficiency",
    ),
)
"""All keyword arguments of the sampler."""

_OWN = tuple(argument for argument in ARGUMENTS if not argument.of_bilby)
OF_THE_MODEL = tuple(argument.name for argument in ARGUMENTS if argument.setting)
"""Names of the arguments that only a training uses."""
MODES = tuple(argument.name for argument in ARGUMENTS if argument.kind is DRAWN_BY)
"""Names of the arguments that choose between the exact conditional and the network."""


def default_kwargs() -> dict[str, Any]:
    """Return the default of every argument that Bilby does not have already."""
    return {argument.name: argument.default for argument in _OWN}


def check_arguments(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of the sampler's keyword arguments, each converted to its type.

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
    """Return the number of processes; ``None`` means one."""
    return 1 if value is None else whole("npool", value)


def settings_of(kwargs: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the settings of a training that the arguments set, by part.

    Parameters
    ----------
    kwargs
        Checked arguments.

    Returns
    -------
    dict
        Fields and values by part: ``simulation``, ``network``, ``training`` and so on; under ``""`` those outside all parts.
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
