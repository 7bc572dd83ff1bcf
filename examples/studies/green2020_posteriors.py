"""Draw figures 3 and 6 of the paper: posteriors of single events by its networks, compared with emcee.

    python examples/studies/green2020_posteriors.py --figure 3 --outdir outdir/figure3
    python examples/studies/green2020_posteriors.py --figure 6 --outdir outdir/figure6

Figure 3 has raw draws of CVAE, MAF and CVAE+ for one five-parameter event, with networks of all parameters and the full range
of the phase, and draws of emcee. The divergence between CVAE+, raw and weighted, and emcee is estimated from nearest neighbours
(equations 23 and 24), both ways, together with the values that chance alone gives. Figure 6 has the weighted posterior of an
eight-parameter event: chirp mass, mass ratio, effective spin and phase, compared with emcee.

emcee samples Bilby's likelihood marginalised over the phase, because its walkers do not move between the modes of the phase;
Bilby then draws the phase. Walkers start at the most likely of many draws from the prior; from the first draws, some would
never leave a minor mode of the arrival time. With eight parameters, the likelihood is also marginalised over the distance. The
inclination is sampled on [0, pi / 2] and reflected at random, which is exact for a plus polarisation alone. Runs of emcee
continue where they were stopped, and finished ones are not run again.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import bilby
import matplotlib
import numpy as np
import pandas as pd
from bilby.core.prior import PriorDict, Sine
from bilby.core.result import Result
from bilby.gw.conversion import (
    component_masses_to_chirp_mass,
    generate_posterior_samples_from_marginalized_likelihood,
)
from bilby.gw.likelihood import GravitationalWaveTransient

from bilby_flowpe.corner_plot import bounds_of, plot_comparison
from bilby_flowpe.model import find_model
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.problems import START_TIME, green2020
from bilby_flowpe.proposals.charts import raw_draws
from bilby_flowpe.validation import two_way_kl

matplotlib.use("Agg")
import matplotlib.pyplot as plt

KEYS = ("mass_1", "mass_2", "phase", "geocent_time", "luminosity_distance")
LARGER = (*KEYS, "theta_jn", "chi_1", "chi_2")
DERIVED = {"chirp_mass": r"$\mathcal{M}_c$ [$M_\odot$]", "mass_ratio": "$q$", "chi_eff": r"$\chi_\mathrm{eff}$"}
ROWS = 5000
FAMILIES = ("cvae", "maf", "cvae+")
STARTS = 50  # draws from the prior for each walker of emcee
LEAST_TIMES = 20  # autocorrelation times that chains have to be long


def starts(likelihood: GravitationalWaveTransient, priors: PriorDict, walkers: int) -> pd.DataFrame:
    """Return starting points of the walkers: the most likely of many draws from the prior."""
    draws = pd.DataFrame(priors.sample(STARTS * walkers))
    ln_l = [likelihood.log_likelihood_ratio(dict(row)) for row in draws.to_dict("records")]
    return draws.iloc[np.argsort(ln_l)[-walkers:]]


def run_emcee(
    likelihood: GravitationalWaveTransient, priors: Any, keys: tuple[str, ...], arguments: argparse.Namespace
) -> dict[str, np.ndarray]:
    """Return independent rows from Bilby's emcee: one of each walker for each autocorrelation time, without duplicates."""
    reduced = priors.copy()
    # Between the two modes of the inclination, and along its degeneracy with the distance, walkers hardly move.
    if tilted := "theta_jn" in keys:
        reduced["theta_jn"] = Sine(0, np.pi / 2, name="theta_jn", latex_label=priors["theta_jn"].latex_label)
    marginalised = GravitationalWaveTransient(
        likelihood.interferometers,
        likelihood.waveform_generator,
        priors=reduced,
        phase_marginalization=True,
        distance_marginalization=tilted,
        distance_marginalization_lookup_table=str(arguments.outdir / "distances.npz"),
    )
    bilby.core.utils.random.seed(arguments.seed)
    result = bilby.run_sampler(
        marginalised,
        reduced,
        sampler="emcee",
        label="emcee",
        outdir=str(arguments.outdir),
        nwalkers=arguments.walkers,
        iterations=arguments.steps,
        nburn=arguments.steps // 2,
        pos0=starts(marginalised, reduced, arguments.walkers),
        npool=arguments.npool,
        sampling_seed=arguments.seed,
        save=True,
    )
    time = float(result.max_autocorrelation_time or np.inf)
    kept = (arguments.steps - arguments.steps // 2) / time
    print(f"emcee: autocorrelation time {time:.0f} steps, {kept:.0f} of them kept, by {arguments.walkers} walkers")
    if kept < LEAST_TIMES:
        raise SystemExit("emcee has not converged, and is not used: give more --steps")
    # Walker after walker; a walker that stood still for longer repeats its row.
    sampled = [key for key in keys if key in reduced.non_fixed_keys]
    table = result.posterior.iloc[:: int(np.ceil(time))].drop_duplicates(subset=sampled)
    table = table.sample(min(ROWS, len(table)), random_state=arguments.seed).reset_index(drop=True)
    table = generate_posterior_samples_from_marginalized_likelihood(table, marginalised)
    if tilted:
        turned = np.random.default_rng(arguments.seed).integers(2, size=len(table))
        table["theta_jn"] = np.where(turned, np.pi - table["theta_jn"], table["theta_jn"])
    return {key: table[key].to_numpy() for key in keys}


def weighted(likelihood: Any, priors: Any, model: str, arguments: argparse.Namespace) -> Result:
    """Return the weighted posterior of a run, as a user gets it."""
    return bilby.run_sampler(
        likelihood,
        priors,
        sampler="flowpe",
        model=model,
        label="flowpe",
        outdir=str(arguments.outdir),
        n_effective=2 * ROWS,
        n_posterior=ROWS,
        npool=arguments.npool,
        sampling_seed=arguments.seed,
        save=False,
        progress=False,
    )


def say_kl(name: str, first: dict, second: dict, keys: tuple[str, ...]) -> dict[str, Any]:
    found = two_way_kl(first, second, keys, np.random.default_rng(0), periodic={"phase": 2 * np.pi}, n_most=ROWS)
    ways = ", ".join(
        f"{text} {found[way]['kl']:.3f} (chance: {found[way]['null_05']:.3f} to {found[way]['null_95']:.3f})"
        for way, text in (("forward", "D(flowpe || emcee)"), ("backward", "D(emcee || flowpe)"))
    )
    print(f"{name}: {ways}; {found['n_p']} and {found['n_q']} rows")
    return found


def figure_3(arguments: argparse.Namespace) -> None:
    likelihood, priors = green2020(parameters=5, seed=arguments.seed)
    truth = likelihood.injection_parameters
    transform = PriorTransform(priors)
    emcee = run_emcee(likelihood, priors, KEYS, arguments)
    names = {family: arguments.models.format(family) for family in FAMILIES}
    raw = {}
    for family, name in names.items():
        rng = np.random.default_rng(arguments.seed)
        raw[family] = raw_draws(find_model(name).bind(likelihood, transform), 2 * ROWS, rng)
    exact = weighted(likelihood, priors, names["cvae+"], arguments)
    statistics = exact.meta_data["run_statistics"]
    print(f"CVAE+, weighted: {statistics['verdict']}, efficiency {statistics['efficiency']:.3f}")
    table = exact.posterior
    divergences = {
        "CVAE+, raw": say_kl("CVAE+, raw", raw["cvae+"], emcee, KEYS),
        "CVAE+, weighted": say_kl("CVAE+, weighted", {key: np.asarray(table[key]) for key in KEYS}, emcee, KEYS),
        **{family.upper(): say_kl(f"{family.upper()}, raw", raw[family], emcee, KEYS) for family in FAMILIES[:2]},
    }
    (arguments.outdir / "divergences.json").write_text(json.dumps(divergences, indent=1) + "\n")
    plot_comparison(
        {**{family.upper(): draws for family, draws in raw.items()}, "emcee": emcee},
        KEYS,
        arguments.outdir / "figure3.png",
        bounds=bounds_of(priors),
        truths=truth,
        offsets={"geocent_time": START_TIME},
    )


def derived(table: Any) -> dict[str, np.ndarray]:
    m1, m2, chi_1, chi_2 = (np.asarray(table[key]) for key in ("mass_1", "mass_2", "chi_1", "chi_2"))
    return {
        "chirp_mass": component_masses_to_chirp_mass(m1, m2),
        "mass_ratio": m2 / m1,
        "chi_eff": (m1 * chi_1 + m2 * chi_2) / (m1 + m2),
    }


def figure_6(arguments: argparse.Namespace) -> None:
    likelihood, priors = green2020(parameters=8, seed=arguments.seed)
    truth = likelihood.injection_parameters
    result = weighted(likelihood, priors, arguments.large_model, arguments)
    statistics = result.meta_data["run_statistics"]
    print(f"{arguments.large_model}: {statistics['verdict']}, efficiency {statistics['efficiency']:.3f}")
    emcee = run_emcee(likelihood, priors, LARGER, arguments)
    ours = {key: np.asarray(result.posterior[key]) for key in LARGER}
    divergences = say_kl("CVAE+, weighted", ours, emcee, LARGER)
    (arguments.outdir / "divergences.json").write_text(json.dumps(divergences, indent=1) + "\n")
    corner = plot_comparison(
        {"CVAE+": ours},
        LARGER,
        arguments.outdir / "corner.png",
        bounds=bounds_of(priors),
        truths=truth,
        offsets={"geocent_time": START_TIME},
    )
    inset = plot_comparison(
        {"CVAE+": derived(ours)},
        tuple(DERIVED),
        arguments.outdir / "inset.png",
        labels=DERIVED,
        truths={key: float(value[0]) for key, value in derived({k: [v] for k, v in truth.items()}).items()},
    )
    combine(corner, inset, {"CVAE+": ours["phase"], "emcee": emcee["phase"]}, arguments.outdir / "figure6.png")


def combine(corner: Path, inset: Path, phases: dict[str, np.ndarray], path: Path) -> None:
    """Draw a corner plot, with derived parameters and the phase in its empty half."""
    picture = plt.imread(corner)
    figure = plt.figure(figsize=(14, 14 * picture.shape[0] / picture.shape[1]))
    for place, image in (((0, 0, 1, 1), picture), ((0.56, 0.56, 0.36, 0.36), plt.imread(inset))):
        axes = figure.add_axes(place)
        axes.imshow(image)
        axes.axis("off")
    axes = figure.add_axes((0.46, 0.80, 0.12, 0.12))
    for name, phase in phases.items():
        axes.hist(phase, bins=np.linspace(0, 2 * np.pi, 41), density=True, histtype="step", label=name)
    axes.set_xlabel(r"$\phi_0$")
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    """Draw a figure and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--figure", type=int, choices=(3, 6), required=True)
    parser.add_argument("--models", default="green2020-5d-{}-joint", help="names or folders of the models of figure 3")
    parser.add_argument("--large-model", default="green2020-8d-cvae+", help="name or folder of the model of figure 6")
    parser.add_argument("--seed", type=int, default=3, help="seed of the signal and of the noise")
    parser.add_argument("--walkers", type=int, default=200)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--npool", type=int, default=1)
    parser.add_argument("--outdir", type=Path, default=Path("outdir/figure"))
    arguments = parser.parse_args()
    arguments.outdir.mkdir(parents=True, exist_ok=True)
    (figure_3 if arguments.figure == 3 else figure_6)(arguments)


if __name__ == "__main__":
    main()
