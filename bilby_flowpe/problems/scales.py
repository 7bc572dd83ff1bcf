"""Parameters of many scales, power laws, and likelihoods with heavy tails: evidence by one-dimensional integrals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from bilby.core.likelihood import Likelihood
from bilby.core.prior import Gaussian, LogUniform, PowerLaw, PriorDict
from numpy.typing import NDArray
from scipy.special import gammaln
from scipy.stats import t

from .moded import Columns, ModedProblem, between, everything, names, point
from .toys import Values, uniform


class Scales(Likelihood):
    """Log-normal likelihood in ``rate``, normal in ``distance`` and ``offset``, all normalised.

    Parameters
    ----------
    middles, widths
        Middles and widths of the logarithm of the rate, of the distance and of the offset.
    """

    def __init__(self, middles: Sequence[float], widths: Sequence[float]) -> None:
        super().__init__()
        self.middles, self.widths = tuple(middles), tuple(widths)
        self._log_norm = -sum(0.5 * math.log(2 * math.pi) + math.log(width) for width in self.widths)

    def log_likelihood(self, parameters: Mapping[str, Values]) -> Values:
        """Return the log likelihood at ``parameters``."""
        values = (np.log(parameters["rate"]), parameters["distance"], parameters["offset"])
        total: Values = self._log_norm - 0.5 * sum(
            ((value - middle) / width) ** 2
            for value, middle, width in zip(values, self.middles, self.widths, strict=True)
        )
        return total


class HeavyTails(Likelihood):
    """Product of Student's t densities.

    Parameters
    ----------
    degrees, middles, scales
        Degrees of freedom, middle and scale of each density, (D,).
    """

    def __init__(self, degrees: Sequence[float], middles: Sequence[float], scales: Sequence[float]) -> None:
        super().__init__()
        self.degrees, self.middles, self.scales = map(np.asarray, (degrees, middles, scales))
        self.keys = names(len(self.degrees))
        self._log_norm = float(
            np.sum(
                gammaln(0.5 * self.degrees + 0.5)
                - gammaln(0.5 * self.degrees)
                - 0.5 * np.log(math.pi * self.degrees)
                - np.log(self.scales)
            )
        )

    def log_likelihood(self, parameters: Mapping[str, Values]) -> Values:
        """Return the log likelihood at ``parameters``."""
        scaled = (point(parameters, self.keys) - self.middles) / self.scales
        total: Values = self._log_norm - 0.5 * ((self.degrees + 1) * np.log1p(scaled**2 / self.degrees)).sum(axis=-1)
        return total


def scales() -> ModedProblem:
    """Make a rate with a log-uniform prior over 8 decades, a distance with a power law, and an offset with a normal prior."""
    end = 10.0
    likelihood = Scales((math.log(3.0), 4.0, 0.5), (0.2, 0.3, 0.1))
    priors = PriorDict({"rate": LogUniform(1e-4, 1e4), "distance": PowerLaw(2, 0.0, end), "offset": Gaussian(0.0, 1.0)})
    variance = 1.0 + 0.1**2
    log_evidence = (
        -math.log(math.log(1e8))
        # The mean of 3 d^2 / end^3; both ends are 13 widths off.
        + math.log(3 * (4.0**2 + 0.3**2) / end**3)
        - 0.5 * (math.log(2 * math.pi * variance) + 0.5**2 / variance)
    )
    return ModedProblem(likelihood, priors, log_evidence, everything, (1.0,))


def heavy_tails() -> ModedProblem:
    """Make Student's t densities of 1, 2 and 4 degrees of freedom and scale 0.05, in a box of side 20.

    The regions are the lower tail, the core and the upper tail of the first parameter, which is a Cauchy density.
    """
    degrees, middles, end, scale = (1.0, 2.0, 4.0), (0.5, -1.0, 2.0), 10.0, 0.05
    likelihood = HeavyTails(degrees, middles, [scale] * 3)

    def below(number: int, value: float) -> float:
        return float(t.cdf((value - middles[number]) / scale, degrees[number]))

    edges: NDArray[np.float64] = np.array([-5 * scale, 5 * scale]) + middles[0]
    pieces = np.diff([below(0, value) for value in (-end, *edges, end)])
    log_evidence = sum(math.log(below(i, end) - below(i, -end)) for i in range(3)) - 3 * math.log(2 * end)

    def mode_of(columns: Columns) -> NDArray[np.intp]:
        return between(edges, columns["x0"])

    return ModedProblem(
        likelihood, uniform(likelihood.keys, -end, end), log_evidence, mode_of, tuple(pieces / pieces.sum())
    )
