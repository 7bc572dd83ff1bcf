"""Compare evidences of flowpe and dynesty with a closed form, for a prior whose constraints cut into the likelihood.

    python examples/studies/constrained_prior.py --seeds 5 --referee dynesty

Two parameters are uniform in a square, with the constraints a > b and 400 < a b < 600, which leave 8% of the square. The
evidence refers to the prior that is normalised over this region. This also holds for dynesty in Bilby (2.8): live points are
drawn until they satisfy the constraints, so that the prior volume at the start is that of the region, and later points outside
of it have no likelihood. For a sampler that covers the whole square and gives points outside no weight, ln Z is lower by the
logarithm of the fraction, 2.53 here. Bilby's own normalisation, a rounded Monte Carlo figure in PriorDict.ln_prob, only
affects the log priors in the table of samples.

The constraints are tried with a black box, and with a likelihood that can simulate data, for which a network is trained with
the first seed.
"""

from __future__ import annotations

import argparse
import math
from functools import partial

from no_network import add_arguments, run_all

from bilby_flowpe.problems.constrained import constrained_gaussian, share_left

PROBLEMS = {
    "constrained": constrained_gaussian,
    "constrained_simulates": partial(constrained_gaussian, True),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", nargs="+", choices=tuple(PROBLEMS), default=tuple(PROBLEMS))
    parser.add_argument("--steps", type=int, default=300, help="training steps of the network")
    add_arguments(parser, "outdir/constrained_prior")
    arguments = parser.parse_args()
    share = share_left()
    for name in arguments.problems:
        exact = PROBLEMS[name]()[2]
        print(
            f"{name}: ln Z of the normalised prior {exact:.4f}; of the prior less what the constraints cut off "
            f"{exact + math.log(share):.4f} (share left {share:.5f})"
        )
    network = {
        "cache": str(arguments.outdir / "models"),
        "network": "maf",
        "training_steps": arguments.steps,
        "training_time": None,
        "n_waveforms": 20_000,
    }
    run_all(
        {name: PROBLEMS[name] for name in arguments.problems}, arguments, options={"constrained_simulates": network}
    )


if __name__ == "__main__":
    main()
