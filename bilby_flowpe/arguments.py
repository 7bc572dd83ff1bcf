"""The sampler's keyword arguments, checked before anything long is started.

They may come from a configuration file that knows only strings: what is clearly a number or a truth value is taken as one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .errors import ConfigurationError

MODES = ("phase", "distance", "time", "sky")
"""What may be drawn from its conditional."""

CHOICES = {
    "network": ("gaussian", "maf", "nsf", "cvae", "cvae+", "none"),
    **dict.fromkeys(MODES, ("conditional", "network")),
    "representation": ("aligned", "series"),
}
OF_THE_MODEL = (
    *CHOICES, "psd", "fold_phase", "training_time", "training_steps", "n_waveforms", "hidden_features", "learning_rate",
    "device",
)  # fmt: skip
"""Arguments that only a training uses."""

_LARGEST_SEED = 2**63 - 1
_LONGEST = 1000
_TRUTH = {"true": True, "false": False}


def check_arguments(kwargs: dict[str, Any]) -> dict[str, Any]:
    """A copy of the sampler's keyword arguments, each of its proper type.

    Raises
    ------
    ConfigurationError
        Naming the argument, its value and what it may be.
    """
    checked = dict(kwargs)
    for key in ("n_effective", "n_posterior", "max_likelihood_evaluations", "n_waveforms", "hidden_features"):
        checked[key] = whole(key, kwargs[key])
    optional = {"training_steps": whole, "training_time": _positive, "max_time": _positive, "sampling_seed": check_seed}
    for key, check in optional.items():
        checked[key] = None if _is_none(kwargs[key]) else check(key, kwargs[key])
    checked["learning_rate"] = _positive("learning_rate", kwargs["learning_rate"])
    for key in ("importance", "refine", "fold_phase", "resume", "progress"):
        checked[key] = _truth(key, kwargs[key])
    for key, choices in CHOICES.items():
        if not isinstance(kwargs[key], str) or kwargs[key] not in choices:
            raise ConfigurationError(f"{key}={kwargs[key]!r}: choose one of {list(choices)}")
    for key in ("model", "cache"):
        checked[key] = None if _is_none(kwargs[key]) else _text(key, kwargs[key])
    checked["device"], checked["psd"] = _text("device", kwargs["device"]), _psd(kwargs["psd"])
    if checked["training_time"] is None and checked["training_steps"] is None:
        raise ConfigurationError("training_time=None and training_steps=None: give seconds or steps")
    if checked["n_effective"] > checked["max_likelihood_evaluations"]:
        raise ConfigurationError(
            f"n_effective={checked['n_effective']} is more than max_likelihood_evaluations="
            f"{checked['max_likelihood_evaluations']}: raise the latter"
        )
    return checked


def _psd(value: Any) -> str:
    if _text("psd", value) not in ("fixed", "amortised") and not Path(value).expanduser().is_dir():
        raise ConfigurationError(f"psd={value!r}: choose 'fixed' or 'amortised', or give a folder of noise curves")
    return value if value in ("fixed", "amortised") else str(Path(value).expanduser().absolute())


def check_npool(value: Any) -> int:
    """Number of processes; ``None`` is one."""
    return 1 if value is None else whole("npool", value)


def _number(key: str, value: Any, wanted: str) -> float:
    try:
        if isinstance(value, bool):
            raise ValueError
        return float(value)
    except (TypeError, ValueError):
        raise ConfigurationError(f"{key}={value!r}: give {wanted}") from None


def whole(key: str, value: Any, least: int = 1) -> int:
    """A whole number of at least ``least``, refused by its name otherwise."""
    wanted = f"a whole number of at least {least}"
    number = _number(key, value, wanted)
    if not (np.isfinite(number) and number.is_integer() and number >= least):
        raise ConfigurationError(f"{key}={value!r}: give {wanted}")
    return int(number)


def check_seed(key: str, value: Any) -> int:
    """A seed, refused by its name otherwise."""
    seed = whole(key, value, least=0)
    if seed > _LARGEST_SEED:
        raise ConfigurationError(f"{key}={value!r}: give a whole number from 0 to {_LARGEST_SEED}")
    return seed


def _positive(key: str, value: Any) -> float:
    number = _number(key, value, "a number above zero")
    if not (np.isfinite(number) and number > 0):
        raise ConfigurationError(f"{key}={value!r}: give a number above zero")
    return number


def _truth(key: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _TRUTH:
        return _TRUTH[value.lower()]
    raise ConfigurationError(f"{key}={value!r}: give True or False")


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ConfigurationError(f"{key}={value!r}: give a text")
    if len(value) > _LONGEST or "\0" in value:
        raise ConfigurationError(
            f"{key}={value[:40]!r}...: give a text of at most {_LONGEST} characters that can name a file"
        )
    try:
        Path(value).expanduser()
    except RuntimeError as error:
        raise ConfigurationError(f"{key}={value!r}: {error} Name the folder in full") from error
    return value


def _is_none(value: Any) -> bool:
    return value is None or (isinstance(value, str) and value.lower() == "none")
