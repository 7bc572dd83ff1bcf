"""
A real event
============

From the name of an event to its posterior, evidence, pictures and a report::

    python examples/real_event.py GW150914
    python examples/real_event.py GW150914 --data-dir DIR --trigger 1126259462.4 --detectors H1 L1

Strain is fetched from the Gravitational Wave Open Science Center through gwpy, or read from the folder ``--data-dir``: all
files in it, of any length, at 4 or 16 kHz. By default, the detectors are those of the files, and matched filters with chirp
masses from 4 to 200 search for the signal. The priors of time and chirp mass are placed around what this search finds, with
wide margins. All other priors are Bilby's default ones of a binary black hole with aligned spins, or of a prior file. Noise
curves are estimated from the data on both sides of the analysed segment, or read from files. Nothing is trained: a proposal is
refined for this event alone. With ``--network auto``, a network that ships is used if it serves the signal; ``--network maf``
trains one.

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


def event_of(arguments: argparse.Namespace):
    """Return likelihood, priors and time of the event; find those that are not given."""
    from bilby_flowpe.errors import FlowPEError
    from bilby_flowpe.strain_event import StrainConfig, event_from_strain

    config = StrainConfig(
        trigger_time=arguments.trigger, detectors=arguments.detectors, data_dir=arguments.data_dir,
        noise_curves=arguments.noise_curves, duration=arguments.duration, minimum_frequency=arguments.minimum_frequency,
        maximum_frequency=arguments.maximum_frequency, truncation=arguments.truncation, waveform=arguments.waveform,
        prior_file=arguments.priors, chirp_mass=arguments.chirp_mass,
    )  # fmt: skip
    try:
        event = event_from_strain(arguments.name, config)
    except FlowPEError as error:
        raise SystemExit(str(error)) from error
    if (signal := event.signal) is not None:
        ratios = ", ".join(f"{value:.1f} in {name}" for name, value in signal.snr.items())
        print(
            f"found by matched filters: a signal at GPS {signal.time:.3f}, chirp mass about {signal.chirp_mass:.1f} solar "
            f"masses, signal-to-noise ratio {ratios}"
        )
    if (prior := event.priors.get("chirp_mass")) is not None:
        print(
            f"prior of the chirp mass: {prior.minimum:.2f} to {prior.maximum:.2f} solar masses in the detectors' frame"
        )
    return event


def draw_spectrogram(strain_of, trigger: float, path: Path) -> None:
    """Draw gwpy's Q-transform of the second around the event, with a panel for each detector."""
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
    """Run the sampler, print the result, draw the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="name of the event at the Gravitational Wave Open Science Center")
    parser.add_argument("--data-dir", help="folder of strain files (default: the public strain is fetched)")
    parser.add_argument(
        "--noise-curves",
        help="folder of noise curves PSD_H1.txt and so on (default: estimated from the strain)",
    )
    parser.add_argument(
        "--trigger",
        type=float,
        help="GPS time of the event (default: found by a search of the files, or the published time)",
    )
    parser.add_argument(
        "--detectors", nargs="+", help="names of detectors (default: those of the files, or the published ones)"
    )
    parser.add_argument(
        "--duration", type=float, help="seconds of data (default: the length of the lightest signal of the prior)"
    )
    parser.add_argument("--minimum-frequency", type=float, default=20.0)
    parser.add_argument("--maximum-frequency", type=float, default=1024.0)
    parser.add_argument(
        "--truncation",
        type=float,
        help="length in seconds to which the whitening filter is cut (default: it is not cut)",
    )
    parser.add_argument("--waveform", default="IMRPhenomPv2")
    parser.add_argument(
        "--priors", help="prior file for Bilby (default: Bilby's priors of a binary black hole with aligned spins)"
    )
    parser.add_argument(
        "--chirp-mass",
        nargs=2,
        type=float,
        metavar=("LOW", "HIGH"),
        help="range in solar masses, detector frame (default: around what a search finds)",
    )
    parser.add_argument(
        "--network", default="none", help="'auto' to use a network that ships, 'maf' to train one (default: none)"
    )
    parser.add_argument("--training-time", type=float, default=1200.0)
    parser.add_argument("--waveforms", type=int, default=50_000)
    parser.add_argument("--effective", type=int, default=5000, help="number of effective draws to reach")
    parser.add_argument("--cache", help="folder for models that are trained on demand")
    parser.add_argument(
        "--seed", type=int, help="seed of the sampling; another seed has to give the same evidence within its error"
    )
    parser.add_argument("--npool", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--outdir", type=Path, default=Path("outdir/real_event"))
    arguments = parser.parse_args()
    from bilby_flowpe.bands import whitened_bands
    from bilby_flowpe.corner_plot import bounds_of, plot_comparison
    from bilby_flowpe.observed import read_strain
    from bilby_flowpe.plotting import plot_whitened
    from bilby_flowpe.validation import report_result

    event = event_of(arguments)
    likelihood, trigger = event.likelihood, event.trigger_time
    training = {"training_time": arguments.training_time, "n_waveforms": arguments.waveforms, "cache": arguments.cache}
    result = bilby.run_sampler(
        likelihood, event.priors, sampler="flowpe", network=arguments.network, npool=arguments.npool,
        sampling_seed=arguments.seed,
        n_effective=arguments.effective, outdir=str(arguments.outdir), **(training if arguments.network != "none" else {}),
        label=arguments.name, result_class=bilby.gw.result.CBCResult,
        conversion_function=bilby.gw.conversion.generate_all_bbh_parameters, meta_data={"sources": event.sources},
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
    plot_comparison(
        {"flowpe": result.posterior},
        keys,
        Path(f"{stem}_corner.png"),
        title=arguments.name,
        bounds=bounds_of(event.priors),
    )
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
