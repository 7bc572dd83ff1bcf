"""Make the events of ``families.py``: a broad population of binary black holes, each defined by its number.

An event has a range of chirp masses, as a user chooses it around the result of a search: a factor of 1.3 for the lightest
binaries, of 2 for the heaviest. The true chirp mass is log-uniform in the middle half of the range. All other parameters except
the distance are drawn from Bilby's default priors. The distance follows from a signal-to-noise ratio that is uniform from 8 to
40. Detectors alternate, the data are as long as the lightest signal of the range needs, and every detector has a noise curve
that was in no training, with a different scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import bilby
import numpy as np
from bilby.core.prior import Cosine, PowerLaw, PriorDict, Sine, Uniform
from bilby.gw.detector import InterferometerList, PowerSpectralDensity
from bilby.gw.prior import AlignedSpin, BBHPriorDict, UniformInComponentsChirpMass, UniformInComponentsMassRatio
from real_event_cases import bilby_seed, optimal_snr

from bilby_flowpe.family.curves import all_published

APPROXIMANTS = {"bbh-aligned": "IMRPhenomXAS", "bbh-precessing": "IMRPhenomXPHM"}
DETECTORS = (("H1", "L1"), ("H1", "L1", "V1"), ("L1", "V1"))
DURATIONS = (4, 8, 16)  # seconds
SAMPLING_FREQUENCY, LOWEST, REFERENCE = 2048.0, 20.0, 20.0  # Hz
CHIRP_MASS = 6.0, 70.0  # solar masses, as detectors see it
NARROW, WIDE = 1.3, 2.0  # the largest chirp mass of a range over the least: of light and of heavy binaries
SNR = 8.0, 40.0
LEAST_RATIO, SPIN = 0.08, 0.99
TRIGGER, AFTER = 1126259462.0, 2.0  # seconds: GPS time of the merger, and the data that follow it
SCALE = 0.35  # standard deviation of ln S by which a detector's curve is higher or lower than the published one
HARDLY = 60.0  # in ln S above the least: Bilby takes no larger numbers
BELOW, ABOVE = 10.0, 1030.0  # Hz: a little more than the band
FAR = 2.0  # times the distance at which a binary without spins, seen at its best, has the least ratio
SOLAR_SECONDS = 4.925491e-6  # mass of the sun in seconds
LONGER = 1.2  # than the leading order of the phase tells: unequal masses and spins
SEED = 40_000


@dataclass(frozen=True)
class Event:
    """Likelihood, priors and true values of an event; the true chirp mass was drawn from a range in solar masses."""

    likelihood: Any
    priors: PriorDict
    truth: dict[str, float]
    drawn_within: tuple[float, float]
    detectors: tuple[str, ...]
    duration: int
    snr: float

    def log_change(self, columns: dict[str, np.ndarray]) -> np.ndarray:
        """Logarithm of the density that truths are drawn from over the prior, but for a constant, (N,).

        The prior of the chirp mass M goes with M, that of the distance d with d^2. Truths go with 1/M, and their
        distances, since the signal-to-noise ratio r is even, with r/d. The factor r is left out: data tell it to one
        unit, so that it hardly depends on masses and spins.
        """
        of_mass = in_range(columns["chirp_mass"], self.drawn_within)
        return of_mass - 2 * np.log(columns["chirp_mass"]) - 3 * np.log(columns["luminosity_distance"])


def in_range(values: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """Zero within limits and minus infinity outside."""
    return np.where((values >= limits[0]) & (values <= limits[1]), 0.0, -np.inf)


def event_of(family: str, index: int) -> Event:
    """The event of a number."""
    rng = np.random.default_rng((SEED, index))
    limits, within = ranges(rng)
    detectors, duration = DETECTORS[index % len(DETECTORS)], duration_of(limits[0])
    snr, mass = float(rng.uniform(*SNR)), float(np.exp(rng.uniform(*np.log(within))))
    interferometers = noise_of(detectors, duration, rng, SEED + 2 * index)
    generator = generator_of(family, duration)
    priors = priors_of(family, limits, farthest(interferometers, generator, limits[1]))
    with bilby_seed(SEED + 2 * index + 1):
        truth = {key: float(value) for key, value in priors.sample().items()} | {"chirp_mass": mass}
    truth["luminosity_distance"] *= optimal_snr(interferometers, generator, truth) / snr
    interferometers.inject_signal(waveform_generator=generator, parameters=dict(truth), raise_error=False)
    likelihood = bilby.gw.GravitationalWaveTransient(interferometers, generator)
    return Event(likelihood, priors, truth, within, detectors, duration, snr)


def ranges(rng: np.random.Generator) -> tuple[tuple[float, float], tuple[float, float]]:
    """Limits of the prior of the chirp mass, and its middle half, which the truth is drawn from."""
    low, high = np.log(CHIRP_MASS)
    middle = rng.uniform(low + np.log(NARROW) / 4, high - np.log(WIDE) / 4)
    half = 0.5 * np.log(NARROW + (WIDE - NARROW) * (middle - low) / (high - low))
    limits, within = ((float(np.exp(middle - width)), float(np.exp(middle + width))) for width in (half, half / 2))
    return limits, within


def duration_of(chirp_mass: float) -> int:
    """The shortest data that hold a signal, in seconds."""
    leading = 5 / 256 * (np.pi * LOWEST) ** (-8 / 3) * (chirp_mass * SOLAR_SECONDS) ** (-5 / 3)
    return next((one for one in DURATIONS if LONGER * leading < one - AFTER), DURATIONS[-1])


def noise_of(names: tuple[str, ...], duration: int, rng: np.random.Generator, seed: int) -> InterferometerList:
    """Gaussian noise, of a curve drawn for each detector."""
    frequencies = np.linspace(BELOW, ABOVE, int((ABOVE - BELOW) * duration) + 1)
    held_out = all_published(frequencies, held_out=True)
    interferometers = InterferometerList(list(names))
    for interferometer in interferometers:
        curve = held_out[rng.integers(len(held_out))] + rng.normal(0, SCALE)
        curve = np.exp(np.minimum(curve, curve.min() + HARDLY))
        interferometer.minimum_frequency = LOWEST
        interferometer.power_spectral_density = PowerSpectralDensity(frequency_array=frequencies, psd_array=curve)
    with bilby_seed(seed):
        interferometers.set_strain_data_from_power_spectral_densities(
            sampling_frequency=SAMPLING_FREQUENCY, duration=duration, start_time=TRIGGER + AFTER - duration
        )
    return interferometers


def generator_of(family: str, duration: int) -> Any:
    """Waveforms of the family."""
    arguments = {"reference_frequency": REFERENCE, "minimum_frequency": LOWEST}
    return bilby.gw.WaveformGenerator(
        duration=duration, sampling_frequency=SAMPLING_FREQUENCY, start_time=TRIGGER + AFTER - duration,
        frequency_domain_source_model=bilby.gw.source.lal_binary_black_hole,
        parameter_conversion=bilby.gw.conversion.convert_to_lal_binary_black_hole_parameters,
        waveform_arguments={"waveform_approximant": APPROXIMANTS[family], **arguments},
    )  # fmt: skip


def farthest(interferometers: InterferometerList, generator: Any, chirp_mass: float) -> float:
    """Distance in Mpc beyond which no binary of the population is."""
    best = {"chirp_mass": chirp_mass, "mass_ratio": 1.0, "luminosity_distance": 1000.0, "theta_jn": 0.0, "phase": 0.0}
    best |= dict.fromkeys(("a_1", "a_2", "tilt_1", "tilt_2", "phi_12", "phi_jl"), 0.0)
    plus = generator.frequency_domain_strain(best)["plus"]
    squared = sum(float(one.optimal_snr_squared(plus).real) for one in interferometers)
    return FAR * best["luminosity_distance"] * np.sqrt(squared) / SNR[0]


def priors_of(family: str, limits: tuple[float, float], largest: float) -> PriorDict:
    """Bilby's defaults, within a range of chirp masses."""
    circle = {"minimum": 0.0, "maximum": 2 * np.pi, "boundary": "periodic"}
    priors = BBHPriorDict(dictionary={})
    priors["chirp_mass"] = UniformInComponentsChirpMass(*limits, name="chirp_mass")
    priors["mass_ratio"] = UniformInComponentsMassRatio(LEAST_RATIO, 1, name="mass_ratio")
    for n in "12":
        if family == "bbh-aligned":
            priors[f"chi_{n}"] = AlignedSpin(Uniform(0, SPIN), Uniform(-1, 1), name=f"chi_{n}")
        else:
            priors[f"a_{n}"], priors[f"tilt_{n}"] = Uniform(0, SPIN, name=f"a_{n}"), Sine(name=f"tilt_{n}")
    if family != "bbh-aligned":
        priors["phi_12"], priors["phi_jl"] = Uniform(name="phi_12", **circle), Uniform(name="phi_jl", **circle)
    # So near that no signal is left out: few draws of the prior are there.
    priors["luminosity_distance"] = PowerLaw(2, largest / 1000, largest, name="luminosity_distance")
    priors["theta_jn"] = Sine(name="theta_jn")
    priors["ra"], priors["dec"] = Uniform(name="ra", **circle), Cosine(name="dec")
    priors["psi"] = Uniform(0, np.pi, boundary="periodic", name="psi")
    priors["phase"] = Uniform(name="phase", **circle)
    priors["geocent_time"] = Uniform(TRIGGER - 0.1, TRIGGER + 0.1, name="geocent_time")
    return priors
