"""Fresh simulated strain: a signal drawn from the prior in noise of the likelihood's own curves."""

from __future__ import annotations

import copy

import numpy as np
from bilby.gw.detector import Interferometer
from bilby.gw.likelihood import GravitationalWaveTransient

from ..errors import SimulationError
from ..problem import Problem
from ..processes.parallel import Row
from ..waves.waveforms import polarisations, responses, waveform
from ..waves.whitening import noise_variance

# Draws from the prior before it is given up to find a waveform: fails by chance only if most draws have none
_TRIALS = 100


def inject_signal(problem: Problem, rng: np.random.Generator) -> tuple[GravitationalWaveTransient, Row]:
    """Simulate an event of a problem of gravitational waves.

    Parameters
    ----------
    problem
        The problem. Its likelihood, which is not changed, gives detectors, band, noise and waveform, its prior the parameters.
    rng
        Generator of random numbers.

    Returns
    -------
    likelihood, parameters
        A copy of the likelihood with new data, and the signal's parameters, fixed ones included.

    Raises
    ------
    SimulationError
        If the waveform fails over nearly all of the prior.
    """
    parameters, signal_polarisations = draw_signal(problem, rng)
    event = copy.deepcopy(problem.likelihood)
    signals = responses(event, signal_polarisations, parameters)
    for index, (interferometer, signal) in enumerate(zip(event.interferometers, signals, strict=True)):
        put_data(event, index, np.where(interferometer.frequency_mask, signal, 0) + _noise(interferometer, rng))
    return event, parameters


def draw_signal(problem: Problem, rng: np.random.Generator) -> tuple[Row, dict[str, np.ndarray]]:
    """Draw the signal that :func:`inject_signal` puts into the data, given a generator in the same state.

    Draws without a waveform are skipped, as they have no likelihood.

    Returns
    -------
    parameters, polarisations

    Raises
    ------
    SimulationError
        If the waveform fails over nearly all of the prior, or its generator raises.
    """
    prior, generator = problem.prior, problem.likelihood.waveform_generator
    for _ in range(_TRIALS):
        parameters = {**prior.fixed, **{key: float(value[0]) for key, value in prior.sample(1, rng).items()}}
        if (signal := polarisations(generator, parameters)) is not None:
            return parameters, signal
    raise SimulationError(
        f"the waveform generator failed for {_TRIALS} draws from the prior, the last of them {parameters}: narrow the priors "
        "to where it works"
    )


def optimal_snr(likelihood: GravitationalWaveTransient, parameters: Row) -> float:
    """Return the optimal signal-to-noise ratio of a signal over all detectors; 0 where there is no waveform."""
    if (waves := waveform(likelihood.waveform_generator, parameters)) is None:
        return 0.0
    seen = zip(likelihood.interferometers, responses(likelihood, waves, parameters), strict=True)
    return float(sum(interferometer.optimal_snr_squared(response).real for interferometer, response in seen) ** 0.5)


def put_data(likelihood: GravitationalWaveTransient, index: int, strain: np.ndarray) -> None:
    """Replace the data of one detector, and discard what the likelihood has computed from the old ones.

    Parameters
    ----------
    likelihood
        Likelihood, which is changed in place.
    index
        Index of the detector.
    strain
        Strain in the frequency domain, (F,), in 1/Hz.
    """
    interferometer = likelihood.interferometers[index]
    interferometer.set_strain_data_from_frequency_domain_strain(
        strain,
        sampling_frequency=interferometer.sampling_frequency,
        duration=interferometer.duration,
        start_time=interferometer.start_time,
    )
    likelihood._noise_log_likelihood_value = None


def _noise(interferometer: Interferometer, rng: np.random.Generator) -> np.ndarray:
    """Draw noise as the likelihood assumes it, inside the band."""
    mask = interferometer.frequency_mask
    variance = np.where(mask, noise_variance(interferometer), 0)
    white = rng.standard_normal(len(mask)) + 1j * rng.standard_normal(len(mask))
    return np.sqrt(variance) * white
