"""Refine proposals from the prior alone, for problems with known evidence from which no data can be simulated.

    python examples/studies/no_network.py --seeds 5 --referee dynesty

The problems are correlated normal densities in 2, 5 and 10 dimensions, two thin shells, an egg box, and two modes of very
different widths; all are black boxes for the sampler. The script prints ln Z and its closed form, z-scores, verdicts and costs.
The narrower of the two modes may be missed, and the verdict includes this chance. If a result is `reliable` and wrong by more
than 4 sigma, the script ends with an error. Runs of dynesty continue where they were stopped, and finished ones are not run
again.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import bilby
import numpy as np
from bilby.core.result import Result

from bilby_flowpe.problems.toys import SolvedProblem, correlated_gaussian, eggbox, gaussian_shells, unequal_modes
from bilby_flowpe.validation import compare_results, format_comparison

PROBLEMS: dict[str, Callable[[], SolvedProblem]] = {
    "gaussian_2d": partial(correlated_gaussian, 2),
    "gaussian_5d": partial(correlated_gaussian, 5),
    "gaussian_10d": partial(correlated_gaussian, 10),
    "shells_2d": partial(gaussian_shells, 2),
    "eggbox_2d": partial(eggbox, 2),
    "unequal_modes_3d": partial(unequal_modes, 3),
}
OFF = 4.0
HEADER = (
    f"{'problem':<22}{'sampler':<9}{'seed':>5}{'exact ln Z':>13}{'ln Z':>12}{'+-':>8}{'z':>7}{'efficiency':>12}"
    f"{'evaluations':>13}{'seconds':>10}  verdict"
)

Row = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser, outdir: str) -> None:
    parser.add_argument(
        "--seeds", type=int, default=3, help="number of runs of flowpe for each problem (0: only the referee)"
    )
    parser.add_argument("--referee", choices=("dynesty",), help="also run this sampler, once for each problem")
    parser.add_argument("--nlive", type=int, default=1000, help="live points of the referee")
    parser.add_argument("--effective", type=int, default=5000, help="number of effective draws to reach")
    parser.add_argument("--npool", type=int, default=1)
    parser.add_argument("--outdir", type=Path, default=Path(outdir))


def run_flowpe(
    name: str, problem: SolvedProblem, seed: int, arguments: argparse.Namespace, options: Mapping[str, Any]
) -> tuple[Row, Result]:
    likelihood, priors, exact = problem
    began = time.monotonic()
    result = bilby.run_sampler(
        likelihood,
        priors,
        sampler="flowpe",
        label=f"flowpe_{name}_{seed}",
        outdir=str(arguments.outdir),
        n_effective=arguments.effective,
        npool=arguments.npool,
        sampling_seed=seed,
        progress=False,
        save=False,  # a saved result would be used again instead of timed
        **options,
    )
    statistics = result.meta_data["run_statistics"]
    row = figures(name, "flowpe", seed, result, exact, time.monotonic() - began)
    return {**row, **{key: statistics.get(key) for key in ("efficiency", "verdict", "reasons")}}, result


def run_dynesty(name: str, problem: SolvedProblem, arguments: argparse.Namespace) -> tuple[Row, Result]:
    """Run Bilby's dynesty with the walks that bilby_pipe uses."""
    likelihood, priors, exact = problem
    result = bilby.run_sampler(
        likelihood,
        priors,
        sampler="dynesty",
        label=f"dynesty_{name}_nlive{arguments.nlive}",
        outdir=str(arguments.outdir),
        nlive=arguments.nlive,
        sample="acceptance-walk",
        npool=arguments.npool,
        seed=0,
        check_point_plot=False,
        print_progress=False,
    )
    seconds = result.sampling_time
    seconds = seconds.total_seconds() if isinstance(seconds, timedelta) else float(seconds)
    return figures(name, "dynesty", 0, result, exact, seconds), result


def figures(name: str, sampler: str, seed: int, result: Result, exact: float, seconds: float) -> Row:
    error = float(result.log_evidence_err)
    difference = float(result.log_evidence) - exact
    return {
        "problem": name,
        "sampler": sampler,
        "seed": seed,
        "exact": exact,
        "log_evidence": float(result.log_evidence),
        "log_evidence_err": error,
        # An error of nothing, or of NaN, is no excuse: such a result is infinitely far off.
        "z": difference / error if error > 0.0 else np.inf,
        "n_likelihood_evaluations": float(result.num_likelihood_evaluations),
        "n_posterior": len(result.posterior),
        "seconds": round(seconds, 2),
    }


def line(row: Row) -> str:
    efficiency, verdict = row.get("efficiency"), row.get("verdict") or ""
    return (
        f"{row['problem']:<22}{row['sampler']:<9}{row['seed']:>5}{row['exact']:>13.4f}{row['log_evidence']:>12.4f}"
        f"{row['log_evidence_err']:>8.4f}{row['z']:>7.2f}{'' if efficiency is None else f'{efficiency:.3f}':>12}"
        f"{row['n_likelihood_evaluations']:>13.3g}{row['seconds']:>10.1f}  {verdict}"
    )


def wrongly_reliable(rows: list[Row]) -> list[Row]:
    """Return `reliable` results that are far from the closed form, or NaN."""
    return [row for row in rows if row.get("verdict") == "reliable" and not abs(row["z"]) <= OFF]


def run_all(
    problems: Mapping[str, Callable[[], SolvedProblem]],
    arguments: argparse.Namespace,
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Run every problem, print its results, write ``figures.json``, and raise an error at the end if one is wrong.

    ``options``: keyword arguments of flowpe for single problems.
    """
    rows, comparisons = [], {}
    arguments.outdir.mkdir(parents=True, exist_ok=True)
    logging.getLogger("bilby").setLevel(logging.WARNING)
    print(HEADER, flush=True)
    for name, make in problems.items():
        problem = make()
        referee = None
        if arguments.referee:
            row, referee = run_dynesty(name, problem, arguments)
            rows.append(row)
            print(line(row), flush=True)
        for seed in range(arguments.seeds):
            row, result = run_flowpe(name, problem, seed, arguments, (options or {}).get(name, {}))
            rows.append(row)
            print(line(row), flush=True)
            if referee is not None and seed == 0:
                comparisons[name] = compare_results(result, referee, np.random.default_rng(0))
        written = {"rows": rows, "comparisons": comparisons}
        (arguments.outdir / "figures.json").write_text(json.dumps(written, indent=1) + "\n")
    for name, comparison in comparisons.items():
        print(f"\n{name}, first seed\n{format_comparison(comparison, 'dynesty')}")
    scores = [row["z"] for row in rows if row["sampler"] == "flowpe"]
    if not scores:
        return
    print(f"\nz of ln Z over {len(scores)} runs: mean {np.mean(scores):.2f}, width {np.std(scores):.2f}")
    wrong = wrongly_reliable(rows)
    if wrong:
        raise SystemExit(f"reliable, and more than {OFF:g} sigma off:\n" + "\n".join(map(line, wrong)))
    print(f"no reliable result is more than {OFF:g} sigma off")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", nargs="+", choices=tuple(PROBLEMS), default=tuple(PROBLEMS))
    add_arguments(parser, "outdir/no_network")
    arguments = parser.parse_args()
    run_all({name: PROBLEMS[name] for name in arguments.problems}, arguments)


if __name__ == "__main__":
    main()
