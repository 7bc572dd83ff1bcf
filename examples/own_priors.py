"""
Priors of your own
==================

Two detectors, a source with known sky position, spins, and a noise curve of your choice: no network ships for this problem. One
is trained on demand, in some ten minutes on one core, and stored. The next event finds it::

    python examples/own_priors.py

.. image:: /images/gallery/own_priors.png
   :alt: corner plot of two events

.. image:: /images/gallery/own_priors_loss.png
   :alt: training and validation loss

.. literalinclude:: /images/gallery/own_priors.txt
   :language: none
"""
# sphinx_gallery_thumbnail_path = "images/gallery/own_priors.png"

import time

import bilby
import numpy as np
from bilby.core.prior import PowerLaw, Sine, Uniform
from bilby.gw.prior import AlignedSpin, BBHPriorDict, UniformInComponentsChirpMass, UniformInComponentsMassRatio

from bilby_flowpe.corner_plot import bounds_of, plot_comparison

OUTDIR = "outdir/own_priors"
TRIGGER = 1_264_316_116.0

# %%
# Priors
# ------
#
# What they hold is up to you: distributions of one parameter each, conditional ones, constraints, fixed values.

priors = BBHPriorDict(
    {
        "chirp_mass": UniformInComponentsChirpMass(22, 40, "chirp_mass"),
        "mass_ratio": UniformInComponentsMassRatio(0.25, 1, "mass_ratio"),
        "chi_1": AlignedSpin(Uniform(0, 0.8), name="chi_1"),
        "chi_2": AlignedSpin(Uniform(0, 0.8), name="chi_2"),
        "luminosity_distance": PowerLaw(2, 200, 3000, "luminosity_distance"),
        "theta_jn": Sine(name="theta_jn"),
        "psi": Uniform(0, np.pi, "psi", boundary="periodic"),
        "phase": Uniform(0, 2 * np.pi, "phase", boundary="periodic"),
        "geocent_time": Uniform(TRIGGER - 0.1, TRIGGER + 0.1, "geocent_time"),
        "ra": 2.1,
        "dec": 0.4,
    }
)

# %%
# Two signals
# -----------
#
# In Bilby's design curves of H1 and L1.


def observe(seed, **parameters):
    """Likelihood of a signal in noise."""
    bilby.core.utils.random.seed(seed)
    detectors = bilby.gw.detector.InterferometerList(["H1", "L1"])
    generator = bilby.gw.WaveformGenerator(
        duration=4,
        sampling_frequency=1024,
        frequency_domain_source_model=bilby.gw.source.lal_binary_black_hole,
        waveform_arguments={"waveform_approximant": "IMRPhenomPv2", "reference_frequency": 20, "minimum_frequency": 20},
    )
    detectors.set_strain_data_from_power_spectral_densities(1024, 4, start_time=TRIGGER - 2)
    detectors.inject_signal(parameters=parameters, waveform_generator=generator)
    return bilby.gw.GravitationalWaveTransient(detectors, generator)


common = {"ra": 2.1, "dec": 0.4, "geocent_time": TRIGGER}
first = {"chirp_mass": 30.0, "mass_ratio": 0.8, "chi_1": 0.1, "chi_2": -0.2, "luminosity_distance": 1800.0}
first |= {"theta_jn": 0.5, "psi": 1.0, "phase": 2.0, **common}
second = {"chirp_mass": 26.0, "mass_ratio": 0.6, "chi_1": 0.4, "chi_2": 0.1, "luminosity_distance": 1500.0}
second |= {"theta_jn": 2.4, "psi": 0.4, "phase": 5.0, **common}

# %%
# Trained once, used twice
# ------------------------
#
# The first call simulates, trains and keeps; the second finds the model. Without ``network="maf"`` each event would be refined
# for itself, which is cheaper for one of them. ``training_time`` is in seconds; more of it makes a
# better network, and a better network fewer likelihood evaluations an event. The answer is the same.

results = {}
for seed, (name, truth) in enumerate({"first": first, "second": second}.items()):
    began = time.monotonic()
    results[name] = bilby.run_sampler(
        observe(seed, **truth),
        priors.copy(),
        sampler="flowpe",
        outdir=OUTDIR,
        label=name,
        cache=f"{OUTDIR}/models",
        n_waveforms=20_000,
        network="maf",
        training_time=300,
        sampling_seed=seed,
        injection_parameters=truth,
        progress=False,
        clean=True,
    )
    result, statistics = results[name], results[name].meta_data["run_statistics"]
    print(
        f"{name} event: ln Z (signal against noise) {result.log_bayes_factor:.3f} +- {result.log_evidence_err:.3f}, "
        f"efficiency {statistics['efficiency']:.2f}, {statistics['verdict']}, {time.monotonic() - began:.0f} s"
    )

# %%
# The pictures
# ------------

keys = ["chirp_mass", "mass_ratio", "chi_1", "luminosity_distance", "theta_jn"]
plot_comparison(
    {name: result.posterior for name, result in results.items()},
    keys,
    f"{OUTDIR}/own_priors.png",
    bounds=bounds_of(priors),
)
print(f"losses of the training: {OUTDIR}/flowpe_first/training.png")
