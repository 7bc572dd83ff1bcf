"""The population behind the events of ``catalogue.py``: power laws of primary mass and mass ratio, by gwpopulation.

The likelihood of the powers is that of the events that were found,

.. math:: \\prod_i \\frac{\\langle p(\\theta | \\Lambda) / \\pi(\\theta) \\rangle_i}{P_\\mathrm{det}(\\Lambda)} ,

with the mean over the weighted draws of event i and the share of binaries that are found by a campaign of simulated ones:
nearer than those of the population, so that many are found, each with curves of its own and weighted back. A binary of the
campaign is found by the same rule as an event: the filter of its true wave, phase free, reaches 8 in noise. Redshifts keep
their true density. The powers are evaluated on a grid with flat priors.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import catalogue_population as population
import numpy as np
from bilby.core.result import read_in_result

from bilby_flowpe.catalogue.event_folder import EventFolder
from bilby_flowpe.catalogue.population import population_tables

ALPHAS, BETAS = np.linspace(-1, 6, 71), np.linspace(-4, 8, 61)


def campaign(injections: int, seed: int) -> dict[str, Any]:
    """Binaries of a campaign that are found, with the density that they were drawn from, as gwpopulation takes them."""
    rng = np.random.default_rng((seed, 99))
    sample = population.draw(rng, injections, **population.TRUTH, campaign=True)
    ratios = np.empty(injections)
    for number in range(injections):
        row = population.parameters_of(sample, number, 1400000000.0 + number)
        ratios[number] = population.optimal_snr(row, population.curves(rng, population.COARSE), population.COARSE)
    found = population.seen(ratios, rng) >= population.LEAST_SNR
    columns = {key: sample.columns[key][found] for key in ("mass_1", "mass_ratio", "redshift")}
    return {**columns, "prior": sample.density[found], "total_generated": injections}


def fit(outdir: Path, injections: int, seed: int) -> None:
    """Fit, print the powers and their truth, and draw them."""
    from gwpopulation.hyperpe import HyperparameterLikelihood, Model
    from gwpopulation.models.mass import power_law_primary_mass_ratio
    from gwpopulation.vt import ResamplingVT

    truth = json.loads((outdir / "truth.json").read_text())
    tables, names = [], []
    for event in truth["events"]:
        file = EventFolder(outdir / "catalogue" / "events" / event["name"]).result()
        if file is None or not file.is_file():
            print(f"{event['name']}: no result, left out")
            continue
        tables += population_tables([read_in_result(str(file))])
        names.append(event["name"])
    kept = outdir / f"campaign_{injections}_{seed}.npz"
    if kept.is_file():
        with np.load(kept) as file:
            found = {key: file[key] for key in file.files}
    else:
        found = campaign(injections, seed)
        np.savez(kept, **found)
    found["total_generated"] = float(found["total_generated"])
    print(f"{len(names)} events; campaign: {len(found['prior'])} of {injections} binaries are found")

    rate = population.constant_rate()

    def redshifts(dataset: dict[str, np.ndarray], rate_index: float) -> np.ndarray:
        # gwpopulation wants a parameter of every model: this one has none that matters.
        return np.asarray(rate.prob(np.asarray(dataset["redshift"]))) * (1 + 0 * rate_index)

    model = Model([power_law_primary_mass_ratio, redshifts], cache=False)
    selection = ResamplingVT(Model([power_law_primary_mass_ratio, redshifts], cache=False), found, n_events=len(names))
    likelihood = HyperparameterLikelihood(tables, model, selection_function=selection)
    log = np.full((len(ALPHAS), len(BETAS)), -np.inf)
    variances = np.full(log.shape, np.inf)
    limits = {"mmin": population.LIGHTEST, "mmax": population.HEAVIEST, "rate_index": 0.0}
    # Draws outside the population's limits have a density of zero, whose logarithm warns.
    with np.errstate(divide="ignore"):
        for i, alpha in enumerate(ALPHAS):
            for j, beta in enumerate(BETAS):
                powers = {"alpha": alpha, "beta": beta, **limits}
                log[i, j], variances[i, j] = likelihood.ln_likelihood_and_variance(powers)
    log = np.where(np.isfinite(log), log, -np.inf)
    weights = np.exp(log - log.max())
    best = np.unravel_index(np.argmax(log), log.shape)
    print(f"variance of the ln likelihood at its maximum, by Monte Carlo: {variances[best]:.3f}")
    for name, grid, marginal in (("alpha", ALPHAS, weights.sum(1)), ("beta", BETAS, weights.sum(0))):
        low, middle, high = np.interp([0.05, 0.5, 0.95], np.cumsum(marginal) / marginal.sum(), grid)
        rank = np.interp(truth["truth"][name], grid, np.cumsum(marginal) / marginal.sum())
        print(
            f"{name}: {middle:.2f} [{low:.2f}, {high:.2f}], truth {truth['truth'][name]}, below it {rank:.2f} of the posterior"
        )
    _draw(weights, truth["truth"], outdir / "population.png", len(names))


def _draw(weights: np.ndarray, truth: dict[str, float], path: Path, events: int) -> None:
    import matplotlib.pyplot as plt

    ordered = np.sort(weights.ravel())[::-1]
    shares = np.cumsum(ordered) / ordered.sum()
    levels = [ordered[np.searchsorted(shares, share)] for share in (0.9, 0.5)]
    figure, axes = plt.subplots(figsize=(5, 4), layout="constrained")
    axes.contourf(ALPHAS, BETAS, weights.T, levels=[*levels, weights.max() * 1.01], colors=["#9ecae1", "#3182bd"])
    axes.plot(truth["alpha"], truth["beta"], marker="+", markersize=14, color="black")
    axes.set(
        xlabel=r"$\alpha$: primary masses as $m_1^{-\alpha}$",
        ylabel=r"$\beta$: mass ratios as $q^\beta$",
        title=f"{events} events: 50% and 90%; +: truth",
    )
    figure.savefig(path, dpi=120)
    plt.close(figure)
    print(f"picture: {path}")
