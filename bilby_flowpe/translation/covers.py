r"""Joint priors: drawn from independent priors that cover them, and weighted back.

A joint prior (:class:`bilby.core.prior.JointPrior`) has a density, but no coordinates of one parameter each, which
networks and refinement need. It is replaced by independent priors that are wider than its marginals. Every draw is
weighted by the density of the joint prior over theirs, and the evidence is that of the joint prior.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from inspect import getattr_static
from itertools import combinations
from typing import Any

import numpy as np
from bilby.core.prior import Gaussian, JointPrior, MultivariateGaussianDist, Prior, PriorDict, TruncatedGaussian
from bilby.core.prior.joint import BaseJointPriorDist
from bilby.core.utils import logger, random
from bilby.gw.prior import HealPixMapPriorDist
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from ..errors import PriorError
from ..priors import Parameters, PriorTransform, copied, search_keys
from .quantiles import quantiles_of
from .sky_maps import SkyMap

_COVERED = 5000
"""Draws of a joint prior from which mean and width of its cover are estimated, and with which its density is
compared."""

_DRAWS = 50_000
"""Draws of the cover by which the joint density is normalised: its integral is known to about 1% even if only 1 in 5
counts."""

_WIDER = 2.0  # factor on each standard deviation of the cover: the ratio of the densities then falls off in the tails
_LEAST_EFFECTIVE = 1000.0
"""Effective draws of the cover below which it counts as too poor: with 1000, the normalisation is known to 3%."""

_SIGMAS = 5.0
"""Standard errors by which an integral may differ from one by chance: about one correct density in two million is
further off."""

# allowed Kolmogorov-Smirnov distance, over that expected by chance: a probability of 3e-8 for each comparison
_FARTHEST = 3.0
_LEAST_WITHIN = 1e-3
"""Least probability of a Gaussian within the bounds: with less, a draw inside would take more than 1000 trials."""

_SEED = 20200218  # Seed of all draws here; any number, so that the normalisation is the same in every run.
_ROUNDING = 1e-9  # relative rounding of the bounds of a sky map, in radians


class Covers:
    """The joint priors of a dictionary, and independent priors that replace them.

    Parameters
    ----------
    priors
        Priors with joint priors among them.

    Attributes
    ----------
    priors : PriorDict
        One prior for every parameter of a joint prior; for a sky map (:mod:`.sky_maps`), right ascension depends on
        declination.
    log_normalisation_err : float
        Standard error of the logarithm of the normalisation of densities that are not Gaussian, which is found by Monte
        Carlo.

    Raises
    ------
    PriorError
        If parameters of a joint prior are missing, or independent priors do not cover it because its density is too
        complicated.
    """

    def __init__(self, priors: PriorDict) -> None:
        self._dists: list[BaseJointPriorDist] = []
        for key, prior in priors.items():
            # After reading from a file or copying, each member of a joint prior has its own, equal distribution object.
            if isinstance(prior, JointPrior) and not any(_same(prior.dist, dist) for dist in self._dists):
                if missing := [name for name in prior.dist.names if not _is_of(priors.get(name), prior.dist)]:
                    raise PriorError(
                        f"priors[{key!r}] is part of a joint prior of {prior.dist.names}, but {missing} are not part of it: "
                        "add their priors from the same joint prior"
                    )
                self._dists.append(prior.dist)
        self._maps = [SkyMap(dist) if isinstance(dist, HealPixMapPriorDist) else None for dist in self._dists]
        with _own_numbers():
            samples = [None if sky else _sample(dist) for dist, sky in zip(self._dists, self._maps, strict=True)]
        self.priors = PriorDict()
        for dist, sample, sky in zip(self._dists, samples, self._maps, strict=True):
            self.priors.update(sky.priors if sky else _cover(dist, sample or {}))
        draws = PriorTransform(self.priors).sample(_DRAWS, np.random.default_rng(_SEED))
        scales = [
            _log_scale(dist, sample, draws, self._of_one(dist, sky, draws))
            for dist, sample, sky in zip(self._dists, samples, self._maps, strict=True)
        ]
        self._scales = [scale for scale, _ in scales]
        self.log_normalisation_err = float(np.linalg.norm([error for _, error in scales]))

    def replaced(self, priors: PriorDict) -> PriorDict:
        """Return a copy of ``priors`` with independent priors in place of the joint ones."""
        plain = copied(priors)
        # One by one: a dictionary of conditional priors updates their order for each item that is set, but not in
        # update().
        for key, prior in self.priors.items():
            plain[key] = prior
        return plain

    def back(self, parameters: Parameters) -> Parameters:
        """Return the parameters unchanged, because only the prior differs."""
        return parameters

    def log_ratio(self, plain: Parameters, asked: Parameters | None = None) -> np.ndarray:
        """Return the log density (N,) of the joint priors over that of the independent ones; ``asked`` is not used."""
        each = zip(self._dists, self._maps, self._scales, strict=True)
        terms = (self._of_one(dist, sky, plain) + scale for dist, sky, scale in each)
        return sum(terms, start=np.zeros(1))

    def _of_one(self, dist: BaseJointPriorDist, sky: SkyMap | None, parameters: Parameters) -> np.ndarray:
        rows = np.stack([np.asarray(parameters[key], dtype=np.float64) for key in dist.names], axis=-1)
        # Bilby's own check of the bounds stops at the first parameter with a row outside of them.
        low, high = np.array([dist.bounds[key] for key in dist.names], dtype=np.float64).T
        inside = np.all((rows >= low) & (rows <= high), axis=1)
        log_ratio = np.full(len(rows), -np.inf)
        if sky:
            log_ratio[inside] = sky.log_density(rows[inside]) - sky.log_cover(rows[inside])
            return log_ratio
        of_cover = sum(self.priors[key].ln_prob(rows[inside, i]) for i, key in enumerate(dist.names))
        log_ratio[inside] = _log_density(dist, rows[inside]) - of_cover
        return log_ratio


class AnyPrior:
    """The density of priors, with or without joint priors.

    Parameters
    ----------
    priors
        Bilby priors.

    Attributes
    ----------
    keys : tuple of str
        Sampled parameters.
    fixed : dict
        Values of the fixed parameters.
    log_normalisation_err : float
        Standard error, in the logarithm, of the share of the prior that constraints leave and of the normalisation of
        joint densities.

    Raises
    ------
    PriorError
        As in :class:`Covers` and :class:`.PriorTransform`.
    """

    def __init__(self, priors: PriorDict) -> None:
        self._covers = Covers(priors) if has_joint(priors) else None
        plain = self._covers.replaced(priors) if self._covers else priors
        self._quantiles = quantiles_of(plain)
        self._transform = PriorTransform(self._quantiles.replaced(plain) if self._quantiles else plain)
        self.keys = search_keys(priors)
        self.fixed = self._transform.fixed
        self.log_normalisation_err = float(
            np.hypot(self._transform.log_normalisation_err, self._covers.log_normalisation_err if self._covers else 0.0)
        )

    def log_prob(self, parameters: Parameters) -> np.ndarray:
        """Return the normalised log density (N,) of the sampled parameters.

        Raises
        ------
        PriorError
            If a prior has no density that agrees with its draws.
        """
        self._require_densities()
        log_prob = self._transform.log_prob(parameters)
        return log_prob + self._covers.log_ratio(parameters) if self._covers else log_prob

    def share_beyond(self, other: AnyPrior, size: int, rng: np.random.Generator) -> float:
        """Return the share of this prior, estimated by ``size`` draws, in which ``other`` has no density."""
        self._require_densities()
        draws = self._transform.sample(size, rng)
        weights = np.exp(self._covers.log_ratio(draws)) if self._covers else np.ones(size)
        beyond = np.isneginf(other.log_prob(draws))
        return float(weights[beyond].sum() / weights.sum())

    def _require_densities(self) -> None:
        if self._quantiles:
            said = "; ".join(f"priors[{key!r}]: {reason}" for key, reason in self._quantiles.reasons.items())
            raise PriorError(
                f"{said}: such a prior has no density to reweight by; change the likelihood only, or run the sampler with "
                "the new priors"
            )


def has_joint(priors: PriorDict) -> bool:
    """Return whether any prior is a joint prior."""
    return any(isinstance(prior, JointPrior) for prior in priors.values())


def _same(one: BaseJointPriorDist, other: BaseJointPriorDist) -> bool:
    return one is other or (type(one) is type(other) and list(one.names) == list(other.names) and bool(one == other))


def _is_of(prior: Prior | None, dist: BaseJointPriorDist) -> bool:
    return isinstance(prior, JointPrior) and _same(prior.dist, dist)


def _is_gaussian(dist: BaseJointPriorDist) -> bool:
    """Return whether a distribution is Bilby's own Gaussian: a subclass may have another density."""
    return isinstance(dist, MultivariateGaussianDist) and all(
        getattr_static(type(dist), name) is getattr_static(MultivariateGaussianDist, name)
        for name in ("ln_prob", "prob", "rescale", "sample", "_ln_prob", "_rescale", "_sample")
    )


def _is_whole_sky(dist: HealPixMapPriorDist) -> bool:
    """Return whether the bounds include a whole sky map; one with distances is always cut off somewhere."""
    (left, right), (low, high) = (dist.bounds[key] for key in dist.names[:2])
    return not dist.distance and right - left >= 2 * np.pi - _ROUNDING and high - low >= np.pi - _ROUNDING


def _log_density(dist: BaseJointPriorDist, rows: np.ndarray) -> np.ndarray:
    """Return the log density (N,) of rows (N, K) within the bounds."""
    if not len(rows):
        return np.zeros(0)
    if not _is_gaussian(dist):
        return np.atleast_1d(dist.ln_prob(rows))
    # Bilby's own density ignores the weights of the modes, unlike its draws, and the bounds, and takes one row at a
    # time.
    shares = np.log(np.asarray(dist.weights, dtype=np.float64) / np.sum(dist.weights)) - np.log(_within(dist))
    modes = [normal.logpdf((rows - mu) / widths) - np.sum(np.log(widths)) for mu, widths, normal in _normals(dist)]
    terms = [share + np.atleast_1d(mode) for share, mode in zip(shares, modes, strict=True)]
    return logsumexp(terms, axis=0)


def _normals(dist: MultivariateGaussianDist) -> list[tuple[np.ndarray, np.ndarray, Any]]:
    """Mean, widths and correlated unit normal of each mode.

    SciPy takes an eigenvalue below 2e-10 of the largest for zero, as those of Mpc and milliseconds are in one covariance.
    """
    normals = []
    for mu, cov in zip(np.asarray(dist.mus, dtype=np.float64), np.asarray(dist.covs, dtype=np.float64), strict=True):
        widths = np.sqrt(np.diag(cov))
        normals.append((mu, widths, multivariate_normal(cov=cov / np.outer(widths, widths), seed=_SEED)))
    return normals


def _within(dist: MultivariateGaussianDist) -> np.ndarray:
    """Return the probability of each mode within the bounds.

    Bilby first chooses a mode, and then draws from it until a draw is inside.
    """
    low, high = np.array([dist.bounds[key] for key in dist.names], dtype=np.float64).T
    if np.all(np.isinf(low)) and np.all(np.isinf(high)):
        return np.ones(len(dist.mus))
    within = [
        normal.cdf((high - mu) / widths, lower_limit=(low - mu) / widths) for mu, widths, normal in _normals(dist)
    ]
    if not min(within) > _LEAST_WITHIN:
        raise PriorError(
            f"the joint prior of {dist.names}: only {min(within):.2g} of one of its Gaussians lies within the bounds "
            f"{dist.bounds}: widen the bounds, or leave that Gaussian out"
        )
    return np.asarray(within)


def _sample(dist: BaseJointPriorDist) -> Parameters:
    if _is_gaussian(dist):
        # If little of a mode is within the bounds, Bilby's draws, one at a time, would take forever.
        return _sample_gaussian(dist)
    # Not with rescale, which takes all of many rows from one mode.
    dist.sample(size=_COVERED)
    sample = {key: np.asarray(dist.current_sample[key], dtype=np.float64) for key in dist.names}
    dist.reset_sampled()
    return sample


def _sample_gaussian(dist: MultivariateGaussianDist) -> Parameters:
    """Draw as Bilby does: choose a mode by its weight, and draw from it until a draw is within the bounds."""
    within, rng = _within(dist), np.random.default_rng(_SEED)
    low, high = np.array([dist.bounds[key] for key in dist.names], dtype=np.float64).T
    shares = np.asarray(dist.weights, dtype=np.float64) / np.sum(dist.weights)
    pieces = []
    sizes = rng.multinomial(_COVERED, shares)
    for (mu, widths, normal), size, share in zip(_normals(dist), sizes, within, strict=True):
        missing = int(size)
        while missing > 0:
            draws = mu + widths * rng.multivariate_normal(
                np.zeros(len(mu)), normal.cov, size=int(1.2 * missing / share) + 8
            )
            inside = draws[np.all((draws >= low) & (draws <= high), axis=1)][:missing]
            pieces.append(inside)
            missing -= len(inside)
    return dict(zip(dist.names, np.concatenate(pieces).T, strict=True))


def _cover(dist: BaseJointPriorDist, sample: Parameters) -> dict[str, Gaussian | TruncatedGaussian]:
    covers = {}
    for key, column in sample.items():
        low, high = (float(edge) for edge in dist.bounds[key])
        if not np.all(np.isfinite(column)) or not np.ptp(column) > 0:
            raise PriorError(
                f"the joint prior of {dist.names} does not give finite, differing draws of {key!r}: correct its sample()"
            )
        mu, sigma = float(np.mean(column)), _WIDER * float(np.std(column))
        if np.isfinite([low, high]).all():
            covers[key] = TruncatedGaussian(mu, sigma, low, high, name=key)
        else:
            covers[key] = Gaussian(mu, sigma, name=key)
    return covers


def _log_scale(
    dist: BaseJointPriorDist, sample: Parameters | None, draws: Parameters, log_ratio: np.ndarray
) -> tuple[float, float]:
    """Return the log of the normalisation of a joint density, and its error, from its ratio to a cover's density."""
    ratio = np.exp(log_ratio)
    mean, error = float(np.mean(ratio)), float(np.std(ratio) / np.sqrt(len(ratio)))
    effective = np.sum(ratio) ** 2 / np.sum(ratio**2) if mean > 0 else 0.0
    if not effective >= _LEAST_EFFECTIVE:
        raise PriorError(
            f"the joint prior of {dist.names} cannot be covered by independent ones (of {len(ratio)} draws, {effective:.0f} "
            "are effective): use independent or conditional priors for these parameters"
        )
    weights = ratio / np.sum(ratio)
    allowed = _FARTHEST * np.sqrt(1 / _COVERED + 1 / effective)
    # Not for sky maps: Bilby's draws of them are smeared, and their density is computed here.
    for name, column, other in _projections(sample, draws) if sample else ():
        if not (distance := _distance(column, other, weights)) <= allowed:
            raise PriorError(
                f"the joint prior of {dist.names}: its density and its draws have different distributions of {name}: the "
                f"Kolmogorov-Smirnov distance is {distance:.3g}, and chance allows {allowed:.3g}; correct one of the two"
            )
    normal = abs(mean - 1) <= _SIGMAS * error
    whole = isinstance(dist, HealPixMapPriorDist) and _is_whole_sky(dist)
    if normal and (whole or _is_gaussian(dist)):
        return 0.0, 0.0
    if not normal and not isinstance(dist, HealPixMapPriorDist):
        logger.warning(
            f"The density of the joint prior of {dist.names} integrates to {mean:.4g} +- {error:.2g}, not to one: it is "
            "normalised"
        )
    return -float(np.log(mean)), error / mean


def _projections(sample: Parameters, draws: Parameters) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield every parameter, and sums and differences of all pairs, which are sensitive to correlations."""
    for key in sample:
        yield repr(key), sample[key], draws[key]
    for one, other in combinations(sample, 2):
        scales = np.std(sample[one]), np.std(sample[other])
        for sign, word in ((1, "sum"), (-1, "difference")):
            yield (
                f"the scaled {word} of {one!r} and {other!r}",
                *(these[one] / scales[0] + sign * these[other] / scales[1] for these in (sample, draws)),
            )


def _distance(sample: np.ndarray, draws: np.ndarray, weights: np.ndarray) -> float:
    """Return the largest distance between the distribution of a sample and that of weighted draws."""
    order = np.argsort(draws)
    cumulative = np.cumsum(weights[order])
    column = np.sort(sample)
    at = np.concatenate([[0.0], cumulative])[np.searchsorted(draws[order], column, side="right")]
    steps = np.arange(len(column) + 1) / len(column)
    return float(max(np.max(np.abs(at - steps[1:])), np.max(np.abs(at - steps[:-1]))))


@contextmanager
def _own_numbers() -> Iterator[None]:
    """Set Bilby's random generator, from which joint priors draw, to a fixed state, and restore it at the end."""
    bits = random.rng.bit_generator
    kept = bits.state
    bits.state = type(bits)(_SEED).state
    try:
        yield
    finally:
        bits.state = kept
