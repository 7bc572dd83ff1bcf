"""Compare the evidences of two models of one signal: does this black-hole binary spin?

    python examples/studies/bayes_factors.py --runs 5 --referee dynesty-fast

A signal with aligned spins in the noise of one detector is analysed with spins (eight parameters, the shipped network) and
without spins (six parameters; a network is trained for a few minutes and stored). The script prints ln Z of both, the logarithm
of the Bayes factor with its error, and its scatter over runs with other seeds. It also prints the result of the same draws for
a prior without the higher spins, which needs no further likelihood evaluation. The referee analyses the same two problems, with
phase and distance integrated out, which does not change the evidences. Its runs continue where they were stopped, and finished
ones are not run again.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
from pathlib import Path

import bilby
import numpy as np
from bilby.core.prior import DeltaFunction, PriorDict, Uniform
from bilby.core.result import Result

from bilby_flowpe.kinds import problem_of
from bilby_flowpe.problems import START_TIME, green2020
from bilby_flowpe.reweighting import reweight
from bilby_flowpe.selection import BayesFactor, bayes_factor
from bilby_flowpe.validation.marginalised import marginalised
from bilby_flowpe.validation.referee import obstacle, run_referee

INJECTION = {
    "mass_1": 58.0, "mass_2": 46.0, "chi_1": 0.35, "chi_2": 0.2, "theta_jn": 0.6, "phase": 1.1, "luminosity_distance": 1500.0
}  # fmt: skip
SPINS = ("chi_1", "chi_2")
LOW = 0.4


def without_spins(priors: PriorDict) -> PriorDict:
    """The same priors with both spins fixed to zero."""
    return with_changes(priors, {key: DeltaFunction(0.0, name=key) for key in SPINS})


def of_low_spins(priors: PriorDict) -> PriorDict:
    """The same priors with spins up to a limit."""
    return with_changes(priors, {key: Uniform(-LOW, LOW, name=key) for key in SPINS})


def with_changes(priors: PriorDict, changes: dict) -> PriorDict:
    changed = priors.copy()
    for key, prior in changes.items():
        changed[key] = prior
    return changed


def told(name: str, result: Result) -> str:
    statistics = (result.meta_data or {}).get("run_statistics") or {}
    return (
        f"{name:<24}ln Z {result.log_evidence:>12.4f} +- {result.log_evidence_err:.4f}"
        f"{result.num_likelihood_evaluations or 0:>12.4g} evaluations  {statistics.get('verdict', '')}"
    )


def ratio(name: str, factor: BayesFactor) -> str:
    return f"{name:<24}ln B {factor.log:>12.4f} +- {factor.error:.4f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--runs", type=int, default=3, help="number of runs of flowpe for each model, with different seeds"
    )
    parser.add_argument("--seed", type=int, default=3, help="seed of the noise")
    parser.add_argument(
        "--training-time", type=float, default=180.0, help="seconds of training for the model without spins"
    )
    parser.add_argument(
        "--referee", help="sampler to compare with: name of a referee's settings, or of one of Bilby's samplers"
    )
    parser.add_argument("--npool", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--outdir", type=Path, default=Path("outdir/bayes_factors"))
    arguments = parser.parse_args()
    logging.getLogger("bilby").setLevel(logging.WARNING)
    likelihood, spinning = green2020(
        parameters=8, seed=arguments.seed, injection={**INJECTION, "geocent_time": START_TIME + 0.74}
    )
    models = {"spinning": spinning, "not spinning": without_spins(spinning)}
    results: dict[str, list[Result]] = {name: [] for name in models}
    for run in range(arguments.runs):
        for index, (name, priors) in enumerate(models.items()):
            result = bilby.run_sampler(
                likelihood,
                priors.copy(),
                sampler="flowpe",
                outdir=str(arguments.outdir),
                label=f"{name.replace(' ', '_')}_{run}",
                cache=str(arguments.outdir / "models"),
                network="maf",
                training_time=arguments.training_time,
                npool=arguments.npool,
                # Errors of one seed would not be independent.
                sampling_seed=len(models) * run + index,
                progress=False,
                save=False,
            )
            results[name].append(result)
            print(told(f"{name}, run {run}", result), flush=True)
    factors = [bayes_factor(*pair) for pair in zip(*results.values(), strict=True)]
    for run, factor in enumerate(factors):
        print(ratio(f"spinning, run {run}", factor) + ("" if factor.usable else "  not to be used: a run has failed"))
    logs, errors = np.array([f.log for f in factors]), np.array([f.error for f in factors])
    if len(factors) > 1:
        print(f"scatter over {len(factors)} runs {np.std(logs, ddof=1):.4f}, error {np.sqrt(np.mean(errors**2)):.4f}")
    low = reweight(results["spinning"][0], priors=of_low_spins(spinning))
    print(told(f"spins below {LOW:g}", low))
    print(ratio(f"spins below {LOW:g} or none", bayes_factor(low, results["not spinning"][0])))
    figures = {"log": logs.tolist(), "error": errors.tolist()}
    if arguments.referee:
        theirs = [
            run_referee(
                arguments.referee,
                *marginalised(problem_of(likelihood, priors), ("phase", "distance"), arguments.outdir), arguments.outdir,
                f"{arguments.referee}_{name.replace(' ', '_')}", arguments.npool, arguments.seed,
            )
            for name, priors in models.items()
        ]  # fmt: skip
        for name, result in zip(models, theirs, strict=True):
            print(told(f"{arguments.referee}, {name}", result) + (obstacle(result) or ""))
        factor = bayes_factor(*theirs)
        print(ratio(arguments.referee, factor))
        z = (factors[0].log - factor.log) / np.hypot(factors[0].error, factor.error)
        print(f"difference of ln B: {z:.2f} sigma")
        figures |= {"referee": factor.log, "referee_error": factor.error, "z": float(z)}
    (arguments.outdir / "figures.json").write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
