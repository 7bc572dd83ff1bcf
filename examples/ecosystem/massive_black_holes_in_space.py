"""pespace: two massive black holes in a detector similar to LISA, with a response computed by taichi.

Distance, inclination, phase and time of coalescence are sampled by flowpe through pespace's Bilby interface; masses,
spins and sky position are known. pespace's likelihood has neither plus and cross polarisations nor a likelihood of noise
alone. flowpe therefore refines a proposal from the prior, and the evidence in Bilby's result does not include the
normalisation of the noise.

The wave has one harmonic, so that distance and phase only scale and rotate the response. The reference is the likelihood
written with inner products of responses on a grid of inclinations and times: its mean over the phase is a Bessel
function, and its mean over distances a sum.

To run it if the package is installed: ``python examples/ecosystem/massive_black_holes_in_space.py``. To run it in a separate
environment, which is made for it: ``python tests/ecosystem/run.py massive_black_holes_in_space``.
"""

import time

import bilby
import numpy as np
import taichi
from scipy.special import i0e

taichi.init(arch=taichi.cpu, default_fp=taichi.f64, cpu_max_num_threads=1, offline_cache=False, log_level=taichi.ERROR)

from differences import Comparison, evidence, keep, mean  # noqa: E402
from pespace.detector.antenna import FDResponseModelMarset2018, InterferometerAntenna  # noqa: E402
from pespace.detector.orbit import available_orbit_models  # noqa: E402
from pespace.detector.tdi import FDMichelsonConstantEqualArm, TDIChannelData  # noqa: E402
from pespace.inference.interface_bilby import LikelihoodBilbyInterfaceTaichi  # noqa: E402
from tiwave.waveforms import IMRPhenomXAS  # noqa: E402

CADENCE = 20.0
"""Seconds between samples, for frequencies up to 25 mHz."""
DURATION = 2.0**13 * CADENCE
"""Seconds, about two days."""
CHANNELS = ("A", "E", "T")
TIMES = 41
"""Points of the grid along the time; the sum is compared with that of every second point and inclination."""
DISTANCES = 301
"""Points along the distance, which cost no waveform."""

data = TDIChannelData()
data.set_fd_data_from_zero(
    channels=CHANNELS,
    duration=DURATION,
    delta_time=CADENCE,
    start_time=0.0,
    minimum_frequency=2e-4,
    maximum_frequency=0.5 / CADENCE,
)
data.set_fd_noise_power_density_from_model("LISA_SciRDv1", tdi_generation="2.0")
data.add_into_fd_data(data.get_fd_noise_realization(seed=4))
lisa = InterferometerAntenna(
    name="lisa",
    tdi_data=data,
    orbit_model=available_orbit_models["LISA_analytic"],
    response_model=FDResponseModelMarset2018(),
    tdi_combination=FDMichelsonConstantEqualArm(generation="2.0", orthogonal=True),
)
truth = {
    "total_mass": 3e6,
    "mass_ratio": 0.6,
    "chi_1": 0.4,
    "chi_2": 0.2,
    "luminosity_distance": 1.2e5,
    "inclination": 1.2,
    "reference_phase": 1.3,
    "ecliptic_longitude": 1.375,
    "ecliptic_latitude": -0.6,
    "polarization": 0.7,
    "coalescence_time": 0.8 * DURATION,
}
wave = IMRPhenomXAS(data.frequency_samples, 1e-3, parameter_conversion=bilby.gw.conversion.generate_component_masses)
places = ("ecliptic_longitude", "ecliptic_latitude", "polarization", "coalescence_time")
wave.update_waveform(truth)
lisa.inject_signal(wave.waveform_container, *(truth[key] for key in places))

likelihood = LikelihoodBilbyInterfaceTaichi(waveform=wave, detector=lisa, channels=CHANNELS)
Uniform, Sine = bilby.core.prior.Uniform, bilby.core.prior.Sine
priors = bilby.core.prior.PriorDict(
    truth
    | {
        "luminosity_distance": Uniform(5e4, 3e5),
        "inclination": Sine(),
        "reference_phase": Uniform(0, np.pi, boundary="periodic"),
        "coalescence_time": Uniform(truth["coalescence_time"] - 3, truth["coalescence_time"] + 3),
    }
)
likelihood.log_likelihood(truth)  # compiles
cpu = time.process_time()
result = bilby.run_sampler(
    likelihood=likelihood,
    priors=priors,
    sampler="flowpe",
    outdir="outdir/massive",
    label="flowpe",
    sampling_seed=3,
    n_effective=2000,
    progress=False,
    clean=True,
)
figures = {"CPU seconds of flowpe": time.process_time() - cpu}
figures["evaluations of flowpe"] = float(result.num_likelihood_evaluations)

cpu = time.process_time()
observed, curves = (
    np.concatenate([getattr(of, channel) for channel in CHANNELS])
    for of in (data.fd_data_numpy, data.fd_noise_power_density_numpy)
)
step = 4 / DURATION / curves


def response(**changed):
    """Return the response in all channels, one after the other."""
    parameters = truth | changed
    wave.update_waveform(parameters)
    lisa.update_detector_response(wave.waveform_container, *(parameters[key] for key in places))
    return np.concatenate([getattr(lisa.tdi_response_numpy, channel) for channel in CHANNELS])


before, after = response(), response(reference_phase=truth["reference_phase"] + 0.3)
loud = np.abs(before) > 1e-3 * np.abs(before).max()
angles = np.abs(np.angle(after[loud] / before[loud]))
figures["largest error of the turn by twice the phase"] = float(np.max(np.abs(angles - 0.6)))
inclinations = np.concatenate(
    [np.linspace(0, 1.08, 40), np.linspace(1.08, 1.32, 80)[1:], np.linspace(1.32, np.pi, 41)[1:]]
)
times = np.linspace(priors["coalescence_time"].minimum, priors["coalescence_time"].maximum, TIMES)
distances = np.linspace(5e4, 3e5, DISTANCES)
scale = truth["luminosity_distance"] / distances
of_noise = -0.5 * np.sum(step * np.abs(observed) ** 2)
logs = np.empty((len(inclinations), TIMES, DISTANCES))
for i, inclination in enumerate(inclinations):
    for j, coalescence in enumerate(times):
        here = response(inclination=inclination, coalescence_time=coalescence)
        overlap = scale * np.abs(np.sum(step * np.conj(observed) * here))
        power = np.sum(step * np.abs(here) ** 2)
        logs[i, j] = of_noise + np.log(i0e(overlap)) + overlap - 0.5 * scale**2 * power
highest = logs.max()
weights = np.exp(logs - highest)
weights *= np.sin(inclinations)[:, None, None] / 2 * np.pi  # the prior, over the uniform one of the mean below


def mean_over(weights, step=1):
    """Return the mean over the box by the trapezoidal rule, with every or every second inclination and time."""
    cube = weights[::step, ::step]
    for _ in range(2):
        cube = np.trapezoid(cube, axis=-1) / (cube.shape[-1] - 1)
    return float(np.trapezoid(cube, inclinations[::step]) / np.pi)


whole = mean_over(weights)
log_evidence = float(highest + np.log(whole))
figures["ln Z of every second inclination and time, minus that of all"] = float(np.log(mean_over(weights, 2) / whole))
figures["CPU seconds of the grid"] = time.process_time() - cpu
figures["responses of the grid"] = float(len(inclinations) * TIMES)

differences = [evidence(result, log_evidence)]
axes = {
    "inclination": inclinations,
    "coalescence_time": times - truth["coalescence_time"],
    "luminosity_distance": distances,
}
for place, (key, axis) in enumerate(axes.items()):
    drawn = result.posterior[key] - (truth[key] if key == "coalescence_time" else 0)
    shape = [1] * 3
    shape[place] = -1
    name = f"mean of {key}" + (", less the true one" if key == "coalescence_time" else "")
    differences.append(mean(result, drawn, mean_over(weights * axis.reshape(shape)) / whole, name))

keep(
    Comparison(
        "pespace",
        "two massive black holes in LISA, four parameters",
        "inner products on a grid",
        differences,
        figures=figures,
    ),
    __file__,
)
