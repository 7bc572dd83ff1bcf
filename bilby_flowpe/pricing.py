"""Expected cost of a proposal for one event: refined without a network, with an existing network, or with a new one.

Without a network, a proposal is refined for the event by likelihood evaluations and fits. A network needs simulations, a
training and measurements, and then few evaluations. The figures are rough: they help to choose between ways that differ
by much, and the ranges around them tell a user what to expect.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

_BASE, _EACH, _PAIRS = 20_000, 3_000, 500
"""Likelihood evaluations of a refinement for 5000 effective draws: a constant, more per parameter, and per their square.

Measured: a straight line takes 2.3e4 for two parameters, correlated normal posteriors 5.6e4 for five and 1.0e5 for ten,
including draws that look for missed modes."""
_AROUND = (0.5, 1.6)
"""Range of the evaluations of a refinement over the number above, without draws that look for missed modes.

Measured for ten problems of two to ten parameters, with bent ridges, shells and an egg box: 0.52 to 1.52."""
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
# Range of these evaluations over their number: 1.28 to 1.52 for each effective draw were measured.
_AROUND_COARSE = (0.9, 1.2)
# Range of the seconds of such a run over the number: 0.9 to 1.2 were measured, on machines with other work.
_SECONDS_COARSE = (0.7, 1.5)
# Range of the seconds of all fits: a tenth of the number above, and twelve seconds more for bent ridges and spikes.
_LEAST_FITS, _MORE_FITS = 0.1, 12.0
_OF_NETWORK = 0.2  # efficiency of a network after ten minutes of training; those measured have 0.2 to 0.99
# Smallest time of an evaluation over that of Bilby's measurement, which includes draws of the prior and the first calls: 0.45
# was measured with closed forms.
_LEAST_EACH = 0.4
_SAFETY = 1.2  # draws of the final batch over those that the efficiency requires
_PILOT, _LEAST_PILOT = 0.2, 500  # draws of the pilot: for each effective one that is requested, and at least


@dataclass(frozen=True)
class Price:
    """Expected cost of one way to a proposal.

    Attributes
    ----------
    evaluations
        Number of calls of the user's likelihood.
    seconds
        Seconds in all; not a number if the time of a call is not known.
    between
        Both ends of the range in which evaluations and seconds usually are; by default there is no range.
    """

    evaluations: int
    seconds: float
    between: tuple[tuple[int, float], tuple[int, float]] | None = None

    @property
    def words(self) -> str:
        """Phrase for the log with the number of evaluations and, if it is known, the time."""
        if self.between is None:
            counts, times = _one_digit(self.evaluations, round), _known(self.seconds)
        else:
            (few, short), (many, long) = self.between
            counts = _range(_one_digit(few, math.floor), _one_digit(many, math.ceil))
            times = _range(_known(short), _known(long))
        return f"some {counts} likelihood evaluations{f', about {times}' if times else ''}"


def _known(seconds: float) -> str:
    """Return a time as text, and nothing for a time that is not known."""
    return in_words(seconds) if math.isfinite(seconds) else ""


def _one_digit(count: int, to: Callable[[float], float]) -> str:
    """Return a number with one digit, because prices are rough; ``to`` rounds it."""
    unit = 10 ** max(len(str(count)) - 1, 0)
    return f"{to(count / unit) * unit:.0f}"


def _range(low: str, high: str) -> str:
    """Return both ends of a range as text, with a common unit once; a single value if they are equal."""
    if low == high:
        return low
    number, _, unit = low.partition(" ")
    return f"{number if unit == high.partition(' ')[2] else low} to {high}"


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
    fits = _FITS * parameters + _FITS_PAIRS * parameters**2
    if coarse:
        before = fits + _SEARCH + _COARSE_SHARE * evaluations * _COARSE_SECONDS / npool
        evaluations = int(_KEPT * n_effective)
        counts = [min(int(factor * evaluations), most) for factor in _AROUND_COARSE]
        evaluations = min(evaluations, most)
        seconds = before + evaluations * each / npool
        times = [factor * seconds for factor in _SECONDS_COARSE]
    else:
        counts = [min(int(factor * evaluations), most) for factor in _AROUND]
        evaluations = min(evaluations, most)
        seconds = fits + evaluations * each / npool
        times = [
            _LEAST_FITS * fits + _LEAST_EACH * counts[0] * each / npool,
            fits + _MORE_FITS + counts[1] * each / npool,
        ]
    return Price(evaluations, seconds, ((counts[0], times[0]), (counts[1], times[1])))


def price_of_drawing(n_effective: int, most: int, each: float, npool: int = 1) -> Price:
    """Return the expected cost of drawing with a network that fits the event.

    Parameters
    ----------
    n_effective
        Requested number of effective draws.
    most
        Largest number of evaluations that the user allows.
    each
        Seconds of an evaluation.
    npool
        Number of processes that evaluate.
    """
    pilot = max(_PILOT * n_effective, _LEAST_PILOT)
    counts = (_SAFETY * n_effective + pilot, n_effective / _OF_NETWORK, _SAFETY * n_effective / _OF_NETWORK + pilot)
    few, middle, many = (min(int(count), most) for count in counts)
    short, seconds, long = (count * each / npool for count in (_LEAST_EACH * few, middle, many))
    return Price(middle, seconds, ((few, short), (many, long)))


def price_of_training(
    n_waveforms: int, n_effective: int, most: int, each: float, training: float | None, measuring: float, npool: int = 1
) -> Price:
    """Return the expected cost of simulating, training and measuring a network, and of drawing with it for one event.

    Parameters
    ----------
    n_waveforms
        Number of simulations.
    n_effective
        Requested number of effective draws.
    most
        Largest number of evaluations that the user allows.
    each
        Seconds of a simulation, or of an evaluation: a waveform takes most of either.
    training
        Seconds of the training; ``None`` if a number of steps ends it, whose time is not known.
    measuring
        Ratio of the time for measuring the model to that of the training.
    npool
        Number of processes that simulate and evaluate.
    """
    drawing = price_of_drawing(n_effective, most, each, npool)
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
