r"""Probability that a mode was missed, measured with planted modes among the draws that were made.

A planted mode is a normal density in the quantiles of the prior, with the shape of a mode that was found, anywhere in
the prior. It holds a share :math:`s` of the posterior's evidence :math:`Z`, and fits the data :math:`f` times as well
as the best draw. Its volume is therefore :math:`V = s Z / (f L_{\max})`, the smallest one possible. With the likelihood
:math:`L + L_{\rm planted}` in place of :math:`L`, it is seen

- among draws of the prior, if a draw that it lifts would be a local maximum among its neighbours, separated by a valley from
  those with which it is compared (:mod:`.modes`), along lines on which the modes found are assumed to be normal; or
- in a weighted batch, if it would give a draw a weight that stands out, or if there are draws on it.

The share of planted modes that are not seen is the probability that a mode of this kind was missed. No likelihood is
evaluated for this.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from .modes import ALWAYS, LOW, ON_A_LINE, PARTNERS, VALLEY, local_maxima

PLANTED = 600
"""Number of planted modes: a probability of a hundredth is known to four thousandths."""

STANDS_OUT = 20.0
"""Weight over the mean that would make a batch be rejected, or attract a fit."""

_DRAWS, _SMALLEST = 10.0, 1e-3
"""Effective draws with which a mode counts as drawn, and weight over the mean below which draws are not on it."""

_WIDE, _SHELL, _FEW = 2.0, 1.5, 5
"""Widths from which on the edge of a mode is looked for, factor between shells, and least number of draws in a shell."""

_TRIED = 4  # local maxima of one planted mode that are compared with better ones
_LIFTED = 2.0  # nats by which a planted mode has to be above a draw's likelihood for the draw to belong to it
_RIDGE = 1e-12
"""Variance added in each direction, in squared quantiles of the prior: far below any mode's, for the Cholesky
factor."""

_TOGETHER = 4_000_000  # log likelihoods that are computed at once, which bounds the memory


@dataclass(frozen=True)
class Found:
    """A mode that was found, in the quantiles of the prior.

    Attributes
    ----------
    share
        Share of the posterior.
    covariance, mean
        Covariance, (n, n), and mean, (n,).
    """

    share: float
    covariance: np.ndarray
    mean: np.ndarray


@dataclass(frozen=True)
class PriorDraws:
    """Draws of the prior among which modes were looked for.

    Attributes
    ----------
    places
        Quantiles, (N, n).
    log_likelihood
        Log likelihoods relative to the best draw of all, (N,).
    near
        Indices of the neighbours of each draw, (N, k).
    """

    places: np.ndarray
    log_likelihood: np.ndarray
    near: np.ndarray


@dataclass(frozen=True)
class Weighed:
    """A weighted batch of the posterior.

    Attributes
    ----------
    places
        Quantiles, (N, n).
    log_over
        Logarithm of ``L_max / (Z q)`` in the quantiles, (N,); plus the log likelihood relative to the best one, it is
        the log of the weight over the mean.
    """

    places: np.ndarray
    log_over: np.ndarray


@dataclass(frozen=True)
class _Shape:
    """The shape of a normal mode in the quantiles.

    Attributes
    ----------
    whitening
        Matrix (n, n) that converts to units of its widths.
    log_peak, lowest
        Log likelihood at its top, and the value below which it is cut off.
    """

    whitening: np.ndarray
    log_peak: float = 0.0
    lowest: float = -np.inf

    def heights(self, tops: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Return the log likelihood (M, N) of a mode at each of the tops (M, n), at places (N, n)."""
        one, other = tops @ self.whitening.T, places @ self.whitening.T
        squares = np.sum(one**2, axis=1)[:, None] + np.sum(other**2, axis=1) - 2 * one @ other.T
        heights = self.log_peak - 0.5 * squares
        return np.where(heights >= self.lowest, heights, -np.inf)


@dataclass(frozen=True)
class _Partners:
    """Tops of modes, and local maxima among draws, with which a local maximum is compared.

    Attributes
    ----------
    places, values
        Places, (K, n), and log likelihoods relative to the best draw, (K,).
    tops
        Number of tops, which come first.
    """

    places: np.ndarray
    values: np.ndarray
    tops: int


def missed(
    found: list[Found],
    log_volume: float,
    looked: PriorDraws,
    weighed: Weighed,
    places: np.ndarray,
    share: float,
    fit: float,
) -> float:
    """Return the probability that a mode was missed, from the number of planted modes that would not have been seen.

    Parameters
    ----------
    found
        The modes that were found.
    log_volume
        Logarithm of ``Z / L_max``, the share of the prior's volume that the posterior fills.
    looked, weighed
        Draws of the prior, and the weighted batch.
    places
        Quantiles (M, n) of the places where modes are planted: draws of the prior other than those among which modes
        were looked for, in any order.
    share
        Share of the evidence that a planted mode holds.
    fit
        Likelihood of a planted mode over the largest one that was found.
    """
    log_peak = np.log(fit)
    log_volume_planted = np.log(share) + log_volume - log_peak
    shares = np.cumsum([mode.share for mode in found])
    ends = np.rint(shares / shares[-1] * len(places)).astype(int)
    partners = _partners(looked, found)
    shapes = [_Shape(_whitening(mode, np.log(mode.share) + log_volume)) for mode in found]
    known = [(mode.mean, shape) for mode, shape in zip(found, shapes, strict=True)]
    together = max(1, _TOGETHER // max(len(looked.places), len(weighed.places)))
    unseen, start = 0, 0
    for mode, own, end in zip(found, shapes, ends, strict=True):
        tops, start = places[start:end], end
        lowest = log_peak - 0.5 * _reach(looked, mode, own) ** 2
        shape = _Shape(_whitening(mode, log_volume_planted), log_peak, lowest)
        for first in range(0, len(tops), together):
            some = tops[first : first + together]
            drawn = _drawn(shape.heights(some, weighed.places) + weighed.log_over)
            for top, seen, planted in zip(some, drawn, shape.heights(some, looked.places), strict=True):
                unseen += not (seen or _shows(planted, looked, partners, partial(_highest, [(top, shape), *known])))
    # The mean of the probability given these numbers (Laplace's rule): if none of a few is unseen, it is not zero.
    return (unseen + 1) / (len(places) + 2)


def _reach(looked: PriorDraws, mode: Found, shape: _Shape) -> float:
    """Return the distance from a mode, in its widths, up to which it falls off no faster than a normal density twice as steep.

    Planted modes are cut off there: a mode with edges is seen only by draws that lie on it.
    """
    distances = np.linalg.norm((looked.places - mode.mean) @ shape.whitening.T, axis=1)
    holds = looked.log_likelihood > -(distances**2) - _LIFTED
    edge = _WIDE
    while edge < distances.max(initial=0.0):
        within = (distances >= edge) & (distances < _SHELL * edge)
        if within.sum() >= _FEW and np.mean(holds[within]) < 0.5:
            return edge
        edge *= _SHELL
    return np.inf


def _drawn(log_weights: np.ndarray) -> np.ndarray:
    """Return whether a batch draws each planted mode, (M,), given its additions to the weights over their mean, (M, N).

    A single weight that stands out is noticed. If several draws are on the mode, it has its share of the result.
    """
    highest = log_weights.max(axis=1, initial=-np.inf)
    weights = np.exp(log_weights - np.where(np.isfinite(highest), highest, 0.0)[:, None])
    squares = np.sum(weights**2, axis=1)
    effective = np.sum(weights, axis=1) ** 2 / np.where(squares > 0, squares, 1.0)
    enough: np.ndarray = (highest > np.log(STANDS_OUT)) | ((highest > np.log(_SMALLEST)) & (effective >= _DRAWS))
    return enough


def _shows(
    planted: np.ndarray, looked: PriorDraws, partners: _Partners, along: Callable[[np.ndarray], np.ndarray]
) -> bool:
    """Return whether a planted mode would be found.

    With its log likelihood, (N,) of all draws, added, some draw has to become a local maximum that would be climbed.
    """
    lifted = np.flatnonzero(planted > looked.log_likelihood + _LIFTED)
    if not len(lifted):
        return False
    around = looked.near[lifted]
    highest = np.maximum(planted[around], looked.log_likelihood[around]).max(axis=1, initial=-np.inf)
    maxima = lifted[planted[lifted] > highest]
    return any(_is_apart(looked.places[index], planted[index], partners, along) for index in maxima[:_TRIED])


def _is_apart(place: np.ndarray, value: float, partners: _Partners, along: Callable[[np.ndarray], np.ndarray]) -> bool:
    """Return whether a valley separates a local maximum from the nearest better ones, tested as in :mod:`.modes`."""
    better = np.flatnonzero(partners.values > value)
    if not len(better):
        return True
    if place.size > LOW and np.sum(partners.values[partners.tops :] > value) < ALWAYS:
        return True
    distances = np.linalg.norm((partners.places[better] - place), axis=1)
    nearest = better[np.argsort(distances)[:PARTNERS]]
    lines = place + ON_A_LINE[:, None] * (partners.places[nearest] - place)[:, None]
    lowest = along(lines.reshape(-1, place.size)).reshape(len(nearest), -1).min(axis=1)
    return bool(np.all(lowest <= value - VALLEY))


def _highest(modes: Sequence[tuple[np.ndarray, _Shape]], places: np.ndarray) -> np.ndarray:
    """Return the log likelihood (N,) at places (N, n) of modes with known tops and shapes."""
    return np.max([shape.heights(top[None], places)[0] for top, shape in modes], axis=0)


def _partners(looked: PriorDraws, found: list[Found]) -> _Partners:
    maxima = local_maxima(looked.log_likelihood, looked.near)
    tops = np.stack([mode.mean for mode in found])
    values = np.concatenate([np.full(len(tops), np.inf), looked.log_likelihood[maxima]])
    return _Partners(np.concatenate([tops, looked.places[maxima]]), values, len(tops))


def _whitening(mode: Found, log_volume: float) -> np.ndarray:
    """Return the matrix (n, n) to the widths of a normal density with a mode's shape and a given volume."""
    n = len(mode.mean)
    root = np.linalg.cholesky(mode.covariance + _RIDGE * np.eye(n))
    log_own = 0.5 * n * np.log(2 * np.pi) + float(np.sum(np.log(np.diag(root))))
    whitening: np.ndarray = np.linalg.inv(root) * np.exp((log_own - log_volume) / n)
    return whitening


def modes_of(places: np.ndarray, weights: np.ndarray, labels: np.ndarray) -> list[Found]:
    """Describe the modes of weighted draws by share, covariance and mean.

    Parameters
    ----------
    places
        Quantiles, (N, n).
    weights
        Weights, which sum to one, (N,).
    labels
        Index of the mode to which each draw belongs, (N,).
    """
    found = []
    for label in np.unique(labels):
        own = labels == label
        total = float(weights[own].sum())
        if total <= 0:
            continue
        of_mode = weights[own] / total
        mean = of_mode @ places[own]
        centred = places[own] - mean
        covariance = (centred * of_mode[:, None]).T @ centred
        if np.count_nonzero(of_mode) > places.shape[1]:
            found.append(Found(total, covariance, mean))
    return found
