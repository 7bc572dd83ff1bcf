"""Choose which parameters of a gravitational wave are drawn from their conditional, and the class that draws them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bilby.gw.waveform_generator import WaveformGenerator

from ..names import DEC, DISTANCE, INCLINATION, PHASE, PSI, RA, TIME
from ..priors import PriorTransform
from ..problem import Problem
from ..processes.parallel import Row
from ..simulation import DetectorView
from ..waves.extrinsic import Extrinsic
from ..waves.symmetries import find_symmetries
from .amplitudes import resolved
from .base import Conditional, ConditionalConfig
from .closed_form import ExactConditional
from .coherent import CoherentConditional
from .harmonics import HarmonicsConditional
from .phase import conditional_obstacle

Mode = Literal["conditional", "network"]


@dataclass(frozen=True)
class DrawnBy:
    """The user's choice for each parameter whether its conditional draws it, wherever possible, or the network.

    Attributes
    ----------
    phase, distance, time, sky
        As in :class:`bilby_flowpe.training.settings.Settings`.
    """

    phase: Mode = "conditional"
    distance: Mode = "conditional"
    time: Mode = "conditional"
    sky: Mode = "conditional"


def conditional_config(
    extrinsic: Extrinsic, duration: float, drawn_by: DrawnBy, response: tuple[float, float] | None
) -> ConditionalConfig:
    """Return the parameters that are drawn conditionally: phase, distance, inclination, time and sky, as far as possible.

    Parameters
    ----------
    extrinsic
        Prior, detectors and symmetries of the waveform.
    duration
        Duration of the data in seconds.
    drawn_by
        The user's choice for each parameter.
    response
        Antenna response of the only detector, where distance and inclination act through one number.
    """
    transform, symmetries = extrinsic.transform, extrinsic.symmetries
    orders = symmetries.phase_orders
    order = symmetries.phase_order or next(iter(orders), 0)
    known = PHASE not in transform.keys
    if drawn_by.phase != "conditional" or (not known and conditional_obstacle(transform, order) is not None):
        return ConditionalConfig()
    independent = transform.independent_keys()
    with_time = drawn_by.time == "conditional" and _time_is_free(extrinsic, duration, independent)
    if orders and not with_time and not known:
        # The phase of several modes is drawn together with places and times, or not at all.
        return ConditionalConfig()
    keys, ratio = [] if known else [PHASE], 0j
    # Where the phase is known, the inclination, which changes it, does not act through one number with the distance.
    response = None if known else response
    # With one detector distance and inclination go together.
    amplitude = (DISTANCE,) if response is None else (DISTANCE, INCLINATION)
    free = symmetries.distance and DISTANCE in independent and all(resolved(transform, key) for key in amplitude)
    if drawn_by.distance == "conditional" and free:
        keys += amplitude
        ratio = 0j if response is None else symmetries.cross_ratio
    if with_time:
        keys.append(TIME)
        if drawn_by.sky == "conditional" and response is None:
            acts = (*symmetries.inert, *((INCLINATION,) if symmetries.inclination else ()))
            keys += [key for key in (INCLINATION, PSI, RA, DEC) if key in acts and key in independent]
    while {*transform.keys} <= {*keys}:
        # The network needs at least one parameter.
        keys.pop()
    if known:
        return ConditionalConfig(tuple(keys), phase_known=bool(keys))
    response = response if INCLINATION in keys else None
    return ConditionalConfig(
        tuple(keys), symmetries.phase_order, response, (ratio.real, ratio.imag), symmetries.phase_orders
    )


def single_response(extrinsic: Extrinsic, any_angle: bool) -> tuple[float, float] | None:
    """Return the antenna response of a single detector, if distance and inclination act through one number.

    Parameters
    ----------
    extrinsic
        Prior, detectors and symmetries of the waveform.
    any_angle
        True if signals that differ by a constant phase alone count as the same.
    """
    if not (extrinsic.symmetries.cross_ratio and extrinsic.reflects_inclination(any_angle)):
        return None
    return extrinsic.single_response()


def _time_is_free(extrinsic: Extrinsic, duration: float, independent: tuple[str, ...]) -> bool:
    """Tell whether the time does nothing but shift the signal, within a window shorter than the data."""
    if TIME not in independent or TIME not in extrinsic.symmetries.inert:
        return False
    prior = extrinsic.transform.priors[TIME]
    return bool(prior.maximum - prior.minimum < duration)


def conditional_of(config: ConditionalConfig, transform: PriorTransform) -> Conditional:
    """Return the object that draws the conditional parameters of ``config``."""
    if config.phase_orders:
        return HarmonicsConditional(config, transform)
    return (CoherentConditional if config.coherent else ExactConditional)(config, transform)


def closed_form_of(
    problem: Problem, drawn_by: DrawnBy, tried: Sequence[Row] = (), generator: WaveformGenerator | None = None
) -> Conditional:
    """Return the object that draws the conditional parameters of a gravitational wave, by its waveform's symmetries.

    Parameters
    ----------
    problem
        Likelihood and prior of a gravitational wave.
    drawn_by
        The user's choice for each parameter.
    tried
        Rows at which the symmetries have to hold, beside draws from the prior.
    generator
        Waveform generator whose symmetries count; that of the likelihood when left out.
    """
    # On all frequencies: a smaller grid would only help a network, and finding it takes some hundred waveforms.
    view, prior = DetectorView(problem), problem.prior
    symmetries = find_symmetries(generator or problem.likelihood.waveform_generator, prior, tried)
    extrinsic = Extrinsic(prior, view.detectors, symmetries)
    response = single_response(extrinsic, any_angle=True)
    return conditional_of(conditional_config(extrinsic, view.duration, drawn_by, response), prior)
