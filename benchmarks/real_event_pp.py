"""Compute ranks of true values over precessing black holes from their prior: 15 parameters, IMRPhenomXPHM, H1 and L1, 4 s.

    python benchmarks/real_event_pp.py --outdir outdir/real_event_pp --events 60 --picture pp.png

Distances are uniform in the sources' comoving volume and time from 200 to 1500 Mpc, so that three signals in four have a
signal-to-noise ratio from 8 to 40. The analysis has the prior from which the events are drawn, and no event is left out. Each
event has a file; finished ones are not computed again, and several processes can divide the work with ``--first`` and
``--events``. Nothing is trained. The script prints Kolmogorov-Smirnov p-values of the ranks of each parameter, of the
likelihood at the true values and of all together, verdicts, and CPU seconds for an event.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bilby
import numpy as np
from bilby.core.prior import PriorDict
from bilby.gw.detector import InterferometerList
from bilby.gw.prior import UniformSourceFrame
from real_event_cases import bilby_seed, generator_of, optimal_snr, priors_of, put_injection
from real_event_run import cpu_seconds

NEAREST, FARTHEST = 200.0, 1500.0  # Mpc
SEED = 20_000
PRECESSING = ("IMRPhenomXPHM", "IMRPhenomXP", "IMRPhenomPv2")


def event(index: int, outdir: Path, effective: int, settings: dict[str, Any], approximant: str) -> dict[str, Any]:
    """Draw, run, rank."""
    priors = priors_of("xphm" if approximant in PRECESSING else "xphm-aligned")
    priors["luminosity_distance"] = UniformSourceFrame(NEAREST, FARTHEST, name="luminosity_distance")
    with bilby_seed(SEED + 2 * index):
        drawn = {key: float(value) for key, value in priors.sample().items()}
    interferometers, generator = InterferometerList(["H1", "L1"]), generator_of(approximant)
    truth = put_injection(interferometers, generator, drawn, None, SEED + 2 * index + 1)
    likelihood = bilby.gw.GravitationalWaveTransient(interferometers, generator)
    ratio = optimal_snr(interferometers, generator, truth)
    return {**judged(index, likelihood, priors, truth, outdir, effective, settings), "snr": ratio}


def judged(
    index: int, likelihood: Any, priors: PriorDict, truth: dict[str, float], outdir: Path, effective: int,
    settings: dict[str, Any],
) -> dict[str, Any]:  # fmt: skip
    """Run, and rank the truth."""
    from bilby_flowpe.validation.ranks import rank_of_truth, ranks_of_parameters

    began = cpu_seconds()
    result = bilby.run_sampler(
        likelihood, priors, sampler="flowpe", network="none", npool=1, n_effective=effective, sampling_seed=index,
        outdir=str(outdir / f"event_{index}"), label="event", save=False, resume=False, clean=True, progress=False,
        max_likelihood_evaluations=1_000_000, **settings,
    )  # fmt: skip
    seconds = cpu_seconds() - began
    statistics = result.meta_data["run_statistics"]
    rng = np.random.default_rng((SEED, index))
    posterior = result.posterior
    keys = priors.non_fixed_keys
    draws = {key: posterior[key].to_numpy(dtype=float) for key in keys}
    ranks = ranks_of_parameters(draws, truth, keys, rng)
    at_truth = float(likelihood.log_likelihood_ratio(dict(truth)))
    # Bilby's samplers keep ratios to the likelihood of noise alone.
    ranks["log_likelihood"] = rank_of_truth(posterior["log_likelihood"].to_numpy(), at_truth, rng)
    kept = (
        "verdict",
        "reasons",
        "effective_sample_size",
        "efficiency",
        "coarse_efficiency",
        "n_coarse_evaluations",
        "pareto_k",
    )
    return {
        "event": index, "cpu_seconds": seconds, "ranks": ranks, "truth": truth,
        "log_bayes_factor": float(result.log_bayes_factor), "error": float(result.log_evidence_err),
        "evaluations": int(result.num_likelihood_evaluations), **{key: statistics.get(key) for key in kept},
    }  # fmt: skip


def report(found: list[dict[str, Any]], picture: Path | None) -> None:
    """P-values, verdicts, costs."""
    from bilby_flowpe.plotting import plot_pp
    from bilby_flowpe.validation.ranks import combined, uniformity

    seconds = np.array([one["cpu_seconds"] for one in found])
    ratios = np.array([one["snr"] for one in found])
    print(
        f"{len(found)} events, signal-to-noise ratios {ratios.min():.1f} to {ratios.max():.1f}, median {np.median(ratios):.1f}"
    )
    for name, those in (("all", found), ("those not failed", [one for one in found if one["verdict"] != "failed"])):
        if not those:
            continue
        ranks = {key: np.array([one["ranks"][key] for one in those]) for key in those[0]["ranks"]}
        p_values = uniformity(ranks)
        print(f"{name} ({len(those)}):", *(f"{key} {p:.3f}" for key, p in p_values.items()))
        print(f"  together {combined({key: p for key, p in p_values.items() if key != 'log_likelihood'}):.3f}")
        if picture and name == "all":
            plot_pp({f"{len(those)} events": ranks}, picture, p_values={f"{len(those)} events": p_values}, columns=1)
    print("verdicts:", dict(Counter(one["verdict"] for one in found)))
    reasons = Counter(reason.split(":")[0][:90] for one in found for reason in one["reasons"] or ())
    for reason, count in reasons.most_common(8):
        print(f"  {count} x {reason}")
    print(
        f"CPU seconds an event: median {np.median(seconds):.0f}, nine in ten below {np.quantile(seconds, 0.9):.0f}, "
        f"worst {seconds.max():.0f}; effective draws: median {np.median([one['effective_sample_size'] for one in found]):.0f}, "
        f"least {min(one['effective_sample_size'] for one in found):.0f}"
    )


def main() -> None:
    """Do what is not done yet, then report on all."""
    parser = parser_of(__doc__, "outdir/real_event_pp", 60)
    parser.add_argument(
        "--approximant", default="IMRPhenomXPHM", help="waveform model; spins are aligned if it has no precession"
    )
    given = parser.parse_args()
    settings = json.loads(given.settings)
    shared(given, lambda index: event(index, given.outdir, given.effective, settings, given.approximant))


def parser_of(description: str | None, outdir: str, events: int) -> argparse.ArgumentParser:
    """Return a parser with the options that all such studies have."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outdir", type=Path, default=Path(outdir))
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--events", type=int, default=events)
    parser.add_argument("--effective", type=int, default=1000)
    parser.add_argument("--settings", default="{}", help="more arguments of the sampler, as JSON")
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--report", action="store_true", help="print the finished results, and run nothing")
    return parser


def shared(given: argparse.Namespace, event: Callable[[int], dict[str, Any]]) -> None:
    """Do the events that have no file yet, then report on all that have one."""
    given.outdir.mkdir(parents=True, exist_ok=True)
    for index in range(given.first, given.first + given.events):
        path = given.outdir / f"{index:04d}.json"
        if path.exists() or given.report:
            continue
        one = event(index)
        half = path.with_suffix(".part")
        half.write_text(json.dumps(one, default=float))
        half.rename(path)
        print(f"event {index}: {one['verdict']}, {one['cpu_seconds']:.0f} CPU seconds", flush=True)
    report([json.loads(path.read_text()) for path in sorted(given.outdir.glob("[0-9]*.json"))], given.picture)


if __name__ == "__main__":
    main()
