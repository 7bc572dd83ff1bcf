"""Efficiency, KL to the exact posterior and verdicts of a model over fresh injections.

python examples/gap.py green2020-5d-maf --injections 200 --draws 10000 --outdir outdir/gap
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from pathlib import Path


def main() -> None:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="name of a shipped model of the paper's problems, or a folder")
    parser.add_argument("--injections", type=int, default=200, help="0: the loss alone")
    parser.add_argument("--draws", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--npool", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--outdir", type=Path, default=Path("outdir/gap"))
    parser.add_argument("--card", metavar="COMMAND", help="write the figures into the model's card; COMMAND trained it")
    arguments = parser.parse_args()

    from bilby.core.utils import logger

    from bilby_flowpe.model import find_model
    from bilby_flowpe.plotting import plot_efficiency
    from bilby_flowpe.problems import green2020
    from bilby_flowpe.validation.card import write_card
    from bilby_flowpe.validation.gap import measure_gap, summarise_gap
    from bilby_flowpe.validation.loss import fresh_loss

    logger.setLevel("WARNING")
    model = find_model(arguments.model)
    spinning = "chi_1" in model.contract.facts["priors"]
    likelihood, priors = green2020(parameters=8 if spinning else 5, seed=0)
    loss, error = fresh_loss(model, likelihood, priors, npool=arguments.npool)
    print(f"loss on 20000 waveforms never seen, in the paper's units: {loss:.3f} +- {error:.3f} nat")
    if arguments.injections == 0:
        return
    arguments.outdir.mkdir(parents=True, exist_ok=True)
    name = Path(arguments.model).name
    # Named after what it holds: a model trained anew must not go on with the events of the old one.
    digest = hashlib.sha256(json.dumps([model.history, model.location.tolist()]).encode()).hexdigest()[:8]
    log = arguments.outdir / f"{name}.{digest}.seed{arguments.seed}.draws{arguments.draws}.jsonl"
    events = measure_gap(
        model, likelihood, priors, arguments.injections, arguments.draws, arguments.seed, arguments.npool, log
    )
    summary = {**summarise_gap(events), "draws": arguments.draws, "seed": arguments.seed}
    (arguments.outdir / f"{name}.gap.json").write_text(json.dumps(summary, indent=1) + "\n")
    print(f"{name}: {summary['events']} injections, {arguments.draws} draws each")
    print(
        f"sample efficiency: median {summary['efficiency_median']:.4f}, 10th percentile "
        f"{summary['efficiency_10']:.4f}, worst {summary['efficiency_worst']:.4f}"
    )
    for estimator in ("kl_weighted", "kl_truth"):
        figures = summary[estimator]
        print(f"KL to exact, {estimator[3:]}: {figures['mean']:.4f} +- {figures['standard_error']:.4f} nat")
    print(
        f"bias of ln Z: {summary['log_evidence_bias']:.2e}; lowest loss possible here: {summary['lowest_loss']:.3f} nat"
    )
    print(f"verdicts: {summary['verdicts']}")
    if arguments.card:
        measure = f"python examples/gap.py {name} --injections {arguments.injections} --draws {arguments.draws}"
        commands = {"train": arguments.card, "measure": f"{measure} --seed {arguments.seed}"}
        write_card(Path(arguments.model), model, summary, commands)
    plot_efficiency(events, arguments.outdir / f"{name}.efficiency.png", title=name)


if __name__ == "__main__":
    main()
