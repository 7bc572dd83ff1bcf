"""A whole analysis by bilby_pipe: an ini file, simulated noise with a signal, two parallel runs, and the merged result.

bilby_pipe is started as its users start it (``bilby_pipe pipe.ini --local``), with ``sampler = flowpe``. The merged result
is compared with two references on the same data: flowpe without bilby_pipe (``bilby.run_sampler`` with the likelihood and
priors of the run, which are read from its files) and dynesty, Bilby's default sampler. A black-hole binary in one detector
has three unknown parameters, so that dynesty takes a minute.

To run it if the package is installed: ``python examples/ecosystem/pipe_of_two_runs.py``. To run it in a separate
environment, which is made for it: ``python tests/ecosystem/run.py pipe_of_two_runs``.
"""

import os
import resource
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import bilby
import numpy as np
from differences import Comparison, Difference, evidence, keep, means

from bilby_flowpe.configuration.pipe import read_pipe_result

OUTDIR = Path("outdir/pipe_of_two_runs")
KEYS = ["mass_ratio", "luminosity_distance", "geocent_time"]
PRIOR = """
mass_ratio = Uniform(name='mass_ratio', minimum=0.3, maximum=1)
chirp_mass = 28.0
luminosity_distance = PowerLaw(name='luminosity_distance', alpha=2, minimum=300, maximum=2000, unit='Mpc')
geocent_time = Uniform(name='geocent_time', minimum=1126259462.3, maximum=1126259462.5)
phase = Uniform(name='phase', minimum=0, maximum=2 * np.pi, boundary='periodic')
chi_1 = 0
chi_2 = 0
theta_jn = 0.4
ra = 1.375
dec = -1.2108
psi = 2.659
"""
INI = """
label = pair
outdir = {outdir}
detectors = [H1]
duration = 2
post-trigger-duration = 0.5
sampling-frequency = 512
trigger-time = 1126259462.4
gaussian-noise = True
generation-seed = 5
injection-dict = {{chirp_mass: 28.0, mass_ratio: 0.8, luminosity_distance: 900, geocent_time: 1126259462.41, phase: 1.3, a_1: 0, a_2: 0, tilt_1: 0, tilt_2: 0, phi_12: 0, phi_jl: 0, theta_jn: 0.4, ra: 1.375, dec: -1.2108, psi: 2.659}}
waveform-approximant = IMRPhenomD
reference-frequency = 20
prior-file = {prior}
sampler = flowpe
sampler-kwargs = {{network: none, n_effective: 1000, n_posterior: 1000, progress: False}}
sampling-seed = 3
n-parallel = 2
request-cpus = 1
result-format = json
"""  # noqa: E501 (one line of an ini file is one setting)

shutil.rmtree(OUTDIR, ignore_errors=True)
OUTDIR.mkdir(parents=True)
prior, ini = OUTDIR / "pair.prior", OUTDIR / "pair.ini"
prior.write_text(PRIOR)
ini.write_text(INI.format(outdir=OUTDIR / "pipe", prior=prior))
programs = Path(sys.executable).parent
path = f"{programs}{os.pathsep}{os.environ['PATH']}"
subprocess.run(["bilby_pipe", str(ini), "--local"], check=True, env={**os.environ, "PATH": path})
used = resource.getrusage(resource.RUSAGE_CHILDREN)
figures = {"CPU seconds, bilby_pipe with two runs of flowpe": used.ru_utime + used.ru_stime}

(merged_file,) = (OUTDIR / "pipe" / "result").glob("*merge_result.json")
merged = bilby.read_in_result(str(merged_file))
parts = [str(file) for file in sorted((OUTDIR / "pipe" / "result").glob("*par?_result.json"))]
first, run = read_pipe_result(parts[0])
second = bilby.read_in_result(parts[1])
figures |= {"evaluations, first of two": float(first.num_likelihood_evaluations)}
differences = []
# With the phase integrated out, by Bilby, dynesty has one parameter less to search; the evidence is the same.
without_phase = run.priors.copy()  # Bilby fixes the phase in it
marginal = bilby.gw.GravitationalWaveTransient(
    run.likelihood.interferometers,
    run.likelihood.waveform_generator,
    priors=without_phase,
    phase_marginalization=True,
)
for sampler, on, asked, settings in (
    (
        "flowpe",
        run.likelihood,
        run.priors,
        {"network": "none", "n_effective": 1000, "n_posterior": 1000, "progress": False},
    ),
    ("dynesty", marginal, without_phase, {"nlive": 150, "naccept": 5}),
):
    began = time.process_time()
    alone = bilby.run_sampler(
        on,
        asked,
        sampler=sampler,
        sampling_seed=8,
        outdir=str(OUTDIR / sampler),
        label=sampler,
        clean=True,
        **settings,
    )
    figures |= {
        f"CPU seconds, {sampler} alone": time.process_time() - began,
        f"evaluations, {sampler} alone": float(alone.num_likelihood_evaluations),
    }
    held_against = f" (against {sampler} alone)"
    found = [evidence(merged, alone), *means(merged, alone, KEYS)]
    differences += [replace(one, quantity=one.quantity + held_against) for one in found]

# Bilby merges to the mean of the evidences.
closed = float(np.logaddexp(first.log_evidence, second.log_evidence) - np.log(2))
rounding = 1e-9  # of ln Z, on the way through JSON
differences.append(Difference("ln Z (against the mean of both parts)", merged.log_evidence, rounding, closed))
keep(
    Comparison(
        package="bilby_pipe",
        run="an ini file with a simulated signal: two runs of flowpe in parallel, merged",
        reference="flowpe and dynesty by bilby.run_sampler, on the data of the run",
        differences=differences,
        figures=figures,
    ),
    __file__,
)
