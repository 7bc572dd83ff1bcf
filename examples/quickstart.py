"""
One event in seconds
====================

A simulated binary black hole in the noise of one detector, from Bilby objects to posterior, evidence and verdict::

    python examples/quickstart.py

It is the five-parameter problem of Green, Simpson and Gair (2020), for which a network ships with the package, so that nothing
is trained.

.. image:: /images/gallery/quickstart.png
   :alt: corner plot of masses, distance, time and phase, the true values within

.. literalinclude:: /images/gallery/quickstart.txt
   :language: none
"""
# sphinx_gallery_thumbnail_path = "images/gallery/quickstart.png"

import time

import bilby
import numpy as np

from bilby_flowpe.corner_plot import bounds_of, plot_comparison
from bilby_flowpe.problems import START_TIME, green2020

# %%
# Likelihood and priors
# ---------------------
#
# An ordinary ``GravitationalWaveTransient`` and an ordinary ``BBHPriorDict``. Any sampler of Bilby's takes them.

likelihood, priors = green2020(parameters=5, seed=20)
truth = likelihood.injection_parameters

# %%
# One word
# --------
#
# ``sampler="dynesty"`` would take a quarter of an hour.

began = time.monotonic()
result = bilby.run_sampler(
    likelihood,
    priors,
    sampler="flowpe",
    outdir="outdir/quickstart",
    label="quickstart",
    sampling_seed=20,
    injection_parameters=truth,
    clean=True,
)
seconds = time.monotonic() - began

# %%
# What came back
# --------------
#
# A Bilby ``Result``. What its weights say of it is in ``meta_data["run_statistics"]``, the verdict among it.

keys = result.search_parameter_keys
print(f"{'parameter':<22}{'true':>12}{'median':>12}   90% interval")
for key in keys:
    start = START_TIME if key == "geocent_time" else 0.0
    low, middle, high = np.quantile(result.posterior[key], [0.05, 0.5, 0.95]) - start
    print(f"{key:<22}{truth[key] - start:>12.4f}{middle:>12.4f}   [{low:.4f}, {high:.4f}]")

statistics = result.meta_data["run_statistics"]
print(f"\nln Z (signal against noise)  {result.log_bayes_factor:.3f} +- {result.log_evidence_err:.3f}")
print(f"sample efficiency            {statistics['efficiency']:.3f}")
print(f"effective samples            {statistics['effective_sample_size']:.0f} of {statistics['n_draws']} draws")
print(f"likelihood evaluations       {result.num_likelihood_evaluations}")
print(f"verdict                      {statistics['verdict']}")
print(f"run_sampler took             {seconds:.1f} s")

picture = plot_comparison(
    {"flowpe": result.posterior},
    keys,
    "outdir/quickstart/quickstart.png",
    truths=truth,
    offsets={"geocent_time": START_TIME},
    bounds=bounds_of(priors),
)
print(f"corner plot                  {picture}")
