"""Compare the paper's networks: their losses on one fixed validation set, and whether they find both modes of the phase.

    python examples/studies/green2020_networks.py green2020-5d-{gaussian,cvae,maf,cvae+}-joint --rows 100000 --injections 200

Losses are in the paper's units (table III): parameters have zero mean and unit variance over the prior. The validation set is
the same for every model, and none of them has seen it. The phase has two equal modes, half a turn apart. If a network learns
the phase over its full range, its raw draws are counted in the two half circles around the modes, over new injections. The
positions of the modes come from weighted draws of ``--exact``.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from bilby.core.utils import logger
from tqdm.auto import tqdm

from bilby_flowpe.bound import BoundPosterior
from bilby_flowpe.kinds import inject, problem_of
from bilby_flowpe.model import TrainedPosterior, find_model
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.problems import green2020
from bilby_flowpe.proposals.charts import raw_draws
from bilby_flowpe.sampling.weighing import Target
from bilby_flowpe.translation.translated import as_it_stands
from bilby_flowpe.validation.loss import fresh_loss

PAPER = {"cvae": "-4.31, KL 4.49", "maf": "-4.42", "cvae+": "-6.95, KL 6.77", "gaussian": "not given"}
EVEN = (0.4, 0.6)
PLATEAU = -5.0


def off_plateau(history: dict[str, Any]) -> str:
    """Return the first step with a loss below the plateau of networks that have not learnt the phase yet."""
    steps = zip(history["step"], history["validation_loss_paper"], strict=True)
    return f"below {PLATEAU} from step {next((step for step, loss in steps if loss < PLATEAU), 'none')} on"


def has_whole_turn(model: TrainedPosterior) -> bool:
    """Whether the network learns the phase over its full range."""
    return "phase" in model.coordinates.keys and not model.coordinates.fold_phase


def mode_of_phase(exact: BoundPosterior, event, transform: PriorTransform, draws: int, seed: int) -> float:
    """Return a mode of the phase in the exact posterior, in radians; the other mode is half a turn away."""
    target = Target(as_it_stands(problem_of(event, transform)), True, exact.conditional, 1)
    weighted = target.draw(exact.mixture(), draws, np.random.default_rng(seed))
    weights = np.exp(weighted.log_weights - weighted.log_weights.max())
    return 0.5 * float(np.angle(np.sum(weights * np.exp(2j * weighted.parameters["phase"]))))


def half_circles(
    models: dict[str, TrainedPosterior], exact: TrainedPosterior, injections: int, draws: int, seed: int
) -> dict[str, list[float]]:
    """Return the fraction of each model's raw draws in the half circle around one of the modes, over new injections."""
    likelihood, priors = green2020(parameters=5, seed=0)
    transform = PriorTransform(priors)
    shares: dict[str, list[float]] = {name: [] for name in models}
    for index in tqdm(range(injections), desc="Injections"):
        event, _ = inject(likelihood, transform, np.random.default_rng((seed, index)))
        mode = mode_of_phase(exact.bind(event, transform), event, transform, 1000, index)
        for name, model in models.items():
            rng = np.random.default_rng(index)
            phase = raw_draws(model.bind(event, transform), draws, rng)["phase"]
            shares[name].append(float(np.mean(np.cos(phase - mode) > 0)))
    return shares


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", help="names or folders of models")
    parser.add_argument(
        "--exact", default="green2020-5d-maf", help="model whose weighted draws serve as the exact posterior"
    )
    parser.add_argument(
        "--rows", type=int, default=100_000, help="number of simulations in the validation set (0: no losses)"
    )
    parser.add_argument(
        "--injections", type=int, default=200, help="number of events for the modes of the phase (0: none)"
    )
    parser.add_argument("--draws", type=int, default=10_000, help="number of raw draws for each event")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--npool", type=int, default=1)
    arguments = parser.parse_args()
    logger.setLevel("WARNING")
    models = {Path(name).name: find_model(name) for name in arguments.models}
    likelihood, priors = green2020(parameters=5, seed=0)
    for name, model in models.items() if arguments.rows else ():
        family = model.network.config.family
        loss = fresh_loss(model, problem_of(likelihood, priors), arguments.rows, arguments.seed, arguments.npool)
        print(
            f"{name}: loss {loss} over {loss.rows} rows; {off_plateau(model.history)}; "
            f"{model.network.n_parameters} parameters (paper: {PAPER.get(family, 'has no such network')})",
            flush=True,
        )
    unfolded = {name: model for name, model in models.items() if has_whole_turn(model)}
    if not arguments.injections or not unfolded:
        return
    exact = find_model(arguments.exact)
    shares = half_circles(unfolded, exact, arguments.injections, arguments.draws, arguments.seed)
    for name, values in shares.items():
        share = np.array(values)
        even = np.mean((share >= EVEN[0]) & (share <= EVEN[1]))
        print(
            f"{name}: raw draws in the half circle of one mode: between {EVEN[0]} and {EVEN[1]} for {even:.1%} of "
            f"{len(share)} injections; 5%, median, 95%: {np.quantile(share, 0.05):.3f}, {np.median(share):.3f}, "
            f"{np.quantile(share, 0.95):.3f}"
        )


if __name__ == "__main__":
    main()
