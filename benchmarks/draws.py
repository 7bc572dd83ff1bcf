"""Time draws from models for one event: the network applied to the data, and draws of its parameters.

    python benchmarks/draws.py green2020-5d-cvae+-joint green2020-8d-cvae+ --draws 50000 10000

It prints seconds of wall time, the shortest of some repetitions, with torch's default number of threads. Parameters with exact
conditionals are drawn together with the likelihood, and are not included.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from bilby.core.utils import logger

from bilby_flowpe.model import find_model
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.problems import green2020


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", help="names or folders of models of the paper's problems")
    parser.add_argument(
        "--draws",
        type=int,
        nargs=2,
        default=(50_000, 10_000),
        help="numbers of draws for the 5-D and for the 8-D problem",
    )
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    logger.setLevel("WARNING")
    print(f"{torch.get_num_threads()} threads")
    for name in arguments.models:
        model = find_model(name)
        parameters = 8 if "chi_1" in model.coordinates.keys else 5
        size = arguments.draws[parameters == 8]
        likelihood, priors = green2020(parameters=parameters, seed=1)
        transform = PriorTransform(priors)
        binding, drawing = [], []
        for seed in range(arguments.repeats):
            began = time.perf_counter()
            bound = model.bind(likelihood, transform)
            bound_at = time.perf_counter()
            rng = np.random.default_rng(seed)
            bound.inverse(rng.standard_normal((size, len(bound.keys) + len(bound.latent))), rng)
            binding.append(bound_at - began)
            drawing.append(time.perf_counter() - bound_at)
        print(
            f"{Path(name).name}: {size} draws of {', '.join(bound.keys)} in {min(drawing):.2f} s, after "
            f"{min(binding):.2f} s for the data; {model.network.n_parameters} parameters"
        )


if __name__ == "__main__":
    main()
