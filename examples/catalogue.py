"""
A catalogue in minutes
======================

A hundred simulated events are analysed one after the other; each gets its posterior, evidence and verdict::

    python examples/catalogue.py

.. image:: /images/gallery/catalogue.png
   :alt: chirp masses of a hundred events beside the true ones

.. image:: /images/gallery/catalogue_pp.png
   :alt: p-p plot of the five parameters

.. literalinclude:: /images/gallery/catalogue.txt
   :language: none
"""
# sphinx_gallery_thumbnail_path = "images/gallery/catalogue.png"

import logging
import time
from collections import Counter

import bilby
import matplotlib.pyplot as plt
import numpy as np
from bilby.gw.conversion import component_masses_to_chirp_mass

from bilby_flowpe.plotting import plot_pp
from bilby_flowpe.problems import green2020

EVENTS = 100
OUTDIR = "outdir/catalogue"

# %%
# Event after event
# -----------------
#
# Every seed is a signal from the prior in noise of its own. A network for this problem ships with the package; one trained for
# priors of your own would be found in the cache in the same way.

logging.getLogger("bilby").setLevel(logging.WARNING)
began = time.monotonic()
results = []
for seed in range(EVENTS):
    likelihood, priors = green2020(parameters=5, seed=1000 + seed)
    result = bilby.run_sampler(
        likelihood,
        priors,
        sampler="flowpe",
        outdir=OUTDIR,
        label=f"event_{seed:03d}",
        n_effective=2000,
        sampling_seed=seed,
        injection_parameters=likelihood.injection_parameters,
        progress=False,
        clean=True,
    )
    results.append(result)
seconds = time.monotonic() - began

# %%
# All of them
# -----------

statistics = [result.meta_data["run_statistics"] for result in results]
efficiencies = [entry["efficiency"] for entry in statistics]
evaluations = sum(result.num_likelihood_evaluations for result in results)
verdicts = Counter(entry["verdict"] for entry in statistics)
print(f"{EVENTS} events in {seconds:.0f} s, {evaluations / EVENTS:.0f} likelihood evaluations each")
print(f"efficiency: median {np.median(efficiencies):.3f}, worst {min(efficiencies):.3f}")
print("verdicts: " + ", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common()))

# %%
# Chirp masses beside the true ones; and where the truth lies among the samples of each posterior, which over many events is
# uniform when posteriors mean what they say.

intervals, truths = [], []
shares = {key: [] for key in results[0].search_parameter_keys}
for result in results:
    posterior, truth = result.posterior, result.injection_parameters
    masses = component_masses_to_chirp_mass(posterior["mass_1"], posterior["mass_2"])
    intervals.append(np.quantile(masses, [0.05, 0.5, 0.95]))
    truths.append(component_masses_to_chirp_mass(truth["mass_1"], truth["mass_2"]))
    for key, values in shares.items():
        values.append(np.mean(posterior[key] < truth[key]))
low, middle, high = np.transpose(intervals)
inside = np.mean((low < truths) & (truths < high))
print(f"true chirp masses within their 90% intervals: {inside:.0%}")

figure, axes = plt.subplots(figsize=(6, 4.6), layout="constrained")
axes.errorbar(truths, middle, [middle - low, high - middle], fmt=".", markersize=4, linewidth=0.8)
axes.axline((50, 50), slope=1, color="0.5", linewidth=0.8)
axes.set(xlabel=r"true chirp mass [$M_\odot$]", ylabel=r"median and 90% interval [$M_\odot$]")
figure.savefig(f"{OUTDIR}/catalogue.png", dpi=120)
ranks = {key: np.array(values) for key, values in shares.items()}
labels = {key: priors[key].latex_label for key in ranks}
plot_pp({f"{EVENTS} events": ranks}, f"{OUTDIR}/catalogue_pp.png", labels, columns=1)
