"""Test whether each diagnostic fails for posteriors that are wrong on purpose.

    python examples/studies/diagnostics.py green2020-5d-maf --events 300 --closely 10 --outdir outdir/diagnostics

Exact posteriors of five-parameter events (equal-weight rows of weighted draws) are spoilt in one way each. They are tested by

- the p-p plot: the smallest Kolmogorov-Smirnov p-value of a parameter, times their number, over ``--events`` events;
- the joint tests of ``flowpe coverage``: ranks of the posterior density at the true values, and of their distance from a draw;
- Jensen-Shannon divergences of marginals, and the nearest-neighbour divergence of the joint posterior, event by event, over
  ``--closely`` events: the fraction of events in which one of them is larger than chance gives in 1 of 100 cases.

The network itself is then spoilt in three ways (its base is moved, widened or narrowed), and its draws are weighed as in a run:
the p-p plot and the joint tests have to pass again. Finished events are stored, and not computed again.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from bilby.core.utils import logger

from bilby_flowpe.kinds import inject, problem_of
from bilby_flowpe.likelihoods import LogLikelihood
from bilby_flowpe.model import TrainedPosterior, find_model
from bilby_flowpe.priors import Parameters, PriorTransform
from bilby_flowpe.problems import green2020
from bilby_flowpe.proposals.charts import dimension
from bilby_flowpe.proposals.mixture import on_network
from bilby_flowpe.proposals.parts import BROAD, FLOW, Normal
from bilby_flowpe.sampling.budget import Budget
from bilby_flowpe.sampling.event import EventSampler, Wanted
from bilby_flowpe.sampling.weighing import Target
from bilby_flowpe.translation.translated import as_it_stands
from bilby_flowpe.validation import compare_marginals, two_way_kl
from bilby_flowpe.validation.kept import measured
from bilby_flowpe.validation.ranks import (
    JOINT,
    rank_of_distance,
    rank_of_truth,
    ranks_of_parameters,
    uniformity,
)

EFFECTIVE, BUDGET = 1000, 20_000
WITH_DENSITY = 200
LEVEL = 1e-3
PERIOD = 2 * np.pi
Spoil = Callable[[Parameters, np.random.Generator], Parameters]


def about_the_middle(scale: float, shift: float = 0.0) -> Spoil:
    """Scale all parameters about their means and move them by a fraction of their widths; the phase about each of its modes."""

    def spoil(rows: Parameters, rng: np.random.Generator) -> Parameters:
        spoilt = {}
        for key, column in rows.items():
            if key == "phase":
                _, away = modes(column)
                spoilt[key] = (column - away + scale * away + shift * away.std()) % PERIOD
            else:
                middle = column.mean()
                spoilt[key] = middle + scale * (column - middle) + shift * column.std()
        return spoilt

    return spoil


def modes(phase: np.ndarray) -> tuple[float, np.ndarray]:
    """Return one of the two modes, and the distance of every row from the nearer one."""
    mode = 0.5 * float(np.angle(np.mean(np.exp(2j * phase))))
    return mode, 0.5 * np.angle(np.exp(2j * (phase - mode)))


def swapped(rows: Parameters, rng: np.random.Generator) -> Parameters:
    """Swap the two masses."""
    return {**rows, "mass_1": rows["mass_2"], "mass_2": rows["mass_1"]}


def one_mode(rows: Parameters, rng: np.random.Generator) -> Parameters:
    """Keep only one of the two modes of the phase."""
    mode, away = modes(rows["phase"])
    return {**rows, "phase": (mode + away) % PERIOD}


def wrong_joint(rows: Parameters, rng: np.random.Generator) -> Parameters:
    """Shuffle every column separately: the marginals stay as they are, all correlations are lost."""
    return {key: rng.permutation(column) for key, column in rows.items()}


SPOILT: dict[str, Spoil] = {
    "exact": lambda rows, rng: rows,
    "shifted by 0.3 sigma": about_the_middle(1.0, 0.3),
    "too wide by 1.3": about_the_middle(1.3),
    "too narrow by 1/1.3": about_the_middle(1 / 1.3),
    "masses swapped": swapped,
    "one of two modes": one_mode,
    "marginals right, joint wrong": wrong_joint,
}


class Shifted(Normal):
    """A normal base density that is moved, with the same width."""

    def draw(self, size: int, rng: np.random.Generator) -> np.ndarray:
        return super().draw(size, rng) + 0.3

    def log_prob(self, base: np.ndarray) -> np.ndarray:
        return super().log_prob(base - 0.3)


NETWORKS: dict[str, Callable[[int], Normal]] = {
    "network shifted by 0.3": lambda size: Shifted(size),
    "network too wide by 1.3": lambda size: Normal(size, 1.3),
    "network too narrow by 1/1.3": lambda size: Normal(size, 1 / 1.3),
}


class Look:
    """Picklable task: ranks of the true values in every spoilt posterior of one event."""

    def __init__(self, model: TrainedPosterior, closely: int) -> None:
        self.model, self.closely = model, closely
        self.likelihood, self.priors = green2020(parameters=5, seed=0)

    def __call__(self, index: int) -> dict[str, Any]:
        transform = PriorTransform(self.priors)
        event, truth = inject(self.likelihood, transform, np.random.default_rng((11, index)))
        rng = np.random.default_rng((11, index, 1))
        bound = self.model.bind(event, transform)
        keys = transform.keys
        density = Density(event, transform)
        at_truth = density({key: np.array([truth[key]]) for key in keys})[0]

        def ranks(rows: Parameters, log_density: np.ndarray) -> dict[str, float]:
            joint = (
                rank_of_truth(log_density, at_truth, rng),
                rank_of_distance(rows, truth, keys, rng, {"phase": PERIOD}),
            )
            return {**ranks_of_parameters(rows, truth, keys, rng), **dict(zip(JOINT, joint, strict=True))}

        exact, _ = self.weighted(event, transform, bound, bound.mixture(), (index, 0), rng)
        other = (
            self.weighted(event, transform, bound, bound.mixture(), (index, 1), rng)[0]
            if index < self.closely
            else None
        )
        found: dict[str, Any] = {"ranks": {}, "divergent": {}}
        for name, spoil in SPOILT.items():
            rows = spoil(exact, rng)
            # Draws come part by part: any of them, not the first.
            size = len(rows["phase"])
            some = rng.choice(size, min(WITH_DENSITY, size), replace=False)
            found["ranks"][name] = ranks(rows, density({key: value[some] for key, value in rows.items()}))
            if other is not None:
                found["divergent"][name] = divergent(rows, other, keys, rng)
        for name, base in NETWORKS.items():
            size = dimension(bound)
            parts = {FLOW: base(size), BROAD: Normal(size, 2.0)}
            proposal = on_network(bound, parts, transform, [0.97, 0.02, 0.01])
            rows, log_density = self.weighted(event, transform, bound, proposal, (index, 2), rng)
            found["ranks"][name] = ranks(rows, log_density)
        return found

    def weighted(
        self,
        event: Any,
        transform: PriorTransform,
        bound: Any,
        proposal: Any,
        seed: tuple[int, int],
        rng: np.random.Generator,
    ) -> tuple[Parameters, np.ndarray]:
        """Equal-weight rows of a run, and their density."""
        sampler = EventSampler(
            Target(as_it_stands(problem_of(event, transform)), True, bound.conditional),
            bound,
            proposal,
            Wanted(EFFECTIVE, EFFECTIVE, refine=False),
            Budget(BUDGET),
            rng,
        )
        outcome = sampler.run()
        drawn, rows = outcome.weighted, outcome.rows
        log_density = (drawn.log_likelihood + drawn.log_prior)[rows]
        return {key: value[rows] for key, value in drawn.parameters.items()}, log_density


class Density:
    """Unnormalised posterior density of rows."""

    def __init__(self, event: Any, transform: PriorTransform) -> None:
        self.task, self.transform = LogLikelihood(event, True), transform

    def __call__(self, rows: Parameters) -> np.ndarray:
        log_prior = self.transform.log_prob(rows)
        log_density = np.full(len(log_prior), -np.inf)
        for i in np.flatnonzero(np.isfinite(log_prior)):
            value = self.task({**self.transform.fixed, **{key: float(column[i]) for key, column in rows.items()}})
            log_density[i] = log_prior[i] + (-np.inf if value is None else value[0])
        return log_density


def divergent(rows: Parameters, other: Parameters, keys: tuple[str, ...], rng: np.random.Generator) -> dict[str, bool]:
    """Whether divergences of marginals, and of the joint posterior, are larger than chance gives in 1 of 100 cases."""
    marginals = compare_marginals(rows, other, keys, rng, n_repeats=500)
    joint = two_way_kl(rows, other, keys, rng, periodic={"phase": PERIOD}, n_null=500)
    return {
        "jsd": bool(min(row["p_value"] for row in marginals.values()) * len(keys) < 0.01),
        "kl": bool(min(joint[way]["p_value"] for way in ("forward", "backward")) * 2 <= 0.01),
    }


def show(events: list[dict[str, Any]]) -> None:
    """Print the table."""
    print(f"{'':<30}{'p-p':>10}{JOINT[0]:>20}{JOINT[1]:>12}{'JSD':>8}{'KL':>8}   caught by")
    for name in (*SPOILT, *NETWORKS):
        p_values = uniformity(
            {key: [event["ranks"][name][key] for event in events] for key in events[0]["ranks"][name]}
        )
        marginals = [p for key, p in p_values.items() if key not in JOINT]
        row: Mapping[str, float] = {
            "p-p": min(1.0, len(marginals) * min(marginals)),
            **{key: p_values[key] for key in JOINT},
        }
        caught = [key for key, p in row.items() if p < LEVEL]
        close = [event["divergent"][name] for event in events if event["divergent"].get(name)]
        shares = {way: np.mean([one[way] for one in close]) for way in ("jsd", "kl")} if close else {}
        caught += [way.upper() for way, share in shares.items() if share > 0.5]
        cells = "".join(f"{share:>8.2f}" for share in shares.values()) or " " * 16
        print(
            f"{name:<30}{row['p-p']:>10.2g}{row[JOINT[0]]:>20.2g}{row[JOINT[1]]:>12.2g}{cells}   "
            + (", ".join(caught) or "nothing")
        )


def main() -> None:
    """Analyse the remaining events, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="green2020-5d-maf")
    parser.add_argument("--events", type=int, default=300)
    parser.add_argument("--closely", type=int, default=10)
    parser.add_argument("--npool", type=int, default=1)
    parser.add_argument("--outdir", type=Path, default=Path("outdir/diagnostics"))
    arguments = parser.parse_args()
    arguments.outdir.mkdir(parents=True, exist_ok=True)
    logger.setLevel("ERROR")
    log = arguments.outdir / f"closely{arguments.closely}.jsonl"
    task = Look(find_model(arguments.model), arguments.closely)
    events = measured(task, arguments.events, dict, log, arguments.npool)
    show(events)


if __name__ == "__main__":
    main()
