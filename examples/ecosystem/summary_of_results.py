"""A result of flowpe in PESummary: what it reads, keeps and derives, against the result and Bilby's own conversions.

``summarycombine --gw`` reads result files, derives what it can of binaries, and writes one file, as ``summarypages`` does
before it draws its pages. The binary here is simulated without noise in one detector, with aligned spins. Read back by
PESummary, evidence, Bayes factor and posterior means have to be those of the result; masses in the source's frame,
redshift and effective spin those that Bilby derives of the same rows.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import bilby
import numpy as np
import pesummary.io
from differences import Comparison, Difference, keep

OUTDIR = Path("outdir/summary_of_results")
TIME = 1126259462.4
SEARCHED = ["chirp_mass", "mass_ratio", "chi_1", "luminosity_distance", "phase"]
DERIVED = ["mass_1_source", "chirp_mass_source", "redshift", "chi_eff", "total_mass"]
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
    sampling_frequency=1024,
    frequency_domain_source_model=bilby.gw.source.lal_binary_black_hole,
    parameter_conversion=bilby.gw.conversion.convert_to_lal_binary_black_hole_parameters,
    waveform_arguments={"waveform_approximant": "IMRPhenomD", "reference_frequency": 20.0},
)
detectors = bilby.gw.detector.InterferometerList(["H1"])
detectors.set_strain_data_from_zero_noise(1024, 4, start_time=TIME - 2)
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
    conversion_function=bilby.gw.conversion.generate_all_bbh_parameters,
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
file = pesummary.io.read(str(pages / "samples" / "posterior_samples.h5"))
samples, said = file.samples_dict["pair"], file.extra_kwargs[0]["sampler"]
print(said)
print(sorted(samples.keys()))
ours = result.posterior
print("ours not theirs", sorted(set(ours)-set(samples)))
print("theirs not ours", sorted(set(samples)-set(ours)))
for k in sorted(set(ours)&set(samples)):
    a,b=np.asarray(ours[k]),np.asarray(samples[k])
    if len(a)==len(b) and np.issubdtype(a.dtype,np.number): print(k, np.max(np.abs(a-b)), np.max(np.abs(a-b)/(np.abs(a)+1e-300)))
    else: print(k,len(a),len(b),a.dtype)
print(result.log_evidence, result.log_evidence_err, result.log_bayes_factor, seconds, took)
print(result.posterior.iloc[0].to_dict()); print({k:samples[k][0] for k in samples})
