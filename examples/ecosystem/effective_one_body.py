"""SEOBNRv5HM, a waveform of an effective one-body model, which solves differential equations at every call.

The package pyseobnr makes it, in the time domain, and Bilby calls it through its generator for gwsignal. A wave takes some
50 ms, many times as long as a phenomenological model in the frequency domain. The time of a run therefore depends on the
number of waves. With the (2, 2) mode alone, flowpe draws phase, distance and time in closed form, from two waves for each
chirp mass: a change of the phase rotates the wave by twice the angle, but only to a few parts in ten thousand, so that the
wave is computed once more at the phase that was drawn.

The reference needs no sampler: it is the posterior of chirp mass, time, distance and phase on a grid, with waves of the same
model. If all harmonics have |m| up to M, waves at 2 M + 1 phases give the wave at every phase: it is a sum of these with
known coefficients (trigonometric interpolation). The distance scales it.

To run it if the package is installed: ``python examples/ecosystem/effective_one_body.py``. To run it in a separate
environment, which is made for it: ``python tests/ecosystem/run.py effective_one_body``.
"""

from __future__ import annotations

import resource
from pathlib import Path

import bilby
import numpy as np
from differences import Comparison, evidence, keep, mean

MINIMUM, REFERENCE, DURATION, RATE = 20.0, 20.0, 4.0, 1024.0
HIGHEST = 2
"""The largest |m| of the harmonics; with all that SEOBNRv5HM has it would be 5, and a row would need several waves."""
INJECTION = {
    "chirp_mass": 32.0,
    "mass_ratio": 0.5,
    "chi_1": 0.3,
    "chi_2": -0.2,
    "luminosity_distance": 900.0,
    "theta_jn": 1.0,
    "phase": 1.3,
    "psi": 0.4,
    "ra": 1.7,
    "dec": -0.3,
    "geocent_time": 1126259462.4,
}
FREE = ("chirp_mass", "geocent_time", "luminosity_distance", "phase")


def by_quadrature(likelihood, priors, chirp_masses=41, times=401, distances=301, phases=128):
    """Return log evidence ratio, means of FREE without the phase, and mean of exp(2i phase), on a grid."""
    counts = {"chirp_mass": chirp_masses, "geocent_time": times, "luminosity_distance": distances}
    grid, time, far = (np.linspace(priors[key].minimum, priors[key].maximum, number) for key, number in counts.items())
    turns, nodes = (np.arange(number) * 2 * np.pi / number for number in (phases, 2 * HIGHEST + 1))
    apart = (turns[:, None] - nodes[None])[..., None] * np.arange(1, HIGHEST + 1)
    share = (1 + 2 * np.cos(apart).sum(axis=-1)) / len(nodes)
    # The log likelihood at amplitude s is s z - s^2 r / 2.
    z, r = np.zeros((chirp_masses, phases, times)), np.zeros((chirp_masses, phases, 1))
    for index, chirp_mass in enumerate(grid):
        rows = [{**INJECTION, "chirp_mass": chirp_mass, "phase": node} for node in nodes]
        waves = [likelihood.waveform_generator.frequency_domain_strain(dict(row)) for row in rows]
        for detector in likelihood.interferometers:
            mask = detector.frequency_mask
            noise = np.sqrt(detector.power_spectral_density_array[mask] * DURATION / 4)
            signals = [detector.get_detector_response(*both)[mask] / noise for both in zip(waves, rows, strict=True)]
            late = np.exp(2j * np.pi * np.outer(detector.frequency_array[mask], time - INJECTION["geocent_time"]))
            data = detector.frequency_domain_strain[mask] / noise
            z[index] += share @ np.real(np.conj(signals) @ (data[:, None] * late))
            products = np.real(np.conj(signals) @ np.transpose(signals))
            r[index] += np.einsum("pi,ij,pj->p", share, products, share)[:, None]
    best = np.where(z > 0, z**2 / (2 * r), 0.0)
    near = np.nonzero(best > best.max() - 30)  # exp(-30) of the largest likelihood is nothing
    s = INJECTION["luminosity_distance"] / far
    log = s * z[near][:, None] - 0.5 * s**2 * r[near[0], near[1]] - best.max()
    weights = np.exp(log) * priors["luminosity_distance"].prob(far) / phases
    steps = [one[1] - one[0] for one in (grid, time, far)]
    flat = priors["chirp_mass"].prob(INJECTION["chirp_mass"]) * priors["geocent_time"].prob(INJECTION["geocent_time"])
    evidence = np.log(weights.sum() * np.prod(steps) * flat) + best.max()
    weights /= weights.sum()
    of_row = weights.sum(axis=1)
    means = np.sum(of_row * grid[near[0]]), np.sum(of_row * time[near[2]]), np.sum(weights * far)
    return evidence, means, np.sum(of_row * np.exp(2j * turns[near[1]]))


def main() -> None:
    """Run flowpe on a signal of the model, and compare it with the grid."""
    bilby.core.utils.random.seed(34)
    start = INJECTION["geocent_time"] - DURATION + 1
    generator = bilby.gw.waveform_generator.GWSignalWaveformGenerator(
        duration=DURATION,
        sampling_frequency=RATE,
        start_time=start,
        parameter_conversion=bilby.gw.conversion.convert_to_lal_binary_black_hole_parameters,
        waveform_arguments={
            "waveform_approximant": "SEOBNRv5HM",
            "reference_frequency": REFERENCE,
            "minimum_frequency": MINIMUM,
            "mode_array": [(2, 2)],
        },
    )
    detectors = bilby.gw.detector.InterferometerList(["H1", "L1"])
    detectors.set_strain_data_from_power_spectral_densities(RATE, DURATION, start)
    for detector in detectors:
        detector.minimum_frequency, detector.maximum_frequency = MINIMUM, 500.0
    detectors.inject_signal(INJECTION, waveform_generator=generator)
    priors = bilby.core.prior.PriorDict({key: value for key, value in INJECTION.items() if key not in FREE})
    priors["chirp_mass"] = bilby.core.prior.Uniform(30, 34, "chirp_mass")
    middle = INJECTION["geocent_time"]
    priors["geocent_time"] = bilby.core.prior.Uniform(middle - 0.02, middle + 0.02, "geocent_time")
    priors["luminosity_distance"] = bilby.core.prior.PowerLaw(2, 300, 2000, "luminosity_distance")
    priors["phase"] = bilby.core.prior.Uniform(0, 2 * np.pi, "phase", boundary="periodic")
    likelihood = bilby.gw.GravitationalWaveTransient(detectors, generator)
    result = bilby.run_sampler(
        likelihood,
        priors,
        sampler="flowpe",
        coarse=False,
        n_effective=300,
        sampling_seed=34,
        outdir="outdir/ecosystem",
        label=Path(__file__).stem,
    )
    used = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    log_ratio, means, turn = by_quadrature(likelihood, priors)
    rows = [evidence(result, float(log_ratio), "ln Z over noise", ratio=True)]
    for key, reference in zip(FREE, means, strict=False):
        values, unit = result.posterior[key].to_numpy(), ""
        if key == "geocent_time":
            values, reference, unit = 1e3 * (values - middle), 1e3 * (reference - middle), " after the injected, in ms"
        rows.append(mean(result, values, reference, f"mean of {key}{unit}"))
    turned = np.exp(2j * (result.posterior["phase"].to_numpy() - INJECTION["phase"]))
    for name, part in (("cos", np.real), ("sin", np.imag)):
        values, reference = part(turned), part(turn * np.exp(-2j * INJECTION["phase"]))
        rows.append(mean(result, values, reference, f"mean of {name} 2(phase - injected)"))
    keep(
        Comparison(
            "pyseobnr",
            "SEOBNRv5HM, (2, 2) mode, by Bilby's generator for gwsignal, four parameters",
            "quadrature with the same waves",
            rows,
            figures={
                "CPU seconds": used,
                "likelihood evaluations": float(result.num_likelihood_evaluations),
                "CPU seconds of the quadrature": resource.getrusage(resource.RUSAGE_SELF).ru_utime - used,
                "waveforms of the quadrature": 41.0 * (2 * HIGHEST + 1),
            },
        ),
        __file__,
    )


if __name__ == "__main__":
    main()
