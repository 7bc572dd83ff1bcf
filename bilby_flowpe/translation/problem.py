"""From the problem asked to the plain one that networks know, and back with exact weights.

Networks know one form of a problem: a plain gravitational-wave likelihood (:mod:`.plain`), right ascension, declination and
geocentric time, priors of one parameter each. Other forms are turned into it:

- Parameters that the likelihood integrates out are drawn as all others, and left out of what comes back: what remains has the
  marginal posterior, and the evidence is the same.
- Sky and time in a detector's frame are those of the sky (:mod:`.frames`).
- Joint priors are covered by independent ones (:mod:`.covers`).
- Parameters without a density of their own, discrete ones above all, are sampled through their quantiles (:mod:`.quantiles`).
- Masses in the source's frame are drawn in the detectors' frame (:mod:`.source_masses`).
- Calibration parameters are drawn given the wave (:mod:`.recalibration`).
- A likelihood with values of its own (approximations, calibration, any subclass) gives the weights, the plain one the proposal.

What changes a density enters the weight of every draw.

A gravitational-wave likelihood that has no such form is sampled as it stands, as any other function of its parameters:
:attr:`Unchanged.obstacle` says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from bilby.core.likelihood import Likelihood
from bilby.core.prior import Constraint, DeltaFunction, DiscreteValues, Prior, PriorDict, SlabSpikePrior
from bilby.core.utils import logger
from bilby.gw.likelihood import GravitationalWaveTransient

from ..errors import PriorError, SimulationError
from ..names import DISTANCE, TIME, TIME_JITTER
from ..prior_checks import idle_constraints
from ..prior_natures import nature_of
from ..priors import Parameters, PriorTransform, copied
from ..processes.parallel import Row, Task, make_rows, with_seeds
from ..waves.symmetries import TOLERANCE
from ..waves.waveforms import polarisations
from .covers import Covers, has_joint
from .frames import Frame, needs_frame
from .marginalisation import AtOneTime, check_marginalisation, covers_a_step, needs_one_time
from ..likelihoods import LogLikelihood
from .plain import (
    has_plain_values,
    is_calibrated,
    is_plain,
    is_wave,
    lengths_differ,
    marginalised,
    plain_likelihood,
    unmarginalised,
)
from .quantiles import OfQuantiles, Quantiles, quantiles_of, shapes_the_wave_alone, wave_of_quantiles
from .recalibration import CalibrationDraw
from .source_masses import SOURCE, SourceMasses, can_be_drawn_in_the_detectors_frame

_ROWS = 4  # draws from the prior at which a wave is tried


class Unchanged:
    """A problem that is analysed as it was asked.

    Parameters
    ----------
    likelihood
        The user's.
    transform
        The user's prior.

    Attributes
    ----------
    likelihood, transform
        What draws are made with.
    given
        The user's own likelihood.
    asked
        Likelihood that gives the weights: the user's own, with nothing integrated out.
    keys, fixed
        Search parameters asked for, and values of fixed ones.
    corrects
        Whether ``asked`` gives other values than ``likelihood``.
    dropped
        Parameters that ``given`` integrates out.
    raw_reasons
        What draws that are not weighted lack, in words.
    obstacle
        Why a likelihood of gravitational waves is sampled as it stands, with no network and nothing in closed form, in
        words; ``None`` where it is not.
    no_network
        Why no network can be used, in words; empty where one can.
    """

    corrects = False
    dropped: tuple[str, ...] = ()
    raw_reasons: tuple[str, ...] = ()
    obstacle: str | None = None
    no_network: str = ""

    def __init__(self, likelihood: Likelihood, transform: PriorTransform) -> None:
        self.likelihood = self.asked = self.given = likelihood
        self.transform = transform
        self.fixed = transform.fixed
        self.keys = transform.keys

    @property
    def log_normalisation_err(self) -> float:
        """Standard error of the prior's normalisation, in its logarithm, where Monte Carlo found it."""
        return self.transform.log_normalisation_err

    @property
    def middle_of_extra(self) -> dict[str, float]:
        """Parameters that the proposal does not know, at the medians of their priors."""
        return {}

    def task(self, use_ratio: bool) -> Task:
        """What gives the log likelihood asked for; with :attr:`middle_of_extra` log prior over density and values of these."""
        return LogLikelihood(self.asked, use_ratio)

    def task_rows(self, parameters: Parameters, rng: np.random.Generator) -> Sequence[Row]:
        """Rows for :meth:`task`."""
        return self.rows(parameters, {})

    def log_prior_ratio(self, parameters: Parameters) -> np.ndarray | float:
        """Log density (N,) of the prior asked for over that of the plain one, where ``parameters`` of the latter are."""
        return 0.0

    def rows(self, parameters: Parameters, extra: Parameters) -> Sequence[Row]:
        """One dictionary a draw for :attr:`asked`."""
        return make_rows(self.fixed, {**parameters, **extra})

    def reported(self, parameters: Parameters, extra: Parameters) -> Parameters:
        """The search parameters asked for, (N,) each."""
        return parameters

    def log_prior(self, parameters: Parameters, extra: Parameters, log_prior: np.ndarray) -> np.ndarray:
        """Log density (N,) of the prior asked for, from that which the draws were weighted by."""
        return log_prior


class Translation(Unchanged):
    """A problem that is analysed in another form.

    Parameters
    ----------
    likelihood
        The user's.
    priors
        The user's; a marginalised likelihood has changed them.
    wave
        Whether the likelihood is turned into the plain one of gravitational waves.
    quantiles
        What is sampled through quantiles, if anything.

    Raises
    ------
    SimulationError
        If the likelihood has no plain form, or Bilby's way to integrate parameters out is not the integral of its waveform.
    PriorError
        If a parameter that is integrated out has no prior with the likelihood, or calibration parameters are tied to others.
    """

    def __init__(
        self, likelihood: Likelihood, priors: PriorDict, wave: bool, quantiles: Quantiles | None = None
    ) -> None:
        self._quantiles = quantiles
        if quantiles:
            self.no_network = "; ".join(f"{key}: {reason}" for key, reason in quantiles.reasons.items())
            # Other forms of a wave are sampled as they are: what stands behind them need not know of quantiles.
            wave = wave and is_plain(likelihood) and shapes_the_wave_alone(quantiles)
        asked_for = PriorDict(
            {
                key: prior
                for key, prior in priors.items()
                if isinstance(prior, Prior) and not isinstance(prior, Constraint | DeltaFunction)
            }
        )
        self.keys = tuple(asked_for)
        fixed = {key: float(prior.peak) for key, prior in priors.items() if isinstance(prior, DeltaFunction)}
        self.dropped = marginalised(likelihood) if wave else ()
        self.given = likelihood
        self.asked = unmarginalised(likelihood) if wave else likelihood
        plain = _with_dropped(priors, likelihood, self.dropped)
        # Those that are integrated out among them: drawn values take their place.
        self.fixed = fixed
        self._jitter_prior = jitter = priors.get(TIME_JITTER)
        if one_time := wave and needs_one_time(likelihood) and covers_a_step(likelihood, jitter):
            self.asked = AtOneTime(unmarginalised(likelihood, but=("time",)), jitter)
            plain[TIME] = self.asked.plain_prior()
        self._extra = self._take_calibration(plain) if wave else {}
        self._log_scale_of_extra = {key: _log_scale_of(key, prior) for key, prior in self._extra.items()}
        self._covers = Covers(plain) if has_joint(plain) else None
        if self._covers:
            plain = self._covers.replaced(plain)
        self._frame = Frame(likelihood, plain) if wave and needs_frame(likelihood) else None
        if self._frame:
            plain = self._frame.plain_priors(plain)
        self.likelihood = plain_likelihood(likelihood) if wave else likelihood
        if quantiles:
            plain = quantiles.replaced(plain)
            self.likelihood = (
                wave_of_quantiles(self.likelihood, quantiles) if wave else OfQuantiles(likelihood, quantiles)
            )
        self._source = _source_masses(self.likelihood, plain) if wave else None
        if self._source:
            plain = self._source.plain_priors(plain)
        self.transform = PriorTransform(plain)
        own = wave and not has_plain_values(likelihood)
        self.corrects = own or one_time
        if self._covers and (tied := self.transform.tied_to_others(self._covers.priors)):
            raise PriorError(
                f"{tied} have a joint prior and are tied to others, by a constraint or a conditional prior: give them "
                "independent priors, or leave out what ties them"
            )
        if own:
            self._check_waveforms()
        if DISTANCE in self.dropped:
            self._check_distance()
        if self.dropped:
            check_marginalisation(likelihood, self.likelihood, self.transform, jitter)
        said = {
            "joint priors are replaced by wider, independent ones": self._covers,
            "calibration parameters follow their conditional only nearly": self._extra,
            "priors of sky and time in the detector's frame are no more than bounds": self._frame,
            "the network knows the plain likelihood, not the one given": self.corrects,
        }
        self.raw_reasons = tuple(reason for reason, holds in said.items() if holds)

    @property
    def log_normalisation_err(self) -> float:
        of_covers = self._covers.log_normalisation_err if self._covers else 0.0
        return float(np.hypot(self.transform.log_normalisation_err, of_covers))

    @property
    def middle_of_extra(self) -> dict[str, float]:
        return {key: float(prior.rescale(0.5)) for key, prior in self._extra.items()}

    def task(self, use_ratio: bool) -> Task:
        if self._extra:
            return CalibrationDraw(self.asked, self.likelihood, self._extra, self.fixed, use_ratio)
        return super().task(use_ratio)

    def task_rows(self, parameters: Parameters, rng: np.random.Generator) -> Sequence[Row]:
        if not self._extra:
            return super().task_rows(parameters, rng)
        # The plain likelihood's names of sky and time beside those asked for.
        plain = make_rows(self.transform.fixed, parameters)
        return with_seeds([{**one, **other} for one, other in zip(plain, self.rows(parameters, {}), strict=True)], rng)

    def log_prior_ratio(self, parameters: Parameters) -> np.ndarray:
        log_ratio = np.zeros(len(next(iter(parameters.values()))))
        if self._source:
            asked = self._source.back(parameters)
            log_ratio, parameters = log_ratio + self._source.log_ratio(parameters, asked), asked
        if self._covers:
            log_ratio = log_ratio + self._covers.log_ratio(parameters)
        if self._frame:
            log_ratio = log_ratio + self._frame.log_ratio(parameters, self._frame.back(parameters))
        return log_ratio

    def rows(self, parameters: Parameters, extra: Parameters) -> Sequence[Row]:
        return make_rows(self.fixed, {**self._back(parameters), **extra})

    def reported(self, parameters: Parameters, extra: Parameters) -> Parameters:
        columns = {**self._back(parameters), **extra}
        if TIME_JITTER in self.keys and TIME in self.dropped:
            columns[TIME_JITTER] = self._jitter(parameters[TIME])
        return {key: columns[key] for key in self.keys}

    def log_prior(self, parameters: Parameters, extra: Parameters, log_prior: np.ndarray) -> np.ndarray:
        for key, prior in self._extra.items():
            log_prior = log_prior + prior.ln_prob(extra[key]) + self._log_scale_of_extra[key]
        for key in self.dropped:
            log_prior = log_prior - self.transform.priors[key].ln_prob(parameters[key]) - self.transform.log_scale[key]
        if TIME_JITTER in self.keys and TIME in self.dropped:
            log_prior = log_prior + self._jitter_prior.ln_prob(self._jitter(parameters[TIME]))
        if self._quantiles:
            inside = np.isfinite(log_prior)
            log_prior[inside] += self._quantiles.log_prior({key: value[inside] for key, value in parameters.items()})
        return log_prior

    def _back(self, parameters: Parameters) -> Parameters:
        """Parameters as the likelihood that was given has them."""
        if self._source:
            parameters = self._source.back(parameters)
        if self._quantiles:
            parameters = self._quantiles.back(parameters)
        return self._frame.back(parameters) if self._frame else parameters

    def _jitter(self, time: np.ndarray) -> np.ndarray:
        """Of a time, its distance from the nearest of those that a time-marginalised likelihood sums over."""
        since, step = time - float(self.given._times[0]), float(self.given._delta_tc)
        return (since + step / 2) % step - step / 2

    def _take_calibration(self, priors: PriorDict) -> dict[str, Prior]:
        """Priors of calibration parameters, taken out of ``priors``."""
        taken = {key: priors.pop(key) for key in _calibration_keys(self.given, priors)}
        searched = {key: prior for key, prior in taken.items() if not isinstance(prior, DeltaFunction)}
        for key, prior in searched.items():
            if isinstance(prior, Constraint) or getattr(prior, "required_variables", None) or hasattr(prior, "dist"):
                raise PriorError(f"priors[{key!r}]={prior!r}: give a calibration parameter a prior of its own")
        return searched

    def _check_distance(self) -> None:
        """Refuse a likelihood that integrates over the distance of a wave that is not inversely proportional to it.

        Bilby's integral scales the wave at one distance; masses of the source's frame are converted at that one.
        """
        draws = self.transform.sample(_ROWS, np.random.default_rng(20200218))
        for row in self.rows(draws, {key: np.full(_ROWS, value) for key, value in self.middle_of_extra.items()}):
            near, far = (
                polarisations(self.likelihood.waveform_generator, {**row, DISTANCE: factor * row[DISTANCE]})
                for factor in (1, 2)
            )
            if near is None or far is None:
                continue
            top = max(float(np.max(np.abs(wave))) for wave in near.values())
            if any(float(np.max(np.abs(2 * far[mode] - near[mode]))) > TOLERANCE * top for mode in near):
                raise SimulationError(
                    "the likelihood is marginalised over the luminosity_distance, and its waveform is not inversely "
                    "proportional to it: give it without this marginalisation, flowpe draws the distance itself"
                )

    def _check_waveforms(self) -> None:
        row = {**self.transform.fixed, **self.transform.from_median()}
        if lengths_differ(self.likelihood, row):
            raise SimulationError(
                f"likelihood={type(self.given).__name__}: its waveform generator does not give the whole spectrum that "
                "networks learn from: give a likelihood whose generator does, or a GravitationalWaveTransient"
            )


def _calibration_keys(likelihood: Any, priors: PriorDict) -> list[str]:
    """Parameters of the calibration of a gravitational-wave likelihood."""
    prefixes = tuple(ifo.calibration_model.prefix for ifo in likelihood.interferometers if is_calibrated(ifo))
    return [key for key in priors if prefixes and key.startswith(prefixes)]


def _log_scale_of(key: str, prior: Prior) -> float:
    """What normalises the density of a calibration parameter: of those that are numbers of curves, or have an atom, nothing."""
    if isinstance(prior, DiscreteValues | SlabSpikePrior):
        return 0.0
    low, high = (float(prior.rescale(share)) for share in (0.1, 0.9))
    if not low < high:
        raise PriorError(f"priors[{key!r}]={prior!r} has no width: fix it, to {low!r}")
    return nature_of(key, prior).log_scale


def translated(likelihood: Likelihood, priors: PriorDict) -> Unchanged:
    """The problem as draws are made for it.

    Raises
    ------
    PriorError
        If the priors cannot be drawn from, whatever the likelihood is.
    """
    problem = _translated(likelihood, priors)
    _tell(problem)
    return problem


def _translated(likelihood: Likelihood, priors: PriorDict) -> Unchanged:
    every = quantiles = quantiles_of(priors)
    if not is_wave(likelihood):
        return _as_it_stands(likelihood, priors, every)
    if every and (calibration := _calibration_keys(likelihood, priors)):
        # Drawn in a way of its own, unless other quantiles have the likelihood sampled as it stands.
        quantiles = every if quantiles_of(priors, without=calibration) else None
    try:
        same = is_plain(likelihood) and has_plain_values(likelihood) and not (quantiles or has_joint(priors))
        if same and _source_masses(likelihood, priors) is None:
            return Unchanged(likelihood, PriorTransform(priors))
        return Translation(likelihood, priors, wave=True, quantiles=quantiles)
    except (SimulationError, PriorError) as error:
        # Its value is a function of the parameters all the same.
        translation = _as_it_stands(likelihood, priors, every)
        translation.obstacle = str(error)
        return translation


def _source_masses(likelihood: GravitationalWaveTransient, priors: PriorDict) -> SourceMasses | None:
    """The frame in which masses of the source's frame can be drawn, where the priors have such and the waveform allows."""
    if not any(key.endswith(SOURCE) for key in priors):
        return None
    transform = PriorTransform(priors)
    return SourceMasses(transform) if can_be_drawn_in_the_detectors_frame(likelihood, transform) else None


def _as_it_stands(likelihood: Likelihood, priors: PriorDict, quantiles: Quantiles | None) -> Unchanged:
    if quantiles or has_joint(priors):
        return Translation(likelihood, priors, wave=False, quantiles=quantiles)
    return Unchanged(likelihood, PriorTransform(priors))


def _tell(problem: Unchanged) -> None:
    """What of the priors is not taken as it is given."""
    transform = problem.transform
    for key, reason in transform.by_draws.items():
        logger.warning(f"priors[{key!r}]: {reason}. Draws, log prior and evidence go by rescale, as in nested samplers")
    if idle := idle_constraints(transform.priors, transform.sample(4, np.random.default_rng(0))):
        logger.warning(
            f"The priors constrain {idle}, but the conversion function of the priors makes no such quantity: as in other "
            "samplers, nothing is constrained by that. Give PriorDict(..., conversion_function=...) a function that makes it"
        )


def _with_dropped(priors: PriorDict, likelihood: Any, dropped: Sequence[str]) -> PriorDict:
    """``priors`` with those of the parameters that the likelihood integrates out."""
    plain = copied(priors)
    for key in dropped:
        prior = likelihood.priors.get(key) if likelihood.priors is not None else None
        if not isinstance(prior, Prior) or isinstance(prior, DeltaFunction):
            raise PriorError(
                f"the likelihood is marginalised over {key!r} but keeps no prior of it ({prior!r}): give it the priors when it "
                "is made"
            )
        plain[key] = prior
    if TIME in dropped:
        plain.pop(TIME_JITTER, None)
    return plain
