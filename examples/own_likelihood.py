"""
A likelihood of your own
========================

flowpe is not restricted to gravitational waves. If a likelihood can simulate data (``simulate``), a network is trained for it
in two minutes; after that, each data set takes seconds::

    python examples/own_likelihood.py

This example has photons of a burst, counted in bins, which rises, peaks and fades over a background.

.. image:: /images/gallery/own_likelihood.png
   :alt: counts of five bursts with the curves of their posteriors

.. image:: /images/gallery/own_likelihood_corner.png
   :alt: corner plot of the first burst, flowpe over dynesty

.. literalinclude:: /images/gallery/own_likelihood.txt
   :language: none
"""
# sphinx_gallery_thumbnail_path = "images/gallery/own_likelihood.png"

import logging
import time

import bilby
import matplotlib.pyplot as plt
import numpy as np
from bilby.core.prior import LogUniform, PriorDict, Uniform
from scipy.special import gammaln

from bilby_flowpe.corner_plot import plot_comparison

OUTDIR = "outdir/own_likelihood"

# %%
# The likelihood
# --------------
#
# Bilby asks for ``log_likelihood``. flowpe asks for two things more: the data in ``observed_data``, and a ``simulate`` that
# draws others like them. The square root of a count has about the same noise at all rates, which is kind to a network.

EDGES = np.linspace(0.0, 20.0, 61)
TIMES = 0.5 * (EDGES[1:] + EDGES[:-1])


def rate(amplitude, peak, rise, decay, background):
    """Photons expected in each bin."""
    since = TIMES - peak
    return background + amplitude * np.exp(np.where(since < 0, since / rise, -since / decay))


class Burst(bilby.Likelihood):
    def __init__(self, counts):
        super().__init__()
        self.counts = counts
        self.observed_data = np.sqrt(counts)

    def log_likelihood(self, parameters):
        expected = rate(**parameters)
        return float(np.sum(self.counts * np.log(expected) - expected - gammaln(self.counts + 1)))

    def simulate(self, parameters, rng):
        return np.sqrt(rng.poisson(rate(**parameters)))


priors = PriorDict(
    {
        "amplitude": LogUniform(5, 100, "amplitude", latex_label="$A$"),
        "peak": Uniform(2, 12, "peak", latex_label="$t_0$"),
        "rise": LogUniform(0.2, 2, "rise", latex_label=r"$\tau_1$"),
        "decay": LogUniform(0.5, 8, "decay", latex_label=r"$\tau_2$"),
        "background": LogUniform(1, 10, "background", latex_label="$b$"),
    }
)
bilby.core.utils.random.seed(1)
rng = np.random.default_rng(1)
truths = [{"amplitude": 30.0, "peak": 5.0, "rise": 0.7, "decay": 3.0, "background": 3.0}]
truths += [priors.sample() for _ in range(4)]
bursts = [Burst(rng.poisson(rate(**truth))) for truth in truths]

# %%
# The first data set trains, the others do not
# --------------------------------------------
#
# What a network was trained for does not contain the data, so that it is found again in the cache.

results = []
for number, (burst, truth) in enumerate(zip(bursts, truths, strict=True)):
    began = time.monotonic()
    result = bilby.run_sampler(
        burst,
        priors,
        sampler="flowpe",
        outdir=OUTDIR,
        label=f"burst_{number}",
        cache=f"{OUTDIR}/models",
        network="maf",
        training_time=120,
        n_waveforms=200_000,  # simulations: without a waveform they are cheap
        sampling_seed=number,
        injection_parameters=truth,
        progress=False,
        clean=True,
    )
    logging.getLogger("bilby").setLevel(logging.WARNING)  # The first run has told how it goes.
    results.append(result)
    statistics = result.meta_data["run_statistics"]
    print(
        f"burst {number}: ln Z {result.log_evidence:9.3f} +- {result.log_evidence_err:.3f}, efficiency "
        f"{statistics['efficiency']:.2f}, {statistics['verdict']}, {time.monotonic() - began:.1f} s"
    )

# %%
# The first by nested sampling
# ----------------------------

began = time.monotonic()
nested = bilby.run_sampler(
    bursts[0],
    priors,
    sampler="dynesty",
    nlive=1000,
    outdir=OUTDIR,
    label="dynesty",
    sampling_seed=1,
    print_progress=False,
    clean=True,
)
print(
    f"dynesty: ln Z {nested.log_evidence:9.3f} +- {nested.log_evidence_err:.3f}, {time.monotonic() - began:.0f} s; "
    f"{nested.num_likelihood_evaluations} likelihood evaluations, flowpe's {results[0].num_likelihood_evaluations}"
)

# %%
# Pictures
# --------

plot_comparison(
    {"dynesty": nested.posterior, "flowpe": results[0].posterior},
    list(priors),
    f"{OUTDIR}/own_likelihood_corner.png",
    labels={key: prior.latex_label for key, prior in priors.items()},
    truths=truths[0],
)
figure, axes = plt.subplots(1, 5, figsize=(14, 2.8), layout="constrained")
for number, (axis, burst, result) in enumerate(zip(axes, bursts, results, strict=True)):
    axis.stairs(burst.counts, EDGES, color="0.6", fill=True, label="counts")
    rows = result.posterior[list(priors)].sample(50, random_state=0).to_dict("records")
    axis.plot(TIMES, np.transpose([rate(**row) for row in rows]), color="#0072B2", alpha=0.1)
    axis.set(title=f"burst {number}", xlabel="time [s]")
axes[0].set_ylabel("photons a bin")
figure.savefig(f"{OUTDIR}/own_likelihood.png", dpi=120)
