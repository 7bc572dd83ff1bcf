"""Test the verdict without a network on thirty problems with known evidence and known modes.

    python examples/studies/closed_forms.py --seeds 10

The problems have 1 to 20 dimensions and one to two dozen modes: widths that differ by a factor of a hundred, modes at edges,
ridges, shells, plateaus, heavy tails, discrete parameters. A result is right if ln Z is within 4 errors of the closed form and
no mode with more than 2% of the posterior is missing. A mode, or a piece of a ring or ridge, is missing if it has less than
half of the draws that it should have. If a result is `reliable` but not right, the script ends with an error. It prints a line
for every run, a line for every problem, and z of ln Z over all runs. Results are stored in the output folder, and not computed
again. Seeds follow from the name of the problem and the number of the run.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
import zlib
from functools import partial
from pathlib import Path
from typing import Any

import bilby
import numpy as np
from bilby.core.result import Result
from no_network import OFF, run_dynesty

from bilby_flowpe.problems.closed_forms import CLOSED_FORMS, NEVER_MET
from bilby_flowpe.problems.moded import ModedProblem
from bilby_flowpe.validation.kept import measured

MISSING = 0.02
"""Share of the posterior above which a mode must not be missing."""

HEADER = (
    f"{'problem':<22}{'sampler':<9}{'run':>4}{'exact ln Z':>12}{'ln Z':>12}{'+-':>8}{'z':>8}{'missing':>9}{'chance':>9}"
    f"{'evaluations':>13}{'CPU s':>8}  verdict"
)
TABLE = (
    f"{'problem':<22}{'runs':>5}{'reliable':>9}{'right':>6}{'mean z':>8}{'width':>7}{'largest':>9}{'error':>9}{'missing':>9}"
    f"{'evaluations':>13}{'CPU s':>8}"
)

Row = dict[str, Any]


def seed_of(name: str, number: int) -> int:
    """Return the seed of a run, which follows from the name of the problem and the number of the run."""
    return zlib.crc32(f"{name} {number}".encode()) % 2**31


def run(name: str, arguments: argparse.Namespace, number: int) -> Row:
    """Run flowpe once, and return the figures of the result."""
    problem = CLOSED_FORMS[name]()
    began = time.process_time()
    result = bilby.run_sampler(
        problem.likelihood,
        problem.priors,
        sampler="flowpe",
        label=f"flowpe_{name}_{number}",
        outdir=str(arguments.outdir / "results"),
        network=arguments.network,
        n_effective=arguments.effective,
        sampling_seed=seed_of(name, number),
        progress=False,
        save=False,  # a saved result would be used again instead of timed
    )
    seconds = time.process_time() - began
    statistics = result.meta_data["run_statistics"]
    row = figures(name, "flowpe", number, problem, result, seconds)
    told = {key: statistics.get(key) for key in ("efficiency", "verdict", "reasons")}
    return {**row, **told, "chance": statistics.get("completeness", {}).get("missed")}


def referee(name: str, arguments: argparse.Namespace) -> Row:
    """Run dynesty once, and store its result in a separate file."""
    log = arguments.outdir / f"{name}.dynesty.json"
    if log.exists():
        return dict(json.loads(log.read_text()))
    problem = CLOSED_FORMS[name]()
    began = time.process_time()
    _, result = run_dynesty(name, problem.solved, arguments)
    row = figures(name, "dynesty", 0, problem, result, time.process_time() - began)
    log.write_text(json.dumps(row) + "\n")
    return row


def figures(name: str, sampler: str, number: int, problem: ModedProblem, result: Result, seconds: float) -> Row:
    """Return the figures of a result and the true values."""
    columns = {key: result.posterior[key].to_numpy() for key in problem.priors.non_fixed_keys}
    error, difference = float(result.log_evidence_err), float(result.log_evidence) - problem.log_evidence
    found = problem.found(columns)
    return {
        "problem": name,
        "sampler": sampler,
        "seed": number,
        "exact": problem.log_evidence,
        "log_evidence": float(result.log_evidence),
        "log_evidence_err": error,
        # An error of nothing, or of NaN, is no excuse: such a result is infinitely far off.
        "z": difference / error if error > 0.0 else np.inf,
        "missing": problem.missing(columns),
        "largest_difference": float(np.max(np.abs(found - problem.shares))),
        "n_likelihood_evaluations": float(result.num_likelihood_evaluations),
        "n_posterior": len(result.posterior),
        "cpu_seconds": round(seconds, 2),
    }


def right(row: Row) -> bool:
    """Whether a result agrees with the true values; false if a figure is NaN."""
    return abs(row["z"]) <= OFF and row["missing"] <= MISSING


def line(row: Row) -> str:
    """Return the line of one run."""
    chance = row.get("chance")
    return (
        f"{row['problem']:<22}{row['sampler']:<9}{row['seed']:>4}{row['exact']:>12.4f}{row['log_evidence']:>12.4f}"
        f"{row['log_evidence_err']:>8.4f}{row['z']:>8.2f}{row['missing']:>9.3f}{'' if chance is None else f'{chance:.2g}':>9}"
        f"{row['n_likelihood_evaluations']:>13.3g}{row['cpu_seconds']:>8.1f}  {row.get('verdict') or ''}"
    )


def summary(name: str, rows: list[Row]) -> str:
    """Return the line of one problem, over all its runs."""
    z = np.array([row["z"] for row in rows])
    return (
        f"{name:<22}{len(rows):>5}{sum(row.get('verdict') == 'reliable' for row in rows):>9}{sum(map(right, rows)):>6}"
        f"{np.mean(z):>8.2f}{np.std(z):>7.2f}{np.max(np.abs(z)):>9.2f}"
        f"{np.mean([row['log_evidence_err'] for row in rows]):>9.4f}{max(row['missing'] for row in rows):>9.3f}"
        f"{np.mean([row['n_likelihood_evaluations'] for row in rows]):>13.3g}"
        f"{np.mean([row['cpu_seconds'] for row in rows]):>8.1f}"
    )


def totals(rows: list[Row]) -> str:
    """Return lines with verdicts, whether they are right, and z, over all runs."""
    good = [row for row in rows if right(row)]
    lines = [f"{len(rows)} runs, {len(good)} of them right"]
    for of_truth, some in (("right", good), ("not right", [row for row in rows if not right(row)])):
        counts = {grade: sum(row["verdict"] == grade for row in some) for grade in ("reliable", "check", "failed")}
        lines.append(f"{of_truth}: " + ", ".join(f"{count} {grade}" for grade, count in counts.items()))
    for of_grade, some in (
        ("all runs", rows),
        ("right ones", good),
        ("reliable ones", [row for row in rows if row["verdict"] == "reliable"]),
    ):
        z = np.array([row["z"] for row in some])
        if len(z) > 1:
            lines.append(
                f"z of ln Z, {of_grade}: mean {np.mean(z):.3f} (0 +- {len(z) ** -0.5:.3f}), "
                f"width {np.std(z):.3f} (1 +- {(2 * len(z)) ** -0.5:.3f})"
            )
    return "\n".join(lines)


def complaints(rows: list[Row]) -> list[Row]:
    """Return runs that are `reliable` and must not be: wrong ones, and all those of the mode that no sampler can find."""
    return [row for row in rows if row.get("verdict") == "reliable" and (not right(row) or row["problem"] == NEVER_MET)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", nargs="+", choices=tuple(CLOSED_FORMS), default=tuple(CLOSED_FORMS))
    parser.add_argument("--seeds", type=int, default=10, help="runs of each problem")
    parser.add_argument("--npool", type=int, default=1, help="number of processes, with one run each")
    parser.add_argument("--effective", type=int, default=5000, help="number of effective draws to reach")
    parser.add_argument("--network", default="none")
    parser.add_argument("--referee", choices=("dynesty",), help="also run this sampler, once for each problem")
    parser.add_argument("--nlive", type=int, default=1000, help="live points of the referee")
    parser.add_argument("--outdir", type=Path, default=Path("outdir/closed_forms"))
    arguments = parser.parse_args()
    logging.getLogger("bilby").setLevel(logging.ERROR)
    arguments.outdir.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    theirs: list[Row] = []
    print(HEADER, flush=True)
    for name in arguments.problems:
        if arguments.referee:
            theirs.append(referee(name, arguments))
            print(line(theirs[-1]), flush=True)
        log = arguments.outdir / f"{name}.jsonl"
        ours = measured(partial(run, name, arguments), arguments.seeds, dict, log, arguments.npool, progress=False)
        print("\n".join(map(line, ours)), flush=True)
        rows += ours
    print(f"\n{TABLE}")
    for name in arguments.problems:
        if of_problem := [row for row in rows if row["problem"] == name]:
            print(summary(name, of_problem))
    print(f"\n{totals(rows)}")
    if wrong := complaints(rows):
        raise SystemExit("\nreliable, and it must not be:\n" + "\n".join(map(line, wrong)))
    print("\nno reliable result is wrong")


if __name__ == "__main__":
    main()
