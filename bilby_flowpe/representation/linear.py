r"""Representation of data without an arrival time: their projection on the span of the model's predictions.

In white noise of known size the likelihood depends on the data only through the projection on the span
(:class:`LinearRepresentation`). Other noise needs more (:class:`FittedRepresentation`): the most likely point of the span, and
how well it fits. A bank that knows such noise has a method ``noise_free``; on its scale every datum has the same information
about its prediction, whatever that is. With an orthonormal basis B one step of Fisher scoring is then

.. math:: c \leftarrow c + \frac{B^\top s(u, B c) - c / v}{1 + 1 / v}, \qquad s = \partial_\mu \ln p(u | \mu) / I ,

with no equations to solve: I is the information of a datum, and v / I the variance of a coefficient over the prior. A step that
changes a prediction by more than the noise is shortened.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
import torch

from ..problem import Bank
from ..problem.data import NoiseSource
from .base import Representation
from .compress import Compressor
from .config import RepresentationConfig

_CHUNK = 2048  # simulations that are drawn at once, which bounds the memory; as many score the compression
_STEPS = 10  # steps of Fisher scoring: more take longer, fewer may stop before the most likely point
_OUTSIDE = 5.0  # units of the noise beyond the range of the predictions, at which wild data are clipped
_LEAST_ROOT = 0.1  # least width of twice the root of a predicted count, since the score has a pole at zero
_LEAST_SQUARE = 1e-6  # smallest mean square of residuals in units of the noise, so that its logarithm is finite
_LARGEST = 1e15  # data beyond it (in their own units) are clipped: single precision cannot represent their squares
_ROUNDING = 1e-6  # fraction of a squared signal-to-noise ratio below the rounding error of single precision
# Quantile of the noise's size over the prior that is the unit of the data: small noise needs fine predictions
_SMALL_NOISE = 0.05
_SHAPES = (0.1, 0.5, 0.9)  # quantiles of the degrees of freedom over the prior, for which statistics are computed


class LinearRepresentation(Representation):
    """Projection on the span of the model's predictions.

    Parameters
    ----------
    compressor
        The projection.
    statistics
        Number of features beside the coefficients.
    """

    def __init__(self, compressor: Compressor, statistics: int = 0) -> None:
        super().__init__(compressor.features + statistics)
        self.compressor = compressor

    @classmethod
    def fit(
        cls, bank: Bank, config: RepresentationConfig, rng: np.random.Generator, generator: torch.Generator
    ) -> LinearRepresentation:
        """Choose basis, location and scale from simulations, with statistics of the noise if its kind is known."""
        if (known := bank.known_noise) is not None:
            return FITTED[known.kind].fitted(known, config, rng)
        signals = torch.cat([bank.draw(_CHUNK, rng).data for _ in range(_chunks(config))])
        flat = signals.flatten(1)[:, None]
        representation = cls(_compressor(flat, config))
        representation.standardise(bank.add_noise(signals[:_CHUNK], generator))
        return representation

    @classmethod
    def empty(cls, grid: None, sizes: dict[str, Any]) -> LinearRepresentation:
        """Make a representation of the same shape, into which trained buffers are loaded."""
        compressor = Compressor(1, sizes["numbers"], sizes["components"])
        if "noise" in sizes:
            return FITTED[sizes["noise"]](compressor, sizes["noise"], sizes["shapes"])
        return cls(compressor)

    def sizes(self) -> dict[str, Any]:
        """Return the sizes that :meth:`empty` needs."""
        return {"numbers": self.compressor.basis.shape[1], "components": self.compressor.basis.shape[2]}

    def compute(self, data: torch.Tensor) -> tuple[torch.Tensor, None]:
        """Return coefficients (N, K), and no pivot."""
        return self.compressor(data.flatten(1)[:, None]), None


class FittedRepresentation(LinearRepresentation, ABC):
    """Most likely point of the affine span of the model's predictions, and statistics of the residuals.

    Subclasses define :meth:`score` and :meth:`statistics`.

    Parameters
    ----------
    compressor
        The span, around the mean of the predictions, in units of the noise.
    noise
        Name of the kind of noise.
    shapes
        Number of shapes of the noise for which statistics are computed.
    """

    steps: ClassVar[int] = _STEPS
    wild: ClassVar[bool] = False
    centre: torch.Tensor
    unit: torch.Tensor
    low: torch.Tensor
    high: torch.Tensor
    shapes: torch.Tensor
    variance: torch.Tensor

    def __init__(self, compressor: Compressor, noise: str, shapes: int = 1) -> None:
        super().__init__(compressor, shapes)
        numbers = compressor.basis.shape[1]
        self.noise = noise
        self.register_buffer("centre", torch.zeros(numbers, dtype=torch.float64))
        self.register_buffer("unit", torch.ones((), dtype=torch.float64))
        self.register_buffer("low", torch.zeros(numbers))
        self.register_buffer("high", torch.zeros(numbers))
        self.register_buffer("shapes", torch.ones(shapes))
        self.register_buffer("variance", torch.ones(compressor.features))

    @classmethod
    def fitted(cls, bank: NoiseSource, config: RepresentationConfig, rng: np.random.Generator) -> FittedRepresentation:
        """Choose span, location and scale from simulations."""
        drawn = [bank.noise_free(_CHUNK, rng) for _ in range(_chunks(config))]
        noise = {key: np.concatenate([parameters[key] for _, parameters in drawn]) for key in drawn[0][1]}
        unit, shapes = cls.scale_and_shapes(noise)
        predictions = torch.cat([predictions for predictions, _ in drawn])
        centre = predictions.mean(dim=0)
        away = ((predictions - centre) / unit).float()
        representation = cls(_compressor(away[:, None], config, _ROUNDING), bank.kind, len(shapes))
        representation.centre.copy_(centre)
        representation.unit.fill_(unit)
        representation.low.copy_(away.min(dim=0).values - _OUTSIDE)
        representation.high.copy_(away.max(dim=0).values + _OUTSIDE)
        representation.shapes.copy_(torch.as_tensor(shapes))
        representation.variance.copy_((away @ representation.compressor.basis[0]).var(dim=0).clamp_min(1e-6))
        representation.standardise(bank.draw(_CHUNK, rng).data)
        return representation

    @staticmethod
    def scale_and_shapes(noise: dict[str, np.ndarray]) -> tuple[float, np.ndarray]:
        """Return the unit of the data, and the shapes of the noise to use, from noise parameters drawn from the prior."""
        return 1.0, np.ones(1)

    def sizes(self) -> dict[str, Any]:
        return {**super().sizes(), "noise": self.noise, "shapes": len(self.shapes)}

    def compute(self, data: torch.Tensor) -> tuple[torch.Tensor, None]:
        """Return coefficients and statistics (N, K + S), and no pivot."""
        u = ((data.flatten(1) - self.centre) / self.unit).clamp(-_LARGEST, _LARGEST).float()
        # A single wild datum would carry the first projection too far away to return.
        near = torch.clamp(u, self.low, self.high) if self.wild else u
        basis = self.compressor.basis[0]
        coefficients, variance = near @ basis, self.variance * self.information
        for _ in range(self.steps):
            slope = self.score(near, coefficients @ basis.T) @ basis - coefficients / variance
            step = slope / (1 + 1 / variance)
            largest = (step @ basis.T).abs().amax(dim=1, keepdim=True)
            coefficients = coefficients + step / largest.clamp_min(1.0)
        return torch.cat([coefficients, self.statistics(u, coefficients @ basis.T)], dim=1), None

    @property
    def information(self) -> torch.Tensor | float:
        """Fisher information of a datum about its own prediction."""
        return 1.0

    @abstractmethod
    def score(self, u: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
        """Return the derivative of each datum's log likelihood (N, M) by its prediction, divided by its information."""

    @abstractmethod
    def statistics(self, u: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
        """Return S statistics of the residuals of data (N, M) about the prediction ``mean``: (N, S)."""


class FitInGaussian(FittedRepresentation):
    """Normal noise of unknown size: the projection, and the logarithm of the power of the residuals."""

    steps = 0

    @staticmethod
    def scale_and_shapes(noise: dict[str, np.ndarray]) -> tuple[float, np.ndarray]:
        """Return a unit as small as noise that is small for the prior, by which predictions are resolved."""
        return float(np.quantile(np.abs(noise["sigma"]), _SMALL_NOISE)), np.ones(1)

    def score(self, u: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
        return u - mean

    def statistics(self, u: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
        return 0.5 * torch.log((u - mean).square().mean(dim=1, keepdim=True) + _LEAST_SQUARE)


class FitOfCounts(FittedRepresentation):
    """Counts, as twice their square roots: relative to predictions in the same form every count has unit information."""

    def score(self, u: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
        root = mean + self.centre.float()
        return 2 * self._counts(u) / root.clamp_min(_LEAST_ROOT) - root / 2

    def statistics(self, u: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
        root = (mean + self.centre.float()).clamp_min(0.0)
        left = 2 * torch.sqrt(self._counts(u) + 0.375) - torch.sqrt(root.square() + 1.5)
        return left.square().mean(dim=1, keepdim=True)

    def _counts(self, u: torch.Tensor) -> torch.Tensor:
        return ((u + self.centre.float()).square() / 4 - 0.375).clamp_min(0.0)


class FitOfLogarithms(FittedRepresentation):
    """Logarithms of exponentially distributed data."""

    wild = True

    def score(self, u: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
        return torch.expm1(u - mean)

    def statistics(self, u: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
        return (u - mean).mean(dim=1, keepdim=True)


class FitInStudentT(FittedRepresentation):
    """Student-t noise, whose shape shows in the likelihood of the residuals for a few degrees of freedom."""

    wild = True

    @staticmethod
    def scale_and_shapes(noise: dict[str, np.ndarray]) -> tuple[float, np.ndarray]:
        return 1.0, np.unique(np.quantile(noise["nu"], _SHAPES))

    @property
    def nu(self) -> torch.Tensor:
        """Degrees of freedom in the middle of those used for the statistics."""
        return self.shapes[len(self.shapes) // 2]

    @property
    def information(self) -> torch.Tensor:
        return (self.nu + 1) / (self.nu + 3)

    def score(self, u: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
        left = u - mean
        return (self.nu + 3) * left / (self.nu + left.square())

    def statistics(self, u: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
        square = (u - mean).square()
        return torch.stack([(nu + 1) / 2 * torch.log1p(square / nu).mean(dim=1) for nu in self.shapes], dim=1)


FITTED: dict[str, type[FittedRepresentation]] = {
    "gaussian": FitInGaussian,
    "poisson": FitOfCounts,
    "multinomial": FitOfCounts,
    "exponential": FitOfLogarithms,
    "student-t": FitInStudentT,
}
"""Class of the representation for each kind of noise."""


def _chunks(config: RepresentationConfig) -> int:
    return max(config.n_fit // _CHUNK, 2)


def _compressor(flat: torch.Tensor, config: RepresentationConfig, least: float = 0.0) -> Compressor:
    """Fit a compressor to signals (N, 1, M), of which the last chunk scores the basis.

    The basis may lose a fraction ``least`` of the squared norm in any case.
    """
    tolerance = max(config.tolerance, least * float(flat[-_CHUNK:].square().sum(dim=-1).max()))
    return Compressor.fit(flat[:-_CHUNK], flat[-_CHUNK:], tolerance, min(config.max_components, flat.shape[-1]))
