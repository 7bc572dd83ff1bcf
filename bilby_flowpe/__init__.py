"""Neural posteriors for Bilby, exactly weighted: ``bilby.run_sampler(likelihood, priors, sampler="flowpe")``.

A run needs nothing from here: Bilby finds the sampler by its entry point. Scripts use four functions beside it:
:func:`train_model`, :func:`load_model`, :func:`reweight` and :func:`bayes_factor`. They are imported when they are first
used, so that ``import bilby_flowpe`` loads neither torch nor zuko; Bilby imports the package for every other sampler, too.

To find your way through the code read ``docs/house.md``, then :mod:`bilby_flowpe.sampler` (what Bilby calls) and
:mod:`bilby_flowpe.run` (the stages of a run).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .model_list import load_model
    from .reweighting import reweight
    from .selection import bayes_factor
    from .training import train_model

__version__ = "0.1.0"
__all__ = ["bayes_factor", "load_model", "reweight", "train_model"]

_MODULES = {
    "bayes_factor": "selection",
    "load_model": "model_list",
    "reweight": "reweighting",
    "train_model": "training",
}


def __getattr__(name: str) -> Any:
    """Import a public function when it is asked for the first time."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; its functions are {', '.join(__all__)}")
    value = getattr(import_module(f".{_MODULES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
