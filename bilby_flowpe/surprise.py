r"""Surprise: how much an event's data differ from simulated ones, as a score with its distribution over simulations.

Weights tell whether draws follow the user's posterior; they cannot tell whether the likelihood describes the data. Three
figures test that:

- the **residual**: power of the whitened data after the best known waveform, of a draw or a template, is subtracted,
:math:`R = \langle d | d \rangle - 2 \max \ln \Lambda`, minus its expectation for Gaussian noise, in its standard
deviations. Both are those of noise under the window of the data (:mod:`bilby_flowpe.waves.windows`); without a window they
are n and :math:`\sqrt{2 n}`, for n real numbers of data. A glitch, a line, a wrong PSD, or a signal that no waveform of the
prior matches leave too much power, or too little.
- the **distance** of the representation from those of simulated data: squared, in units of their covariance.
- the **loudness**: the best log likelihood ratio that a bank of templates finds, compared with signals of the prior.

Each has a p-value from its distribution over simulations of the model's own problem. The smallest of them, times their number
(Bonferroni), is that of the event. Without a model there is only the residual, which is nearly normal. Data that look like a
signal of the prior in Gaussian noise are not found, such as a glitch like a black hole, or a signal just outside the prior.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr

from .errors import DataError

RESIDUAL, DISTANCE, LOUDNESS = "residual", "distance", "loudness"
IN_WORDS = {
    RESIDUAL: "the power left in the data after the best waveform",
    DISTANCE: "the distance of the data from those simulated",
    LOUDNESS: "the loudness of the signal",
}
UNITS = {RESIDUAL: " standard deviations from that of noise", DISTANCE: "", LOUDNESS: ""}


@dataclass(frozen=True)
class Surprise:
    """Surprise of the data of one event.

    Attributes
    ----------
    p_value
        p-value of the event, from all figures together.
    p_values
        p-value of each figure.
    scores
        Values of the figures.
    where
        Part of the data whose remaining power differs most from that of noise, in words, if it was determined.
    """

    p_value: float
    p_values: dict[str, float]
    scores: dict[str, float]
    where: str | None = None

    @property
    def most(self) -> str:
        """Name of the most surprising figure."""
        return min(self.p_values, key=lambda key: np.nan_to_num(self.p_values[key], nan=-1.0))

    def to_dict(self) -> dict[str, Any]:
        """Return all fields as plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Null:
    """Distribution of the figures over simulated events.

    Attributes
    ----------
    location, precision
        Mean (C,) of the representation of simulated data, and inverse of its covariance (C, C).
    distances, loudness
        Values of simulated data, in ascending order; those of loudness may be empty.
    residuals
        Residuals of simulated events; may be empty.
    """

    location: np.ndarray
    precision: np.ndarray
    distances: np.ndarray
    loudness: np.ndarray
    residuals: np.ndarray

    @classmethod
    def fit(cls, contexts: np.ndarray, loudness: np.ndarray | None = None, residuals: np.ndarray | None = None) -> Null:
        """Estimate the distribution from simulations: mean and covariance from one half, distances from the other.

        Parameters
        ----------
        contexts
            Representations (M, C) of simulated data.
        loudness
            Log likelihood ratios found in these data, (M,).
        residuals
            Residuals of simulated events, (E,); not a number if an event has none. A single one is useless, and left out.

        Raises
        ------
        DataError
            If there are fewer than four simulations per number of the representation.
        """
        features = contexts.shape[1]
        if len(contexts) < 4 * features:
            raise DataError(f"{len(contexts)} simulations are too few for {features} features: give {4 * features}")
        first, second = np.array_split(contexts.astype(np.float64), 2)
        location = first.mean(axis=0)
        covariance = np.atleast_2d(np.cov(first, rowvar=False))
        # A feature that never changes must not be infinitely surprising because of rounding.
        covariance += 1e-6 * np.trace(covariance) / features * np.eye(features)
        precision = np.linalg.inv(covariance)
        known = np.zeros(0) if residuals is None else np.asarray(residuals, dtype=np.float64)
        known = known[np.isfinite(known)]
        return cls(
            location,
            precision,
            np.sort(_squared(second - location, precision)),
            np.sort(np.zeros(0) if loudness is None else np.asarray(loudness, dtype=np.float64)),
            known if len(known) > 1 else np.zeros(0),
        )

    def of(self, context: np.ndarray, found: float | None, residual: float | None) -> Surprise:
        """Return the surprise of one event.

        Parameters
        ----------
        context
            Representation of the data, (C,).
        found
            Log likelihood ratio found in the data, if there was a search.
        residual
            :func:`bilby_flowpe.waves.residual.residual_of` of the data and the best known signal, if it is known.
        """
        scores = {DISTANCE: float(_squared(context[None] - self.location, self.precision)[0])}
        p_values = {DISTANCE: _tail(self.distances, scores[DISTANCE])[1]}
        if found is not None and len(self.loudness):
            scores[LOUDNESS] = float(found)
            p_values[LOUDNESS] = min(1.0, 2 * float(np.min(_tail(self.loudness, found))))
        if residual is not None and len(self.residuals) > 1:
            scores[RESIDUAL] = float(residual)
            # Residuals are sums over many numbers: a normal tail is more accurate than the few largest simulated ones.
            z = (residual - self.residuals.mean()) / self.residuals.std(ddof=1)
            p_values[RESIDUAL] = float(2 * ndtr(-abs(z)))
        # A figure that is not a number must not pass: it stays NaN, and no test accepts it.
        least = float(np.min(list(p_values.values())))
        return Surprise(least if np.isnan(least) else min(1.0, len(p_values) * least), p_values, scores)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays that are stored with a model."""
        # The precision spans many orders of magnitude; samples need only the first digits.
        exact = {name: getattr(self, name) for name in ("location", "precision")}
        return exact | {name: getattr(self, name).astype(np.float32) for name in ("distances", "loudness", "residuals")}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Null:
        """Make the distribution from arrays of :meth:`to_arrays`.

        Raises
        ------
        DataError
            If the arrays cannot come from it.
        """
        null = cls(**{name: np.asarray(array, dtype=np.float64) for name, array in arrays.items()})
        features = len(np.atleast_1d(null.location))
        sound = (
            null.location.shape == (features,)
            and null.precision.shape == (features, features)
            and null.distances.ndim == null.loudness.ndim == null.residuals.ndim == 1
            and len(null.distances) > 0
            and all(np.isfinite(array).all() for array in vars(null).values())
            and all((np.diff(array) >= 0).all() for array in (null.distances, null.loudness))
            and (len(null.residuals) == 0 or null.residuals.std() > 0)
        )
        if not sound:
            raise DataError(
                "the null distribution of the surprise has arrays of wrong shapes or values: train the model again"
            )
        return null


def without_simulations(residual: float | None) -> Surprise | None:
    """Return the surprise without simulations: by the residual, a sum over so many numbers that it is nearly normal.

    Each fitted parameter removes the power of one number, which is neglected: for thousands of numbers it is less than a
    tenth of a standard deviation.

    Parameters
    ----------
    residual
        Power left in the data after the best known signal (:meth:`bilby_flowpe.problem.Problem.residual`), of a likelihood
        whose value tells that power (:func:`bilby_flowpe.kinds.recognise.tells_power`).

    Returns
    -------
    Surprise or None
        ``None`` if there is no residual.
    """
    if residual is None:
        return None
    p_value = float(2 * ndtr(-abs(residual)))
    return Surprise(p_value, {RESIDUAL: p_value}, {RESIDUAL: float(residual)})


def _squared(away: np.ndarray, precision: np.ndarray) -> np.ndarray:
    return np.einsum("ni,ij,nj->n", away, precision, away)


def _tail(null: np.ndarray, value: float) -> tuple[float, float]:
    """Return the fractions of the null at or below, and at or above a value, which counts as one of them."""
    if np.isnan(value):
        return np.nan, np.nan
    below = np.searchsorted(null, value, side="right")
    above = len(null) - np.searchsorted(null, value, side="left")
    return (1 + below) / (1 + len(null)), (1 + above) / (1 + len(null))
