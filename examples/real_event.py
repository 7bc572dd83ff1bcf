"""
A real event
============

From the name of an event to its posterior, evidence, pictures and a report::

    python examples/real_event.py GW150914
    python examples/real_event.py GW150914 --data-dir DIR --trigger 1126259462.4 --detectors H1 L1

Strain is fetched from the Gravitational Wave Open Science Center through gwpy, or read from the folder of ``--data-dir``; the
noise curves are estimated from the two minutes before the event, or read from ``PSD_H1.txt`` and so on where they lie beside
the strain. The priors are Bilby's default ones of a binary black hole with aligned spins, the chirp mass between the two of
``--chirp-mass``, or those of a file. The model is trained on demand, kept, and used again for the next event of the kind;
``--network none`` trains nothing, and refines a proposal for this event alone.

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

SHOWN = ("chirp_mass", "mass_ratio", "chi_eff", "luminosity_distance", "theta_jn", "ra", "dec")


def trigger_and_detectors(name: str, trigger: float | None, detectors: list[str] | None) -> tuple[float, list[str]]:
    """As given, or as the open science center has them."""
    if trigger is not None and detectors:
        return trigger, detectors
    from gwosc import datasets

    try:
        return trigger or datasets.event_gps(name), detectors or sorted(datasets.event_detectors(name))
    except Exception as error:
        raise SystemExit(
            f"{name}: the open science center cannot be asked ({type(error).__name__}): give --trigger and --detectors"
        ) from error


def interferometers(arguments: argparse.Namespace, trigger: float, detectors: list[str]):
    """The data of all detectors, the event two seconds before their end."""
    from bilby_flowpe.observed import OFF_SOURCE, interferometer, noise_curve, read_strain

    start = trigger + 2 - arguments.duration
    before = max(OFF_SOURCE, 16 * arguments.duration)
    made = []
    for detector in detectors:
        strain = read_strain(detector, start - before, trigger + 3, arguments.data_dir)
        file = (arguments.data_dir or Path()) / f"PSD_{detector}.txt"
        if arguments.data_dir and file.exists():
            psd = bilby.gw.detector.PowerSpectralDensity(psd_file=str(file))
        else:
            psd = noise_curve(strain.crop(start - before, start), arguments.duration, truncation=arguments.truncation)
        made.append(
            interferometer(
                detector,
                strain,
                start,
                arguments.duration,
                psd,
                arguments.minimum_frequency,
                arguments.maximum_frequency,
            )
        )
    return bilby.gw.detector.InterferometerList(made)


def problem(arguments: argparse.Namespace):
    """Likelihood and priors."""
    trigger, detectors = trigger_and_detectors(arguments.name, arguments.trigger, arguments.detectors)
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
    priors = bilby.gw.prior.BBHPriorDict(
        filename=str(arguments.priors) if arguments.priors else "aligned_spins_bbh.prior"
    )
    if arguments.chirp_mass:
        low, high = arguments.chirp_mass
        priors["chirp_mass"] = bilby.gw.prior.UniformInComponentsChirpMass(low, high, name="chirp_mass")
    if "geocent_time" not in priors:
        priors["geocent_time"] = bilby.core.prior.Uniform(trigger - 0.1, trigger + 0.1, name="geocent_time", unit="s")
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
    parser.add_argument("--data-dir", type=Path, help="folder of strain files and, perhaps, of noise curves")
    parser.add_argument("--trigger", type=float, help="GPS time; asked of the open science center when left out")
    parser.add_argument("--detectors", nargs="+", help="asked of the open science center when left out")
    parser.add_argument("--duration", type=float, default=4.0)
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
        "--chirp-mass", nargs=2, type=float, metavar=("LOW", "HIGH"), help="solar masses, detector frame"
    )
    parser.add_argument("--network", default="maf", help="'none' to train nothing")
    parser.add_argument("--training-time", type=float, default=1200.0)
    parser.add_argument("--waveforms", type=int, default=50_000)
    parser.add_argument("--cache", help="folder of the models trained on demand")
    parser.add_argument("--npool", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--outdir", type=Path, default=Path("outdir/real_event"))
    arguments = parser.parse_args()
    from bilby_flowpe.bands import whitened_bands
    from bilby_flowpe.observed import read_strain
    from bilby_flowpe.plotting import plot_comparison, plot_whitened
    from bilby_flowpe.validation import report_result

    likelihood, priors, trigger = problem(arguments)
    result = bilby.run_sampler(
        likelihood, priors, sampler="flowpe", network=arguments.network, training_time=arguments.training_time,
        n_waveforms=arguments.waveforms, cache=arguments.cache, npool=arguments.npool, outdir=str(arguments.outdir),
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
        ifo.name: read_strain(ifo.name, trigger - 14, trigger + 14, arguments.data_dir)
        for ifo in likelihood.interferometers
    }
    draw_spectrogram(strains, trigger, Path(f"{stem}_spectrogram.png"))
    print(f"report: {report_result(arguments.outdir / f'{arguments.name}_result.json')}")
    # Bilby says so in the log where ligo.skymap is not installed.
    result.plot_skymap(maxpts=2000)


if __name__ == "__main__":
    main()
