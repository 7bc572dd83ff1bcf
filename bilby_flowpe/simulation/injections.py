"""Fresh simulated events of a likelihood: parameters from the prior, data from the likelihood's own noise."""

from __future__ import annotations

import copy

import numpy as np
from bilby.core.likelihood import Likelihood
from bilby.gw.detector import Interferometer
from bilby.gw.likelihood import GravitationalWaveTransient

from ..errors import SimulationError
from ..priors import PriorTransform
from ..processes.parallel import Row
from ..waves.waveforms import polarisations, responses, waveform
from ..waves.whitening import noise_variance
from .factory import make_plain_simulator

_TRIALS = 100


def inject(likelihood: Likelihood, transform: PriorTransform, rng: np.random.Generator) -> tuple[Likelihood, Row]:
    """A copy of ``likelihood`` with the data of a new event.

    Parameters
    ----------
    likelihood
        Any likelihood that can be simulated from; left as it is. A gravitational-wave one says which detectors, band, noise
        and waveform.
    transform
        The prior that the parameters are drawn from.
    rng
        Random generator.

    Returns
    -------
    likelihood, parameters
        The new likelihood and the signal's parameters, fixed ones included.

    Raises
    ------
    SimulationError
        If the waveform fails over nearly all of the prior.
    """
    if not isinstance(likelihood, GravitationalWaveTransient):
        return make_plain_simulator(likelihood, transform, trial=False).inject(rng)
    parameters, signal_polarisations = injected(likelihood, transform, rng)
    event = copy.deepcopy(likelihood)
    signals = responses(event, signal_polarisations, parameters)
    for index, (interferometer, signal) in enumerate(zip(event.interferometers, signals, strict=True)):
        put_data(event, index, np.where(interferometer.frequency_mask, signal, 0) + _noise(interferometer, rng))
    return event, parameters


def injected(
    likelihood: GravitationalWaveTransient, transform: PriorTransform, rng: np.random.Generator
) -> tuple[Row, dict[str, np.ndarray]]:
    """The signal that :func:`inject` puts into the data, given a generator in the same state.

    Where there is no waveform there is no likelihood, and no event.

    Returns
    -------
    parameters, polarisations

    Raises
    ------
    SimulationError
        If the waveform fails over nearly all of the prior, or its generator raises.
    """
    for _ in range(_TRIALS):
        parameters = {**transform.fixed, **{key: float(value[0]) for key, value in transform.sample(1, rng).items()}}
        if (signal := polarisations(likelihood.waveform_generator, parameters)) is not None:
            return parameters, signal
    raise SimulationError(
        f"the waveform generator failed for {_TRIALS} draws from the prior, {parameters} the last of them: narrow the priors "
        "to where it works"
    )


def optimal_snr(likelihood: GravitationalWaveTransient, parameters: Row) -> float:
    """Signal-to-noise ratio of a signal over all detectors, were the filter its own shape; 0 where there is no waveform."""
    if (waves := waveform(likelihood.waveform_generator, parameters)) is None:
        return 0.0
    seen = zip(likelihood.interferometers, responses(likelihood, waves, parameters), strict=True)
    return float(sum(interferometer.optimal_snr_squared(response).real for interferometer, response in seen) ** 0.5)


def put_data(likelihood: GravitationalWaveTransient, index: int, strain: np.ndarray) -> None:
    """Give one detector other data; what the likelihood remembers of the old ones is forgotten.

    Parameters
    ----------
    likelihood
        Changed in place.
    index
        Of the detector.
    strain
        Frequency domain, (F,), in 1/Hz.
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
    """Noise as the likelihood assumes it, inside the band."""
    mask = interferometer.frequency_mask
    variance = np.where(mask, noise_variance(interferometer), 0)
    white = rng.standard_normal(len(mask)) + 1j * rng.standard_normal(len(mask))
    return np.sqrt(variance) * white
