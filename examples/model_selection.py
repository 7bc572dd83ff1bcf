"""
Does it spin?
=============

A signal of a binary black hole is analysed with two models, with aligned spins and without spins. The ratio of their
evidences is the Bayes factor::

    python examples/model_selection.py

.. image:: /images/gallery/model_selection.png
   :alt: masses under both models, and the spins under one

.. literalinclude:: /images/gallery/model_selection.txt
   :language: none

``examples/studies/bayes_factors.py`` repeats this with other seeds and compares it with dynesty.
"""
# sphinx_gallery_thumbnail_path = "images/gallery/model_selection.png"

import time

import bilby
import matplotlib.pyplot as plt
from bilby.core.prior import DeltaFunction, Uniform

from bilby_flowpe.problems import START_TIME, green2020
from bilby_flowpe.reweighting import reweight
from bilby_flowpe.selection import bayes_factor

OUTDIR = "outdir/model_selection"

# %%
# One likelihood, two priors
# --------------------------
#
# The eight-parameter problem of Green, Simpson and Gair (2020). The model without spins has six parameters.

truth = {
    "mass_1": 58.0,
    "mass_2": 46.0,
    "chi_1": 0.35,
    "chi_2": 0.2,
    "theta_jn": 0.6,
    "phase": 1.1,
    "luminosity_distance": 1500.0,
    "geocent_time": START_TIME + 0.74,
}
likelihood, spinning = green2020(parameters=8, seed=3, injection=truth)
not_spinning = spinning.copy()
for key in ("chi_1", "chi_2"):
    not_spinning[key] = DeltaFunction(0.0, name=key)

# %%
# Two runs
# --------
#
# For the first a network ships with the package. For the second one is trained, in three minutes, and kept.

results = {}
for seed, (name, priors) in enumerate({"spinning": spinning, "not spinning": not_spinning}.items()):
    began = time.monotonic()
    results[name] = bilby.run_sampler(
        likelihood,
        priors.copy(),
        sampler="flowpe",
        outdir=OUTDIR,
        label=name.replace(" ", "_"),
        cache=f"{OUTDIR}/models",
        network="maf",
        training_time=180,
        sampling_seed=seed,  # Errors of one seed would not be independent.
        progress=False,
        clean=True,
    )
    result, statistics = results[name], results[name].meta_data["run_statistics"]
    print(
        f"{name:<22} ln Z {result.log_evidence:10.3f} +- {result.log_evidence_err:.3f}, efficiency "
        f"{statistics['efficiency']:.2f}, {statistics['verdict']}, {time.monotonic() - began:.1f} s"
    )
factor = bayes_factor(results["spinning"], results["not spinning"])
print(f"spinning or not        ln B {factor.log:10.3f} +- {factor.error:.3f}")

# %%
# Another prior for nothing
# -------------------------
#
# The same draws under a prior of low spins: no likelihood is evaluated.

low = spinning.copy()
for key in ("chi_1", "chi_2"):
    low[key] = Uniform(-0.4, 0.4, name=key)
low_spins = reweight(results["spinning"], priors=low)
factor = bayes_factor(low_spins, results["not spinning"])
verdict = low_spins.meta_data["run_statistics"]["verdict"]
print(f"spins below 0.4 or not ln B {factor.log:10.3f} +- {factor.error:.3f}, {verdict}")

# %%
# The picture
# -----------

figure, axes = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
for name, result in results.items():
    axes[0].plot(result.posterior["mass_1"], result.posterior["mass_2"], ".", markersize=3, alpha=0.4, label=name)
axes[0].plot(truth["mass_1"], truth["mass_2"], "k+", markersize=14, label="true")
axes[0].set(xlabel=r"$m_1$ [$M_\odot$]", ylabel=r"$m_2$ [$M_\odot$]")
axes[0].legend(frameon=False)
posterior = results["spinning"].posterior
axes[1].plot(posterior["chi_1"], posterior["chi_2"], ".", markersize=2, alpha=0.4)
axes[1].plot(truth["chi_1"], truth["chi_2"], "k+", markersize=14)
axes[1].plot(0, 0, "kx", markersize=10, label="not spinning")
axes[1].set(xlabel=r"$\chi_1$", ylabel=r"$\chi_2$", xlim=(-1, 1), ylim=(-1, 1))
axes[1].legend(frameon=False, loc="lower left")
figure.savefig(f"{OUTDIR}/model_selection.png", dpi=120)
