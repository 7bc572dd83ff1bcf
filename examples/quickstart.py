"""One simulated binary black hole, from Bilby objects to posterior and evidence in seconds.

    python examples/quickstart.py

The five-parameter problem of Green, Simpson and Gair (2020) as plain Bilby objects, analysed with the network that ships with
the package. The same two objects can be handed to dynesty: change the name of the sampler.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import bilby
import numpy as np

from bilby_flowpe.problems import START_TIME, green2020


def table(result: bilby.core.result.Result) -> str:
    """What came out, beside what was put in."""
    statistics = result.meta_data["run_statistics"]
    lines = ["", f"{'parameter':<22}{'injected':>12}{'median':>12}   90% interval"]
    for key in result.search_parameter_keys:
        offset = START_TIME if key == "geocent_time" else 0.0
        low, middle, high = np.quantile(result.posterior[key], [0.05, 0.5, 0.95]) - offset
        name = f"{key} - {START_TIME:.0f}" if offset else key
        lines.append(
            f"{name:<25}{result.injection_parameters[key] - offset:>9.4g}{middle:>12.5g}   [{low:.5g}, {high:.5g}]"
        )
    seconds = ", ".join(f"{stage} {value:.2f}" for stage, value in statistics["seconds"].items())
    lines += [
        "",
        f"ln Z (signal against noise)  {result.log_bayes_factor:.3f} +- {result.log_evidence_err:.3f}",
        f"sample efficiency            {statistics['efficiency']:.3f}",
        f"effective samples            {statistics['effective_sample_size']:.0f} of {statistics['n_draws']} draws",
        f"likelihood evaluations       {result.num_likelihood_evaluations}",
        f"verdict                      {statistics['verdict']}" + "".join(f"; {r}" for r in statistics["reasons"]),
        f"seconds                      {seconds}",
    ]
    return "\n".join(lines)


def main() -> None:
    """Analyse, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=20, help="seed of the signal and of the noise")
    parser.add_argument("--outdir", type=Path, default=Path("outdir/quickstart"))
    parser.add_argument("--npool", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()

    began = time.monotonic()
    likelihood, priors = green2020(parameters=5, seed=arguments.seed)
    result = bilby.run_sampler(
        likelihood,
        priors,
        sampler="flowpe",
        outdir=str(arguments.outdir),
        label="quickstart",
        npool=arguments.npool,
        sampling_seed=arguments.seed,
        injection_parameters=likelihood.injection_parameters,
        clean=True,
    )
    print(table(result))
    from bilby_flowpe.plotting import plot_comparison

    keys = result.search_parameter_keys
    picture = plot_comparison(
        {"flowpe": result.posterior},
        keys,
        arguments.outdir / "quickstart_corner.png",
        labels={key: priors[key].latex_label_with_unit for key in keys},
        truths=likelihood.injection_parameters,
        offsets={"geocent_time": START_TIME},
    )
    print(f"corner plot                  {picture}\nall of it took               {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    main()
