"""Analyse GW150914 in one detector or two: from measured strain to posterior and evidence.

    python examples/studies/gw150914.py --data-dir DIR --detectors H1
    python examples/studies/gw150914.py --data-dir DIR --detectors H1 L1 --referee dynesty
    python examples/studies/gw150914.py --data-dir DIR --detectors H1 L1 --network none
    python examples/studies/gw150914.py --data-dir DIR --detectors H1 L1 --calibration 0.05 0.05

DIR has the strain files of 32 s from the Gravitational Wave Open Science Center (``H-H1_LOSC_4_V2-1126259446-32.hdf5`` and so
on) and a noise curve ``PSD_H1.txt`` of each detector. Without ``--data-dir``, the public strain is fetched through gwpy and the
noise curve is estimated from it.

The data are four seconds around the trigger from 20 to 1024 Hz, the waveform is IMRPhenomPv2 with aligned spins. One detector
cannot tell where the source is; sky position and polarisation angle are then fixed, to ra 1.375, dec -1.2108 and psi 2.659 (all
in radians). With two detectors they are sampled.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import bilby
import numpy as np

TRIGGER = 1126259462.4
DURATION = 4.0
# The sample before TRIGGER - 2 s: the trigger itself falls between two of them.
START = 1126259446 + int((TRIGGER - DURATION / 2 - 1126259446) * 4096) / 4096
SAMPLING_FREQUENCY = 2048.0
MINIMUM_FREQUENCY, MAXIMUM_FREQUENCY = 20.0, 1024.0
CALIBRATION_NODES = 8
SKY = {"ra": 1.375, "dec": -1.2108, "psi": 2.659}
SHOWN = ("chirp_mass", "mass_ratio", "chi_eff", "luminosity_distance", "theta_jn", "geocent_time", "phase")


def interferometer(detector: str, folder: Path | None) -> bilby.gw.detector.Interferometer:
    """Return an interferometer with four seconds of data and a noise curve from its file, or from the strain before."""
    from bilby_flowpe.observed import OFF_SOURCE, interferometer, noise_curve, read_strain

    strain = read_strain(detector, START - OFF_SOURCE, START + DURATION + 1, folder)
    if folder is None:
        psd = noise_curve(strain.crop(START - OFF_SOURCE, START), DURATION)
    else:
        psd = bilby.gw.detector.PowerSpectralDensity(psd_file=str(folder / f"PSD_{detector}.txt"))
    return interferometer(detector, strain, START, DURATION, psd, MINIMUM_FREQUENCY, MAXIMUM_FREQUENCY)


def problem(
    detectors: list[str], folder: Path | None
) -> tuple[bilby.gw.GravitationalWaveTransient, bilby.core.prior.PriorDict]:
    """Return likelihood and priors."""
    from bilby.core.prior import Cosine, PowerLaw, Sine, Uniform

    generator = bilby.gw.WaveformGenerator(
        duration=DURATION,
        sampling_frequency=SAMPLING_FREQUENCY,
        start_time=START,
        frequency_domain_source_model=bilby.gw.source.lal_binary_black_hole,
        waveform_arguments={
            "waveform_approximant": "IMRPhenomPv2",
            "reference_frequency": 20.0,
            "minimum_frequency": MINIMUM_FREQUENCY,
        },
    )
    interferometers = bilby.gw.detector.InterferometerList([interferometer(name, folder) for name in detectors])
    likelihood = bilby.gw.GravitationalWaveTransient(interferometers, generator)
    priors = bilby.gw.prior.BBHPriorDict(dictionary={})
    priors["chirp_mass"] = Uniform(20, 45, latex_label=r"$\mathcal{M}$", unit=r"$M_\odot$")
    priors["mass_ratio"] = Uniform(0.125, 1, latex_label="$q$")
    priors["chi_1"] = Uniform(-0.99, 0.99, latex_label=r"$\chi_1$")
    priors["chi_2"] = Uniform(-0.99, 0.99, latex_label=r"$\chi_2$")
    priors["luminosity_distance"] = PowerLaw(2, 50, 2000, latex_label="$d_L$", unit="Mpc")
    priors["theta_jn"] = Sine(latex_label=r"$\theta_{JN}$")
    priors["phase"] = Uniform(0, 2 * np.pi, boundary="periodic", latex_label=r"$\phi_0$")
    priors["geocent_time"] = Uniform(
        START + DURATION / 2 - 0.1, START + DURATION / 2 + 0.1, latex_label="$t_c$", unit="s"
    )
    if len(detectors) == 1:
        for key, value in SKY.items():
            priors[key] = value
        priors.convert_floats_to_delta_functions()
    else:
        priors["ra"] = Uniform(0, 2 * np.pi, boundary="periodic", latex_label="RA")
        priors["dec"] = Cosine(latex_label="DEC")
        priors["psi"] = Uniform(0, np.pi, boundary="periodic", latex_label=r"$\psi$")
    return likelihood, priors


def with_calibration(
    likelihood: bilby.gw.GravitationalWaveTransient, priors: bilby.core.prior.PriorDict, amplitude: float, phase: float
) -> None:
    """Add calibration errors: splines in the logarithm of the frequency, with these widths of amplitude and phase (rad)."""
    band = MINIMUM_FREQUENCY, MAXIMUM_FREQUENCY
    for interferometer in likelihood.interferometers:
        name = interferometer.name
        prefix = f"recalib_{name}_"
        interferometer.calibration_model = bilby.gw.detector.calibration.CubicSpline(prefix, *band, CALIBRATION_NODES)
        errors = bilby.gw.prior.CalibrationPriorDict.constant_uncertainty_spline(
            amplitude, phase, *band, CALIBRATION_NODES, name
        )
        for node in range(CALIBRATION_NODES):
            for kind, sigma in (("amplitude", amplitude), ("phase", phase)):
                if sigma == 0:
                    errors[f"{prefix}{kind}_{node}"] = bilby.core.prior.DeltaFunction(0.0)
        priors.update(errors)


def referee(likelihood, priors, outdir: Path, label: str, npool: int) -> bilby.core.result.Result:
    """Run dynesty with distance and, if it has a closed form, phase integrated out, 500 live points, else Bilby's defaults.

    With two detectors, the sky position is sampled in their frame. A run continues where it was stopped.
    """
    from bilby_flowpe.errors import SimulationError
    from bilby_flowpe.kinds import problem_of
    from bilby_flowpe.validation.marginalised import marginalised

    try:
        integrated, fewer = marginalised(
            problem_of(likelihood, priors), ("phase", "distance"), outdir, detector_frame=True
        )
    except SimulationError:  # a wave of several modes, or a precessing one
        integrated, fewer = marginalised(problem_of(likelihood, priors), ("distance",), outdir, detector_frame=True)
    return bilby.run_sampler(
        integrated, fewer, sampler="dynesty", nlive=500, npool=npool, outdir=str(outdir), label=f"{label}_dynesty",
        sampling_seed=1, conversion_function=bilby.gw.conversion.generate_all_bbh_parameters,
    )  # fmt: skip


def main() -> None:
    """Run the sampler, print the result, draw the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--detectors", nargs="+", default=["H1"], choices=("H1", "L1"))
    parser.add_argument(
        "--network",
        default="maf",
        help="family of the network, or 'none' to train nothing and refine a proposal from the prior",
    )
    parser.add_argument("--training-time", type=float, default=1200.0)
    parser.add_argument("--waveforms", type=int, default=150_000)
    parser.add_argument("--hidden", type=int, default=256, help="width of the network's hidden layers")
    parser.add_argument("--learning-rate", type=float, default=1.5e-3)
    parser.add_argument("--effective", type=int, default=5000, help="number of effective samples to reach")
    parser.add_argument(
        "--calibration",
        nargs=2,
        type=float,
        metavar=("AMPLITUDE", "PHASE"),
        help="standard deviations of the calibration errors, of the relative amplitude and of the phase in rad (0: none)",
    )
    parser.add_argument("--referee", choices=("dynesty",))
    parser.add_argument("--cache", help="folder for models that are trained on demand")
    parser.add_argument("--npool", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--outdir", type=Path, default=Path("outdir/gw150914"))
    arguments = parser.parse_args()
    if arguments.calibration and arguments.referee:
        parser.error("--calibration and --referee: the referee integrates over a likelihood without calibration errors")
    if arguments.calibration and not all(0 <= sigma < 1 for sigma in arguments.calibration):
        parser.error(f"--calibration {arguments.calibration}: give standard deviations from 0 to 1")
    from bilby_flowpe.bands import whitened_bands
    from bilby_flowpe.corner_plot import bounds_of, plot_comparison, shown_first
    from bilby_flowpe.plotting import plot_whitened

    label = "GW150914_" + "".join(arguments.detectors)
    likelihood, priors = problem(arguments.detectors, arguments.data_dir)
    if arguments.calibration:
        with_calibration(likelihood, priors, *arguments.calibration)
        label += "_calibration"
    # The referee first: a run asked to start clean makes Bilby start all later ones clean too.
    other = referee(likelihood, priors, arguments.outdir, label, arguments.npool) if arguments.referee else None
    result = bilby.run_sampler(
        likelihood,
        priors,
        sampler="flowpe",
        outdir=str(arguments.outdir),
        label=label,
        npool=arguments.npool,
        network=arguments.network,
        training_time=arguments.training_time,
        n_waveforms=arguments.waveforms,
        n_effective=arguments.effective,
        hidden_features=arguments.hidden,
        learning_rate=arguments.learning_rate,
        cache=arguments.cache,
        sampling_seed=1,
        clean=True,
        conversion_function=bilby.gw.conversion.generate_all_bbh_parameters,
    )
    statistics = result.meta_data["run_statistics"]
    print(
        f"\nGW150914, {' '.join(arguments.detectors)}: verdict {statistics['verdict']}",
        *statistics["reasons"],
        sep="; ",
    )
    for key in ("chirp_mass", "mass_ratio", "chi_eff", "luminosity_distance"):
        low, middle, high = np.quantile(result.posterior[key], [0.05, 0.5, 0.95])
        print(f"{key:<22}{middle:>10.3f}   [{low:.3f}, {high:.3f}]")
    print(f"ln Z (signal against noise) {result.log_bayes_factor:.3f} +- {result.log_evidence_err:.3f}")
    print(
        f"efficiency {statistics['efficiency']:.3f}, {statistics['effective_sample_size']:.0f} effective samples of "
        f"{statistics['n_draws']} draws, Pareto k {statistics['pareto_k']:.2f}, seconds {statistics['seconds']}, "
        f"training {statistics['training_seconds']} s"
    )
    if rounds := statistics.get("refinement", {}).get("rounds", {}).get("efficiency"):
        print("efficiency of the rounds of refinement:", *(f"{value:.3g}" for value in rounds))
    keys = [key for key in SHOWN if key in result.posterior]
    corner = {
        "keys": shown_first(keys),
        "bounds": bounds_of(priors),
        "offsets": {"geocent_time": TRIGGER},
        "title": label.replace("_", " "),
    }
    samples = {"flowpe": result.posterior}
    bands = whitened_bands(likelihood, result.posterior.to_dict("records"))
    plot_whitened(bands, arguments.outdir / f"{label}_whitened.png", TRIGGER, title=corner["title"])
    if other is not None:
        from bilby_flowpe.validation.comparison import compare_results, format_comparison

        samples["dynesty"] = other.posterior
        print(format_comparison(compare_results(result, other, np.random.default_rng(0)), "dynesty"))
    plot_comparison(samples, path=arguments.outdir / f"{label}_corner.png", **corner)


if __name__ == "__main__":
    main()
