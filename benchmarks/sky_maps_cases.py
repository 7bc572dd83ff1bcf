"""The events of ``sky_maps.py``: binary black holes with aligned spins in Gaussian noise of two or three detectors, 4 s.

All parameters but the distance's far end are the same for every event: chirp masses of 25 to 40 solar masses in the
detectors' frame, distances by volume up to 2.5 Gpc, sources all over the sky. The noise curves are Bilby's for the design of
advanced LIGO and Virgo.
"""

from __future__ import annotations

from typing import Any

import bilby
import numpy as np
from bilby.core.prior import Cosine, DeltaFunction, PowerLaw, PriorDict, Sine, Uniform
from bilby.gw.detector import InterferometerList
from bilby.gw.prior import AlignedSpin, UniformInComponentsChirpMass, UniformInComponentsMassRatio
from real_event_cases import bilby_seed, optimal_snr

NETWORKS = {"HL": ("H1", "L1"), "HLV": ("H1", "L1", "V1")}
DURATION, SAMPLING_FREQUENCY, BAND = 4.0, 1024.0, (20.0, 448.0)  # seconds, Hz, Hz
TRIGGER = 1187008882.0
CHIRP_MASS, FARTHEST = (25.0, 40.0), 2500.0  # solar masses, Mpc
NARROW = 1.0  # solar masses to either side of the true chirp mass, for an event that dynesty analyses in minutes
TRUTH = {
    "chirp_mass": 30.0, "mass_ratio": 0.8, "chi_1": 0.0, "chi_2": 0.0, "luminosity_distance": 1500.0, "theta_jn": 0.6,
    "psi": 0.9, "phase": 1.3, "ra": 2.1, "dec": 0.6, "geocent_time": TRIGGER + 0.01,
}  # fmt: skip
SEED = 61_000


def generator() -> Any:
    """Waveforms of aligned spins, of the leading mode."""
    return bilby.gw.WaveformGenerator(
        duration=DURATION, sampling_frequency=SAMPLING_FREQUENCY, start_time=TRIGGER + 2 - DURATION,
        frequency_domain_source_model=bilby.gw.source.lal_binary_black_hole,
        parameter_conversion=bilby.gw.conversion.convert_to_lal_binary_black_hole_parameters,
        waveform_arguments={
            "waveform_approximant": "IMRPhenomXAS", "reference_frequency": BAND[0], "minimum_frequency": BAND[0]
        },
    )  # fmt: skip


def priors() -> PriorDict:
    """Return the priors of all events."""
    circle = {"minimum": 0.0, "maximum": 2 * np.pi, "boundary": "periodic"}
    found = bilby.gw.prior.BBHPriorDict(dictionary={})
    found["chirp_mass"] = UniformInComponentsChirpMass(*CHIRP_MASS, name="chirp_mass")
    found["mass_ratio"] = UniformInComponentsMassRatio(0.25, 1, name="mass_ratio")
    for key in ("chi_1", "chi_2"):
        found[key] = AlignedSpin(a_prior=Uniform(0, 0.99), z_prior=Uniform(-1, 1), name=key)
    found["luminosity_distance"] = PowerLaw(2, 50, FARTHEST, name="luminosity_distance")
    found["theta_jn"] = Sine(name="theta_jn")
    found["ra"], found["dec"] = Uniform(name="ra", **circle), Cosine(name="dec")
    found["psi"] = Uniform(0, np.pi, boundary="periodic", name="psi")
    found["phase"] = Uniform(name="phase", **circle)
    found["geocent_time"] = Uniform(TRIGGER - 0.1, TRIGGER + 0.1, name="geocent_time")
    return found


def narrow_priors(priors: PriorDict) -> PriorDict:
    """The same about :data:`TRUTH`, no spins: four parameters fewer to search."""
    found = PriorDict(dict(priors))
    mass = TRUTH["chirp_mass"]
    found["chirp_mass"] = UniformInComponentsChirpMass(mass - NARROW, mass + NARROW, name="chirp_mass")
    found["mass_ratio"] = UniformInComponentsMassRatio(0.6, 1, name="mass_ratio")
    for key in ("chi_1", "chi_2"):
        found[key] = DeltaFunction(0.0, name=key)
    return bilby.gw.prior.BBHPriorDict(dictionary=dict(found))


def detectors(network: str, truth: dict[str, float], seed: int) -> tuple[InterferometerList, float]:
    """Noise with a signal, and its signal-to-noise ratio."""
    found = InterferometerList(list(NETWORKS[network]))
    for one in found:
        one.minimum_frequency, one.maximum_frequency = BAND
    with bilby_seed(seed):
        found.set_strain_data_from_power_spectral_densities(
            sampling_frequency=SAMPLING_FREQUENCY, duration=DURATION, start_time=TRIGGER + 2 - DURATION
        )
    waves = generator()
    found.inject_signal(waveform_generator=waves, parameters=dict(truth), raise_error=False)
    return found, optimal_snr(found, waves, truth)


def likelihood(interferometers: InterferometerList) -> Any:
    """Bilby's own, nothing integrated out."""
    return bilby.gw.GravitationalWaveTransient(interferometers, generator())


def drawn(network: str, index: int) -> tuple[Any, PriorDict, dict[str, float], float]:
    """Likelihood, prior, truth and signal-to-noise ratio of an event whose truth is a draw from the prior."""
    prior, seed = priors(), SEED + 10 * index + 2 * [*NETWORKS].index(network)
    with bilby_seed(seed):
        truth = {key: float(value) for key, value in prior.sample().items()}
    interferometers, ratio = detectors(network, truth, seed + 1)
    return likelihood(interferometers), prior, truth, ratio
