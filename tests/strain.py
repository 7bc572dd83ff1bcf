"""Strain files as the open science center writes them, of noise and signals that are known."""

from __future__ import annotations

from pathlib import Path

import bilby
import h5py
import numpy as np

GOOD = 127
BITS = [
    "data present",
    *(f"passes {search} CAT{level} test" for search in ("cbc", "burst") for level in (1, 2, 3)),
]


def smooth_curve(frequencies: np.ndarray) -> np.ndarray:
    """Return a PSD like that of a detector from 15 Hz, in 1/Hz."""
    return 1e-46 * (1 + (40 / np.maximum(frequencies, 15)) ** 4 + (frequencies / 300) ** 2)


def stationary(seconds: float, rate: float, rng: np.random.Generator) -> np.ndarray:
    """Stationary Gaussian noise of :func:`smooth_curve`."""
    frequencies = np.arange(int(seconds * rate / 2) + 1) / seconds
    numbers = rng.standard_normal(len(frequencies)) + 1j * rng.standard_normal(len(frequencies))
    series: np.ndarray = np.fft.irfft(numbers * np.sqrt(smooth_curve(frequencies) * seconds / 4)) * rate
    return series


def with_signal(
    detector: str, start: float, seconds: float, rate: float, signal: dict[str, float], rng: np.random.Generator
) -> np.ndarray:
    """Noise, and a black-hole binary in it."""
    interferometer = bilby.gw.detector.get_empty_interferometer(detector)
    interferometer.minimum_frequency = 20.0
    interferometer.set_strain_data_from_zero_noise(rate, seconds, start)
    generator = bilby.gw.WaveformGenerator(
        duration=seconds,
        sampling_frequency=rate,
        start_time=start,
        frequency_domain_source_model=bilby.gw.source.lal_binary_black_hole,
        waveform_arguments={
            "waveform_approximant": "IMRPhenomD",
            "reference_frequency": 20.0,
            "minimum_frequency": 20.0,
        },
    )
    wave = interferometer.get_detector_response(generator.frequency_domain_strain(dict(signal)), dict(signal))
    added: np.ndarray = np.fft.irfft(wave) * rate + stationary(seconds, rate, rng)
    return added


def write_strain(
    path: Path, detector: str, start: float, values: np.ndarray, rate: float, quality: np.ndarray | None = None
) -> Path:
    """A file; ``quality`` has one number a second, all good when left out."""
    seconds = int(np.ceil(len(values) / rate))
    with h5py.File(path, "w") as file:
        strain = file.create_dataset("strain/Strain", data=values)
        strain.attrs.update(
            {"Xstart": start, "Xspacing": 1 / rate, "Xunits": "second", "Yunits": "", "Npoints": len(values)}
        )
        file["meta/Detector"] = detector
        for name, short, bits, good in (
            ("simple", "DQ", BITS, GOOD),
            ("injections", "Inj", ["no cbc injections"], 1),
        ):
            numbers = np.full(seconds, good) if quality is None or short == "Inj" else quality
            mask = file.create_dataset(f"quality/{name}/{short}mask", data=np.asarray(numbers, dtype=np.uint32))
            mask.attrs.update({"Xstart": start, "Xspacing": 1.0, "Xunits": "second"})
            file[f"quality/{name}/{short}Descriptions"] = np.array(bits, dtype="S")
            file[f"quality/{name}/{short}Shortnames"] = np.array(bits, dtype="S")
    return path
