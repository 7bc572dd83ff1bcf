"""Make a run of ``real_event.py`` with cogwheel (tested with cogwheel-pe 1.6.0), in a separate environment.

    python benchmarks/real_event_run.py gw150914-aligned data --outdir DIR --data-dir DIR
    python benchmarks/real_event_cogwheel.py gw150914-aligned --outdir DIR --output FILE

The first command writes strain and noise curves as in Bilby's likelihood. cogwheel uses them without its correction of the
noise curve by the drift factor. All extrinsic parameters are integrated out at each point, all harmonics are used, and nautilus
samples masses and spins. Effective samples are Kish's number of nautilus's weights; each sample is a point of masses and spins
with one draw of the other parameters.

There are some differences from the other samplers: spin magnitudes are up to 1 instead of 0.99, distances from 0 instead of 50
Mpc, times have no bounds (their density is that of the 0.2 s of the others), and relative binning uses a reference wave that
cogwheel chooses. The logarithm of the volume of the sampled box is subtracted from nautilus's log evidence. The profiler in
``Sampler.run`` is switched off.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path

_BEGAN = time.perf_counter()

import numpy as np  # noqa: E402

PRIORS = {
    "gw150914-aligned": ("IMRPhenomXAS", "IntrinsicAlignedSpinLVCPrior"),
    "gw150914-xphm": ("IMRPhenomXPHM", "IntrinsicLVCPrior"),
}
CHIRP_MASSES, LEAST_RATIO, FARTHEST, WINDOW = (20.0, 45.0), 0.125, 2000.0, 0.2
GUESS = 30.0  # solar masses, chirp mass from which cogwheel looks for its reference


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def event_of(path: Path):
    """Cogwheel's event of strain and curves written by ``real_event_run.py``."""
    from cogwheel.data import EventData

    with np.load(path) as kept:
        data = {key: kept[key] for key in kept.files}
    inside = data["mask"] & np.isfinite(data["asd"]) & (data["asd"] > 0)
    filters = np.where(inside, 1 / np.where(inside, data["asd"], 1.0), 0.0)
    trigger, start = float(data["trigger"]), float(data["start"])
    return EventData(path.stem, data["frequencies"], data["strain"], filters, ("H", "L"), trigger, trigger - start)


def main() -> None:
    """Run, print the line, append it to a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", choices=PRIORS)
    parser.add_argument("--outdir", type=Path, required=True)
    parser.add_argument("--output", type=Path, help="file of JSON lines that this one is appended to")
    parser.add_argument("--tag", default="")
    parser.add_argument("--nlive", type=int, default=1000)
    parser.add_argument("--effective", type=int, default=5000, help="nautilus's n_eff")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    import pandas
    from cogwheel import __version__ as version
    from cogwheel.posterior import Posterior
    from cogwheel.sampling import Nautilus

    event = event_of(given.outdir / f"{given.case}_data.npz")
    approximant, prior = PRIORS[given.case]
    before = cpu_seconds()
    posterior = Posterior.from_event(
        event, GUESS, approximant, prior,
        prior_kwargs={"mchirp_range": CHIRP_MASSES, "q_min": LEAST_RATIO, "f_ref": 20.0},
        likelihood_kwargs={"coherent_score": {"lookup_table": {"d_luminosity_max": FARTHEST}}},
        ref_wf_finder_kwargs={"mchirp_range": CHIRP_MASSES, "f_ref": 20.0, "time_range": (-0.1, 0.1)},
    )  # fmt: skip
    # Where cogwheel finds more or less noise than the curve has, it corrects the curve: the others do not.
    posterior.likelihood.asd_drift = None
    posterior.likelihood._max_lnl_marginalized = -np.inf
    prepared = cpu_seconds()
    sampler = Nautilus(
        posterior, run_kwargs={"n_live": given.nlive, "n_eff": given.effective, "seed": given.seed, "verbose": False}
    )
    sampler._run()
    samples = sampler.load_samples()
    weights = samples["weights"].to_numpy()
    box = float(np.sum(np.log(posterior.prior.folded_cubesize)))
    kish = float(weights.sum() ** 2 / np.sum(weights**2))
    # Rows of equal weight, none of them twice.
    accepted = weights > weights.max() * np.random.default_rng(given.seed).uniform(size=len(weights))
    rows = samples[accepted].reset_index(drop=True)
    after = cpu_seconds()
    path = given.outdir / f"{given.case}_cogwheel{given.tag}.npz"
    np.savez_compressed(path, **as_bilby(rows, event.tgps))
    pandas.DataFrame(rows).to_feather(path.with_suffix(".feather"))
    record = {
        "case": given.case, "sampler": "cogwheel", "seed": given.seed, "cpu_seconds": after, "cpu_before": before,
        "cpu_reference": prepared - before,
        "wall_seconds": time.perf_counter() - _BEGAN,
        "log_bayes_factor": float(sampler.sampler.log_z) + box - np.log(WINDOW),
        "error": float(1 / np.sqrt(sampler.sampler.n_eff)), "effective": kish, "evaluations": int(sampler.sampler.n_like),
        "rows": len(rows), "samples": str(path),
        "settings": {"nlive": given.nlive, "n_eff": given.effective, "prior": prior, "version": version},
    }  # fmt: skip
    line = json.dumps(record, default=float)
    print(line)
    if given.output:
        with given.output.open("a") as file:
            file.write(line + "\n")


def as_bilby(rows, trigger: float) -> dict[str, np.ndarray]:
    """The parameters that both have, by Bilby's names."""
    m1, m2 = rows["m1"].to_numpy(), rows["m2"].to_numpy()
    found = {"chirp_mass": (m1 * m2) ** 0.6 / (m1 + m2) ** 0.2, "mass_ratio": m2 / m1, "ra": rows["ra"] % (2 * np.pi)}
    found |= {
        "dec": rows["dec"],
        "luminosity_distance": rows["d_luminosity"],
        "geocent_time": rows["t_geocenter"] + trigger,
    }
    if "s1x_n" in rows and np.any(rows["s1x_n"] != 0):
        for index in (1, 2):
            x, y, z = (rows[f"s{index}{axis}"].to_numpy() for axis in ("x_n", "y_n", "z"))
            found[f"a_{index}"] = np.sqrt(x**2 + y**2 + z**2)
            found[f"tilt_{index}"] = np.arccos(z / found[f"a_{index}"])
        if "costheta_jn" in rows:
            found["theta_jn"] = np.arccos(rows["costheta_jn"])
    else:
        found |= {"chi_1": rows["s1z"], "chi_2": rows["s2z"], "theta_jn": rows["iota"], "psi": rows["psi"] % np.pi}
    return {key: np.asarray(value, dtype=float) for key, value in found.items()}


if __name__ == "__main__":
    main()
