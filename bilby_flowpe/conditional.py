r"""Parameters that are drawn from their exact conditional, given those that the network draws.

The phase is one (:mod:`bilby_flowpe.phase`). The amplitude is another: with :math:`h = s\,h_0`, the same two inner products
give the likelihood, averaged over the phase, at every amplitude,

.. math:: L(s) = I_0(s \kappa) \, e^{-s^2 \langle h_0, h_0 \rangle / 2}, \qquad \kappa = |\langle h_0, d \rangle| ,

so that the distance :math:`d \propto 1/s` can be drawn from :math:`\pi(d) L(s)` at no further call. Where one detector sees a
pure (2, 2) signal, distance and inclination act through one effective distance (:mod:`.representation.amplitude`): it is drawn
instead, then the inclination given it. Densities are piecewise linear on a grid that covers the conditional; draws are
weighted by what they were drawn from, so that the grid's coarseness costs efficiency and no exactness.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.special import i0e

from .errors import ContractError
from .phase import conditional_obstacle
from .priors import Parameters, PriorTransform
from .representation.amplitude import AmplitudeCoordinates

PHASE, DISTANCE, INCLINATION = "phase", "luminosity_distance", "theta_jn"
_NODES = 257
_WIDTHS = 8.0
_TABLE = 4001
_BLOCK = 4096
_NEAREST = 1e-6  # of the largest distance: a volumetric prior has a share of 1e-18 below it


@dataclass(frozen=True)
class ConditionalConfig:
    r"""What is drawn from its exact conditional.

    Attributes
    ----------
    keys
        None, the phase, phase and distance, or phase, distance and inclination.
    phase_order
        ``m`` of a signal that turns as ``exp(i m phase)``; 0 where nothing is drawn conditionally.
    response
        :math:`F_+` and :math:`F_\times` of the only detector, where the inclination is among the keys.
    cross_ratio
        Real and imaginary part of :math:`h_\times / h_+` face on.
    """

    keys: tuple[str, ...] = ()
    phase_order: int = 0
    response: tuple[float, float] | None = None
    cross_ratio: tuple[float, float] = (0.0, 0.0)

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

    Raises
    ------
    ContractError
        If the prior ties them to other parameters, or that of the phase is not uniform over its turn.
    """

    def __init__(self, config: ConditionalConfig, transform: PriorTransform) -> None:
        self.config = config
        self.keys = config.keys
        if not config.keys:
            return
        if obstacle := conditional_obstacle(transform, config.phase_order):
            raise ContractError(f"this model draws the phase from its exact conditional, but {obstacle}")
        tied = [key for key in config.keys if key not in transform.independent_keys()]
        if tied:
            raise ContractError(
                f"this model draws {list(config.keys)} from their exact conditional, but {tied} are fixed or tied to other "
                "parameters by the priors: give them priors of their own, or have a model trained for these priors"
            )
        self._prior = transform.priors[DISTANCE] if DISTANCE in config.keys else None
        self._amplitude: AmplitudeCoordinates | None = None
        if self._prior is None:
            return
        if INCLINATION in config.keys:
            self._amplitude = AmplitudeCoordinates(self._prior, transform.priors[INCLINATION], config.response)
            effective, density = self._amplitude.effective_prior()
        else:
            effective = np.geomspace(
                max(self._prior.minimum, _NEAREST * self._prior.maximum), self._prior.maximum, _TABLE
            )
            density = np.exp(self._prior.ln_prob(effective))
        self._distance = float(self._prior.rescale(0.5))
        # Amplitudes relative to the reference, ascending, with the prior's density in them.
        self._reference = self._distance / self._seen(np.zeros(1))[0]
        self._log_table = np.log(self._reference / effective[::-1])
        slope = density[::-1] * effective[::-1] ** 2 / self._reference
        with np.errstate(divide="ignore"):
            self._log_prior_table = np.log(slope)

    @property
    def reference(self) -> dict[str, float]:
        """Values of the conditional parameters for which the inner products are wanted."""
        values = {PHASE: 0.0, INCLINATION: 0.0}
        return {key: self._distance if key == DISTANCE else values[key] for key in self.keys}

    def draw(self, products: np.ndarray, rng: np.random.Generator) -> ConditionalDraws:
        """One draw for each row of ``[re, im, norm]``, (N, 3), as :class:`~bilby_flowpe.phase.InnerProducts` gives them."""
        size = len(products)
        inner, norm = products[:, 0] + 1j * products[:, 1], products[:, 2]
        kappa, angle = np.abs(inner), np.angle(inner)
        parameters: Parameters = {}
        log_ratio, amplitude = np.zeros(size), np.ones(size)
        if self._prior is not None:
            amplitude, log_density = self._draw_amplitude(kappa, norm, rng)
            effective = self._reference / amplitude
            if self._amplitude is None:
                parameters[DISTANCE] = np.clip(effective, self._prior.minimum, self._prior.maximum)
                with np.errstate(divide="ignore"):
                    log_ratio = self._prior.ln_prob(parameters[DISTANCE])
            else:
                parameters[DISTANCE], parameters[INCLINATION], log_ratio = self._amplitude.draw_given(effective, rng)
                angle = angle - self._turn(parameters[INCLINATION])
            log_ratio = log_ratio - (log_density + 2 * np.log(amplitude) - np.log(self._reference))
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
        nodes, log_target = self._on_nodes(kappa, norm)
        peak = log_target.max(axis=1, keepdims=True)
        area = np.trapezoid(np.exp(log_target - peak), nodes, axis=1)
        return np.log(area) + peak[:, 0]

    @staticmethod
    def log_averaged(amplitude: np.ndarray, kappa: np.ndarray, norm: np.ndarray) -> np.ndarray:
        """Log likelihood ratio of a signal ``amplitude`` times the reference, averaged over the phase."""
        loud = amplitude * kappa
        return np.log(i0e(loud)) + loud - amplitude**2 * norm / 2

    def _seen(self, theta: np.ndarray) -> np.ndarray:
        return self._amplitude.amplitude(theta) if self._amplitude else np.ones(len(theta))

    def _turn(self, theta: np.ndarray) -> np.ndarray:
        """Angle that the inclination adds to the signal's, relative to face on."""
        plus, cross = self.config.response
        ratio = complex(*self.config.cross_ratio)
        cosine = np.cos(theta)
        return np.angle((plus * (1 + cosine**2) / 2 + cross * ratio * cosine) / (plus + cross * ratio))

    def _on_nodes(self, kappa: np.ndarray, norm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Amplitudes (N, nodes) that cover the conditional and its unnormalised log density at them."""
        lowest, highest = np.exp(self._log_table[[0, -1]])
        width = 1 / np.sqrt(np.maximum(norm, 1e-300))
        centre = np.clip(kappa * width**2, lowest, highest)
        low = np.maximum(centre - _WIDTHS * width, lowest)
        high = np.minimum(centre + _WIDTHS * width, highest)
        nodes = low[:, None] + (high - low)[:, None] * np.linspace(0, 1, _NODES)
        log_prior = np.interp(np.log(nodes), self._log_table, self._log_prior_table)
        return nodes, log_prior + self.log_averaged(nodes, kappa[:, None], norm[:, None])

    def _draw_amplitude(
        self, kappa: np.ndarray, norm: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draws and their log density, (N,) each, from the density that is linear between the nodes."""
        pieces = [
            _draw_linear(*self._on_nodes(kappa[first : first + _BLOCK], norm[first : first + _BLOCK]), rng)
            for first in range(0, len(kappa), _BLOCK)
        ]
        draws, log_density = (np.concatenate(column) for column in zip(*pieces, strict=True))
        return draws, log_density


def _draw_linear(nodes: np.ndarray, log_target: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """One draw a row, and its log density, of densities given at evenly spaced nodes and linear between them."""
    height = np.exp(log_target - log_target.max(axis=1, keepdims=True))
    mass = height[:, 1:] + height[:, :-1]
    total = mass.sum(axis=1)
    below = np.cumsum(mass, axis=1)
    wanted = rng.random(len(nodes)) * total
    cell = np.minimum((below <= wanted[:, None]).sum(axis=1), mass.shape[1] - 1)
    rows = np.arange(len(nodes))
    left, right, area = height[rows, cell], height[rows, cell + 1], mass[rows, cell]
    share = np.clip(1 - (below[rows, cell] - wanted) / np.maximum(area, 1e-300), 0, 1)
    # Root of the quadratic in a form that is stable where the two heights agree.
    place = share * area / np.maximum(left + np.sqrt(left**2 + share * (right**2 - left**2)), 1e-300)
    spacing = (nodes[:, -1] - nodes[:, 0]) / (nodes.shape[1] - 1)
    with np.errstate(divide="ignore"):
        log_density = np.log(left + (right - left) * place) - np.log(total * spacing / 2)
    return nodes[rows, cell] + place * spacing, log_density
