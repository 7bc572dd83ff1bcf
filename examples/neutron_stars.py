"""
Neutron stars
=============

The signal is simulated and similar to GW170817: 128 s of three detectors from 23 Hz on, with masses, precessing spins and
tides. It is analysed twice: with an unknown sky position, and with the sky position known from an optical counterpart. The
likelihood is Bilby's multibanded one, and nothing is trained::

    python examples/neutron_stars.py
    python examples/neutron_stars.py known

.. image:: /images/gallery/neutron_stars.png
   :alt: corner plot of masses, tides, inclination and distance, of both runs

.. literalinclude:: /images/gallery/neutron_stars.txt
   :language: none
"""
# sphinx_gallery_thumbnail_path = "images/gallery/neutron_stars.png"

import sys
import time

import bilby
import numpy as np
from bilby.core.prior import Cosine, PowerLaw, Sine, Uniform
from bilby.gw import conversion, source
from bilby.gw.prior import BNSPriorDict, UniformInComponentsChirpMass, UniformInComponentsMassRatio

from bilby_flowpe.corner_plot import plot_comparison

OUTDIR = "outdir/neutron_stars"
TRIGGER = 1_187_008_882.4
DURATION, SAMPLING_FREQUENCY, LOWEST = 128.0, 4096.0, 23.0
START = TRIGGER + 2 - DURATION
PLACES = sys.argv[1:] or ["searched", "known"]

# %%
# Data
# ----
#
# Masses are those of the detectors' frame: of two stars of 1.4 solar masses, redshifted from this distance.

bilby.core.utils.random.seed(170817)
distance = 105.0
truth = {
    "chirp_mass": 1.2187 * (1 + conversion.luminosity_distance_to_redshift(distance)),
    "mass_ratio": 0.95,
    "lambda_1": 400.0,
    "lambda_2": 450.0,
    "a_1": 0.02,
    "a_2": 0.01,
    "tilt_1": 0.5,
    "tilt_2": 0.9,
    "phi_12": 0.7,
    "phi_jl": 0.3,
    "luminosity_distance": distance,
    "theta_jn": 0.6,
    "psi": 2.6,
    "phase": 1.3,
    "geocent_time": TRIGGER,
    "ra": 3.446,
    "dec": -0.408,
}


def generator(model):
    """Waveforms of one of Bilby's source models for neutron stars."""
    waveform = {"waveform_approximant": "IMRPhenomXP_NRTidalv2", "reference_frequency": 50.0}
    if model is not source.binary_neutron_star_frequency_sequence:
        waveform["minimum_frequency"] = LOWEST
    return bilby.gw.WaveformGenerator(
        duration=DURATION,
        sampling_frequency=SAMPLING_FREQUENCY,
        start_time=START,
        frequency_domain_source_model=model,
        parameter_conversion=conversion.convert_to_lal_binary_neutron_star_parameters,
        waveform_arguments=waveform,
    )


detectors = bilby.gw.detector.InterferometerList(["H1", "L1", "V1"])
for detector in detectors:
    detector.minimum_frequency = LOWEST
detectors.set_strain_data_from_power_spectral_densities(SAMPLING_FREQUENCY, DURATION, start_time=START)
detectors.inject_signal(
    parameters=dict(truth), waveform_generator=generator(source.lal_binary_neutron_star), raise_error=False
)
ratio = np.sqrt(sum(abs(detector.meta_data["optimal_SNR"]) ** 2 for detector in detectors))
print(f"network signal-to-noise ratio {ratio:.1f}")

# %%
# Priors
# ------
#
# The chirp mass is known to a part in a thousand before a run, from the search that found the signal. Spins are those
# of neutron stars in binaries that we know, below 0.05.

priors = BNSPriorDict(
    {
        "chirp_mass": UniformInComponentsChirpMass(truth["chirp_mass"] - 0.01, truth["chirp_mass"] + 0.01),
        "mass_ratio": UniformInComponentsMassRatio(0.125, 1),
        "lambda_1": Uniform(0, 5000),
        "lambda_2": Uniform(0, 5000),
        "a_1": Uniform(0, 0.05),
        "a_2": Uniform(0, 0.05),
        "tilt_1": Sine(),
        "tilt_2": Sine(),
        "phi_12": Uniform(0, 2 * np.pi, boundary="periodic"),
        "phi_jl": Uniform(0, 2 * np.pi, boundary="periodic"),
        "luminosity_distance": PowerLaw(2, 10, 300),
        "theta_jn": Sine(),
        "psi": Uniform(0, np.pi, boundary="periodic"),
        "phase": Uniform(0, 2 * np.pi, boundary="periodic"),
        "geocent_time": Uniform(TRIGGER - 0.1, TRIGGER + 0.1),
        "ra": Uniform(0, 2 * np.pi, boundary="periodic"),
        "dec": Cosine(),
    }
)

# %%
# Two runs
# --------
#
# Draws are steered by waves on some tens of frequencies, whatever the length of the data; the multibanded likelihood
# weighs those that are kept, at a tenth of the price of the full grid (``GravitationalWaveTransient`` takes its place
# as it is, and gives the same answer). ``generate_all_bns_parameters`` adds masses of the source's frame and the tidal
# parameters of the binary, as in every run of Bilby's.

results = {}
for place in PLACES:
    here = priors.copy()
    if place == "known":
        here["ra"], here["dec"] = truth["ra"], truth["dec"]
    likelihood = bilby.gw.likelihood.MBGravitationalWaveTransient(
        detectors,
        generator(source.binary_neutron_star_frequency_sequence),
        reference_chirp_mass=here["chirp_mass"].minimum,
        priors=here,
    )
    began = time.process_time()
    result = bilby.run_sampler(
        likelihood,
        here,
        sampler="flowpe",
        network="none",
        n_effective=5000,
        npool=1,
        outdir=OUTDIR,
        label=place,
        injection_parameters=truth,
        sampling_seed=1,
        conversion_function=conversion.generate_all_bns_parameters,
        result_class=bilby.gw.result.CBCResult,
        progress=False,
        clean=True,
    )
    results[place], statistics = result, result.meta_data["run_statistics"]
    print(
        f"\nplace {place}: ln Z (signal against noise) {result.log_bayes_factor:.2f} +- {result.log_evidence_err:.2f}, "
        f"{statistics['effective_sample_size']:.0f} effective draws, {result.num_likelihood_evaluations} evaluations, "
        f"{statistics['verdict']}, {time.process_time() - began:.0f} CPU seconds"
    )
    for key in ("chirp_mass", "mass_1_source", "mass_2_source", "lambda_tilde", "luminosity_distance", "theta_jn"):
        low, middle, high = np.quantile(result.posterior[key], [0.05, 0.5, 0.95])
        print(f"  {key:<22}{middle:>10.6g}   [{low:.6g}, {high:.6g}]")

# %%
# The picture
# -----------
#
# Masses, tides, inclination and distance, with lines at the truth. ``posterior`` has rows of equal weight, none of them
# twice; all weighted draws are in ``nested_samples`` and tell more.


def tides(of):
    """The tidal parameter of the binary, which combines those of both stars."""
    masses = conversion.chirp_mass_and_mass_ratio_to_component_masses(of["chirp_mass"], of["mass_ratio"])
    return conversion.lambda_1_lambda_2_to_lambda_tilde(of["lambda_1"], of["lambda_2"], *masses)


drawn = {}
for place, result in results.items():
    rows = result.nested_samples.sample(20_000, replace=True, weights="weights", random_state=1)
    drawn[f"place {place}"] = rows.assign(lambda_tilde=tides(rows))
truth["lambda_tilde"] = tides(truth)
keys = ["chirp_mass", "mass_ratio", "lambda_tilde", "theta_jn", "luminosity_distance"]
plot_comparison(
    drawn,
    keys,
    f"{OUTDIR}/neutron_stars.png",
    truths={key: truth[key] for key in keys},
)
