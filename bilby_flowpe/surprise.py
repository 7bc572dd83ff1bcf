r"""How unlike the simulations an event's data are: a score, and its distribution over simulated events.

Weights tell whether draws follow the user's posterior; they cannot tell whether the likelihood belongs to the data. Three
figures look for that:

- the **residual**: power of the whitened data after the best waveform known is taken out, that of a draw or a template,
  :math:`R = \langle d | d \rangle - 2 \max \ln \Lambda`, less its expectation for Gaussian noise, in its standard
  deviations. Both are those of noise under the window of the data (:mod:`bilby_flowpe.waves.windows`); without a window they
  are n and :math:`\sqrt{2 n}`, for n real numbers of data. A glitch, a line, a noise curve that is wrong, or a signal
  that no waveform of the prior matches leave power behind, or too little.
- the **distance** of the representation from those of simulated data: squared, in units of their covariance.
- the **loudness**: the best log likelihood ratio that a bank of templates finds. No signal is quieter than any of the prior's.

Each has a p-value from its distribution over simulations of the model's own problem, and the least of them, times their
number (Bonferroni), is the event's. Without a model there is the residual alone, which is nearly normal by itself. What
signals within the prior and Gaussian noise can look like is not found: a glitch like a black hole, a signal from just
beyond the prior.
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
    """What is surprising about an event.

    Attributes
    ----------
    p_value
        Of the event, from all figures together.
    p_values
        Of each figure.
    scores
        The figures themselves.
    where
        Where in the data the power left is farthest from what noise has, in words, if that was looked for.
    """

    p_value: float
    p_values: dict[str, float]
    scores: dict[str, float]
    where: str | None = None

    @property
    def most(self) -> str:
        """The most surprising figure."""
        return min(self.p_values, key=lambda key: np.nan_to_num(self.p_values[key], nan=-1.0))

    def to_dict(self) -> dict[str, Any]:
        """All fields as plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Null:
    """Distribution of the figures over simulated events.

    Attributes
    ----------
    location, precision
        Mean (C,) of the representation of simulated data, and inverse of its covariance (C, C).
    distances, loudness
        Of simulated data, in ascending order; those of loudness may be empty.
    residuals
        Of simulated events; may be empty.
    """

    location: np.ndarray
    precision: np.ndarray
    distances: np.ndarray
    loudness: np.ndarray
    residuals: np.ndarray

    @classmethod
    def fit(cls, contexts: np.ndarray, loudness: np.ndarray | None = None, residuals: np.ndarray | None = None) -> Null:
        """From simulations: one half makes mean and covariance, the other the distances, which are then of new data.

        Parameters
        ----------
        contexts
            Representations (M, C) of simulated data.
        loudness
            Log likelihood ratios found in them, (M,).
        residuals
            Of simulated events, (E,); no number where an event has none. A single one tells nothing, and is left out.

        Raises
        ------
        DataError
            If there are less than four simulations to a number of the representation.
        """
        features = contexts.shape[1]
        if len(contexts) < 4 * features:
            raise DataError(f"{len(contexts)} simulations are too few for {features} features: give {4 * features}")
        first, second = np.array_split(contexts.astype(np.float64), 2)
        location = first.mean(axis=0)
        covariance = np.atleast_2d(np.cov(first, rowvar=False))
        # A feature that never changes must not be infinitely surprising for a rounding error.
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
        """Surprise of one event.

        Parameters
        ----------
        context
            Representation of its data, (C,).
        found
            Log likelihood ratio found in them, if there was a search.
        residual
            :func:`bilby_flowpe.waves.residual.residual_of` of its data and the best signal known, if that can be had.
        """
        scores = {DISTANCE: float(_squared(context[None] - self.location, self.precision)[0])}
        p_values = {DISTANCE: _tail(self.distances, scores[DISTANCE])[1]}
        if found is not None and len(self.loudness):
            scores[LOUDNESS] = float(found)
            p_values[LOUDNESS] = min(1.0, 2 * float(np.min(_tail(self.loudness, found))))
        if residual is not None and len(self.residuals) > 1:
            scores[RESIDUAL] = float(residual)
            # Sums over many numbers: their own scatter tells the tails better than the few largest.
            z = (residual - self.residuals.mean()) / self.residuals.std(ddof=1)
            p_values[RESIDUAL] = float(2 * ndtr(-abs(z)))
        # A figure that is no number is no reason for calm: it stays one, and no test holds it for likely.
        least = float(np.min(list(p_values.values())))
        return Surprise(least if np.isnan(least) else min(1.0, len(p_values) * least), p_values, scores)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """What is stored with a model."""
        # The precision spans many orders of magnitude; of samples the first digits are enough.
        exact = {name: getattr(self, name) for name in ("location", "precision")}
        return exact | {name: getattr(self, name).astype(np.float32) for name in ("distances", "loudness", "residuals")}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Null:
        """The inverse of :meth:`to_arrays`.

        Raises
        ------
        DataError
            If the arrays are none that it can have written.
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
            raise DataError("the null of the surprise has arrays of wrong shapes or values")
        return null


def without_simulations(residual: float | None) -> Surprise | None:
    """Surprise where no simulations are at hand: by the residual, a sum over so many numbers that it is as good as normal.

    The parameters that were fitted take as many numbers' power away, which is left out of account: of thousands of
    numbers it is less than a tenth of a standard deviation.

    Parameters
    ----------
    residual
        Power left in the data after the best signal known (:meth:`bilby_flowpe.problem.Problem.residual`), of a likelihood
        whose logarithm says what that power is (:func:`bilby_flowpe.kinds.recognise.tells_power`).

    Returns
    -------
    Surprise or None
        ``None`` where there is no residual.
    """
    if residual is None:
        return None
    p_value = float(2 * ndtr(-abs(residual)))
    return Surprise(p_value, {RESIDUAL: p_value}, {RESIDUAL: float(residual)})


def _squared(away: np.ndarray, precision: np.ndarray) -> np.ndarray:
    return np.einsum("ni,ij,nj->n", away, precision, away)


def _tail(null: np.ndarray, value: float) -> tuple[float, float]:
    """Share of the null at or below, and at or above a value, which counts as one of them."""
    if np.isnan(value):
        return np.nan, np.nan
    below = np.searchsorted(null, value, side="right")
    above = len(null) - np.searchsorted(null, value, side="left")
    return (1 + below) / (1 + len(null)), (1 + above) / (1 + len(null))
