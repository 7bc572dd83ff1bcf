"""Repeat experiments that the paper mentions briefly: the same problem and number of steps, one choice changed in each row.

    python examples/studies/green2020_ablations.py --steps 3000 --outdir outdir/ablations
    python examples/studies/green2020_ablations.py --rows base series --steps 3000 --outdir outdir/ablations

Each network is trained from random weights, for the same number of steps of 1024 pairs. It learns all parameters, the phase
over its full range, and its loss is measured on one validation set, in the paper's units. Models are stored and not trained
again; a training that was stopped continues.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bilby.core.utils import logger
from green2020_networks import off_plateau

from bilby_flowpe.kinds import problem_of
from bilby_flowpe.model import TrainedPosterior
from bilby_flowpe.networks import compact
from bilby_flowpe.problems import green2020
from bilby_flowpe.representation import RepresentationConfig
from bilby_flowpe.simulation import SimulationConfig
from bilby_flowpe.training.build import train_model
from bilby_flowpe.training.recipe import TrainingConfig
from bilby_flowpe.training.settings import Settings
from bilby_flowpe.validation.loss import fresh_loss

Change = Callable[[Settings], Settings]


def of_network(**changes: object) -> Change:
    return lambda settings: replace(settings, network=replace(settings.network, **changes))


def of_training(**changes: object) -> Change:
    return lambda settings: replace(settings, training=replace(settings.training, **changes))


def of_simulation(**changes: object) -> Change:
    return lambda settings: replace(settings, simulation=replace(settings.simulation, **changes))


ROWS: dict[str, tuple[int, str, str, Change]] = {
    "base": (5, "cvae+", "CVAE+, a stream of simulations", of_network()),
    "fixed-1e5": (5, "cvae+", "10^5 fixed pairs, fresh noise", of_simulation(n_waveforms=100_000, redraw=False)),
    "fixed-1e6": (5, "cvae+", "10^6 fixed pairs, fresh noise", of_simulation(n_waveforms=1_000_000, redraw=False)),
    "encoder-sees-data": (
        5, "cvae+", "the encoder's flow conditioned on y, too", of_network(encoder_flow_sees_data=True)
    ),
    "no-encoder-flow": (5, "cvae+", "no flow in the encoder", of_network(encoder_flow=False)),
    "no-prior-flow": (5, "cvae+", "no flow in the prior", of_network(prior_flow=False)),
    "no-kl-cycle": (5, "cvae+", "the KL term in full from the start", of_training(kl_cycles=0)),
    "maf": (5, "maf", "MAF of 6 units", of_network()),
    "deep-maf": (5, "maf", "MAF of 12 units (its footnote: for the phase)", of_network(transforms=12)),
    "8d": (8, "cvae+", "8-D, the prior's Gaussian trained", of_network(latent=16)),
    "8d-frozen": (8, "cvae+", "8-D, the prior's Gaussian frozen", of_network(latent=16, freeze_prior=True)),
    "series": (
        5, "cvae+", "whitened time series, unaligned",
        lambda settings: replace(settings, representation=RepresentationConfig(kind="series")),
    ),
}  # fmt: skip


def settings_of(name: str, steps: int) -> Settings:
    _, family, _, change = ROWS[name]
    network = replace(compact(family), hidden_features=(128, 128), gaussian_features=(128, 128))
    return change(
        Settings(
            simulation=SimulationConfig(n_waveforms=100_000),
            network=network,
            training=TrainingConfig(max_steps=steps, max_time=None, seed=0),
            phase="network",
            distance="network",
            time="network",
            fold_phase=False,
        )
    )


def trained(name: str, steps: int, npool: int, outdir: Path) -> TrainedPosterior:
    folder = outdir / f"{name}-{steps}"
    if not (folder / "model.json").exists():
        problem = green2020(parameters=ROWS[name][0], seed=0)
        checkpoint = folder.with_suffix(".ckpt")
        train_model(*problem, settings_of(name, steps), npool, checkpoint).save(folder)
        checkpoint.unlink(missing_ok=True)
    return TrainedPosterior.load(folder)


def main() -> None:
    """Train all models that are missing, measure their losses, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", choices=tuple(ROWS), default=tuple(ROWS))
    parser.add_argument("--steps", type=int, default=3000, help="training steps for each row")
    parser.add_argument("--validation", type=int, default=100_000, help="number of simulations in the validation set")
    parser.add_argument("--seed", type=int, default=1, help="seed of the validation set")
    parser.add_argument("--npool", type=int, default=1)
    parser.add_argument("--outdir", type=Path, default=Path("outdir/ablations"))
    arguments = parser.parse_args()
    arguments.outdir.mkdir(parents=True, exist_ok=True)
    logger.setLevel("WARNING")
    for name in arguments.rows:
        parameters, _, what, _ = ROWS[name]
        model = trained(name, arguments.steps, arguments.npool, arguments.outdir)
        problem = green2020(parameters=parameters, seed=0)
        loss = fresh_loss(model, problem_of(*problem), arguments.validation, arguments.seed, arguments.npool)
        history = model.history
        print(
            f"{name}: {what}: {history['step'][-1]} steps in {history['seconds'][-1]:.0f} s; "
            f"loss {loss}; {off_plateau(history)}; "
            f"training loss less validation loss {history['train_loss'][-1] - history['validation_loss'][-1]:+.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
