"""Analyse neutron stars in long data without a training: one case by one sampler, in one process on one core.

    python benchmarks/neutron_stars.py gw170817 --likelihood multiband --outdir DIR
    python benchmarks/neutron_stars.py gw170817 --likelihood relative --sampler dynesty --outdir DIR
    python benchmarks/neutron_stars.py --table DIR/runs.jsonl

Cases and likelihoods are those of ``neutron_star_cases.py``. A run appends a line of JSON to ``DIR/runs.jsonl``. It has CPU
seconds of the whole process, imports and data included; CPU seconds of the run without the user's likelihood (its number of
evaluations times the time of one); the largest memory of the process, and the memory of Bilby's objects before the run;
effective draws, evaluations of the likelihood, evidence, verdict, and the ranks of the true values among the draws. ``--table``
prints the files, with ratios to the first run of the case of CPU seconds for 5000 effective draws and of evaluations, and the
divergence of each marginal from that run.

``dynesty`` is run by Bilby, with its walk of 20 accepted steps and 500 live points. It saves its state every five minutes, and
the same command continues a run that was stopped; CPU seconds are the sum over all starts.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import threading
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when NumPy is loaded, below

import bilby
import numpy as np
from neutron_star_cases import CASES, LIKELIHOODS, case_of
from real_event import Run, at, read
from real_event_run import cpu_seconds, kish

SAVED_EVERY = 60.0  # seconds between two notes of the CPU seconds of a run that may be ended
WANTED = 5000  # effective draws of the table's ratios


def megabytes() -> float:
    """The largest memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def flowpe(likelihood: Any, priors: Any, truth: dict[str, float], folder: Path, given: argparse.Namespace) -> Run:
    """This package, nothing trained."""
    settings = {"n_effective": given.effective, "network": "none", "npool": 1, **json.loads(given.settings)}
    result = bilby.run_sampler(
        likelihood, priors, sampler="flowpe", outdir=str(folder), label=folder.name, sampling_seed=given.seed,
        injection_parameters=dict(truth), save=False, resume=False, clean=True, progress=False, **settings,
    )  # fmt: skip
    statistics = result.meta_data["run_statistics"]
    return {"result": result, "effective": statistics["effective_sample_size"], "statistics": statistics}


def dynesty(likelihood: Any, priors: Any, truth: dict[str, float], folder: Path, given: argparse.Namespace) -> Run:
    """Bilby's, as it comes, resumed where there is something to resume."""
    notes = threading.Thread(target=note_seconds, args=(folder / f"cpu_{os.getpid()}",), daemon=True)
    notes.start()
    settings = {"nlive": 500, "naccept": 20, "sample": "acceptance-walk", **json.loads(given.settings)}
    result = bilby.run_sampler(
        likelihood, priors, sampler="dynesty", outdir=str(folder), label=folder.name, sampling_seed=given.seed,
        npool=1, save=False, resume=True, check_point_delta_t=300, check_point_plot=False, print_method="interval-300",
        **settings,
    )  # fmt: skip
    # A weight of nothing but rounding has a logarithm, too.
    log_weights = np.log(np.maximum(result.nested_samples["weights"].to_numpy(), 1e-300))
    earlier = sum(float(path.read_text()) for path in folder.glob("cpu_*") if path.name != f"cpu_{os.getpid()}")
    return {"result": result, "effective": kish(log_weights), "statistics": {}, "earlier": earlier}


def seconds_of(likelihood: Any, truth: dict[str, float], calls: int = 5) -> float:
    """CPU seconds of one evaluation; each has a phase of its own, for generators keep the last waveform."""
    likelihood.log_likelihood_ratio(dict(truth))
    began = cpu_seconds()
    for step in range(1, 1 + calls):
        likelihood.log_likelihood_ratio({**truth, "phase": truth["phase"] + 0.1 * step})
    return (cpu_seconds() - began) / calls


def note_seconds(path: Path) -> None:
    """Write the CPU seconds of this process to a file, again and again."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        half = path.with_name("." + path.name)
        half.write_text(f"{cpu_seconds()}")
        half.replace(path)
        time.sleep(SAVED_EVERY)


def run(given: argparse.Namespace) -> Run:
    """Run one, and say what it found."""
    began = time.perf_counter()
    likelihood, priors, truth = case_of(CASES[given.case], given.likelihood, given.data_seed)
    each = seconds_of(likelihood, truth)
    before, held = cpu_seconds(), megabytes()
    name = f"{given.case}_{given.likelihood}_{given.sampler}{given.tag}"
    found = {"flowpe": flowpe, "dynesty": dynesty}[given.sampler](likelihood, priors, truth, given.outdir / name, given)
    whole, result = cpu_seconds() + found.pop("earlier", 0.0), found.pop("result")
    evaluations = int(result.num_likelihood_evaluations or 0)
    keys = [key for key in priors if key in result.posterior and not isinstance(priors[key], (int, float))]
    keys = [key for key in keys if not priors[key].is_fixed]
    samples = given.outdir / f"{name}.npz"
    np.savez_compressed(samples, **{key: result.posterior[key].to_numpy(dtype=float) for key in keys})
    return {
        "case": given.case, "likelihood": given.likelihood, "sampler": given.sampler + given.tag, "seed": given.seed,
        "cpu_seconds": whole, "cpu_before": before, "wall_seconds": time.perf_counter() - began,
        "peak_mb": megabytes(), "mb_before": held, "log_bayes_factor": float(result.log_bayes_factor),
        "error": float(result.log_evidence_err), "evaluations": evaluations,
        "likelihood_ms": 1e3 * each, "cpu_without_likelihood": whole - before - each * evaluations,
        "ranks": {key: float(np.mean(result.posterior[key] < truth[key])) for key in keys}, "truth": truth,
        "samples": str(samples), **found,
    }  # fmt: skip


def table(runs: list[Run]) -> None:
    """Costs, evidences and marginals, case by case."""
    print(
        f"{'':<34}{'CPU s':>9}{'effective':>11}{'at 5000':>10}{'ratio':>8}{'evaluations':>13}{'ratio':>8}{'MB':>7}{'before':>8}"
        f"{'ln Z':>11}    error   ranks       verdict"
    )
    for case in CASES:
        here = [one for one in runs if one["case"] == case]
        if here:
            print(case)
        for one in here:
            first, ranks = here[0], list(one["ranks"].values())
            print(
                f"  {one['sampler'] + ', ' + one['likelihood']:<32}{one['cpu_seconds']:>9.0f}{one['effective']:>11.0f}"
                f"{at(one, WANTED):>10.0f}{at(one, WANTED) / at(first, WANTED):>8.2f}{one['evaluations']:>13}"
                f"{one['evaluations'] / first['evaluations']:>8.2f}{one['peak_mb']:>7.0f}{one['mb_before']:>8.0f}"
                f"{one['log_bayes_factor']:>11.3f} +- {one['error']:<7.3f}{min(ranks):.2f} to {max(ranks):.2f} "
                f"{one['statistics'].get('verdict', '')}"
            )
        for one in here[1:]:
            divergences(here[0], one)


def divergences(first: Run, other: Run) -> None:
    """Print the divergence of each marginal, in units of the value that chance exceeds in one of ten cases."""
    from bilby_flowpe.validation.marginals import compare_marginals

    if not all(Path(one["samples"]).exists() for one in (first, other)):
        return
    draws = [dict(np.load(one["samples"])) for one in (first, other)]
    found = compare_marginals(*draws, list(first["ranks"]), np.random.default_rng(0), n_repeats=100)
    print(
        f"    {other['sampler']} from {first['sampler']}, Jensen-Shannon over chance:",
        *(f"{key} {one['jsd'] / one['floor_90']:.2f}" for key, one in found.items()),
    )


def main() -> None:
    """Run one and append its line, or print what there is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", nargs="?", choices=CASES)
    parser.add_argument("--likelihood", choices=LIKELIHOODS, default="multiband")
    parser.add_argument("--sampler", choices=("flowpe", "dynesty"), default="flowpe")
    parser.add_argument("--outdir", type=Path, default=Path("outdir/neutron_stars"))
    parser.add_argument("--effective", type=int, default=5000, help="flowpe's n_effective")
    parser.add_argument("--seed", type=int, default=1, help="seed of the sampler")
    parser.add_argument("--data-seed", type=int, default=170817, help="seed of the noise")
    parser.add_argument("--settings", default="{}", help="more arguments of the sampler, as JSON")
    parser.add_argument("--tag", default="", help="text that is added to the sampler's name")
    parser.add_argument(
        "--table", type=Path, nargs="+", metavar="FILE", help="print tables of the results in these files"
    )
    given = parser.parse_args()
    if given.table:
        return table(read(given.table))
    if given.case is None:
        parser.error("name a case, or files with --table")
    given.outdir.mkdir(parents=True, exist_ok=True)
    line = json.dumps(run(given), default=float)
    with (given.outdir / "runs.jsonl").open("a") as file:
        file.write(line + "\n")
    print(line)


if __name__ == "__main__":
    main()
