"""Two images of a lensed signal in one likelihood: flowpe with the joint likelihood of hanabi.

hanabi sums Bilby's likelihoods of several triggers. Parameters that are the same for all images have their usual names;
those of one image have a suffix, as in ``geocent_time^(2)``. Here the masses are fixed, and two images have distance and
phase of the source in common. Each has its own arrival time. The second also has a magnification relative to the first, and
a type (minimum, saddle or maximum).

A sum of likelihoods is not one of Bilby's likelihoods for transients, so that flowpe must not draw anything in closed form.
The type is one of three numbers, with a prior class of hanabi; the data allow only one of them. The reference is a
numerical integral over all six parameters. The suffixes make it easy: given distance and phase, the times are independent.

To run it if the package is installed: ``python examples/ecosystem/joint_images.py``. To run it in a separate
environment, which is made for it: ``python tests/ecosystem/run.py joint_images``.
"""

import time

import bilby
import numpy as np
from differences import Comparison, evidence, keep, mean
from hanabi.lensing.likelihood import LensingJointLikelihood
from hanabi.lensing.prior import DiscreteUniform, RelativeMagnificationPoorMan
from hanabi.lensing.waveform import morse_phase_from_image_type, strongly_lensed_BBH_waveform
from scipy.special import logsumexp

DURATION, SAMPLING = 2.0, 512.0
TIMES = (1126259462.0, 1126539462.0)  # GPS seconds of both images
HALF_WIDTH = 0.003  # seconds around each that the priors allow
SHARED = {
    **{key: 0.0 for key in ("a_1", "a_2", "tilt_1", "tilt_2", "phi_12", "phi_jl")},
    **{"chirp_mass": 28.0, "mass_ratio": 0.8, "theta_jn": 0.5, "psi": 0.7, "ra": 1.4, "dec": -0.9},
}
DISTANCE, PHASE, MAGNIFICATION, TYPE = 1500.0, 1.0, 0.7, 2  # what the data hold
NEAREST, FARTHEST, LARGEST = 500.0, 4000.0, 4.0  # bounds of the priors of distance (Mpc) and magnification


def single(image: int) -> bilby.gw.GravitationalWaveTransient:
    """Bilby's likelihood of one image, with a signal in noise."""
    bilby.core.utils.random.seed(20 + image)
    begin = TIMES[image] - DURATION / 2
    generator = bilby.gw.WaveformGenerator(
        duration=DURATION,
        sampling_frequency=SAMPLING,
        start_time=begin,
        frequency_domain_source_model=strongly_lensed_BBH_waveform,
        waveform_arguments={
            "waveform_approximant": "IMRPhenomXAS",
            "reference_frequency": 20.0,
            "minimum_frequency": 20.0,
        },
    )
    detectors = bilby.gw.detector.InterferometerList(["H1", "L1"])
    for detector in detectors:
        detector.minimum_frequency, detector.maximum_frequency = 20.0, 250.0
    detectors.set_strain_data_from_power_spectral_densities(SAMPLING, DURATION, begin)
    truth = {**SHARED, "luminosity_distance": DISTANCE, "phase": PHASE, "image_type": 1, "geocent_time": TIMES[image]}
    if image:
        truth |= {"luminosity_distance": DISTANCE / np.sqrt(MAGNIFICATION), "image_type": TYPE}
    detectors.inject_signal(waveform_generator=generator, parameters=truth)
    return bilby.gw.GravitationalWaveTransient(detectors, generator)


def priors() -> bilby.core.prior.PriorDict:
    prior = bilby.core.prior
    return prior.PriorDict(
        {
            **SHARED,
            "luminosity_distance": prior.PowerLaw(alpha=2, minimum=NEAREST, maximum=FARTHEST),
            "phase": prior.Uniform(0, np.pi, boundary="periodic"),
            **{f"geocent_time^({i + 1})": prior.Uniform(TIMES[i] - HALF_WIDTH, TIMES[i] + HALF_WIDTH) for i in (0, 1)},
            "image_type^(1)": 1,
            "image_type^(2)": DiscreteUniform("image_type^(2)", minimum=1, N=3),
            "relative_magnification^(1)": 1,
            "relative_magnification^(2)": RelativeMagnificationPoorMan(maximum=LARGEST),
        }
    )


def averaged_over_time(
    likelihood: bilby.gw.GravitationalWaveTransient, time_of: float, distances: np.ndarray, phases: np.ndarray
) -> np.ndarray:
    """Return the log likelihood ratio of one image of type minimum, averaged over its time, (distances, phases)."""
    shifts = np.linspace(-HALF_WIDTH, HALF_WIDTH, 121)
    weights = np.full(121, 1 / 120)
    weights[[0, -1]] /= 2
    row = {**SHARED, "luminosity_distance": 1000.0, "phase": 0.0, "image_type": 1, "geocent_time": time_of}
    waves = likelihood.waveform_generator.frequency_domain_strain(row)
    overlap, power = np.zeros(len(shifts), complex), 0.0
    for detector in likelihood.interferometers:
        wave, band = detector.get_detector_response(waves, row), detector.frequency_mask
        product = 4 / DURATION * (wave.conj() * detector.frequency_domain_strain)[band]
        turns = np.exp(2j * np.pi * np.outer(shifts, detector.frequency_array[band]))
        overlap += turns @ (product / detector.power_spectral_density_array[band])
        power += detector.optimal_snr_squared(wave).real
    turned = np.real(overlap[:, None] * np.exp(-2j * phases))  # a wave of the (2, 2) mode turns twice as fast
    amplitudes = 1000.0 / distances
    averages = [logsumexp(a * turned + np.log(weights)[:, None], axis=0) - a**2 * power / 2 for a in amplitudes]
    return np.array(averages)


def integral(likelihoods: list[bilby.gw.GravitationalWaveTransient]) -> tuple[float, dict[str, float]]:
    """Return the log ratio of the evidence to that of noise alone, and posterior means."""
    phases = np.arange(128) * np.pi / 128  # half a turn of the source is a whole one of the wave
    distances, magnification = np.linspace(NEAREST, FARTHEST, 351), np.linspace(1e-3, LARGEST, 400)
    apparent = np.geomspace(NEAREST / np.sqrt(LARGEST), FARTHEST / np.sqrt(1e-3), 1500)
    prior = priors()
    log_distance = np.log(np.gradient(distances)) + np.log(prior["luminosity_distance"].prob(distances))
    log_distance[[0, -1]] -= np.log(2)
    log_magnification = np.log(magnification[1] - magnification[0]) + np.log(
        prior["relative_magnification^(2)"].prob(magnification)
    )
    one = averaged_over_time(likelihoods[0], TIMES[0], distances, phases)
    log_of = np.empty((3, len(distances), len(magnification)))
    for kind in (1, 2, 3):
        # exp(-i Morse) on the wave is a turn of the phase by minus half of it.
        turned = phases - morse_phase_from_image_type(kind) / 2
        two = averaged_over_time(likelihoods[1], TIMES[1], apparent, turned)
        for i, distance in enumerate(distances):
            places = np.interp(distance / np.sqrt(magnification), apparent, np.arange(len(apparent)))
            lower = np.minimum(places.astype(int), len(apparent) - 2)
            share = (places - lower)[:, None]
            of_two = (1 - share) * two[lower] + share * two[lower + 1]
            log_of[kind - 1, i] = logsumexp(one[i] + of_two, axis=1) - np.log(len(phases))
    log_of += log_distance[:, None] + log_magnification - np.log(3)
    log_evidence = logsumexp(log_of)
    posterior = np.exp(log_of - log_evidence)
    return float(log_evidence), {
        "luminosity_distance": float(posterior.sum(axis=(0, 2)) @ distances),
        "relative_magnification^(2)": float(posterior.sum(axis=(0, 1)) @ magnification),
    }


def main() -> None:
    likelihoods = [single(0), single(1)]
    start = time.process_time()
    log_ratio, expected = integral(likelihoods)
    middle = time.process_time()
    likelihood = LensingJointLikelihood(likelihoods)
    result = bilby.run_sampler(
        likelihood,
        priors(),
        sampler="flowpe",
        outdir="outdir/joint_images",
        label="hanabi",
        clean=True,
        sampling_seed=1,
        n_effective=1000,
        progress=False,
    )
    end = time.process_time()
    differences = [evidence(result, log_ratio + likelihood.noise_log_likelihood())]
    for key, value in expected.items():
        drawn = result.posterior[key].to_numpy()
        differences.append(mean(result, drawn, value, f"mean of {key}"))
    statistics = result.meta_data["run_statistics"]
    keep(
        Comparison(
            package="hanabi-gw",
            run="joint likelihood of two images: distance, phase, two times, magnification, image type",
            reference="numerical integral over all six",
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
