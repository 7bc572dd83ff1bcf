r"""Compare this version, an earlier one and other samplers on real and simulated black holes, with the same data and priors.

    python benchmarks/real_event.py --outdir DIR --data-dir DIR --samplers flowpe dynesty
    python benchmarks/real_event.py --outdir DIR --data-dir DIR --cases gw150914-aligned --samplers cogwheel nessai \
        --cogwheel-python PATH --nessai-python PATH
    python benchmarks/real_event.py --table DIR/*.jsonl

Nothing is trained. Each run is a separate process on one core; its CPU seconds include imports, and it appends a line to
``DIR/runs.jsonl``. ``--table`` prints the results in several files. The cases are those of ``real_event_cases.py``;
``--data-dir`` has strain and noise curves of GW150914. Runs with ``--old PATH`` use the version in that repository.

Effective samples are Kish's number of all weights (:mod:`real_event_run`). *At 5000* are CPU seconds for this number of
effective samples: for this package, the time until the proposal is good is constant and the rest is scaled; for others, all is
scaled. Ratios compare this column with that of the first run of ``flowpe`` for the case. Marginals are compared with that run,
too: the Jensen-Shannon divergence of each, in units of the value that chance exceeds in one of ten cases.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

CASES = ("xphm-12", "xphm-20", "xphm-35", "gw150914-aligned", "gw150914-xphm")
SAMPLERS = ("flowpe", "flowpe-old", "dynesty", "nessai", "cogwheel")
HERE = Path(__file__).resolve().parent
WANTED = 5000  # effective samples
Run = dict[str, Any]


def command(case: str, sampler: str, given: argparse.Namespace) -> tuple[list[str], dict[str, str]]:
    """Return the command of a run, and its environment variables."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
    output = ["--outdir", str(given.outdir), "--output", str(given.outdir / "runs.jsonl"), "--seed", str(given.seed)]
    if sampler == "cogwheel":
        return [given.cogwheel_python, str(HERE / "real_event_cogwheel.py"), case, *output], environment
    python, more = sys.executable, ["--data-dir", str(given.data_dir), "--name", sampler]
    if sampler == "flowpe-old":
        environment["PYTHONPATH"] = str(given.old.resolve())
        more += ["--effective", str(given.old_effective)]
    if sampler == "nessai":
        python, more = given.nessai_python, [*more, "--nlive", "1000"]
    name = "flowpe" if sampler == "flowpe-old" else sampler
    return [python, str(HERE / "real_event_run.py"), case, name, *more, *output], environment


def at(run: Run, effective: float) -> float:
    """CPU seconds for so many effective samples."""
    seconds = run.get("statistics", {}).get("seconds", {})
    whole, kept = run["cpu_seconds"], run["cpu_before"]
    if seconds.get("total"):
        kept += (whole - kept) * min(seconds.get("refinement", 0.0) / seconds["total"], 1.0)
    return float(kept + (whole - kept) * effective / run["effective"])


def table(runs: Sequence[Run]) -> None:
    """Costs and evidences, case by case."""
    print(
        f"{'':<28}{'CPU s':>9}{'effective':>11}{'per 1000':>10}{'at 5000':>10}{'ratio':>8}{'evaluations':>13}{'coarse':>10}"
        f"{'ln Z':>11}    error   verdict"
    )
    for case in CASES:
        here = [run for run in runs if run["case"] == case]
        first = next((run for run in here if run["sampler"] == "flowpe"), None)
        if here:
            print(case)
        for run in here:
            statistics = run.get("statistics", {})
            ratio = f"{at(run, WANTED) / at(first, WANTED):.2f}" if first else "-"
            print(
                f"  {run['sampler']:<26}{run['cpu_seconds']:>9.1f}{run['effective']:>11.0f}"
                f"{1e3 * run['cpu_seconds'] / run['effective']:>10.1f}{at(run, WANTED):>10.1f}{ratio:>8}"
                f"{run['evaluations']:>13.0f}"
                f"{statistics.get('n_coarse_evaluations', 0) or 0:>10.0f}{run['log_bayes_factor']:>11.3f} +- "
                f"{run['error']:<7.3f}{statistics.get('verdict', '')}"
            )


def marginals(runs: Sequence[Run]) -> None:
    """Divergence of each marginal from the case's first flowpe run, in units of the 90% quantile of chance."""
    from bilby_flowpe.validation.marginals import compare_marginals

    rng = np.random.default_rng(0)
    for case in CASES:
        here = [run for run in runs if run["case"] == case and Path(run["samples"]).exists()]
        here.sort(key=lambda run: run["sampler"] != "flowpe")
        if len(here) < 2:
            continue
        first = dict(np.load(here[0]["samples"]))
        print(
            f"\n{case}: Jensen-Shannon divergences from {here[0]['sampler']} over what chance gives nine times in ten"
        )
        for run in here[1:]:
            other = dict(np.load(run["samples"]))
            # psi and phase of cogwheel have other origins.
            keys = [
                key for key in first if key in other and not (run["sampler"] == "cogwheel" and key in ("psi", "phase"))
            ]
            found = compare_marginals(first, other, keys, rng, n_repeats=100)
            print(
                f"  {run['sampler']:<22}", *(f"{key} {one['jsd'] / one['floor_90']:.2f}" for key, one in found.items())
            )


def read(paths: Sequence[Path]) -> list[Run]:
    return [json.loads(line) for path in paths for line in path.read_text().splitlines() if line.strip()]


def main() -> None:
    """Run what is asked for, then print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--table",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="print tables of the results in these files, and run nothing",
    )
    parser.add_argument("--cases", nargs="+", choices=CASES, default=CASES)
    parser.add_argument("--samplers", nargs="+", choices=SAMPLERS, default=("flowpe",))
    parser.add_argument("--outdir", type=Path, default=Path("outdir/real_event"))
    parser.add_argument("--data-dir", type=Path, help="folder of the strain and noise curves of GW150914")
    parser.add_argument("--old", type=Path, help="repository of the earlier build")
    parser.add_argument("--old-effective", type=int, default=1000, help="effective draws of the earlier build")
    parser.add_argument("--cogwheel-python", help="Python of an environment with cogwheel-pe")
    parser.add_argument(
        "--nessai-python", default=sys.executable, help="Python of an environment with Bilby and nessai"
    )
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    for sampler, option in (("flowpe-old", given.old), ("cogwheel", given.cogwheel_python)):
        if not given.table and sampler in given.samplers and not option:
            parser.error(f"--samplers {sampler} needs --{'old' if sampler == 'flowpe-old' else 'cogwheel-python'}")
    if not given.table:
        if given.data_dir is None:
            parser.error("--data-dir: where the strain and noise curves of GW150914 lie")
        given.outdir.mkdir(parents=True, exist_ok=True)
        for case in given.cases:
            for sampler in given.samplers:
                if sampler == "cogwheel" and not case.startswith("gw150914"):
                    print(f"{case}: cogwheel is run on GW150914 alone")
                    continue
                line, environment = command(case, sampler, given)
                if sampler == "cogwheel":
                    data = [
                        sys.executable,
                        str(HERE / "real_event_run.py"),
                        case,
                        "data",
                        "--outdir",
                        str(given.outdir),
                    ]
                    subprocess.run([*data, "--data-dir", str(given.data_dir)], check=True, env=environment)
                print(
                    case, sampler, "failed" if subprocess.run(line, env=environment).returncode else "done", flush=True
                )
    runs = read(given.table or [given.outdir / "runs.jsonl"])
    table(runs)
    marginals(runs)


if __name__ == "__main__":
    main()
