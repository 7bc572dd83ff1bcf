"""What a prior's draws are, and whether its cumulative distribution and its density are those of the draws.

Bilby's nested samplers draw by ``rescale`` alone, and so do we: the evidence is an average over these draws. Most priors have a
``cdf`` that inverts ``rescale`` and a ``prob`` that is the slope of this ``cdf``. They are *plain*. Of others the ``cdf`` is
missing or a stand-in, or the density is another one than that of the draws: they are replaced by what their draws alone say
(:mod:`.prior_draws`). Where not even that is possible, as several quantiles have the same value (a discrete parameter), or as a
prior takes numbers but no arrays, the *quantile* is sampled in place of the parameter (:mod:`.translation.quantiles`).
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

_CELLS, _FEWEST_CELLS = 8192, 20
_END = 5e-4  # share of a prior at either end that is not looked at
_TAIL = 0.02  # share of a prior at either end that the factor between its densities is not taken from
_CELL = 100  # least width of a cell, in units of the last decimal: GPS times have seven of them
_FAR_OUT, _TOO_LARGE = 3e-7, 1e150
_CDF_TOLERANCE = 1e-8  # Bilby's tabulated priors keep 2e-10
_DENSITY_TOLERANCE = 0.01  # of the logarithm, over 90% of the cells; Bilby's cosmological priors keep 1.2e-3
_SAME_DENSITY = 1e-4  # what tabulated priors and the quadrature are good for
_SAME_VALUE = 1e-9  # relative difference of one value and the same in an array
_ROWS, _CONDITIONS = (
    24,
    4,
)  # rows at which arrays are compared with numbers, and at which a conditional prior is examined
_SEED = 20200218
_ERRORS = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError, NotImplementedError)

Parameters = Mapping[str, Any]


@dataclass(frozen=True)
class Nature:
    """How a prior can be used.

    Attributes
    ----------
    how
        ``"plain"``: as it is. ``"draws"``: by its draws, which can be inverted. ``"quantile"``: by its draws, which cannot.
    reason
        Why it is not plain, in words.
    log_scale
        Logarithm of the factor from the density as Bilby gives it to the slope of the cumulative distribution; of plain ones.
    has_density
        Whether ``ln_prob`` belongs to the draws.
    by_rows
        Whether ``rescale`` has to be called with one number after the other.
    """

    how: Literal["plain", "draws", "quantile"] = "plain"
    reason: str = ""
    log_scale: float = 0.0
    has_density: bool = True
    by_rows: bool = False


@dataclass
class _Given:
    """A conditional prior at one set of values of what it is conditional on."""

    prior: Prior
    required: Parameters = field(default_factory=dict)

    def rescale(self, u: Any) -> np.ndarray:
        return np.asarray(self.prior.rescale(u, **self.required), dtype=np.float64)

    def cdf(self, x: Any) -> np.ndarray:
        return np.asarray(self.prior.cdf(x, **self.required), dtype=np.float64)

    def ln_prob(self, x: Any) -> np.ndarray:
        return np.asarray(self.prior.ln_prob(x, **self.required), dtype=np.float64)


def told(key: str, prior: Prior) -> str:
    """A prior in words. Of one whose ``repr`` fails, the name of its class: its attributes may have other names."""
    try:
        return f"priors[{key!r}]={prior!r}"
    except Exception:  # of any kind: an argument may be what it cannot divide by
        return f"priors[{key!r}]={type(prior).__name__}"


def conditions(prior: Prior) -> list[str]:
    """Parameters that a prior is conditional on."""
    return list(getattr(prior, "required_variables", None) or [])


def rescaled(prior: Prior, u: np.ndarray, required: Parameters, by_rows: bool) -> np.ndarray:
    """Values (N,) of a prior at quantiles (N,), given those of what it is conditional on, (N,) each or one number."""
    if not by_rows:
        return np.asarray(prior.rescale(u, **required), dtype=np.float64)
    rows = zip(u.tolist(), _rows(required, len(u)), strict=True)
    return np.array([_number(prior.rescale(share, **row)) for share, row in rows])


def log_density(prior: Prior, x: np.ndarray, required: Parameters, by_rows: bool) -> np.ndarray:
    """Log density (N,) as Bilby gives it."""
    if not by_rows:
        return np.broadcast_to(np.asarray(prior.ln_prob(x, **required), dtype=np.float64), np.shape(x))
    rows = zip(x.tolist(), _rows(required, len(x)), strict=True)
    return np.array([_number(prior.ln_prob(value, **row)) for value, row in rows])


def natures(priors: Mapping[str, Prior], order: Sequence[str], fixed: Mapping[str, float]) -> dict[str, Nature]:
    """The nature of every prior.

    Parameters
    ----------
    priors
        Bilby priors; a copy of them is evaluated, for conditional ones remember what they were asked last.
    order
        Search parameters, each after those that it is conditional on.
    fixed
        Values of the fixed parameters.

    Raises
    ------
    PriorError
        Naming the prior that is improper, part of a joint one, or fails.
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
                # One of our own, made so; conditional on what is drawn before.
                required = {name: sample[name] for name in conditions(prior)}
                found[key], sample[key] = Nature(), rescaled(prior, shares, required, by_rows=False)
                continue
            known: Parameters = {**fixed, **sample}
            required = {name: known[name] for name in conditions(prior)}
            found[key] = _of_conditional(key, prior, shares, required) if required else nature_of(key, prior)
            sample[key] = rescaled(prior, shares, required, by_rows=found[key].by_rows)
    return found


def nature_of(key: str, prior: Prior) -> Nature:
    """The nature of a prior that is conditional on nothing.

    Raises
    ------
    PriorError
        If it is improper, or fails.
    """
    with _evaluating(key, prior):
        return _nature(told(key, prior), _Given(prior))


def drawn_at(key: str, prior: Prior, share: float, row: dict[str, float]) -> float:
    """Value of a conditional prior at a quantile.

    Raises
    ------
    PriorError
        If its condition function or ``rescale`` fails.
    """
    try:
        return _number(prior.rescale(share, **row))
    except Exception as error:  # of any kind, of a function of the user's
        raise PriorError(
            f"priors[{key!r}], a {type(prior).__name__}, cannot be drawn from at {row}: its condition function or rescale "
            f"raises {type(error).__name__}: {error}; mend it"
        ) from error


def _of_conditional(key: str, prior: Prior, shares: np.ndarray, required: Parameters) -> Nature:
    """The nature of a conditional prior, from several values of what it is conditional on."""
    rows = list(_rows(required, len(shares)))
    values = [drawn_at(key, prior, share, row) for share, row in zip(shares.tolist(), rows, strict=True)]
    x = np.array(values)
    if not _agree(lambda: prior.rescale(shares, **required), x):
        return Nature(
            "quantile",
            "its condition function takes numbers and no arrays, so that it is evaluated row by row",
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
        return Nature("quantile", "its cdf or density takes numbers and no arrays", has_density=False)
    return nature


def _examined(key: str, prior: Prior, rows: list[dict[str, float]]) -> Nature:
    """The nature of a conditional prior, none of whose sets of conditions may be worse than plain."""
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
    # Squares of what is drawn have to be numbers, too.
    if not np.all(np.abs(values) < _TOO_LARGE):
        raise PriorError(
            f"{said}: one draw in {1 / _FAR_OUT:.0e} reaches {np.max(np.abs(values)):.3g}; use a prior whose draws are numbers "
            "that can be reckoned with"
        )
    if not takes_arrays:
        return Nature(
            "quantile", "its rescale takes numbers and no arrays", has_density=_has_density(prior, values), by_rows=True
        )
    if values[1] == values[2] and values[0] == values[3]:
        raise PriorError(f"{said} has the same value at all its quantiles, {values[1]}: fix the parameter to it")
    ends = prior.rescale(np.array([_END, 1 - _END]))
    spacing = np.spacing(np.max(np.abs(ends)))
    cells = int(min(_CELLS, abs(np.ptp(ends)) / (_CELL * spacing)))
    if cells < _FEWEST_CELLS:
        steps = values[1] == values[2] or values[0] == values[1]
        return Nature("quantile", "several quantiles have the same value") if steps else Nature()
    quantiles = np.linspace(_END, 1 - _END, cells + 1)
    x = prior.rescale(quantiles)
    if np.any(np.diff(x) < 0):
        return Nature("quantile", "its rescale does not rise with the quantile", has_density=_has_density(prior, x))
    log_density = _log_density(prior, x)
    # A spike between two quantiles that are looked at is one all the same.
    if np.any(np.diff(x) == 0) or np.any(log_density == np.inf):
        return Nature("quantile", "several quantiles have the same value", has_density=_has_density(prior, x))
    return _held_against_draws(prior, quantiles, x, spacing)


def _held_against_draws(prior: _Given, quantiles: np.ndarray, x: np.ndarray, spacing: float) -> Nature:
    """The nature of a prior whose draws rise with the quantile, from its cdf and its density there."""
    width = np.diff(x)
    middle = 0.5 * (x[1:] + x[:-1])
    share = np.diff(quantiles)
    with np.errstate(all="ignore"):
        ratio = np.log(share / width) - _log_density(prior, middle)
        # A gap in the support, or a kink, spoils a cell.
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
    # Times are rounded by a good part of a cell: of many in a row the ends alone matter.
    # In the tails a cell is wide, and its middle does not stand for it.
    inner = (quantiles[:-1] >= _TAIL) & (quantiles[1:] <= 1 - _TAIL)
    sound = inner & (np.abs(ratio - central) < 0.5)
    if not sound.any():
        return Nature()
    scale = float(np.log(share[sound].sum() / np.sum((share * np.exp(-ratio))[sound])))
    # The middles of n cells are good for some n**-2.
    return Nature(log_scale=scale if abs(scale) > max(_SAME_DENSITY, 5 / len(share) ** 2) else 0.0)


def _log_density(prior: _Given, x: np.ndarray) -> np.ndarray:
    """Of a prior at values (N,), NaN where it has none."""
    with np.errstate(all="ignore"):
        try:
            found = prior.ln_prob(x)
        except _ERRORS:
            return np.full(x.shape, np.nan)
    return found if found.shape == x.shape else np.full(x.shape, np.nan)


def _has_density(prior: _Given, x: np.ndarray) -> bool:
    """Whether a prior gives probabilities of values."""
    few = np.asarray(x)[:: max(1, len(x) // 8)]
    found = np.array([number_or_nan(prior.ln_prob, value) for value in few.tolist()])
    return not bool(np.isnan(found).any())


def _rows(required: Parameters, size: int) -> Iterator[dict[str, float]]:
    """What a prior is conditional on, one row after the other."""
    columns = {
        name: np.broadcast_to(np.asarray(value, dtype=np.float64), (size,)).tolist() for name, value in required.items()
    }
    return ({name: column[i] for name, column in columns.items()} for i in range(size))


def _number(value: Any) -> float:
    return float(np.asarray(value, dtype=np.float64).reshape(()))


def number_or_nan(function: Any, value: float) -> float:
    """What a function gives for a number; NaN where it fails."""
    try:
        return _number(function(value))
    except Exception:  # of any kind, of a function of the user's: the caller judges
        return float("nan")


def _close(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(np.allclose(one, other, rtol=_SAME_VALUE, atol=0.0, equal_nan=True))


def _agree(evaluate: Any, one_by_one: np.ndarray) -> bool:
    """Whether what a function gives for arrays is what it gives one by one."""
    try:
        with np.errstate(all="ignore"):
            whole = np.asarray(evaluate(), dtype=np.float64)
    except Exception:  # of any kind, of a function of the user's: it is then called one by one
        return False
    return whole.shape == one_by_one.shape and _close(whole, one_by_one)


@contextmanager
def _evaluating(key: str, prior: Prior) -> Iterator[None]:
    """The errors of a prior that cannot be evaluated, those of its own ``repr`` too, as one that names it."""
    try:
        yield
    except PriorError:
        raise
    except _ERRORS as error:
        raise PriorError(
            f"{told(key, prior)} has no usable rescale, cdf and prob ({type(error).__name__}: {error}): mend it"
        ) from error
