"""Run the sampler on many events from a whole prior: does a run crash, how many are reliable, do two runs agree?

    python examples/studies/random_runs.py green2020-8d-maf --events 500 --outdir outdir/random

Every event is drawn from the prior of the model's problem, quiet and loud ones included, with new noise, and goes through
``bilby.run_sampler(sampler="flowpe")`` with the sampler's defaults. The first ``--twice`` events are run a second time, with
another seed and ``model=None``, so that the model is found by its contract. The difference of the two ln Z is compared with
their errors. Finished events are stored, and not run again.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bilby
import numpy as np
from bilby.core.utils import logger

from bilby_flowpe.commands.models import problem_for
from bilby_flowpe.kinds import inject
from bilby_flowpe.model import TrainedPosterior
from bilby_flowpe.model_list import find_folder
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.simulation.injections import optimal_snr
from bilby_flowpe.validation.kept import measured


@dataclass
class Event:
    """Figures of one run, or the error that ended it."""

    index: int
    snr: float
    verdict: str
    reasons: list[str]
    efficiency: float
    log_evidence: float
    log_evidence_err: float
    evaluations: int
    seconds: float
    refined: bool
    again: list[float] | None = None
    crash: str | None = None


@dataclass
class Runner:
    """Picklable task: the run of one event."""

    model: str
    seed: int
    twice: int

    def __post_init__(self) -> None:
        folder, _ = find_folder(self.model)
        problem = problem_for(TrainedPosterior.load(folder), folder, None)
        self.likelihood, self.priors = problem.likelihood, problem.prior.given

    def __call__(self, index: int) -> Event:
        event, truth = inject(self.likelihood, PriorTransform(self.priors), np.random.default_rng((self.seed, index)))
        snr = optimal_snr(event, truth)
        try:
            result, seconds = self._run(event, self.model, 2 * index)
            again = self._run(event, None, 2 * index + 1)[0] if index < self.twice else None
        except Exception as error:  # whatever it is, it is what is looked for
            return Event(
                index, snr, "crash", [], 0.0, 0.0, 0.0, 0, 0.0, False, crash=f"{type(error).__name__}: {error}"
            )
        statistics = result.meta_data["run_statistics"]
        return Event(
            index, snr, statistics["verdict"], statistics["reasons"], statistics["efficiency"], float(result.log_evidence),
            float(result.log_evidence_err), statistics["n_likelihood_evaluations"], seconds, "refinement" in statistics,
            None if again is None else [float(again.log_evidence), float(again.log_evidence_err)],
        )  # fmt: skip

    def _run(self, event: Any, model: str | None, seed: int) -> tuple[Any, float]:
        with tempfile.TemporaryDirectory() as outdir:
            result = bilby.run_sampler(
                event, self.priors.copy(), sampler="flowpe", model=model, outdir=outdir, label="run", sampling_seed=seed,
                progress=False, save=True,
            )  # fmt: skip
            read = bilby.read_in_result(f"{outdir}/run_result.json")
        if not np.isclose(read.log_evidence, result.log_evidence, rtol=1e-12):
            raise ArithmeticError("the result read back is another one")
        return result, float(result.meta_data["run_statistics"]["seconds"]["total"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="green2020-8d-maf")
    parser.add_argument("--events", type=int, default=500)
    parser.add_argument("--twice", type=int, default=20, help="number of events that are run a second time")
    parser.add_argument("--seed", type=int, default=8)
    parser.add_argument("--npool", type=int, default=2)
    parser.add_argument("--outdir", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.outdir.mkdir(parents=True, exist_ok=True)
    logger.setLevel("ERROR")
    log = arguments.outdir / f"{Path(arguments.model).name}_seed{arguments.seed}.jsonl"
    task = Runner(arguments.model, arguments.seed, arguments.twice)
    events = measured(task, arguments.events, Event, log, arguments.npool)
    crashes = [event for event in events if event.crash]
    good = [event for event in events if not event.crash]
    grades = Counter(event.verdict for event in good)
    print(f"{len(events)} runs: {len(crashes)} crashes; {dict(grades)}; {sum(event.refined for event in good)} refined")
    for event in crashes:
        print(f"event {event.index}: {event.crash}")
    snrs = np.array([event.snr for event in good])
    print(
        "signal-to-noise ratio        events  reliable  efficiency, median and least  evaluations, most  seconds, median"
    )
    edges = [0.0, 10.0, 15.0, 20.0, 30.0, np.inf]
    for low, high in itertools.pairwise(edges):
        chosen = [event for event, snr in zip(good, snrs, strict=True) if low <= snr < high]
        if chosen:
            efficiency = [event.efficiency for event in chosen]
            print(
                f"{low:5.0f} to {high:<18.0f}{len(chosen):>7}{sum(e.verdict == 'reliable' for e in chosen):>10}"
                f"{np.median(efficiency):>15.3f} {min(efficiency):.3f}{max(e.evaluations for e in chosen):>24.3g}"
                f"{np.median([e.seconds for e in chosen]):>14.1f}"
            )
    words = Counter(reason for event in good if event.verdict != "reliable" for reason in event.reasons)
    for reason, count in words.most_common(12):
        print(f"{count} times: {reason}")
    z = [
        (event.log_evidence - event.again[0]) / np.hypot(event.log_evidence_err, event.again[1])
        for event in good
        if event.again
    ]
    if z:
        print(
            f"ln Z of {len(z)} events run twice: z mean {np.mean(z):.2f} (0 +- {1 / np.sqrt(len(z)):.2f}), width "
            f"{np.std(z):.2f} (1 +- {1 / np.sqrt(2 * len(z)):.2f}), largest {np.max(np.abs(z)):.2f}"
        )


if __name__ == "__main__":
    main()
