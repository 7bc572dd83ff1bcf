r"""Amplitudes of a signal of known shape: their prior, from that of the distance, and their density given the data.

A signal is :math:`s` times one at a reference distance, :math:`d \propto 1/s`; modulus :math:`\kappa` of the reference's inner
product with the data and its squared norm :math:`N` say how likely every amplitude is. Densities are piecewise linear on nodes
that cover the conditional. The weight contains the density that was drawn from, so that coarse nodes make the sampling less
efficient, but the result stays exact.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping

import numpy as np
from bilby.core.prior import Prior
from scipy.special import i0e, logsumexp

from ..densities import Cells, draw_linear, linear_density
from ..errors import ContractError
from ..names import DISTANCE, INCLINATION
from ..priors import Parameters, PriorTransform
from ..waves.effective_distance import ANGLES, EffectiveDistance, nearest

# Numbers of nodes. 257 are for drawing and weighing: 16 in a standard deviation of the likelihood, which they cover to eight of
# these on either side. 65 (for a profile) and 33 are faster, for densities that steer draws and need not be exact. Between 64
# moduli, evenly spaced in their logarithm, the smooth part of a profile is interpolated.
_NODES, _COARSE_NODES, _FEW_NODES, _MODULI = 257, 65, 33, 64
# Step of ln N at which a profile's smooth part is tabulated: smaller steps cost time, larger ones efficiency
_NORM_STEP = 0.02
# Standard deviations of the likelihood that nodes cover to either side: exp(-32) of its maximum is left out
_WIDTHS = 8.0
_QUANTILES = (
    129  # quantiles of the prior at which it is tested whether the prior moves the conditional off the likelihood
)
_LEFT_OUT = 1e-6  # share of a conditional that may lie beyond the nodes: a thousandth of any evidence's error
_REACH = 40.0  # in log density below the maximum, to which a range that is searched for reaches: exp(-40) of the height
_TABLE = 4001  # nodes, evenly spaced in the log of the distance, at which the prior is tabulated, once for each prior
_BLOCK = 4096  # rows whose nodes are in memory together: 8 MiB for each array of 257 nodes a row
# Smallest value of a norm or density: it keeps logarithms and ratios finite, far below any real value
_NOTHING = 1e-300
_RESOLVED = 0.002  # by which the prior's mass on the nodes, by the trapezoidal rule, may differ from one

OfAmplitude = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""Log likelihood ratio as a function of amplitudes, moduli of inner products and squared norms."""


def averaged_over_phase(amplitude: np.ndarray, kappa: np.ndarray, norm: np.ndarray) -> np.ndarray:
    """Return the log likelihood ratio of ``amplitude`` times the reference signal, averaged over a uniform phase."""
    loud = amplitude * kappa
    return np.log(i0e(loud)) + loud - amplitude**2 * norm / 2


def at_phase(amplitude: np.ndarray, kappa: np.ndarray, norm: np.ndarray) -> np.ndarray:
    """Return the log likelihood ratio of ``amplitude`` times the reference signal at a known phase.

    ``kappa`` is the real part of the reference signal's inner product with the data.
    """
    return amplitude * (kappa - 0.5 * amplitude * norm)


class KnownAmplitude:
    """The single amplitude of a signal whose distance is fixed or drawn by the proposal.

    Parameters
    ----------
    log_likelihood
        Log likelihood ratio as a function of amplitude, modulus and squared norm.
    """

    reference: Mapping[str, float] = {}
    range = (1.0, 1.0)

    def __init__(self, log_likelihood: OfAmplitude = averaged_over_phase) -> None:
        self.log_likelihood = log_likelihood

    def defended(self, share: float) -> KnownAmplitude:
        """Return this object unchanged, as there is no other amplitude to draw."""
        return self

    def log_marginal(self, kappa: np.ndarray, norm: np.ndarray) -> np.ndarray:
        """Return the log likelihood ratio at amplitude one; see :meth:`Amplitudes.log_marginal`."""
        return self.log_likelihood(np.ones_like(kappa), kappa, norm)

    def profile(self, norm: np.ndarray) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
        """Return a function that evaluates the log likelihood ratio at amplitude one; see :meth:`Amplitudes.profile`."""
        norm = np.maximum(norm, _NOTHING)
        return lambda kappa, which: self.log_likelihood(np.ones_like(kappa), kappa, norm[which])

    def draw(
        self, kappa: np.ndarray, norm: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, Parameters, np.ndarray]:
        """Return amplitudes of one, which need no correction of the weight; see :meth:`Amplitudes.draw`."""
        return np.ones(len(kappa)), {}, np.zeros(len(kappa))


class Amplitudes:
    """Density of the amplitude relative to the signal at the median distance of the prior.

    Parameters
    ----------
    distance
        Prior of the luminosity distance, in Mpc.
    log_scale
        Logarithm of the factor that normalises the prior densities.
    effective
        Effective distance, if distance and inclination act through one number.
    log_likelihood
        Log likelihood ratio as a function of amplitude, modulus and squared norm.

    Attributes
    ----------
    reference
        Distance in Mpc, by name, at which the inner products are to be computed.
    """

    def __init__(
        self,
        distance: Prior,
        log_scale: float,
        effective: EffectiveDistance | None = None,
        log_likelihood: OfAmplitude = averaged_over_phase,
    ) -> None:
        self._prior, self._log_scale, self._effective = distance, log_scale, effective
        self.log_likelihood = log_likelihood
        self._prior_share = 0.0
        self._rest: dict[int, np.ndarray] = {}
        median = float(distance.rescale(0.5))
        self.reference = {DISTANCE: median}
        if effective is not None:
            distances, density = effective.prior()
            self._reference = median / effective.amplitude(np.zeros(1))[0]
        else:
            distances = np.geomspace(nearest(distance), distance.maximum, _TABLE)
            density = np.exp(distance.ln_prob(distances))
            self._reference = median
        # Ascending, with the prior's density in them.
        self._log_table = np.log(self._reference / distances[::-1])
        slope = density[::-1] * distances[::-1] ** 2 / self._reference
        self._log_prior_table = np.log(np.maximum(slope, _NOTHING))
        below = np.concatenate([[0.0], np.cumsum((slope[1:] + slope[:-1]) * np.diff(np.exp(self._log_table)))])
        shares = np.linspace(0, 1, _QUANTILES) * below[-1]
        self._quantiles = np.exp(np.interp(shares, below, self._log_table))
        # The log likelihood falls by 32 over eight widths: a prior that varies by less than half of that cannot move the range.
        self._even = bool(np.ptp(self._log_prior_table) < _WIDTHS**2 / 4)

    def defended(self, share: float) -> Amplitudes:
        """Return a copy that draws the fraction ``share`` of its amplitudes from the prior.

        Another likelihood that weighs the draws may have posterior mass at distances that this density hardly ever draws.
        """
        other = copy.copy(self)
        other._prior_share = share
        return other

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest amplitude that the prior allows."""
        lowest, highest = np.exp(self._log_table[[0, -1]])
        return float(lowest), float(highest)

    def log_marginal(self, kappa: np.ndarray, norm: np.ndarray) -> np.ndarray:
        """Return the log likelihood ratio averaged over the prior, (N,), for moduli and squared norms (N,)."""
        return self._log_integral(kappa, norm, _NODES) + self._log_scale

    def distance_moments(self, kappa: np.ndarray, norm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean distance in Mpc and the mean squared distance in Mpc^2 given the data, (N,) each."""
        nodes, log_target = self._on_nodes(kappa, norm)
        shares = np.exp(log_target - log_target.max(axis=1, keepdims=True))
        total, distance = np.trapezoid(shares, nodes, axis=1), self._reference / nodes
        mean, square = (np.trapezoid(shares * distance**power, nodes, axis=1) / total for power in (1, 2))
        return mean, square

    def profile(self, norm: np.ndarray) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
        """Return a fast approximation of :meth:`log_marginal`, up to a constant, for many moduli and each norm of (N,).

        The steep part is the likelihood at the best amplitude. The rest is interpolated between a few moduli, and is computed
        for a nearby norm. The function takes moduli and indices of their norms, whose shapes can be broadcast.
        """
        norm = np.maximum(norm, _NOTHING)
        lowest, highest = self.range
        peaks = np.concatenate([[0.0], np.geomspace(0.25 * lowest, 2 * highest, _MODULI)])

        def steep(kappa: np.ndarray, peak: np.ndarray, of: np.ndarray) -> np.ndarray:
            return self.log_likelihood(np.clip(peak, lowest, highest), kappa, of)

        keys = np.rint(np.log(norm) / _NORM_STEP).astype(int).tolist()
        for key in {*keys} - self._rest.keys():
            near = np.full(len(peaks), np.exp(key * _NORM_STEP))
            exact = self._log_integral(near * peaks, near, _COARSE_NODES)
            self._rest[key] = exact - steep(near * peaks, peaks, near)
        rest = np.stack([self._rest[key] for key in keys])

        def of(kappa: np.ndarray, which: np.ndarray) -> np.ndarray:
            peak = kappa / norm[which]
            cell = np.clip(np.searchsorted(peaks, peak) - 1, 0, len(peaks) - 2)
            share = np.clip((peak - peaks[cell]) / (peaks[cell + 1] - peaks[cell]), 0.0, 1.0)
            interpolated = rest[which, cell] + share * (rest[which, cell + 1] - rest[which, cell])
            return steep(kappa, peak, norm[which]) + interpolated

        return of

    def draw(
        self, kappa: np.ndarray, norm: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, Parameters, np.ndarray]:
        """Draw one amplitude for each modulus and squared norm, (N,) each.

        Returns
        -------
        amplitude, parameters, log_ratio
            (N,) each. The parameters are distances in Mpc, and inclinations where both act as one; ``log_ratio`` is the
            logarithm of their prior over the density drawn from, -inf outside the prior.
        """
        amplitude, log_density = self._draw(kappa, norm, rng)
        effective = self._reference / amplitude
        if self._effective is None:
            parameters = {DISTANCE: np.clip(effective, self._prior.minimum, self._prior.maximum)}
            with np.errstate(divide="ignore"):
                log_prior = self._prior.ln_prob(parameters[DISTANCE])
        else:
            distance, theta, log_prior = self._effective.draw_given(effective, rng)
            parameters = {DISTANCE: distance, INCLINATION: theta}
        log_jacobian = 2 * np.log(amplitude) - np.log(self._reference)
        return amplitude, parameters, log_prior + self._log_scale - (log_density + log_jacobian)

    def _log_integral(self, kappa: np.ndarray, norm: np.ndarray, size: int) -> np.ndarray:
        nodes, log_target = self._on_nodes(kappa, norm, size)
        peak = log_target.max(axis=1, keepdims=True)
        area = np.trapezoid(np.exp(log_target - peak), nodes, axis=1)
        return np.log(area) + peak[:, 0]

    def _on_nodes(self, kappa: np.ndarray, norm: np.ndarray, size: int = _NODES) -> tuple[np.ndarray, np.ndarray]:
        """Return amplitudes (N, nodes) that cover the conditional, and its unnormalised log density at them."""
        low, high = self._ends(kappa, norm)
        nodes = low[:, None] + (high - low)[:, None] * np.linspace(0, 1, size)
        return nodes, self._log_prior(nodes) + self.log_likelihood(nodes, kappa[:, None], norm[:, None])

    def _ends(self, kappa: np.ndarray, norm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return lowest and highest amplitudes, (N,) each, between which all but a millionth of the conditional lies."""
        lowest, highest = self.range
        width = 1 / np.sqrt(np.maximum(norm, _NOTHING))
        centre = np.clip(kappa * width**2, lowest, highest)
        low, high = np.maximum(centre - _WIDTHS * width, lowest), np.minimum(centre + _WIDTHS * width, highest)
        if self._even:
            return low, high
        # A prior that is narrow, or falls steeply, moves the conditional away from the likelihood.
        of_nodes = self.log_likelihood(self._quantiles, kappa[:, None], norm[:, None])
        outside = (self._quantiles < low[:, None]) | (self._quantiles > high[:, None])
        log_outside = logsumexp(np.where(outside, of_nodes, -np.inf), axis=1) - np.log(len(self._quantiles))
        reach = np.minimum(width, high - low)
        log_inside = self._log_prior(centre) + self.log_likelihood(centre, kappa, norm) + np.log(reach)
        for row in np.flatnonzero(log_outside > log_inside + np.log(_LEFT_OUT)):
            low[row], high[row] = self._around_the_mass(low[row], high[row], float(kappa[row]), float(norm[row]))
        return low, high

    def _around_the_mass(self, low: float, high: float, kappa: float, norm: float) -> tuple[float, float]:
        """Return the range of one conditional: first from the prior's quantiles and the likelihood's range, then finer."""
        nodes = np.unique(np.concatenate([self._quantiles, np.linspace(low, high, _FEW_NODES)]))
        for _ in range(3):
            log_target = self._log_prior(nodes) + self.log_likelihood(nodes, np.array(kappa), np.array(norm))
            near = np.flatnonzero(log_target > log_target.max() - _REACH)
            first, last = max(near[0] - 1, 0), min(near[-1] + 1, len(nodes) - 1)
            low, high = float(nodes[first]), float(nodes[last])
            nodes = np.linspace(low, high, _NODES)
        return low, high

    def _log_prior(self, amplitude: np.ndarray) -> np.ndarray:
        return np.interp(np.log(amplitude), self._log_table, self._log_prior_table)

    def _draw(self, kappa: np.ndarray, norm: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw amplitudes from the density that is linear between the nodes; return them and their log density, (N,) each."""
        pieces = [
            draw_linear(*self._on_nodes(kappa[block], norm[block]), rng.random(len(kappa[block])))
            for block in (slice(first, first + _BLOCK) for first in range(0, len(kappa), _BLOCK))
        ]
        draws, log_density = (np.concatenate(column) for column in zip(*pieces, strict=True))
        return self._with_prior(kappa, norm, draws, log_density, rng) if self._prior_share else (draws, log_density)

    def _with_prior(
        self, kappa: np.ndarray, norm: np.ndarray, draws: np.ndarray, log_density: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Replace a random fraction of the amplitudes by draws from their prior, and return the log density of the mixture."""
        edges, share = np.exp(self._log_table), self._prior_share
        cells = Cells.of(edges, 0.5 * (self._log_prior_table[1:] + self._log_prior_table[:-1]))
        replaced = np.flatnonzero(rng.random(len(draws)) < share)
        draws[replaced] = cells.quantile(rng.random(len(replaced)))
        for row in replaced:
            nodes, log_target = self._on_nodes(kappa[row : row + 1], norm[row : row + 1])
            (of_draw,) = linear_density(nodes, log_target, draws[row : row + 1])
            log_density[row] = np.log(max(of_draw, _NOTHING))
        return draws, np.logaddexp(np.log1p(-share) + log_density, np.log(share) + cells.log_density(draws))


def amplitudes_of(
    keys: tuple[str, ...],
    transform: PriorTransform,
    response: tuple[float, float] | None = None,
    log_likelihood: OfAmplitude = averaged_over_phase,
) -> Amplitudes | KnownAmplitude:
    """Return the density of the amplitude by the parameters that are drawn: distance, and inclination if both act as one.

    Parameters
    ----------
    keys
        Names of the parameters drawn from their conditional.
    transform
        The user's prior.
    response
        Antenna response of the only detector, where the inclination is among the keys.
    log_likelihood
        Log likelihood ratio as a function of amplitude, modulus and squared norm.

    Raises
    ------
    ContractError
        If a prior has features too narrow for the nodes.
    """
    if DISTANCE not in keys:
        return KnownAmplitude(log_likelihood)
    drawn = [key for key in (DISTANCE, INCLINATION) if key in keys]
    for key in drawn:
        if not resolved(transform, key):
            raise ContractError(
                f"this model draws {key} from its exact conditional, but its prior {transform.priors[key]!r} has features "
                "too narrow for that: use a smoother prior, or train a model with distance='network'"
            )
    distance, log_scale = transform.priors[DISTANCE], sum(transform.log_scale[key] for key in drawn)
    effective = None
    if INCLINATION in keys:
        if response is None:
            raise ContractError(
                f"keys={list(keys)}: the inclination can only be drawn with the antenna response of a single detector, "
                "but response=None was given"
            )
        effective = EffectiveDistance(distance, transform.priors[INCLINATION], response)
    return Amplitudes(distance, log_scale, effective, log_likelihood)


def resolved(transform: PriorTransform, key: str) -> bool:
    """Tell whether the nodes resolve the prior of distance or inclination; features between nodes would never be drawn."""
    prior, log_scale = transform.priors[key], transform.log_scale[key]
    if key == DISTANCE:
        ends = nearest(prior), prior.maximum
        grids: tuple[np.ndarray, ...] = np.linspace(*ends, _NODES), np.geomspace(*ends, _NODES)
    else:
        grids = (np.linspace(prior.minimum, prior.maximum, 2 * ANGLES - 1),)
    masses = [float(np.trapezoid(np.exp(prior.ln_prob(grid) + log_scale), grid)) for grid in grids]
    return any(abs(mass - 1) < _RESOLVED for mass in masses)
