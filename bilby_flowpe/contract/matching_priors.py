"""Comparison of priors with those that a model was trained with, and of any plain values, in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from bilby.core.prior import Prior

from ..errors import PriorError
from .restore import QUANTILES, SHOWN, is_conditional, is_time, restore_prior, restore_priors, show

# Probability at either end of a prior that no draw reaches: the unconstrained coordinates end there, at 8 sigma.
# Probability at either end of a prior that no draw reaches: the unconstrained coordinates end there, at 8 sigma.
_REACH = 1e-15
# Largest relative difference of two numbers that count as equal. Numbers that went through a text file with seven
# digits still pass; a number changed on purpose does not.
_RELATIVE_TOLERANCE = 1e-6
# Largest difference in seconds of two times that count as equal, however large the times are: a GPS time of 1e9 s in a
# text file with 15 digits is rounded to a microsecond.
_TIME_TOLERANCE = 5e-6


class Finding(NamedTuple):
    """A difference between the problem to analyse and the one trained for."""

    refused: bool
    message: str


def match_priors(trained: dict[str, Any], asked: dict[str, Any]) -> Iterator[Finding]:
    """Compare the priors and constraints of two contracts, parameter by parameter.

    Weights correct a prior that lies inside the training prior, provided that the training prior can be rebuilt.
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
                True,
                f"the priors differ from those of the training, and {error}; give exactly the priors of the training",
            )


def _match_prior(key: str, trained: dict[str, Any], asked: dict[str, Any]) -> Iterator[Finding]:
    path = f"priors.{key}"
    if not any(compare(path, trained, asked)):
        return
    said = f"{path}: {show(asked)}, trained with {show(trained)}"
    if is_conditional(trained) or is_conditional(asked):
        yield Finding(True, f"{said}; a conditional prior has to be exactly the one of the training")
        return
    try:
        known = restore_prior(key, trained)
        low, high, quantiles = _extent(key, asked)
    except PriorError as error:
        yield Finding(True, f"{said}, and {error}; give exactly the prior of the training")
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
            f"{said}, which is without mass at {unseen[0]:.9g}, where the given prior has some; give {key} a prior without "
            "mass there",
        )
    else:
        yield Finding(False, said)


def _extent(key: str, entry: dict[str, Any]) -> tuple[float, float, np.ndarray]:
    """Return minimum, maximum and quantiles of a prior."""
    if "quantiles" in entry:
        return entry["minimum"], entry["maximum"], np.array(entry["quantiles"])
    prior = restore_prior(key, entry)
    return prior.minimum, prior.maximum, np.asarray(prior.rescale(QUANTILES), dtype=np.float64)


def _unseen(trained: Prior, values: np.ndarray) -> np.ndarray:
    """Return those of ``values`` that a model in the coordinates of ``trained`` never draws."""
    values = values[(values >= trained.minimum) & (values <= trained.maximum)]
    with np.errstate(all="ignore"):
        density, share = np.asarray(trained.prob(values)), np.asarray(trained.cdf(values))
    return values[~((density > 0) & (share > _REACH) & (share < 1 - _REACH))]


def _match_constraints(trained: dict[str, Any], asked: dict[str, Any]) -> Iterator[Finding]:
    # The conversion function matters only if there are constraints.
    for name in ("conversion_function", "conversion_module") if trained and asked else ():
        for message in compare(f"constraints.{name}", trained.get(name), asked.get(name)):
            yield Finding(True, f"{message}; use the conversion function of the training")
    for key in sorted({*trained, *asked} - {"conversion_function", "conversion_module"}):
        path = f"constraints.{key}"
        if key not in trained:
            yield Finding(False, f"{path}: {show(asked[key])} is given, but the model was trained without it")
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


def compare(path: str, trained: Any, asked: Any) -> Iterator[str]:
    """Tell in words where two nested plain values differ; numbers by more than a relative 1e-6, times by microseconds."""
    if isinstance(trained, dict) and isinstance(asked, dict):
        for key in sorted({*trained, *asked}):
            below = f"{path}.{key}" if path else key
            if key not in trained:
                yield f"{below}: {show(asked[key])} is given, but the model was trained without it"
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
        # The first few differences of a table are enough.
        yield from found[:SHOWN]
        if len(found) > SHOWN:
            yield f"{path}: {len(found) - SHOWN} more values differ"
    elif trained != asked:
        yield f"{path}: {show(asked)}, trained with {show(trained)}"
