"""Measure how the cost of a run without a network grows with duration, harmonics, detectors, loudness, mass ratio and spins.

    python benchmarks/real_event_growth.py --output growth.jsonl
    python benchmarks/real_event_growth.py --output growth.jsonl --only duration snr

There is one run for each value, in a separate process, with 1000 effective draws. All other settings are those of the first
case: 36 + 29 solar masses, precessing spins of 0.5, IMRPhenomXPHM, H1 and L1, 4 s, network signal-to-noise ratio 15. Longer
data have lighter binaries, which fill them from 20 Hz on. The prior of the chirp mass is from 0.8 to 1.2 times the true value.
Finished runs in the file are not run again. If a run ends with an error or the verdict ``failed``, or takes too long, its line
says so.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

BASE: dict[str, Any] = {
    "duration": 4.0, "chirp_mass": 28.1, "mass_ratio": 0.8, "spin": 0.5, "snr": 15.0, "approximant": "IMRPhenomXPHM",
    "detectors": ("H1", "L1"),
}  # fmt: skip
# Chirp masses (solar masses, detector frame) of binaries that are a little shorter than the data, from 20 Hz on.
FILLS = {4: 28.1, 8: 11.0, 16: 6.5, 32: 4.2, 64: 2.8, 128: 1.8}
VARIED: dict[str, dict[str, dict[str, Any]]] = {
    "duration": {f"{seconds} s": {"duration": float(seconds), "chirp_mass": FILLS[seconds]} for seconds in FILLS},
    "harmonics": {
        name: {"approximant": name} for name in ("IMRPhenomXAS", "IMRPhenomXHM", "IMRPhenomXP", "IMRPhenomXPHM")
    },
    "detectors": {" ".join(names): {"detectors": names} for names in (("H1",), ("H1", "L1"), ("H1", "L1", "V1"))},
    "snr": {f"{value}": {"snr": float(value)} for value in (8, 15, 30, 60)},
    "mass ratio": {
        f"1:{value}": {"mass_ratio": 1 / value, "chirp_mass": mass, "duration": seconds}
        for value, mass, seconds in ((1.25, 28.1, 4.0), (4, 20.0, 4.0), (10, 14.0, 8.0), (18, 11.0, 8.0))
    },
    "spin": {f"{value}": {"spin": value} for value in (0.1, 0.5, 0.9, 0.99)},
}
LONGEST = 1500.0  # seconds of one run
SEED = 70_000


def child(values: dict[str, Any], effective: int, max_time: float, settings: dict[str, Any]) -> dict[str, Any]:
    """Make one run, and return its figures."""
    import bilby
    from bilby.gw.conversion import chirp_mass_and_mass_ratio_to_component_masses as components
    from bilby.gw.detector import InterferometerList
    from bilby.gw.prior import UniformInComponentsChirpMass, UniformInComponentsMassRatio
    from real_event_cases import TRUTH, generator_of, priors_of, put_injection
    from real_event_run import cpu_seconds

    aligned = values["approximant"] in ("IMRPhenomXAS", "IMRPhenomXHM")
    heavy, light = components(values["chirp_mass"], values["mass_ratio"])
    truth = TRUTH | {"mass_1": heavy, "mass_2": light, "a_1": values["spin"], "a_2": values["spin"] / 2}
    if aligned:
        truth |= dict.fromkeys(("tilt_1", "tilt_2", "phi_12", "phi_jl"), 0.0)
    generator = generator_of(values["approximant"], values["duration"])
    interferometers = InterferometerList(list(values["detectors"]))
    truth = put_injection(interferometers, generator, truth, values["snr"], SEED, values["duration"])
    priors = priors_of("xphm-aligned" if aligned else "xphm")
    mass = values["chirp_mass"]
    priors["chirp_mass"] = UniformInComponentsChirpMass(0.8 * mass, 1.2 * mass, name="chirp_mass")
    priors["mass_ratio"] = UniformInComponentsMassRatio(min(0.125, values["mass_ratio"] / 1.3), 1, name="mass_ratio")
    far = truth["luminosity_distance"]
    priors["luminosity_distance"] = bilby.core.prior.PowerLaw(2, far / 20, 3 * far, name="luminosity_distance")
    likelihood = bilby.gw.GravitationalWaveTransient(interferometers, generator)
    began = cpu_seconds()
    for step in range(10):
        likelihood.log_likelihood_ratio({**truth, "phase": truth["phase"] + 0.1 * step})
    milliseconds = 100 * (cpu_seconds() - began)
    began = cpu_seconds()
    result = bilby.run_sampler(
        likelihood, priors, sampler="flowpe", network="none", npool=1, n_effective=effective, sampling_seed=1, save=False,
        resume=False, clean=True, progress=False, max_time=max_time, outdir="outdir/real_event_growth",
        label="growth", **settings,
    )  # fmt: skip
    statistics = result.meta_data["run_statistics"]
    kept = ("verdict", "reasons", "n_coarse_evaluations", "coarse_efficiency", "efficiency")
    return {
        "cpu_seconds": cpu_seconds() - began, "evaluations": int(result.num_likelihood_evaluations),
        "likelihood_ms": milliseconds,
        "effective": statistics["effective_sample_size"], "log_bayes_factor": float(result.log_bayes_factor),
        "error": float(result.log_evidence_err), **{key: statistics.get(key) for key in kept},
    }  # fmt: skip


def run(name: str, value: str, given: argparse.Namespace) -> dict[str, Any]:
    """The child's line, or what it said at its end."""
    values = BASE | VARIED[name][value]
    line = [sys.executable, __file__, "--child", json.dumps(values), "--effective", str(given.effective)]
    line += ["--max-time", str(given.max_time), "--settings", given.settings]
    try:
        done = subprocess.run(line, capture_output=True, text=True, timeout=LONGEST)
    except subprocess.TimeoutExpired:
        return {"varied": name, "value": value, "said": f"not at its end after {LONGEST:g} s"}
    lines = [one for one in done.stdout.splitlines() if one.startswith("FOUND ")]
    if done.returncode or not lines:
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        return {"varied": name, "value": value, "said": f"exit {done.returncode}: {said}"}
    return {"varied": name, "value": value, **json.loads(lines[-1][6:])}


def printed(one: dict[str, Any]) -> str:
    head = f"{one['varied']:<12}{one['value']:<16}"
    if "said" in one:
        return f"{head}{one['said']}"
    quality = one["coarse_efficiency"]
    return (
        f"{head}{one['cpu_seconds']:>8.1f}{one['likelihood_ms']:>8.1f}{one['evaluations']:>9}"
        f"{one['n_coarse_evaluations'] or 0:>10}"
        f"{np.nan if quality is None else quality:>8.3f}{one['effective']:>8.0f}{one['log_bayes_factor']:>10.2f} +- "
        f"{one['error']:<7.3f}{one['verdict']}"
        + "".join(f"; {reason}" for reason in (one["reasons"] or ())[:2] if one["verdict"] != "reliable")
    )


def main() -> None:
    """Run what is not in the file, print all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("growth.jsonl"))
    parser.add_argument("--only", nargs="+", choices=VARIED, default=list(VARIED))
    parser.add_argument("--effective", type=int, default=1000)
    parser.add_argument("--max-time", type=float, default=600.0, help="seconds that a run may draw and refine")
    parser.add_argument("--settings", default="{}", help="more arguments of the sampler, as JSON")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        print(
            "FOUND "
            + json.dumps(
                child(json.loads(given.child), given.effective, given.max_time, json.loads(given.settings)),
                default=float,
            )
        )
        return
    kept = [json.loads(line) for line in given.output.read_text().splitlines()] if given.output.exists() else []
    print(
        f"{'':<28}{'CPU s':>8}{'ms each':>8}{'exact':>9}{'coarse':>10}{'quality':>8}{'eff.':>8}{'ln Z':>10}    error  verdict\n"
        "(ms each: of the user's likelihood; quality: coarse_efficiency)"
    )
    for name in given.only:
        for value in VARIED[name]:
            one = next((one for one in kept if (one["varied"], one["value"]) == (name, value)), None)
            if one is None:
                one = run(name, value, given)
                with given.output.open("a") as file:
                    file.write(json.dumps(one) + "\n")
            print(printed(one), flush=True)


if __name__ == "__main__":
    main()
