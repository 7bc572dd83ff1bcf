"""Small data of two detectors, of noise of any kind."""

from __future__ import annotations

from typing import Any

import bilby
import numpy as np
from bilby.gw.detector import InterferometerList, PowerSpectralDensity

from bilby_flowpe.noise.densities import Density, Gaussian

DURATION, RATE, START = 2.0, 1024.0, 1126259461.0
SIGNAL = {
    "chirp_mass": 30.0, "mass_ratio": 0.8, "chi_1": 0.0, "chi_2": 0.0, "luminosity_distance": 1500.0, "theta_jn": 0.5,
    "psi": 1.0, "phase": 1.3, "geocent_time": START + 1.5, "ra": 1.4, "dec": -1.2,
}  # fmt: skip


def generator() -> Any:
    return bilby.gw.WaveformGenerator(
        DURATION, RATE, START, bilby.gw.source.lal_binary_black_hole,
        parameter_conversion=bilby.gw.conversion.convert_to_lal_binary_black_hole_parameters,
        waveform_arguments={"waveform_approximant": "IMRPhenomD", "reference_frequency": 20.0, "minimum_frequency": 20.0},
    )  # fmt: skip


def detectors(
    noise: Density | None = None,
    window: float = 1.0,
    seed: int = 1,
    names: tuple[str, ...] = ("H1", "L1"),
    signal: dict[str, float] | None = SIGNAL,
) -> InterferometerList:
    """Detectors of the design curve with noise of this density, and a signal."""
    rng = np.random.default_rng(seed)
    found = InterferometerList(list(names))
    waves = None if signal is None else generator().frequency_domain_strain(dict(signal))
    for ifo in found:
        ifo.minimum_frequency = 20.0
        ifo.power_spectral_density = PowerSpectralDensity(psd_file="aLIGO_ZERO_DET_high_P_psd.txt")
        bins = int(DURATION * RATE / 2) + 1
        ifo.set_strain_data_from_frequency_domain_strain(
            np.zeros(bins, complex), sampling_frequency=RATE, duration=DURATION, start_time=START
        )
        white = np.sqrt(2 * (noise or Gaussian()).draw(bins, rng)) * np.exp(2j * np.pi * rng.random(bins))
        curve = np.where(ifo.frequency_mask, ifo.power_spectral_density_array, 0.0)
        strain = white * np.sqrt(curve * DURATION / 4 * window)
        if waves is not None:
            strain = strain + ifo.get_detector_response(waves, signal)
        ifo.set_strain_data_from_frequency_domain_strain(
            strain, sampling_frequency=RATE, duration=DURATION, start_time=START
        )
        ifo.strain_data.window_factor = window
    return found
