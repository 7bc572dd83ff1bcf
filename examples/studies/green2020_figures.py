"""Compute signal-to-noise ratios of the problems of Green, Simpson and Gair (2020), and draw figures 1 and 2 of the paper.

    python examples/studies/green2020_figures.py --outdir figures --npool 2
    python examples/studies/green2020_figures.py --outdir figures --npool 2 --explain

Only masses and spins need a waveform: the optimal SNR scales as 1/distance, and for the plus polarisation of a pure
(2, 2) mode as (1 + cos^2 theta_jn) / 2 (every run tests this with the likelihood's own detector response).
Medians and means come from ``--draws`` quasi-random draws, with one waveform each. The ranges come from sets of
``--range-draws`` draws, which use these waveforms again with new distances and inclinations. ``--explain`` measures, on the
same signals, how the SNR depends on choices that the paper does not state (noise curve, lowest frequency, length of the
segment).
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from pathlib import Path

import bilby
import matplotlib
import numpy as np
from bilby.gw.detector import PowerSpectralDensity
from bilby.gw.source import lal_binary_black_hole
from bilby.gw.waveform_generator import WaveformGenerator
from scipy.stats import qmc

from bilby_flowpe.problems import (
    DURATION,
    MINIMUM_FREQUENCY,
    PSD_FILE,
    REFERENCE_FREQUENCY,
    SAMPLING_FREQUENCY,
    START_TIME,
    green2020,
)

matplotlib.use("Agg")
import matplotlib.pyplot as plt

FREQUENCIES = np.arange(int(DURATION * SAMPLING_FREQUENCY / 2) + 1) / DURATION
DISTANCE = 1000.0
"""Distance in Mpc at which norms are stored."""

LOWEST = (MINIMUM_FREQUENCY, 10.0)
"""Frequencies in Hz from which the SNR is integrated: the problem's, and one that gives the paper's figures."""

PAPER = {5: {"median": 25.8}, 8: {"median": 17.2, "mean": 19.1, "min": 6.1, "max": 100.9}}
CHUNK = 500
BLOCKS = 8
RANGE_SETS = 40
CHECKED = 200
INTRINSIC = ("mass_1", "mass_2", "chi_1", "chi_2")
EXTRINSIC = ("luminosity_distance", "theta_jn")


def main(arguments: list[str] | None = None) -> None:
    """Run the whole script."""
    args = parse(arguments)
    args.outdir.mkdir(parents=True, exist_ok=True)
    bilby.core.utils.logger.setLevel("ERROR")
    bilby.core.utils.random.seed(args.seed)
    start = time.perf_counter()
    table = {}
    with multiprocessing.Pool(args.npool) as pool:
        for parameters in (5, 8):
            table[parameters] = signal_to_noise(parameters, args, pool)
        print_statistics(table, args)
        print(f"[{time.perf_counter() - start:.0f} s for the signal-to-noise ratios, {args.npool} processes]\n")
        if args.explain:
            medians = {parameters: np.median(snr["draws"][MINIMUM_FREQUENCY]) for parameters, snr in table.items()}
            explain(medians, args, pool)
    print(draw_signal(args.outdir / "figure1.png", args.seed))
    print(draw_histogram(args.outdir / "figure2.png", table))


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outdir", type=Path, default=Path("figures"), help="folder for the PNG files")
    parser.add_argument("--draws", type=int, default=100_000, help="number of draws, with one waveform each")
    parser.add_argument("--range-draws", type=int, default=1_000_000, help="number of draws in each set for the range")
    parser.add_argument("--npool", type=int, default=1, help="number of processes")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--explain", action="store_true", help="print how choices that the paper does not state change the SNR"
    )
    parser.add_argument("--explain-draws", type=int, default=2000, help="number of draws for --explain")
    args = parser.parse_args(arguments)
    if args.draws < CHECKED or min(args.range_draws, args.explain_draws, args.npool) < 1:
        parser.error(f"--draws must be at least {CHECKED}, --range-draws, --explain-draws and --npool at least 1")
    return args


# --- signal-to-noise ratios -----------------------------------------------------------------------


def face_on_factor(theta_jn: np.ndarray) -> np.ndarray:
    """Amplitude of the plus polarisation of a (2, 2) mode, relative to face on."""
    return (1 + np.cos(theta_jn) ** 2) / 2


def generator(lowest: float = min(LOWEST)) -> WaveformGenerator:
    """The problem's waveform generator, started at another frequency (nothing changes above the old one)."""
    return WaveformGenerator(
        duration=DURATION,
        sampling_frequency=SAMPLING_FREQUENCY,
        start_time=START_TIME,
        frequency_domain_source_model=lal_binary_black_hole,
        waveform_arguments={
            "waveform_approximant": "IMRPhenomPv2",
            "reference_frequency": REFERENCE_FREQUENCY,
            "minimum_frequency": lowest,
        },
    )


def norms(chunk: np.ndarray) -> np.ndarray:
    """Optimal SNRs, face on at 1000 Mpc, one column for each of ``LOWEST``, of rows (mass_1, mass_2, chi_1, chi_2)."""
    psd = bilby_psd(FREQUENCIES)
    waveforms = generator()
    result = np.empty((len(chunk), len(LOWEST)))
    for row, (mass_1, mass_2, chi_1, chi_2) in enumerate(chunk):
        plus = waveforms.frequency_domain_strain(
            {
                "mass_1": mass_1,
                "mass_2": mass_2,
                "chi_1": chi_1,
                "chi_2": chi_2,
                "luminosity_distance": DISTANCE,
                "theta_jn": 0.0,
                "phase": 0.0,
            }
        )["plus"]
        power = 4 / DURATION * np.abs(plus) ** 2 / psd
        result[row] = [power[lowest <= FREQUENCIES].sum() ** 0.5 for lowest in LOWEST]
    return result


def bilby_psd(frequencies: np.ndarray) -> np.ndarray:
    """The problem's noise curve."""
    return PowerSpectralDensity(psd_file=PSD_FILE).get_power_spectral_density_array(frequencies)


def signal_to_noise(parameters: int, args: argparse.Namespace, pool: multiprocessing.pool.Pool) -> dict:
    """Return SNRs of draws from the prior (``"draws"``) and the extremes of far more draws (``"range"``)."""
    likelihood, priors = green2020(parameters, seed=args.seed)
    draws = quasi_random(priors, args.draws, args.seed)
    intrinsic = np.stack([draws[key] for key in INTRINSIC], axis=1)
    chunks = [intrinsic[i : i + CHUNK] for i in range(0, len(intrinsic), CHUNK)]
    norm = np.concatenate(pool.map(norms, chunks, chunksize=1))

    snr = {"draws": scale(norm, draws["luminosity_distance"], draws["theta_jn"])}
    snr["error"] = check(likelihood, priors, draws, snr["draws"][MINIMUM_FREQUENCY])
    extremes = []
    rng = np.random.default_rng(args.seed)
    for _ in range(RANGE_SETS):
        extrinsic = (priors[key].rescale(rng.uniform(size=args.range_draws)) for key in EXTRINSIC)
        many = scale(norm[rng.integers(len(norm), size=args.range_draws)], *extrinsic)
        extremes.append([[many[lowest].min(), many[lowest].max()] for lowest in LOWEST])
    snr["range"] = dict(zip(LOWEST, np.moveaxis(extremes, 0, -1), strict=True))
    return snr


def quasi_random(priors: bilby.core.prior.PriorDict, size: int, seed: int) -> dict[str, np.ndarray]:
    """Evenly spread draws from the prior: ``BLOCKS`` independently scrambled Sobol sequences, one after the other.

    Their medians and means scatter a few times less than those of independent draws; the scatter from block to block
    says how much is left.
    """
    keys = [*INTRINSIC, *EXTRINSIC]
    each = -(-size // BLOCKS)
    bits = max(each - 1, 1).bit_length()
    points = [qmc.Sobol(len(keys), seed=seed + block).random_base2(bits)[:each] for block in range(BLOCKS)]
    draws = {
        key: priors[key].rescale(column) for key, column in zip(keys, np.concatenate(points)[:size].T, strict=True)
    }
    # The prior is symmetric in the masses, apart from the constraint: putting them in order satisfies it.
    masses = np.sort([draws["mass_2"], draws["mass_1"]], axis=0)
    return {**draws, "mass_1": masses[1], "mass_2": masses[0]}


def scale(norm: np.ndarray, distance: np.ndarray, theta_jn: np.ndarray) -> dict[float, np.ndarray]:
    factor = DISTANCE / distance * face_on_factor(theta_jn)
    return {lowest: norm[:, column] * factor for column, lowest in enumerate(LOWEST)}


def check(likelihood: bilby.Likelihood, priors: bilby.core.prior.PriorDict, draws: dict, snr: np.ndarray) -> float:
    """Largest relative difference between ``snr`` and the optimal SNR by the likelihood's own detector response."""
    interferometer = likelihood.interferometers[0]
    worst = 0.0
    for row in range(min(CHECKED, len(snr))):
        # Times, phases and the sky position come from the prior: they should not matter.
        signal = {key: float(value) for key, value in priors.sample().items()}
        signal.update({key: float(value[row]) for key, value in draws.items()})
        polarisations = likelihood.waveform_generator.frequency_domain_strain(signal)
        response = interferometer.get_detector_response(polarisations, signal)
        worst = max(worst, abs(snr[row] / interferometer.optimal_snr_squared(response).real ** 0.5 - 1))
    if worst > 1e-4:
        raise RuntimeError(
            f"scaling with distance and inclination is off by {worst:.1e}: the waveform is not a pure (2, 2) mode"
        )
    return worst


def print_statistics(table: dict[int, dict], args: argparse.Namespace) -> None:
    print(
        f"Optimal SNR. Median and mean: {args.draws} quasi-random draws, one waveform each (in brackets the standard\n"
        f"error of the median). Range: {RANGE_SETS} sets of {args.range_draws} draws, with the same {args.draws}"
        " waveforms at\nnew distances and inclinations: median of the sets' extremes, in brackets 5% to 95%."
    )
    for parameters, snr in table.items():
        print(f"{parameters}-D: scaling agrees with the likelihood's own SNR to {snr['error']:.0e} ({CHECKED} signals)")
    print(f"\n{'':34}{'median':>14}  {'mean':>5}  {'minimum':>19}  {'maximum':>22}")
    for parameters, snr in table.items():
        for lowest in LOWEST:
            draws = snr["draws"][lowest]
            label = f"{parameters}-D, from {lowest:g} Hz"
            label += " (the problem here)" if lowest == MINIMUM_FREQUENCY else ""
            middle = f"{np.median(draws):.2f} ({median_error(draws):.3f})"
            ends = []
            for values in snr["range"][lowest]:
                low, high = np.quantile(values, [0.05, 0.95])
                ends.append(f"{np.median(values):.1f} ({low:.1f} to {high:.1f})")
            print(f"{label:34}{middle:>14}  {draws.mean():5.2f}  {ends[0]:>19}  {ends[1]:>22}")
        paper = {key: PAPER[parameters].get(key, "-") for key in ("median", "mean", "min", "max")}
        print(
            f"{f'{parameters}-D, paper':34}{paper['median']!s:>14}  {paper['mean']!s:>5}"
            f"  {paper['min']!s:>19}  {paper['max']!s:>22}"
        )


def median_error(values: np.ndarray) -> float:
    """Standard error of the median, from its scatter over the independently scrambled blocks."""
    medians = [np.median(block) for block in np.array_split(values, BLOCKS)]
    return float(np.std(medians, ddof=1) / BLOCKS**0.5)


# --- where the difference comes from --------------------------------------------------------------

LONG = 32.0
"""Length in seconds of the time series that holds a whole signal."""

# What is summed; where the waveform starts in Hz; noise curve; where the curve starts in Hz.
VARIANTS: dict[str, tuple[str, float, str, float]] = {
    "sum over whitened time samples": ("samples", 20.0, "table", 20.0),
    "frequency grid of 1/32 Hz instead of 1 Hz": ("fine", 20.0, "table", 20.0),
    "PyCBC's aLIGOZeroDetHighPowerGWINC (table)": ("bins", 20.0, "gwinc", 20.0),
    "PyCBC's aLIGOZeroDetHighPower (analytic)": ("bins", 20.0, "analytic", 20.0),
    "from 15 Hz": ("bins", 15.0, "table", 15.0),
    "from 10 Hz": ("bins", 10.0, "table", 10.0),
    "from 10 Hz, analytic curve": ("bins", 10.0, "analytic", 10.0),
    "from 8 Hz, curve held below 20 Hz": ("bins", 8.0, "held", 0.0),
    "tapered in time from 20 Hz, cut to 1 s": ("cut", 20.0, "table", 10.0),
    "tapered from 8 Hz, curve from 20 Hz, cut to 1 s": ("cut", 8.0, "table", 20.0),
    "tapered from 8 Hz, curve from 10 Hz, cut to 1 s": ("cut", 8.0, "table", 10.0),
    "  the same with the analytic curve": ("cut", 8.0, "analytic", 10.0),
    "tapered from 8 Hz, curve held below 20 Hz, cut to 1 s": ("cut", 8.0, "held", 0.0),
}


def explain(medians: dict[int, float], args: argparse.Namespace, pool: multiprocessing.pool.Pool) -> None:
    """Print how each candidate changes the SNR of the same signals."""
    print(f"Ratio of the SNR to that of the problem here, median over {args.explain_draws} signals (1% and 99%")
    print(f"quantiles), and the median SNR that follows. Paper: {PAPER[5]['median']} and {PAPER[8]['median']}.\n")
    columns = {}
    for parameters in (5, 8):
        _, priors = green2020(parameters, seed=args.seed)
        draws = priors.sample(args.explain_draws)
        # The time at the detector lies anywhere in the prior's window, whatever the light-travel delay.
        window = priors["geocent_time"]
        draws["time"] = 0.65 + draws["geocent_time"] - window.minimum
        signals = [{key: float(value[row]) for key, value in draws.items()} for row in range(args.explain_draws)]
        chunks = [signals[i : i + 50] for i in range(0, len(signals), 50)]
        columns[parameters] = np.concatenate(pool.map(variants, chunks, chunksize=1))
    print(f"{'':60}{'5-D':^28}{'8-D':^28}")
    for column, name in enumerate(VARIANTS):
        cells = []
        for parameters in (5, 8):
            ratio = columns[parameters][:, column]
            low, high = np.quantile(ratio, [0.01, 0.99])
            middle = np.median(ratio)
            cells.append(f"{middle:7.4f} ({low:.3f}, {high:.3f}) {medians[parameters] * middle:5.2f}")
        print(f"{name:60}{'  '.join(cells)}")
    print()


def variants(signals: list[dict[str, float]]) -> np.ndarray:
    """SNRs by every entry of ``VARIANTS``, divided by the problem's own, one row a signal."""
    return np.array([_variants(signal) for signal in signals])


def _variants(signal: dict[str, float]) -> np.ndarray:
    from pycbc.waveform import get_fd_waveform, get_td_waveform

    source = {
        "approximant": "IMRPhenomPv2",
        "mass1": signal["mass_1"],
        "mass2": signal["mass_2"],
        "spin1z": signal["chi_1"],
        "spin2z": signal["chi_2"],
        "distance": signal["luminosity_distance"],
        "inclination": signal["theta_jn"],
        "coa_phase": signal["phase"],
        "f_ref": REFERENCE_FREQUENCY,
    }
    plus = generator(8.0).frequency_domain_strain({key: signal[key] for key in (*INTRINSIC, *EXTRINSIC, "phase")})[
        "plus"
    ]
    fine, _ = get_fd_waveform(delta_f=1 / LONG, f_lower=20.0, f_final=SAMPLING_FREQUENCY / 2, **source)
    tapered = {
        lowest: _long(get_td_waveform(delta_t=1 / SAMPLING_FREQUENCY, f_lower=lowest, **source)[0])
        for lowest in (20.0, 8.0)
    }

    result = []
    for what, wave_from, kind, curve_from in VARIANTS.values():
        if what == "bins":
            value = _norm(np.where(wave_from <= FREQUENCIES, plus, 0), curve(kind, curve_from, DURATION), DURATION)
        elif what == "fine":
            value = _norm(fine.numpy(), curve(kind, curve_from, LONG), LONG)
        elif what == "samples":
            value = np.sum(_whitened(plus, curve(kind, curve_from, DURATION)) ** 2) ** 0.5
        else:
            value = _cut(tapered[wave_from], curve(kind, curve_from, LONG), signal["time"])
        result.append(value)
    return np.array(result) / _norm(plus, curve("table", MINIMUM_FREQUENCY, DURATION), DURATION)


_CURVES: dict[tuple[str, float, float], np.ndarray] = {}


def curve(kind: str, lowest: float, duration: float) -> np.ndarray:
    """Noise curve on the grid of ``duration``: infinite below ``lowest``, or for ``"held"`` as at 20 Hz below 20 Hz."""
    if (kind, lowest, duration) not in _CURVES:
        import pycbc.psd

        frequencies = np.arange(int(duration * SAMPLING_FREQUENCY / 2) + 1) / duration
        if kind in ("table", "held"):
            psd = np.array(bilby_psd(frequencies))
        else:
            name = {"gwinc": "aLIGOZeroDetHighPowerGWINC", "analytic": "aLIGOZeroDetHighPower"}[kind]
            psd = pycbc.psd.from_string(name, len(frequencies), 1 / duration, 9.0).numpy().copy()
            psd[-1] = psd[-2]
        if kind == "held":
            psd[frequencies < 20.0] = psd[frequencies == 20.0]
        else:
            psd[frequencies < lowest] = np.inf
        _CURVES[kind, lowest, duration] = psd
    return _CURVES[kind, lowest, duration]


def _norm(plus: np.ndarray, psd: np.ndarray, duration: float) -> float:
    return np.sum(4 / duration * np.abs(plus) ** 2 / psd) ** 0.5


def _long(series) -> np.ndarray:
    """A PyCBC time series on ``LONG`` seconds, merging at three quarters of it.

    For spins close to one the series can be longer than that, but not the signal: next to nothing is left out.
    """
    result = np.zeros(int(LONG * SAMPLING_FREQUENCY))
    first = len(result) * 3 // 4 + round(float(series.start_time) * SAMPLING_FREQUENCY)
    values = series.numpy()
    lost, values = np.split(values, [max(-first, 0)])
    if np.sum(lost**2) > 1e-6 * np.sum(values**2):
        raise RuntimeError(f"a signal does not fit into {LONG:g} s")
    first = max(first, 0)
    result[first : first + len(values)] = values
    return result


def _whitened(spectrum: np.ndarray, psd: np.ndarray) -> np.ndarray:
    """Time series in which white noise over the whole band has unit variance per sample."""
    return np.fft.irfft(spectrum / psd**0.5) * (2 * SAMPLING_FREQUENCY) ** 0.5


def _cut(series: np.ndarray, psd: np.ndarray, merger: float) -> float:
    """SNR in the one second of whitened data in which the signal merges at ``merger``."""
    whitened = _whitened(np.fft.rfft(series) / SAMPLING_FREQUENCY, psd)
    first = len(series) * 3 // 4 - round(merger * SAMPLING_FREQUENCY)
    return np.sum(whitened[first : first + int(DURATION * SAMPLING_FREQUENCY)] ** 2) ** 0.5


# --- figures --------------------------------------------------------------------------------------


def draw_signal(path: Path, seed: int) -> str:
    """Figure 1: a whitened signal, alone and in noise."""
    given = {"mass_1": 65.0, "mass_2": 50.0, "luminosity_distance": 1800.0, "phase": 1.0}
    _, priors = green2020(5)
    given["geocent_time"] = priors["geocent_time"].rescale(0.5)
    likelihood, _ = green2020(5, injection=given, seed=seed)
    interferometer = likelihood.interferometers[0]
    parameters = likelihood.injection_parameters
    response = interferometer.get_detector_response(
        likelihood.waveform_generator.frequency_domain_strain(parameters), parameters
    )
    snr = interferometer.optimal_snr_squared(response).real ** 0.5
    psd = np.where(interferometer.frequency_mask, interferometer.power_spectral_density_array, np.inf)
    strain, signal = (_whitened(x, psd) for x in (interferometer.frequency_domain_strain, response))
    times = np.arange(len(strain)) / SAMPLING_FREQUENCY

    figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
    axes.plot(times, strain, color="0.7", linewidth=0.6, label="signal and noise")
    axes.plot(times, signal, color="C3", linewidth=1.4, label=f"signal, SNR {snr:.1f}")
    axes.set(
        xlabel=f"time since GPS {START_TIME:.0f} [s]",
        ylabel="whitened strain [noise standard deviation]",
        xlim=(0, DURATION),
    )
    axes.legend(loc="lower left", frameon=False)
    figure.savefig(path, dpi=200)
    plt.close(figure)
    noise = np.std(strain - signal)
    expected = (1 - MINIMUM_FREQUENCY * 2 / SAMPLING_FREQUENCY) ** 0.5
    return (
        f"{path}: SNR {snr:.1f}; noise per sample {noise:.3f} (expected: 1 for the whole band, {expected:.3f} without"
        f" the part below {MINIMUM_FREQUENCY:g} Hz)"
    )


def draw_histogram(path: Path, table: dict[int, dict]) -> str:
    """Figure 2: the SNR of both training sets."""
    figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
    bins = np.arange(5, 82, 1.0)
    for color, (parameters, snr) in zip(("C0", "C1"), table.items(), strict=True):
        values = snr["draws"][MINIMUM_FREQUENCY]
        label = f"{parameters} parameters, median {np.median(values):.1f} (paper {PAPER[parameters]['median']})"
        axes.hist(values, bins=bins, density=True, histtype="stepfilled", alpha=0.35, color=color)
        axes.hist(values, bins=bins, density=True, histtype="step", color=color, linewidth=1.4, label=label)
        axes.axvline(np.median(values), color=color, linestyle="--", linewidth=1)
    axes.set(xlabel="optimal signal-to-noise ratio", ylabel="probability density", xlim=(bins[0], bins[-1]))
    axes.legend(frameon=False)
    figure.savefig(path, dpi=200)
    plt.close(figure)
    return f"{path}: {len(values)} draws a problem"


if __name__ == "__main__":
    main()
