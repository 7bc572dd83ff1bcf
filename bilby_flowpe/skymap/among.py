r"""Many sky positions for each row of a posterior, weighted so that all of them together are draws of the posterior.

A row is a draw of the posterior, so that its place, time and angles :math:`x_0` are a draw of their density given the wave,
:math:`p(x) \propto \pi(x) L(x)`, L being the likelihood averaged over phase and distance. This "own" candidate is put among
further ones :math:`x_1, \dots`, drawn independently from a density q; all of them are then weighted by :math:`w_i = \pi(x_i)
L(x_i) / q(x_i)`. If the position n of the own one in the list is drawn at random, the list with n has the density

.. math:: p(x_n) \prod_{i \ne n} q(x_i) \propto w_n \prod_i q(x_i) ,

so that, given the list, each of its members is the own one with probability :math:`w_n / \sum_i w_i`. Averages over the
normalised weights are therefore unbiased averages over the posterior for any number of candidates, and have less variance (Rao
and Blackwell). This is the step of iterated sampling importance resampling (Andrieu, Doucet and Holenstein 2010, Journal of the
Royal Statistical Society B 72, 269; Andrieu, Lee and Vihola 2018, Bernoulli 24, 842).

Here a candidate is one of M places and times with one of G pairs of angles, and all combinations are weighted. The same holds
for such a grid: the own place is one of the M, the own angles are one of the G, angles are drawn from their prior, and the
density of everything is :math:`w_{mg}` times that of independent draws. In a run, candidates are stratified: one in each of
many pieces of equal probability. Then the own one would have to stand for its piece. Here they are independent, which only
needs q at the own place, and there are more of them.

For a wave of several modes, the whole wave is only evaluated for K candidates, chosen with repetition by a power of the
loudest mode's weights, :math:`v_j`. The own one is the first of the K, the others are drawn as in a run, from the list that
includes the own one. With :math:`W_k` the weight of the whole wave divided by :math:`v_{j_k}`, the density of everything is
:math:`W_k`, where k is the number of the own one, times :math:`\sum_j v_j` and the density of independent draws. So the K
normalised weights are again the probabilities.

Two things are approximate. L is interpolated in a table (to 0.01 in its logarithm). And it is the coarse likelihood if the run
has drawn with one: candidates are then weighted by the coarse likelihood, while the own ones are draws of the exact posterior,
so that the map is between the two. A coarse likelihood is wrong by some hundredths in its logarithm, mostly the same at all
places.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import lal
import numpy as np

from ..conditional.blocks.arrival_times import ArrivalTimes
from ..conditional.blocks.candidates import Average
from ..conditional.blocks.coherent import CoherentBlocks, Given
from ..conditional.blocks.harmonics import TEMPER, HarmonicsBlocks, phases_for
from ..conditional.blocks.skies import SkyBlocks, Values
from ..names import DEC, INCLINATION, PSI, RA, TIME
from ..processes.parallel import Row
from ..waves.detectors import direction, sidereal_time

_AT_ONCE = 2**15  # values whose averages are looked up together: their arrays stay in a processor's cache


def independent(rows: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """Draw independent uniform numbers (N, M)."""
    return rng.random((rows, size))


@dataclass(frozen=True)
class Among:
    """Candidates of N rows, K each, with the row's own position first.

    Attributes
    ----------
    ra, dec, time
        Sky positions in radians and geocentric GPS times, (N, K) each.
    log_weights
        Log weights up to a constant of each row, summed over the angles of one place, (N, K).
    kappa, norm
        Inner product (its modulus, or real part where the phase is known) and squared norm at the reference distance, (N, K)
        each. They are for one pair of angles, and one phase, at each place, drawn by their weights.
    good
        Mask of rows that have a wave and a candidate of nonzero weight, (N,).
    """

    ra: np.ndarray
    dec: np.ndarray
    time: np.ndarray
    log_weights: np.ndarray
    kappa: np.ndarray
    norm: np.ndarray
    good: np.ndarray


class OwnSkies(SkyBlocks):
    """Generator that draws sky positions independently of each other, and puts a row's own before them."""

    _shares = staticmethod(independent)

    def _places(
        self, exponents: np.ndarray, size: int, values: Values, rng: np.random.Generator
    ) -> tuple[np.ndarray, ...]:
        """Draw positions as the base class does, but start each row with its own."""
        fresh = super()._places(exponents, size - 1, values, rng)
        own = [values[key][:, None] for key in (RA, DEC, TIME)]
        return tuple(
            np.concatenate(pair, axis=1) for pair in zip((*own, self.log_q(exponents, *own)), fresh, strict=True)
        )

    def log_q(self, exponents: np.ndarray, ra: np.ndarray, dec: np.ndarray, time: np.ndarray) -> np.ndarray:
        """Return the log density from which places and times are drawn, at given ones, (N, M)."""
        if not self._by_arrival:
            # Places are drawn from their prior, a factor that is left out of both prior and density.
            loudest = np.argmax(exponents.max(axis=2), axis=1)
            times = ArrivalTimes(exponents[np.arange(len(exponents)), loudest])
            delay = np.empty(time.shape)
            for index in np.unique(loudest):
                some = loudest == index
                delay[some] = self._detectors[index].delay(ra[some], dec[some], time[some])
            return np.log(times.density((time - self._origin + delay) / self._spacing) / self._spacing)
        arrivals = self._arrivals(exponents)
        place = direction(ra - sidereal_time(time), dec)
        delay = -np.einsum("nmi,ni->nm", place, self._vertices[arrivals.first]) / lal.C_SI
        at_first = (time - self._origin + delay) / self._spacing
        # Along the line between two detectors, and across it.
        across, beside, along = np.moveaxis(np.einsum("nai,nmi->nma", arrivals.frames, place), -1, 0)
        cosine, angle = np.clip(along, -1.0, 1.0), np.arctan2(beside, across)
        return arrivals.log_density(at_first, at_first - cosine * arrivals.travel, cosine, angle, dec)


class _Kept:
    """An average over phase and distance that remembers its arguments."""

    def __init__(self, average: Average) -> None:
        self._average = average
        self.seen: list[tuple[np.ndarray, np.ndarray]] = []

    def __call__(self, kappa: np.ndarray, norm: np.ndarray) -> np.ndarray:
        self.seen.append((kappa, norm))
        return self._average(kappa, norm)

    def taken(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the inner products and squared norms since the last call, and forget them."""
        kappa, norm = (np.concatenate(column) for column in zip(*self.seen, strict=True))
        self.seen.clear()
        return kappa, norm


class CoherentAmong(CoherentBlocks):
    """Generator of candidates for rows whose waves are proportional to ``exp(i m phase)``.

    Parameters
    ----------
    given
        As for the base class; the effort has the number of candidates, the own ones included.
    """

    _kind = OwnSkies
    _shares = staticmethod(independent)

    def __init__(self, given: Given) -> None:
        super().__init__(replace(given, averaged=_Kept(given.averaged)))  # type: ignore[arg-type]

    def among(self, references: Sequence[Row], rows: Sequence[Row], rng: np.random.Generator) -> Among:
        """Draw candidates for rows of the posterior.

        Parameters
        ----------
        references
            All parameters of every row, with those that are drawn conditionally at their reference values; waves are computed
            from these.
        rows
            The same rows as they were drawn.
        rng
            Generator of random numbers.
        """
        values, good = self.waves.waves(references)
        series, norms = self.waves.series(values), self.waves.norms(values)
        found = self._among(series, norms, rows, rng)
        fine = good & np.isfinite(found.log_weights[:, 0])
        return replace(found, good=fine)

    def _among(self, series: np.ndarray, norms: np.ndarray, rows: Sequence[Row], rng: np.random.Generator) -> Among:
        block = self.candidates(series[:, :, 0], norms, rows, rng)
        kappa, norm = self._averaged.taken()  # type: ignore[attr-defined]
        log_weights, turn = summed_over(block.log_weights, rng)
        kappa, norm = (np.take_along_axis(each, turn[..., None], axis=2)[..., 0] for each in (kappa, norm))
        skies = block.skies
        return Among(skies.ra, skies.dec, skies.time, log_weights, kappa, norm, block.good)

    def _values(self, rows: Sequence[Row]) -> dict[str, np.ndarray]:
        """Return sky position, time and angles of the rows, whether these are drawn or not."""
        keys = (RA, DEC, TIME, PSI, *([INCLINATION] if INCLINATION in self._priors else []))
        return {key: np.array([row[key] for row in rows]) for key in keys}

    def _angles(self, fixed: Values, rows: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Draw angles as the base class does, but start each row with its own."""
        angles = {key: np.array(column) for key, column in super()._angles(fixed, rows, rng).items()}
        for key, column in angles.items():
            column[:, 0] = fixed[key]
        return angles


class HarmonicsAmong(HarmonicsBlocks, CoherentAmong):
    """Generator of candidates for rows whose waves have several modes.

    Parameters
    ----------
    given
        As for :class:`CoherentAmong`; ``whole`` of the effort is the number of candidates, the own one included.
    at_phase
        The likelihood averaged over the distance, given the phase.
    """

    def _among(self, series: np.ndarray, norms: np.ndarray, rows: Sequence[Row], rng: np.random.Generator) -> Among:
        row = np.arange(len(rows))[:, None]
        block = self.of_loudest(series, norms, rows, rng)
        self._averaged.seen.clear()  # type: ignore[attr-defined]
        places, turns, _ = block.choose(self.effort.whole, rng, TEMPER)
        # The own place with the own angles.
        places[:, 0] = turns[:, 0] = 0
        inner, squares = self._whole(series, norms, block, places, turns)
        whole, kappa, norm = self._at_drawn_phase(inner, squares, rng)
        at = row, places, turns
        log_weights = whole - block.averaged[at] + (1 - TEMPER) * block.log_weights[at]
        log_weights = np.where(np.isfinite(log_weights), log_weights, -np.inf)
        skies = block.skies
        ra, dec, time = (each[row, places] for each in (skies.ra, skies.dec, skies.time))
        return Among(ra, dec, time, log_weights, kappa, norm, block.good)

    def _at_drawn_phase(
        self, inner: np.ndarray, squares: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the log likelihood averaged over phase and distance, and products at a drawn phase, (N, K) each."""
        shape = inner.shape[:2]
        phases = np.arange(count := phases_for(inner, squares)) * 2 * np.pi / count
        found = np.empty((3, *shape))
        block = max(1, _AT_ONCE // (count * shape[1]))
        for start in range(0, len(inner), block):
            some = slice(start, start + block)
            kappa, norm = self._at(phases, inner[some], squares[some])
            total, phase = summed_over(self._at_phase(kappa, norm), rng)
            at = [np.take_along_axis(each, phase[..., None], axis=2)[..., 0] for each in (kappa, norm)]
            found[:, some] = total - np.log(count), *at
        return tuple(found)


def summed_over(log_weights: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the log of sums over the last axis, and an index along it drawn by its weight: (N, M) each from (N, M, G)."""
    top = log_weights.max(axis=2)
    top = np.where(np.isfinite(top), top, 0.0)
    below = np.cumsum(np.exp(log_weights - top[..., None]), axis=2)
    total = below[..., -1]
    drawn = (below < (rng.random(total.shape) * total)[..., None]).sum(axis=2)
    with np.errstate(divide="ignore"):
        return np.log(total) + top, np.minimum(drawn, log_weights.shape[2] - 1)
