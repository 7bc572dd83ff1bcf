"""Marginals of a posterior that pile up at an edge of their prior.

If a prior ends where the likelihood does not, it cuts the posterior although all weights are right: draws cannot tell what
lies beyond. They can tell the density of the posterior at the edge, relative to its maximum. This is reported for every
parameter and every constrained quantity whose edge is a choice: not for periodic parameters, and not for natural bounds such
as a mass ratio of 1 or a spin of 0. The edge is the user's choice: it is not a reason against the result, but for another
look at the prior.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
from bilby.core.prior import Constraint, DeltaFunction, PriorDict
from bilby.core.utils import logger
from scipy.optimize import minimize
from scipy.stats import norm

# Number of bins between the 5% and the 95% quantile of a marginal: one bin is the width within which draws are "at the edge".
_BINS = 10
# Fraction of its maximum that the density needs at an edge to be reported: a normal curve cut there has 1.6% of its
# area beyond, and less is not worth a remark.
_SHARE = 0.1
# Largest difference of the cumulative probability of posterior and prior for which the data count as uninformative.
_TOLD = 0.1
# Least number of different draws from which a density can be estimated: fewer scatter by more than a tenth.
_FEWEST_VALUES = 50
# Number of values to which a normal curve is fitted: enough for the rough area beyond an edge.
_FITTED = 2000
# Largest distance within which an edge counts as a natural bound: priors of spins end at 0.99 or 0.98; relative where
# bounds are multiples of pi.
_NEAR = 0.021

# Natural bounds of ratios and spin magnitudes, from 0 to 1.
_UNIT = (0.0, 1.0)
_NATURAL: dict[str, tuple[float, float]] = {
    "mass_ratio": _UNIT,
    "symmetric_mass_ratio": (0.0, 0.25),
    "a": _UNIT,
    "chi": (-1.0, 1.0),
    "chi_in_plane": _UNIT,
    "chi_eff": (-1.0, 1.0),
    "chi_p": _UNIT,
    "eccentricity": _UNIT,
    "lambda": (0.0, np.nan),
    "lambda_tilde": (0.0, np.nan),
    "luminosity_distance": (0.0, np.nan),
    "comoving_distance": (0.0, np.nan),
    "redshift": (0.0, np.nan),
    "theta_jn": (0.0, np.pi),
    "iota": (0.0, np.pi),
    "tilt": (0.0, np.pi),
    "zenith": (0.0, np.pi),
    "azimuth": (0.0, 2 * np.pi),
    "ra": (0.0, 2 * np.pi),
    "dec": (-np.pi / 2, np.pi / 2),
    "psi": (0.0, np.pi),
    "phase": (0.0, 2 * np.pi),
    "phi_12": (0.0, 2 * np.pi),
    "phi_jl": (0.0, 2 * np.pi),
    "time_jitter": (-np.inf, np.inf),
}
"""Natural bounds of quantities of a binary, by name without the number of the body; not a number: no bound; infinite:
every edge counts as natural."""


@dataclass(frozen=True)
class Edge:
    """A marginal that piles up at an edge of its prior.

    Attributes
    ----------
    parameter
        Name of a sampled parameter, or of a constrained quantity.
    side
        Side of the prior on which the edge is.
    value
        Value of the edge.
    density, density_err
        Density of the posterior within a tenth of its width from the edge, relative to its maximum, and the error of that.
    beyond
        Fraction of a normal curve, fitted to the marginal between its edges, that lies beyond this edge: roughly how much of
        the posterior a wider prior would add there.
    """

    parameter: str
    side: Literal["lower", "upper"]
    value: float
    density: float
    density_err: float
    beyond: float

    def __str__(self) -> str:
        largest = (
            "at its maximum" if self.density >= 1 else f"{self.density:.2f} +- {self.density_err:.2f} of its maximum"
        )
        return (
            f"the posterior of {self.parameter} piles up at the {self.side} edge {self.value:.8g} of its prior: its density "
            f"there is {largest}, and a normal curve fitted to it has {100 * self.beyond:.2g}% of its area beyond; "
            "widen this prior unless something else bounds it"
        )


def in_columns(edges: Sequence[Edge]) -> dict[str, list[Any]]:
    """Return all edges as plain values, a list for each field: Bilby's HDF5 files cannot store a list of dictionaries."""
    return {field.name: [getattr(edge, field.name) for edge in edges] for field in fields(Edge)}


def edges_of(priors: Mapping[str, Any], parameters: Mapping[str, np.ndarray], weights: np.ndarray) -> list[Edge]:
    """Return all marginals that pile up at an edge of their prior, the most important first.

    Parameters
    ----------
    priors
        Bilby's priors. Limits that depend on other parameters, those of conditional priors, are not checked.
    parameters
        Draws of the posterior, (N,) each.
    weights
        Weights of the draws, (N,), with a sum of one.
    """
    values = dict(parameters) | _constrained(priors, parameters)
    found: list[Edge] = []
    for key, prior in priors.items():
        if key not in values or not _looked_at(prior):
            continue
        try:
            found += _edges_of_one(key, prior, np.asarray(values[key], dtype=np.float64), weights)
        except (ArithmeticError, TypeError, ValueError) as error:
            # An error of this remark must not lose the result.
            logger.info(f"Could not test whether the posterior of {key} piles up at an edge of its prior: {error}")
    return sorted(found, key=lambda entry: -entry.beyond)


def _edges_of_one(key: str, prior: Any, values: np.ndarray, weights: np.ndarray) -> list[Edge]:
    """Return the edges, not natural bounds, at which one marginal piles up."""
    low, high = float(prior.minimum), float(prior.maximum)
    natural = _natural(key, prior)
    ends: tuple[tuple[Literal["lower", "upper"], float, float], ...] = (
        ("lower", low, natural[0]),
        ("upper", high, natural[1]),
    )
    alive = (weights > 0) & np.isfinite(values)
    values, weights = values[alive], weights[alive]
    if len(np.unique(values[: 20 * _FEWEST_VALUES])) < _FEWEST_VALUES:
        return []
    found = []
    for side, edge, bound in ends:
        if not np.isfinite(edge) or _is_natural(edge, bound):
            continue
        density, error = _at_edge(values, weights, edge, low, high)
        # The excess has to be larger than its error, too.
        if density - 2 * error > _SHARE and _informed(prior, values, weights):
            found.append(Edge(key, side, edge, density, error, _beyond(values, weights, edge, low, high)))
    return found


def _looked_at(prior: Any) -> bool:
    """Return whether a prior has limits of its own, which do not depend on other parameters."""
    limits: tuple[Any, Any] = getattr(prior, "minimum", None), getattr(prior, "maximum", None)
    numbers = all(isinstance(limit, (int, float, np.number)) for limit in limits)
    periodic = getattr(prior, "boundary", None) in ("periodic", "reflective")
    conditional = bool(getattr(prior, "required_variables", ()))
    return numbers and bool(limits[0] < limits[1]) and not periodic and not conditional


def _constrained(priors: Mapping[str, Any], parameters: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the quantities with a constraint, by the prior's conversion function; none if that fails."""
    wanted = [key for key, prior in priors.items() if isinstance(prior, Constraint)]
    if not wanted or not isinstance(priors, PriorDict):
        return {}
    size = len(next(iter(parameters.values())))
    fixed = {key: np.full(size, prior.peak) for key, prior in priors.items() if isinstance(prior, DeltaFunction)}
    try:
        converted = priors.conversion_function({**fixed, **parameters})
    except Exception:  # a user's function may raise anything for arrays; the run called it row by row
        return {}
    return {key: np.asarray(converted[key]) for key in wanted if np.shape(converted.get(key)) == (size,)}


def _natural(key: str, prior: Any) -> tuple[float, float]:
    """Return the natural bounds of a quantity, not a number if there are none."""
    return natural_bounds(getattr(prior, "name", None) or key)


def natural_bounds(name: str) -> tuple[float, float]:
    """Return the natural bounds of a quantity of a binary, not a number if there are none.

    The number of the body at the end of a name is ignored.
    """
    if name.startswith(("cos_", "sin_")):
        return -1.0, 1.0
    stem = name.rstrip("0123456789").rstrip("_")
    return _NATURAL.get(name, _NATURAL.get(stem, (np.nan, np.nan)))


def _is_natural(edge: float, bound: float) -> bool:
    return bool(np.isinf(bound) or abs(edge - bound) <= _NEAR * max(1.0, abs(bound) / np.pi))


def _at_edge(values: np.ndarray, weights: np.ndarray, edge: float, low: float, high: float) -> tuple[float, float]:
    """Return the density next to an edge relative to the maximum, and its error."""
    first, last = _quantiles(values, weights, 0.05, 0.95)
    width = (last - first) / _BINS
    if not width > 0:
        # All values are the same: they are at the edge or not.
        return float(np.sum(weights[np.abs(values - edge) <= np.spacing(abs(edge))])), 0.0
    # Bins are counted from the edge, so that the first one ends there.
    index = np.floor(np.abs(values - edge) / width).astype(int)
    index = np.minimum(index, int(min(10 * _BINS, (high - low) / width)))
    shares, squares = np.bincount(index, weights), np.bincount(index, weights**2)
    largest = float(shares.max())
    return float(shares[0] / largest), float(np.sqrt(squares[0]) / largest)


def _informed(prior: Any, values: np.ndarray, weights: np.ndarray) -> bool:
    """Return whether the posterior differs from the prior; a posterior like the prior always reaches its edges."""
    if isinstance(prior, Constraint):
        return True
    try:
        quantiles = np.asarray(prior.cdf(values), dtype=np.float64)
    except Exception:  # a user's prior may have no cdf
        return True
    order = np.argsort(quantiles)
    total = np.cumsum(weights[order])
    return bool(np.max(np.abs(total / total[-1] - quantiles[order])) > _TOLD)


def _beyond(values: np.ndarray, weights: np.ndarray, edge: float, low: float, high: float) -> float:
    """Return the area beyond an edge of the normal curve that fits the values best.

    The area is in units of the curve's whole area; only the part between the edges is fitted.
    """
    rng = np.random.default_rng(0)
    chosen = rng.choice(values, size=_FITTED, p=weights / weights.sum())
    centre, scale = float(np.mean(chosen)), float(np.std(chosen))
    if not scale > 0:
        return 1.0
    ends = (np.array([low, high]) - centre) / scale
    standard = (chosen - centre) / scale

    def minus_log_likelihood(shape: np.ndarray) -> float:
        mean, width = shape[0], np.exp(shape[1])
        inside = _log_area(*((ends - mean) / width))
        return float(np.mean(0.5 * ((standard - mean) / width) ** 2) + shape[1] + inside)

    # For an exponential the peak of the normal curve is infinitely far away: the bounds are far enough.
    fit = minimize(minus_log_likelihood, [0.0, 0.0], bounds=[(-30, 30), (-3, 3)], method="L-BFGS-B")
    mean, width = fit.x[0], np.exp(fit.x[1])
    away = ((edge - centre) / scale - mean) / width
    return float(norm.cdf(away) if edge == low else norm.sf(away))


def _log_area(first: float, last: float) -> float:
    """Return the logarithm of the area of a normal curve between two points."""
    if first > 0:
        first, last = -last, -first
    upper, lower = norm.logcdf(last), norm.logcdf(first)
    return float(upper + np.log1p(-np.exp(min(lower - upper, -1e-300))))


def _quantiles(values: np.ndarray, weights: np.ndarray, *levels: float) -> np.ndarray:
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return values[order][np.minimum(np.searchsorted(total / total[-1], levels), len(values) - 1)]
