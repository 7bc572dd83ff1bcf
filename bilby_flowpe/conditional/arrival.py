r"""The arrival time, drawn from its density given the data and everything that shapes the signal.

One waveform and one Fourier transform give the inner product with the data at every time,

.. math:: z(\tau) = \sum_D 4 \, \Delta f \sum_f \overline{h_D(f)} \, d_D(f) \, e^{2 \pi i f \tau} / S_D(f) ,

and with it the likelihood, averaged over the phase (and the distance, if it is drawn, too), as a function of the time. The time
is drawn from this likelihood times the prior. The inner products at that time are then computed as the likelihood does it. The
density drawn from is an approximation, but it is known: that makes the sampling less efficient, but the result stays exact.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from bilby.core.prior import Prior
from bilby.gw.likelihood import GravitationalWaveTransient
from scipy.ndimage import spline_filter1d

from ..densities import draw_linear, linear_density
from ..errors import SimulationError
from ..names import TIME
from ..processes.parallel import Row
from ..waves.filters import Filters, Wave
from ..waves.inner_products import InnerProducts
from ..waves.matched_filter import steps_in

SHARE = "share_of_time"
_REACH = 30.0  # in log density below the maximum, to which nodes reach: exp(-30) of the height is left out
_MARGIN = 3  # time steps that are computed beyond either end of the prior, for interpolation by cubic splines
# Fewest cells between nodes, and cells in a time step: the density drawn from is linear in each of them.
_NODES, _NODES_PER_CELL = 256, 4
_FRACTIONS = np.linspace(0.0, 1.0, 33)  # fractions of the largest modulus at which negligible densities are sought
_FLOOR = -100.0  # smallest log prior of a node: lower or infinite values would break the interpolation between nodes
_PRIOR_SHARE = 1e-3  # of times drawn from the prior: whatever the likelihood makes of the signal, none is out of reach
_STEPS = 2**18  # time steps of all rows that are computed together: a complex array of them takes 4 MiB

Profile = Callable[[np.ndarray], Callable[[np.ndarray, np.ndarray], np.ndarray]]
"""Function of squared norms (N,) that returns a rising function: log likelihoods of moduli of inner products, each with the
index of its norm.
"""


class TimedProducts:
    """Task that draws an arrival time and returns ``[re, im, norm, time, log density]``, the inner products being at that time.

    Rows have all parameters, a time in the prior's window and, as :data:`SHARE`, the cumulative probability of the time that is
    to be drawn. The task can be pickled for worker processes.

    Parameters
    ----------
    likelihood
        The user's likelihood.
    prior
        Prior of the geocentric time in GPS seconds, with finite bounds.
    profile
        Log likelihood of the inner products at the reference distance, up to a constant.
    log_scale
        Logarithm of the factor that normalises the prior density.
    place
        Right ascension, declination and polarisation angle in radians, where they are fixed.
    phase_known
        Whether the phase is that of a row: the likelihood is then a function of the real part of the inner product, and not
        of its modulus.
    """

    def __init__(
        self,
        likelihood: GravitationalWaveTransient,
        prior: Prior,
        profile: Profile,
        log_scale: float = 0.0,
        place: Row | None = None,
        phase_known: bool = False,
    ) -> None:
        self._log_scale, self._phase_known = log_scale, phase_known
        self.products = InnerProducts(likelihood, own_phase=phase_known)
        self._prior, self._profile = prior, profile
        self.middle = float(0.5 * (prior.minimum + prior.maximum))
        self._half = float(0.5 * (prior.maximum - prior.minimum))
        duration = float(likelihood.interferometers.duration)
        self._filters = Filters(likelihood, (prior.minimum, prior.maximum), place)
        self._size = steps_in(duration, self._filters.highest)
        self._spacing = duration / self._size
        reach = int(np.ceil(self._half / self._spacing)) + _MARGIN
        steps = np.arange(-reach, reach + 1)
        self._bins = steps % self._size
        self._offsets = steps * self._spacing
        # One step beyond either end is needed for interpolation, and none further may be drawn.
        allowed = np.abs(self._offsets) <= self._half + self._spacing
        # Where the prior is lower than this, as in the gaps of some priors, draws from the prior itself take over.
        floored = np.maximum(self._log_prior_at(self._offsets), _FLOOR)
        self._log_prior = np.where(allowed, floored, -np.inf)

    def __call__(self, row: Row) -> np.ndarray | None:
        """Return the products of one row, or ``None`` where the waveform fails or is not a number."""
        return self.many([row])[0]

    def many(self, rows: Sequence[Row]) -> list[np.ndarray | None]:
        """Return the products of many rows at once, in less time; each result is the same as for that row alone."""
        step = max(1, _STEPS // self._size)
        return [value for first in range(0, len(rows), step) for value in self._some(rows[first : first + step])]

    def on_nodes(self, row: Row) -> tuple[np.ndarray, np.ndarray]:
        """Return times that cover the density, (K,), and the inner products at them, (K, 3)."""
        row = {**row, TIME: self.middle}
        wave = self.products.polarisations(row)
        if wave is None:
            raise SimulationError(f"the waveform fails at {row}: give parameters that it allows")
        outputs, norms = self._outputs([wave], [row])
        ((_, offsets, _),) = self._densities(outputs, norms)
        times = self.middle + offsets[0]
        return times, np.array([self.products.of(wave, {**row, TIME: float(time)}) for time in times])

    def _some(self, rows: Sequence[Row]) -> list[np.ndarray | None]:
        results: list[np.ndarray | None] = [None] * len(rows)
        shares = np.array([row[SHARE] for row in rows])
        rows = [{**{key: value for key, value in row.items() if key != SHARE}, TIME: self.middle} for row in rows]
        made = [
            (number, wave) for number, row in enumerate(rows) if (wave := self.products.polarisations(row)) is not None
        ]
        if not made:
            return results
        numbers, waves = [number for number, _ in made], [wave for _, wave in made]
        outputs, norms = self._outputs(waves, [rows[number] for number in numbers])
        sound = np.isfinite(outputs[:, np.isfinite(self._log_prior)].max(axis=1)) & np.isfinite(norms)
        kept = np.flatnonzero(sound)
        if not len(kept):
            return results
        numbers, waves = [numbers[index] for index in kept], [waves[index] for index in kept]
        rows, shares = [rows[number] for number in numbers], shares[numbers]
        times, log_density = np.empty(len(rows)), np.empty(len(rows))
        for picked, offsets, log_target in self._densities(outputs[kept], norms[kept]):
            times[picked], log_density[picked] = self._draw(offsets, log_target, shares[picked])
        for number, products, time, density in zip(
            numbers, self._products_at(waves, rows, times), times.tolist(), log_density.tolist(), strict=True
        ):
            if products is not None:
                results[number] = np.array([*products, time, density])
        return results

    def _products_at(self, waves: Sequence[Wave], rows: Sequence[Row], times: np.ndarray) -> list[np.ndarray | None]:
        if not self.products.plain:
            return [
                self.products.of(wave, {**row, TIME: time})
                for wave, row, time in zip(waves, rows, times.tolist(), strict=True)
            ]
        modes = _modes_of(waves)
        products = self._filters.products(self._filters.in_bands(waves, modes), rows, modes, times)
        return [of_row if np.all(np.isfinite(of_row)) else None for of_row in products]

    def _outputs(self, waves: Sequence[Wave], rows: Sequence[Row]) -> tuple[np.ndarray, np.ndarray]:
        """Return filter outputs at every time step around the prior's middle, (N, K), and squared norms, (N,).

        An output is the squared modulus of the inner product, or its real part where the phase is known.
        """
        modes = _modes_of(waves)
        in_bands = self._filters.in_bands(waves, modes)
        series, norms = self._filters.series(in_bands, rows, modes, self._size, self._bins)
        return (series.real.copy() if self._phase_known else series.real**2 + series.imag**2), norms

    def _kappa(self, outputs: np.ndarray) -> np.ndarray:
        """Return the modulus of the inner products, or their real part where the phase is known."""
        return outputs if self._phase_known else np.sqrt(np.maximum(outputs, 0.0))

    def _draw(self, offsets: np.ndarray, log_density: np.ndarray, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Draw a time from each density (N, K); return times and the log density that they were drawn from, (N,) each."""
        rest = (shares - _PRIOR_SHARE) / (1 - _PRIOR_SHARE)
        drawn, of_drawn = draw_linear(offsets, log_density, np.maximum(rest, 0.0))
        density = np.exp(of_drawn)
        of_prior = np.flatnonzero(rest < 0)
        for row in of_prior:
            drawn[row] = float(self._prior.rescale(shares[row] / _PRIOR_SHARE)) - self.middle
        density[of_prior] = linear_density(offsets[of_prior], log_density[of_prior], drawn[of_prior])
        times = np.clip(self.middle + drawn, self._prior.minimum, self._prior.maximum)
        prior = np.exp(self._log_prior_at(drawn) + self._log_scale)
        return times, np.log((1 - _PRIOR_SHARE) * density + _PRIOR_SHARE * prior)

    def _densities(self, outputs: np.ndarray, norms: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Return the log density on nodes, in groups of rows that need equally many nodes.

        A group has row numbers (N,), offsets of the nodes from the middle of the prior in seconds, and log densities, (N, K).
        """
        profile = self._profile(norms)
        steps = outputs.shape[1]
        log_density = np.full(outputs.shape, -np.inf)
        # Where the likelihood is negligible next to its maximum, whatever the priors of the two times, it is not computed.
        rows, columns = np.nonzero(outputs >= self._cut(profile, outputs)[:, None])
        log_density[rows, columns] = self._log_prior[columns] + profile(self._kappa(outputs[rows, columns]), rows)
        near = log_density > log_density.max(axis=1, keepdims=True) - _REACH
        first, last = near.argmax(axis=1), steps - 1 - near[:, ::-1].argmax(axis=1)
        lowest = np.maximum(self._offsets[np.maximum(first - 1, 0)], -self._half)
        highest = np.minimum(self._offsets[np.minimum(last + 1, steps - 1)], self._half)
        empty = lowest >= highest
        lowest[empty], highest[empty] = (
            np.maximum(highest[empty] - self._spacing, -self._half),
            np.minimum(lowest[empty] + self._spacing, self._half),
        )
        doublings = np.ceil(np.log2(np.maximum(_NODES_PER_CELL * (last - first) / _NODES, 1.0))).astype(int)
        filtered = spline_filter1d(outputs, axis=1, mode="mirror")
        found = []
        for doubled in np.unique(doublings):
            picked = np.flatnonzero(doublings == doubled)
            shares = np.linspace(0, 1, _NODES * 2**doubled + 1)
            nodes = lowest[picked, None] + (highest - lowest)[picked, None] * shares
            places = (nodes - self._offsets[0]) / self._spacing
            kappa = self._kappa(_on_spline(filtered, picked[:, None], places))
            log_target = np.maximum(self._log_prior_at(nodes), _FLOOR) + profile(kappa, picked[:, None])
            found.append((picked, nodes, log_target))
        return found

    def _log_prior_at(self, offsets: np.ndarray) -> np.ndarray:
        # Clipped as times: the ends of the prior are not those of its middle and half width to the last digit.
        times = np.clip(self.middle + offsets, self._prior.minimum, self._prior.maximum)
        return np.asarray(self._prior.ln_prob(times))

    def _cut(self, profile: Callable[[np.ndarray, np.ndarray], np.ndarray], outputs: np.ndarray) -> np.ndarray:
        """Return the filter output of each row, (N,), below which the density is negligible next to its maximum."""
        allowed = np.isfinite(self._log_prior)
        kappa = self._kappa(outputs[:, allowed])
        high = kappa.max(axis=1)[:, None]
        low = kappa.min(axis=1)[:, None] if self._phase_known else 0.0
        levels = low + (high - low) * _FRACTIONS
        values = profile(levels, np.arange(len(outputs))[:, None])
        hopeless = values < values[:, -1:] - _REACH - np.ptp(self._log_prior[allowed])
        # The largest of these; none is negligible where the first is not, as profiles rise.
        cut: np.ndarray = np.where(hopeless, levels, low).max(axis=1)
        return cut if self._phase_known else cut**2


def _modes_of(waves: Sequence[Wave]) -> list[str]:
    """Return the names of all polarisations in a fixed order, so that sums are the same to the last bit."""
    return sorted({mode for wave in waves for mode in wave}, reverse=True)


def _on_spline(filtered: np.ndarray, rows: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Evaluate cubic splines of coefficients (M, K), those of ``rows`` (N, 1), at places (N, J) in units of their steps."""
    cell = np.floor(places).astype(int)
    right = places - cell
    left = 1 - right
    weights = left**3, 4 + 3 * right**2 * (right - 2), 4 + 3 * left**2 * (left - 2), right**3
    last = filtered.shape[1] - 1
    return (
        sum(
            weight * filtered[rows, np.clip(cell + step, 0, last)]
            for step, weight in zip(range(-1, 3), weights, strict=True)
        )
        / 6
    )
