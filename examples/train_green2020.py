"""Train a network on one of the paper's problems, starting from random weights: this made the shipped models.

    python examples/train_green2020.py --parameters 5 --phase network --time 540 --outdir outdir/5d-joint

It prints the losses on held-out simulations beside the paper's, and saves the model, the history of its loss and a plot.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import replace
from pathlib import Path

PAPER = {5: "CVAE -4.31, MAF -4.42, CVAE+ -6.95", 8: "CVAE+ -0.73"}

RAMP = 20  # steps in which the KL term rises


def main() -> None:
    """Train the network, print its losses, save the model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parameters", type=int, choices=(5, 8), default=5)
    parser.add_argument("--network", default="maf", choices=("gaussian", "cvae", "cvae+", "maf", "nsf"))
    parser.add_argument("--phase", default="conditional", choices=("conditional", "network"))
    parser.add_argument("--distance", default="conditional", choices=("conditional", "network"))
    parser.add_argument("--arrival", default="conditional", choices=("conditional", "network"))
    parser.add_argument(
        "--unfolded", action="store_true", help="do not fold the phase: the network learns its full range"
    )
    parser.add_argument(
        "--series", action="store_true", help="use the whitened time series as the network's input, without alignment"
    )
    parser.add_argument(
        "--time", type=float, default=540.0, help="seconds of training, without the simulation of waveforms"
    )
    parser.add_argument("--waveforms", type=int, default=50_000)
    parser.add_argument("--learning-rate", type=float, default=1.5e-3)
    schedule = parser.add_mutually_exclusive_group()
    schedule.add_argument(
        "--kl-share", type=float, help="fraction of the training with cycles of the KL term (cvae and cvae+)"
    )
    schedule.add_argument(
        "--kl-ramp",
        type=float,
        help="let the KL term rise once, over this fraction of the training, instead of in cycles",
    )
    parser.add_argument("--hidden", type=int, default=256, help="width of the hidden layers of each transform")
    parser.add_argument("--embedding", type=int, default=256, help="width of the embedding network")
    parser.add_argument(
        "--transforms",
        type=int,
        help="number of autoregressive transforms of each flow (default: that of the network's family)",
    )
    parser.add_argument("--latent", type=int, default=8, help="dimension of the latent space of cvae and cvae+")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--npool", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--outdir", type=Path, default=Path("outdir/model"))
    arguments = parser.parse_args()

    from bilby_flowpe.networks import compact
    from bilby_flowpe.plotting import plot_history
    from bilby_flowpe.problems import green2020
    from bilby_flowpe.representation import RepresentationConfig
    from bilby_flowpe.simulation import SimulationConfig
    from bilby_flowpe.training.build import train_model
    from bilby_flowpe.training.recipe import TrainingConfig
    from bilby_flowpe.training.settings import Settings

    likelihood, priors = green2020(parameters=arguments.parameters, seed=0)
    network = compact(arguments.network)
    training = TrainingConfig(max_time=arguments.time, learning_rate=arguments.learning_rate, seed=arguments.seed)
    if arguments.kl_share:
        training = replace(training, epochs=round(training.kl_cycles * len(training.kl_cycle) / arguments.kl_share))
    if arguments.kl_ramp:
        rise = tuple(max(part / RAMP, 1e-5) for part in range(RAMP))
        training = replace(training, epochs=round(RAMP / arguments.kl_ramp), kl_cycle=rise, kl_cycles=1)
    settings = Settings(
        simulation=SimulationConfig(n_waveforms=arguments.waveforms),
        representation=RepresentationConfig(kind="series" if arguments.series else "aligned"),
        network=replace(
            network,
            transforms=arguments.transforms or network.transforms,
            hidden_features=(arguments.hidden, arguments.hidden),
            gaussian_features=(arguments.hidden, arguments.hidden),
            embedding_features=arguments.embedding,
            latent=arguments.latent,
        ),
        training=training,
        phase=arguments.phase,
        distance=arguments.distance,
        time=arguments.arrival,
        fold_phase=not arguments.unfolded,
    )
    began = time.monotonic()
    checkpoint = arguments.outdir.with_suffix(".ckpt")
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    model = train_model(likelihood, priors, settings, arguments.npool, checkpoint)
    seconds = time.monotonic() - began
    model.information["name"] = arguments.outdir.name
    model.save(arguments.outdir)
    checkpoint.unlink(missing_ok=True)
    history = model.history
    best = history["best"]
    print(f"parameters of the network: {model.network.n_parameters}")
    print(f"steps: {history['step'][-1]}, seconds from nothing: {seconds:.0f}, of them waveforms: "
          f"{model.information['seconds']['simulation']:.0f}")  # fmt: skip
    print(f"validation loss, own coordinates: {history['validation_loss'][best]:.3f} nat")
    print(
        f"validation loss of {', '.join(model.coordinates.keys)}, in the paper's units: "
        f"{history['validation_loss_paper'][best]:.3f} nat (paper, all parameters: {PAPER[arguments.parameters]})"
    )
    plot_history(history, arguments.outdir.with_suffix(".history.png"))


if __name__ == "__main__":
    main()
