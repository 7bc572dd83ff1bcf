"""Events of ``real_event.py``: likelihood, priors and, for injections, true values. Only Bilby and h5py are needed.

- ``xphm-12``, ``xphm-20``, ``xphm-35``: 36 + 29 solar masses with precessing spins, IMRPhenomXPHM, with this network
  signal-to-noise ratio;
- ``gw150914-aligned``: public strain, aligned spins, IMRPhenomXAS;
- ``gw150914-xphm``: the same strain, precessing spins, IMRPhenomXPHM.

All have H1 and L1, 4 s, 20 to 1024 Hz.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bilby
import numpy as np
from bilby.core.prior import Cosine, PowerLaw, PriorDict, Sine, Uniform
from bilby.gw.detector import InterferometerList, PowerSpectralDensity
from bilby.gw.prior import AlignedSpin, UniformInComponentsChirpMass, UniformInComponentsMassRatio, UniformSourceFrame

CASES = ("xphm-12", "xphm-20", "xphm-35", "gw150914-aligned", "gw150914-xphm")
DURATION, SAMPLING_FREQUENCY = 4.0, 2048.0
BAND = 20.0, 1024.0
DESIGN = "aLIGO_ZERO_DET_high_P_psd.txt"
TRIGGER = 1126259462.4
# The sample before TRIGGER - 2 s: the trigger itself falls between two of those of 4096 Hz.
START = 1126259446 + int((TRIGGER - DURATION / 2 - 1126259446) * 4096) / 4096
MIDDLE = START + DURATION / 2
SPIN = 0.99
SEEDS = {"xphm-12": 12, "xphm-20": 20, "xphm-35": 35}
TRUTH = {
    "mass_1": 36.0, "mass_2": 29.0, "a_1": 0.6, "a_2": 0.4, "tilt_1": 0.9, "tilt_2": 1.2, "phi_12": 1.7, "phi_jl": 0.3,
    "theta_jn": 0.7, "psi": 2.66, "phase": 1.3, "geocent_time": MIDDLE + 0.013, "ra": 1.375, "dec": -1.21,
    "luminosity_distance": 1000.0,
}  # fmt: skip
Problem = tuple[Any, PriorDict, dict[str, float] | None]


def approximant_of(case: str) -> str:
    return "IMRPhenomXAS" if case.endswith("aligned") else "IMRPhenomXPHM"


def case_of(case: str, data_dir: Path) -> Problem:
    """Likelihood, priors, and the truth where there is one."""
    interferometers = InterferometerList(["H1", "L1"])
    generator = generator_of(approximant_of(case))
    if case.startswith("gw150914"):
        put_gw150914(interferometers, data_dir)
        return bilby.gw.GravitationalWaveTransient(interferometers, generator), priors_of(case), None
    truth = put_injection(interferometers, generator, TRUTH, float(case.split("-")[1]), SEEDS[case])
    return bilby.gw.GravitationalWaveTransient(interferometers, generator), priors_of(case), truth


def generator_of(approximant: str, duration: float = DURATION) -> Any:
    return bilby.gw.WaveformGenerator(
        duration=duration,
        sampling_frequency=SAMPLING_FREQUENCY,
        start_time=MIDDLE + 2 - duration,
        frequency_domain_source_model=bilby.gw.source.lal_binary_black_hole,
        parameter_conversion=bilby.gw.conversion.convert_to_lal_binary_black_hole_parameters,
        waveform_arguments={
            "waveform_approximant": approximant,
            "reference_frequency": BAND[0],
            "minimum_frequency": BAND[0],
        },
    )


def priors_of(case: str) -> PriorDict:
    """Masses uniform in the components, isotropic spins of uniform magnitude, isotropic orientations, 0.2 s of times.

    Distances: of injections uniform in the sources' comoving volume and time, of GW150914 as their square.
    """
    priors = bilby.gw.prior.BBHPriorDict(dictionary={})
    priors["chirp_mass"] = UniformInComponentsChirpMass(20, 45, name="chirp_mass")
    priors["mass_ratio"] = UniformInComponentsMassRatio(0.125, 1, name="mass_ratio")
    if case.endswith("aligned"):
        for key in ("chi_1", "chi_2"):
            priors[key] = AlignedSpin(a_prior=Uniform(0, SPIN), z_prior=Uniform(-1, 1), name=key)
    else:
        for key in ("a_1", "a_2"):
            priors[key] = Uniform(0, SPIN, name=key)
        for key in ("tilt_1", "tilt_2"):
            priors[key] = Sine(name=key)
        for key in ("phi_12", "phi_jl"):
            priors[key] = Uniform(0, 2 * np.pi, boundary="periodic", name=key)
    if case.startswith("gw150914"):
        priors["luminosity_distance"] = PowerLaw(2, 50, 2000, name="luminosity_distance")
    else:
        priors["luminosity_distance"] = UniformSourceFrame(100, 8000, name="luminosity_distance")
    priors["theta_jn"] = Sine(name="theta_jn")
    priors["ra"], priors["dec"] = Uniform(0, 2 * np.pi, boundary="periodic", name="ra"), Cosine(name="dec")
    priors["psi"] = Uniform(0, np.pi, boundary="periodic", name="psi")
    priors["phase"] = Uniform(0, 2 * np.pi, boundary="periodic", name="phase")
    priors["geocent_time"] = Uniform(MIDDLE - 0.1, MIDDLE + 0.1, name="geocent_time")
    return priors


@contextlib.contextmanager
def bilby_seed(seed: int) -> Iterator[None]:
    """Noise of this seed; Bilby's random generator is afterwards one of another."""
    bilby.core.utils.random.seed(seed)
    yield
    bilby.core.utils.random.seed(seed + 1_000_000)


def put_noise(interferometers: InterferometerList, seed: int, duration: float = DURATION, curve: str = DESIGN) -> None:
    """Gaussian noise of the design curves, the merger two seconds before the end."""
    for interferometer in interferometers:
        interferometer.minimum_frequency, interferometer.maximum_frequency = BAND
        interferometer.power_spectral_density = PowerSpectralDensity(psd_file=curve)
    with bilby_seed(seed):
        interferometers.set_strain_data_from_power_spectral_densities(
            sampling_frequency=SAMPLING_FREQUENCY, duration=duration, start_time=MIDDLE + 2 - duration
        )


def put_injection(
    interferometers: InterferometerList, generator: Any, parameters: dict[str, float], snr: float | None, seed: int,
    duration: float = DURATION,
) -> dict[str, float]:  # fmt: skip
    """Noise, and a signal at the distance that gives this network signal-to-noise ratio; as it is where there is none given."""
    put_noise(interferometers, seed, duration)
    truth = dict(parameters)
    if snr is not None:
        truth["luminosity_distance"] *= optimal_snr(interferometers, generator, truth) / snr
    interferometers.inject_signal(waveform_generator=generator, parameters=truth)
    return truth


def optimal_snr(interferometers: InterferometerList, generator: Any, parameters: dict[str, float]) -> float:
    """Return the optimal signal-to-noise ratio of all detectors together."""
    polarizations = generator.frequency_domain_strain(dict(parameters))
    return float(
        np.sqrt(
            sum(
                one.optimal_snr_squared(one.get_detector_response(polarizations, parameters)).real
                for one in interferometers
            )
        )
    )


def put_gw150914(interferometers: InterferometerList, folder: Path) -> None:
    """Public strain, a Tukey window of 0.4 s roll-off, low-passed to the band, and the noise curves that lie beside it."""
    import h5py
    from bilby.gw.detector import InterferometerStrainData

    for interferometer in interferometers:
        name = interferometer.name
        (path,) = folder.glob(f"{name[0]}-{name}_LOSC_4_V*.hdf5")
        with h5py.File(path) as file:
            strain = file["strain/Strain"]
            first, step = float(strain.attrs["Xstart"]), float(strain.attrs["Xspacing"])
            begin = round((START - first) / step)
            values = strain[begin : begin + round(DURATION / step)]
        whole = InterferometerStrainData(minimum_frequency=BAND[0], maximum_frequency=BAND[1], roll_off=0.4)
        whole.set_from_time_domain_strain(values, sampling_frequency=1 / step, duration=DURATION, start_time=START)
        interferometer.minimum_frequency, interferometer.maximum_frequency = BAND
        interferometer.set_strain_data_from_frequency_domain_strain(
            whole.frequency_domain_strain[: int(DURATION * BAND[1]) + 1],
            sampling_frequency=SAMPLING_FREQUENCY, duration=DURATION, start_time=START,
        )  # fmt: skip
        interferometer.strain_data.roll_off = 0.4
        interferometer.strain_data.window_factor = whole.window_factor
        interferometer.power_spectral_density = PowerSpectralDensity(psd_file=str(folder / f"PSD_{name}.txt"))
