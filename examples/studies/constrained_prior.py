"""A prior with constraints that cut into the likelihood: what its evidence is, in closed form, by flowpe and by dynesty.

    python examples/studies/constrained_prior.py --seeds 5 --referee dynesty

Two parameters, uniform in a square, under a > b and 400 < a b < 600, which leave 8% of it. The evidence is that of the prior
normalised over this share. In Bilby (2.8) the same holds for dynesty: its live points are drawn until they satisfy the
constraints, so that the prior volume it starts from is what is left, and later points outside get no likelihood. A sampler that
spreads its points over the whole square and gives those outside no weight finds the log of the share less, 2.53 here. Bilby's
own normalisation, a rounded Monte Carlo figure in PriorDict.ln_prob, enters the tabulated log priors only.

The same constraints twice: over a black box, and over a likelihood that data can be simulated from, for which a network is
trained with the first seed.
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
    parser.add_argument("--steps", type=int, default=300, help="training steps, where there is a network")
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
