"""Priors as plain data: described in a contract, and rebuilt as Bilby's objects.

A model's coordinates are those of the prior that it was trained with. Another prior inside that one can be analysed with the
same model, because weights correct the difference; the training prior then has to be rebuilt from its description in the
contract. Times are counted from the start of the segment.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from inspect import isfunction
from typing import Any

import bilby.core.prior as core
import bilby.gw.prior as gw
import numpy as np
from bilby.core.prior import DeltaFunction, FromFile, Interped, JointPrior, Prior, PriorDict
from bilby.core.utils import get_function_path, infer_args_from_method
from bilby.gw.cosmology import get_available_cosmologies

from ..errors import PriorError
from ..prior_draws import ByDraws
from ..priors import PriorTransform

_LABELS = ("name", "latex_label", "unit", "boundary")
_NOT_ARGUMENTS = ("class", "module", "quantiles", "required_variables")
_DICTIONARIES = {
    f"{kind.__name__}.default_conversion_function": kind
    for kind in (PriorDict, gw.CBCPriorDict, gw.BBHPriorDict, gw.BNSPriorDict)
}
_EDGES = ("minimum", "maximum")
# Arguments, besides the edges, that give the location of priors of these classes: those of a time move with the segment.
_LOCATIONS = {
    **dict.fromkeys(("Gaussian", "Normal", "TruncatedGaussian", "TruncatedNormal", "StudentT", "Logistic"), ("mu",)),
    **dict.fromkeys(("Cauchy", "Lorentzian"), ("alpha",)),
    "Triangular": ("mode",),
    "Interped": ("xx",),
}
SHOWN = 3
"""Number of values up to which messages show a list or a table; longer ones are abbreviated, to keep messages short."""

QUANTILES = (np.arange(1000) + 0.5) / 1000
"""Probabilities of the quantiles that describe a prior which cannot be rebuilt.

Their number, 1000, is enough to show every gap in the prior's mass of more than a thousandth.
"""


def describe_priors(transform: PriorTransform, start: float, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the description of the priors in a contract.

    Parameters
    ----------
    transform
        Priors to describe.
    start
        GPS time in seconds from which times are counted.
    without
        Fixed parameters to leave out.

    Returns
    -------
    dict
        ``priors`` and ``fixed`` by parameter, ``constraints`` with their conversion function; JSON's types only.
    """
    return {
        "priors": {key: _describe(key, transform.priors[key], start) for key in transform.keys},
        "fixed": {
            key: value - (start if is_time(key) else 0.0)
            for key, value in sorted(transform.fixed.items())
            if key not in without
        },
        "constraints": _describe_constraints(transform),
    }


def plain(value: Any) -> Any:
    """Return ``value`` in JSON's types: arrays in full, priors described, functions by name, which outlives the process."""

    def convert(other: Any) -> Any:
        if isinstance(other, np.ndarray | np.generic):
            return other.tolist()
        if isinstance(other, Prior):
            return _describe("", other)
        return get_function_path(other) if isfunction(other) else str(other)

    return json.loads(json.dumps(value, default=convert, sort_keys=True))


def is_time(key: str) -> bool:
    """Return whether a parameter is a GPS time."""
    return key.endswith("_time")


def _describe(key: str, prior: Prior, start: float = 0.0) -> dict[str, Any]:
    if isinstance(prior, ByDraws):
        prior = prior.given
    kind, arguments = type(prior), prior.get_instantiation_dict()
    if isinstance(prior, FromFile):
        # The table itself is kept: the file may be gone, or have changed, when the prior is rebuilt.
        kind, arguments = Interped, {name: getattr(prior, name) for name in ("xx", "yy", *_EDGES)}
    entry = {name: value for name, value in arguments.items() if name not in _LABELS}
    own = known = _class(kind.__name__) is kind
    if isinstance(prior, gw.Cosmological):
        # For these priors the name is not a label: it says which of the distances is meant.
        known = own and isinstance(entry["cosmology"], str)
        entry |= {"name": prior.name} if prior.name != key else {}
    if hasattr(prior, "required_variables"):
        entry["required_variables"] = list(prior.required_variables)
    elif not known:
        # Such a prior cannot be rebuilt, so its range and quantiles are kept.
        entry |= {"minimum": prior.minimum, "maximum": prior.maximum, "quantiles": prior.rescale(QUANTILES)}
    if not own:
        entry["module"] = kind.__module__
    return {"class": kind.__name__, **plain(_moved(key, kind.__name__, entry, -start))}


def _describe_constraints(transform: PriorTransform) -> dict[str, Any]:
    described: dict[str, Any] = {key: _describe(key, transform.priors[key]) for key in transform.constraints}
    if not described:
        return {}
    conversion = transform.priors.conversion_function
    named = conversion if hasattr(conversion, "__qualname__") else type(conversion)
    described["conversion_function"] = named.__qualname__
    if not str(named.__module__).startswith("bilby."):
        described["conversion_module"] = named.__module__
    return described


def _moved(key: str, kind: str, arguments: dict[str, Any], shift: float) -> dict[str, Any]:
    """Return ``arguments`` with the locations of a time shifted by ``shift``; exact, as GPS times are close to each other."""
    if not shift or not is_time(key):
        return arguments
    names = (*_EDGES, "quantiles", *_LOCATIONS.get(kind, ()))
    return {name: np.asarray(value) + shift if name in names else value for name, value in arguments.items()}


def _class(name: str) -> type[Prior] | None:
    """Return Bilby's prior class of this name."""
    found = getattr(core, name, None) or getattr(gw, name, None)
    return found if isinstance(found, type) and issubclass(found, Prior) else None


# Restoration -----------------------------------------------------------------------------------------------------------


def restore_priors(facts: dict[str, Any], start: float, extra_fixed: Mapping[str, float] | None = None) -> PriorDict:
    """Rebuild the priors that a contract describes.

    Parameters
    ----------
    facts
        Facts of a contract: ``priors``, ``fixed`` and ``constraints``.
    start
        GPS time in seconds from which times are counted.
    extra_fixed
        Fixed parameters that the contract leaves out, such as the sky position; times as GPS times.

    Returns
    -------
    PriorDict
        Priors whose :class:`~bilby_flowpe.priors.PriorTransform` has the coordinates of the training. Labels and boundaries
        are not kept.

    Raises
    ------
    PriorError
        If a prior cannot be rebuilt because it is not Bilby's own, or is conditional or joint; if the conversion function
        of the constraints does not belong to one of Bilby's dictionaries; or if ``extra_fixed`` fixes a search parameter.
    """
    if searched := {key: value for key, value in (extra_fixed or {}).items() if key in facts["priors"]}:
        raise PriorError(f"extra_fixed={searched}: these are search parameters in the training, leave them out")
    priors = {key: restore_prior(key, entry, start) for key, entry in facts["priors"].items()}
    constraints = dict(facts["constraints"])
    conversion, module = (constraints.pop(f"conversion_{name}", None) for name in ("function", "module"))
    priors |= {key: restore_prior(key, entry) for key, entry in constraints.items()}
    fixed = {key: value + (start if is_time(key) else 0.0) for key, value in facts["fixed"].items()}
    priors |= {key: DeltaFunction(value, name=key) for key, value in {**fixed, **(extra_fixed or {})}.items()}
    if not constraints:
        return PriorDict(priors)
    if conversion not in _DICTIONARIES or module:
        raise PriorError(
            f"conversion_function={'.'.join(filter(None, (module, str(conversion))))} of the constraints "
            f"{list(constraints)} cannot be rebuilt: it is not one of {sorted(_DICTIONARIES)}"
        )
    return _DICTIONARIES[conversion](dictionary=priors)


def restore_prior(key: str, entry: dict[str, Any], start: float = 0.0) -> Prior:
    """Rebuild the prior of one parameter; see :func:`restore_priors`."""
    kind = _class(entry["class"])
    said = f"priors[{key!r}]={show(entry)} cannot be rebuilt"
    if is_conditional(entry):
        raise PriorError(f"{said}: it is conditional on other parameters")
    if kind is None or "module" in entry or issubclass(kind, JointPrior):
        raise PriorError(f"{said}: it is not one of Bilby's one-dimensional priors")
    if issubclass(kind, gw.Cosmological) and entry.get("cosmology") not in get_available_cosmologies():
        raise PriorError(f"{said}: Bilby does not know its cosmology")
    arguments = {name: _restore_value(key, value) for name, value in entry.items() if name not in _NOT_ARGUMENTS}
    if "name" in infer_args_from_method(kind.__init__):
        arguments.setdefault("name", key or None)
    try:
        return kind(**_moved(key, entry["class"], arguments, start))
    # Bilby may raise any error for arguments that another version of it wrote, or that were text in the file.
    except Exception as error:
        raise PriorError(f"{said}: {type(error).__name__}: {error}") from error


def _restore_value(key: str, value: Any) -> Any:
    if isinstance(value, dict) and "class" in value:
        return restore_prior("", value)
    return np.array(value) if isinstance(value, list) else value


def is_conditional(entry: dict[str, Any]) -> bool:
    """Return whether a prior depends on other parameters."""
    named = entry["class"].startswith(("Conditional", "Dirichlet"))
    return named or "required_variables" in entry or "condition_func" in entry


def show(value: Any) -> str:
    """Return a short text for a prior or any plain value."""
    if isinstance(value, dict) and "class" in value:
        arguments = (f"{name}={show(other)}" for name, other in value.items() if name not in _NOT_ARGUMENTS)
        return f"{value['class']}({', '.join(arguments)})"
    if isinstance(value, list) and len(value) > SHOWN:
        return f"[{len(value)} values]"
    return repr(value)
