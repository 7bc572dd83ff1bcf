"""Define the population that ``catalogue.py`` simulates, and find which of its binaries three detectors detect.

Primary masses in the source's frame and mass ratios follow power laws within limits. Redshifts are those of a rate that is
constant in comoving volume and source time; spins are uniform in magnitude and isotropic. A binary is found if the filter of
its own wave over the data of all detectors, noise included, has a signal-to-noise ratio of at least 8.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import bilby
import numpy as np
from bilby.gw.conversion import chirp_mass_and_mass_ratio_to_component_masses, component_masses_to_chirp_mass
from bilby.gw.detector import get_empty_interferometer
from bilby.gw.prior import UniformSourceFrame

from bilby_flowpe.family.curves import published
from bilby_flowpe.simulation.noise_family import made_up

DETECTORS = {"H1": "aLIGO_O4_high_asd", "L1": "aLIGO_O4_high_asd", "V1": "AdV_asd"}
"""Detectors, and the published curves that theirs are changes of."""
APPROXIMANT, LOWEST, HIGHEST = "IMRPhenomXPHM", 20.0, 1024.0
LIGHTEST, HEAVIEST = 10.0, 60.0  # solar masses in the source's frame: of the primary, and the lightest secondary
FARTHEST = 1.5  # redshift
TRUTH = {"alpha": 2.3, "beta": 1.0}
"""Primary masses as their power of ``-alpha``, mass ratios of ``beta``."""
LEAST_SNR = 8.0
SPIN = 0.99
SCALE, TILT = 0.15, 0.15  # standard deviations of a curve: of ln S, of its slope in ln f
_PIVOT = 100.0  # Hz
COARSE = np.arange(0.0, HIGHEST + 1.0)  # Hz: fine enough for signal-to-noise ratios
_REDSHIFTS = 2.0, 4.0  # shape of the beta density of redshifts over FARTHEST that a campaign draws from


@dataclass(frozen=True)
class Sample:
    """Binaries of a population.

    Attributes
    ----------
    columns
        ``mass_1`` of the source's frame, ``mass_ratio``, ``redshift``, and Bilby's other parameters, (N,) each.
    density
        That ``mass_1``, ``mass_ratio`` and ``redshift`` were drawn from, (N,).
    """

    columns: dict[str, np.ndarray]
    density: np.ndarray


def constant_rate() -> UniformSourceFrame:
    """Density of redshifts: constant in comoving volume and source time."""
    return UniformSourceFrame(1e-4, FARTHEST, cosmology="Planck15", name="redshift")


def power_law(rng: np.random.Generator, index: float, low: Any, high: Any, size: int) -> np.ndarray:
    """Draws of a power law between two limits, which may be arrays."""
    quantiles, power = rng.random(size), index + 1
    if power == 0:
        return low * (high / low) ** quantiles
    return (low**power + quantiles * (high**power - low**power)) ** (1 / power)


def power_law_density(values: np.ndarray, index: float, low: Any, high: Any) -> np.ndarray:
    """Density of :func:`power_law`."""
    power = index + 1
    norm = np.log(high / low) if power == 0 else (high**power - low**power) / power
    return np.where((values >= low) & (values <= high), values**index, 0.0) / norm


def draw(rng: np.random.Generator, size: int, alpha: float, beta: float, campaign: bool = False) -> Sample:
    """Binaries of the population, or, for a campaign, nearer ones, so that more are found."""
    mass = power_law(rng, -alpha, LIGHTEST, HEAVIEST, size)
    ratio = power_law(rng, beta, LIGHTEST / mass, 1.0, size)
    density = power_law_density(mass, -alpha, LIGHTEST, HEAVIEST)
    density *= power_law_density(ratio, beta, LIGHTEST / mass, 1.0)
    if campaign:
        from scipy.stats import beta as of_shape

        shape = of_shape(*_REDSHIFTS, scale=FARTHEST)
        redshift = shape.rvs(size, random_state=rng)
        density *= shape.pdf(redshift)
    else:
        rate = constant_rate()
        redshift = rate.rescale(rng.random(size))
        density *= rate.prob(redshift)
    angles = {key: rng.uniform(0, 2 * np.pi, size) for key in ("phi_12", "phi_jl", "phase", "ra")}
    slopes = {key: np.arccos(rng.uniform(-1, 1, size)) for key in ("tilt_1", "tilt_2", "theta_jn")}
    columns = {
        "mass_1": mass,
        "mass_ratio": ratio,
        "redshift": redshift,
        "a_1": rng.uniform(0, SPIN, size),
        "a_2": rng.uniform(0, SPIN, size),
        "psi": rng.uniform(0, np.pi, size),
        "dec": np.arcsin(rng.uniform(-1, 1, size)),
        **angles,
        **slopes,
    }
    return Sample(columns, density)


def parameters_of(sample: Sample, number: int, time: float) -> dict[str, float]:
    """Bilby's parameters of one binary, in the detectors' frame."""
    row = {key: float(column[number]) for key, column in sample.columns.items()}
    redshift = row.pop("redshift")
    mass = row.pop("mass_1") * (1 + redshift)
    row["chirp_mass"] = float(component_masses_to_chirp_mass(mass, mass * row["mass_ratio"]))
    row["luminosity_distance"] = float(bilby.gw.conversion.redshift_to_luminosity_distance(redshift, "Planck15"))
    return {**row, "geocent_time": time}


@lru_cache(maxsize=8)
def _base(name: str, frequencies: bytes) -> np.ndarray:
    return published(name, np.frombuffer(frequencies))


@lru_cache(maxsize=8)
def _detector(name: str) -> Any:
    return get_empty_interferometer(name)


def curves(rng: np.random.Generator, frequencies: np.ndarray) -> dict[str, np.ndarray]:
    """A noise curve of each detector, (F,): the published one with a scale, a tilt, a smooth function and lines of its own."""
    inside = np.clip(frequencies, 10.0, None)
    found = {}
    for name, base in DETECTORS.items():
        change = rng.normal(0, SCALE) + rng.normal(0, TILT) * np.log(inside / _PIVOT)
        found[name] = np.exp(_base(base, inside.tobytes()) + change + made_up(inside, rng, 1)[0])
    return found


def optimal_snr(row: dict[str, float], densities: dict[str, np.ndarray], frequencies: np.ndarray) -> float:
    """Return the optimal signal-to-noise ratio of all detectors together."""
    wave = polarisations(row, frequencies)
    if wave is None:
        return 0.0
    inside = (frequencies >= LOWEST) & (frequencies <= HIGHEST)
    total = 0.0
    for name, density in densities.items():
        detector = _detector(name)
        signal = sum(
            wave[mode] * detector.antenna_response(row["ra"], row["dec"], row["geocent_time"], row["psi"], mode)
            for mode in ("plus", "cross")
        )
        total += 4 * (frequencies[1] - frequencies[0]) * np.sum(np.abs(signal[inside]) ** 2 / density[inside])
    return float(np.sqrt(total))


def polarisations(row: dict[str, float], frequencies: np.ndarray) -> dict[str, np.ndarray] | None:
    """Polarisations of a binary on evenly spaced frequencies."""
    masses = chirp_mass_and_mass_ratio_to_component_masses(row["chirp_mass"], row["mass_ratio"])
    keys = ("luminosity_distance", "a_1", "tilt_1", "phi_12", "a_2", "tilt_2", "phi_jl", "theta_jn", "phase")
    given = {key: row[key] for key in keys}
    return bilby.gw.source.lal_binary_black_hole(
        frequencies, *masses, **given, waveform_approximant=APPROXIMANT, reference_frequency=LOWEST,
        minimum_frequency=LOWEST, maximum_frequency=HIGHEST, catch_waveform_errors=True,
    )  # fmt: skip


def seen(ratio: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Signal-to-noise ratios in noise, (N,), of optimal ones: of a filter whose phase is free."""
    size = np.shape(ratio)
    return np.abs(ratio + rng.standard_normal(size) + 1j * rng.standard_normal(size))
