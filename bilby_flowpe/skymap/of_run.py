"""Weighted sky positions of a run, computed after sampling, which they do not change."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from ..conditional.amplitudes import Amplitudes, KnownAmplitude
from ..conditional.base import Conditional
from ..conditional.coherent import CoherentConditional
from ..conditional.harmonics import HarmonicsConditional
from ..names import DEC, DISTANCE, INCLINATION, PHASE, PSI, RA, TIME
from ..priors import Parameters
from ..translation.translated import Translated
from .among import Among, CoherentAmong, HarmonicsAmong
from .candidates import SkyCandidates

_ROWS = 1024  # most rows of the posterior that get candidates: more take longer, and improve the map little
_MODES_ROWS = 512  # most rows for waves of several modes, each of which takes longer
_FULL_ROWS = 128  # most rows where waves are computed on all frequencies of the data, which takes milliseconds each
_PLACES = 2**16  # candidate positions of all rows together, which bounds time and memory
_FEWEST, _MOST = 64, 256  # candidate positions of a row: more for a posterior of few rows
_TURNS, _WHOLE = 16, 48  # pairs of angles for each position, and candidates of a row for which all modes are summed
_KEPT = 40_000  # positions that are stored: a file of about a megabyte
_BLOCK = 64  # rows that are computed at once, which bounds the memory
_SECONDS = 5.0  # seconds after which no further rows are computed, for slow waveforms
_GRID = 48  # nodes of the table of distances along each axis: more take longer, and are more exact
_OF_WEIGHT = 1e-6  # weight of a position in its row, below which it does not count for the range of the table


def obstacle(conditional: Conditional | None, translated: Translated, parameters: Parameters) -> str | None:
    """Return the reason why a run has no weighted positions, or ``None`` if it has.

    Parameters
    ----------
    conditional
        Conditional that the run has drawn with.
    translated
        The problem in the form that the run has drawn for.
    parameters
        Rows of the posterior in this form.
    """
    if not isinstance(conditional, CoherentConditional) or not {RA, DEC} <= {*conditional.keys}:
        return "the sky position was not drawn from its conditional given the wave"
    if translated.corrects:
        return "the user's likelihood differs from the one that draws are made with"
    if translated.calibration:
        return "calibration errors are drawn after the sky position"
    if not len(parameters[RA]):
        return "the posterior has no rows"
    if translated.forms:
        # A prior of the sky position alone is corrected for; one that ties it to parameters that are averaged over cannot be.
        averaged = [key for key in (PHASE, DISTANCE, PSI, INCLINATION) if key in conditional.keys]
        moved = {key: np.roll(column, 1) if key in averaged else column for key, column in parameters.items()}
        if not np.allclose(translated.forms.log_ratio(parameters), translated.forms.log_ratio(moved)):
            return f"the user's prior ties the sky position, or the wave, to some of {averaged}"
    return None


def candidates_of_run(
    conditional: Conditional | None, translated: Translated, parameters: Parameters, rng: np.random.Generator
) -> SkyCandidates | None:
    """Compute weighted positions for rows of a posterior (:mod:`.among`), or return ``None`` if :func:`obstacle` forbids it.

    Parameters
    ----------
    conditional
        Conditional that the run has drawn with.
    translated
        The problem in the form that the run has drawn for.
    parameters
        Rows of the posterior in this form, of which evenly spaced ones are used.
    rng
        Generator of random numbers.
    """
    began = time.monotonic()
    if not isinstance(conditional, CoherentConditional) or obstacle(conditional, translated, parameters):
        return None
    size = len(parameters[RA])
    most = _MODES_ROWS if isinstance(conditional, HarmonicsConditional) else _ROWS
    most = _FULL_ROWS if conditional.exact else most
    taken = np.unique(np.linspace(0, size - 1, min(most, size)).astype(int))
    parameters = {key: column[taken] for key, column in parameters.items()}
    places = int(np.clip(_PLACES // len(taken), _FEWEST, _MOST))
    blocks = _blocks(conditional, translated, places)
    rows = translated.problem.rows(parameters)
    made: list[Among] = []
    for start in range(0, len(rows), _BLOCK):
        if made and time.monotonic() - began > _SECONDS:
            break
        some = rows[start : start + _BLOCK]
        made.append(blocks.among([{**row, **conditional.reference} for row in some], some, rng))
    among = _joined(made)
    if not among.good.any():
        return None
    numbers = np.flatnonzero(among.good)
    log_weights = among.log_weights[numbers] + _log_prior_ratio(translated, parameters, among)[numbers]
    weights = np.exp(log_weights - log_weights.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    kappa, norm = among.kappa[numbers], among.norm[numbers]
    mean, square = _moments(conditional.amplitudes, kappa, norm, weights > _OF_WEIGHT)
    if DISTANCE not in conditional.keys:
        own = _distances(translated, parameters)[numbers][:, None]
        mean, square = mean * own, square * own**2
    found = SkyCandidates(
        ra=among.ra[numbers].ravel(), dec=among.dec[numbers].ravel(), weight=weights.ravel() / len(numbers),
        distance=mean.ravel(), square=square.ravel(), row=np.repeat(taken[numbers], weights.shape[1]),
    )  # fmt: skip
    # For waves of several modes, positions are chosen with repetition, and with several pairs of angles.
    return replace(found.merged().thinned(_KEPT, rng), seconds=time.monotonic() - began)


def _blocks(conditional: CoherentConditional, translated: Translated, places: int) -> CoherentAmong | HarmonicsAmong:
    given = conditional.given(translated.problem.likelihood)
    given = replace(given, effort=replace(given.effort, places=places, turns=_TURNS, whole=_WHOLE))
    if isinstance(conditional, HarmonicsConditional):
        return HarmonicsAmong(given, conditional.averaged_at_phase)
    return CoherentAmong(given)


def _joined(made: list[Among]) -> Among:
    return Among(
        **{name: np.concatenate([getattr(each, name) for each in made]) for name in Among.__dataclass_fields__}
    )


def _log_prior_ratio(translated: Translated, parameters: Parameters, among: Among) -> np.ndarray:
    """Return the log ratio of the user's prior to the prior drawn from, up to a constant of each row, (N, K)."""
    shape = among.ra.shape
    if not translated.forms:
        return np.zeros(shape)
    columns = {key: np.repeat(column[: shape[0]], shape[1]) for key, column in parameters.items()}
    columns |= {RA: among.ra.ravel(), DEC: among.dec.ravel(), TIME: among.time.ravel()}
    found = np.broadcast_to(translated.forms.log_ratio(columns), shape[0] * shape[1])
    return np.where(np.isfinite(found), found, -np.inf).reshape(shape)


def _distances(translated: Translated, parameters: Parameters) -> np.ndarray:
    """Return the rows' own distances in Mpc, (N,); NaN if there are none."""
    if DISTANCE in parameters:
        return parameters[DISTANCE]
    return np.full(len(parameters[RA]), translated.problem.prior.fixed.get(DISTANCE, np.nan))


def _moments(
    amplitudes: Amplitudes | KnownAmplitude, kappa: np.ndarray, norm: np.ndarray, counts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the means of the distance and of its square given the data, from a table; one where it is not drawn."""
    if not isinstance(amplitudes, Amplitudes):
        return np.ones(kappa.shape), np.ones(kappa.shape)
    # In signal-to-noise ratio and logarithm of the norm the logarithm of the mean is nearly straight.
    ratio, log_norm = kappa / np.sqrt(np.maximum(norm, 1e-300)), np.log(np.maximum(norm, 1e-300))
    axes = [np.linspace(each[counts].min(), each[counts].max() + 1e-6, _GRID) for each in (ratio, log_norm)]
    of_ratio, of_norm = (column.ravel() for column in np.meshgrid(*axes, indexing="ij"))
    nodes = amplitudes.distance_moments(of_ratio * np.exp(0.5 * of_norm), np.exp(of_norm))
    tables = [np.log(each).reshape(_GRID, _GRID) for each in nodes]
    places = [
        (np.clip(each, axis[0], axis[-1]) - axis[0]) / (axis[1] - axis[0])
        for each, axis in zip((ratio, log_norm), axes, strict=True)
    ]
    row, column = (np.minimum(place.astype(np.intp), _GRID - 2) for place in places)
    down, right = places[0] - row, places[1] - column
    found = []
    for table in tables:
        left = (1 - down) * table[row, column] + down * table[row + 1, column]
        other = (1 - down) * table[row, column + 1] + down * table[row + 1, column + 1]
        found.append(np.exp((1 - right) * left + right * other))
    return found[0], found[1]
