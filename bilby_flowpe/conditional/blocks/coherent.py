"""Task that draws sky position, time and orientation for many waves, by how coherently the detectors saw them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from bilby.core.prior import Prior

from ...names import DEC, INCLINATION, PSI, RA, TIME
from ...processes.parallel import Row, seeded
from ...waves.detectors import Detector, at_angle
from ...waves.harmonics import inclination_factors
from ..averaged import AveragedLikelihood
from .arrival_times import interpolated
from .candidates import CandidateBlock, averages_of
from .skies import SkyBlocks, spread_rows
from .waves import FilteredWaves

NEIGHBOURS = 6
"""Number of values between which an inner product that enters a weight is interpolated: good to 1e-5 for a signal of 200 Hz."""

_NOTHING = 1e-300  # smallest squared norm, which keeps ratios finite where a polarisation vanishes


@dataclass(frozen=True)
class Effort:
    """Number of candidates that are tried for each wave.

    Attributes
    ----------
    places
        Number of candidates of sky position and time.
    turns
        Number of polarisation angles, with inclinations where these are drawn, for each of them.
    whole
        Number of candidates for which all harmonics of a wave are summed.
    """

    places: int = 128
    turns: int = 32
    whole: int = 32


@dataclass(frozen=True)
class Given:
    """Everything that :class:`CoherentBlocks` is made of.

    Attributes
    ----------
    waves
        Makes waves and their inner products with the data.
    detectors
        Geometry of each.
    priors
        Priors of the parameters that are drawn, in the order in which they are returned.
    log_scale
        Logarithms of the factors that normalise their densities.
    averaged
        The likelihood averaged over phase and distance.
    effort
        Number of candidates for each wave.
    phase_known
        True if rows have the phase: the likelihood is then averaged over the distance alone.
    """

    waves: FilteredWaves
    detectors: tuple[Detector, ...]
    priors: Mapping[str, Prior]
    log_scale: Mapping[str, float]
    averaged: AveragedLikelihood
    effort: Effort
    phase_known: bool = False


USUAL = Effort()
"""Candidates for each wave where waveforms are expensive: more places or angles cost more time than they gain."""

FEW = Effort(places=64, turns=16, whole=24)
"""Candidates for each coarse wave, which costs as much as its candidates: fewer give more effective draws a second."""


class CoherentBlocks:
    """Task that returns ``[re, im, norm, log weight, *parameters]`` for each of many rows; it can be pickled.

    The inner products are those at phase zero, or at a row's own phase where it is known, and at the reference distance. The
    log weight contains prior over density of all parameters but distance and phase, and the probability of the choice.

    Parameters
    ----------
    given
        Waves, detectors, priors and numbers of candidates.
    """

    _kind = SkyBlocks  # draws sky positions and times
    _shares = staticmethod(spread_rows)  # uniform numbers that angles are made of

    def __init__(self, given: Given) -> None:
        self.waves, self.effort = given.waves, given.effort
        self._priors, self._averaged, self._phase_known = dict(given.priors), given.averaged, given.phase_known
        of_sky = {key: given.priors[key] for key in (TIME, RA, DEC) if key in given.priors}
        self._skies = self._kind(given.detectors, of_sky, given.log_scale, given.waves.start, given.waves.spacing)

    def __call__(self, row: Row) -> np.ndarray | None:
        """Return the products of a single row; see :meth:`many`."""
        return self.many([row])[0]

    def many(self, rows: Sequence[Row]) -> list[np.ndarray | None]:
        """Return the products of many rows: ``None`` where the wave fails, or no candidate has a finite likelihood."""
        rng, _ = seeded(rows[0])
        bare = [seeded(row)[1] for row in rows]
        values, good = self.waves.waves(bare)
        found: list[np.ndarray | None] = [None] * len(rows)
        if not good.any():
            return found
        numbers = np.flatnonzero(good)
        made, fine = self.draw(values[good], [bare[number] for number in numbers], rng)
        for number, of_row, is_fine in zip(numbers, made, fine, strict=True):
            if is_fine and np.all(np.isfinite(of_row)):
                found[number] = of_row
        return found

    def draw(self, values: np.ndarray, rows: Sequence[Row], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw products and parameters for each wave, (N, 4 + n); return them and which rows have any, (N,)."""
        series, norms = self.waves.series(values), self.waves.norms(values)
        block = self.candidates(series[:, :, 0], norms, rows, rng)
        places, turns, log_mean = block.choose(1, rng)
        row = np.arange(len(rows))
        place, turn = places[:, 0], turns[:, 0]
        drawn = self.parameters(block, place, turn)
        at = at_arrivals(series[:, :, 0], block.skies.arrival[row, :, place][..., None], NEIGHBOURS)[..., 0]
        response = self.responses(block, place[:, None], turn[:, None])[..., 0]
        inner = np.einsum("ndp,ndp->n", response, at)
        norm = np.einsum("ndp,ndq,ndpq->n", response, response, norms.real)
        factors = np.ones((len(rows), 2))
        if INCLINATION in drawn:
            factors = np.stack(inclination_factors(drawn[INCLINATION]), axis=1)
        if (better := self.waves.products(values, with_drawn(rows, drawn), factors)) is not None:
            inner, norm = better[:, 0] + 1j * better[:, 1], better[:, 2]
        log_weight = log_mean - block.averaged[row, place, turn]
        made = np.stack([inner.real, inner.imag, norm, log_weight, *drawn.values()], axis=1)
        return made, block.good

    def candidates(
        self, series: np.ndarray, norms: np.ndarray, rows: Sequence[Row], rng: np.random.Generator
    ) -> CandidateBlock:
        """Draw candidates from filter outputs of one term, (N, D, 2, T), and its norms, (N, D, 2, 2)."""
        norms = norms.real
        own = np.maximum(np.einsum("ndpp->ndp", norms), _NOTHING)
        exponents = np.max((series.real**2 + series.imag**2) / (2 * own[..., None]), axis=2)
        fixed = self._values(rows)
        skies = self._skies.draw(exponents, self.effort.places, fixed, rng)
        coefficients, angles = self._turns(fixed, len(rows), rng)
        at = at_arrivals(series, skies.arrival)
        averaged = averages_of(at, norms, skies.antenna, coefficients, self._averaged, self._phase_known)
        return CandidateBlock(skies, angles, averaged, averaged + skies.log_ratio[..., None])

    def _values(self, rows: Sequence[Row]) -> dict[str, np.ndarray]:
        """Return the values that rows have for parameters that are not drawn, (N,) each."""
        needed = [key for key in (RA, DEC, TIME, PSI) if key not in self._priors]
        return {key: np.array([row[key] for row in rows]) for key in needed}

    def responses(self, block: CandidateBlock, places: np.ndarray, turns: np.ndarray) -> np.ndarray:
        """Return each detector's response to each polarisation, inclination included, for candidates (N, K): (N, D, 2, K)."""
        row = np.arange(len(places))[:, None]
        antenna = np.moveaxis(block.skies.antenna[row, :, :, places], 1, -1)
        angles = {key: column[row, turns][:, None] for key, column in block.angles.items()}
        seen = np.stack(at_angle(angles[PSI], antenna[:, :, 0], antenna[:, :, 1]), axis=2)
        if INCLINATION in angles:
            seen = seen * np.stack(inclination_factors(angles[INCLINATION]), axis=2)
        return seen

    def parameters(self, block: CandidateBlock, place: np.ndarray, turn: np.ndarray) -> dict[str, np.ndarray]:
        """Return the parameters, (N,) each, of one candidate of every row."""
        row = np.arange(len(place))
        skies = block.skies
        found = {RA: skies.ra[row, place], DEC: skies.dec[row, place], TIME: skies.time[row, place]}
        found |= {key: column[row, turn] for key, column in block.angles.items()}
        return {key: found[key] for key in self._priors}

    def _turns(
        self, fixed: Mapping[str, np.ndarray], rows: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Draw angles; return the coefficients of a signal's four terms (:func:`averages_of`), (N, 4, G), and the angles."""
        angles = self._angles(fixed, rows, rng)
        one = np.ones(1)
        plus, cross = inclination_factors(angles[INCLINATION]) if INCLINATION in angles else (one, one)
        cosine, sine = np.cos(2 * angles[PSI]), np.sin(2 * angles[PSI])
        return np.stack([plus * cosine, plus * sine, cross * cosine, cross * sine], axis=1), angles

    def _angles(self, fixed: Mapping[str, np.ndarray], rows: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Draw polarisation angles and, if they are searched, inclinations, (N, G) each."""
        size = self.effort.turns
        return {
            key: np.asarray(self._priors[key].rescale(self._shares(rows, size, rng)))
            if key in self._priors
            else np.repeat(fixed[key][:, None], size, axis=1)
            for key in (PSI, *([INCLINATION] if INCLINATION in self._priors else []))
        }


def with_drawn(rows: Sequence[Row], drawn: Mapping[str, np.ndarray]) -> list[Row]:
    """Return rows completed by the parameters drawn for them, (N,) each."""
    columns = {key: column.tolist() for key, column in drawn.items()}
    return [{**row, **{key: column[number] for key, column in columns.items()}} for number, row in enumerate(rows)]


def at_arrivals(series: np.ndarray, arrival: np.ndarray, neighbours: int = 4) -> np.ndarray:
    """Interpolate series (N, D, ..., T) at arrival times (N, D, K), given in steps; return (N, D, ..., K)."""
    rows, detectors = arrival.shape[:2]
    found = interpolated(
        series.reshape(rows * detectors, *series.shape[2:]), arrival.reshape(rows * detectors, -1), neighbours
    )
    return found.reshape(*series.shape[:-1], arrival.shape[2])
