r"""Parameters that are drawn from their exact conditional, given those that the network draws.

The phase is one (:mod:`bilby_flowpe.phase`). The amplitude is another: with :math:`h = s\,h_0`, the same two inner products
give the likelihood, averaged over the phase, at every amplitude,

.. math:: L(s) = I_0(s \kappa) \, e^{-s^2 \langle h_0, h_0 \rangle / 2}, \qquad \kappa = |\langle h_0, d \rangle| ,

so that the distance :math:`d \propto 1/s` can be drawn from :math:`\pi(d) L(s)` at no further call. Where one detector sees a
pure (2, 2) signal, distance and inclination act through one effective distance (:mod:`bilby_flowpe.effective`): it is drawn
instead, then the inclination given it. The time comes first of all (:mod:`bilby_flowpe.arrival`), from one more Fourier
transform. Densities are piecewise linear on a grid that covers the conditional; draws are weighted by what they were drawn
from, so that the grid's coarseness costs efficiency and no exactness.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from bilby.gw.likelihood import GravitationalWaveTransient
from scipy.special import i0e

from .arrival import SHARE, TIME, TimedProducts
from .cells import Cells
from .effective import ANGLES, EffectiveDistance, nearest
from .errors import ContractError
from .parallel import Row, Task
from .phase import InnerProducts, conditional_obstacle
from .piecewise import draw_linear
from .priors import Parameters, PriorTransform

PHASE, DISTANCE, INCLINATION = "phase", "luminosity_distance", "theta_jn"
_NODES, _COARSE_NODES, _MODULI = 257, 65, 64
_NORM_STEP = 0.02
_WIDTHS = 8.0
_TABLE = 4001
_BLOCK = 4096
_NOTHING = 1e-300
_RESOLVED = 0.002  # of a prior's mass, by the trapezoidal rule on the nodes


@dataclass(frozen=True)
class ConditionalConfig:
    r"""What is drawn from its exact conditional.

    Attributes
    ----------
    keys
        None, or the phase; with it the distance, or distance and inclination; with the phase the time. Sky position and
        polarisation angle, and the inclination without a ``response``, are drawn coherently (:mod:`bilby_flowpe.coherent`).
    phase_order
        ``m`` of a signal that turns as ``exp(i m phase)``; 0 where nothing is drawn conditionally, or there are several.
    response
        :math:`F_+` and :math:`F_\times` of the only detector, where the inclination is among the keys.
    cross_ratio
        Real and imaginary part of :math:`h_\times / h_+` face on.
    phase_orders
        All ``m`` of a signal that is a sum of terms that turn so (:mod:`bilby_flowpe.modes`).
    """

    keys: tuple[str, ...] = ()
    phase_order: int = 0
    response: tuple[float, float] | None = None
    cross_ratio: tuple[float, float] = (0.0, 0.0)
    phase_orders: tuple[int, ...] = ()

    @property
    def coherent(self) -> bool:
        """Whether there is more than what has a density in closed form."""
        return bool({"ra", "dec", "psi"} & {*self.keys} or self.phase_orders) or (
            INCLINATION in self.keys and self.response is None
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        values = asdict(self)
        return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ConditionalConfig:
        """The inverse of :meth:`to_dict`."""
        return cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})


@dataclass(frozen=True)
class ConditionalDraws:
    """Draws of the conditional parameters and what they are worth.

    Attributes
    ----------
    parameters
        Those of :attr:`ConditionalConfig.keys`, (N,) each.
    log_likelihood_ratio
        With them, (N,).
    log_ratio
        Logarithm of their prior times the likelihood ratio over the density they were drawn from, (N,); -inf outside
        the prior.
    """

    parameters: Parameters
    log_likelihood_ratio: np.ndarray
    log_ratio: np.ndarray


class ExactConditional:
    """Draws the conditional parameters of one problem.

    Parameters
    ----------
    config
        Which ones.
    transform
        The user's prior, which may be another than the one trained with.

    Attributes
    ----------
    prior_share
        Share of distances that are drawn from their prior: none but where another likelihood takes the place of the one drawn
        with, which may want distances out of the latter's reach.

    Raises
    ------
    ContractError
        If the prior ties them to other parameters, or that of the phase is not uniform over its turn.
    """

    prior_share = 0.0

    def __init__(self, config: ConditionalConfig, transform: PriorTransform) -> None:
        self.config = config
        self.keys = config.keys
        if not config.keys:
            return
        if (PHASE in config.keys) and (obstacle := conditional_obstacle(transform, config.phase_order)):
            raise ContractError(f"this model draws the phase from its exact conditional, but {obstacle}")
        tied = [key for key in config.keys if key not in transform.independent_keys()]
        if tied:
            raise ContractError(
                f"this model draws {list(config.keys)} from their exact conditional, but {tied} are fixed or tied to other "
                "parameters by the priors: give them priors of their own, or have a model trained for these priors"
            )
        self._log_scale = {key: transform.log_scale[key] for key in config.keys}
        self._time = transform.priors[TIME] if TIME in config.keys else None
        self._prior = transform.priors[DISTANCE] if DISTANCE in config.keys else None
        self._effective: EffectiveDistance | None = None
        self._rest: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        if self._time is not None and not np.isfinite(self._time.maximum - self._time.minimum):
            raise ContractError(
                f"this model draws {TIME} from its exact conditional, but its prior {self._time!r} has no bounds: give it some"
            )
        if self._prior is None:
            return
        for key in (DISTANCE, INCLINATION):
            if key in config.keys and not resolved(transform, key):
                raise ContractError(
                    f"this model draws {key} from its exact conditional, but its prior {transform.priors[key]!r} has "
                    "features too narrow for that: have a model trained with distance='network'"
                )
        if INCLINATION in config.keys:
            self._effective = EffectiveDistance(self._prior, transform.priors[INCLINATION], config.response)
            effective, density = self._effective.prior()
        else:
            effective = np.geomspace(nearest(self._prior), self._prior.maximum, _TABLE)
            density = np.exp(self._prior.ln_prob(effective))
        self._distance = float(self._prior.rescale(0.5))
        # Amplitudes relative to the reference, ascending, with the prior's density in them.
        self._reference = self._distance / self._seen(np.zeros(1))[0]
        self._log_table = np.log(self._reference / effective[::-1])
        slope = density[::-1] * effective[::-1] ** 2 / self._reference
        self._log_prior_table = np.log(np.maximum(slope, _NOTHING))

    def defend(self, share: float) -> None:
        """Draw a share of the distances from their prior."""
        self.prior_share = share

    @property
    def reference(self) -> dict[str, float]:
        """Values of the conditional parameters for which the inner products are wanted."""
        values = {PHASE: 0.0, INCLINATION: 0.0}
        if DISTANCE in self.keys:
            values[DISTANCE] = self._distance
        if TIME in self.keys:
            values[TIME] = float(0.5 * (self._time.minimum + self._time.maximum))
        return {key: values[key] for key in self.keys}

    def task(self, likelihood: GravitationalWaveTransient) -> Task:
        """What computes the products that :meth:`draw` takes, of the rows that :meth:`task_rows` gives."""
        return InnerProducts(likelihood) if TIME not in self.keys else self._timed(likelihood)

    def task_rows(self, rows: Sequence[Row], rng: np.random.Generator) -> Sequence[Row]:
        """Rows of all parameters at the reference, with what a row's own draw of the time needs."""
        if TIME not in self.keys:
            return rows
        return [{**row, SHARE: share} for row, share in zip(rows, rng.random(len(rows)).tolist(), strict=True)]

    def log_average(self, likelihood: GravitationalWaveTransient, row: Row) -> float:
        """Log likelihood ratio averaged over the prior of the conditional parameters, the others as in ``row``."""
        row = {**row, **self.reference}
        if TIME not in self.keys:
            return float(self.log_marginal(InnerProducts(likelihood)(row)[None])[0])
        times, products = self._timed(likelihood).on_nodes(row)
        log_density = self.log_marginal(products) + self.log_prior_of_time(times)
        peak = log_density.max()
        return float(np.log(np.trapezoid(np.exp(log_density - peak), times)) + peak)

    @property
    def amplitude_range(self) -> tuple[float, float]:
        """Least and largest amplitude that the prior allows, in units of that at the reference."""
        lowest, highest = np.exp(self._log_table[[0, -1]])
        return float(lowest), float(highest)

    @property
    def _log_scale_of_amplitude(self) -> float:
        return sum(scale for key, scale in self._log_scale.items() if key in (DISTANCE, INCLINATION))

    def log_prior_of_time(self, times: np.ndarray) -> np.ndarray:
        """Of geocentric times, (N,)."""
        return np.asarray(self._time.ln_prob(times)) + self._log_scale[TIME]

    def draw(self, products: np.ndarray, rng: np.random.Generator) -> ConditionalDraws:
        """One draw for each row of products, (N, 3 or 5), as :meth:`task` gives them."""
        size = len(products)
        inner, norm = products[:, 0] + 1j * products[:, 1], products[:, 2]
        kappa, angle = np.abs(inner), np.angle(inner)
        parameters: Parameters = {}
        log_ratio, amplitude = np.zeros(size), np.ones(size)
        if self._prior is not None:
            amplitude, log_density = self._draw_amplitude(kappa, norm, rng)
            effective = self._reference / amplitude
            if self._effective is None:
                parameters[DISTANCE] = np.clip(effective, self._prior.minimum, self._prior.maximum)
                with np.errstate(divide="ignore"):
                    log_ratio = self._prior.ln_prob(parameters[DISTANCE])
            else:
                parameters[DISTANCE], parameters[INCLINATION], log_ratio = self._effective.draw_given(effective, rng)
                angle = angle - self._turn(parameters[INCLINATION])
            log_ratio = (
                log_ratio
                + self._log_scale_of_amplitude
                - (log_density + 2 * np.log(amplitude) - np.log(self._reference))
            )
        if self._time is not None:
            parameters[TIME] = products[:, 3]
            log_ratio = log_ratio + self.log_prior_of_time(products[:, 3]) - products[:, 4]
        turn = rng.vonmises(0.0, np.maximum(amplitude * kappa, 1e-12))
        order = self.config.phase_order
        copy = rng.integers(abs(order), size=size) * 2 * np.pi / abs(order)
        parameters[PHASE] = ((angle + turn) / order + copy) % (2 * np.pi)
        return ConditionalDraws(
            parameters={key: parameters[key] for key in self.keys},
            log_likelihood_ratio=amplitude * kappa * np.cos(turn) - amplitude**2 * norm / 2,
            log_ratio=log_ratio + self.log_averaged(amplitude, kappa, norm),
        )

    def log_marginal(self, products: np.ndarray) -> np.ndarray:
        """Log likelihood ratio averaged over the prior of the conditional parameters, (N,), of rows (N, 3)."""
        kappa, norm = np.hypot(products[:, 0], products[:, 1]), products[:, 2]
        if self._prior is None:
            return self.log_averaged(np.ones(len(kappa)), kappa, norm)
        return self._log_integral(kappa, norm) + self._log_scale_of_amplitude

    def _timed(self, likelihood: GravitationalWaveTransient) -> TimedProducts:
        return TimedProducts(likelihood, self._time, self._profile, self._log_scale[TIME])

    def _profile(self, norm: float) -> Callable[[np.ndarray], np.ndarray]:
        """Nearly :meth:`log_marginal`, of many moduli and one norm, at a fraction of the cost.

        The likelihood at the best amplitude takes the steep part; what is left is interpolated between a few moduli, and is
        that of a norm nearby.
        """
        norm = max(norm, _NOTHING)
        lowest, largest = self.amplitude_range if self._prior is not None else (1.0, 1.0)

        def steep(kappa: np.ndarray, of: float) -> np.ndarray:
            return self.log_averaged(np.clip(kappa / of, lowest, largest), kappa, of)

        if self._prior is None:
            return lambda kappa: steep(kappa, norm)
        key = round(np.log(norm) / _NORM_STEP)
        if key not in self._rest:
            near = float(np.exp(key * _NORM_STEP))
            moduli = near * np.concatenate([[0.0], np.geomspace(0.25 * lowest, 2 * largest, _MODULI)])
            exact = self._log_integral(moduli, np.full(len(moduli), near), _COARSE_NODES)
            self._rest[key] = moduli / near, exact - steep(moduli, near)
        peaks, rest = self._rest[key]
        return lambda kappa: steep(kappa, norm) + np.interp(kappa / norm, peaks, rest)

    @staticmethod
    def log_averaged(amplitude: np.ndarray, kappa: np.ndarray, norm: np.ndarray) -> np.ndarray:
        """Log likelihood ratio of a signal ``amplitude`` times the reference, averaged over the phase."""
        loud = amplitude * kappa
        return np.log(i0e(loud)) + loud - amplitude**2 * norm / 2

    def _seen(self, theta: np.ndarray) -> np.ndarray:
        return self._effective.amplitude(theta) if self._effective else np.ones(len(theta))

    def _turn(self, theta: np.ndarray) -> np.ndarray:
        """Angle that the inclination adds to the signal's, relative to face on."""
        plus, cross = self.config.response
        ratio = complex(*self.config.cross_ratio)
        cosine = np.cos(theta)
        return np.angle((plus * (1 + cosine**2) / 2 + cross * ratio * cosine) / (plus + cross * ratio))

    def _log_integral(self, kappa: np.ndarray, norm: np.ndarray, size: int = _NODES) -> np.ndarray:
        nodes, log_target = self._on_nodes(kappa, norm, size)
        peak = log_target.max(axis=1, keepdims=True)
        area = np.trapezoid(np.exp(log_target - peak), nodes, axis=1)
        return np.log(area) + peak[:, 0]

    def _on_nodes(self, kappa: np.ndarray, norm: np.ndarray, size: int = _NODES) -> tuple[np.ndarray, np.ndarray]:
        """Amplitudes (N, nodes) that cover the conditional and its unnormalised log density at them."""
        lowest, highest = self.amplitude_range
        width = 1 / np.sqrt(np.maximum(norm, _NOTHING))
        centre = np.clip(kappa * width**2, lowest, highest)
        low = np.maximum(centre - _WIDTHS * width, lowest)
        high = np.minimum(centre + _WIDTHS * width, highest)
        nodes = low[:, None] + (high - low)[:, None] * np.linspace(0, 1, size)
        return nodes, self._log_prior(nodes) + self.log_averaged(nodes, kappa[:, None], norm[:, None])

    def _log_prior(self, amplitude: np.ndarray) -> np.ndarray:
        return np.interp(np.log(amplitude), self._log_table, self._log_prior_table)

    def _draw_amplitude(
        self, kappa: np.ndarray, norm: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draws and their log density, (N,) each, from the density that is linear between the nodes."""
        pieces = [
            draw_linear(*self._on_nodes(kappa[block], norm[block]), rng.random(len(kappa[block])))
            for block in (slice(first, first + _BLOCK) for first in range(0, len(kappa), _BLOCK))
        ]
        draws, log_density = (np.concatenate(column) for column in zip(*pieces, strict=True))
        if not self.prior_share:
            return draws, log_density
        return self._with_prior(kappa, norm, draws, log_density, rng)

    def _with_prior(
        self, kappa: np.ndarray, norm: np.ndarray, draws: np.ndarray, log_density: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """A share of the amplitudes from their prior: none is then out of reach, whatever likelihood weighs them."""
        edges = np.exp(self._log_table)
        cells = Cells.of(edges, 0.5 * (self._log_prior_table[1:] + self._log_prior_table[:-1]))
        replaced = np.flatnonzero(rng.random(len(draws)) < self.prior_share)
        draws[replaced] = cells.quantile(rng.random(len(replaced)))
        for row in replaced:
            (nodes,), (log_target,) = self._on_nodes(kappa[row : row + 1], norm[row : row + 1])
            height = np.exp(log_target - log_target.max())
            of_draw = np.interp(draws[row], nodes, height / np.trapezoid(height, nodes), left=0.0, right=0.0)
            log_density[row] = np.log(max(of_draw, _NOTHING))
        return draws, np.logaddexp(
            np.log1p(-self.prior_share) + log_density, np.log(self.prior_share) + cells.log_density(draws)
        )


def resolved(transform: PriorTransform, key: str) -> bool:
    """Whether the prior of distance or inclination is smooth on the scale of the nodes: what is between is never drawn."""
    prior, log_scale = transform.priors[key], transform.log_scale[key]
    if key == DISTANCE:
        ends = nearest(prior), prior.maximum
        grids = np.linspace(*ends, _NODES), np.geomspace(*ends, _NODES)
    else:
        grids = (np.linspace(prior.minimum, prior.maximum, 2 * ANGLES - 1),)
    masses = [float(np.trapezoid(np.exp(prior.ln_prob(grid) + log_scale), grid)) for grid in grids]
    return any(abs(mass - 1) < _RESOLVED for mass in masses)
