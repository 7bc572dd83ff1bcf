"""Waveforms of ripple, which are written in JAX, used by a Bilby waveform generator.

ripple has waveform models in JAX. To use one with Bilby's generator, a user writes a function that takes Bilby's parameters
and returns NumPy arrays. There are three differences from a model of lalsimulation: values are in single precision
unless JAX is configured otherwise; a call that is not compiled takes seconds; and JAX has its own threads, so that a forked
worker process may wait for ever. Therefore the model is compiled here, and flowpe runs in one process.

The reference needs neither a sampler nor JAX: it is the posterior of chirp mass, distance and phase on a grid, with the
same model of lalsimulation in double precision. At one chirp mass, the log likelihood at amplitude s and phase p is
``s Re(z exp(-2ip)) - s^2 r / 2`` with two inner products z and r.

To run it if the package is installed: ``python examples/ecosystem/jax_waveforms.py``. To run it in a separate
environment, which is made for it: ``python tests/ecosystem/run.py jax_waveforms``.
"""

from __future__ import annotations

import resource
from pathlib import Path

import bilby
import jax
import jax.numpy as jnp
import numpy as np
import ripplegw
from differences import Comparison, evidence, keep, mean
from scipy.special import ive

MINIMUM, REFERENCE, DURATION, RATE = 20.0, 20.0, 4.0, 1024.0
INJECTION = {
    "chirp_mass": 40.0,
    "mass_ratio": 0.8,
    "chi_1": 0.2,
    "chi_2": -0.1,
    "luminosity_distance": 1200.0,
    "theta_jn": 0.5,
    "phase": 1.3,
    "psi": 0.4,
    "ra": 1.7,
    "dec": -0.3,
    "geocent_time": 1126259462.4,
}
FREE = ("chirp_mass", "luminosity_distance", "phase")
MODEL = jax.jit(ripplegw.waveform("IMRPhenomXAS", f_ref=REFERENCE).__call__)
"""Waveform model of ripple, which is compiled at its first call: otherwise each call takes seconds."""


def source(frequencies, chirp_mass, mass_ratio, chi_1, chi_2, luminosity_distance, theta_jn, phase, **_):
    """Return both polarisations; ripple is only called in the band, because it divides by the frequency."""
    inside = frequencies >= MINIMUM
    parameters = {
        "M_c": chirp_mass,
        "eta": mass_ratio / (1 + mass_ratio) ** 2,
        "s1_z": chi_1,
        "s2_z": chi_2,
        "d_L": luminosity_distance,
        "phase_c": phase,
        "iota": theta_jn,
    }
    waves = MODEL(jnp.asarray(frequencies[inside]), parameters)
    both = {}
    for mode, key in (("plus", "p"), ("cross", "c")):
        both[mode] = np.zeros(len(frequencies), dtype=complex)
        both[mode][inside] = np.asarray(waves[key])
    return both


def generator(**more):
    return bilby.gw.WaveformGenerator(
        duration=DURATION, sampling_frequency=RATE, start_time=INJECTION["geocent_time"] - DURATION + 1, **more
    )


def of_lalsimulation():
    return generator(
        frequency_domain_source_model=bilby.gw.source.lal_binary_black_hole,
        parameter_conversion=bilby.gw.conversion.convert_to_lal_binary_black_hole_parameters,
        waveform_arguments={
            "waveform_approximant": "IMRPhenomXAS",
            "reference_frequency": REFERENCE,
            "minimum_frequency": MINIMUM,
        },
    )


def by_quadrature(likelihood, priors, chirp_masses=161, distances=1001):
    """Return log evidence ratio and means of FREE, on a grid of chirp mass and distance, with the phase in closed form."""
    grid = np.linspace(priors["chirp_mass"].minimum, priors["chirp_mass"].maximum, chirp_masses)
    far = np.linspace(priors["luminosity_distance"].minimum, priors["luminosity_distance"].maximum, distances)
    z, r = np.zeros(chirp_masses, dtype=complex), np.zeros(chirp_masses)
    waves = of_lalsimulation()
    for index, chirp_mass in enumerate(grid):
        parameters = {**INJECTION, "chirp_mass": chirp_mass, "phase": 0.0}
        polarisations = waves.frequency_domain_strain(parameters)
        for detector in likelihood.interferometers:
            signal = detector.get_detector_response(polarisations, parameters)
            z[index] += detector.inner_product(signal)
            r[index] += detector.optimal_snr_squared(signal).real
    s = INJECTION["luminosity_distance"] / far
    x = s[None] * np.abs(z)[:, None]
    log = np.log(ive(0, x)) + x - 0.5 * s[None] ** 2 * r[:, None]
    priors_of = priors["chirp_mass"].prob(grid)[:, None] * priors["luminosity_distance"].prob(far)[None]
    weights = np.exp(log - log.max()) * priors_of
    evidence = np.log(np.trapezoid(np.trapezoid(weights, far, axis=1), grid)) + log.max()
    weights /= weights.sum()
    # The mean of exp(2i phase) at given amplitude is I1(x) / I0(x) times the phase of z, or of its conjugate.
    turn = np.sum(weights * ive(1, x) / ive(0, x) * np.exp(1j * np.angle(z))[:, None])
    return evidence, np.sum(weights * grid[:, None]), np.sum(weights * far[None]), turn


def main() -> None:
    """Run flowpe with ripple's waves on a signal of lalsimulation, and compare it with the grid."""
    bilby.core.utils.random.seed(32)
    detectors = bilby.gw.detector.InterferometerList(["H1", "L1"])
    detectors.set_strain_data_from_power_spectral_densities(RATE, DURATION, INJECTION["geocent_time"] - DURATION + 1)
    for detector in detectors:
        detector.minimum_frequency, detector.maximum_frequency = MINIMUM, 500.0
    detectors.inject_signal(INJECTION, waveform_generator=of_lalsimulation())
    priors = bilby.core.prior.PriorDict({key: value for key, value in INJECTION.items() if key not in FREE})
    priors["chirp_mass"] = bilby.core.prior.Uniform(38, 42, "chirp_mass")
    priors["luminosity_distance"] = bilby.core.prior.PowerLaw(2, 400, 4000, "luminosity_distance")
    priors["phase"] = bilby.core.prior.Uniform(0, 2 * np.pi, "phase", boundary="periodic")
    likelihood = bilby.gw.GravitationalWaveTransient(detectors, generator(frequency_domain_source_model=source))
    result = bilby.run_sampler(
        likelihood,
        priors,
        sampler="flowpe",
        n_effective=2000,
        sampling_seed=32,
        outdir="outdir/ecosystem",
        label=Path(__file__).stem,
    )
    seconds = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    log_ratio, chirp_mass, distance, turn = by_quadrature(likelihood, priors)
    rows = [evidence(result, float(log_ratio), "ln Z over noise", ratio=True)]
    for key, reference in (("chirp_mass", chirp_mass), ("luminosity_distance", distance)):
        values = result.posterior[key].to_numpy()
        rows.append(mean(result, values, reference, f"mean of {key}"))
    turns = np.exp(2j * (result.posterior["phase"].to_numpy() - INJECTION["phase"]))
    for name, part in (("cos", np.real), ("sin", np.imag)):
        values, reference = part(turns), part(turn * np.exp(-2j * INJECTION["phase"]))
        rows.append(mean(result, values, reference, f"mean of {name} 2(phase - injected)"))
    keep(
        Comparison(
            "ripplegw",
            "IMRPhenomXAS in single precision, three parameters",
            "quadrature with lalsimulation's",
            rows,
            figures={
                "CPU seconds": seconds,
                "likelihood evaluations": float(result.num_likelihood_evaluations),
                "waveforms of the quadrature": 161.0,
            },
        ),
        __file__,
    )


if __name__ == "__main__":
    main()
