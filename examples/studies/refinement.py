"""Refine badly under-trained networks on ten eight-parameter events, and compare the results with those of a good network.

    python examples/studies/refinement.py --model green2020-8d-maf --events 10 --outdir outdir/refinement

A network is trained for a few steps only. Each event is analysed with it, with refinement, and with the good network with other
seeds. The script prints the efficiency before, rounds, likelihood evaluations, the efficiency after and the z-score of ln Z;
over many events the z-scores are standard normal if everything is right. Quiet events, for which even the poor network has an
efficiency of 0.01 or more, are left out. Finished events are stored, and not computed again.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
from bilby.core.utils import logger

from bilby_flowpe.bound import BoundPosterior
from bilby_flowpe.importance import summarise
from bilby_flowpe.kinds import inject, problem_of
from bilby_flowpe.model import TrainedPosterior, find_model
from bilby_flowpe.networks import NetworkConfig
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.problems import green2020
from bilby_flowpe.sampling.budget import Budget
from bilby_flowpe.sampling.event import EventSampler, Wanted
from bilby_flowpe.sampling.outcome import KnownOfData, Outcome
from bilby_flowpe.sampling.weighing import Target
from bilby_flowpe.simulation import SimulationConfig
from bilby_flowpe.training.build import train_model
from bilby_flowpe.training.recipe import TrainingConfig
from bilby_flowpe.training.settings import Settings
from bilby_flowpe.translation.translated import as_it_stands

EASY = 0.01  # efficiency from which an event is no test


def under_trained(folder: Path, steps: int, npool: int) -> TrainedPosterior:
    """A network of the eight-parameter problem that has hardly been trained."""
    if not (folder / "model.json").exists():
        settings = Settings(
            simulation=SimulationConfig(n_waveforms=5000),
            network=NetworkConfig(hidden_features=(128, 128), embedding_features=128),
            training=TrainingConfig(max_steps=steps, max_time=None, validation_size=1024, validations=2, seed=0),
        )
        train_model(*green2020(parameters=8, seed=0), settings, npool, None, False).save(folder)
    return TrainedPosterior.load(folder)


def analyse(
    bound: BoundPosterior, event: Any, transform: PriorTransform, effective: int, seed: int, npool: int
) -> tuple[Outcome, Target]:
    target = Target(as_it_stands(problem_of(event, transform)), True, bound.conditional, npool)
    sampler = EventSampler(
        target,
        bound,
        bound.mixture(),
        Wanted(effective, 2000),
        Budget(500_000),
        np.random.default_rng(seed),
        KnownOfData(bound.log_likelihood_found),
    )
    return sampler.run(), target


def one_event(
    poor: TrainedPosterior, good: TrainedPosterior, problem: tuple, index: int, effective: int, npool: int
) -> dict[str, Any]:
    """Return the figures of an event; only the efficiency if it is left out."""
    likelihood, priors = problem
    transform = PriorTransform(priors)
    event, _ = inject(likelihood, transform, np.random.default_rng((8, index)))
    bound = BoundPosterior(poor, problem_of(event, transform))
    target = Target(as_it_stands(problem_of(event, transform)), True, bound.conditional, npool)
    before = target.draw(bound.mixture(), 4000, np.random.default_rng(index))
    start = {"event": index, "efficiency_before": summarise(before.log_weights).efficiency}
    if start["efficiency_before"] >= EASY:
        return start
    began = time.monotonic()
    refined, spent = analyse(bound, event, transform, effective, 100 + index, npool)
    seconds = time.monotonic() - began
    truth, _ = analyse(
        BoundPosterior(good, problem_of(event, transform)), event, transform, effective, 900 + index, npool
    )
    error = math.hypot(refined.summary.log_evidence_err, truth.summary.log_evidence_err)
    return {
        **start,
        "start": refined.refinement.started_from if refined.refinement else "none needed",
        "rounds": len(refined.refinement.rounds) if refined.refinement else 0,
        "evaluations": spent.n_likelihood,
        "efficiency_after": refined.summary.efficiency,
        "verdict": refined.verdict.grade,
        "log_evidence": refined.summary.log_evidence,
        "error": refined.summary.log_evidence_err,
        "z": (refined.summary.log_evidence - truth.summary.log_evidence) / error,
        "truth_verdict": truth.verdict.grade,
        "seconds": round(seconds, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="green2020-8d-maf", help="name or folder of the good network")
    parser.add_argument("--steps", type=int, default=5, help="training steps of the poor one")
    parser.add_argument("--events", type=int, default=10)
    parser.add_argument("--effective", type=int, default=2000)
    parser.add_argument("--npool", type=int, default=1)
    parser.add_argument("--outdir", type=Path, default=Path("outdir/refinement"))
    arguments = parser.parse_args()
    arguments.outdir.mkdir(parents=True, exist_ok=True)
    logger.setLevel("WARNING")
    poor = under_trained(arguments.outdir / "under-trained", arguments.steps, arguments.npool)
    good = find_model(arguments.model)
    problem = green2020(parameters=8, seed=0)
    log = arguments.outdir / "events.jsonl"
    rows = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    while sum("z" in row for row in rows) < arguments.events:
        rows.append(one_event(poor, good, problem, len(rows), arguments.effective, arguments.npool))
        with log.open("a") as file:
            file.write(json.dumps(rows[-1]) + "\n")
    easy = [row for row in rows if "z" not in row]
    rows = [row for row in rows if "z" in row][: arguments.events]
    print(f"passed over, efficiency of {EASY} or more: {len(easy)} events")
    for row in rows:
        print(
            f"event {row['event']}: efficiency {row['efficiency_before']:.4f} before, {row['rounds']} rounds from the "
            f"{row['start']}, {row['evaluations']} likelihood evaluations, efficiency {row['efficiency_after']:.3f} after, "
            f"{row['verdict']}; ln Z {row['log_evidence']:.3f} +- {row['error']:.3f}, z {row['z']:+.2f} to the good network "
            f"({row['truth_verdict']}); {row['seconds']} s"
        )
    z = np.array([row["z"] for row in rows])
    print(
        f"z of ln Z over {len(z)} events: mean {z.mean():.2f} (0 +- {len(z) ** -0.5:.2f}), width {z.std(ddof=1):.2f} "
        f"(1 +- {(2 * (len(z) - 1)) ** -0.5:.2f})"
    )


if __name__ == "__main__":
    main()
