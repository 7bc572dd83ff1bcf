"""
A real event
============

From the name of an event to its posterior, evidence, pictures and a report::

    python examples/real_event.py GW150914
    python examples/real_event.py GW150914 --data-dir DIR --trigger 1126259462.4 --detectors H1 L1

Strain is fetched from the Gravitational Wave Open Science Center through gwpy, or read from the folder of
``--data-dir``: all its files, of any length, at 4 or 16 kHz. Where nothing else is given, the detectors are those of
the files, and the signal is searched for by matched filters, over chirp masses from 4 to 200: its time, and a range of
chirp masses with a wide margin, are what the priors are put around. Beside them these are Bilby's default ones of a
binary black hole with aligned spins, or those of a file. Noise curves are estimated from the data on both sides of the
analysed segment, or read from files that are named. Nothing is trained: a network that ships
draws where it serves the signal, else a proposal is refined for this event alone.

.. image:: /images/gallery/real_event.png
   :alt: corner plot of GW150914

.. image:: /images/gallery/real_event_whitened.png
   :alt: whitened strain of both detectors with the band of the posterior's waveforms

.. literalinclude:: /images/gallery/real_event.txt
   :language: none
"""
# sphinx_gallery_thumbnail_path = "images/gallery/real_event_whitened.png"

from __future__ import annotations

import argparse
import os
from pathlib import Path

import bilby
import numpy as np

WHOLE = 6.0, 100.0  # solar masses: chirp masses of the prior where a search finds nothing at a given time
SHOWN = ("chirp_mass", "mass_ratio", "chi_eff", "luminosity_distance", "theta_jn", "ra", "dec")


def given_or_known(arguments: argparse.Namespace) -> tuple[float | None, list[str]]:
    """GPS time and detectors: as given, or as the open science center has them, or, of files alone, no time and theirs."""
    from bilby_flowpe.open_data import files_of

    trigger, detectors = arguments.trigger, arguments.detectors
    if arguments.data_dir and not detectors:
        detectors = sorted({file.detector for file in files_of(arguments.data_dir)[0]})
        if not detectors:
            raise SystemExit(f"{arguments.data_dir}: no strain file of the open science center there")
    if arguments.data_dir or (trigger is not None and detectors):
        return trigger, detectors
    from gwosc import datasets

    try:
        return trigger or datasets.event_gps(arguments.name), detectors or sorted(
            datasets.event_detectors(arguments.name)
        )
    except Exception as error:
        raise SystemExit(
            f"{arguments.name}: the open science center cannot be asked ({type(error).__name__}): give --trigger and "
            "--detectors, or --data-dir with its files"
        ) from error


def found(arguments: argparse.Namespace, trigger: float | None, detectors: list[str]):
    """The signal, by a search of the data."""
    from bilby_flowpe.observed import read_strain
    from bilby_flowpe.trigger import search

    # All that files have; of data that are fetched, what a search needs.
    start, end = (0.0, 1e10) if trigger is None else (trigger - 64, trigger + 64)
    strains = {name: read_strain(name, start, end, arguments.data_dir) for name in detectors}
    around = None if trigger is None else (trigger - 0.25, trigger + 0.25)
    signal = search(strains, around, maximum_frequency=arguments.maximum_frequency)
    ratios = ", ".join(f"{value:.1f} in {name}" for name, value in signal.snr.items())
    print(
        f"found by matched filters: a signal at GPS {signal.time:.3f}, chirp mass about {signal.chirp_mass:.1f} solar masses, "
        f"signal-to-noise ratio {ratios}"
    )
    return signal


def curve_of(arguments: argparse.Namespace, detector: str, strain, segment: tuple[float, float]):
    """The noise curve of a file, or from the data beside the segment, in as long pieces as give eight of them at least."""
    from bilby_flowpe.observed import finest_noise_curve

    if arguments.noise_curves:
        return bilby.gw.detector.PowerSpectralDensity(psd_file=str(arguments.noise_curves / f"PSD_{detector}.txt"))
    return finest_noise_curve(strain, arguments.duration, truncation=arguments.truncation, without=segment)


def interferometers(arguments: argparse.Namespace, trigger: float, detectors: list[str]):
    """The data of all detectors, the event two seconds before their end."""
    from bilby_flowpe.observed import OFF_SOURCE, interferometer, read_strain

    start = trigger + 2 - arguments.duration
    beside = max(OFF_SOURCE, 16 * arguments.duration)
    made = []
    for detector in detectors:
        strain = read_strain(detector, start - beside, trigger + 2 + beside, arguments.data_dir)
        psd = curve_of(arguments, detector, strain, (start, start + arguments.duration))
        band = arguments.minimum_frequency, arguments.maximum_frequency
        made.append(interferometer(detector, strain, start, arguments.duration, psd, *band))
    return bilby.gw.detector.InterferometerList(made)


def problem(arguments: argparse.Namespace):
    """Likelihood and priors; what was not given is filled in."""
    from bilby_flowpe.errors import DataError
    from bilby_flowpe.trigger import segment_length

    trigger, detectors = given_or_known(arguments)
    priors = bilby.gw.prior.BBHPriorDict(
        filename=str(arguments.priors) if arguments.priors else "aligned_spins_bbh.prior"
    )
    if trigger is None or not (arguments.chirp_mass or arguments.priors):
        try:
            signal = found(arguments, trigger, detectors)
            trigger = round(signal.time, 3) if trigger is None else trigger
            around = signal.low, signal.high
        except DataError as error:
            if trigger is None:
                raise SystemExit(str(error)) from error
            print(f"{error}; all chirp masses from {WHOLE[0]:g} to {WHOLE[1]:g} are searched")
            around = WHOLE
        if not arguments.priors:
            arguments.chirp_mass = arguments.chirp_mass or around
    if arguments.chirp_mass:
        low, high = arguments.chirp_mass
        priors["chirp_mass"] = bilby.gw.prior.UniformInComponentsChirpMass(low, high, name="chirp_mass")
        # Bilby's limits on the masses themselves, 5 and 100, would cut lighter and heavier signals.
        for key in ("mass_1", "mass_2"):
            priors.pop(key, None)
        print(f"prior of the chirp mass: {low:.2f} to {high:.2f} solar masses in the detectors' frame")
    if "geocent_time" not in priors:
        priors["geocent_time"] = bilby.core.prior.Uniform(trigger - 0.1, trigger + 0.1, name="geocent_time", unit="s")
    if arguments.duration is None:
        lightest = getattr(priors.get("chirp_mass"), "minimum", 25.0)
        arguments.duration = segment_length(lightest, arguments.minimum_frequency)
    data = interferometers(arguments, trigger, detectors)
    generator = bilby.gw.WaveformGenerator(
        duration=arguments.duration,
        sampling_frequency=2 * arguments.maximum_frequency,
        start_time=data.start_time,
        frequency_domain_source_model=bilby.gw.source.lal_binary_black_hole,
        waveform_arguments={
            "waveform_approximant": arguments.waveform,
            "reference_frequency": arguments.minimum_frequency,
            "minimum_frequency": arguments.minimum_frequency,
        },
    )
    return bilby.gw.GravitationalWaveTransient(data, generator), priors, trigger


def draw_spectrogram(strain_of, trigger: float, path: Path) -> None:
    """gwpy's Q-transform of the second around the event, one panel a detector."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(len(strain_of), 1, figsize=(7, 3 * len(strain_of)), squeeze=False, layout="constrained")
    for axis, (name, strain) in zip(axes[:, 0], strain_of.items(), strict=True):
        image = strain.q_transform(outseg=(trigger - 0.5, trigger + 0.3), frange=(20, 500))
        mesh = axis.pcolormesh(
            image.times.value - trigger, image.frequencies.value, image.value.T, vmin=0, vmax=25, rasterized=True
        )
        axis.set(yscale="log", ylabel="frequency [Hz]", title=name)
        figure.colorbar(mesh, ax=axis, label="normalised energy")
    axes[-1, 0].set_xlabel(f"time [s] from GPS {trigger}")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main() -> None:
    """Run, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="of the event, as the open science center has it")
    parser.add_argument("--data-dir", type=Path, help="folder of strain files; fetched when left out")
    parser.add_argument(
        "--noise-curves",
        type=Path,
        help="folder of noise curves PSD_H1.txt and so on; estimated from the strain when left out",
    )
    parser.add_argument("--trigger", type=float, help="GPS time; searched for in files, else the open science center's")
    parser.add_argument(
        "--detectors", nargs="+", help="those of the files, or the open science center's, when left out"
    )
    parser.add_argument(
        "--duration", type=float, help="in seconds; that of the lightest signal of the prior when left out"
    )
    parser.add_argument("--minimum-frequency", type=float, default=20.0)
    parser.add_argument("--maximum-frequency", type=float, default=1024.0)
    parser.add_argument(
        "--truncation", type=float, help="seconds that the whitening filter is cut to; not at all when left out"
    )
    parser.add_argument("--waveform", default="IMRPhenomPv2")
    parser.add_argument(
        "--priors", type=Path, help="prior file of Bilby's kind; its default aligned-spin one when left out"
    )
    parser.add_argument(
        "--chirp-mass",
        nargs=2,
        type=float,
        metavar=("LOW", "HIGH"),
        help="solar masses, detector frame; around what a search finds when left out",
    )
    parser.add_argument("--network", default="none", help="'maf' to train a model for events of this kind")
    parser.add_argument("--training-time", type=float, default=1200.0)
    parser.add_argument("--waveforms", type=int, default=50_000)
    parser.add_argument("--effective", type=int, default=5000, help="effective draws to aim at")
    parser.add_argument("--cache", help="folder of the models trained on demand")
    parser.add_argument("--npool", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--outdir", type=Path, default=Path("outdir/real_event"))
    arguments = parser.parse_args()
    from bilby_flowpe.bands import whitened_bands
    from bilby_flowpe.observed import read_strain
    from bilby_flowpe.plotting import plot_comparison, plot_whitened
    from bilby_flowpe.validation import report_result

    likelihood, priors, trigger = problem(arguments)
    training = {"training_time": arguments.training_time, "n_waveforms": arguments.waveforms, "cache": arguments.cache}
    result = bilby.run_sampler(
        likelihood, priors, sampler="flowpe", network=arguments.network, npool=arguments.npool, n_effective=arguments.effective,
        outdir=str(arguments.outdir), **(training if arguments.network != "none" else {}),
        label=arguments.name, result_class=bilby.gw.result.CBCResult,
        conversion_function=bilby.gw.conversion.generate_all_bbh_parameters,
    )  # fmt: skip
    statistics = result.meta_data["run_statistics"]
    print(f"\n{arguments.name}: verdict {statistics['verdict']}", *statistics["reasons"], sep="; ")
    for key in SHOWN:
        low, middle, high = np.quantile(result.posterior[key], [0.05, 0.5, 0.95])
        print(f"{key:<22}{middle:>10.3f}   [{low:.3f}, {high:.3f}]")
    print(f"ln Z (signal against noise) {result.log_bayes_factor:.3f} +- {result.log_evidence_err:.3f}")
    stem = arguments.outdir / arguments.name
    bands = whitened_bands(likelihood, result.posterior.to_dict("records"))
    plot_whitened(bands, Path(f"{stem}_whitened.png"), trigger, title=arguments.name)
    keys = [key for key in SHOWN if key in result.posterior]
    plot_comparison({"flowpe": result.posterior}, path=Path(f"{stem}_corner.png"), keys=keys, title=arguments.name)
    strains = {
        ifo.name: read_strain(ifo.name, trigger - 8, trigger + 8, arguments.data_dir)
        for ifo in likelihood.interferometers
    }
    draw_spectrogram(strains, trigger, Path(f"{stem}_spectrogram.png"))
    print(f"report: {report_result(arguments.outdir / f'{arguments.name}_result.json')}")
    # Bilby says so in the log where ligo.skymap is not installed.
    result.plot_skymap(maxpts=2000)


if __name__ == "__main__":
    main()
