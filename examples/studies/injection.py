"""Analyse a simulated event of any configuration: train on demand, sample, draw with the true values, compare with dynesty.

    python examples/studies/injection.py examples/studies/three_detectors.toml --seed 1 --cache models
    python examples/studies/injection.py examples/studies/three_detectors.toml --seed 1 --cache models --referee

The configuration is that of ``flowpe train``. ``--referee`` runs dynesty on the same event, with the distance and, if it has a
closed form, the phase integrated out, with 500 live points and Bilby's other defaults. It continues where it was stopped.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import bilby
import gw150914
import numpy as np
from bilby.core.utils import logger

from bilby_flowpe.configuration.file import read
from bilby_flowpe.corner_plot import bounds_of, plot_comparison, shown_first
from bilby_flowpe.kinds import inject
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.simulation.injections import optimal_snr


def loud_enough(problem, seed: int, lowest: float, given: dict[str, float]):
    """Draw an event from the prior, with some given parameters and at least this signal-to-noise ratio."""
    transform = PriorTransform(problem.priors)
    rng = np.random.default_rng(seed)
    drawn_from = transform
    if given:
        narrowed = problem.priors.copy()
        for key, value in given.items():
            narrowed[key] = value
        narrowed.convert_floats_to_delta_functions()
        drawn_from = PriorTransform(narrowed)
    while True:
        event, truth = inject(problem.likelihood, drawn_from, rng)
        snr = optimal_snr(event, truth)
        if snr >= lowest:
            return event, truth, snr


def main() -> None:
    """Run the sampler, print the result, draw the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--snr", type=float, default=12.0, help="smallest signal-to-noise ratio of the event")
    parser.add_argument(
        "--given",
        nargs="*",
        default=[],
        metavar="KEY=VALUE",
        help="parameters of the event that are not drawn from the prior",
    )
    parser.add_argument("--network", default="maf", help="family of the network, or 'none' to train nothing")
    parser.add_argument("--effective", type=int, default=5000)
    parser.add_argument("--cache", help="folder for models that are trained on demand")
    parser.add_argument("--npool", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--referee", action="store_true")
    parser.add_argument("--outdir", type=Path, default=Path("outdir/injection"))
    arguments = parser.parse_args()
    problem = read(arguments.config)
    given = {key: float(value) for key, value in (pair.split("=") for pair in arguments.given)}
    logger.setLevel("WARNING")
    event, truth, snr = loud_enough(problem, arguments.seed, arguments.snr, given)
    logger.setLevel("INFO")
    label = f"{arguments.config.stem}_{arguments.seed}"
    # The referee first: a run asked to start clean makes Bilby start all later ones clean too.
    other = (
        gw150914.referee(event, problem.priors, arguments.outdir, label, arguments.npool) if arguments.referee else None
    )
    settings = problem.settings
    result = bilby.run_sampler(
        event, problem.priors.copy(), sampler="flowpe", network=arguments.network, n_effective=arguments.effective,
        n_waveforms=settings.simulation.n_waveforms, training_time=settings.training.max_time, cache=arguments.cache,
        npool=arguments.npool, outdir=str(arguments.outdir), label=label, sampling_seed=1, clean=True,
        conversion_function=bilby.gw.conversion.generate_all_bbh_parameters,
    )  # fmt: skip
    statistics = result.meta_data["run_statistics"]
    print(
        f"\n{label}, signal-to-noise ratio {snr:.1f}: verdict {statistics['verdict']}", *statistics["reasons"], sep="; "
    )
    print(
        f"ln Z (signal against noise) {result.log_bayes_factor:.3f} +- {result.log_evidence_err:.3f}, efficiency "
        f"{statistics['efficiency']:.3f}, {statistics['effective_sample_size']:.0f} effective samples, "
        f"{statistics['n_likelihood_evaluations']} evaluations, seconds {statistics['seconds']}"
    )
    rounds = statistics.get("refinement", {}).get("rounds", {}).get("efficiency", [])
    if rounds:
        print("efficiency of the rounds of refinement:", *(f"{value:.3g}" for value in rounds))
    # Those that the waveform, and not a detector, has.
    keys = [
        key for key in problem.priors if key in result.posterior and key in truth and result.posterior[key].std() > 0
    ]
    for key in keys:
        low, middle, high = np.quantile(result.posterior[key], [0.05, 0.5, 0.95])
        offset = truth[key] if key == "geocent_time" else 0.0
        print(
            f"{key:<22}{middle - offset:>11.4f}   [{low - offset:.4f}, {high - offset:.4f}]   true {truth[key] - offset:.4f}"
        )
    samples = {"flowpe": result.posterior}
    if other is not None:
        from bilby_flowpe.validation.comparison import compare_results, format_comparison

        samples["dynesty"] = other.posterior
        print(format_comparison(compare_results(result, other, np.random.default_rng(0)), "dynesty"))
    plot_comparison(
        samples, shown_first(keys), arguments.outdir / f"{label}_corner.png", truths={key: truth[key] for key in keys},
        offsets={"geocent_time": truth["geocent_time"]}, title=label.replace("_", " "),
        bounds=bounds_of(problem.priors),
    )  # fmt: skip


if __name__ == "__main__":
    main()
