"""Problems of ``neutron_stars.py``: likelihood, priors and true values of long signals with tides. Only Bilby is needed.

- ``gw170817``: 1.4 + 1.4 solar masses, 128 s from 23 Hz, low precessing spins, network signal-to-noise ratio 32;
- ``gw170817-aligned``: the same with aligned spins;
- ``gw170817-sky``: the same with known sky position, as from an optical counterpart;
- ``nsbh``: a black hole of 7 solar masses with a spin up to 0.8, and a neutron star of 1.4, 64 s from 20 Hz;
- ``quiet`` and ``loud``: ``gw170817`` with signal-to-noise ratios of 9 and 80;
- ``8-s`` to ``256-s``: ``gw170817`` in data of this length, which the signal fills except for the last four seconds.

All have H1, L1 and V1 at their design sensitivities, up to 2048 Hz, with IMRPhenomXP_NRTidalv2. The likelihood is one
of Bilby's: on the ``full`` grid, ``multiband`` or ``relative`` (relative binning around the true values). All three have the
same data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import bilby
import numpy as np
from bilby.core.prior import Cosine, PowerLaw, Sine, Uniform
from bilby.gw import conversion, source
from bilby.gw.detector import InterferometerList
from bilby.gw.prior import AlignedSpin, BNSPriorDict, UniformInComponentsChirpMass, UniformInComponentsMassRatio
from real_event_cases import Problem, bilby_seed, optimal_snr

LIKELIHOODS = ("full", "multiband", "relative")
DURATIONS = (8, 16, 32, 64, 128, 256)  # seconds, of the cases that tell how costs grow
APPROXIMANT = "IMRPhenomXP_NRTidalv2"
TRIGGER = 1187008882.4
AFTER = 2.0  # seconds of data that follow the trigger
BEFORE = 2.0  # seconds of data that come before a signal which fills them
SAMPLING_FREQUENCY, HIGHEST, REFERENCE = 4096.0, 2048.0, 50.0  # Hz
DETECTORS = ("H1", "L1", "V1")
SPIN, DEFORMABILITY = 0.05, 5000.0  # the largest of a neutron star
EPSILON = 0.5  # of relative binning: Bilby's default
SEED = 170817
TRUTH = {
    "mass_ratio": 0.95, "luminosity_distance": 40.0, "theta_jn": 0.5, "psi": 2.6, "phase": 1.3,
    "geocent_time": TRIGGER + 0.007, "ra": 3.44616, "dec": -0.408084, "a_1": 0.02, "a_2": 0.01, "tilt_1": 0.5,
    "tilt_2": 0.9, "phi_12": 0.7, "phi_jl": 0.3, "lambda_1": 400.0, "lambda_2": 450.0,
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """Settings of a problem; masses are in solar masses and in the source's frame."""

    snr: float = 32.0
    chirp_mass: float = conversion.component_masses_to_chirp_mass(1.4, 1.4)
    half_width: float = 0.01  # of the chirp mass's prior
    duration: float = 128.0
    lowest: float = 23.0  # Hz
    aligned: bool = False
    place_known: bool = False
    black_hole: bool = False
    approximant: str = APPROXIMANT


def lowest_of(duration: float, chirp_mass: float) -> float:
    """Frequency at which a signal begins that fills the data, by the leading order of its phase."""
    seconds = chirp_mass * 4.925491e-6  # of the chirp mass, by the gravity and the speed of light
    return round((5 / (256 * (duration - AFTER - BEFORE))) ** 0.375 * seconds**-0.625 / np.pi, 1)


REDSHIFTED = 1.25  # solar masses: the chirp mass of 1.4 + 1.4 at a redshift of 0.025
CASES = {
    "gw170817": Case(),
    "gw170817-aligned": Case(aligned=True),
    "gw170817-sky": Case(place_known=True),
    "nsbh": Case(
        snr=20.0, chirp_mass=conversion.component_masses_to_chirp_mass(7.0, 1.4), half_width=0.05, duration=64.0,
        lowest=20.0, black_hole=True,
    ),
    "quiet": Case(snr=9.0),
    "loud": Case(snr=80.0),
    **{f"{seconds}-s": Case(duration=seconds, lowest=lowest_of(seconds, REDSHIFTED)) for seconds in DURATIONS},
}  # fmt: skip


def case_of(case: Case, likelihood: str = "multiband", seed: int = SEED) -> Problem:
    """Likelihood, priors, and the truth."""
    interferometers = noise_of(case, seed)
    generator = generator_of(case, source.lal_binary_neutron_star)
    truth = truth_of(case, interferometers, generator)
    interferometers.inject_signal(waveform_generator=generator, parameters=dict(truth), raise_error=False)
    priors = priors_of(case, truth)
    return likelihood_of(likelihood, case, interferometers, priors, truth), priors, truth


def noise_of(case: Case, seed: int) -> InterferometerList:
    """Gaussian noise in the detectors."""
    interferometers = InterferometerList(list(DETECTORS))
    for interferometer in interferometers:
        interferometer.minimum_frequency, interferometer.maximum_frequency = case.lowest, HIGHEST
    with bilby_seed(seed):
        interferometers.set_strain_data_from_power_spectral_densities(
            sampling_frequency=SAMPLING_FREQUENCY, duration=case.duration, start_time=TRIGGER + AFTER - case.duration
        )
    return interferometers


def generator_of(case: Case, model: Any, **arguments: Any) -> Any:
    """Waveforms of a source model of Bilby's."""
    if model is not source.binary_neutron_star_frequency_sequence:  # its waves are where its frequencies are
        arguments |= {"minimum_frequency": case.lowest, "maximum_frequency": HIGHEST}
    return bilby.gw.WaveformGenerator(
        duration=case.duration, sampling_frequency=SAMPLING_FREQUENCY, start_time=TRIGGER + AFTER - case.duration,
        frequency_domain_source_model=model,
        parameter_conversion=conversion.convert_to_lal_binary_neutron_star_parameters,
        waveform_arguments={"waveform_approximant": case.approximant, "reference_frequency": REFERENCE, **arguments},
    )  # fmt: skip


def truth_of(case: Case, interferometers: InterferometerList, generator: Any) -> dict[str, float]:
    """The signal, at the distance of its signal-to-noise ratio; masses are redshifted as there."""
    truth = dict(TRUTH)
    if case.black_hole:
        truth |= {"mass_ratio": 0.2, "a_1": 0.6, "tilt_1": 0.8, "lambda_1": 0.0}
    if case.aligned:
        truth |= {f"chi_{n}": truth.pop(f"a_{n}") * np.cos(truth.pop(f"tilt_{n}")) for n in (1, 2)}
        del truth["phi_12"], truth["phi_jl"]
    for _ in range(4):  # the redshift changes the ratio little: each time by a hundredth of the time before
        distance = truth["luminosity_distance"]
        truth["chirp_mass"] = case.chirp_mass * (1 + conversion.luminosity_distance_to_redshift(distance))
        truth["luminosity_distance"] = distance * optimal_snr(interferometers, generator, truth) / case.snr
    return truth


def priors_of(case: Case, truth: dict[str, float]) -> BNSPriorDict:
    """Masses uniform in the components, isotropic spins of uniform magnitude, distances by volume, uniform tides."""
    middle, half = round(truth["chirp_mass"], 3), case.half_width
    largest = (0.8 if case.black_hole else SPIN, SPIN)
    circle = {"minimum": 0.0, "maximum": 2 * np.pi, "boundary": "periodic"}
    priors = BNSPriorDict(dictionary={})
    priors["chirp_mass"] = UniformInComponentsChirpMass(middle - half, middle + half, name="chirp_mass")
    priors["mass_ratio"] = UniformInComponentsMassRatio(0.125, 1, name="mass_ratio")
    for n, spin in enumerate(largest, start=1):
        if case.aligned:
            priors[f"chi_{n}"] = AlignedSpin(a_prior=Uniform(0, spin), z_prior=Uniform(-1, 1), name=f"chi_{n}")
        else:
            priors[f"a_{n}"], priors[f"tilt_{n}"] = Uniform(0, spin, name=f"a_{n}"), Sine(name=f"tilt_{n}")
        priors[f"lambda_{n}"] = Uniform(0, DEFORMABILITY, name=f"lambda_{n}")
    if case.black_hole:
        priors["lambda_1"] = 0.0
    if not case.aligned:
        priors["phi_12"], priors["phi_jl"] = Uniform(name="phi_12", **circle), Uniform(name="phi_jl", **circle)
    far = float(np.ceil(truth["luminosity_distance"] / 50) * 150)  # three times as far as the source, or a little more
    priors["luminosity_distance"] = PowerLaw(2, far / 30, far, name="luminosity_distance")
    priors["theta_jn"] = Sine(name="theta_jn")
    if case.place_known:
        priors["ra"], priors["dec"] = truth["ra"], truth["dec"]
    else:
        priors["ra"], priors["dec"] = Uniform(name="ra", **circle), Cosine(name="dec")
    priors["psi"] = Uniform(0, np.pi, boundary="periodic", name="psi")
    priors["phase"] = Uniform(name="phase", **circle)
    priors["geocent_time"] = Uniform(TRIGGER - 0.1, TRIGGER + 0.1, name="geocent_time")
    return priors


def likelihood_of(
    name: str, case: Case, interferometers: InterferometerList, priors: BNSPriorDict, truth: dict[str, float]
) -> Any:
    """Return the likelihood with this name in :data:`LIKELIHOODS`."""
    if name == "multiband":
        return bilby.gw.likelihood.MBGravitationalWaveTransient(
            interferometers, generator_of(case, source.binary_neutron_star_frequency_sequence), priors=priors,
            reference_chirp_mass=priors["chirp_mass"].minimum,
        )  # fmt: skip
    if name == "relative":
        return bilby.gw.likelihood.RelativeBinningGravitationalWaveTransient(
            interferometers, generator_of(case, source.lal_binary_neutron_star_relative_binning, fiducial=1),
            fiducial_parameters=dict(truth), update_fiducial_parameters=False, priors=priors, epsilon=EPSILON,
        )  # fmt: skip
    generator = generator_of(case, source.lal_binary_neutron_star)
    return bilby.gw.GravitationalWaveTransient(interferometers, generator, priors=priors)
