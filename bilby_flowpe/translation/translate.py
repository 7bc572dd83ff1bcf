"""Translation of the user's problem to the plain form that networks know, and back with exact weights.

Networks know one form of a problem: a plain gravitational-wave likelihood (:mod:`.plain`), right ascension, declination
and geocentric time, and priors of one parameter each. Other forms are translated to it:

- Parameters that the likelihood integrates out are drawn like all others, and left out of the result: the remaining ones have
  the marginal posterior, and the evidence is the same.
- Sky and time in a detector's frame are converted to those of the sky (:mod:`.frames`).
- Joint priors are covered by independent ones (:mod:`.covers`).
- Parameters without a density, mainly discrete ones, are sampled through their quantiles (:mod:`.quantiles`).
- Source-frame masses are drawn in the detector frame (:mod:`.source_masses`).
- Calibration parameters are drawn given the wave (:mod:`.recalibration`).
- If a likelihood differs from the plain one (approximations, calibration, any subclass), it gives the weights, and the plain
  one is used for the proposal.

Every change of a density is included in the weight of each draw, as a step (:mod:`.steps`).

A gravitational-wave likelihood without such a form is sampled like any other function of its parameters;
:attr:`.translated.Translated.obstacle` has the reason.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from bilby.core.likelihood import Likelihood
from bilby.core.prior import PriorDict
from bilby.core.utils import logger
from bilby.gw.likelihood import GravitationalWaveTransient

from ..errors import PriorError, SimulationError
from ..kinds import problem_of
from ..kinds.recognise import has_plain_values, is_plain, is_wave, marginalised
from ..names import DISTANCE, TIME, TIME_JITTER
from ..prior_checks import idle_constraints
from ..priors import PriorTransform, copied
from ..waves.turns import TOLERANCE
from ..waves.waveforms import polarisations
from .asked import Asked
from .calibration_errors import CalibrationErrors
from .covers import Covers, has_joint
from .forms import Form, Forms
from .frames import Frame, needs_frame
from .marginalisation import AtOneTime, Jitter, check_marginalisation, covers_a_step, needs_one_time
from .plain import lengths_differ, plain_likelihood, unmarginalised
from .quantiles import OfQuantiles, Quantiles, quantiles_of, shapes_the_wave_alone, wave_of_quantiles
from .source_masses import SOURCE, SourceMasses, can_be_drawn_in_the_detectors_frame
from .translated import Translated, as_it_stands

_ROWS = 4  # draws from the prior at which a waveform is checked: any would show another dependence on the distance


def translated(likelihood: Likelihood, priors: PriorDict) -> Translated:
    """Translate a problem to the form that is used for drawing.

    Raises
    ------
    PriorError
        If the priors cannot be sampled, whatever the likelihood is.
    """
    found = _translated(Asked(likelihood, priors))
    _tell(found.problem.prior)
    return found


def _translated(given: Asked) -> Translated:
    likelihood, priors = given.likelihood, given.priors
    every = quantiles = quantiles_of(priors)
    if not is_wave(likelihood):
        return _of_any_likelihood(given, every)
    if every and (calibration := given.calibration_keys):
        # It is drawn given the wave, unless other quantiles require that the likelihood is sampled as it is.
        quantiles = every if quantiles_of(priors, without=calibration) else None
    try:
        same = is_plain(likelihood) and not (quantiles or has_joint(priors))
        if same and _source_masses(likelihood, priors) is None:
            return as_it_stands(given.problem())
        # Other forms of a wave are sampled as they are: the plain likelihood behind them may not accept quantiles.
        if quantiles and not (is_plain(likelihood) and shapes_the_wave_alone(quantiles)):
            return _of_any_likelihood(given, quantiles)
        return _of_a_wave(given, quantiles)
    except (SimulationError, PriorError) as error:
        # Its value is a function of the parameters in any case.
        return replace(_of_any_likelihood(given, every), obstacle=str(error))


def _of_any_likelihood(given: Asked, quantiles: Quantiles | None) -> Translated:
    """Translate a likelihood as a function of its parameters; only joint priors and quantiles are translated."""
    likelihood, priors = given.likelihood, given.priors
    if not (quantiles or has_joint(priors)):
        return as_it_stands(given.problem())
    plain, covers = _covered(copied(priors))
    drawn_with = likelihood
    if quantiles:
        plain = quantiles.replaced(plain)
        drawn_with = OfQuantiles(likelihood, quantiles)
    return Translated(
        problem=problem_of(drawn_with, _independent(plain, covers)),
        given=likelihood,
        asked=likelihood,
        keys=given.keys,
        fixed=given.fixed,
        forms=Forms(_present(covers), quantiles),
        raw_reasons=_raw_reasons(covers=covers),
        no_network=_no_network(quantiles),
        log_cover_err=covers.log_normalisation_err if covers else 0.0,
    )


def _of_a_wave(given: Asked, quantiles: Quantiles | None) -> Translated:
    """Translate a gravitational-wave likelihood to the form that networks know.

    Raises
    ------
    SimulationError
        If the likelihood has no plain form, or Bilby's marginalisation is not the integral of its waveform.
    PriorError
        If the likelihood has no prior of a parameter that is integrated out, or calibration parameters are tied to
        others.
    """
    likelihood, keys = given.likelihood, given.keys
    dropped, jitter = marginalised(likelihood), given.priors.get(TIME_JITTER)
    plain = given.with_dropped(dropped)
    asked, one_time = unmarginalised(likelihood), None
    if needs_one_time(likelihood) and covers_a_step(likelihood, jitter):
        asked = one_time = AtOneTime(unmarginalised(likelihood, but=("time",)), jitter)
        plain[TIME] = one_time.plain_prior()
    calibration = CalibrationErrors.taken_from(plain, given.calibration_keys)
    plain, covers = _covered(plain)
    frame = Frame(likelihood, plain) if needs_frame(likelihood) else None
    if frame:
        plain = frame.plain_priors(plain)
    drawn_with = plain_likelihood(likelihood)
    if quantiles:
        plain = quantiles.replaced(plain)
        drawn_with = wave_of_quantiles(drawn_with, quantiles)
    source = _source_masses(drawn_with, plain)
    if source:
        plain = source.plain_priors(plain)
    own = not has_plain_values(likelihood)
    corrects = own or one_time is not None
    found = Translated(
        problem=problem_of(drawn_with, _independent(plain, covers)),
        given=likelihood,
        asked=asked,
        keys=keys,
        fixed=given.fixed,
        forms=Forms(_present(source, covers, frame), quantiles),
        calibration=calibration,
        corrects=corrects,
        dropped=dropped,
        jitter=Jitter.in_(likelihood, jitter) if TIME_JITTER in keys and TIME in dropped else None,
        raw_reasons=_raw_reasons(covers, calibration, frame, corrects),
        no_network=_no_network(quantiles),
        log_cover_err=covers.log_normalisation_err if covers else 0.0,
    )
    if own:
        _check_waveforms(found)
    if DISTANCE in dropped:
        _check_distance(found)
    if dropped:
        check_marginalisation(likelihood, found.problem, jitter)
    return found


def _covered(priors: PriorDict) -> tuple[PriorDict, Covers | None]:
    """Return priors with independent ones in place of joint ones, and the object that covers these."""
    if not has_joint(priors):
        return priors, None
    covers = Covers(priors)
    return covers.replaced(priors), covers


def _independent(priors: PriorDict, covers: Covers | None) -> PriorTransform:
    """Return the prior for drawing; no other parameter may be tied to those of a joint prior."""
    transform = PriorTransform(priors)
    if covers and (tied := transform.tied_to_others(covers.priors)):
        raise PriorError(
            f"{tied} have a joint prior and are tied to others, by a constraint or a conditional prior: give them "
            "independent priors, or leave out the constraint or condition"
        )
    return transform


def _present(*forms: Form | None) -> tuple[Form, ...]:
    return tuple(form for form in forms if form is not None)


def _no_network(quantiles: Quantiles | None) -> str:
    return "; ".join(f"{key}: {reason}" for key, reason in quantiles.reasons.items()) if quantiles else ""


def _raw_reasons(
    covers: Covers | None = None,
    calibration: CalibrationErrors | None = None,
    frame: Frame | None = None,
    corrects: bool = False,
) -> tuple[str, ...]:
    """Return reasons, in words, why draws without weights are only approximate."""
    said = {
        "joint priors are replaced by wider, independent ones": covers,
        "calibration parameters are drawn from an approximate conditional": calibration,
        "priors of sky and time in the detector's frame only set bounds": frame,
        "the network knows the plain likelihood, not the one given": corrects,
    }
    return tuple(reason for reason, holds in said.items() if holds)


def _source_masses(likelihood: GravitationalWaveTransient, priors: PriorDict) -> SourceMasses | None:
    """Return the map of source-frame masses, if the priors have such masses and the waveform allows it."""
    if not any(key.endswith(SOURCE) for key in priors):
        return None
    problem = problem_of(likelihood, priors)
    return SourceMasses(problem.prior) if can_be_drawn_in_the_detectors_frame(problem) else None


def _check_distance(found: Translated) -> None:
    """Raise an error if a likelihood integrates over the distance of a wave that is not inversely proportional to it.

    Bilby's integral scales the wave from one distance; masses of the source frame are converted at that one.
    """
    draws = found.problem.prior.sample(_ROWS, np.random.default_rng(20200218))
    medians = {key: np.full(_ROWS, value) for key, value in found.calibration.reference.items()}
    for row in found.rows({**draws, **medians}):
        near, far = (
            polarisations(found.problem.likelihood.waveform_generator, {**row, DISTANCE: factor * row[DISTANCE]})
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


def _check_waveforms(found: Translated) -> None:
    problem = found.problem
    row = {**problem.prior.fixed, **problem.prior.from_median()}
    if lengths_differ(problem.likelihood, row):
        raise SimulationError(
            f"likelihood={type(found.given).__name__}: its waveform generator does not give the whole spectrum that "
            "networks learn from: give a likelihood whose generator does, or a GravitationalWaveTransient"
        )


def _tell(transform: PriorTransform) -> None:
    """Warn about priors that are not used as they are given."""
    for key, reason in transform.by_draws.items():
        logger.warning(
            f"priors[{key!r}]: {reason}. Draws, log prior and evidence use its rescale(), as in nested samplers"
        )
    if idle := idle_constraints(transform.priors, transform.sample(4, np.random.default_rng(0))):
        logger.warning(
            f"The priors constrain {idle}, but the conversion function of the priors does not compute it: as in other "
            "samplers, this has no effect. Give PriorDict(..., conversion_function=...) a function that computes it"
        )
