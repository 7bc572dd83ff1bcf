"""Time one new event with flowpe, cold and warm, with dynesty (Bilby's defaults) and with emcee, for the same likelihood.

    python benchmarks/event.py --outdir outdir/event --output event.json

*Cold* is a new Python process, with all imports and the loading of the model; *warm* is another event in the same process,
from ``run_sampler`` to its result. Effective samples are those of the weights for flowpe, Kish's number of the nested samples
for dynesty, and draws after burn-in over the longest autocorrelation time for emcee. dynesty takes twenty minutes on two cores;
it can be continued, and its time is the sum that Bilby gives.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

_COLD = """
import sys
sys.path.insert(0, {folder!r})
import event
print("COLD", *event.flowpe({seed}, {npool}, {outdir!r}, {effective}))
"""


@dataclass
class Run:
    """Cost and result of one sampler."""

    sampler: str
    seconds: float
    evaluations: float
    effective: float
    log_bayes_factor: float
    log_bayes_factor_error: float

    def line(self, reference: Run) -> str:
        wall = self.seconds / reference.seconds
        equal = wall * reference.effective / self.effective
        return (
            f"{self.sampler:<28}{self.seconds:>10.2f}{self.evaluations:>12.0f}{self.effective:>11.0f}"
            f"{self.log_bayes_factor:>12.3f} +- {self.log_bayes_factor_error:<7.3f}{wall:>8.1f}{equal:>10.1f}"
            f"{self.evaluations / reference.evaluations:>10.1f}"
        )


def flowpe(seed: int, npool: int, outdir: str, effective: int) -> tuple[float, float, float, float, float]:
    """Seconds from ``run_sampler`` to the result, evaluations, effective samples, ln Z and its error."""
    import bilby

    from bilby_flowpe.problems import green2020

    bilby.core.utils.logger.setLevel("ERROR")
    likelihood, priors = green2020(parameters=5, seed=seed)
    began = time.perf_counter()
    # Not clean=True: Bilby would start all later runs of this process clean, too.
    result = bilby.run_sampler(
        likelihood, priors, sampler="flowpe", npool=npool, outdir=tempfile.mkdtemp(dir=outdir), label="flowpe", save=False,
        sampling_seed=seed, n_effective=effective,
    )  # fmt: skip
    seconds = time.perf_counter() - began
    statistics = result.meta_data["run_statistics"]
    return (
        seconds,
        float(result.num_likelihood_evaluations),
        float(statistics["effective_sample_size"]),
        float(result.log_bayes_factor),
        float(result.log_evidence_err),
    )


def cold(seed: int, npool: int, outdir: str, effective: int) -> tuple[Run, Run]:
    """Run in a new process, and time the whole process and the part from ``run_sampler`` on."""
    code = _COLD.format(folder=str(Path(__file__).parent), seed=seed, npool=npool, outdir=outdir, effective=effective)
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    whole = time.perf_counter() - began
    seconds, *rest = next(line for line in done.stdout.splitlines() if line.startswith("COLD")).split()[1:]
    values = [float(value) for value in rest]
    return Run("flowpe, a new process", whole, *values), Run("flowpe, from run_sampler", float(seconds), *values)


def referee(name: str, seed: int, npool: int, outdir: str, **settings: Any) -> Run:
    """Another sampler of Bilby's on the same likelihood."""
    import bilby
    from emcee.autocorr import integrated_time

    from bilby_flowpe.importance import effective_sample_size
    from bilby_flowpe.problems import green2020

    likelihood, priors = green2020(parameters=5, seed=seed)
    result = bilby.run_sampler(
        likelihood, priors, sampler=name, npool=npool, outdir=outdir, label=name, sampling_seed=seed, **settings
    )
    # That of a run which went on after an interruption is all of it; one that is there already is read.
    seconds = float(getattr(result.sampling_time, "total_seconds", lambda: result.sampling_time)())
    if name == "dynesty":
        evaluations = float(result.num_likelihood_evaluations)
        effective = effective_sample_size(np.log(np.maximum(result.nested_samples["weights"].to_numpy(), 1e-300)))
    else:
        evaluations = float(settings["nwalkers"] * settings["iterations"])
        chain = np.swapaxes(np.asarray(result.walkers), 0, 1)[settings["nburn"] :]
        effective = len(result.posterior) / float(np.max(integrated_time(chain, quiet=True)))
    log_z, error = result.log_bayes_factor, result.log_evidence_err
    kind = "Bilby's defaults" if name == "dynesty" else f"{settings['nwalkers']} walkers"
    return Run(f"{name}, {kind}", seconds, evaluations, effective, float(log_z), float(error))


def main() -> None:
    """Print the table and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--effective", type=int, default=5000)
    parser.add_argument("--repeats", type=int, default=5, help="number of warm events, with consecutive seeds")
    parser.add_argument("--npool", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--referees", nargs="*", default=["dynesty", "emcee"], choices=("dynesty", "emcee"))
    parser.add_argument("--outdir", type=Path, default=Path("outdir/event"))
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    outdir, npool = str(arguments.outdir), arguments.npool
    arguments.outdir.mkdir(parents=True, exist_ok=True)
    runs = [*cold(arguments.seed, npool, outdir, arguments.effective)]
    flowpe(arguments.seed, npool, outdir, arguments.effective)
    runs += [
        Run(f"flowpe, warm, seed {seed}", *flowpe(seed, npool, outdir, arguments.effective))
        for seed in range(arguments.seed, arguments.seed + arguments.repeats)
    ]
    settings: dict[str, dict[str, Any]] = {"dynesty": {}, "emcee": {"nwalkers": 200, "iterations": 6000, "nburn": 3000}}
    runs += [referee(name, arguments.seed, npool, outdir, **settings[name]) for name in arguments.referees]
    reference = runs[1]
    print(
        f"{'':<28}{'seconds':>10}{'evaluations':>12}{'effective':>11}{'ln Z':>12}    error    time of it, at equal "
        f"effective, evaluations (of '{reference.sampler}')"
    )
    for run in runs:
        print(run.line(reference))
    if arguments.output:
        from bilby_flowpe.storage.folder import write_text

        write_text(arguments.output, json.dumps([asdict(run) for run in runs], indent=1))


if __name__ == "__main__":
    main()
