"""Compare a network for many noise curves with one that was trained for a single curve.

    python examples/studies/many_noise_curves.py --events 30 --cache models

Each event has a different noise curve, drawn from the family of ``examples/studies/many_noise_curves.toml`` (scaled, tilted,
changed by a smooth function, with lines). The script prints three efficiencies: of the amortised network on these events; of a
network that was trained for the design curves only, on the same signals with the design curves; and of this second network on
the first events. All events have the same number of draws. Finished events are stored, and not computed again.
"""

from __future__ import annotations

import argparse
import copy
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from bilby.core.utils import logger
from bilby.gw.detector import PowerSpectralDensity

from bilby_flowpe.bound import BoundPosterior
from bilby_flowpe.cache import new_folder
from bilby_flowpe.configuration.file import Configured, read
from bilby_flowpe.contract.matching import psd_distance
from bilby_flowpe.importance import summarise
from bilby_flowpe.kinds import inject, problem_of
from bilby_flowpe.model import TrainedPosterior
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.sampling.weighing import Target
from bilby_flowpe.simulation.injections import optimal_snr
from bilby_flowpe.simulation.noise_family import NoiseFamily
from bilby_flowpe.training.build import train_model
from bilby_flowpe.training.settings import Settings
from bilby_flowpe.translation.translated import as_it_stands
from bilby_flowpe.validation.kept import measured

CONFIG = Path(__file__).with_name("many_noise_curves.toml")


@dataclass
class Event:
    """Efficiencies of the networks on one event."""

    snr: float
    moved: float
    amortised: float
    own: float
    other: float


@dataclass
class Measure:
    """Picklable task: the analysis of one event."""

    likelihood: object
    priors: object
    amortised: TrainedPosterior
    fixed: TrainedPosterior
    draws: int

    def __call__(self, index: int) -> Event:
        transform = PriorTransform(self.priors)
        moved = copy.deepcopy(self.likelihood)
        distance = with_other_curves(moved, np.random.default_rng((30, index)))
        # The same parameters and white noise under either curve.
        event, truth = inject(moved, transform, np.random.default_rng((31, index)))
        plain, _ = inject(self.likelihood, transform, np.random.default_rng((31, index)))
        return Event(
            optimal_snr(event, truth),
            distance,
            self._efficiency(self.amortised, event, transform, index),
            self._efficiency(self.fixed, plain, transform, index),
            self._efficiency(self.fixed, event, transform, index),
        )

    def _efficiency(self, model: TrainedPosterior, event: object, transform: PriorTransform, index: int) -> float:
        # Whatever the contract says of the curve: what it would be worth is to be seen.
        bound = BoundPosterior(model, problem_of(event, transform))
        target = Target(as_it_stands(problem_of(event, transform)), True, bound.conditional)
        rng = np.random.default_rng((32, index))
        weighted = target.draw(bound.mixture(), self.draws, rng)
        return float(summarise(weighted.log_weights).efficiency)


def with_other_curves(likelihood: object, rng: np.random.Generator) -> float:
    """Set noise curves of the family; return their difference from the original ones, root mean square of ln S."""
    interferometers = likelihood.interferometers
    mask = interferometers[0].frequency_mask
    frequencies = interferometers[0].frequency_array[mask]
    known = np.log(np.stack([ifo.power_spectral_density_array[mask] for ifo in interferometers]))
    drawn = NoiseFamily(frequencies, known, rng).draw(1, rng)[0]
    distances = []
    for ifo, curve in zip(interferometers, drawn.astype(np.float64), strict=True):
        psd = ifo.power_spectral_density_array.copy()
        distances.append(psd_distance(psd[mask], np.exp(curve)))
        psd[mask] = np.exp(curve)
        ifo.power_spectral_density = PowerSpectralDensity(frequency_array=ifo.frequency_array, psd_array=psd)
    return float(np.max(distances))


def trained(problem: Configured, settings: Settings, cache: Path, npool: int) -> TrainedPosterior:
    """Return a model with these settings, from the cache or trained now."""
    folder = new_folder(problem.problem().describe(), settings, str(cache))
    if not (folder / "model.json").is_file():
        # The checkpoint takes up a training that was interrupted.
        checkpoint = cache / f"{folder.name}.ckpt"
        train_model(problem.likelihood, problem.priors, settings, npool, checkpoint, progress=False).save(folder)
        checkpoint.unlink(missing_ok=True)
    return TrainedPosterior.load(folder)


def main() -> None:
    """Print the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=30)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument(
        "--training-time", type=float, help="seconds of training for each network (default: that of the configuration)"
    )
    parser.add_argument("--cache", type=Path, default=Path("outdir/many_noise_curves/models"))
    parser.add_argument("--npool", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--outdir", type=Path, default=Path("outdir/many_noise_curves"))
    arguments = parser.parse_args()
    arguments.outdir.mkdir(parents=True, exist_ok=True)
    arguments.cache.mkdir(parents=True, exist_ok=True)
    problem = read(CONFIG)
    # Their efficiencies on the events below are all that is asked of the two.
    settings = replace(problem.settings, calibration_events=0)
    if arguments.training_time:
        settings = replace(settings, training=replace(settings.training, max_time=arguments.training_time))
    alone = replace(settings, simulation=replace(settings.simulation, psd="fixed"))
    models = [trained(problem, each, arguments.cache, arguments.npool) for each in (settings, alone)]
    for name, model in zip(("amortised", "fixed"), models, strict=True):
        print(f"{name}: {model.history['step'][-1]} steps in {model.history['seconds'][-1]:.0f} s, {model.grid}")
    logger.setLevel("ERROR")
    steps = "_".join(str(model.history["step"][-1]) for model in models)
    log = arguments.outdir / f"events_{steps}_{arguments.draws}.jsonl"
    task = Measure(problem.likelihood, problem.priors, *models, arguments.draws)
    events = measured(task, arguments.events, Event, log, arguments.npool)
    print(
        f"{len(events)} events, ln S moved by {np.median([event.moved for event in events]):.2f} (root mean square) at the "
        "median"
    )
    for field, said in (
        ("amortised", "amortised network, curves of the family"),
        ("own", "network of the design curves, on these"),
        ("other", "network of the design curves, curves of the family"),
    ):
        found = np.array([getattr(event, field) for event in events])
        print(f"{said:<52} median {np.median(found):.3f}, 10th percentile {np.quantile(found, 0.1):.3f}")


if __name__ == "__main__":
    main()
