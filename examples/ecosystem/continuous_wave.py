"""cwinpy: the amplitude, orientation and phase of a continuous wave from a known pulsar.

The data are two days of one detector, heterodyned at the pulsar's phase. Frequency and sky position are known; four
parameters of the amplitude are not. The likelihood is cwinpy's default one, ``TargetedPulsarLikelihood``: a Student-t
likelihood of stretches of noise, for which the standard deviation of the noise need not be known. It reads its parameters
from an attribute, as older versions of Bilby did.

The signal is linear in two complex amplitudes, of plus and cross, so that the likelihood needs only inner products of
the data and the two patterns. The reference is this likelihood, summed over a grid of the four parameters.

To run it if the package is installed: ``python examples/ecosystem/continuous_wave.py``. To run it in a separate
environment, which is made for it: ``python tests/ecosystem/run.py continuous_wave``.
"""

import tempfile
import time
from pathlib import Path

import bilby
import numpy as np
from cwinpy import HeterodynedData
from cwinpy.pe.likelihood import TargetedPulsarLikelihood
from cwinpy.signal import HeterodynedCWSimulator
from differences import Comparison, evidence, keep, mean

STEP = 240.0
"""Seconds between samples."""
TIMES = np.arange(1_000_000_000.0, 1_000_000_000.0 + 2 * 86400, STEP)
POINTS = 65
"""Points of the grid along each parameter; the sum is compared with that of every second point."""
PULSAR = """PSRJ J0123+4523
RAJ 01:23:00.0
DECJ 45:23:00.0
F0 123.456
F1 -1e-12
PEPOCH 56000
UNITS TDB
EPHEM DE405
"""
truth = {"h0": 6e-26, "cosiota": 0.2, "psi": 0.6, "phi0": 1.1}
folder = Path(tempfile.mkdtemp())
pulsar, injected = folder / "pulsar.par", folder / "injected.par"
pulsar.write_text(PULSAR)


def with_amplitudes(**amplitudes):
    """Write a parameter file with those of the pulsar and these amplitudes, and return its name."""
    injected.write_text(PULSAR + "".join(f"{key.upper()} {value}\n" for key, value in amplitudes.items()))
    return str(injected)


data = HeterodynedData(
    par=str(pulsar),
    injpar=with_amplitudes(**truth),
    inject=True,
    times=TIMES,
    detector="H1",
    fakeasd=6e-24,  # one-sided, in 1 / sqrt(Hz)
    fakeseed=3,
)
Uniform = bilby.core.prior.Uniform
priors = bilby.core.prior.PriorDict(
    {
        "h0": Uniform(0, 2e-25),
        "cosiota": Uniform(-1, 1),
        "psi": Uniform(0, np.pi / 2, boundary="periodic"),
        "phi0": Uniform(0, np.pi, boundary="periodic"),  # the phase of the rotation: the wave turns twice as fast
    }
)
likelihood = TargetedPulsarLikelihood(data, priors)
cpu = time.process_time()
result = bilby.run_sampler(
    likelihood=likelihood,
    priors=priors,
    sampler="flowpe",
    outdir="outdir/continuous",
    label="flowpe",
    sampling_seed=3,
    n_effective=3000,
    progress=False,
    clean=True,
)
figures = {"CPU seconds of flowpe": time.process_time() - cpu}
figures["evaluations of flowpe"] = float(result.num_likelihood_evaluations)

cpu = time.process_time()
simulator = HeterodynedCWSimulator(str(pulsar), "H1", times=TIMES, dt=STEP)
# Edge-on there is no cross, and turned by psi = pi / 4 the pattern of cross is in the place of that of plus.
patterns = np.stack(
    [
        np.asarray(simulator.model(with_amplitudes(h0=1.0, cosiota=0.0, psi=psi, phi0=0.0))) / 0.25
        for psi in (0.0, np.pi / 4)
    ]
)
axes = [np.linspace(priors[key].minimum, priors[key].maximum, POINTS) for key in truth]
h0, cosiota, psi, phi0 = np.meshgrid(*axes, indexing="ij", sparse=True)
plus, cross = (1 + cosiota**2) / 2, -1j * cosiota
turn = 0.5 * h0 * np.exp(2j * phi0)
amplitudes = (
    turn * (plus * np.cos(2 * psi) - cross * np.sin(2 * psi)),
    turn * (plus * np.sin(2 * psi) + cross * np.cos(2 * psi)),
)
logs = np.zeros((POINTS,) * 4)
for first, length in zip(data.change_point_indices, data.chunk_lengths, strict=True):
    stretch = slice(int(first), int(first + length))
    of_data = np.sum(np.abs(data.data[stretch]) ** 2)
    overlaps = patterns[:, stretch].conj() @ data.data[stretch]
    powers = patterns[:, stretch].conj() @ patterns[:, stretch].T
    left = np.full(logs.shape, of_data)
    for i in range(2):
        left -= 2 * np.real(np.conj(amplitudes[i]) * overlaps[i])
        for j in range(2):
            left += np.real(np.conj(amplitudes[i]) * amplitudes[j] * powers[i, j])
    logs -= length * np.log(left / of_data)
highest = logs.max()
weights = np.exp(logs - highest)


def mean_over(weights, step=1):
    """Return the mean over the box by the trapezoidal rule, with every point or every second one."""
    cube = weights[::step, ::step, ::step, ::step]
    for _ in range(4):
        cube = np.trapezoid(cube, axis=-1) / (cube.shape[-1] - 1)
    return float(cube)


whole = mean_over(weights)
figures["ln BF of every second point of the grid, minus that of all"] = float(np.log(mean_over(weights, 2) / whole))
figures["CPU seconds of the grid"] = time.process_time() - cpu
figures["points of the grid"] = float(POINTS**4)

log_bayes_factor = float(highest + np.log(whole))
differences = [evidence(result, log_bayes_factor, "ln BF", ratio=True)]
for key, axis, unit, name in (
    ("h0", h0, 1e-26, "mean of h0, 1e-26"),
    ("cosiota", cosiota, 1.0, "mean of cosiota"),
):
    expected = mean_over(weights * axis) / whole / unit
    differences.append(mean(result, result.posterior[key] / unit, expected, name))
# Of angles that go around, the mean of a cosine.
for key, axis, times in (("psi", psi, 4), ("phi0", phi0, 2)):
    drawn = np.cos(times * result.posterior[key])
    expected = mean_over(weights * np.cos(times * axis)) / whole
    differences.append(mean(result, drawn, expected, f"mean of cos({times} {key})"))

keep(
    Comparison(
        "cwinpy",
        "a known pulsar in one detector, four parameters",
        "inner products on a grid",
        differences,
        figures=figures,
    ),
    __file__,
)
