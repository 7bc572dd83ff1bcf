"""Expected cost of a proposal for one event: refined without a network, with an existing network, or with a new one.

Without a network, a proposal is refined for the event by likelihood evaluations and fits. A network needs simulations, a
training and measurements, and then few evaluations. The figures are rough: they help to choose between ways that differ
by much, and tell a user what to expect.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

_BASE, _EACH, _PAIRS = 20_000, 3_000, 500
"""Likelihood evaluations of a refinement for 5000 effective draws: a constant, more per parameter, and per their square.

Measured: a straight line takes 2.3e4 for two parameters, correlated normal posteriors 5.6e4 for five and 1.0e5 for ten,
including the draws that look for missed modes."""
# Number of effective draws for which the evaluations above were measured: the default of n_effective.
_USUAL_EFFECTIVE = 5000
_BATCH = 1.5  # evaluations for each effective draw beyond the usual ones
_FITS, _FITS_PAIRS = 0.3, 0.03  # seconds of all fits, times the parameters and times their square: 6 s for ten
_COARSE_SHARE = 0.8  # draws with coarse waves over evaluations without: their search gives a start
_COARSE_SECONDS = (
    1.5e-3  # of a draw with coarse waveforms with precession and higher harmonics; 0.7 ms for aligned spins
)
_SEARCH = 15.0  # seconds of the search that coarse waves need
_KEPT = 1.4  # evaluations of the user's likelihood for each effective draw, where coarse waves draw
_OF_NETWORK = 0.2  # efficiency of a network after ten minutes of training; those measured have 0.2 to 0.9
_RESERVE = 1.2  # draws over those that the efficiency asks for: it is only known roughly before the batch
_AROUND = 1500  # evaluations of a pilot batch, of the comparison with closed forms, and of single draws


@dataclass(frozen=True)
class Price:
    """Expected cost of one way to a proposal.

    Attributes
    ----------
    evaluations
        Number of calls of the user's likelihood.
    seconds
        Seconds in all; not a number if the time of a call is not known.
    """

    evaluations: int
    seconds: float

    @property
    def words(self) -> str:
        """Phrase for the log with the number of evaluations and, if it is known, the time."""
        known = f", about {in_words(self.seconds)}" if math.isfinite(self.seconds) else ""
        # One digit: the figures are rough.
        return f"some {float(f'{self.evaluations:.0e}'):.0f} likelihood evaluations{known}"


def price_of_refinement(
    parameters: int, n_effective: int, most: int, each: float, coarse: bool = False, npool: int = 1
) -> Price:
    """Return the expected cost of refining a proposal for one event, starting from the prior.

    Parameters
    ----------
    parameters
        Number of parameters that the proposal draws.
    n_effective
        Requested number of effective draws.
    most
        Largest number of evaluations that the user allows.
    each
        Seconds of an evaluation.
    coarse
        Tells whether coarse waveforms are used for the draws.
    npool
        Number of processes that evaluate.
    """
    evaluations = _BASE + _EACH * parameters + _PAIRS * parameters**2
    evaluations += int(_BATCH * max(n_effective - _USUAL_EFFECTIVE, 0))
    seconds = _FITS * parameters + _FITS_PAIRS * parameters**2
    if coarse:
        seconds += _SEARCH + _COARSE_SHARE * evaluations * _COARSE_SECONDS / npool
        evaluations = int(_KEPT * n_effective)
    evaluations = min(evaluations, most)
    return Price(evaluations, seconds + evaluations * each / npool)


def price_of_drawing(n_effective: int, each: float, npool: int = 1, efficiency: float | None = None) -> Price:
    """Return the expected cost of drawing with a network that fits the event.

    Parameters
    ----------
    n_effective
        Requested number of effective draws.
    each
        Seconds of an evaluation.
    npool
        Number of processes that evaluate.
    efficiency
        Efficiency that was measured for the network on simulated events; by default that of a short training.
    """
    if efficiency is None:
        evaluations = int(n_effective / _OF_NETWORK)
    else:
        evaluations = int(_RESERVE * n_effective / max(efficiency, _OF_NETWORK / 10)) + _AROUND
    return Price(evaluations, evaluations * each / npool)


def price_of_training(
    n_waveforms: int, n_effective: int, each: float, training: float | None, measuring: float, npool: int = 1
) -> Price:
    """Return the expected cost of simulating, training and measuring a network, and of drawing with it for one event.

    Parameters
    ----------
    n_waveforms
        Number of simulations.
    n_effective
        Requested number of effective draws.
    each
        Seconds of a simulation, or of an evaluation: a waveform takes most of either.
    training
        Seconds of the training; ``None`` if a number of steps ends it, whose time is not known.
    measuring
        Ratio of the time for measuring the model to that of the training.
    npool
        Number of processes that simulate and evaluate.
    """
    drawing = price_of_drawing(n_effective, each, npool)
    seconds = math.nan if training is None else training * (1 + measuring) + n_waveforms * each / npool
    return Price(drawing.evaluations, seconds + drawing.seconds)


def seconds_of_likelihood(sampler: object) -> float:
    """Return the seconds of an evaluation that Bilby's sampler has measured; not a number if it has not."""
    return float(getattr(sampler, "_log_likelihood_eval_time", None) or math.nan)


def in_words(seconds: float) -> str:
    """Return a time as text: seconds below two minutes, minutes below two hours, hours above."""
    if seconds < 120:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.0f} hours"
