"""Compare evidences with closed forms for ten problems: Bilby's likelihoods with conjugate priors, and black boxes.

    python examples/studies/known_evidence.py --seeds 20 --referee dynesty

A straight line, Poisson counts and exponential waiting times are learnt by a network, once for all seeds; each seed has other
data. The others are black boxes, refined from the prior. The script prints ln Z and its closed form for every run, and for
every problem the mean and the width of the z-scores over the seeds, which should be 0 and 1, and the result of dynesty. Without
a network the spike may be missed, and the verdict then includes this chance. Results are stored in the output folder, and not
computed again.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from no_network import HEADER, Row, add_arguments, line, run_dynesty, run_flowpe, wrongly_reliable

from bilby_flowpe.problems.conjugate import linear_regression, poisson_counts, waiting_times
from bilby_flowpe.problems.toys import SolvedProblem, correlated_gaussian, eggbox, gaussian_shells, spike_and_slab
from bilby_flowpe.validation.kept import measured

WITH_DATA: Mapping[str, Callable[[int], SolvedProblem]] = {
    "linear_regression": lambda seed: linear_regression(seed=seed),
    "poisson_counts": lambda seed: poisson_counts(seed=seed),
    "waiting_times": lambda seed: waiting_times(seed=seed),
}
"""Problems with data, as functions of the seed of the data."""

BLACK_BOXES: Mapping[str, Callable[[], SolvedProblem]] = {
    **{f"gaussian_{ndim}d": partial(correlated_gaussian, ndim) for ndim in (2, 4, 7, 10)},
    "shells_2d": partial(gaussian_shells, 2),
    "eggbox_2d": partial(eggbox, 2),
    "spike_and_slab_3d": partial(spike_and_slab, 3),
}


def summary(name: str, rows: list[Row]) -> str:
    """Return the line of one problem in the last table."""
    ours, theirs = ([row for row in rows if row["sampler"] == sampler] for sampler in ("flowpe", "dynesty"))
    z = np.array([row["z"] for row in ours])
    text = (
        f"{name:<20}{len(ours):>5}{np.mean(z):>8.2f}{np.std(z):>7.2f}{np.max(np.abs(z)):>9.2f}"
        f"{np.mean([row['log_evidence_err'] for row in ours]):>10.4f}"
        f"{np.mean([row['n_likelihood_evaluations'] for row in ours]):>13.3g}"
    )
    for row in theirs:
        text += f"{row['z']:>11.2f}{row['log_evidence_err']:>9.3f}{row['n_likelihood_evaluations']:>13.3g}"
    return text


def options_of(name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the arguments of a run."""
    if name not in WITH_DATA:
        return {}
    return {
        "network": "maf",
        "training_time": None,
        "training_steps": arguments.steps,
        "hidden_features": 64,
        "cache": str(arguments.outdir / "models"),
    }


def problem_of(name: str, seed: int) -> SolvedProblem:
    return WITH_DATA[name](seed) if name in WITH_DATA else BLACK_BOXES[name]()


def run(name: str, arguments: argparse.Namespace, seed: int) -> Row:
    return run_flowpe(name, problem_of(name, seed), seed, arguments, options_of(name, arguments))[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = (*WITH_DATA, *BLACK_BOXES)
    parser.add_argument("--problems", nargs="+", choices=names, default=names)
    parser.add_argument("--steps", type=int, default=1000, help="number of training steps")
    add_arguments(parser, "outdir/known_evidence")
    arguments = parser.parse_args()
    logging.getLogger("bilby").setLevel(logging.WARNING)
    arguments.outdir.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    print(HEADER, flush=True)
    for name in arguments.problems:
        if arguments.referee:
            rows.append(run_dynesty(name, problem_of(name, 0), arguments)[0])
            print(line(rows[-1]), flush=True)
        task = partial(run, name, arguments)
        log = arguments.outdir / f"{name}.jsonl"
        ours = measured(task, arguments.seeds, dict, log, progress=False)
        print("\n".join(map(line, ours)), flush=True)
        rows += ours
    (arguments.outdir / "figures.json").write_text(json.dumps(rows, indent=1) + "\n")
    if not arguments.seeds:
        return
    print(
        f"\n{'problem':<20}{'runs':>5}{'mean z':>8}{'width':>7}{'largest':>9}{'error':>10}{'evaluations':>13}", end=""
    )
    print(f"{'dynesty: z':>11}{'error':>9}{'evaluations':>13}" if arguments.referee else "")
    for name in arguments.problems:
        print(summary(name, [row for row in rows if row["problem"] == name]))
    scores = [row["z"] for row in rows if row["sampler"] == "flowpe"]
    print(f"\nz of ln Z over {len(scores)} runs: mean {np.mean(scores):.2f}, width {np.std(scores):.2f}")
    if wrong := wrongly_reliable(rows):
        raise SystemExit("reliable, and far off:\n" + "\n".join(map(line, wrong)))


if __name__ == "__main__":
    main()
