"""Test the verdict and the refinement with networks that are wrong on purpose.

    python examples/studies/wrong_on_purpose.py MODEL --events 20 --outdir outdir/wrong

MODEL is a model of the five-parameter problem with conditional phase and distance. Each case spoils it, or the data, in one
way; the contract, which would refuse some of these, is bypassed. Every event is analysed without refinement and with it. Both
results are compared with a reference run with other seeds: with the original network if it fits the data, otherwise refined
from the prior alone. For each case, the script prints verdicts before and after, efficiencies, z-scores of ln Z, the largest
two-sample Kolmogorov-Smirnov statistic of the masses over its 1% level, and how many results are `reliable` and wrong (|z|
above 4, or masses beyond the 0.01% level). Finished events are stored, and not computed again.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from bilby.core.prior import Uniform
from bilby.core.utils import logger
from bilby.gw.detector import PowerSpectralDensity
from scipy.stats import ks_2samp

from bilby_flowpe.bound import BoundPosterior
from bilby_flowpe.kinds import inject, problem_of
from bilby_flowpe.model import TrainedPosterior, find_model
from bilby_flowpe.networks import NetworkConfig
from bilby_flowpe.priors import Parameters, PriorTransform
from bilby_flowpe.problems import green2020
from bilby_flowpe.proposals.charts import Chart
from bilby_flowpe.proposals.mixture import Shares, defensive
from bilby_flowpe.sampling.budget import Budget
from bilby_flowpe.sampling.event import EventSampler, Wanted
from bilby_flowpe.sampling.outcome import KnownOfData, Outcome
from bilby_flowpe.sampling.weighing import Target
from bilby_flowpe.simulation import SimulationConfig
from bilby_flowpe.simulation.injections import put_data
from bilby_flowpe.training.build import train_model
from bilby_flowpe.training.recipe import TrainingConfig
from bilby_flowpe.training.settings import Settings
from bilby_flowpe.translation.translated import as_it_stands

EFFECTIVE = 1000
BUDGET, UNREFINED = 150_000, 20_000  # likelihood evaluations of a run, with and without refinement


class Moved:
    """A chart whose flow is shifted by some standard deviations, or too narrow by a factor."""

    latent = ()

    def __init__(self, chart: Chart, shift: float = 0.0, narrow: float = 1.0) -> None:
        self.chart, self.keys, self.turn = chart, chart.keys, chart.turn
        self.shift, self.narrow = shift, narrow

    def forward(self, parameters: Parameters) -> tuple[np.ndarray, np.ndarray]:
        base, log_jacobian = self.chart.forward(parameters)
        return (base - self.shift) * self.narrow, log_jacobian + base.shape[1] * math.log(self.narrow)

    def inverse(self, base: np.ndarray, rng: np.random.Generator) -> tuple[Parameters, np.ndarray]:
        return self.chart.inverse(base / self.narrow + self.shift, rng)


class OneMode:
    """A chart of a folded phase that knows only the half turn around zero: one of the two modes is gone."""

    latent = ()

    def __init__(self, chart: Chart) -> None:
        self.chart, self.keys = chart, chart.keys
        # As any network with an unfolded phase: proposals on it are given the symmetry.
        self.turn = ("phase", np.pi, 2 * np.pi)

    def forward(self, parameters: Parameters) -> tuple[np.ndarray, np.ndarray]:
        base, log_jacobian = self.chart.forward(parameters)
        return base, np.where(parameters["phase"] < np.pi, log_jacobian + math.log(2), -np.inf)

    def inverse(self, base: np.ndarray, rng: np.random.Generator) -> tuple[Parameters, np.ndarray]:
        parameters, inside = self.chart.inverse(base, rng)
        return {**parameters, "phase": parameters["phase"] % np.pi}, inside


@dataclass
class Problem:
    """The problem, and the networks that the cases need."""

    likelihood: Any
    transform: PriorTransform
    good: TrainedPosterior
    phase: TrainedPosterior
    corner: TrainedPosterior
    corner_transform: PriorTransform

    def bound(self, event: Any, model: TrainedPosterior | None = None) -> BoundPosterior:
        return BoundPosterior(model or self.good, problem_of(event, self.transform))


Case = Callable[[Problem, np.random.Generator], tuple[Any, Chart, BoundPosterior, BoundPosterior | None]]
"""Event, spoilt chart, its network, and a network that can be trusted if there is one."""


def one_mode(problem: Problem, rng: np.random.Generator):
    event, _ = inject(problem.likelihood, problem.transform, rng)
    bound = problem.bound(event, problem.phase)
    return event, OneMode(bound), bound, problem.bound(event)


def shifted(problem: Problem, rng: np.random.Generator):
    event, _ = inject(problem.likelihood, problem.transform, rng)
    bound = problem.bound(event)
    return event, Moved(bound, shift=1.0), bound, bound


def narrow(problem: Problem, rng: np.random.Generator):
    event, _ = inject(problem.likelihood, problem.transform, rng)
    bound = problem.bound(event)
    return event, Moved(bound, narrow=1.5), bound, bound


def other_psd(problem: Problem, rng: np.random.Generator):
    likelihood = copy.deepcopy(problem.likelihood)
    for ifo in likelihood.interferometers:
        ifo.power_spectral_density = PowerSpectralDensity(
            frequency_array=ifo.frequency_array, psd_array=4 * ifo.power_spectral_density_array
        )
    event, _ = inject(likelihood, problem.transform, rng)
    bound = problem.bound(event)
    return event, bound, bound, None


def other_corner(problem: Problem, rng: np.random.Generator):
    event, _ = inject(problem.likelihood, problem.transform, rng)
    bound = BoundPosterior(problem.corner, problem_of(event, problem.corner_transform))
    return event, bound, bound, problem.bound(event)


def pure_noise(problem: Problem, rng: np.random.Generator):
    event, truth = inject(problem.likelihood, problem.transform, rng)
    add_strain(event, lambda ifo: -signal(event, ifo, truth))
    bound = problem.bound(event)
    return event, bound, bound, None


def glitch(problem: Problem, rng: np.random.Generator):
    event, _ = inject(problem.likelihood, problem.transform, rng)
    centre, frequency, quality = rng.uniform(0.6, 0.9), rng.uniform(40, 200), rng.uniform(4, 12)
    add_strain(event, lambda ifo: sine_gaussian(ifo, centre, frequency, quality, snr=20.0))
    bound = problem.bound(event)
    return event, bound, bound, None


CASES: dict[str, Case] = {
    "one of two modes": one_mode,
    "shifted by 1 sigma": shifted,
    "too narrow by 1.5": narrow,
    "another PSD (factor 4)": other_psd,
    "another prior's corner": other_corner,
    "pure noise": pure_noise,
    "glitch of SNR 20": glitch,
}


def signal(event: Any, ifo: Any, row: dict[str, float]) -> np.ndarray:
    return ifo.get_detector_response(event.waveform_generator.frequency_domain_strain(dict(row)), row)


def sine_gaussian(ifo: Any, centre: float, frequency: float, quality: float, snr: float) -> np.ndarray:
    width = quality / (2 * np.pi * frequency)
    f = ifo.frequency_array
    series = np.exp(-((f - frequency) ** 2) * 2 * np.pi**2 * width**2) * np.exp(-2j * np.pi * f * centre)
    series = np.where(ifo.frequency_mask, series, 0)
    return series * snr / math.sqrt(ifo.optimal_snr_squared(series))


def add_strain(event: Any, series: Callable[[Any], np.ndarray]) -> None:
    for index, ifo in enumerate(event.interferometers):
        put_data(event, index, ifo.frequency_domain_strain + np.where(ifo.frequency_mask, series(ifo), 0))


def analyse(
    event: Any,
    transform: PriorTransform,
    chart: Chart | None,
    bound: BoundPosterior,
    seed: int,
    refine: bool,
    npool: int,
    shares: Shares,
    search: bool = True,
) -> Outcome:
    """Analyse an event as the sampler does; without a chart, from the prior alone."""
    conditional = bound.conditional if bound.transform is transform else problem_conditional(bound, transform)
    target = Target(as_it_stands(problem_of(event, transform)), True, conditional, npool)
    proposal = defensive(chart, transform, shares) if chart is not None else None
    sampler = EventSampler(
        target,
        chart,
        proposal,
        Wanted(EFFECTIVE, 2000, refine),
        Budget(BUDGET if refine else UNREFINED),
        np.random.default_rng(seed),
        KnownOfData(bound.log_likelihood_found if search else None),
    )
    return sampler.run()


def problem_conditional(bound: BoundPosterior, transform: PriorTransform) -> Any:
    """Return the conditional with the prior of the analysis, if the network has another one."""
    from bilby_flowpe.conditional.choose import conditional_of

    return conditional_of(bound.model.conditional, transform)


def compare(one: Outcome, truth: Outcome) -> dict[str, float]:
    """z of ln Z, and Kolmogorov-Smirnov statistics of the masses over their 1% level."""
    error = math.hypot(one.summary.log_evidence_err, truth.summary.log_evidence_err)
    z = (one.summary.log_evidence - truth.summary.log_evidence) / error if error > 0 else math.inf
    worst, least = 0.0, 1.0
    for key in ("mass_1", "mass_2"):
        first, second = (outcome.weighted.parameters[key][outcome.rows] for outcome in (one, truth))
        if min(len(first), len(second)) < 20:
            return {"z": z, "ks": math.inf, "p": 0.0}
        found = ks_2samp(first, second)
        level = 1.628 * math.sqrt(1 / len(first) + 1 / len(second))
        worst, least = max(worst, found.statistic / level), min(least, found.pvalue)
    return {"z": z, "ks": worst, "p": least}


def one_event(name: str, problem: Problem, index: int, npool: int) -> dict[str, Any]:
    rng = np.random.default_rng((2020, list(CASES).index(name), index))
    event, chart, bound, trusted = CASES[name](problem, rng)
    shares, transform = bound.model.shares, problem.transform
    began = time.monotonic()
    if trusted is not None:
        truth = analyse(event, transform, trusted, trusted, 900 + index, True, npool, problem.good.shares)
    else:
        # From the prior, no mode is missed for want of a network: what a template finds is not asked.
        truth = analyse(event, transform, None, bound, 900 + index, True, npool, shares, search=False)
    row: dict[str, Any] = {"case": name, "event": index, "truth": truth.verdict.grade}
    row["truth_evaluations"] = 0 if trusted is not None else truth.refinement.target.meter.n_likelihood
    for stage, refine in (("before", False), ("after", True)):
        if refine and row["before"]["verdict"] == "reliable":
            # By the same seeds: it would be the same.
            row[stage] = row["before"]
            continue
        outcome = analyse(event, transform, chart, bound, 100 + index, refine, npool, shares)
        row[stage] = {
            "verdict": outcome.verdict.grade,
            "reasons": list(outcome.verdict.reasons),
            "efficiency": outcome.summary.efficiency,
            "log_evidence": outcome.summary.log_evidence,
            "refined": outcome.refinement is not None,
            **compare(outcome, truth),
        }
    row["seconds"] = round(time.monotonic() - began, 1)
    return row


def wrong(stage: dict[str, Any]) -> bool:
    return not abs(stage["z"]) <= 4 or stage["p"] < 1e-4


def report(rows: list[dict[str, Any]]) -> None:
    print(f"{'case':<24}{'stage':<8}{'reliable':>9}{'check':>7}{'failed':>8}{'efficiency':>12}{'z mean':>8}{'z sd':>7}"
          f"{'|z| max':>9}{'KS max':>8}{'wrong':>7}{'reliable and wrong':>20}")  # fmt: skip
    for name in CASES:
        of_case = [row for row in rows if row["case"] == name and usable(row)]
        unusable = sum(row["case"] == name for row in rows) - len(of_case)
        for stage in ("before", "after"):
            stages = [row[stage] for row in of_case]
            if not stages:
                continue
            z = np.array([one["z"] for one in stages])
            grades = [one["verdict"] for one in stages]
            bad = [wrong(one) for one in stages]
            lies = sum(w and grade == "reliable" for w, grade in zip(bad, grades, strict=True))
            print(
                f"{name:<24}{stage:<8}{grades.count('reliable'):>9}{grades.count('check'):>7}{grades.count('failed'):>8}"
                f"{np.median([one['efficiency'] for one in stages]):>12.3f}{z.mean():>8.2f}{z.std():>7.2f}"
                f"{np.abs(z).max():>9.2f}{max(one['ks'] for one in stages):>8.2f}{sum(bad):>7}{lies:>20}"
            )
        if unusable:
            print(f"{name:<24}{unusable} events left out: the run to compare with was not reliable itself")


def prepare(model: str, folder: Path, npool: int) -> Problem:
    """Return the good network, and train two small ones: one that learns the phase, and one for a corner of the prior."""
    likelihood, priors = green2020(parameters=5, seed=0)
    small = Settings(
        simulation=SimulationConfig(n_waveforms=10_000),
        network=NetworkConfig(hidden_features=(128, 128), embedding_features=128),
        training=TrainingConfig(max_steps=1500, max_time=None, seed=0),
    )
    corner_priors = copy.deepcopy(priors)
    for key in ("mass_1", "mass_2"):
        corner_priors[key] = Uniform(35, 50, name=key)
    made = {}
    for name, use, settings in (
        ("phase", priors, Settings(**{**vars(small), "phase": "network", "distance": "network"})),
        ("corner", corner_priors, small),
    ):
        if not (folder / name / "model.json").exists():
            checkpoint = folder / f"{name}.ckpt"
            train_model(likelihood, use, settings, npool, checkpoint, False).save(folder / name)
        made[name] = TrainedPosterior.load(folder / name)
    return Problem(
        likelihood,
        PriorTransform(priors),
        find_model(model),
        made["phase"],
        made["corner"],
        PriorTransform(corner_priors),
    )


def usable(row: dict[str, Any]) -> bool:
    """Whether the reference run can be trusted; from the prior alone it may be `check`."""
    from_prior = row["truth_evaluations"] > 0
    return row["truth"] == "reliable" or (from_prior and row["truth"] == "check")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="green2020-5d-maf")
    parser.add_argument("--events", type=int, default=20)
    parser.add_argument("--cases", nargs="*", default=list(CASES), choices=list(CASES))
    parser.add_argument("--npool", type=int, default=1)
    parser.add_argument("--outdir", type=Path, default=Path("outdir/wrong"))
    arguments = parser.parse_args()
    arguments.outdir.mkdir(parents=True, exist_ok=True)
    logger.setLevel("WARNING")
    problem = prepare(arguments.model, arguments.outdir, arguments.npool)
    log = arguments.outdir / "events.jsonl"
    rows = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    done = {(row["case"], row["event"]) for row in rows}
    for index in range(arguments.events):
        for name in arguments.cases:
            if (name, index) in done:
                continue
            rows.append(one_event(name, problem, index, arguments.npool))
            with log.open("a") as file:
                file.write(json.dumps(rows[-1]) + "\n")
    report([row for row in rows if row["event"] < arguments.events])


if __name__ == "__main__":
    main()
