"""Compare coarse waves with the full grid, and spoil them on purpose: the evidence must stay, and the result must say so.

    python benchmarks/real_event_exactness.py --outdir outdir/real_event_exactness --events 20

Events are precessing black holes with IMRPhenomXPHM in 4 s of H1 and L1, drawn from the prior of ``real_event_pp.py``, with
distances for a signal-to-noise ratio from 12 to 30. Each is run with the defaults (coarse waves draw and steer, the likelihood
weighs). Then the same proposal draws again with ``coarse=False``, and every draw is weighed on the full grid. Then there are
runs with wrong coarse waves:

- ``approximant``: ``coarse="IMRPhenomXP"``, which has no higher harmonics;
- ``curve``: the coarse likelihood has a noise curve that is 10% too high;
- ``nodes``: half of the nodes that are needed for its error.

Each event has a file; finished ones are not computed again. For each kind, the script prints z, the difference of ln Z from
that of the full grid in units of both errors, with mean and width, which should be 0 and 1; the error of ln Z; the efficiency
of the likelihood's weights for draws of the coarse waves; and verdicts.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bilby
import numpy as np
from bilby.gw.detector import InterferometerList, PowerSpectralDensity
from real_event_cases import bilby_seed, generator_of, priors_of, put_injection
from real_event_run import cpu_seconds

import bilby_flowpe.run
from bilby_flowpe.proposals.mixture import Mixture
from bilby_flowpe.sampling.event import EventSampler
from bilby_flowpe.sampling.outcome import FreshBatch, Outcome
from bilby_flowpe.waves.coarse.build import coarse_waves
from bilby_flowpe.waves.coarse.coarse_waves import CoarseWaves

SEED = 40_000
QUIETEST, LOUDEST = 12.0, 30.0
CURVE = 1.1  # factor on the power of the noise
FEWER = 2  # nodes are as many times too few
KEPT = ("verdict", "reasons", "effective_sample_size", "efficiency", "coarse_efficiency", "n_coarse_evaluations")


@contextlib.contextmanager
def sampler_of(kind: type[EventSampler]) -> Iterator[None]:
    """Runs of Bilby's ``run_sampler`` sample their event by this class."""
    usual = bilby_flowpe.run.EventSampler
    bilby_flowpe.run.EventSampler = kind  # type: ignore[misc]
    try:
        yield
    finally:
        bilby_flowpe.run.EventSampler = usual  # type: ignore[misc]


def watched(found: list[Outcome]) -> type[EventSampler]:
    """The usual run; its outcome is kept."""

    class Watched(EventSampler):
        def run(self) -> Outcome:
            outcome = super().run()
            found.append(outcome)
            return outcome

    return Watched


def given_proposal(proposal: Mixture, size: int) -> type[EventSampler]:
    """A run that draws so many rows of a proposal that is there, and refines nothing."""

    class Given(EventSampler):
        def run(self) -> Outcome:
            return self._judged(FreshBatch(self._drawn(self.target, proposal, size, "weighing"), proposal))

    return Given


def summary(result: Any, seconds: float) -> dict[str, Any]:
    statistics = result.meta_data["run_statistics"]
    return {
        "log_bayes_factor": float(result.log_bayes_factor), "error": float(result.log_evidence_err), "cpu_seconds": seconds,
        "evaluations": int(result.num_likelihood_evaluations), **{key: statistics.get(key) for key in KEPT},
    }  # fmt: skip


@contextlib.contextmanager
def as_it_is() -> Iterator[None]:
    """Coarse waves as they are made."""
    yield


@contextlib.contextmanager
def made_by(wrong: Callable[..., CoarseWaves]) -> Iterator[None]:
    """Coarse waves come from this function, wherever the package makes some."""
    places = [
        module
        for name, module in sys.modules.items()
        if name.startswith("bilby_flowpe") and getattr(module, "coarse_waves", None) is coarse_waves
    ]
    for module in places:
        module.coarse_waves = wrong  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for module in places:
            module.coarse_waves = coarse_waves  # type: ignore[attr-defined]


def of_wrong_curve(likelihood: Any, *rest: Any, **more: Any) -> CoarseWaves:
    """Coarse waves for a likelihood with more noise."""
    other = copy.deepcopy(likelihood)
    for interferometer in other.interferometers:
        curve = interferometer.power_spectral_density
        interferometer.power_spectral_density = PowerSpectralDensity(
            frequency_array=curve.frequency_array, psd_array=CURVE * curve.psd_array
        )
    return coarse_waves(other, *rest, **more)


def of_few_nodes(*given: Any, **more: Any) -> CoarseWaves:
    """Coarse waves on too few nodes."""
    size = coarse_waves(*given, **more).n_nodes // FEWER
    return coarse_waves(*given, **{**more, "size": size})


SPOILT: dict[str, tuple[dict[str, Any], Callable[[], Any]]] = {
    "approximant": ({"coarse": "IMRPhenomXP"}, as_it_is),
    "curve": ({}, lambda: made_by(of_wrong_curve)),
    "nodes": ({}, lambda: made_by(of_few_nodes)),
}


def event(index: int, given: argparse.Namespace) -> dict[str, Any]:
    """Make all runs with one injection."""
    rng = np.random.default_rng((SEED, index))
    priors, generator = priors_of("xphm"), generator_of("IMRPhenomXPHM")
    with bilby_seed(SEED + 2 * index):
        drawn = {key: float(value) for key, value in priors.sample().items()}
    interferometers = InterferometerList(["H1", "L1"])
    snr = rng.uniform(QUIETEST, LOUDEST)
    put_injection(interferometers, generator, drawn, snr, SEED + 2 * index + 1)
    likelihood = bilby.gw.GravitationalWaveTransient(interferometers, generator)

    def run(label: str, seed: int, **settings: Any) -> dict[str, Any]:
        began = cpu_seconds()
        result = bilby.run_sampler(
            likelihood, priors, sampler="flowpe", network="none", npool=1, n_effective=given.effective, sampling_seed=seed,
            outdir=str(given.outdir / f"event_{index}"), label=label, save=False, resume=False, clean=True, progress=False,
            max_likelihood_evaluations=1_000_000, **settings,
        )  # fmt: skip
        return summary(result, cpu_seconds() - began)

    outcomes: list[Outcome] = []
    with sampler_of(watched(outcomes)):
        usual = run("usual", 2 * index)
    with sampler_of(given_proposal(outcomes[-1].proposal, given.full_draws)):
        full = run("full", 2 * index + 1, coarse=False)
    found = {"usual": usual, "full": full}
    for name in given.spoilt:
        settings, hook = SPOILT[name]
        with hook():
            found[name] = run(name, 2 * index, **settings)
    return {"event": index, "snr": snr, "runs": found}


def report(found: list[dict[str, Any]]) -> None:
    """Kind by kind."""
    print(f"{'':<14}{'events':>7}{'z mean':>9}{'z width':>9}{'error':>8}{'quality':>9}{'CPU s':>8}  verdicts")
    for kind in dict.fromkeys(name for one in found for name in one["runs"]):
        pairs = [(one["runs"][kind], one["runs"]["full"]) for one in found if kind in one["runs"]]
        z = np.array(
            [
                (one["log_bayes_factor"] - full["log_bayes_factor"]) / np.hypot(one["error"], full["error"])
                for one, full in pairs
            ]
        )
        z, n = z[np.isfinite(z)], len(pairs)
        quality = np.array([one["coarse_efficiency"] or np.nan for one, _ in pairs], dtype=float)
        typical = np.nanmedian(quality) if np.isfinite(quality).any() else np.nan
        width = f"{z.std(ddof=1):9.2f}" if len(z) > 1 and kind != "full" else f"{'-':>9}"
        mean = f"{z.mean():9.2f}" if len(z) and kind != "full" else f"{'-':>9}"
        print(
            f"{kind:<14}{n:>7}{mean}{width}{np.median([one['error'] for one, _ in pairs]):>8.3f}{typical:>9.3f}"
            f"{np.median([one['cpu_seconds'] for one, _ in pairs]):>8.1f}  {dict(Counter(one['verdict'] for one, _ in pairs))}"
        )
        reasons = Counter(reason.split(":")[0][:100] for one, _ in pairs for reason in one["reasons"] or ())
        for reason, count in reasons.most_common(3):
            print(f"{'':<14}{count} x {reason}")


def main() -> None:
    """Do what is not done yet, then report on all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outdir", type=Path, default=Path("outdir/real_event_exactness"))
    parser.add_argument("--events", type=int, default=20)
    parser.add_argument("--effective", type=int, default=1000)
    parser.add_argument(
        "--full-draws", type=int, default=1500, help="number of draws of the proposal that are weighed on the full grid"
    )
    parser.add_argument("--spoilt", nargs="*", choices=SPOILT, default=list(SPOILT))
    parser.add_argument("--report", action="store_true", help="print the finished results, and run nothing")
    given = parser.parse_args()
    given.outdir.mkdir(parents=True, exist_ok=True)
    for index in range(given.events):
        path = given.outdir / f"{index:04d}.json"
        if path.exists() or given.report:
            continue
        one = event(index, given)
        half = path.with_suffix(".part")
        half.write_text(json.dumps(one, default=float))
        half.rename(path)
        print(
            f"event {index}", {name: round(run["log_bayes_factor"], 3) for name, run in one["runs"].items()}, flush=True
        )
    report([json.loads(path.read_text()) for path in sorted(given.outdir.glob("[0-9]*.json"))])


if __name__ == "__main__":
    main()
