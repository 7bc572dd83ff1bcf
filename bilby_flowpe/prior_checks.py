"""Whether a prior can be drawn from by its quantiles, and weighed by its density: before anything is made of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
from bilby.core.prior import JointPrior, Prior
from bilby.core.prior.slabspike import SlabSpikePrior
from bilby.core.utils import logger

from .errors import PriorError

_CELLS, _FEWEST_CELLS = 4000, 20
_FAR_OUT, _TOO_LARGE = 3e-7, 1e150
_DENSITY_TOLERANCE, _ANOTHER_DENSITY = 0.1, 1.6  # of the logarithm
_SAME_DENSITY = 1e-4  # what tabulated priors and the quadrature are good for


def require_limits(priors: Mapping[str, Prior]) -> None:
    """Refuse limits and fixed values that are no numbers: Bilby would look for draws between them for ever.

    Raises
    ------
    PriorError
        Naming the parameter.
    """
    for key, prior in priors.items():
        limits = [getattr(prior, name, None) for name in ("minimum", "maximum", "peak")]
        if any(isinstance(limit, float) and np.isnan(limit) for limit in limits):
            raise PriorError(f"priors[{key!r}]={prior!r} has a limit or value that is no number: give it one")


def conditions(prior: Prior) -> list[str]:
    """Parameters that a prior is conditional on."""
    return list(getattr(prior, "required_variables", []))


def checked_log_scale(key: str, prior: Prior) -> float:
    """Logarithm of the factor from a prior's density as Bilby gives it to the derivative of its cumulative distribution.

    Raises
    ------
    PriorError
        If the prior has no cumulative distribution that can be inverted, or no density that goes with it.
    """
    with _evaluating(key, prior):
        _check(key, prior)
        return _log_scale(key, prior)


def _check(key: str, prior: Prior) -> None:
    if isinstance(prior, JointPrior):
        raise PriorError(
            f"priors[{key!r}]={prior!r} is part of a joint prior, which has no one-dimensional cumulative distribution: "
            "use independent or conditional priors for the parameters of this distribution"
        )
    if conditions(prior):
        return
    values = np.asarray(prior.rescale(np.array([_FAR_OUT, 0.25, 0.75, 1 - _FAR_OUT])), dtype=np.float64)
    roundtrip = np.asarray(prior.cdf(values[1:3]), dtype=np.float64)
    if not (np.all(np.isfinite(values[1:3])) and np.allclose(roundtrip, [0.25, 0.75], atol=1e-3)):
        raise PriorError(
            f"priors[{key!r}]={prior!r}: cdf(rescale(u)) gives {roundtrip} for u = [0.25, 0.75]; "
            "use a proper, continuous prior"
        )
    # A spike between two quantiles that are looked at is one all the same.
    density = np.asarray(prior.ln_prob(np.asarray(prior.rescale(np.linspace(0.001, 0.999, 999)))), dtype=np.float64)
    if isinstance(prior, SlabSpikePrior) or np.any(density == np.inf):
        raise PriorError(
            f"priors[{key!r}]={prior!r} has infinite density somewhere: a value of finite probability has no place in a "
            "network's coordinates; use a narrow prior in its place, or two runs, with the value fixed and without"
        )
    # Squares of what is drawn have to be numbers, too.
    if not np.all(np.abs(values) < _TOO_LARGE):
        raise PriorError(
            f"priors[{key!r}]={prior!r}: one draw in {1 / _FAR_OUT:.0e} reaches {np.max(np.abs(values)):.3g}; use a prior "
            "whose draws are numbers that can be reckoned with"
        )
    if np.isnan(np.asarray(prior.ln_prob(values[1:3]), dtype=np.float64)).any():
        raise PriorError(f"priors[{key!r}]={prior!r}: its density (ln_prob) is no number at {values[1:3]}: mend it")


def _log_scale(key: str, prior: Prior) -> float:
    if conditions(prior):
        return 0.0
    ends = np.asarray(prior.rescale(np.array([0.02, 0.98])), dtype=np.float64)
    # GPS times have seven decimals: a cell must be many of them wide.
    cells = min(_CELLS, int(abs(np.ptp(ends)) / (100 * np.spacing(np.max(np.abs(ends))))))
    if cells < _FEWEST_CELLS:
        return 0.0
    quantiles = np.linspace(0.02, 0.98, cells + 1)
    values = np.asarray(prior.rescale(quantiles), dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        density = np.asarray(prior.prob(0.5 * (values[1:] + values[:-1])), dtype=np.float64)
        mass = density * np.diff(values)
        ratio = np.log(np.diff(quantiles) / mass)
    # A gap in the support, or a kink, spoils a cell.
    low, middle, high = np.quantile(np.where(np.isnan(ratio), np.inf, ratio), [0.05, 0.5, 0.95])
    said = (
        f"priors[{key!r}]={prior!r}: its density (prob) is {np.exp(-high):.3g} to {np.exp(-low):.3g} times the slope of its "
        "cumulative distribution (cdf, rescale)"
    )
    if not high - low < _ANOTHER_DENSITY:
        raise PriorError(f"{said}: give a prior in which they agree, a table with more points")
    if high - low > _DENSITY_TOLERANCE:
        logger.warning(
            f"{said}: samplers that go by the one and by the other differ; a table with more points mends that"
        )
        return 0.0
    # Times are rounded by a good part of a cell: of many in a row the ends alone matter.
    sound = np.abs(ratio - middle) < 0.5
    scale = float(np.log(np.diff(quantiles)[sound].sum() / mass[sound].sum()))
    return scale if abs(scale) > _SAME_DENSITY else 0.0


@contextmanager
def _evaluating(key: str, prior: Prior) -> Iterator[None]:
    """The errors of a prior that cannot be evaluated, those of its own ``repr`` too, as one that names it."""
    try:
        yield
    except PriorError:
        raise
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        try:
            said = repr(prior)
        except Exception:  # of any kind: an argument may be what it cannot divide by
            said = type(prior).__name__
        raise PriorError(
            f"priors[{key!r}]={said} has no usable rescale, cdf and prob ({type(error).__name__}: {error}): mend it"
        ) from error
