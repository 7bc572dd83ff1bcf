"""Priors as plain data: said in a contract, made Bilby's objects again, and held against others.

A model's coordinates are those of the prior that it was trained with. Another prior inside it can be analysed with the same
model, its weights tell the two apart; the training prior then has to be rebuilt from what the contract says of it. Times
count from the start of the segment.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from inspect import isfunction
from typing import Any, NamedTuple

import bilby.core.prior as core
import bilby.gw.prior as gw
import numpy as np
from bilby.core.prior import DeltaFunction, FromFile, Interped, JointPrior, Prior, PriorDict
from bilby.core.utils import get_function_path, infer_args_from_method
from bilby.gw.cosmology import get_available_cosmologies

from ..errors import PriorError
from ..priors import PriorTransform

_LABELS = ("name", "latex_label", "unit", "boundary")
_NOT_ARGUMENTS = ("class", "module", "quantiles", "required_variables")
_DICTIONARIES = {
    f"{kind.__name__}.default_conversion_function": kind
    for kind in (PriorDict, gw.CBCPriorDict, gw.BBHPriorDict, gw.BNSPriorDict)
}
_EDGES = ("minimum", "maximum")
# Arguments, next to the edges, that say where a prior of these kinds lies: those of a time move with the segment.
_LOCATIONS = {
    **dict.fromkeys(("Gaussian", "Normal", "TruncatedGaussian", "TruncatedNormal", "StudentT", "Logistic"), ("mu",)),
    **dict.fromkeys(("Cauchy", "Lorentzian"), ("alpha",)),
    "Triangular": ("mode",),
    "Interped": ("xx",),
}
_GRID = (np.arange(1000) + 0.5) / 1000
_REACH = 1e-15  # draws come no closer to either end of the prior: its coordinates end there
_RELATIVE_TOLERANCE = 1e-6
_TIME_TOLERANCE = 5e-6
_SHOWN = 3


class Finding(NamedTuple):
    """A difference between what is asked and what was trained for."""

    refused: bool
    message: str


# Description -----------------------------------------------------------------------------------------------------------


def describe_priors(transform: PriorTransform, start: float, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """What a contract says of the priors.

    Parameters
    ----------
    transform
        The priors.
    start
        GPS time in seconds from which times are counted.
    without
        Fixed parameters to leave out.

    Returns
    -------
    dict
        ``priors`` and ``fixed`` by parameter, ``constraints`` with their conversion function; JSON's own types only.
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
    """``value`` in JSON's own types: arrays in full, priors described, functions by their name, which outlives the process."""

    def convert(other: Any) -> Any:
        if isinstance(other, np.ndarray | np.generic):
            return other.tolist()
        if isinstance(other, Prior):
            return _describe("", other)
        return get_function_path(other) if isfunction(other) else str(other)

    return json.loads(json.dumps(value, default=convert, sort_keys=True))


def is_time(key: str) -> bool:
    """Whether a parameter is a GPS time."""
    return key.endswith("_time")


def _describe(key: str, prior: Prior, start: float = 0.0) -> dict[str, Any]:
    kind, arguments = type(prior), prior.get_instantiation_dict()
    if isinstance(prior, FromFile):
        # The table itself: the file may be gone, or another one, when the prior is wanted again.
        kind, arguments = Interped, {name: getattr(prior, name) for name in ("xx", "yy", *_EDGES)}
    entry = {name: value for name, value in arguments.items() if name not in _LABELS}
    own = known = _class(kind.__name__) is kind
    if isinstance(prior, gw.Cosmological):
        # To these the name is no label: it says which of the distances is meant.
        known = own and isinstance(entry["cosmology"], str)
        entry |= {"name": prior.name} if prior.name != key else {}
    if hasattr(prior, "required_variables"):
        entry["required_variables"] = list(prior.required_variables)
    elif not known:
        # What it covers: such a prior cannot be made again to be asked.
        entry |= {"minimum": prior.minimum, "maximum": prior.maximum, "quantiles": prior.rescale(_GRID)}
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
    """``arguments`` with those that say where a time is moved by ``shift``; exact, as GPS times are close to each other."""
    if not shift or not is_time(key):
        return arguments
    names = (*_EDGES, "quantiles", *_LOCATIONS.get(kind, ()))
    return {name: np.asarray(value) + shift if name in names else value for name, value in arguments.items()}


def _class(name: str) -> type[Prior] | None:
    """Bilby's prior of this name."""
    found = getattr(core, name, None) or getattr(gw, name, None)
    return found if isinstance(found, type) and issubclass(found, Prior) else None


# Restoration -----------------------------------------------------------------------------------------------------------


def restore_priors(facts: dict[str, Any], start: float, extra_fixed: Mapping[str, float] | None = None) -> PriorDict:
    """The priors that a contract was made of.

    Parameters
    ----------
    facts
        Of a contract: ``priors``, ``fixed`` and ``constraints``.
    start
        GPS time in seconds from which times are counted.
    extra_fixed
        Fixed parameters that the contract leaves out, such as the sky position; times as GPS times.

    Returns
    -------
    PriorDict
        Of which a :class:`~bilby_flowpe.priors.PriorTransform` gives the coordinates trained in. Labels and boundaries are
        not kept.

    Raises
    ------
    PriorError
        If one cannot be rebuilt, being no prior of Bilby's own, conditional or joint; if the constraints' conversion
        function is not one of Bilby's dictionaries; or if ``extra_fixed`` fixes a search parameter.
    """
    if searched := {key: value for key, value in (extra_fixed or {}).items() if key in facts["priors"]}:
        raise PriorError(f"extra_fixed={searched}: these are search parameters in training, leave them out")
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
            f"{list(constraints)} cannot be rebuilt: it is none of {sorted(_DICTIONARIES)}"
        )
    return _DICTIONARIES[conversion](dictionary=priors)


def restore_prior(key: str, entry: dict[str, Any], start: float = 0.0) -> Prior:
    """The prior of one parameter; see :func:`restore_priors`."""
    kind = _class(entry["class"])
    said = f"priors[{key!r}]={show(entry)} cannot be rebuilt"
    if is_conditional(entry):
        raise PriorError(f"{said}: it is conditional on other parameters")
    if kind is None or "module" in entry or issubclass(kind, JointPrior):
        raise PriorError(f"{said}: it is no one-dimensional prior of Bilby's own")
    if issubclass(kind, gw.Cosmological) and entry.get("cosmology") not in get_available_cosmologies():
        raise PriorError(f"{said}: its cosmology has no name that Bilby knows")
    arguments = {name: _restore_value(key, value) for name, value in entry.items() if name not in _NOT_ARGUMENTS}
    if "name" in infer_args_from_method(kind.__init__):
        arguments.setdefault("name", key or None)
    try:
        return kind(**_moved(key, entry["class"], arguments, start))
    # Whatever Bilby has against arguments that another version of it wrote, or that were text to begin with.
    except Exception as error:
        raise PriorError(f"{said}: {type(error).__name__}: {error}") from error


def _restore_value(key: str, value: Any) -> Any:
    if isinstance(value, dict) and "class" in value:
        return restore_prior("", value)
    return np.array(value) if isinstance(value, list) else value


def is_conditional(entry: dict[str, Any]) -> bool:
    """Whether a prior depends on other parameters."""
    named = entry["class"].startswith(("Conditional", "Dirichlet"))
    return named or "required_variables" in entry or "condition_func" in entry


# Comparison ------------------------------------------------------------------------------------------------------------


def match_priors(trained: dict[str, Any], asked: dict[str, Any]) -> Iterator[Finding]:
    """Hold the priors and constraints of two contracts' facts against each other, parameter by parameter.

    What lies inside the training prior is corrected by weights, provided that the training prior can be rebuilt.
    """
    found = [
        finding
        for key, entry in trained["priors"].items()
        if key in asked["priors"]
        for finding in _match_prior(key, entry, asked["priors"][key])
    ]
    found.extend(_match_constraints(trained["constraints"], asked["constraints"]))
    yield from found
    if any(not finding.refused for finding in found):
        try:
            restore_priors(trained, 0.0)
        except PriorError as error:
            yield Finding(
                True, f"the priors differ from those trained with, and {error}; give exactly the priors trained with"
            )


def _match_prior(key: str, trained: dict[str, Any], asked: dict[str, Any]) -> Iterator[Finding]:
    path = f"priors.{key}"
    if not any(compare(path, trained, asked)):
        return
    said = f"{path}: {show(asked)}, trained with {show(trained)}"
    if is_conditional(trained) or is_conditional(asked):
        yield Finding(True, f"{said}; a conditional prior has to be the one trained with")
        return
    try:
        known = restore_prior(key, trained)
        low, high, quantiles = _extent(key, asked)
    except PriorError as error:
        yield Finding(True, f"{said}, and {error}; give exactly the prior trained with")
        return
    rtol, atol = (0.0, _TIME_TOLERANCE) if is_time(key) else (_RELATIVE_TOLERANCE, 0.0)
    wider = False
    for name, value, edge, beyond in (
        ("minimum", low, known.minimum, low < known.minimum),
        ("maximum", high, known.maximum, high > known.maximum),
    ):
        if beyond and not np.isclose(value, edge, rtol=rtol, atol=atol):
            wider = True
            inside = _interval(key, known.minimum, known.maximum)
            message = f"{path}.{name}: {value:.9g}, trained with {edge:.9g}; narrow the prior of {key} to {inside}"
            yield Finding(True, message)
    if wider:
        return
    unseen = _unseen(known, quantiles)
    if len(unseen):
        yield Finding(
            True,
            f"{said}, which is without mass at {unseen[0]:.9g}, where the one asked for has some; give {key} a prior "
            "without mass there",
        )
    else:
        yield Finding(False, said)


def _extent(key: str, entry: dict[str, Any]) -> tuple[float, float, np.ndarray]:
    """Minimum, maximum and quantiles of a prior."""
    if "quantiles" in entry:
        return entry["minimum"], entry["maximum"], np.array(entry["quantiles"])
    prior = restore_prior(key, entry)
    return prior.minimum, prior.maximum, np.asarray(prior.rescale(_GRID), dtype=np.float64)


def _unseen(trained: Prior, values: np.ndarray) -> np.ndarray:
    """Those of ``values`` that a model in the coordinates of ``trained`` never draws."""
    values = values[(values >= trained.minimum) & (values <= trained.maximum)]
    with np.errstate(all="ignore"):
        density, share = np.asarray(trained.prob(values)), np.asarray(trained.cdf(values))
    return values[~((density > 0) & (share > _REACH) & (share < 1 - _REACH))]


def _match_constraints(trained: dict[str, Any], asked: dict[str, Any]) -> Iterator[Finding]:
    # Without constraints there is no conversion to speak of.
    for name in ("conversion_function", "conversion_module") if trained and asked else ():
        for message in compare(f"constraints.{name}", trained.get(name), asked.get(name)):
            yield Finding(True, f"{message}; use the conversion function trained with")
    for key in sorted({*trained, *asked} - {"conversion_function", "conversion_module"}):
        path = f"constraints.{key}"
        if key not in trained:
            yield Finding(False, f"{path}: {show(asked[key])} is asked for, trained without it")
            continue
        inside = _interval(key, trained[key]["minimum"], trained[key]["maximum"])
        if key not in asked:
            message = f"{path}: missing, trained with {show(trained[key])}; constrain {key} to {inside} or less"
            yield Finding(True, message)
            continue
        differences = list(compare(path, trained[key], asked[key]))
        if not differences:
            continue
        stricter = asked[key]["minimum"] >= trained[key]["minimum"] and asked[key]["maximum"] <= trained[key]["maximum"]
        if stricter and asked[key]["class"] == trained[key]["class"]:
            yield Finding(False, f"{path}: {show(asked[key])}, trained with {show(trained[key])}")
        else:
            for message in differences:
                yield Finding(True, f"{message}; narrow the constraint on {key} to {inside}")


def _interval(key: str, low: float, high: float) -> str:
    return f"[{low:.9g}, {high:.9g}]" + (" s from the segment's start" if is_time(key) else "")


def show(value: Any) -> str:
    """A prior, or any plain value, in few words."""
    if isinstance(value, dict) and "class" in value:
        arguments = (f"{name}={show(other)}" for name, other in value.items() if name not in _NOT_ARGUMENTS)
        return f"{value['class']}({', '.join(arguments)})"
    if isinstance(value, list) and len(value) > _SHOWN:
        return f"[{len(value)} values]"
    return repr(value)


def compare(path: str, trained: Any, asked: Any) -> Iterator[str]:
    """Where two nested plain values differ, in words; numbers up to a relative 1e-6, times up to microseconds."""
    if isinstance(trained, dict) and isinstance(asked, dict):
        for key in sorted({*trained, *asked}):
            below = f"{path}.{key}" if path else key
            if key not in trained:
                yield f"{below}: {show(asked[key])} is asked for, trained without it"
            elif key not in asked:
                yield f"{below}: missing, trained with {show(trained[key])}"
            else:
                yield from compare(below, trained[key], asked[key])
    elif isinstance(trained, float | int) and isinstance(asked, float | int):
        if not np.isclose(trained, asked, rtol=_RELATIVE_TOLERANCE, atol=_TIME_TOLERANCE if "_time" in path else 0.0):
            yield f"{path}: {asked!r}, trained with {trained!r}"
    elif isinstance(trained, list) and isinstance(asked, list) and len(trained) == len(asked):
        found = [
            difference
            for index, pair in enumerate(zip(trained, asked, strict=True))
            for difference in compare(f"{path}[{index}]", *pair)
        ]
        # Of a table the first few say enough.
        yield from found[:_SHOWN]
        if len(found) > _SHOWN:
            yield f"{path}: {len(found) - _SHOWN} more values differ"
    elif trained != asked:
        yield f"{path}: {show(asked)}, trained with {show(trained)}"
