"""The second image of a lensed signal, given posterior samples of the first: flowpe with a likelihood of golum.

Strong lensing makes copies of a signal that arrive later, are fainter or louder, and have another Morse phase. golum's
likelihood of the second image averages over samples of the first image's posterior, so that three parameters are left:
relative magnification, delay, and the difference of the Morse factors, which is one of 0, 0.5, 1 and 1.5.

golum's likelihood is not a subclass of Bilby's likelihood for transients, and flowpe only uses its values. It is a step
function of the delay, because golum tabulates it at the samples of the data. The reference is the integral over all three
parameters: a sum over steps and Morse factors, and the trapezium rule for the magnification.

To run it if the package is installed: ``python examples/ecosystem/second_image.py``. To run it in a separate
environment, which is made for it: ``python tests/ecosystem/run.py second_image``.
"""

import contextlib
import io
import time

import bilby
import numpy as np
from differences import Comparison, evidence, keep, mean
from golum.pe.likelihood import GravitationalWaveTransientImage2
from golum.pe.prior import MorseFactorDifference
from golum.tools.waveformmodels import lensed_bbh_model
from scipy.special import logsumexp

DURATION, SAMPLING = 4.0, 2048.0
FIRST, DELAY = 1126259462.0, 280000.0  # GPS seconds of the first image, seconds until the second
HALF_WIDTH = 0.004  # seconds around the delay that its prior allows
SAMPLES = 50  # of the first image's posterior, over which golum averages
TRUTH = {
    **{key: 0.0 for key in ("a_1", "a_2", "tilt_1", "tilt_2", "phi_12", "phi_jl", "n_phase")},
    **{"chirp_mass": 28.0, "mass_ratio": 0.8, "theta_jn": 0.5, "psi": 0.7, "ra": 1.4, "dec": -0.9, "phase": 1.0},
    **{"luminosity_distance": 1500.0, "geocent_time": FIRST},
}


def first_posterior(rng: np.random.Generator) -> dict[str, list[float]]:
    """Draw samples that represent the posterior of the first image: Gaussian in masses, distance and phase."""
    widths = {"chirp_mass": 0.2, "luminosity_distance": 100.0, "phase": 0.1}
    return {key: list(value + widths.get(key, 0.0) * rng.standard_normal(500)) for key, value in TRUTH.items()}


def problem() -> tuple[GravitationalWaveTransientImage2, bilby.core.prior.PriorDict]:
    """Return golum's likelihood of a second image in two detectors, and priors of its three parameters."""
    bilby.core.utils.random.seed(11)
    begin = FIRST + DELAY - DURATION / 2
    generator = bilby.gw.WaveformGenerator(
        duration=DURATION,
        sampling_frequency=SAMPLING,
        start_time=begin,
        frequency_domain_source_model=lensed_bbh_model,
        waveform_arguments={
            "waveform_approximant": "IMRPhenomXAS",
            "reference_frequency": 20.0,
            "minimum_frequency": 20.0,
        },
    )
    detectors = bilby.gw.detector.InterferometerList(["H1", "L1"])
    for detector in detectors:
        detector.minimum_frequency, detector.maximum_frequency = 20.0, 1000.0
    detectors.set_strain_data_from_power_spectral_densities(SAMPLING, DURATION, begin)
    second = {**TRUTH, "geocent_time": FIRST + DELAY, "n_phase": 0.5}
    second["luminosity_distance"] *= np.sqrt(1.5)
    detectors.inject_signal(waveform_generator=generator, parameters=second)
    prior = bilby.core.prior
    priors = prior.PriorDict(
        {
            "relative_magnification": prior.LogUniform(0.2, 10),
            "delta_t": prior.Uniform(DELAY - HALF_WIDTH, DELAY + HALF_WIDTH),
            "delta_n": MorseFactorDifference("delta_n"),
        }
    )
    with contextlib.redirect_stdout(io.StringIO()):  # golum prints what it tabulates
        likelihood = GravitationalWaveTransientImage2(
            detectors, generator, first_posterior(np.random.default_rng(5)), SAMPLES, seed=3, priors=priors
        )
    return likelihood, priors


def integral(
    likelihood: GravitationalWaveTransientImage2, priors: bilby.core.prior.PriorDict
) -> tuple[float, dict[str, float]]:
    """Return log evidence and posterior means, from golum's own table."""
    # Between two middles of its times the table gives one value; all samples have one time here.
    edges = (likelihood.time_array[1:] + likelihood.time_array[:-1]) / 2 - FIRST
    edges = np.clip(edges, DELAY - HALF_WIDTH, DELAY + HALF_WIDTH)
    edges = np.concatenate([[DELAY - HALF_WIDTH], edges, [DELAY + HALF_WIDTH]])
    log_steps = np.log(np.maximum(np.diff(edges), 1e-300) / (2 * HALF_WIDTH))
    magnification = np.geomspace(0.2, 10, 400)
    log_prior = np.full(400, -np.log(399.0))
    log_prior[[0, -1]] -= np.log(2)
    log_of = np.empty((4, len(magnification), len(likelihood.time_array)))
    for which, table in enumerate(likelihood.snr_tables):
        overlap = np.array([np.real(one["d_inner_h"]) for one in table])
        power = np.array([np.real(one["h_inner_h"]) for one in table])
        for i, mu in enumerate(magnification):
            ratios = overlap / np.sqrt(mu) - power[:, None] / mu / 2
            log_of[which, i] = logsumexp(ratios, axis=0) - np.log(SAMPLES) + log_prior[i] + log_steps - np.log(4)
    log_evidence = logsumexp(log_of)
    posterior = np.exp(log_of - log_evidence)
    return float(log_evidence), {
        "delta_n": float(posterior.sum(axis=(1, 2)) @ [0, 0.5, 1, 1.5]),
        "relative_magnification": float(posterior.sum(axis=(0, 2)) @ magnification),
        "delta_t": float(posterior.sum(axis=(0, 1)) @ ((edges[1:] + edges[:-1]) / 2 - DELAY)),
    }


def main() -> None:
    likelihood, priors = problem()
    start = time.process_time()
    log_evidence, expected = integral(likelihood, priors)
    middle = time.process_time()
    result = bilby.run_sampler(
        likelihood,
        priors,
        sampler="flowpe",
        outdir="outdir/second_image",
        label="golum",
        clean=True,
        sampling_seed=1,
        use_ratio=True,
        progress=False,
    )
    end = time.process_time()
    differences = [evidence(result, log_evidence + likelihood.noise_log_likelihood())]
    for key, value in expected.items():
        drawn = result.posterior[key].to_numpy() - (DELAY if key == "delta_t" else 0.0)
        differences.append(mean(result, drawn, value, f"mean of {key}"))
    statistics = result.meta_data["run_statistics"]
    keep(
        Comparison(
            package="golum",
            run="second image given samples of the first: magnification, delay, Morse factor",
            reference="integral of golum's table",
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
