"""A signal and a glitch that overlap, measured together: flowpe with a likelihood of bilby_antiglitch.

A glitch with three unknown parameters (amplitude, phase, time; its frequency and width are fixed) overlaps with a binary's
signal in one of two detectors. The likelihood is a subclass of Bilby's transient that adds the glitch to the signal before
it compares them with the data. Closed forms of the signal's phase or time would leave the glitch out, and flowpe must
detect that they are not valid.

The reference is a numerical integral over all five free parameters. It uses the inner products of signal and glitch with
the data and with each other, which are computed once for each chirp mass and time of the glitch.

To run it if the package is installed: ``python examples/ecosystem/signal_with_glitch.py``. To run it in a separate
environment, which is made for it: ``python tests/ecosystem/run.py signal_with_glitch``.
"""

import time
import warnings

import bilby
import numpy as np
from bilby_antiglitch.likelihood import GravitationalWaveTransientPlusGlitch
from bilby_antiglitch.source import antiglitch
from differences import Comparison, evidence, keep, mean
from scipy.special import logsumexp

warnings.filterwarnings("ignore", "divide by zero")  # the glitch takes the logarithm of all frequencies, zero included
DURATION, SAMPLING, TRIGGER = 4.0, 1024.0, 1126259462.0
CENTRE = TRIGGER - 0.02  # GPS seconds around which the glitch may lie
SIGNAL = {
    **{key: 0.0 for key in ("a_1", "a_2", "tilt_1", "tilt_2", "phi_12", "phi_jl")},
    **{"mass_ratio": 0.8, "theta_jn": 0.5, "psi": 0.7, "ra": 1.4, "dec": -0.9},
    **{"luminosity_distance": 1000.0, "geocent_time": TRIGGER},
}
GLITCH = {"L1_f": 60.0, "L1_gamma": 3.0}
TRUTH = {"chirp_mass": 28.0, "phase": 1.0, "L1_A": 12.0, "L1_phi": 1.5, "L1_tc": CENTRE}


def glitch_of(detector: bilby.gw.detector.Interferometer, at: float) -> np.ndarray:
    """Return a glitch of amplitude 1 and phase 0."""
    return antiglitch(
        detector.frequency_array,
        detector.power_spectral_density_array,
        TRIGGER - DURATION / 2,
        A=1.0,
        f=GLITCH["L1_f"],
        phi=0.0,
        tc=at,
        gamma=GLITCH["L1_gamma"],
    )


def problem() -> tuple[GravitationalWaveTransientPlusGlitch, bilby.core.prior.PriorDict]:
    """The likelihood of two detectors, with signal, glitch and noise, and priors of five parameters."""
    bilby.core.utils.random.seed(31)
    generator = bilby.gw.WaveformGenerator(
        duration=DURATION,
        sampling_frequency=SAMPLING,
        start_time=TRIGGER - DURATION / 2,
        frequency_domain_source_model=bilby.gw.source.lal_binary_black_hole,
        waveform_arguments={
            "waveform_approximant": "IMRPhenomXAS",
            "reference_frequency": 20.0,
            "minimum_frequency": 20.0,
        },
    )
    detectors = bilby.gw.detector.InterferometerList(["H1", "L1"])
    for detector in detectors:
        detector.minimum_frequency, detector.maximum_frequency = 20.0, 500.0
    detectors.set_strain_data_from_power_spectral_densities(SAMPLING, DURATION, TRIGGER - DURATION / 2)
    detectors.inject_signal(waveform_generator=generator, parameters={**SIGNAL, **TRUTH})
    glitch = TRUTH["L1_A"] * np.exp(2j * TRUTH["L1_phi"]) * glitch_of(detectors[1], TRUTH["L1_tc"])
    detectors[1].strain_data.frequency_domain_strain = detectors[1].frequency_domain_strain + glitch
    prior = bilby.core.prior
    priors = prior.PriorDict(
        {
            **SIGNAL,
            **GLITCH,
            "chirp_mass": prior.Uniform(26.5, 29.5),
            "phase": prior.Uniform(0, np.pi, boundary="periodic"),
            "L1_A": prior.Uniform(0, 30),
            "L1_phi": prior.Uniform(0, np.pi, boundary="periodic"),
            "L1_tc": prior.Uniform(CENTRE - 0.004, CENTRE + 0.004),
        }
    )
    return GravitationalWaveTransientPlusGlitch(detectors, generator, detectors_glitch=["L1"]), priors


def inner(detector: bilby.gw.detector.Interferometer, one: np.ndarray, other: np.ndarray) -> complex:
    """Return the noise-weighted inner product, antilinear in the first argument."""
    band = detector.frequency_mask
    return 4 / DURATION * np.sum((one.conj() * other)[band] / detector.power_spectral_density_array[band])


def integral(
    likelihood: GravitationalWaveTransientPlusGlitch, priors: bilby.core.prior.PriorDict
) -> tuple[float, dict[str, float]]:
    """Return the log ratio of the evidence to that of noise alone, and posterior means, by sums and the trapezium rule."""
    masses, times, amplitudes = np.linspace(26.5, 29.5, 61), np.linspace(-0.004, 0.004, 33), np.linspace(0, 30, 61)
    turns = np.exp(2j * np.arange(64) * np.pi / 64)  # of the wave and of the glitch
    second = likelihood.interferometers[1]
    glitches = [glitch_of(second, CENTRE + one) for one in times]
    ends = [np.where((at == at[0]) | (at == at[-1]), 0.5, 1.0) / (len(at) - 1) for at in (masses, times, amplitudes)]
    log_of = np.empty((len(masses), len(times), len(amplitudes)))
    for i, mass in enumerate(masses):
        row = {**SIGNAL, "chirp_mass": mass, "phase": 0.0}
        waves = likelihood.waveform_generator.frequency_domain_strain(row)
        seen = [one.get_detector_response(waves, row) for one in likelihood.interferometers]
        pairs = list(zip(likelihood.interferometers, seen, strict=True))
        overlap = sum(inner(one, wave, one.frequency_domain_strain) for one, wave in pairs)
        power = sum(inner(one, wave, wave).real for one, wave in pairs)
        of_signal = np.real(overlap * turns.conj()) - power / 2
        for j, glitch in enumerate(glitches):
            data, own = inner(second, glitch, second.frequency_domain_strain), inner(second, glitch, glitch).real
            both = inner(second, glitch, seen[1])
            # (phases of the signal, phases of the glitch): what the data have of the glitch once the signal is taken off
            left = np.real((data - both * turns[:, None]) * turns.conj())
            for k, amplitude in enumerate(amplitudes):
                values = of_signal[:, None] + amplitude * left - amplitude**2 * own / 2
                log_of[i, j, k] = logsumexp(values) - 2 * np.log(len(turns))
    log_of += np.log(ends[0])[:, None, None] + np.log(ends[1])[:, None] + np.log(ends[2])
    log_evidence = logsumexp(log_of)
    posterior = np.exp(log_of - log_evidence)
    return float(log_evidence), {
        "chirp_mass": float(posterior.sum(axis=(1, 2)) @ masses),
        "L1_A": float(posterior.sum(axis=(0, 1)) @ amplitudes),
        "L1_tc": float(posterior.sum(axis=(0, 2)) @ times),
    }


def main() -> None:
    likelihood, priors = problem()
    start = time.process_time()
    log_ratio, expected = integral(likelihood, priors)
    middle = time.process_time()
    result = bilby.run_sampler(
        likelihood,
        priors,
        sampler="flowpe",
        outdir="outdir/signal_with_glitch",
        label="antiglitch",
        clean=True,
        sampling_seed=1,
        n_effective=2000,
        progress=False,
    )
    end = time.process_time()
    differences = [evidence(result, log_ratio + likelihood.noise_log_likelihood())]
    for key, value in expected.items():
        drawn = result.posterior[key].to_numpy() - (CENTRE if key == "L1_tc" else 0.0)
        differences.append(mean(result, drawn, value, f"mean of {key}"))
    statistics = result.meta_data["run_statistics"]
    keep(
        Comparison(
            package="bilby_antiglitch",
            run="a signal and a glitch in one of two detectors: chirp mass, phase, and the glitch's amplitude, phase, time",
            reference="numerical integral over all five",
            differences=differences,
            figures={
                "CPU seconds of flowpe": end - middle,
                "CPU seconds of the integral": middle - start,
                "likelihood evaluations of flowpe": float(statistics["n_likelihood_evaluations"]),
            },
        ),
        __file__,
    )


if __name__ == "__main__":
    main()
