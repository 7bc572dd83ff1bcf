"""The same simulated event by flowpe and by dynesty, side by side.

    python examples/against_dynesty.py --seed 20 --outdir outdir/against_dynesty

dynesty runs with Bilby's defaults (1000 live points) on exactly the same objects and takes about twenty minutes on two
cores; it resumes where it was stopped, and a finished run is used again. Prints the one-dimensional Jensen-Shannon divergences
beside their floor, the difference of the evidences and what either cost; draws both posteriors over each other.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import bilby
import numpy as np

from bilby_flowpe.problems import START_TIME, green2020


def main() -> None:
    """Run both, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parameters", type=int, choices=(5, 8), default=5)
    parser.add_argument("--seed", type=int, default=20, help="seed of the signal and of the noise")
    parser.add_argument("--model", help="name or folder of a model; found or trained when left out")
    parser.add_argument("--npool", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--outdir", type=Path, default=Path("outdir/against_dynesty"))
    arguments = parser.parse_args()
    from bilby_flowpe.plotting import plot_comparison
    from bilby_flowpe.validation.comparison import compare_results, format_comparison

    likelihood, priors = green2020(parameters=arguments.parameters, seed=arguments.seed)
    common = {
        "likelihood": likelihood,
        "priors": priors,
        "outdir": str(arguments.outdir),
        "injection_parameters": likelihood.injection_parameters,
        "npool": arguments.npool,
        "sampling_seed": arguments.seed,
    }
    referee = bilby.run_sampler(sampler="dynesty", nlive=1000, label="dynesty", **common)
    result = bilby.run_sampler(sampler="flowpe", model=arguments.model, label="flowpe", clean=True, **common)
    comparison = compare_results(result, referee, np.random.default_rng(0))
    (arguments.outdir / "comparison.json").write_text(json.dumps(comparison, indent=1) + "\n")
    print(format_comparison(comparison, "dynesty"))
    keys = result.search_parameter_keys
    plot_comparison(
        {"dynesty": referee.posterior, "flowpe": result.posterior},
        keys,
        arguments.outdir / "against_dynesty.png",
        labels={key: priors[key].latex_label_with_unit for key in keys},
        truths=likelihood.injection_parameters,
        offsets={"geocent_time": START_TIME},
    )


if __name__ == "__main__":
    main()
