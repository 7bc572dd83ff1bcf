"""Natures of priors: whether their cumulative distribution and density are those of their draws.

Bilby's nested samplers draw only by ``rescale``, and so does this package: the evidence is an average over these draws. Most
priors have a ``cdf`` that inverts ``rescale`` and a ``prob`` that is the slope of this ``cdf``. They are *plain*. In other
priors the ``cdf`` is missing or approximate, or the density differs from that of the draws: they are replaced by the
distribution of their draws (:mod:`.prior_draws`). If that is not possible either, because several quantiles have the same value
(a discrete parameter), or because a prior takes numbers but no arrays, the *quantile* is sampled instead of the parameter
(:mod:`.translation.quantiles`).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from bilby.core.prior import JointPrior, Prior
from bilby.core.prior.analytical import WeightedDiscreteValues
from bilby.core.prior.slabspike import SlabSpikePrior

from .errors import PriorError

# Number of cells in which the density is compared with the draws: as many as are needed to see a narrow feature, and the
# least that show the density.
_CELLS, _FEWEST_CELLS = 8192, 20
_END = 5e-4  # fraction of a prior at either end that is not examined
_TAIL = 0.02  # fraction of a prior at either end that is not used for the factor between its densities
_CELL = 100  # least width of a cell, in units of the last decimal: GPS times have seven of them
# Probability at either end at which values are examined, as one draw in three millions reaches; and the largest value
# whose square is a number.
_FAR_OUT, _TOO_LARGE = 3e-7, 1e150
_CDF_TOLERANCE = 1e-8  # largest error of a quantile; Bilby's tabulated priors have 2e-10
_DENSITY_TOLERANCE = (
    0.01  # largest range of the log ratio over 90% of the cells; Bilby's cosmological priors have 1.2e-3
)
# Smallest log of the factor between two densities that is corrected: tabulated priors and the quadrature have such
# errors themselves.
_SAME_DENSITY = 1e-4
_SAME_VALUE = 1e-9  # largest relative difference between a value alone and in an array
_ROWS, _CONDITIONS = (
    24,
    4,
)  # rows at which arrays are compared with numbers, and at which a conditional prior is examined
# Seed of the random quantiles at which priors are examined, so that a prior has the same nature in every run; its value
# does not matter.
_SEED = 20200218
_ERRORS = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError, NotImplementedError)

Parameters = Mapping[str, Any]


@dataclass(frozen=True)
class Nature:
    """The way in which a prior can be used.

    Attributes
    ----------
    how
        ``"plain"``: unchanged. ``"draws"``: by its draws, which can be inverted. ``"quantile"``: by its draws, which cannot be
        inverted.
    reason
        Reason why it is not plain, in words.
    log_scale
        Logarithm of the factor from Bilby's density to the slope of the cumulative distribution, for plain priors.
    has_density
        Tells whether ``ln_prob`` is the density of the draws.
    by_rows
        Tells whether ``rescale`` has to be called with one number at a time.
    """

    how: Literal["plain", "draws", "quantile"] = "plain"
    reason: str = ""
    log_scale: float = 0.0
    has_density: bool = True
    by_rows: bool = False


@dataclass
class _Given:
    """A conditional prior at one set of values of the parameters that it depends on."""

    prior: Prior
    required: Parameters = field(default_factory=dict)

    def rescale(self, u: Any) -> np.ndarray:
        return np.asarray(self.prior.rescale(u, **self.required), dtype=np.float64)

    def cdf(self, x: Any) -> np.ndarray:
        return np.asarray(self.prior.cdf(x, **self.required), dtype=np.float64)

    def ln_prob(self, x: Any) -> np.ndarray:
        return np.asarray(self.prior.ln_prob(x, **self.required), dtype=np.float64)


def told(key: str, prior: Prior) -> str:
    """Return a prior as text: its ``repr``, or the name of its class if that fails because attributes have other names."""
    try:
        return f"priors[{key!r}]={prior!r}"
    except Exception:  # a user's prior may raise anything
        return f"priors[{key!r}]={type(prior).__name__}"


def conditions(prior: Prior) -> list[str]:
    """Return the parameters on which a prior is conditional."""
    return list(getattr(prior, "required_variables", None) or [])


def rescaled(prior: Prior, u: np.ndarray, required: Parameters, by_rows: bool) -> np.ndarray:
    """Return the values (N,) of a prior at quantiles (N,), given the parameters that it depends on, (N,) each or one number."""
    if not by_rows:
        return np.asarray(prior.rescale(u, **required), dtype=np.float64)
    rows = zip(u.tolist(), _rows(required, len(u)), strict=True)
    return np.array([_number(prior.rescale(share, **row)) for share, row in rows])


def log_density(prior: Prior, x: np.ndarray, required: Parameters, by_rows: bool) -> np.ndarray:
    """Return Bilby's log density (N,)."""
    if not by_rows:
        return np.broadcast_to(np.asarray(prior.ln_prob(x, **required), dtype=np.float64), np.shape(x))
    rows = zip(x.tolist(), _rows(required, len(x)), strict=True)
    return np.array([_number(prior.ln_prob(value, **row)) for value, row in rows])


def natures(priors: Mapping[str, Prior], order: Sequence[str], fixed: Mapping[str, float]) -> dict[str, Nature]:
    """Return the nature of every prior.

    Parameters
    ----------
    priors
        Bilby priors; a copy of them is evaluated, because conditional ones remember their last arguments.
    order
        Search parameters, each after those on which it is conditional.
    fixed
        Values of the fixed parameters.

    Raises
    ------
    PriorError
        If a prior is improper, part of a joint prior, or fails; it names the prior.
    """
    rng = np.random.default_rng(_SEED)
    sample: dict[str, np.ndarray] = {}
    found = {}
    for key in order:
        shares = rng.uniform(0.02, 0.98, size=_ROWS)
        with _evaluating(key, priors[key]):
            prior = copy.deepcopy(priors[key])
            if isinstance(prior, JointPrior):
                raise PriorError(
                    f"{told(key, prior)} is part of a joint prior, which has no one-dimensional cumulative "
                    "distribution: use independent or conditional priors for the parameters of this distribution"
                )
            if getattr(prior, "exact", False):
                # A prior of this package, which is plain; it may be conditional on earlier parameters.
                required = {name: sample[name] for name in conditions(prior)}
                found[key], sample[key] = Nature(), rescaled(prior, shares, required, by_rows=False)
                continue
            known: Parameters = {**fixed, **sample}
            required = {name: known[name] for name in conditions(prior)}
            found[key] = _of_conditional(key, prior, shares, required) if required else nature_of(key, prior)
            sample[key] = rescaled(prior, shares, required, by_rows=found[key].by_rows)
    return found


def nature_of(key: str, prior: Prior) -> Nature:
    """Return the nature of a prior that is not conditional.

    Raises
    ------
    PriorError
        If the prior is improper, or fails.
    """
    with _evaluating(key, prior):
        return _nature(told(key, prior), _Given(prior))


def drawn_at(key: str, prior: Prior, share: float, row: dict[str, float]) -> float:
    """Return the value of a conditional prior at a quantile.

    Raises
    ------
    PriorError
        If its condition function or ``rescale`` fails.
    """
    try:
        return _number(prior.rescale(share, **row))
    except Exception as error:  # a user's function may raise anything
        raise PriorError(
            f"priors[{key!r}], a {type(prior).__name__}, cannot be drawn from at {row}: its condition function or rescale "
            f"raises {type(error).__name__}: {error}; correct it"
        ) from error


def _of_conditional(key: str, prior: Prior, shares: np.ndarray, required: Parameters) -> Nature:
    """Return the nature of a conditional prior, from several values of the parameters that it depends on."""
    rows = list(_rows(required, len(shares)))
    values = [drawn_at(key, prior, share, row) for share, row in zip(shares.tolist(), rows, strict=True)]
    x = np.array(values)
    if not _agree(lambda: prior.rescale(shares, **required), x):
        return Nature(
            "quantile",
            "its condition function takes numbers but no arrays, so that it is evaluated row by row",
            has_density=_examined(key, prior, rows).has_density,
            by_rows=True,
        )
    with np.errstate(all="ignore"):
        try:
            density = np.array([_number(prior.ln_prob(value, **row)) for value, row in zip(values, rows, strict=True)])
            whole = _agree(lambda: prior.ln_prob(x, **required), density) and _agree(
                lambda: prior.cdf(x, **required),
                np.array([_number(prior.cdf(value, **row)) for value, row in zip(values, rows, strict=True)]),
            )
        except _ERRORS:
            whole = False
    nature = _examined(key, prior, rows)
    if nature.how == "plain" and not whole:
        return Nature("quantile", "its cdf or density takes numbers but no arrays", has_density=False)
    return nature


def _examined(key: str, prior: Prior, rows: list[dict[str, float]]) -> Nature:
    """Return the nature of a conditional prior: plain only if it is plain for all examined conditions."""
    for row in rows[:_CONDITIONS]:
        nature = _nature(f"priors[{key!r}], a {type(prior).__name__} at {row},", _Given(prior, row))
        if nature.how != "plain" or nature.log_scale:
            reason = nature.reason or "its density is not normalised"
            return Nature("quantile", f"at {row} {reason}", has_density=nature.has_density and not nature.log_scale)
    return Nature()


def _nature(said: str, prior: _Given) -> Nature:
    discrete = isinstance(prior.prior, WeightedDiscreteValues) or (
        isinstance(prior.prior, SlabSpikePrior) and prior.prior.spike_height > 0
    )
    if discrete:
        return Nature("quantile", "it has values of finite probability")
    few = np.array([_FAR_OUT, 0.25, 0.75, 1 - _FAR_OUT])
    one_by_one = np.array([number_or_nan(prior.rescale, share) for share in few.tolist()])
    try:
        values = prior.rescale(few)
    except _ERRORS:
        values = np.zeros(0)
    takes_arrays = values.shape == few.shape and _close(values, np.where(np.isnan(one_by_one), values, one_by_one))
    if not takes_arrays:
        values = one_by_one
    if not np.all(np.isfinite(values[1:3])):
        raise PriorError(f"{said} has the quantiles {values[1:3]} at 0.25 and 0.75: use a proper prior")
    # Squares of the draws have to be numbers, too.
    if not np.all(np.abs(values) < _TOO_LARGE):
        raise PriorError(
            f"{said}: one draw in {1 / _FAR_OUT:.0e} reaches {np.max(np.abs(values)):.3g}, whose square is not a number; use a "
            "prior of smaller values"
        )
    if not takes_arrays:
        return Nature(
            "quantile", "its rescale takes numbers but no arrays", has_density=_has_density(prior, values), by_rows=True
        )
    if values[1] == values[2] and values[0] == values[3]:
        raise PriorError(f"{said} has the same value at all its quantiles, {values[1]}: fix the parameter to it")
    ends = prior.rescale(np.array([_END, 1 - _END]))
    spacing = np.spacing(np.max(np.abs(ends)))
    cells = int(min(_CELLS, abs(np.ptp(ends)) / (_CELL * spacing)))
    if cells < _FEWEST_CELLS:
        if np.isnan(_log_density(prior, values)).all():
            raise PriorError(
                f"{said} is so narrow that double precision has hardly a value in it ({values[1]} to {values[2]} from one "
                "quartile to the other), and its density is not a number: fix the parameter"
            )
        steps = values[1] == values[2] or values[0] == values[1]
        return Nature("quantile", "several quantiles have the same value") if steps else Nature()
    quantiles = np.linspace(_END, 1 - _END, cells + 1)
    x = prior.rescale(quantiles)
    if np.any(np.diff(x) < 0):
        return Nature("quantile", "its rescale does not increase with the quantile", has_density=_has_density(prior, x))
    log_density = _log_density(prior, x)
    # A spike between two examined quantiles counts, too.
    if np.any(np.diff(x) == 0) or np.any(log_density == np.inf):
        return Nature("quantile", "several quantiles have the same value", has_density=_has_density(prior, x))
    return _held_against_draws(prior, quantiles, x, spacing)


def _held_against_draws(prior: _Given, quantiles: np.ndarray, x: np.ndarray, spacing: float) -> Nature:
    """Return the nature of a prior whose draws increase with the quantile, by comparing its cdf and density with them."""
    width = np.diff(x)
    middle = 0.5 * (x[1:] + x[:-1])
    share = np.diff(quantiles)
    with np.errstate(all="ignore"):
        ratio = np.log(share / width) - _log_density(prior, middle)
        # A gap in the support, or a kink, makes a cell unusable.
        ratio = np.where(np.isnan(ratio), np.inf, ratio)
        low, central, high = np.quantile(ratio, [0.05, 0.5, 0.95])
        rounding = 2 * spacing / np.median(width)
        same = bool(high - low <= _DENSITY_TOLERANCE + rounding)
    if not same:
        span = f"{np.exp(-high):.3g} to {np.exp(-low):.3g} times" if np.isfinite([high, low]).all() else "not"
        return Nature("draws", f"its density (prob) is {span} the slope of rescale", has_density=False)
    try:
        roundtrip = prior.cdf(x)
        error = np.abs(roundtrip - quantiles)
        slope = np.concatenate([share / width, share[-1:] / width[-1:]])
        inverts = roundtrip.shape == x.shape and bool(np.all(error <= _CDF_TOLERANCE + 4 * spacing * slope))
    except _ERRORS:
        inverts = False
    if not inverts:
        return Nature("draws", "its cdf does not invert rescale")
    # Times are rounded by a large part of a cell, but in a sum over many neighbours only the ends matter.
    # In the tails a cell is wide, and its middle does not represent it.
    inner = (quantiles[:-1] >= _TAIL) & (quantiles[1:] <= 1 - _TAIL)
    sound = inner & (np.abs(ratio - central) < 0.5)
    if not sound.any():
        return Nature()
    scale = float(np.log(share[sound].sum() / np.sum((share * np.exp(-ratio))[sound])))
    # The midpoint rule with n cells has an error of about n**-2.
    return Nature(log_scale=scale if abs(scale) > max(_SAME_DENSITY, 5 / len(share) ** 2) else 0.0)


def _log_density(prior: _Given, x: np.ndarray) -> np.ndarray:
    """Return the log density of a prior at values (N,), NaN where it has none."""
    with np.errstate(all="ignore"):
        try:
            found = prior.ln_prob(x)
        except _ERRORS:
            return np.full(x.shape, np.nan)
    return found if found.shape == x.shape else np.full(x.shape, np.nan)


def _has_density(prior: _Given, x: np.ndarray) -> bool:
    """Return whether a prior gives probabilities of values."""
    few = np.asarray(x)[:: max(1, len(x) // 8)]
    found = np.array([number_or_nan(prior.ln_prob, value) for value in few.tolist()])
    return not bool(np.isnan(found).any())


def _rows(required: Parameters, size: int) -> Iterator[dict[str, float]]:
    """Yield the parameters on which a prior is conditional, one row after the other."""
    columns = {
        name: np.broadcast_to(np.asarray(value, dtype=np.float64), (size,)).tolist() for name, value in required.items()
    }
    return ({name: column[i] for name, column in columns.items()} for i in range(size))


def _number(value: Any) -> float:
    return float(np.asarray(value, dtype=np.float64).reshape(()))


def number_or_nan(function: Any, value: float) -> float:
    """Return what a function gives for a number; NaN if it fails."""
    try:
        return _number(function(value))
    except Exception:  # a user's function may raise anything: the caller decides
        return float("nan")


def _close(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(np.allclose(one, other, rtol=_SAME_VALUE, atol=0.0, equal_nan=True))


def _agree(evaluate: Any, one_by_one: np.ndarray) -> bool:
    """Return whether a function gives the same for arrays as for single numbers."""
    try:
        with np.errstate(all="ignore"):
            whole = np.asarray(evaluate(), dtype=np.float64)
    except Exception:  # a user's function may raise anything: it is then called one by one
        return False
    return whole.shape == one_by_one.shape and _close(whole, one_by_one)


@contextmanager
def _evaluating(key: str, prior: Prior) -> Iterator[None]:
    """Turn the errors of a prior that cannot be evaluated, including those of its ``repr``, into one that names it."""
    try:
        yield
    except PriorError:
        raise
    except _ERRORS as error:
        raise PriorError(
            f"{told(key, prior)} has no usable rescale, cdf and prob ({type(error).__name__}: {error}): correct it"
        ) from error
