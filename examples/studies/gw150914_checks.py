"""Measure the network for GW150914 over its whole prior, and with data that are not what the likelihood assumes.

    python examples/studies/gw150914_checks.py --data-dir DIR --model MODEL --injections 100 --spoilt 5

First, signals are drawn from the prior and injected into Gaussian noise with the event's own noise curves. The script measures
efficiencies before the refinement, verdicts before and after, and ranks of the true parameters (p-p plot of weighted draws).
Then injections are spoilt in three ways: a sine-Gaussian of signal-to-noise ratio 20 is added to the signal in one detector;
the noise in one detector has four times the power that the likelihood assumes; the data of the two detectors are swapped.
Finished events are stored in ``--outdir`` under the name of the model, and not computed again: use another folder for other
data.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gw150914
import numpy as np
from bilby.core.utils import logger
from glitches import burst

from bilby_flowpe.kinds import inject, problem_of
from bilby_flowpe.model import TrainedPosterior, find_model
from bilby_flowpe.plotting import plot_pp
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.sampling.budget import Budget
from bilby_flowpe.sampling.event import EventSampler, Wanted
from bilby_flowpe.sampling.outcome import KnownOfData
from bilby_flowpe.sampling.weighing import Target
from bilby_flowpe.simulation.injections import optimal_snr, put_data
from bilby_flowpe.translation.translated import as_it_stands
from bilby_flowpe.validation.kept import measured
from bilby_flowpe.validation.ranks import combined, rank_of_truth, ranks_of_parameters, uniformity

EFFECTIVE, EVALUATIONS, REFINED_EVALUATIONS = 1000, 20_000, 100_000
LOUD = 12.0  # least signal-to-noise ratio of what is spoilt
Spoil = Callable[[Any, dict[str, float], np.random.Generator], None]


@dataclass
class Event:
    """Results of one event."""

    snr: float
    efficiency: float
    verdict: str
    reasons: list[str]
    after: str
    ranks: dict[str, float]


def glitch(event: Any, truth: dict[str, float], rng: np.random.Generator) -> None:
    """Add a burst of signal-to-noise ratio 20 to the signal in one detector."""
    index = int(rng.integers(len(event.interferometers)))
    detector = event.interferometers[index]
    put_data(event, index, detector.frequency_domain_strain + burst(detector, truth["geocent_time"], rng))


def wrong_curve(event: Any, truth: dict[str, float], rng: np.random.Generator) -> None:
    """Make the noise in one detector four times as powerful as the likelihood assumes."""
    detector = event.interferometers[int(rng.integers(len(event.interferometers)))]
    curve = detector.power_spectral_density_array
    noisy = np.where(detector.frequency_mask, rng.standard_normal(len(curve)) + 1j * rng.standard_normal(len(curve)), 0)
    # Three parts of noise on the one that is there.
    more = noisy * np.sqrt(3 * np.where(np.isfinite(curve), curve, 0) * detector.duration / 4)
    put_data(event, event.interferometers.index(detector), detector.frequency_domain_strain + more)


def swapped(event: Any, truth: dict[str, float], rng: np.random.Generator) -> None:
    """Swap the data of the two detectors."""
    first, second = (detector.frequency_domain_strain.copy() for detector in event.interferometers)
    put_data(event, 0, second)
    put_data(event, 1, first)


SPOILT: dict[str, Spoil] = {
    "glitch of signal-to-noise ratio 20": glitch,
    "four times the noise power in one detector": wrong_curve,
    "data of the two detectors swapped": swapped,
}


@dataclass
class Analyse:
    """Picklable task: the analysis of one event."""

    likelihood: Any
    priors: Any
    model: TrainedPosterior
    spoilt: str | None = None

    def __call__(self, index: int) -> Event:
        transform = PriorTransform(self.priors)
        rng = np.random.default_rng((150914, index, list(SPOILT).index(self.spoilt) + 1 if self.spoilt else 0))
        while True:
            event, truth = inject(self.likelihood, transform, rng)
            snr = optimal_snr(event, truth)
            if self.spoilt is None or snr >= LOUD:
                break
        if self.spoilt:
            SPOILT[self.spoilt](event, truth, rng)
        outcome = self._run(event, transform, False, EVALUATIONS, index)
        after = outcome
        if outcome.verdict.grade != "reliable" and outcome.verdict.mendable:
            after = self._run(event, transform, True, REFINED_EVALUATIONS, index)
        rows = after.rows
        draws = {key: value[rows] for key, value in after.weighted.parameters.items()}
        at_truth = event.log_likelihood_ratio(dict(truth)) + float(
            transform.log_prob({key: np.array([truth[key]]) for key in transform.keys})[0]
        )
        density = (after.weighted.log_likelihood + after.weighted.log_prior)[rows]
        return Event(
            snr,
            outcome.summary.efficiency,
            outcome.verdict.grade,
            list(outcome.verdict.reasons),
            after.verdict.grade,
            {
                **ranks_of_parameters(draws, truth, transform.keys, rng),
                "posterior density": rank_of_truth(density, at_truth, rng),
            },
        )

    def _run(self, event: Any, transform: PriorTransform, refine: bool, evaluations: int, index: int) -> Any:
        bound = self.model.bind(event, transform)
        sampler = EventSampler(
            Target(as_it_stands(problem_of(event, transform)), True, bound.conditional), bound, bound.mixture(),
            Wanted(EFFECTIVE, EFFECTIVE, refine=refine), Budget(evaluations),
            np.random.default_rng((index, int(refine))), KnownOfData.by(bound),
        )  # fmt: skip
        return sampler.run()


def grades(events: list[Event], which: str) -> str:
    found = [getattr(event, which) for event in events]
    return ", ".join(f"{found.count(grade)} {grade}" for grade in ("reliable", "check", "failed"))


def main() -> None:
    """Analyse the events, print the figures, draw the p-p plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--model", required=True, help="folder of the model that examples/studies/gw150914.py trained")
    parser.add_argument("--detectors", nargs="+", default=["H1", "L1"], choices=("H1", "L1"))
    parser.add_argument("--injections", type=int, default=100)
    parser.add_argument("--spoilt", type=int, default=5, help="number of events for each way of spoiling")
    parser.add_argument("--npool", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--outdir", type=Path, default=Path("outdir/gw150914_checks"))
    arguments = parser.parse_args()
    if arguments.injections < 2:
        parser.error(f"--injections {arguments.injections}: give two at least")
    arguments.outdir.mkdir(parents=True, exist_ok=True)
    logger.setLevel("ERROR")
    likelihood, priors = gw150914.problem(arguments.detectors, arguments.data_dir)
    # The events' noise is Gaussian: what the windowed strain of the event looked like does not matter.
    model = find_model(arguments.model)
    name = Path(arguments.model).name
    task = Analyse(likelihood, priors, model)
    events = measured(
        task, arguments.injections, Event, arguments.outdir / f"{name}.jsonl", arguments.npool, title="Injections"
    )
    found, snrs = (np.array([getattr(event, field) for event in events]) for field in ("efficiency", "snr"))
    print(
        f"{len(events)} injections, signal-to-noise ratios {snrs.min():.1f} to {snrs.max():.1f}, median "
        f"{np.median(snrs):.1f}: efficiency before refinement median {np.median(found):.3f}, 10th "
        f"percentile {np.quantile(found, 0.1):.3f}, worst {found.min():.4f}"
    )
    for low, high in ((0, 4), (4, 8), (8, np.inf)):
        if np.any(here := (snrs >= low) & (snrs < high)):
            print(f"    ratios of {low} to {high:g}: {here.sum()} events, median {np.median(found[here]):.3f}")
    print(f"verdicts before refinement: {grades(events, 'verdict')}; after: {grades(events, 'after')}")
    ranks = {key: np.array([event.ranks[key] for event in events]) for key in events[0].ranks}
    p_values = uniformity(ranks)
    print("p-values:", ", ".join(f"{key} {value:.3f}" for key, value in p_values.items()))
    print(f"combined {combined({key: p for key, p in p_values.items() if key in priors}):.3f}")
    title = f"noise of GW150914 in {' and '.join(arguments.detectors)}, {len(events)} injections"
    print(plot_pp({title: ranks}, arguments.outdir / f"{name}.pp.png", p_values={title: p_values}, columns=1))
    for number, (kind, _) in enumerate(SPOILT.items()):
        if not arguments.spoilt or (kind.endswith("swapped") and len(arguments.detectors) < 2):
            continue
        log = arguments.outdir / f"{name}.spoilt{number}.jsonl"
        spoilt = measured(
            Analyse(likelihood, priors, model, kind), arguments.spoilt, Event, log, arguments.npool, title=kind
        )
        print(f"{kind}: {grades(spoilt, 'verdict')}; after refinement {grades(spoilt, 'after')}")
        for reason in sorted({reason[:90] for event in spoilt for reason in event.reasons}):
            print(f"    {reason}")


if __name__ == "__main__":
    main()
