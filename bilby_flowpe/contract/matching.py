"""Comparison of a problem with the one that a model was trained for: every difference, and whether weights correct it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..names import PLACE, RA
from .geometry import GEOMETRY, match_geometry
from .matching_priors import Finding, compare, match_priors
from .restore import show

_OF_THE_PRIORS = ("priors", "fixed", "constraints")
BEHAVIOUR = "values of the model"
PSD = "power_spectral_density."
_CORRECTED = ("model", "model_arguments")
# Largest relative difference of two values that count as equal. Values that went through a text file with seven digits
# still pass; a value changed on purpose does not.
_RELATIVE_TOLERANCE = 1e-6
# Largest difference of the antenna responses F+ and Fx, numbers between -1 and 1, that counts as none: the amplitude is
# then off by a thousandth at most. The Earth's rotation changes a response by this in some 10 seconds.
_RESPONSE_TOLERANCE = 1e-3
# Largest difference, in seconds, of a detector's delay from the geocentre that counts as none. The Earth's rotation
# changes a delay by up to 1.5e-6 s per second; a larger tolerance would shift arrival times against the training.
_DELAY_TOLERANCE = 5e-5
# Smallest shift of the right ascension, in radians, that is applied: 2 arcseconds, which the Earth turns in 0.14 s, and
# no sky map shows.
_TURN_TOLERANCE = 1e-5
# Largest root mean square of the difference of ln PSD for which two PSDs count as the same; a larger one is reported,
# since weights correct it.
_SAME_PSD = 1e-6

Described = tuple[dict[str, Any], dict[str, np.ndarray]]
"""Facts and arrays of a contract."""


@dataclass(frozen=True)
class Match:
    """Result of the comparison of a model with a problem to analyse.

    Attributes
    ----------
    refusals
        Why the model must not be used, one message each; empty if it may.
    corrections
        Differences that importance weights correct, one message each.
    sidereal_shift
        Shift, in radians in [-pi, pi), from a right ascension of the training to one of the problem to analyse.
    other_priors
        Tells whether priors or constraints differ from those of the training: the model's coordinates are then made from
        :func:`~bilby_flowpe.contract.restore.restore_priors`.
    """

    refusals: tuple[str, ...] = ()
    corrections: tuple[str, ...] = ()
    sidereal_shift: float = 0.0
    other_priors: bool = False


def match(trained: Described, asked: Described, psd_tolerance: float) -> Match:
    """Tell whether a model that was trained for one problem may be used for another.

    Parameters
    ----------
    trained, asked
        Facts and arrays of each, as a :class:`~bilby_flowpe.contract.Contract` has them.
    psd_tolerance
        Largest :func:`psd_distance` of a detector's PSD that the model tolerates.
    """
    (before, _), (now, _) = trained, asked
    if before["kind"] != now["kind"]:
        return Match(tuple(compare("kind", before["kind"], now["kind"])))
    priors = list(match_priors(before, now))
    same_priors = all(before.get(key) == now.get(key) for key in _OF_THE_PRIORS)
    turned, shift = _match_sidereal_time(before, now)
    found = [
        *_match_parameters(before, now),
        *priors,
        *_match_settings(before, now, same_priors),
        *match_geometry(before, now),
        *turned,
        *_match_arrays(_arrays(trained, behaviour=False), _arrays(asked, behaviour=False), psd_tolerance),
    ]
    # The function values can only be compared if both were taken at the same points.
    if same_priors and not any(finding.refused for finding in found):
        found += _match_arrays(_arrays(trained, behaviour=True), _arrays(asked, behaviour=True), psd_tolerance)
    return Match(
        refusals=tuple(finding.message for finding in found if finding.refused),
        corrections=tuple(finding.message for finding in found if not finding.refused),
        sidereal_shift=shift,
        other_priors=bool(priors),
    )


def psd_distance(trained: np.ndarray, asked: np.ndarray) -> float:
    """Return the root mean square, over frequencies, of the logarithm of the ratio of two PSDs.

    Parameters
    ----------
    trained, asked
        Power spectral densities, (F,); infinite where a frequency is left out.

    Returns
    -------
    float
        Infinite if a frequency is left out of one of them only.
    """
    trained, asked = (np.asarray(curve, dtype=np.float64) for curve in (trained, asked))
    used = _used(trained)
    if np.any(used != _used(asked)):
        return np.inf
    return float(np.sqrt(np.sum(np.log(asked[used] / trained[used]) ** 2) / max(np.sum(used), 1)))


def _match_parameters(trained: dict[str, Any], asked: dict[str, Any]) -> Iterator[Finding]:
    """Compare search parameters and fixed parameters."""
    for key in sorted({*trained["priors"]} - {*asked["priors"]}):
        entry, now = trained["priors"][key], "missing"
        if key in asked["fixed"]:
            now = f"fixed to {asked['fixed'][key]!r}"
        elif key in PLACE and "antenna" in asked:
            now = "fixed"
        yield Finding(True, f"priors.{key}: {now}, trained with {show(entry)}; give {key} a prior inside that one")
    for key in sorted({*asked["priors"]} - {*trained["priors"]}):
        before, way_out = "but the model was trained without it", f"leave {key} out"
        if key in trained["fixed"]:
            before, way_out = (
                f"but the model was trained with {trained['fixed'][key]!r}",
                f"fix {key} to {trained['fixed'][key]!r}",
            )
        elif key in PLACE and "antenna" in trained:
            before, way_out = "but the model was trained with a fixed sky position", f"fix {', '.join(PLACE)}"
        yield Finding(True, f"priors.{key}: {show(asked['priors'][key])} is given, {before}; {way_out}")
    searched = {*trained["priors"], *asked["priors"]}
    held, wanted = ({k: v for k, v in facts["fixed"].items() if k not in searched} for facts in (trained, asked))
    for message in compare("fixed", held, wanted):
        key = message.partition(":")[0].removeprefix("fixed.")
        yield Finding(True, f"{message}; {f'fix {key} to {held[key]!r}' if key in held else f'leave {key} out'}")


def _match_settings(trained: dict[str, Any], asked: dict[str, Any], same_priors: bool) -> Iterator[Finding]:
    """Compare every fact except those of the priors; unknown facts have to be equal."""
    for key in sorted({*trained, *asked} - {*_OF_THE_PRIORS, GEOMETRY}):
        if key not in trained or key not in asked:
            yield from _refused(compare("", *({key: facts[key]} if key in facts else {} for facts in (trained, asked))))
        elif key == "detectors":
            yield from _match_detectors(trained[key], asked[key])
        elif key == "antenna":
            yield from _match_antenna(trained[key], asked[key])
        elif key == "waveform":
            yield from _match_waveform(trained[key], asked[key])
        elif key != "sidereal_time":
            # Facts of a user's own simulator have no meaning here, except the form of the data.
            # If names or arguments differ, function values can be compared, provided that the priors are the same.
            allowed = same_priors and (key in _CORRECTED or (trained["kind"] == "simulator" and key != "shape"))
            yield from _refused(compare(key, trained[key], asked[key]), not allowed)


def _refused(messages: Iterable[str], refused: bool = True) -> Iterator[Finding]:
    yield from (Finding(refused, message) for message in messages)


def _match_waveform(trained: dict[str, Any], asked: dict[str, Any]) -> Iterator[Finding]:
    both = {*trained} & {*asked} & {"generator", "source_model", "arguments"}
    for allowed in (False, True):
        parts = ({key: value for key, value in facts.items() if (key in both) == allowed} for facts in (trained, asked))
        yield from _refused(compare("waveform", *parts), not allowed)


def _match_detectors(trained: dict[str, Any], asked: dict[str, Any]) -> Iterator[Finding]:
    # In JSON as in Python dictionaries have an order: that of the network's inputs.
    if list(trained) != list(asked):
        message = f"detectors: {list(asked)}, trained with {list(trained)}; give these detectors, in this order"
        yield Finding(True, message)
    for name in trained:
        if name in asked:
            yield from _refused(compare(f"detectors.{name}", trained[name], asked[name]))


def _match_antenna(trained: dict[str, list[float]], asked: dict[str, list[float]]) -> Iterator[Finding]:
    tolerances = np.array([_RESPONSE_TOLERANCE, _RESPONSE_TOLERANCE, _DELAY_TOLERANCE])
    for name in trained:
        # Not "larger than": what is not a number is refused, too.
        if name in asked and not np.all(np.abs(np.subtract(asked[name], trained[name])) <= tolerances):
            now, before = ("F+ {:.4f}, Fx {:.4f}, delay {:.6f} s".format(*seen[name]) for seen in (asked, trained))
            yield Finding(
                True,
                f"antenna.{name}: {now}, trained with {before}; choose a sky position, or a GPS time, with the antenna "
                "response of the training",
            )


def _match_sidereal_time(trained: dict[str, Any], asked: dict[str, Any]) -> tuple[list[Finding], float]:
    """Return the findings, and the shift of the right ascension in radians."""
    before, now = trained.get("sidereal_time"), asked.get("sidereal_time")
    if before is None or now is None:
        return [], 0.0
    shift = float((now - before + np.pi) % (2 * np.pi) - np.pi)
    if abs(shift) <= _TURN_TOLERANCE:
        return [], 0.0
    said = f"sidereal_time: {now:.6f}, trained with {before:.6f}"
    if all(_whole_turn(facts["priors"].get(RA)) for facts in (trained, asked)):
        return [Finding(False, f"{said}: ra is shifted by {shift:.6f}")], shift
    priors = ", ".join(
        f"{show(facts['priors'].get('ra', facts['fixed'].get('ra')))} {when}"
        for facts, when in ((asked, "now"), (trained, "in training"))
    )
    return [Finding(True, f"{said}; ra can be shifted only if its prior is Uniform(0, 2 pi), but it is {priors}")], 0.0


def _whole_turn(entry: dict[str, Any] | None) -> bool:
    return (
        entry is not None
        and entry["class"] == "Uniform"
        and "module" not in entry
        and bool(np.allclose([entry["minimum"], entry["maximum"]], [0, 2 * np.pi], rtol=0, atol=_RELATIVE_TOLERANCE))
    )


def _arrays(described: Described, behaviour: bool) -> dict[str, np.ndarray]:
    """Return the values of a user's function, or all other arrays."""
    return {name: array for name, array in described[1].items() if (name == BEHAVIOUR) == behaviour}


def _match_arrays(
    trained: dict[str, np.ndarray], asked: dict[str, np.ndarray], psd_tolerance: float
) -> Iterator[Finding]:
    for name in sorted({*trained, *asked}):
        before, now = trained.get(name), asked.get(name)
        if before is None or now is None:
            yield Finding(True, f"{name}: {'given' if before is None else 'missing'}, unlike in the training")
        elif before.shape != now.shape:
            yield Finding(True, f"{name}: {now.shape} values, trained with {before.shape}")
        elif name.startswith(PSD):
            yield from _match_psd(name, before, now, psd_tolerance)
        elif not np.allclose(before, now, rtol=_RELATIVE_TOLERANCE, atol=0):
            yield Finding(True, f"{name}: differs from the one trained with, {_by_how_much(before, now)}")


def _match_psd(name: str, trained: np.ndarray, asked: np.ndarray, tolerance: float) -> Iterator[Finding]:
    if np.any(odd := _used(trained) != _used(asked)):
        used = [f"{int(np.sum(_used(curve)))} of {len(curve)}" for curve in (asked, trained)]
        yield Finding(
            True,
            f"{name}: finite at {used[0]} frequencies, trained with {used[1]}; they differ at {int(np.sum(odd))} frequencies; "
            "leave out the same frequencies as in the training",
        )
        return
    distance = psd_distance(trained, asked)
    said = f"{name}: ln PSD differs from the one trained with by {distance:.3g} (root mean square)"
    if distance <= _SAME_PSD:
        return
    if distance <= tolerance:
        yield Finding(False, f"{said}; the model tolerates up to {tolerance:.3g}")
    else:
        yield Finding(True, f"{said}; the model tolerates only {tolerance:.3g}: use a PSD closer to that one")


def _used(curve: np.ndarray) -> np.ndarray:
    """Return which frequencies (F,) of a PSD are not left out."""
    return np.isfinite(curve) & (curve > 0)


def _by_how_much(trained: np.ndarray, wanted: np.ndarray) -> str:
    if np.all(trained > 0) and np.all(wanted > 0):
        return f"by a factor of {float(np.exp(np.median(np.abs(np.log(wanted / trained))))):.3g} at the median"
    return f"by up to {float(np.max(np.abs(wanted - trained))):.3g}"
