"""GW150914 under several noise models: the run with its public curves, and one without the bands that they do not describe.

    python benchmarks/noise_gw150914.py --data-dir DIR --outdir outdir/noise_gw150914

``DIR`` has strain and noise curves (:mod:`real_event_cases`). Aligned spins, IMRPhenomXAS, H1 and L1, 4 s, 20 to 1024 Hz.
Prints evidences, verdicts, the noise in the band of the signal and CPU seconds, and writes the page of ``flowpe noise``.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import bilby
from real_event_cases import case_of

from bilby_flowpe.noise import compare, notched
from bilby_flowpe.noise.page import format_noise, write_page


def run(likelihood: Any, priors: Any, label: str, options: argparse.Namespace) -> Any:
    began = time.process_time()
    result = bilby.run_sampler(
        likelihood, priors.copy(), sampler="flowpe", n_effective=options.n_effective, label=label, outdir=str(options.outdir),
        sampling_seed=options.seed, search_time=options.search_time, progress=False,
    )  # fmt: skip
    said = result.meta_data["run_statistics"]
    print(
        f"{label}: {said['verdict']}, ln B {result.log_bayes_factor:.3f} +- {result.log_evidence_err:.3f}, "
        f"{said['effective_sample_size']:.0f} effective draws, {said['n_likelihood_evaluations']} evaluations, "
        f"{time.process_time() - began:.0f} CPU s"
    )
    print("    surprise", said["surprise"]["p_value"], said["surprise"]["scores"])
    for name, scale in said["noise_scale"].items():
        print(
            f"    {name}: noise over its curve {scale['factor']:.3f} +- {scale['scatter']:.3f}, p-value {scale['p_value']:.2g}"
        )
    for reason in said["reasons"]:
        print(f"    {reason}")
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--outdir", type=Path, default=Path("outdir/noise_gw150914"))
    parser.add_argument("--n-effective", type=int, default=4000)
    parser.add_argument("--search-time", type=float, default=3.0)
    parser.add_argument("--seed", type=int, default=3)
    options = parser.parse_args()
    likelihood, priors, _ = case_of("gw150914-aligned", options.data_dir)
    result = run(likelihood, priors, "curves_as_given", options)
    began = time.process_time()
    comparison = compare(result, likelihood)
    print(format_noise(comparison))
    print(f"    {time.process_time() - began:.0f} CPU s")
    print(write_page(comparison, options.outdir / "noise.html"))
    interferometers = notched(likelihood.interferometers, comparison.lines)
    better = bilby.gw.GravitationalWaveTransient(interferometers, likelihood.waveform_generator)
    print(format_noise(compare(run(better, priors, "lines_left_out", options), better)))


if __name__ == "__main__":
    main()
