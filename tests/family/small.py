"""Small events, networks and likelihoods of families, which the tests of this folder share."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from bilby.gw.detector import InterferometerList, PowerSpectralDensity
from bilby.gw.likelihood import GravitationalWaveTransient
from bilby.gw.source import lal_binary_black_hole
from bilby.gw.waveform_generator import WaveformGenerator

from bilby_flowpe.family.binned import Binned
from bilby_flowpe.family.bounds import FAMILIES, Family
from bilby_flowpe.family.model import FamilyModel
from bilby_flowpe.family.orders import Gathered
from bilby_flowpe.family.pivot import Climb
from bilby_flowpe.family.templates import POINTS, Templates
from bilby_flowpe.family.view import Seen, coherent_view
from bilby_flowpe.networks import NetworkConfig
from bilby_flowpe.networks.families import build_network

ALIGNED, PRECESSING = FAMILIES["bbh-aligned"], FAMILIES["bbh-precessing"]
FREQUENCIES = np.arange(20.0, 512.0, 0.25)
BODY = np.array([28.0, 0.7, 0.3, -0.1])
"""Chirp mass in solar masses, mass ratio, and spins along the orbit."""

START = 1126259460.0  # GPS time of the first sample
MERGER = START + 2.0
INJECTED = {
    "chirp_mass": 28.0, "mass_ratio": 0.7, "chi_1": 0.3, "chi_2": -0.1, "luminosity_distance": 700.0, "theta_jn": 0.4,
    "phase": 1.3, "psi": 2.1, "ra": 1.9, "dec": -1.2, "geocent_time": MERGER,
}  # fmt: skip


def red(frequencies: np.ndarray) -> np.ndarray:
    """Logarithm of a noise curve that is steep at low frequencies, and has a bump."""
    return np.log((frequencies / 40) ** -6 + 1) + np.exp(-(((frequencies - 90) / 10) ** 2))


def blue(frequencies: np.ndarray) -> np.ndarray:
    """Logarithm of a noise curve that is least at some 50 Hz, with a line that hides everything."""
    line = np.where(np.abs(frequencies - 60) < 1, 40.0, 0.0)
    return np.log((frequencies / 30) ** -8 + (frequencies / 60) ** 3) + line


@cache
def templates() -> Templates:
    return Templates()


@cache
def climb() -> Climb:
    return Climb(templates(), ALIGNED.along)


def weights_of(curve: np.ndarray) -> np.ndarray:
    """Noise weights on evenly spaced frequencies."""
    return 4 * (FREQUENCIES[1] - FREQUENCIES[0]) * np.exp(-curve)


def event(
    curves: list[np.ndarray], snr: float, body: np.ndarray = BODY, rng: np.random.Generator | None = None
) -> tuple[Gathered, np.ndarray]:
    """Data of a signal of one phase and strength in every detector, with noise if there is a generator; its phases."""
    amplitudes, phases = templates()(body[None])
    shape = np.interp(np.log(FREQUENCIES), np.log(POINTS), amplitudes[0])
    turns = np.interp(np.log(FREQUENCIES), np.log(POINTS), phases[0])
    weights = [weights_of(curve) for curve in curves]
    total = np.sqrt(sum(np.sum(weight * shape**2) for weight in weights))
    data = []
    for weight in weights:
        white = 0.0 if rng is None else rng.standard_normal((2, len(FREQUENCIES)))
        noise = 0.0 if rng is None else white[0] + 1j * white[1]
        signal = shape * np.exp(1j * turns) * snr / total
        data.append(weight * signal + np.sqrt(weight) * noise)
    count = len(curves)
    return Gathered([FREQUENCIES] * count, data, weights, list(range(count)), np.zeros(count)), phases[0]


def view(binned: Binned, body: np.ndarray = BODY, seed: int = 1) -> Seen:
    return coherent_view(binned, climb(), climb().base(body[None])[0], np.random.default_rng(seed))


def seen_of(curves: list[np.ndarray], snr: float, seed: int | None = None) -> tuple[Binned, Seen]:
    gathered, phases = event(curves, snr, rng=None if seed is None else np.random.default_rng(seed))
    binned = gathered.about(phases)
    return binned, view(binned)


def likelihood(
    duration: float = 4.0,
    sampling: float = 1024.0,
    detectors: tuple[str, ...] = ("H1", "L1"),
    lowest: float = 20.0,
    approximant: str = "IMRPhenomXAS",
    injected: dict[str, float] = INJECTED,
) -> GravitationalWaveTransient:
    """A likelihood of a signal without noise, its band up to 448 Hz; the trigger is two seconds before the data's end."""
    start = MERGER + 2.0 - duration
    generator = WaveformGenerator(
        duration=duration,
        sampling_frequency=sampling,
        start_time=start,
        frequency_domain_source_model=lal_binary_black_hole,
        waveform_arguments={
            "waveform_approximant": approximant, "reference_frequency": 20.0, "minimum_frequency": lowest,
        },
    )  # fmt: skip
    interferometers = InterferometerList(list(detectors))
    for interferometer in interferometers:
        interferometer.minimum_frequency, interferometer.maximum_frequency = lowest, 448.0
        interferometer.power_spectral_density = PowerSpectralDensity(asd_file="aLIGO_early_asd.txt")
        interferometer.set_strain_data_from_zero_noise(sampling, duration, start)
    interferometers.inject_signal(parameters=dict(injected), waveform_generator=generator)
    return GravitationalWaveTransient(interferometers, generator)


SIZES = {"hidden_features": (8,), "embedding_features": 8, "transforms": 2, "gaussian_features": (8,), "latent": 2}


def untrained(
    family: Family, features: int, network: str = "maf", width: float = 1.2, spread: float = 0.3
) -> FamilyModel:
    """A network that has learnt nothing: near a normal density as wide as the metric says, and bent by random weights.

    Parameters
    ----------
    family
        Whose coordinates.
    features
        Number of features of a view.
    network
        Name of the network's family.
    width
        Standard deviation in the network's coordinates.
    spread
        Standard deviation of what is added to the weights, times the root of their number in a unit.
    """
    torch.manual_seed(5)
    count = len(family.keys)
    built = build_network(count, features, NetworkConfig(family=network, **SIZES))
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.add_(spread * torch.randn(parameter.shape) / parameter.shape[-1] ** 0.5)
    standard = np.zeros(features), np.ones(features)
    return FamilyModel(family, built.eval(), *standard, np.full(count, 0.1), np.full(count, width))
