"""Measure how cost and memory of a run grow with the length of the data: 8 to 256 s, filled by a neutron-star signal.

    python benchmarks/neutron_stars_growth.py --outdir DIR

``neutron_stars.py`` is run once for each length, in separate processes, with the same masses and signal-to-noise ratio.
Finished runs in ``DIR/runs.jsonl`` are not run again. The script prints CPU seconds with the user's likelihood and without it
(*before*, because these are spent before the exact weights), the memory above that of Bilby's own objects, and exponents of
fitted power laws.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np
from neutron_star_cases import CASES, DURATIONS, LIKELIHOODS
from real_event import Run, read

HERE = Path(__file__).resolve().parent


def exponent(lengths: list[float], values: list[float]) -> float:
    """Return the exponent of the power law that fits best; NaN for fewer than two positive values."""
    kept = [(length, value) for length, value in zip(lengths, values, strict=True) if value > 0]
    if len(kept) < 2:
        return float("nan")
    return float(np.polyfit(*np.log(np.transpose(kept)), 1)[0])


def report(runs: list[Run]) -> None:
    """A line for each length, and exponents."""
    print(
        f"{'':<10}{'from Hz':>8}{'CPU s':>8}{'before':>8}{'ms each':>9}{'exact':>8}{'effective':>11}{'MB before':>11}"
        f"{'MB more':>9}  verdict"
    )
    for one in runs:
        print(
            f"{one['case']:<10}{CASES[one['case']].lowest:>8.1f}{one['cpu_seconds']:>8.0f}{one['cpu_without_likelihood']:>8.0f}"
            f"{one['likelihood_ms']:>9.1f}{one['evaluations']:>8}{one['effective']:>11.0f}{one['mb_before']:>11.0f}"
            f"{one['peak_mb'] - one['mb_before']:>9.0f}  {one['statistics'].get('verdict')}"
        )
    lengths = [CASES[one["case"]].duration for one in runs]
    seconds = exponent(lengths, [one["cpu_without_likelihood"] for one in runs])
    memory = exponent(lengths, [one["peak_mb"] - one["mb_before"] for one in runs])
    print(f"as a power of the length: CPU seconds without the likelihood {seconds:.2f}, memory of the run {memory:.2f}")


def main() -> None:
    """Run what is not in the file, print all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outdir", type=Path, default=Path("outdir/neutron_stars_growth"))
    parser.add_argument("--durations", type=int, nargs="+", choices=DURATIONS, default=DURATIONS)
    parser.add_argument("--likelihood", choices=LIKELIHOODS, default="multiband")
    parser.add_argument("--effective", type=int, default=1000)
    given = parser.parse_args()
    path = given.outdir / "runs.jsonl"
    for seconds in given.durations:
        name = f"{seconds}-s"
        if path.exists() and name in {one["case"] for one in read([path])}:
            continue
        line = [sys.executable, str(HERE / "neutron_stars.py"), name, "--likelihood", given.likelihood]
        line += ["--outdir", str(given.outdir), "--effective", str(given.effective)]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        if done.returncode:
            print(
                f"{name}: exit {done.returncode}: {(done.stderr.strip().splitlines() or ['nothing'])[-1]}", flush=True
            )
    if path.exists():
        report(sorted(read([path]), key=lambda one: CASES[one["case"]].duration))


if __name__ == "__main__":
    main()
