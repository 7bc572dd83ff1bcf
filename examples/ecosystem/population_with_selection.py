"""gwpopulation: the masses of a population of binaries, with selection effects, with and without evidences.

Twenty binaries were found above a threshold. Primary masses follow a power law with the index ``alpha``, mass ratios one
with the index ``beta``. gwpopulation's ``HyperparameterLikelihood`` averages the population model over samples of each
binary's posterior, and over injections that were found. If these averages are too uncertain at some point, it returns the
lowest number that a float can hold instead of minus infinity. Nothing can be simulated from such a likelihood: flowpe
refines a proposal from the prior.

Without ``ln_evidences``, the evidence of noise alone is not a number, so that the result has only a Bayes factor; with
them it has an evidence, too. The reference is the integral over a grid of both parameters.

To run it if the package is installed: ``python examples/ecosystem/population_with_selection.py``. To run it in a separate
environment, which is made for it: ``python tests/ecosystem/run.py population_with_selection``.
"""

import time

import bilby
import numpy as np
import pandas as pd
from differences import Comparison, evidence, keep, mean
from gwpopulation.hyperpe import HyperparameterLikelihood, Model
from gwpopulation.models.mass import power_law_primary_mass_ratio
from gwpopulation.vt import ResamplingVT

LOWEST, HIGHEST = 5.0, 80.0
"""Lightest and heaviest black holes of the population, in solar masses."""
EVENTS, SAMPLES, INJECTIONS = 20, 300, 20_000
POINTS = 101
"""Points of the grid along each parameter; the sum is compared with that of every second point."""
rng = np.random.default_rng(5)
fixed = {"mmin": LOWEST, "mmax": HIGHEST}


def drawn(size, alpha, beta):
    """Draw masses and mass ratios of a population."""

    def power(low, high, slope):
        edges = low ** (slope + 1), high ** (slope + 1)
        return (edges[0] + rng.uniform(size=size) * (edges[1] - edges[0])) ** (1 / (slope + 1))

    mass = power(LOWEST, HIGHEST, -alpha)
    return {"mass_1": mass, "mass_ratio": power(LOWEST / mass, 1.0, beta)}


def log_density(data, alpha, beta):
    """Return the log density of these draws."""
    return np.log(power_law_primary_mass_ratio(data, alpha=alpha, beta=beta, **fixed))


def found(data):
    """Return which binaries are loud enough, at distances uniform in volume; the detector is replaced by a simple formula."""
    distance = rng.uniform(size=len(data["mass_1"])) ** (1 / 3)
    chirp = data["mass_1"] * data["mass_ratio"] ** 0.6 / (1 + data["mass_ratio"]) ** 0.2
    return chirp ** (5 / 6) / distance + rng.normal(size=len(distance)) > 12


binaries = drawn(5000, 2.3, 1.5)
posteriors = []
for event in np.flatnonzero(found(binaries))[:EVENTS]:
    trials = drawn(50_000, 2.0, 0.5)  # the prior of the samples
    near = np.exp(
        -0.5 * (np.log(trials["mass_1"] / binaries["mass_1"][event]) / 0.1) ** 2
        - 0.5 * ((trials["mass_ratio"] - binaries["mass_ratio"][event]) / 0.2) ** 2
    )
    rows = rng.choice(len(near), SAMPLES, p=near / near.sum())
    samples = {key: values[rows] for key, values in trials.items()}
    posteriors.append(pd.DataFrame({**samples, "ln_prior": log_density(samples, 2.0, 0.5)}))

injections = drawn(INJECTIONS, 2.0, 0.5)
heard = found(injections)
injections = {key: values[heard] for key, values in injections.items()}
injections |= {"ln_prior": log_density(injections, 2.0, 0.5), "total_generated": INJECTIONS}


def likelihood_with(ln_evidences):
    """Return the likelihood; events and injections have separate models because a model stores its last values for any data."""
    return HyperparameterLikelihood(
        posteriors,
        Model([power_law_primary_mass_ratio]),
        ln_evidences=ln_evidences,
        selection_function=ResamplingVT(Model([power_law_primary_mass_ratio]), injections, n_events=EVENTS),
        maximum_uncertainty=1.0,
    )


Uniform = bilby.core.prior.Uniform
priors = bilby.core.prior.PriorDict({"alpha": Uniform(-1, 6), "beta": Uniform(-3, 9), **fixed})
likelihood = likelihood_with(None)
cpu = time.process_time()
axes = [np.linspace(priors[key].minimum, priors[key].maximum, POINTS) for key in ("alpha", "beta")]
surface = np.array(
    [[likelihood.log_likelihood_ratio({"alpha": a, "beta": b, **fixed}) for b in axes[1]] for a in axes[0]]
)
highest = surface.max()
weights = np.exp(surface - highest)


def mean_over(weights, step=1):
    """Return the mean over the box by the trapezoidal rule, with every point or every second one."""
    points = weights[::step, ::step]
    return float(np.trapezoid(np.trapezoid(points, axis=1), axis=0) / (len(points) - 1) ** 2)


log_bayes_factor = highest + np.log(mean_over(weights))
expected = {
    "alpha": mean_over(weights * axes[0][:, None]) / mean_over(weights),
    "beta": mean_over(weights * axes[1]) / mean_over(weights),
}
figures = {
    "CPU seconds of the grid": time.process_time() - cpu,
    "evaluations of the grid": float(POINTS**2),
    "share of the grid refused for its uncertainty": float(np.mean(surface < -1e300)),
    "ln BF of every second point of the grid, minus that of all": float(
        highest + np.log(mean_over(weights, 2)) - log_bayes_factor
    ),
}

differences = []
ln_evidences = rng.normal(-8000, 10, EVENTS)
for seed, (name, evidences) in enumerate({"without evidences": None, "with evidences": ln_evidences}.items()):
    cpu = time.process_time()
    result = bilby.run_sampler(
        likelihood=likelihood_with(evidences),
        priors=priors,
        sampler="flowpe",
        outdir="outdir/population",
        label=name.replace(" ", "_"),
        sampling_seed=3 + seed,
        progress=False,
        clean=True,
    )
    figures[f"CPU seconds of flowpe {name}"] = time.process_time() - cpu
    figures[f"evaluations of flowpe {name}"] = float(result.num_likelihood_evaluations)
    differences.append(evidence(result, float(log_bayes_factor), f"ln BF, {name}", ratio=True))
    if evidences is not None:
        differences.append(evidence(result, float(log_bayes_factor + evidences.sum()), f"ln Z, {name}"))
    for key, value in expected.items():
        differences.append(mean(result, result.posterior[key], value, f"mean of {key}, {name}"))

keep(
    Comparison(
        "gwpopulation",
        "20 binaries with selection effects, two hyperparameters",
        "grid of both parameters",
        differences,
        figures=figures,
    ),
    __file__,
)
