"""Measure the residual for windowed stationary noise, and for GW150914 with noise curves that lack its lines.

    python examples/studies/windowed_noise.py --windows
    python examples/studies/windowed_noise.py --lines --data-dir DIR

``--windows``: stationary noise is cut from long stretches and windowed, with roll-offs of 0.01, 0.2 and 0.4 s, in one to three
detectors, with the power that the likelihood assumes and with 12% more. The script prints mean and width of the residual, the
p-value of a Kolmogorov-Smirnov test of its p-values, and the fraction that is flagged. This is repeated with a narrow line of
1000 times the power in the noise curve, which the window spreads. ``--lines``: GW150914 with the noise curves in DIR
(``PSD_H1.txt`` and so on, in the same folder as the strain files of 32 s). The band with the largest deviation is printed and
notched out, again and again, until nothing is flagged.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bilby
import gw150914
import numpy as np
from bilby.core.utils import logger
from bilby.gw.detector import PowerSpectralDensity
from scipy.optimize import differential_evolution, minimize
from scipy.stats import kstest

from bilby_flowpe.surprise import without_simulations
from bilby_flowpe.verdict import Thresholds
from bilby_flowpe.waves.residual import bands_off, residual_of

BAND, LENGTH, CUT = (20.0, 512.0), 4.0, 64.0  # Hz; seconds of data, and of the stretch that they are cut from
LINE = 60.0  # Hz


def smooth_curve(frequencies: np.ndarray) -> np.ndarray:
    """Return a curve similar to that of a detector from 20 to 512 Hz, in 1/Hz, flat below 15 Hz as after a high pass."""
    return 1e-46 * (1 + (40 / np.maximum(frequencies, 15)) ** 4 + (frequencies / 200) ** 2)


def curve_with_line(frequencies: np.ndarray) -> np.ndarray:
    """Return the same curve with a line that is a tenth of a hertz wide."""
    return smooth_curve(frequencies) * (1 + 1000 / (1 + ((frequencies - LINE) / 0.1) ** 2))


def stretch(curve: Callable[[np.ndarray], np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Simulate stationary noise with a curve, sampled at twice the highest frequency."""
    rate, bins = 2 * BAND[1], int(CUT * BAND[1]) + 1
    numbers = rng.standard_normal(bins) + 1j * rng.standard_normal(bins)
    series: np.ndarray = np.fft.irfft(numbers * np.sqrt(curve(np.arange(bins) / CUT) * CUT / 4)) * rate
    return series


def windowed(
    detectors: int, roll_off: float, curve: Callable[[np.ndarray], np.ndarray], excess: float, rng: np.random.Generator
) -> bilby.gw.GravitationalWaveTransient:
    """Return the likelihood for noise alone; each detector's data are cut from a separate stretch and windowed by Bilby."""
    names = ["H1", "L1", "V1"][:detectors]
    interferometers = bilby.gw.detector.InterferometerList(names)
    rate, frequencies = 2 * BAND[1], np.arange(0, BAND[1] + 0.25, 0.25)
    for detector in interferometers:
        first = int(rng.integers((CUT - LENGTH) * rate))
        detector.strain_data.roll_off = roll_off
        detector.minimum_frequency, detector.maximum_frequency = BAND
        detector.power_spectral_density = PowerSpectralDensity(frequencies, curve(frequencies))
        detector.strain_data.set_from_time_domain_strain(
            np.sqrt(excess) * stretch(curve, rng)[first : first + int(LENGTH * rate)],
            sampling_frequency=rate,
            duration=LENGTH,
        )
    generator = bilby.gw.WaveformGenerator(
        duration=LENGTH, sampling_frequency=rate, frequency_domain_source_model=bilby.gw.source.lal_binary_black_hole
    )
    return bilby.gw.GravitationalWaveTransient(interferometers, generator)


def residuals_under_windows(simulations: int, limit: float) -> None:
    """Print one line for each window, number of detectors, curve and power."""
    cases = [(smooth_curve, 1.0), (smooth_curve, 1.12), (curve_with_line, 1.0)]
    for number, (curve, excess) in enumerate(cases):
        for roll_off in (0.01, 0.2, 0.4):
            for detectors in (1, 2, 3):
                rng = np.random.default_rng((11, number, int(100 * roll_off), detectors))
                found = []
                for _ in range(simulations):
                    event = windowed(detectors, roll_off, curve, excess, rng)
                    found.append((residual := residual_of(event, 0.0), without_simulations(event, residual).p_value))
                residuals, p_values = np.transpose(found)
                print(
                    f"{curve.__name__}, power {excess:g}, roll-off {roll_off:g} s, {detectors} detectors: mean "
                    f"{residuals.mean():+.2f}, width {residuals.std(ddof=1):.2f}, p-values uniform: "
                    f"{kstest(p_values, 'uniform').pvalue:.2g}; {np.mean(p_values < limit):.1%} flagged",
                    flush=True,
                )


def lines_of_gw150914(folder: Path, limit: float) -> None:
    """Print the band that is flagged and notch it out, until nothing is flagged."""
    likelihood, priors = gw150914.problem(["H1", "L1"], folder)
    signal = maximised(likelihood, priors)
    print(f"best waveform: {', '.join(f'{key} {value:.6g}' for key, value in signal.items())}")
    for _ in range(30):
        likelihood._noise_log_likelihood_value = None
        ratio = float(likelihood.log_likelihood_ratio(signal))
        residual = residual_of(likelihood, ratio)
        surprise = without_simulations(likelihood, residual)
        off, power, name, low, high = bands_off(likelihood, signal)[0]
        flagged = "flagged" if surprise.p_value < limit else "not flagged"
        print(
            f"log likelihood ratio {ratio:.1f}, residual {residual:+.2f}, p-value {surprise.p_value:.2g}: {flagged}; "
            f"farthest off in {name} between {low:g} and {high:g} Hz: {power:.1f} times the power expected, "
            f"{off:+.1f} standard deviations"
        )
        if surprise.p_value >= limit:
            return
        data = likelihood.interferometers[[ifo.name for ifo in likelihood.interferometers].index(name)].strain_data
        before = [(notch.minimum_frequency, notch.maximum_frequency) for notch in data.notch_list]
        # A notch leaves its ends in.
        data.notch_list = [*before, (low - 0.1, high + 0.1)]


def maximised(likelihood: Any, priors: Any) -> dict[str, float]:
    """Return the waveform with the largest likelihood that an optimiser finds."""
    keys = list(priors)

    def minus_ratio(quantiles: np.ndarray) -> float:
        return -float(likelihood.log_likelihood_ratio(dict(zip(keys, priors.rescale(keys, quantiles), strict=True))))

    found = differential_evolution(
        minus_ratio, [(0.001, 0.999)] * len(keys), maxiter=250, popsize=15, seed=1, polish=False, tol=1e-6
    )
    found = minimize(minus_ratio, found.x, method="Nelder-Mead", bounds=[(0, 1)] * len(keys), options={"maxfev": 3000})
    return dict(zip(keys, map(float, priors.rescale(keys, found.x)), strict=True))


def main() -> None:
    """Print one line for each case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", action="store_true", help="measure the residual of windowed stationary noise")
    parser.add_argument("--simulations", type=int, default=200, help="number of simulations for each case")
    parser.add_argument("--lines", action="store_true", help="find the lines in GW150914 that its noise curves lack")
    parser.add_argument("--data-dir", type=Path, help="folder of the strain files and noise curves of GW150914")
    arguments = parser.parse_args()
    if arguments.lines and not arguments.data_dir:
        parser.error("--lines needs --data-dir")
    logger.setLevel("ERROR")
    limit = Thresholds().surprise_check
    if arguments.windows:
        residuals_under_windows(arguments.simulations, limit)
    if arguments.lines:
        lines_of_gw150914(arguments.data_dir, limit)


if __name__ == "__main__":
    main()
