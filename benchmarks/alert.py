"""Time a warm alert, from strain to posterior and sky map, by stages, and compare it with a full run on the same data.

    python benchmarks/alert.py --outdir DIR --data-dir DIR
    python benchmarks/alert.py --outdir DIR --table

The events are GW150914 from its public strain in H1 and L1 (``gw150914``, with noise curves estimated from earlier data), and
simulated events of ``families_events.py`` in two detectors (``hl-N``) and in three (``hlv-N``): the first three of each with a
mass ratio within the prior. These are given as interferometers, with the event's own range of chirp masses as the prior. Other
priors are Bilby's default ones of aligned spins, with distances from 50 Mpc on. The process is warm before the clock starts.

Each event is analysed twice with the same settings, with 300 effective draws for the alert and 5000 for the full run. Results
are lines of JSON in ``DIR/runs.jsonl``; finished ones are not computed again. CPU seconds are those of this process, also for
the stages inside the sampler.

For each event, the script prints CPU seconds by stage, shifts of the medians in standard deviations of the full run, the
Jensen-Shannon divergences of the marginals with the values that chance gives for these numbers of rows, the areas of the maps,
and the difference of ln Z in units of both errors.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when NumPy is loaded, below

import bilby
import numpy as np
from families_events import event_of

from bilby_flowpe import coarse_choice, model_choice
from bilby_flowpe.alert import Alert
from bilby_flowpe.results import statistics_of
from bilby_flowpe.sampling import event as event_stages
from bilby_flowpe.validation import compare_marginals

EVENTS = ("gw150914", "hl-3", "hl-6", "hl-9", "hlv-1", "hlv-4", "hlv-10")
GW150914, RANGE = 1126259462.4, (20.0, 45.0)
SIMULATED_AT = 1126259462.0
KEYS = ("chirp_mass", "mass_ratio", "chi_eff", "luminosity_distance", "theta_jn", "ra", "dec", "geocent_time")
EFFECTIVE = {"alert": 300, "full": 5000}
DISTANCES = 50.0, 5000.0  # Mpc: families_events has nearer binaries than Bilby's default prior
SEED = 1


def analyst(effective: int, warm: bool) -> Alert:
    priors = bilby.gw.prior.BBHPriorDict(filename="aligned_spins_bbh.prior")
    for key in ("mass_1", "mass_2"):
        priors.pop(key)
    priors["luminosity_distance"] = bilby.gw.prior.UniformSourceFrame(*DISTANCES, name="luminosity_distance")
    settings = {"n_effective": effective, "n_posterior": effective, "sampling_seed": SEED}
    return Alert(priors, warm=warm, settings=settings)


def analysed(name: str, alert: Alert, data_dir: Path, outdir: Path) -> Any:
    if name == "gw150914":
        return alert.analyse(data_dir, GW150914, RANGE, outdir=outdir, label=name)
    simulated = event_of("bbh-aligned", int(name.split("-")[1]))
    limits = simulated.priors["chirp_mass"]
    interferometers = simulated.likelihood.interferometers
    return alert.analyse(interferometers, SIMULATED_AT, (limits.minimum, limits.maximum), outdir=outdir, label=name)


def count_by_the_processors() -> None:
    """Seconds of the sampler's stages are those of the processor, not of a wall clock that other jobs hold up."""
    clock = SimpleNamespace(monotonic=time.process_time)
    for module in (coarse_choice, model_choice, event_stages):
        module.time = clock  # type: ignore[attr-defined]


def line(name: str, kind: str, found: Any, folder: Path) -> dict[str, Any]:
    result, said = found.result, statistics_of(found.result)
    rows = {key: result.posterior[key].to_numpy().tolist() for key in KEYS}
    (folder / f"{name}_{kind}.json").write_text(json.dumps(rows))
    sky = found.sky_map
    return {
        "event": name,
        "kind": kind,
        "cpu": found.timing()["cpu"],
        "cpu_total": found.timing()["cpu_total"],
        "stages": {key: value for key, value in said["seconds"].items() if key != "total"},
        "verdict": found.verdict,
        "effective": said["effective_sample_size"],
        "evaluations": said["n_likelihood_evaluations"],
        "rows": len(result.posterior),
        "ln_bayes_factor": result.log_bayes_factor,
        "ln_bayes_factor_err": result.log_evidence_err,
        "network": "refinement" not in said["seconds"],
        "areas": None if sky is None else [sky.area(0.5), sky.area(0.9)],
    }


def run(names: list[str], data_dir: Path, outdir: Path) -> None:
    outdir.mkdir(parents=True, exist_ok=True)
    file = outdir / "runs.jsonl"
    done = {(one["event"], one["kind"]) for one in read(file)}
    left = [(name, kind) for name in names for kind in EFFECTIVE if (name, kind) not in done]
    if not left:
        return
    warm = analyst(EFFECTIVE["alert"], warm=True)
    analysts = {"alert": warm, "full": analyst(EFFECTIVE["full"], warm=False)}
    count_by_the_processors()
    for name, kind in left:
        found = analysed(name, analysts[kind], data_dir, outdir / kind)
        with file.open("a") as out:
            out.write(json.dumps(line(name, kind, found, outdir)) + "\n")
        print(f"{name} {kind}: {found.timing()['cpu_total']:.1f} CPU s, {found.verdict}", flush=True)


def read(file: Path) -> list[dict[str, Any]]:
    return [json.loads(one) for one in file.read_text().splitlines()] if file.is_file() else []


def table(outdir: Path) -> None:
    runs = {(one["event"], one["kind"]): one for one in read(outdir / "runs.jsonl")}
    names = [name for name in EVENTS if all((name, kind) in runs for kind in EFFECTIVE)]
    stages = list(dict.fromkeys(key for name in names for key in runs[name, "alert"]["stages"]))
    print(f"{'CPU seconds of the alert':<26}" + "".join(f"{name:>10}" for name in names) + f"{'median':>10}")
    outer = list(dict.fromkeys(key for name in names for key in runs[name, "alert"]["cpu"]))
    for where, keys in (("cpu", outer), ("stages", stages)):
        for key in keys:
            values = [runs[name, "alert"][where].get(key, 0.0) for name in names]
            text = key if where == "cpu" else f"  of it {key}"
            print(f"{text:<26}" + "".join(f"{value:>10.2f}" for value in (*values, np.median(values))))
    for kind in EFFECTIVE:
        values = [runs[name, kind]["cpu_total"] for name in names]
        print(f"{'all, ' + kind:<26}" + "".join(f"{value:>10.2f}" for value in (*values, np.median(values))))
    rng = np.random.default_rng(0)
    print(
        f"\n{'':<10}{'verdicts':>20}{'effective':>16}{'largest shift':>15}{'rms shift':>11}{'largest JSD':>13}{'floor 90%':>12}"
        f"{'least p':>9}{'ln Z':>9}{'areas 50%, 90% [deg2]':>32}"
    )
    everything = []
    for name in names:
        alert, full = (runs[name, kind] for kind in ("alert", "full"))
        rows = [
            {key: np.array(x) for key, x in json.loads((outdir / f"{name}_{kind}.json").read_text()).items()}
            for kind in ("alert", "full")
        ]
        shifts = np.array([(np.median(rows[0][key]) - np.median(rows[1][key])) / np.std(rows[1][key]) for key in KEYS])
        everything.extend(shifts)
        compared = compare_marginals(*rows, KEYS, rng)
        worst = max(compared, key=lambda key: compared[key]["jsd"])
        errors = np.hypot(alert["ln_bayes_factor_err"], full["ln_bayes_factor_err"])
        moved = (alert["ln_bayes_factor"] - full["ln_bayes_factor"]) / errors
        areas = [" ".join(f"{x:.4g}" for x in one["areas"] or ()) for one in (alert, full)]
        print(
            f"{name:<10}{alert['verdict'] + ', ' + full['verdict']:>20}{alert['effective']:>8.0f}{full['effective']:>8.0f}"
            f"{shifts[np.argmax(np.abs(shifts))]:>15.3f}{np.sqrt(np.mean(shifts**2)):>11.3f}{compared[worst]['jsd']:>13.4f}"
            f"{compared[worst]['floor_90']:>12.4f}{min(x['p_value'] for x in compared.values()):>9.3f}{moved:>9.2f}"
            f"{' against '.join(areas):>32}"
        )
    if everything:
        print(f"rms shift of all medians: {np.sqrt(np.mean(np.square(everything))):.3f} standard deviations")


def main() -> None:
    """Run what is left, then print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", nargs="+", default=list(EVENTS))
    parser.add_argument(
        "--data-dir", type=Path, default=Path("data/GW150914"), help="folder of GW150914's strain files"
    )
    parser.add_argument("--outdir", type=Path, default=Path("outdir/alert_benchmark"))
    parser.add_argument("--table", action="store_true", help="print the finished results, and run nothing")
    given = parser.parse_args()
    bilby.core.utils.logger.setLevel("ERROR")
    if not given.table:
        run(given.events, given.data_dir, given.outdir)
    table(given.outdir)


if __name__ == "__main__":
    main()
