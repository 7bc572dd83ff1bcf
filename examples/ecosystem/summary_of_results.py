"""A result of flowpe in PESummary: what PESummary reads, stores and derives, compared with the result and Bilby's conversions.

``summarycombine --gw`` reads result files, derives further quantities of binaries, and writes one file, as
``summarypages`` does before it makes its pages. The binary here is simulated in one detector, with aligned spins. In
PESummary's file, evidence, Bayes factor and posterior means have to be those of the result. Masses in the source's frame,
redshift and effective spin have to be those that Bilby derives from the same rows.

To run it if the package is installed: ``python examples/ecosystem/summary_of_results.py``. To run it in a separate
environment, which is made for it: ``python tests/ecosystem/run.py summary_of_results``.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import bilby
import h5py
import numpy as np
import pesummary.io
from differences import Comparison, Difference, keep

OUTDIR = Path("outdir/summary_of_results")
TIME = 1126259462.4
SEARCHED = ["chirp_mass", "mass_ratio", "chi_1", "luminosity_distance", "phase"]
DERIVED = ["mass_1_source", "chirp_mass_source", "redshift", "chi_eff", "total_mass"]
RENAMED = {"chi_1": "spin_1z"}
"""Parameters that PESummary renames."""
SIGNAL = {
    "chirp_mass": 28.0,
    "mass_ratio": 0.8,
    "chi_1": 0.2,
    "chi_2": 0.0,
    "luminosity_distance": 900.0,
    "geocent_time": TIME,
    "phase": 1.3,
    "theta_jn": 0.4,
    "ra": 1.375,
    "dec": -1.2108,
    "psi": 2.659,
}
uniform, power = bilby.core.prior.Uniform, bilby.core.prior.PowerLaw
priors = bilby.gw.prior.BBHPriorDict(dictionary=dict(SIGNAL))
priors["chirp_mass"] = uniform(25, 32, "chirp_mass")
priors["mass_ratio"] = uniform(0.3, 1, "mass_ratio")
priors["chi_1"] = uniform(-0.5, 0.5, "chi_1")
priors["luminosity_distance"] = power(2, 300, 2000, "luminosity_distance")
priors["phase"] = uniform(0, 2 * np.pi, "phase", boundary="periodic")

waves = bilby.gw.WaveformGenerator(
    duration=4,
    sampling_frequency=512,
    frequency_domain_source_model=bilby.gw.source.lal_binary_black_hole,
    parameter_conversion=bilby.gw.conversion.convert_to_lal_binary_black_hole_parameters,
    waveform_arguments={"waveform_approximant": "IMRPhenomD", "reference_frequency": 20.0},
)
detectors = bilby.gw.detector.InterferometerList(["H1"])
bilby.core.utils.random.seed(4)
detectors.set_strain_data_from_power_spectral_densities(512, 4, start_time=TIME - 2)
detectors.inject_signal(waveform_generator=waves, parameters=dict(SIGNAL))
likelihood = bilby.gw.GravitationalWaveTransient(detectors, waves, priors=priors)

began = time.process_time()
result = bilby.run_sampler(
    likelihood,
    priors,
    sampler="flowpe",
    network="none",
    sampling_seed=1,
    outdir=str(OUTDIR),
    label="pair",
    progress=False,
    clean=True,
    injection_parameters=SIGNAL,
)
seconds = time.process_time() - began

pages = OUTDIR / "pages"
shutil.rmtree(pages, ignore_errors=True)
programs = Path(sys.executable).parent
began = time.monotonic()
words = ["--webdir", str(pages), "--labels", "pair", "--samples", str(OUTDIR / "pair_result.json"), "--gw"]
subprocess.run(
    [str(programs / "summarycombine"), *words],
    check=True,
    env={**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"},
)
took = time.monotonic() - began
# PESummary does not recognise its own file where Bilby has injected the signal, so the table is read as such.
with h5py.File(pages / "samples" / "posterior_samples.h5") as file:
    samples = file["pair/posterior_samples"][()]
    said = {key: float(value[0]) for key, value in file["pair/meta_data/sampler"].items() if key.startswith("ln_")}
# The file of flowpe itself is recognised.
assert pesummary.io.read(str(OUTDIR / "pair_result.json")).extra_kwargs["sampler"]["nsamples"] == len(result.posterior)

rounded = 0.005 / np.sqrt(3)
"""PESummary rounds evidences to two decimals, which has this standard deviation."""
differences = [
    Difference("ln Z", said["ln_evidence"], rounded, result.log_evidence),
    Difference("ln Bayes factor", said["ln_bayes_factor"], rounded, result.log_bayes_factor),
]
derived = bilby.gw.conversion.generate_all_bbh_parameters(result.posterior.copy(), priors=priors)
for key in (*SEARCHED, *DERIVED):
    # The same rows, so that chance has no part: a thousandth of the width is allowed (redshifts are interpolated).
    width = float(np.std(derived[key]))
    differences.append(
        Difference(
            f"mean of {key}", float(samples[RENAMED.get(key, key)].mean()), width / 1000, float(derived[key].mean())
        )
    )

keep(
    Comparison(
        package="pesummary",
        run="summarycombine of a result of a binary: what its file keeps and derives",
        reference="the result, and Bilby's conversions of the same rows",
        differences=differences,
        figures={
            "CPU seconds, flowpe": seconds,
            "evaluations, flowpe": float(result.num_likelihood_evaluations),
            "seconds, PESummary": took,
        },
    ),
    __file__,
)
