"""Run one sampler on one case of ``real_event.py``, in a separate process, and write the result as a line of JSON.

    python benchmarks/real_event_run.py CASE SAMPLER --outdir DIR --data-dir DIR

The samplers are ``flowpe`` (nothing is trained; it is the version that Python finds first), ``dynesty`` with relative binning
and distances integrated out, for waves of one |m| also phases, and ``nessai`` with the same; ``data`` runs nothing and writes
strain and curves for cogwheel.

Effective samples are Kish's number, the square of the sum of the weights over the sum of their squares, of flowpe's
weighted draws, and of the nested samples of nested samplers.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path
from typing import Any

_BEGAN = time.perf_counter()

import bilby  # noqa: E402
import numpy as np  # noqa: E402
from bilby.gw.conversion import generate_posterior_samples_from_marginalized_likelihood  # noqa: E402
from real_event_cases import CASES, START, TRIGGER, approximant_of, case_of  # noqa: E402

_FIDUCIAL = {
    "mass_1": 37.22, "mass_2": 34.48, "luminosity_distance": 482.0, "theta_jn": 3.11, "ra": 1.2955, "dec": -1.2258,
    "psi": 0.061, "phase": 3.001, "geocent_time": 1126259462.41213,
}  # fmt: skip
"""The best fit of GW150914 with aligned spins but for these: relative binning takes differences to it."""
_NO_SPIN = {
    "gw150914-aligned": {"chi_1": 0.0, "chi_2": 0.0},
    "gw150914-xphm": dict.fromkeys(("a_1", "a_2", "tilt_1", "tilt_2", "phi_12", "phi_jl"), 0.0),
}


def cpu_seconds() -> float:
    """Return the CPU seconds of this process and of child processes that have ended."""
    return sum(
        used.ru_utime + used.ru_stime
        for used in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    )


def kish(log_weights: np.ndarray) -> float:
    weights = np.exp(log_weights - np.max(log_weights))
    return float(weights.sum() ** 2 / np.sum(weights**2))


def flowpe(
    likelihood: Any, priors: Any, truth: Any, case: str, given: argparse.Namespace
) -> tuple[Any, dict[str, Any]]:
    """This package, nothing trained."""
    settings: dict[str, Any] = {"n_effective": given.effective, "max_likelihood_evaluations": given.evaluations}
    settings |= {"network": "none"} | json.loads(given.settings)
    result = bilby.run_sampler(
        likelihood, priors, sampler="flowpe", npool=1, outdir=str(given.outdir / f"{case}_flowpe{given.tag}"),
        label=case, sampling_seed=given.seed, save=False, resume=False, clean=True, **settings,
    )  # fmt: skip
    statistics = result.meta_data["run_statistics"]
    return result, {
        "effective": statistics["effective_sample_size"],
        "evaluations": result.num_likelihood_evaluations,
        "statistics": statistics,
        "settings": settings,
    }


def binned(likelihood: Any, priors: Any, truth: dict[str, float] | None, case: str, folder: Path) -> Any:
    """Bilby's relative binning of the same data, with what has a closed form integrated out."""
    fiducial = dict(truth or _FIDUCIAL | _NO_SPIN[case])
    generator = likelihood.waveform_generator
    pair = bilby.gw.WaveformGenerator(
        duration=generator.duration, sampling_frequency=generator.sampling_frequency, start_time=generator.start_time,
        frequency_domain_source_model=bilby.gw.source.lal_binary_black_hole_relative_binning,
        parameter_conversion=bilby.gw.conversion.convert_to_lal_binary_black_hole_parameters,
        waveform_arguments=dict(generator.waveform_arguments),
    )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    return bilby.gw.likelihood.RelativeBinningGravitationalWaveTransient(
        likelihood.interferometers, pair, fiducial_parameters=fiducial, update_fiducial_parameters=False, priors=priors,
        phase_marginalization=approximant_of(case) == "IMRPhenomXAS", distance_marginalization=True,
        distance_marginalization_lookup_table=str(folder / "distances.npz"), reference_frame="H1L1", time_reference="H1",
        epsilon=0.1 if approximant_of(case) == "IMRPhenomXPHM" else 0.25,
    )  # fmt: skip


def nested(
    likelihood: Any, priors: Any, truth: Any, case: str, given: argparse.Namespace
) -> tuple[Any, dict[str, Any]]:
    """dynesty or nessai, Bilby's way, on relative binning."""
    folder = given.outdir / f"{case}_{given.sampler}{given.tag}"
    fewer = bilby.core.prior.PriorDict.copy(priors)
    before = cpu_seconds()
    other = binned(likelihood, fewer, truth, case, folder)
    table = cpu_seconds() - before
    fewer.pop("ra"), fewer.pop("dec"), fewer.pop("geocent_time")
    middle = priors["geocent_time"]
    fewer["zenith"] = bilby.core.prior.Sine(name="zenith")
    fewer["azimuth"] = bilby.core.prior.Uniform(0, 2 * np.pi, boundary="periodic", name="azimuth")
    fewer["H1_time"] = bilby.core.prior.Uniform(middle.minimum, middle.maximum, name="H1_time")
    settings: dict[str, Any] = {"nlive": given.nlive, **json.loads(given.settings)}
    seed = {"sampling_seed": given.seed, "npool": 1, "check_point_plot": False}
    if given.sampler == "nessai":
        seed = {"seed": given.seed, "plot": False, "n_pool": None}
    result = bilby.run_sampler(
        other, fewer, sampler=given.sampler, outdir=str(folder), label=case, save=False, resume=False, clean=True,
        **seed, **settings,
    )  # fmt: skip
    log_weights = np.log(np.maximum(result.nested_samples["weights"].to_numpy(), 1e-300))
    sampled = cpu_seconds()
    result.posterior = generate_posterior_samples_from_marginalized_likelihood(
        _with_sky(result.posterior, other), other
    )
    return result, {
        "effective": kish(log_weights),
        "evaluations": result.num_likelihood_evaluations,
        "cpu_table": table,
        "cpu_reconstruction": cpu_seconds() - sampled,
        "settings": settings,
    }


def _with_sky(posterior: Any, likelihood: Any) -> Any:
    """The posterior with right ascension, declination and the time at the Earth's centre."""
    rows = [likelihood.get_sky_frame_parameters(dict(row)) for row in posterior.to_dict("records")]
    for key in ("ra", "dec", "geocent_time"):
        posterior[key] = [row[key] for row in rows]
    return posterior


def write_data(likelihood: Any, path: Path) -> None:
    """Strain and noise curves of all detectors."""
    detectors = likelihood.interferometers
    np.savez(
        path, frequencies=detectors[0].frequency_array, trigger=TRIGGER, start=START,
        strain=np.array([one.frequency_domain_strain for one in detectors]),
        asd=np.array([one.amplitude_spectral_density_array for one in detectors]),
        mask=np.array([one.frequency_mask for one in detectors]),
    )  # fmt: skip


def main() -> None:
    """Run, print the line, append it to a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("sampler", choices=("flowpe", "dynesty", "nessai", "data"))
    parser.add_argument("--outdir", type=Path, required=True)
    parser.add_argument(
        "--data-dir", type=Path, required=True, help="folder of the strain and noise curves of GW150914"
    )
    parser.add_argument("--output", type=Path, help="file of JSON lines that this one is appended to")
    parser.add_argument("--name", help="name of the sampler in the table")
    parser.add_argument("--tag", default="", help="text that is added to names of files")
    parser.add_argument("--effective", type=int, default=5000, help="flowpe's n_effective")
    parser.add_argument("--evaluations", type=int, default=1_000_000, help="flowpe's max_likelihood_evaluations")
    parser.add_argument("--nlive", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--settings", default="{}", help="more arguments of the sampler, as JSON")
    given = parser.parse_args()
    given.outdir.mkdir(parents=True, exist_ok=True)
    likelihood, priors, truth = case_of(given.case, given.data_dir)
    if given.sampler == "data":
        write_data(likelihood, given.outdir / f"{given.case}_data.npz")
        return
    before = cpu_seconds()
    result, found = (flowpe if given.sampler == "flowpe" else nested)(likelihood, priors, truth, given.case, given)
    after = cpu_seconds()
    samples = given.outdir / f"{given.case}_{given.name or given.sampler}{given.tag}.npz"
    keys = [key for key in priors if key in result.posterior]
    np.savez_compressed(samples, **{key: result.posterior[key].to_numpy(dtype=float) for key in keys})
    record = {
        "case": given.case, "sampler": given.name or given.sampler, "seed": given.seed, "cpu_seconds": after,
        "cpu_before": before, "wall_seconds": time.perf_counter() - _BEGAN, "log_bayes_factor": float(result.log_bayes_factor),
        "error": float(result.log_evidence_err), "rows": len(result.posterior), "samples": str(samples), **found,
    }  # fmt: skip
    line = json.dumps(record, default=float)
    print(line)
    if given.output:
        with given.output.open("a") as file:
            file.write(line + "\n")


if __name__ == "__main__":
    main()
