"""The noise in the band of a signal: its distribution where the curve is right, and what is found where it is not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.signal.windows import tukey
from scipy.stats import kstest

from bilby_flowpe.waves.noise_scale import noise_scale, noise_scales

RATE, DURATION = 512, 4
FREQUENCIES = np.fft.rfftfreq(RATE * DURATION, 1 / RATE)
MASK = (FREQUENCIES >= 20) & (FREQUENCIES <= 250)


def detector(strain: np.ndarray, factor: float) -> Any:
    """Make a detector with white noise of unit variance."""
    return SimpleNamespace(
        name="H1",
        frequency_array=FREQUENCIES,
        frequency_mask=MASK,
        power_spectral_density_array=np.full(len(FREQUENCIES), 4 / DURATION),
        duration=DURATION,
        frequency_domain_strain=strain,
        strain_data=SimpleNamespace(window_factor=factor),
    )


def template(high: float = 180.0) -> np.ndarray:
    """About an inspiral of some signal-to-noise ratio of 20, that ends at a frequency."""
    f = np.maximum(FREQUENCIES, 1.0)
    wave = f ** (-7 / 6) * (1 + (f / high) ** 8) ** -1 * np.exp(1j * (300 * (f / 20) ** (-5 / 3) + 2 * np.pi * f))
    return np.where(MASK, 20 * wave / np.sqrt(np.sum(np.abs(wave[MASK]) ** 2)), 0)


def noise(rng: np.random.Generator, window: np.ndarray) -> np.ndarray:
    series = rng.normal(size=len(window)) * window
    return np.fft.rfft(series) * np.sqrt(2 / len(window))


@pytest.mark.training
@pytest.mark.parametrize("roll_off", [0.0, 0.4])
def test_by_chance_it_is_distributed_as_told(roll_off: float) -> None:
    """The factor of 1000 stretches of noise without a fit has the right mean and scatter, and uniform p-values."""
    rng = np.random.default_rng(4)
    window = tukey(RATE * DURATION, 2 * roll_off / DURATION)
    factor, wave = float(np.mean(window**2)), template()
    found = [noise_scale(detector(noise(rng, window) + wave, factor), wave) for _ in range(1000)]
    scales = [one for one in found if one is not None]
    assert len(scales) == 1000
    squares, scatter = np.array([one.factor**2 for one in scales]), scales[0].scatter
    # No fit has taken power away: what is reckoned for it is a part of the scatter.
    assert np.mean(squares) == pytest.approx(1, abs=0.4 * scatter)
    assert np.std([one.factor for one in scales]) == pytest.approx(scatter, rel=0.1)
    flagged = np.mean([one.p_value < 0.005 for one in scales])
    assert flagged < 0.014  # three standard deviations above 0.005
    assert kstest([one.p_value for one in scales], "uniform").statistic < 0.12


@pytest.mark.training
def test_a_fit_takes_away_what_is_reckoned_for_it() -> None:
    """Noise less its projection on the wave, its phase, its time and its chirp."""
    rng, wave, window = np.random.default_rng(5), template(60.0), np.ones(RATE * DURATION)
    f = np.maximum(FREQUENCIES, 1.0)
    directions = np.stack([wave, 1j * wave, 1j * f * wave, 1j * f ** (-5 / 3) * wave])[:, MASK]
    real = np.concatenate([directions.real, directions.imag], axis=1)
    basis = np.linalg.qr(real.T)[0].T
    squares = []
    for _ in range(1000):
        strain = noise(rng, window)
        both = np.concatenate([strain[MASK].real, strain[MASK].imag])
        both -= basis.T @ (basis @ both)
        strain = strain.copy()
        strain[MASK] = both[: MASK.sum()] + 1j * both[MASK.sum() :]
        scale = noise_scale(detector(strain + wave, 1.0), wave)
        assert scale is not None
        squares.append(scale.factor**2)
    assert np.mean(squares) == pytest.approx(1, abs=4 * np.std(squares) / np.sqrt(1000))


@pytest.mark.parametrize("power", [0.6, 1.6])
def test_noise_of_another_power_is_found(power: float) -> None:
    """Excess power counts in the band of the signal, and not outside of it."""
    rng, wave = np.random.default_rng(6), template(60.0)
    strain = noise(rng, np.ones(RATE * DURATION))
    inside = FREQUENCIES < 110
    scale = noise_scale(detector(np.where(inside, np.sqrt(power), 1) * strain + wave, 1.0), wave)
    assert scale is not None
    assert scale.factor == pytest.approx(np.sqrt(power), abs=4 * scale.scatter * np.sqrt(power))
    assert scale.p_value < 0.005
    assert 20 <= scale.low < scale.high < 110
    beside = noise_scale(detector(np.where(inside, 1, np.sqrt(power)) * strain + wave, 1.0), wave)
    assert beside is not None
    assert beside.p_value > 0.05


def test_no_wave_no_scale() -> None:
    silent = np.zeros(len(FREQUENCIES), complex)
    assert noise_scale(detector(silent, 1.0), silent) is None
    empty = SimpleNamespace(waveform_generator=SimpleNamespace(frequency_domain_strain=lambda _: None))
    assert noise_scales(empty, {"mass_1": 30.0}) == {}  # type: ignore[arg-type]
