"""A deviation from general relativity, measured together with the source's parameters: flowpe with a waveform of bilby-tgr.

bilby-tgr has waveforms with further parameters. Here ``dchi_2`` changes the post-Newtonian phase of the inspiral at
the order v^2 (the framework FTI). The likelihood is Bilby's usual one. flowpe draws phase, distance and time in closed
form if they still act as they do in general relativity; it tests this with the given waveform.

The reference is a numerical integral over all five parameters, without a sampler: waveforms on a grid of chirp mass and
``dchi_2``, the phase by a Bessel function, the time and the distance on grids.

To run it if the package is installed: ``python examples/ecosystem/deviation_from_relativity.py``. To run it in a separate
environment, which is made for it: ``python tests/ecosystem/run.py deviation_from_relativity``.
"""

import time

import bilby
import numpy as np
from bilby_tgr.fti.conversion import convert_to_lal_binary_black_hole_parameters
from bilby_tgr.fti.source import lal_binary_black_hole
from differences import Comparison, evidence, keep, mean
from scipy.special import i0e, logsumexp

DURATION, SAMPLING, TRIGGER = 4.0, 1024.0, 1126259462.0
FIXED = {
    **{key: 0.0 for key in ("a_1", "a_2", "tilt_1", "tilt_2", "phi_12", "phi_jl")},
    **{"mass_ratio": 0.8, "theta_jn": 0.5, "psi": 0.7, "ra": 1.4, "dec": -0.9},
}
TRUTH = {
    **FIXED,
    "chirp_mass": 28.0,
    "dchi_2": 0.05,
    "luminosity_distance": 900.0,
    "phase": 1.0,
    "geocent_time": TRIGGER,
}
ORIGIN = {"geocent_time": TRIGGER}  # from where means are counted
HALF_WIDTH = 0.0025  # seconds around the trigger that the prior of the time allows


def problem() -> tuple[bilby.gw.GravitationalWaveTransient, bilby.core.prior.PriorDict]:
    """Bilby's likelihood of two detectors with a signal in noise, and priors of five parameters."""
    bilby.core.utils.random.seed(7)
    generator = bilby.gw.WaveformGenerator(
        duration=DURATION,
        sampling_frequency=SAMPLING,
        start_time=TRIGGER - DURATION / 2,
        frequency_domain_source_model=lal_binary_black_hole,
        parameter_conversion=convert_to_lal_binary_black_hole_parameters,
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
    detectors.inject_signal(waveform_generator=generator, parameters=TRUTH)
    prior = bilby.core.prior
    priors = prior.PriorDict(
        {
            **FIXED,
            "chirp_mass": prior.Uniform(26.5, 29.5),
            "dchi_2": prior.Uniform(-0.2, 0.4),
            "luminosity_distance": prior.PowerLaw(alpha=2, minimum=300, maximum=1500),
            "phase": prior.Uniform(0, 2 * np.pi, boundary="periodic"),
            "geocent_time": prior.Uniform(TRIGGER - HALF_WIDTH, TRIGGER + HALF_WIDTH),
        }
    )
    return bilby.gw.GravitationalWaveTransient(detectors, generator), priors


def integral(
    likelihood: bilby.gw.GravitationalWaveTransient,
    priors: bilby.core.prior.PriorDict,
    sizes: tuple[int, int, int, int] = (61, 241, 61, 41),
) -> tuple[float, dict[str, float], int]:
    """Return log evidence, posterior means and the number of waveforms, by the trapezium rule.

    ``sizes`` are numbers of nodes of chirp mass, dchi_2, distance and time.
    """
    names = ("chirp_mass", "dchi_2", "luminosity_distance", "geocent_time")
    nodes = {key: np.linspace(priors[key].minimum, priors[key].maximum, n) for key, n in zip(names, sizes, strict=True)}
    weights = {key: np.gradient(at) * priors[key].prob(at) for key, at in nodes.items()}
    for one in weights.values():
        one[[0, -1]] /= 2  # end nodes of the trapezium rule stand for half a step; those of np.gradient for a whole one
    log_weights = {key: np.log(one) for key, one in weights.items()}
    shifts = nodes["geocent_time"] - TRIGGER
    amplitudes = 1000.0 / nodes["luminosity_distance"]  # of a wave made at 1000 Mpc
    log_inner = log_weights["luminosity_distance"][:, None] + log_weights["geocent_time"][None, :]
    later = [
        np.exp(2j * np.pi * np.outer(shifts, one.frequency_array[one.frequency_mask]))
        for one in likelihood.interferometers
    ]
    log_of = np.empty(sizes)
    for i, mass in enumerate(nodes["chirp_mass"]):
        for j, deviation in enumerate(nodes["dchi_2"]):
            row = {**TRUTH, "chirp_mass": mass, "dchi_2": deviation, "luminosity_distance": 1000.0, "phase": 0.0}
            waves = likelihood.waveform_generator.frequency_domain_strain(row)
            overlap, power = np.zeros(len(shifts), complex), 0.0
            for detector, turns in zip(likelihood.interferometers, later, strict=True):
                wave = detector.get_detector_response(waves, row)
                band = detector.frequency_mask
                product = 4 / DURATION * wave.conj() * detector.frequency_domain_strain
                overlap += turns @ (product[band] / detector.power_spectral_density_array[band])
                power += detector.optimal_snr_squared(wave).real
            argument = amplitudes[:, None] * np.abs(overlap)[None, :]
            log_phase = np.log(i0e(argument)) + argument - 0.5 * amplitudes[:, None] ** 2 * power
            log_of[i, j] = log_inner + log_phase
    log_of += log_weights["chirp_mass"][:, None, None, None] + log_weights["dchi_2"][None, :, None, None]
    log_evidence = logsumexp(log_of)
    posterior = np.exp(log_of - log_evidence)
    found = {}
    for axis, key in enumerate(names):
        marginal = posterior.sum(axis=tuple(other for other in range(4) if other != axis))
        # A sum of weights is one to fifteen digits only, and times are counted from 1980.
        found[key] = float(marginal @ (nodes[key] - ORIGIN.get(key, 0.0)))
    return float(log_evidence), found, sizes[0] * sizes[1]


def main() -> None:
    likelihood, priors = problem()
    start = time.process_time()
    log_evidence, expected, waveforms = integral(likelihood, priors)
    middle = time.process_time()
    result = bilby.run_sampler(
        likelihood,
        priors,
        sampler="flowpe",
        outdir="outdir/deviation",
        label="dchi_2",
        clean=True,
        sampling_seed=1,
        use_ratio=True,
        progress=False,
    )
    end = time.process_time()
    differences = [evidence(result, log_evidence + likelihood.noise_log_likelihood())]
    for key, value in expected.items():
        drawn = result.posterior[key].to_numpy() - ORIGIN.get(key, 0.0)
        differences.append(mean(result, drawn, value, f"mean of {key}"))
    statistics = result.meta_data["run_statistics"]
    keep(
        Comparison(
            package="bilby-tgr",
            run="two detectors, chirp mass, dchi_2 of FTI, distance, phase and time",
            reference="numerical integral over all five",
            differences=differences,
            figures={
                "CPU seconds of flowpe": end - middle,
                "CPU seconds of the integral": middle - start,
                "likelihood evaluations of flowpe": float(statistics["n_likelihood_evaluations"]),
                "waveforms of the integral": float(waveforms),
            },
        ),
        __file__,
    )


if __name__ == "__main__":
    main()
