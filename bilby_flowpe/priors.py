r"""Bilby priors as a map between parameters and an unconstrained vector.

Networks work in :math:`v = \Phi^{-1}(u)` with :math:`u = F(x)` the prior's cumulative distribution: a sharp prior edge becomes
a Gaussian tail, the prior becomes a standard normal, and a draw can never leave the prior's support.

Constraints are part of the prior. Two masses of the same prior with ``mass_ratio`` below one are an ordered pair, for which
a coordinate exists that satisfies the constraint: with ``F`` the common cumulative distribution, :math:`F(m_1)^2` and
:math:`F(m_2)/F(m_1)` are independent and uniform. Any other constraint gives zero probability outside, and the prior is
normalised over the allowed region, as in effect by Bilby's nested samplers.
"""

from __future__ import annotations

import copy
import functools
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from bilby.core.prior import Constraint, DeltaFunction, Prior, PriorDict
from bilby.core.utils import logger
from scipy.special import ndtr, ndtri

from .errors import PriorError
from .names import DISTANCE
from .prior_draws import ByDraws
from .prior_natures import conditions, natures, told
from .redshifts import Redshifts

Parameters = dict[str, np.ndarray]
"""Columns of parameter values, one array of shape (N,) for each key."""

# Draws of the prior that measure which fraction the constraints leave: an error of 0.2% at one half, 5% at a
# thousandth.
_NORMALISATION_DRAWS = 400_000
# For slow constraints: number of draws that are timed, the seconds for these above which fewer draws are used, and how many.
_TRIED, _SLOW, _FEW_NORMALISATION_DRAWS = 64, 0.03, 10_000
# Distance of a quantile from 0 and 1 within which it is clipped: closer ones have no digits left in a double near 1.
_UNIT_EDGE = 1e-15
# Standard-normal coordinates beyond which rescale and cdf cannot distinguish values, and beyond which they hardly can.
_EDGE, _OUTERMOST = float(-ndtri(_UNIT_EDGE)) - 1e-6, 7.5


def copied(priors: PriorDict) -> PriorDict:
    """Return a copy that converts as the original does: Bilby's own copy uses the conversion function of the class."""
    copy_of = priors.copy()
    if getattr(priors.conversion_function, "__self__", None) is not priors:
        copy_of.conversion_function = priors.conversion_function
    return copy_of


def in_order(priors: PriorDict, keys: Sequence[str]) -> list[str]:
    """Return the search parameters, each after those on which its prior is conditional."""
    left, order = list(keys), []
    while left:
        ready = [key for key in left if not {*conditions(priors[key])} & {*left}]
        # Priors that are conditional on each other have no order.
        order += ready or left
        left = [key for key in left if key not in order]
    return order


def search_keys(priors: PriorDict) -> tuple[str, ...]:
    """Return the parameters that are neither fixed nor constraints."""
    return tuple(
        key
        for key, prior in priors.items()
        if isinstance(prior, Prior) and not prior.is_fixed and not isinstance(prior, Constraint)
    )


def prior_dict(priors: object) -> PriorDict:
    """Return Bilby's table of priors, which is made of a plain table as ``run_sampler`` makes it.

    Raises
    ------
    PriorError
        If it is no table of priors.
    """
    if isinstance(priors, PriorDict):
        return priors
    if not isinstance(priors, dict):
        raise PriorError(
            f"priors={priors!r}: give Bilby's PriorDict, which PriorDict(filename=...) reads from a prior file"
        )
    return PriorDict(priors)


class PriorTransform:
    """Map between a :class:`bilby.core.prior.PriorDict` and standard-normal coordinates.

    Parameters
    ----------
    priors
        Bilby priors, which are never changed.

    Attributes
    ----------
    given : bilby.core.prior.PriorDict
        A copy of the priors.
    priors : bilby.core.prior.PriorDict
        Priors from which values are drawn: the same, except for those in ``by_draws``.
    keys : tuple of str
        Search parameters, in the order of the coordinates.
    fixed : dict
        Values of the fixed parameters.
    ordered_pair : tuple of str or None
        Larger and smaller member of a pair that a coordinate keeps in order.
    log_normalisation : float
        Number to add to the sum of one-dimensional log priors to normalise the joint prior.
    log_normalisation_err : float
        Standard error of that, if the volume of constraints is counted by Monte Carlo.
    log_scale : dict
        Number to add to each one-dimensional log prior to normalise it. Bilby's ``prob`` of some narrowed priors (sine,
        cosine) is not the derivative of their ``cdf``, which nested samplers use.
    by_draws : dict
        Parameters whose priors are replaced by the distribution of their draws (:mod:`.prior_draws`), and the reasons, in
        words.

    Raises
    ------
    PriorError
        For priors that have no one-dimensional cumulative distribution, an improper range, or nothing to sample; for those
        whose quantile has to be sampled (:mod:`.prior_natures`).
    """

    def __init__(self, priors: PriorDict) -> None:
        self.priors = copy.deepcopy(priors)
        self.keys = search_keys(priors)
        self.fixed = {key: float(prior.peak) for key, prior in priors.items() if isinstance(prior, DeltaFunction)}
        self.constraints = tuple(key for key, prior in priors.items() if isinstance(prior, Constraint))
        if not self.keys:
            raise PriorError(
                f"priors={list(priors)}: every parameter is fixed: give at least one parameter a prior to sample"
            )
        self._order = in_order(priors, self.keys)
        found = natures(self.priors, self._order, self.fixed)
        for key in self.keys:
            if found[key].how == "quantile":
                raise PriorError(
                    f"{told(key, priors[key])}: {found[key].reason}; use run_sampler without a network, which is the only "
                    "way to sample such a prior"
                )
        self.log_scale = {key: found[key].log_scale for key in self.keys}
        self.by_draws = {key: found[key].reason for key in self.keys if found[key].how == "draws"}
        self.given = copied(self.priors) if self.by_draws else self.priors
        for key in self.by_draws:
            self.priors[key] = ByDraws(self.priors[key], found[key].has_density)
        self.ordered_pair: tuple[str, str] | None = None
        self.ordered_pair = self._find_ordered_pair()
        self._accepted, counted = self._accepted_fraction()
        self.log_normalisation_err = float(np.sqrt((1 / self._accepted - 1) / counted))
        self.log_normalisation = float((np.log(2.0) if self.ordered_pair else 0.0) - np.log(self._accepted))

    @property
    def ndim(self) -> int:
        """Number of search parameters."""
        return len(self.keys)

    def from_unconstrained(self, v: np.ndarray) -> Parameters:
        """Return the parameters at standard-normal coordinates ``v`` of shape (N, ndim)."""
        u = np.clip(ndtr(np.asarray(v, dtype=np.float64)), _UNIT_EDGE, 1 - _UNIT_EDGE).T.copy()
        if self.ordered_pair:
            larger, smaller = (self.keys.index(key) for key in self.ordered_pair)
            u[larger] = np.sqrt(u[larger])
            u[smaller] *= u[larger]
        # PriorDict.rescale fails for arrays in conditional dictionaries, and so in all of Bilby's CBC ones.
        sample: Parameters = {}
        for key in self._order:
            required = self._required(key, sample)
            sample[key] = np.asarray(self.priors[key].rescale(u[self.keys.index(key)], **required), dtype=np.float64)
        return {key: sample[key] for key in self.keys}

    def to_unconstrained(self, parameters: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the coordinates (N, ndim) of ``parameters``: the inverse of :meth:`from_unconstrained`."""
        sample = {key: np.asarray(parameters[key], dtype=np.float64) for key in self.keys}
        cdf = [self.priors[key].cdf(sample[key], **self._required(key, sample)) for key in self.keys]
        u = np.stack([np.asarray(column, dtype=np.float64) for column in cdf])
        if self.ordered_pair:
            larger, smaller = (self.keys.index(key) for key in self.ordered_pair)
            u[smaller] = u[smaller] / np.maximum(u[larger], _UNIT_EDGE)
            u[larger] = u[larger] ** 2
        return ndtri(np.clip(u, _UNIT_EDGE, 1 - _UNIT_EDGE)).T

    def sample(self, size: int, rng: np.random.Generator) -> Parameters:
        """Return ``size`` draws from the constrained prior; Bilby's global generator is not used."""
        pieces: list[Parameters] = []
        missing = size
        while missing > 0:
            draws = self.from_unconstrained(rng.standard_normal((int(1.1 * missing / self._accepted) + 8, self.ndim)))
            keep = self.satisfies(draws)
            pieces.append({key: value[keep][:missing] for key, value in draws.items()})
            missing -= min(missing, int(keep.sum()))
        return {key: np.concatenate([piece[key] for piece in pieces]) for key in self.keys}

    def from_median(self) -> dict[str, float]:
        """Return the parameters at the middle of every coordinate."""
        return {key: float(value[0]) for key, value in self.from_unconstrained(np.zeros((1, self.ndim))).items()}

    def satisfies(self, parameters: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return which rows (N,) satisfy every constraint."""
        size = len(next(iter(parameters.values())))
        if not self.constraints:
            return np.ones(size, dtype=bool)
        probability = self.priors.evaluate_constraints(self._to_convert({key: parameters[key] for key in self.keys}))
        return np.broadcast_to(np.asarray(probability) > 0, (size,))

    def log_prob(self, parameters: Mapping[str, np.ndarray], keys: Sequence[str] | None = None) -> np.ndarray:
        """Return the normalised log prior density (N,) of the search parameters; -inf outside the support.

        The fraction of the volume that constraints leave is included, so that the evidence is that of a normalised prior.

        Parameters
        ----------
        parameters
            All search parameters, (N,) each.
        keys
            Parameters whose density is computed, by default all; the others must be independent of them.
        """
        sample = {key: np.asarray(parameters[key], dtype=np.float64) for key in self.keys}
        # Bilby's own joint density counts the constraints again by Monte Carlo, so the factors are summed here.
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = [
                self.priors[key].ln_prob(sample[key], **self._required(key, sample)) + self.log_scale[key]
                for key in (self.keys if keys is None else keys)
            ]
            log_prob: np.ndarray = np.sum(terms, axis=0)
        if keys is not None and not self._tied & set(keys):
            return log_prob
        return np.where(self.satisfies(sample), log_prob + self.log_normalisation, -np.inf)

    def log_jacobian(self, parameters: Mapping[str, np.ndarray], v: np.ndarray, keys: Sequence[str]) -> np.ndarray:
        """Return ``log |dv/dx|`` (N,) of the coordinates of ``keys``: prior density over standard-normal density.

        Members of an ordered pair go together. Other constraints do not enter. It is -inf beyond the last quantile that a
        cumulative distribution can distinguish from the end, where the coordinates are not one to one.
        """
        sample = {key: np.asarray(parameters[key], dtype=np.float64) for key in self.keys}
        total = np.zeros(len(v))
        for key in keys:
            column = v[:, self.keys.index(key)]
            with np.errstate(divide="ignore"):
                total += self.priors[key].ln_prob(sample[key], **self._required(key, sample)) + self.log_scale[key]
            total += np.where(within_quantiles(column), 0.5 * column**2 + 0.5 * np.log(2 * np.pi), -np.inf)
        if self.ordered_pair and self.ordered_pair[0] in keys:
            total += np.log(2.0)
        return total

    def outermost(self, parameters: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return which rows (N,) lie in the outermost 3e-14 of the prior of each parameter, which quantiles hardly reach."""
        beyond = np.abs(self.to_unconstrained(parameters)) > _OUTERMOST
        return {key: beyond[:, index] for index, key in enumerate(self.keys)}

    def moments(self, rng: np.random.Generator, size: int = 200_000) -> dict[str, tuple[float, float]]:
        """Return prior mean and standard deviation of each search parameter, by sampling."""
        draws = self.sample(size, rng)
        return {key: (float(np.mean(value)), float(np.std(value))) for key, value in draws.items()}

    @functools.cached_property
    def _redshifts(self) -> Redshifts | None:
        """Redshifts for Bilby's conversions of source-frame masses, which compute them slowly if they are not given."""
        named = {*self.keys, *self.fixed, *self.constraints}
        conversion = getattr(self.priors, "conversion_function", None)
        bilbys = str(getattr(conversion, "__module__", "")).startswith("bilby.")
        wanted = bilbys and DISTANCE in self.keys and any(key.endswith("_source") for key in self.keys)
        if not wanted or "redshift" in named:
            return None
        low, high = (float(getattr(self.priors[DISTANCE], end)) for end in ("minimum", "maximum"))
        return Redshifts(low, high) if 0 <= low < high < np.inf else None

    def _to_convert(self, parameters: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return a copy for the priors' conversion function, which may change it, with the redshift if that saves time."""
        if self._redshifts is None:
            return dict(parameters)
        return {**parameters, "redshift": self._redshifts(np.asarray(parameters[DISTANCE], dtype=np.float64))}

    @functools.cached_property
    def _tied(self) -> set[str]:
        """Search parameters that constraints or conditions connect with others."""
        return set(self.keys) - set(self.independent_keys())

    def independent_keys(self) -> tuple[str, ...]:
        """Return the search parameters that no constraint and no condition connects with another one.

        Constraints are arbitrary functions: whether one depends on a parameter is found by changing that parameter alone.
        """
        tied: set[str] = set(self.ordered_pair or ())
        for key in self.keys:
            if required := conditions(self.priors[key]):
                tied |= {key, *required}
        tied |= self._constrained()
        return tuple(key for key in self.keys if key not in tied)

    def _constrained(self) -> set[str]:
        """Return the search parameters on which constraints depend."""
        found: set[str] = set()
        if self.constraints:
            rng = np.random.default_rng(0)
            draws, others = self.sample(64, rng), self.sample(64, rng)
            reference = self.priors.conversion_function(self._to_convert(draws))
            for key in self.keys:
                moved = self.priors.conversion_function(self._to_convert({**draws, key: others[key]}))
                if any(not np.array_equal(moved[name], reference[name]) for name in self.constraints if name in moved):
                    found.add(key)
        return found

    def tied_to_others(self, keys: Collection[str]) -> list[str]:
        """Return which of some search parameters a constraint or a condition connects with any that is not among them."""
        of_others = {name for key in self.keys if key not in keys for name in conditions(self.priors[key])}
        on_others = {key for key in keys if {*conditions(self.priors[key])} - {*keys, *self.fixed}}
        tied = {key for key in keys if key in of_others or key in on_others}
        constrained = self._constrained() | {*(self.ordered_pair or ())}
        return sorted(tied | (constrained & {*keys}))

    def _required(self, key: str, sample: Mapping[str, np.ndarray]) -> dict[str, np.ndarray | float]:
        """Return the values of the parameters on which the prior of ``key`` is conditional."""
        return {name: sample[name] if name in sample else self.fixed[name] for name in conditions(self.priors[key])}

    def _find_ordered_pair(self) -> tuple[str, str] | None:
        pair = ("mass_1", "mass_2")
        ratio = self.priors.get("mass_ratio")
        if not isinstance(ratio, Constraint) or ratio.maximum != 1 or any(key not in self.keys for key in pair):
            return None
        first, second = (self.priors[key] for key in pair)
        if type(first) is not type(second) or conditions(first) or not _same_distribution(first, second):
            return None
        # If the conversion function computes no ratio, Bilby does not constrain the pair.
        draws = self.from_unconstrained(np.random.default_rng(0).standard_normal((256, self.ndim)))
        disordered = draws[pair[0]] < draws[pair[1]]
        return None if np.any(self.satisfies(draws) & disordered) else pair

    def _accepted_fraction(self) -> tuple[float, int]:
        """Return the fraction of the coordinates' volume that constraints leave, and the number of draws that were counted."""
        if not self.constraints:
            return 1.0, _NORMALISATION_DRAWS
        rng = np.random.default_rng(20200218)
        v, size = rng.standard_normal((_NORMALISATION_DRAWS, self.ndim)), _NORMALISATION_DRAWS
        began = time.process_time()
        self.satisfies(self.from_unconstrained(v[:_TRIED]))
        if (seconds := time.process_time() - began) > _SLOW:
            # Bilby's redshift of a distance, for example, takes 2 ms: the error is larger then, and part of the evidence's.
            size = _FEW_NORMALISATION_DRAWS
            logger.info(
                f"The constraints take {seconds / _TRIED:.1g} s per draw: only {size} draws normalise the prior"
            )
        fraction = float(np.mean(self.satisfies(self.from_unconstrained(v[:size]))))
        if fraction < 1e-4:
            raise PriorError(
                f"constraints {list(self.constraints)} leave a fraction of {fraction:.1e} of the prior's volume: "
                "narrow the priors of the search parameters to the region that satisfies them"
            )
        return fraction, size


def within_quantiles(v: np.ndarray) -> np.ndarray:
    """Return where standard-normal coordinates are within the range that the quantiles of a prior can distinguish."""
    return np.abs(v) < _EDGE


def told_apart(prior: Prior, values: np.ndarray) -> np.ndarray:
    """Return which values (N,) of an unconditional prior are within the range that its quantiles can distinguish."""
    u = np.asarray(prior.cdf(values), dtype=np.float64)
    return within_quantiles(ndtri(np.clip(u, _UNIT_EDGE, 1 - _UNIT_EDGE)))


def _distribution(prior: Prior) -> dict[str, Any]:
    """Return the arguments that determine the distribution of a prior: all except its labels."""
    arguments = prior.get_instantiation_dict()
    return {key: value for key, value in arguments.items() if key not in ("name", "latex_label", "unit", "boundary")}


def _same_distribution(first: Prior, second: Prior) -> bool:
    """Return whether all arguments of two priors agree; arrays (tabulated priors) are compared element by element."""
    one, other = _distribution(first), _distribution(second)
    return one.keys() == other.keys() and all(np.array_equal(one[key], other[key]) for key in one)
