"""redback: the light curve of a supernova in one band, fitted by ``redback.fit_model``.

Bazin's curve has an amplitude, a background, a time, and times of rise and decay. ``fit_model`` passes its argument
``sampler`` and the settings of other samplers (``nlive``, ``walks``) on to Bilby, so that flowpe is chosen by its name.
redback has its own Gaussian likelihood, which flowpe does not treat as Bilby's: it refines a proposal from the prior.

The curve is linear in the amplitude and in the background. Far from the edges of their flat priors, both can be
integrated over in closed form. The reference is this integral, summed over a grid of the three times.

To run it if the package is installed: ``python examples/ecosystem/supernova_light_curve.py``. To run it in a separate
environment, which is made for it: ``python tests/ecosystem/run.py supernova_light_curve``.
"""

import time
from itertools import product

import bilby
import numpy as np
import redback
from differences import Comparison, evidence, keep, mean

FREQUENCY = 6.0e14
"""Frequency of green light in Hz; the curve in one band does not depend on it."""
SIGMA = 0.02
"""Standard deviation of each flux density, in mJy."""
POINTS = 61
"""Points of the grid along each time; the sum is compared with that of every second point."""
truth = {"aa": 1.2, "bb": 0.1, "t0": 20.0, "tau_rise": 4.0, "tau_fall": 25.0}
model = redback.model_library.all_models_dict["bazin_sne"]
rng = np.random.default_rng(7)
days = np.sort(rng.uniform(0, 90, 25))
flux = model(days, **truth) + rng.normal(0, SIGMA, len(days))
supernova = redback.supernova.Supernova(
    name="simulated",
    data_mode="flux_density",
    time=days,
    flux_density=flux,
    flux_density_err=np.full(len(days), SIGMA),
    frequency=np.full(len(days), FREQUENCY),
)
Uniform = bilby.core.prior.Uniform
priors = bilby.core.prior.PriorDict(
    {
        "aa": Uniform(0, 3),
        "bb": Uniform(-1, 1),
        "t0": Uniform(15, 25),
        "tau_rise": Uniform(2, 8),
        "tau_fall": Uniform(15, 40),
    }
)

cpu = time.process_time()
result = redback.fit_model(
    transient=supernova,
    model="bazin_sne",
    prior=priors,
    model_kwargs={"output_format": "flux_density", "frequency": np.full(len(days), FREQUENCY)},
    sampler="flowpe",
    outdir="outdir/supernova",
    label="flowpe",
    sampling_seed=3,
    progress=False,
    clean=True,
    plot=False,
)
figures = {"CPU seconds of flowpe": time.process_time() - cpu}
figures["evaluations of flowpe"] = float(result.num_likelihood_evaluations)

cpu = time.process_time()
times = ("t0", "tau_rise", "tau_fall")
axes = [np.linspace(priors[key].minimum, priors[key].maximum, POINTS) for key in times]
values = np.array(list(product(*axes)))
logs, amplitudes, backgrounds = (np.empty(len(values)) for _ in range(3))
for index, (t0, rise, fall) in enumerate(values):
    shape = model(days, 1.0, 0.0, t0, rise, fall)
    design = np.stack([shape, np.ones(len(days))], axis=1) / SIGMA
    covariance = np.linalg.inv(design.T @ design)
    best = covariance @ (design.T @ (flux / SIGMA))
    squares = np.sum((flux / SIGMA - design @ best) ** 2)
    logs[index] = -0.5 * squares + 0.5 * np.log(np.linalg.det(2 * np.pi * covariance))
    amplitudes[index], backgrounds[index] = best
logs -= len(days) * np.log(SIGMA * np.sqrt(2 * np.pi)) + np.log(3 * 2)  # the last of the priors of both


def mean_over(weights, step=1):
    """Return the mean over the box by the trapezoidal rule, with every point or every second one."""
    cube = weights.reshape(POINTS, POINTS, POINTS)[::step, ::step, ::step]
    for _ in range(3):
        cube = np.trapezoid(cube, axis=-1) / (cube.shape[-1] - 1)
    return float(cube)


highest = logs.max()
weights = np.exp(logs - highest)
log_evidence = highest + np.log(mean_over(weights))
figures["ln Z of every second point of the grid, minus that of all"] = float(
    highest + np.log(mean_over(weights, 2)) - log_evidence
)
figures["CPU seconds of the grid"] = time.process_time() - cpu
figures["evaluations of the grid"] = float(len(values))

differences = [evidence(result, float(log_evidence))]
for key, column in zip(("aa", "bb", *times), (amplitudes, backgrounds, *values.T), strict=True):
    expected = mean_over(weights * column) / mean_over(weights)
    differences.append(mean(result, result.posterior[key], expected, f"mean of {key}"))

keep(
    Comparison(
        "redback",
        "light curve of a supernova, five parameters, by fit_model",
        "closed form in two parameters, grid of three",
        differences,
        figures=figures,
    ),
    __file__,
)
