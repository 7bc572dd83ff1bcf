r"""How unlike the simulations an event's data are: a score, and its distribution over simulated events.

Weights tell whether draws follow the user's posterior; they cannot tell whether the likelihood belongs to the data. Three
figures look for that:

- the **residual**: power of the whitened data after the best waveform known is taken out, that of a draw or a template,
  :math:`R = \langle d | d \rangle - 2 \max \ln \Lambda`, less its expectation for Gaussian noise, in its standard
  deviations. Both are those of noise under the window of the data (:mod:`bilby_flowpe.windows`); without a window they
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
from bilby.core.likelihood import Likelihood
from bilby.gw.likelihood import GravitationalWaveTransient
from scipy.stats import norm

from .errors import DataError, SimulationError
from .overrides import replaced
from .waveforms import waveform
from .windows import correlations, data_mask, power_moments

_BAND = 8.0  # Hz: wide enough for a line and its wings, narrow enough to be notched out
_NAMED = 3  # bands at most that are named
_FAR = 5.0  # standard deviations from which a band is named: of hundreds, chance reaches 3.5
_NO_NOISE = 0.1  # power left over the power expected, below which data hold no noise at all

_OF_THE_POWER = (
    "log_likelihood_ratio",
    "noise_log_likelihood",
    "calculate_snrs",
    "compute_log_likelihood_from_snrs",
    "get_sky_frame_parameters",
)
"""Methods of Bilby's likelihood that make its value one of the power in the data."""

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
            :func:`residual_of` of its data and the best signal known, if that can be had.
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
            p_values[RESIDUAL] = float(2 * norm.sf(abs(z)))
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


def residual_of(likelihood: Likelihood, log_likelihood_ratio: float) -> float | None:
    """Power left in the data, in standard deviations over its expectation for Gaussian noise.

    ``None`` for other data, and where nothing is known to have a finite likelihood.

    Parameters
    ----------
    likelihood
        The user's likelihood.
    log_likelihood_ratio
        Of the best signal known.
    """
    if not isinstance(likelihood, GravitationalWaveTransient) or not np.isfinite(log_likelihood_ratio):
        return None
    moments = [power_moments(data_mask(detector), correlations(detector)) for detector in likelihood.interferometers]
    expected, variance = np.sum(moments, axis=0)
    if not variance > 0:
        return None
    power = -2 * float(likelihood.noise_log_likelihood()) - 2 * log_likelihood_ratio
    return float((power - expected) / np.sqrt(variance))


def without_simulations(likelihood: Likelihood | None, residual: float | None) -> Surprise | None:
    """Surprise where no simulations are at hand: by the residual, a sum over so many numbers that it is as good as normal.

    The parameters that were fitted take as many numbers' power away, which is left out of account: of thousands of
    numbers it is less than a tenth of a standard deviation.

    Parameters
    ----------
    likelihood
        The user's likelihood.
    residual
        :func:`residual_of` its data and the best signal known.

    Returns
    -------
    Surprise or None
        ``None`` where there is no residual, and for a likelihood that is not Bilby's own: what its logarithm has to do with the
        power in the data is not known.
    """
    if residual is None or likelihood is None or replaced(likelihood, type(likelihood), _OF_THE_POWER):
        return None
    if not type(likelihood).__module__.startswith("bilby."):
        return None
    p_value = float(2 * norm.sf(abs(residual)))
    return Surprise(p_value, {RESIDUAL: p_value}, {RESIDUAL: float(residual)})


def farthest_off(likelihood: Likelihood, row: Mapping[str, float]) -> str | None:
    """Where the power left after a signal is farthest from what Gaussian noise of the likelihood's curves has, in words.

    Named are the bands of 8 Hz that are off by more than five standard deviations, three at most.
    ``None`` for other data, and where there is no waveform.

    Parameters
    ----------
    likelihood
        The user's likelihood.
    row
        All parameters of the signal.
    """
    bands = bands_off(likelihood, row)
    if not bands:
        return None
    if all(power < _NO_NOISE for _, power, *_ in bands):
        return "the data hold hardly any noise"
    worst = [band for band in bands[:_NAMED] if abs(band[0]) > _FAR]
    if not worst:
        return f"a little everywhere, no band of {_BAND:g} Hz deviates by more than {abs(bands[0][0]):.1f} standard deviations"
    return "farthest off in " + ", then in ".join(
        f"{name} between {low:g} and {high:g} Hz" for _, _, name, low, high in worst
    )


def bands_off(likelihood: Likelihood, row: Mapping[str, float]) -> list[tuple[float, float, str, float, float]]:
    """Power left after a signal in every band of 8 Hz, that which is farthest off first.

    Parameters
    ----------
    likelihood
        The user's likelihood.
    row
        All parameters of the signal.

    Returns
    -------
    list of tuple
        How far off in standard deviations, the power over its expectation, the detector, first and last frequency in
        Hz; empty for data that are no gravitational waves, and where there is no waveform.
    """
    if not isinstance(likelihood, GravitationalWaveTransient):
        return []
    try:
        waves = waveform(likelihood.waveform_generator, row)
    except SimulationError:
        # A subclass may have a waveform generator that it never asks.
        return []
    if waves is None:
        return []
    row = {**row, **likelihood.get_sky_frame_parameters(dict(row))}
    found = []
    for detector in likelihood.interferometers:
        mask, correlation = data_mask(detector), correlations(detector)
        chosen, frequencies = np.flatnonzero(mask), detector.frequency_array[mask]
        curve = detector.power_spectral_density_array[mask]
        left = (detector.frequency_domain_strain - detector.get_detector_response(waves, row))[mask]
        power = np.abs(left) ** 2 * 4 / (curve * detector.duration)
        band = ((frequencies - frequencies[:1]) / _BAND).astype(int)
        for index in np.unique(band):
            here = band == index
            inside = np.zeros_like(mask)
            inside[chosen[here]] = True
            expected, variance = power_moments(inside, correlation)
            total, (low, high) = float(power[here].sum()), frequencies[here][[0, -1]]
            off = (total - expected) / np.sqrt(variance)
            found.append((float(off), total / expected, str(detector.name), float(low), float(high)))
    return sorted(found, key=lambda entry: -abs(entry[0]))


def _squared(away: np.ndarray, precision: np.ndarray) -> np.ndarray:
    squared: np.ndarray = np.einsum("ni,ij,nj->n", away, precision, away)
    return squared


def _tail(null: np.ndarray, value: float) -> tuple[float, float]:
    """Share of the null at or below, and at or above a value, which counts as one of them."""
    if np.isnan(value):
        return np.nan, np.nan
    below = np.searchsorted(null, value, side="right")
    above = len(null) - np.searchsorted(null, value, side="left")
    return (1 + below) / (1 + len(null)), (1 + above) / (1 + len(null))
