"""Coverage: tests, over simulated events, whether the truth lies where posteriors say that it is.

For every event, draws are made by the model alone (raw), and as a user gets them (weighted). Ranks of the truth
(:mod:`.ranks`) are used in p-p plots and tests. Several models are tested on the same events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..bound import BoundPosterior
from ..errors import ConfigurationError
from ..likelihoods import LogLikelihood
from ..model import TrainedPosterior
from ..priors import Parameters
from ..problem import Event, Problem
from ..proposals.charts import raw_draws
from ..proposals.mixture import flow_alone
from ..sampling.budget import Budget
from ..sampling.event import EventSampler, Wanted
from ..sampling.outcome import KnownOfData
from ..sampling.weighing import Target
from ..sampling.weighted import WeightedDraws
from ..translation.translated import as_it_stands
from .gap import at_truth
from .kept import measured
from .ranks import DENSITY, DISTANCE, JOINT, combined, rank_of_distance, rank_of_truth, ranks_of_parameters, uniformity

KINDS = ("raw", "weighted")
# Number of raw draws per event for statistics that cost likelihood evaluations: a rank among 200 is fine enough for
# tests over a thousand events, and costs less than the weighted draws.
_WITH_LIKELIHOOD = 200
# Number of rows below which a rank is mostly chance; such events are counted in a remark.
_FEW = 10


@dataclass(frozen=True)
class EventCoverage:
    """Coverage of one event by one model.

    Attributes
    ----------
    raw, weighted
        Ranks of the truth, by parameter and :data:`~bilby_flowpe.validation.ranks.JOINT`.
    rows_raw, rows
        Numbers of rows from which the ranks were made, raw and weighted: without rows a rank is pure chance, which passes
        every test.
    efficiency, verdict
        Efficiency and verdict of the weighted draws.
    """

    raw: dict[str, float]
    weighted: dict[str, float]
    rows_raw: int
    rows: int
    efficiency: float
    verdict: str


@dataclass(frozen=True)
class CoverageConfig:
    """Settings for the draws of each event.

    Attributes
    ----------
    samples
        Raw draws per event. There are only 200 for parameters that are drawn from their exact conditional and for the joint
        statistics, which cost likelihood evaluations.
    effective
        Effective number of weighted draws to reach.
    evaluations
        Largest number of likelihood evaluations for them.
    seed
        Seed of the events.
    """

    samples: int = 10_000
    effective: int = 300
    evaluations: int = 5000
    seed: int = 1

    def __post_init__(self) -> None:
        for name in ("samples", "effective", "evaluations"):
            if not getattr(self, name) >= 2:
                raise ConfigurationError(f"{name}={getattr(self, name)!r}: give a whole number of at least 2")


@dataclass
class _Measure:
    """Task that measures one event with one model; it can be pickled."""

    model: TrainedPosterior
    problem: Problem
    config: CoverageConfig

    def __call__(self, index: int) -> EventCoverage:
        return _measure_event(self.model, self.problem, self.config, index)


def measure_coverage(
    model: TrainedPosterior,
    problem: Problem,
    injections: int = 1000,
    config: CoverageConfig | None = None,
    npool: int = 1,
    log: Path | None = None,
    progress: bool = True,
    title: str = "Events",
) -> list[EventCoverage]:
    """Return ranks of the truth over ``injections`` new simulated events, which are the same for every model.

    Parameters
    ----------
    model
        A trained model.
    problem
        Problem of the model; its data are not used.
    injections
        Number of events.
    config
        Settings for the draws.
    npool
        Number of processes, each for one event; the results do not depend on it.
    log
        File with a line for each event, written as events are done; events found there are not repeated.
    progress, title
        Show a progress bar, and its title.
    """
    task = _Measure(model, problem, config or CoverageConfig())
    return measured(task, injections, EventCoverage, log, npool, progress, title)


def _measure_event(model: TrainedPosterior, problem: Problem, config: CoverageConfig, index: int) -> EventCoverage:
    """Measure the event of number ``index``, which is the same for every model."""
    event = problem.event((config.seed, index))
    rng = np.random.default_rng((config.seed, index, 1))
    bound = model.bind_to(event.problem)
    ranks = _Ranks(event, rng)
    ratio = event.problem.has_ratio
    raw = _raw(bound, Target(as_it_stands(event.problem), ratio, bound.conditional), config, rng)
    sampler = EventSampler(
        Target(as_it_stands(event.problem), ratio, bound.conditional),
        bound,
        bound.mixture(),
        Wanted(config.effective, config.evaluations, refine=False),
        Budget(config.evaluations, None),
        rng,
        KnownOfData.by(bound),
    )
    outcome = sampler.run()
    rows = outcome.rows
    return EventCoverage(
        raw=ranks.of_draws(raw.parameters, raw.log_density) | ranks.of_parameters(raw.more),
        weighted=ranks.of_draws(
            {key: value[rows] for key, value in outcome.weighted.parameters.items()},
            _log_density(outcome.weighted)[rows],
        ),
        rows_raw=len(raw.log_density),
        rows=len(rows),
        efficiency=outcome.summary.efficiency,
        verdict=outcome.verdict.grade,
    )


@dataclass(frozen=True)
class _Raw:
    """Raw draws with all parameters and their density, and more draws of parameters that need no likelihood."""

    parameters: Parameters
    log_density: np.ndarray
    more: Parameters


def _raw(
    bound: BoundPosterior,
    target: Target,
    config: CoverageConfig,
    rng: np.random.Generator,
) -> _Raw:
    drawn = target.draw(flow_alone(bound), min(_WITH_LIKELIHOOD, config.samples), rng)
    # Outside the prior the posterior is zero, and such draws are not kept.
    inside = np.isfinite(drawn.log_prior)
    return _Raw(
        {key: value[inside] for key, value in drawn.parameters.items()},
        _log_density(drawn)[inside],
        raw_draws(bound, config.samples, rng),
    )


def _log_density(weighted: WeightedDraws) -> np.ndarray:
    """Return the log density of the posterior, unnormalised."""
    return weighted.log_likelihood + weighted.log_prior


class _Ranks:
    """Ranks of the truth of one event."""

    def __init__(self, event: Event, rng: np.random.Generator) -> None:
        prior, truth = event.problem.prior, event.truth
        self.keys, self.truth, self.rng = prior.keys, truth, rng
        self.periodic = {
            key: float(of_key.maximum - of_key.minimum)
            for key in self.keys
            if (of_key := prior.priors[key]).boundary == "periodic"
        }
        log_prior = prior.log_prob({key: np.array([truth[key]]) for key in self.keys})
        log_likelihood = LogLikelihood(event.problem.likelihood, event.problem.has_ratio)
        self.log_density = float(at_truth(log_likelihood, truth)[0] + log_prior[0])

    def of_parameters(self, draws: Parameters) -> dict[str, float]:
        return ranks_of_parameters(draws, self.truth, [key for key in self.keys if key in draws], self.rng)

    def of_draws(self, draws: Parameters, log_density: np.ndarray) -> dict[str, float]:
        return {
            **self.of_parameters(draws),
            DENSITY: rank_of_truth(log_density, self.log_density, self.rng),
            DISTANCE: rank_of_distance(draws, self.truth, self.keys, self.rng, self.periodic),
        }


def summarise_coverage(events: Sequence[EventCoverage]) -> dict[str, Any]:
    """Return figures over events: p-values by parameter, combined, and of the joint tests, raw and weighted."""
    summary: dict[str, Any] = {"events": len(events)}
    for kind in KINDS:
        ranks = ranks_of(events, kind)
        p_values = uniformity(ranks)
        parameters = {key: p for key, p in p_values.items() if key not in JOINT}
        summary[kind] = {
            "parameters": parameters,
            "combined": combined(parameters),
            "joint": {key: p_values[key] for key in JOINT},
            # The smallest p-value, corrected for the number of tests (Bonferroni).
            "least_times_tests": float(min(1.0, len(p_values) * min(p_values.values()))),
        }
    grades = [event.verdict for event in events]
    summary["verdicts"] = {grade: grades.count(grade) for grade in ("reliable", "check", "failed")}
    summary["efficiency_median"] = float(np.median([event.efficiency for event in events]))
    summary["rows_median"] = float(np.median([event.rows for event in events]))
    summary["events_without_rows"] = {
        "raw": sum(event.rows_raw < _FEW for event in events),
        "weighted": sum(event.rows < _FEW for event in events),
    }
    return summary


def ranks_of(events: Sequence[EventCoverage], kind: str) -> dict[str, np.ndarray]:
    """Return the ranks of all events, by statistic; ``kind`` is one of :data:`KINDS`."""
    return {key: np.array([getattr(event, kind)[key] for event in events]) for key in getattr(events[0], kind)}


def format_coverage(name: str, summary: Mapping[str, Any]) -> str:
    """Return a table of :func:`summarise_coverage` as text."""
    lines = [f"{name}: {summary['events']} events, verdicts {summary['verdicts']}"]
    if any(few := summary["events_without_rows"].values()):
        lines.append(
            f"  events with fewer than {_FEW} rows, whose ranks are mostly chance: {dict(zip(KINDS, few, strict=True))}"
        )
    lines.append(f"  {'p-value':<22}" + "".join(f"{kind:>12}" for kind in KINDS))
    rows = [*summary["raw"]["parameters"], *JOINT]
    for key in rows:
        group = "joint" if key in JOINT else "parameters"
        lines.append(f"  {key:<22}" + "".join(f"{summary[kind][group][key]:>12.3g}" for kind in KINDS))
    for key, text in (("combined", "parameters, combined"), ("least_times_tests", "least x tests")):
        lines.append(f"  {text:<22}" + "".join(f"{summary[kind][key]:>12.3g}" for kind in KINDS))
    return "\n".join(lines)
