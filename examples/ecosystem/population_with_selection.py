"""gwpopulation: the masses and redshifts of a population of binaries, with selection effects, with and without evidences.

Twelve binaries were seen above a threshold. Their masses follow a power law of slope ``alpha``, their redshifts a rate
that grows as ``(1 + z)**lamb``. gwpopulation's ``HyperparameterLikelihood`` averages the population model over samples
of each binary's posterior, and over injections that were found. It refuses points where these averages are too
uncertain, with the lowest number that a float can hold instead of minus infinity. flowpe has no way to simulate from
such a likelihood, and refines a proposal from the prior.

Without ``ln_evidences`` the evidence of noise alone is not a number, so that only a Bayes factor can be had; with them
there is an evidence, as well. The reference is the integral over a grid of both parameters.
"""

import time

import bilby
import numpy as np
import pandas as pd
from differences import Comparison, Difference, keep
from gwpopulation.hyperpe import HyperparameterLikelihood, Model
from gwpopulation.models.mass import power_law_primary_mass_ratio
from gwpopulation.models.redshift import PowerLawRedshift
from gwpopulation.vt import ResamplingVT

MASSES = (5.0, 80.0)
"""Lightest and heaviest black holes of the population, in solar masses."""
LARGEST_REDSHIFT = 1.9
EVENTS, SAMPLES, INJECTIONS = 12, 100, 40_000
POINTS = 61
"""Points of the grid along each parameter; with half as many the log evidence changes by less than 0.001."""
rng = np.random.default_rng(5)
model = PowerLawRedshift(z_max=LARGEST_REDSHIFT)


def drawn(size, slope, lamb):
    """Draw primary masses, mass ratios and redshifts of a population."""
    low, high = (edge ** (1 - slope) for edge in MASSES)
    mass = (low + rng.uniform(size=size) * (high - low)) ** (1 / (1 - slope))
    density = model.probability({"redshift": model.zs}, lamb=lamb)
    cumulative = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2 * np.diff(model.zs))])
    redshift = np.interp(rng.uniform(size=size) * cumulative[-1], cumulative, model.zs)
    ratio = rng.uniform(MASSES[0] / mass, 1)
    return {"mass_1": mass, "mass_ratio": ratio, "redshift": redshift}


def log_density(data, slope, lamb):
    """The log density of these draws."""
    norm = (MASSES[1] ** (1 - slope) - MASSES[0] ** (1 - slope)) / (1 - slope)
    flat = -np.log(1 - MASSES[0] / data["mass_1"])
    return -slope * np.log(data["mass_1"]) - np.log(norm) + flat + model.ln_prob(data, lamb=lamb)


def found(data):
    """Which binaries are loud enough; a round number in place of a detector: heavy ones are seen further."""
    loudness = data["mass_1"] ** (5 / 6) * data["mass_ratio"] ** 0.5 / data["redshift"]
    return loudness + rng.normal(size=len(loudness)) > 25


binaries = drawn(5000, 2.3, 2.0)
seen = np.flatnonzero(found(binaries))[:EVENTS]
posteriors = []
for event in seen:  # samples of the masses are exact; the redshift is known to a tenth, under a prior of the population's kind
    samples = drawn(100_000, 2.0, 0.0)
    near = np.exp(
        -0.5 * ((samples["mass_1"] / binaries["mass_1"][event] - 1) / 0.08) ** 2
        - 0.5 * ((samples["redshift"] / binaries["redshift"][event] - 1) / 0.2) ** 2
    )
    kept = rng.choice(len(near), SAMPLES, p=near / near.sum())
    samples = {key: values[kept] for key, values in samples.items()}
    posteriors.append(pd.DataFrame({**samples, "ln_prior": log_density(samples, 2.0, 0.0)}))

injections = drawn(INJECTIONS, 2.0, 1.0)
injections["ln_prior"] = log_density(injections, 2.0, 1.0)
heard = found(injections)
injections = {key: values[heard] for key, values in injections.items()}
injections["total_generated"] = INJECTIONS
ln_evidences = rng.normal(-8000, 10, EVENTS)


def likelihood_with(evidences):
    def population():
        return Model([power_law_primary_mass_ratio, PowerLawRedshift(z_max=LARGEST_REDSHIFT)])

    population_likelihood = HyperparameterLikelihood(
        posteriors,
        population(),  # one for the events and one for the injections: a model keeps its last values whatever the data
        ln_evidences=evidences,
        selection_function=ResamplingVT(population(), injections, n_events=EVENTS),
        maximum_uncertainty=1.0,
    )
    return population_likelihood


priors = bilby.core.prior.PriorDict(
    {
        "alpha": bilby.core.prior.Uniform(-1, 6),
        "beta": 0.0,
        "mmin": MASSES[0],
        "mmax": MASSES[1],
        "lamb": bilby.core.prior.Uniform(-6, 10),
    }
)
bilby.core.utils.random.seed(1)
np.random.seed(1)  # pandas chooses samples of each posterior by it
likelihood = likelihood_with(None)
cpu = time.process_time()
axes = [np.linspace(priors[key].minimum, priors[key].maximum, POINTS) for key in ("alpha", "lamb")]
fixed = {"beta": 0.0, "mmin": MASSES[0], "mmax": MASSES[1]}
surface = np.array(
    [[likelihood.log_likelihood_ratio({"alpha": a, "lamb": b, **fixed}) for b in axes[1]] for a in axes[0]]
)
highest = surface.max()
weights = np.exp(surface - highest)
integral = np.trapezoid(np.trapezoid(weights, axes[1]), axes[0])
log_bayes_factor = highest + np.log(integral / (7 * 16))
expected = {
    "alpha": np.trapezoid(np.trapezoid(weights, axes[1]) * axes[0], axes[0]) / integral,
    "lamb": np.trapezoid(np.trapezoid(weights * axes[1], axes[1]), axes[0]) / integral,
}
figures = {"CPU seconds of the grid": time.process_time() - cpu, "evaluations of the grid": float(POINTS**2)}
figures["share of the grid refused for its uncertainty"] = float(np.mean(surface < -1e300))

differences = []
for name, evidences in (("without evidences", None), ("with evidences", ln_evidences)):
    cpu = time.process_time()
    result = bilby.run_sampler(
        likelihood=likelihood_with(evidences),
        priors=priors,
        sampler="flowpe",
        outdir="outdir/population",
        label=name.replace(" ", "_"),
        sampling_seed=3,
        n_effective=2000,
        progress=False,
        clean=True,
    )
    figures[f"CPU seconds of flowpe {name}"] = time.process_time() - cpu
    figures[f"evaluations of flowpe {name}"] = float(result.num_likelihood_evaluations)
    error = float(result.log_evidence_err)
    differences.append(Difference(f"ln BF, {name}", float(result.log_bayes_factor), error, float(log_bayes_factor)))
    if evidences is not None:
        closed = float(log_bayes_factor + evidences.sum())
        differences.append(Difference(f"ln Z, {name}", float(result.log_evidence), error, closed))
    draws = result.meta_data["run_statistics"]["effective_sample_size"]
    for key, value in expected.items():
        column = result.posterior[key]
        differences.append(Difference(f"mean of {key}, {name}", column.mean(), column.std() / draws**0.5, float(value)))

keep(
    Comparison(
        "gwpopulation",
        "12 binaries with selection effects, two hyperparameters",
        "a grid of both parameters",
        differences,
        mind="a model of its own for the selection function; the limit of the uncertainty is one of the variance",
        figures=figures,
    ),
    __file__,
)
