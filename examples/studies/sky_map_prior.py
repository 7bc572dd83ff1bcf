"""Compare flowpe with Bilby's dynesty for a gravitational wave with a HEALPix sky map as its prior.

``python examples/studies/sky_map_prior.py [--map spot|two-spots|ring] [--sampler flowpe|dynesty] [--outdir DIR]``

The signal is in Hanford and Livingston. Sky position, time, polarisation angle, distance and phase are sampled. The spot is a
product of normal densities in right ascension and declination: dynesty gets these densities, and flowpe a map of them with
pixels of two degrees. (Bilby's draws from a map are smeared over a square of twice a pixel's side, and differ each time, so
that dynesty does not get the map.) dynesty runs with the phase marginalised, which does not change the evidence.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import bilby
import healpy
import numpy as np
from bilby.core.prior import PriorDict, TruncatedGaussian, Uniform
from bilby.gw.prior import HealPixMapPriorDist, HealPixPrior, PowerLaw

START, DURATION, SAMPLING = 1126259460.0, 4.0, 1024.0
INJECTION = {
    "chirp_mass": 26.0, "mass_ratio": 0.85, "chi_1": 0.0, "chi_2": 0.0, "luminosity_distance": 700.0, "theta_jn": 0.6,
    "psi": 1.1, "phase": 1.3, "geocent_time": START + 2.0, "ra": 2.2, "dec": -0.6,
}  # fmt: skip
NSIDE = 32
WIDTH = 0.15  # radians
SPOT = {
    "ra": TruncatedGaussian(INJECTION["ra"] + 0.1, WIDTH, 0, 2 * np.pi),
    "dec": TruncatedGaussian(INJECTION["dec"] + 0.1, WIDTH, -np.pi / 2, np.pi / 2),
}


def write_map(kind: str, path: Path) -> None:
    """Write a map with the signal in one of its spots, or on its ring."""
    places = np.array(healpy.pix2vec(NSIDE, np.arange(healpy.nside2npix(NSIDE)))).T
    source = np.asarray(healpy.ang2vec(np.pi / 2 - SPOT["dec"].mu, SPOT["ra"].mu))
    if kind == "ring":
        axis = np.asarray(healpy.ang2vec(1.2, 4.0))
        log_map = -0.5 * ((np.arccos(places @ axis) - np.arccos(source @ axis)) / 0.15) ** 2
    elif kind == "two-spots":
        other = np.asarray(healpy.ang2vec(0.6, 5.0))
        log_map = np.logaddexp(*((places @ place - 1) / WIDTH**2 for place in (source, other)))
    else:
        theta, phi = healpy.vec2ang(places)
        dec = np.pi / 2 - theta
        log_map = SPOT["ra"].ln_prob(phi) + SPOT["dec"].ln_prob(dec) - np.log(np.cos(dec))
    probability = np.exp(log_map)
    healpy.write_map(path, probability / probability.sum(), dtype=np.float64, overwrite=True)


def problem(path: Path | None) -> tuple[bilby.core.likelihood.Likelihood, PriorDict]:
    """Return likelihood and priors, with a map or with the normal densities of the spot."""
    bilby.core.utils.random.seed(3)
    generator = bilby.gw.WaveformGenerator(
        duration=DURATION, sampling_frequency=SAMPLING, start_time=START,
        frequency_domain_source_model=bilby.gw.source.lal_binary_black_hole,
        parameter_conversion=bilby.gw.conversion.convert_to_lal_binary_black_hole_parameters,
        waveform_arguments={"waveform_approximant": "IMRPhenomD", "reference_frequency": 20.0, "minimum_frequency": 20.0},
    )  # fmt: skip
    interferometers = bilby.gw.detector.InterferometerList(["H1", "L1"])
    for interferometer in interferometers:
        interferometer.minimum_frequency = 20
    interferometers.set_strain_data_from_power_spectral_densities(SAMPLING, DURATION, START)
    interferometers.inject_signal(waveform_generator=generator, parameters=INJECTION)
    sky = SPOT
    if path is not None:
        dist = HealPixMapPriorDist(str(path), names=["ra", "dec"])
        sky = {key: HealPixPrior(dist, key) for key in ("ra", "dec")}
    searched = {
        "luminosity_distance": PowerLaw(2, 100, 3000),
        "psi": Uniform(0, np.pi, boundary="periodic"),
        "phase": Uniform(0, 2 * np.pi, boundary="periodic"),
        "geocent_time": Uniform(START + 1.9, START + 2.1),
    }
    priors = PriorDict({**INJECTION, **searched, **sky})
    more = {"priors": priors, "phase_marginalization": True} if path is None else {}
    return bilby.gw.GravitationalWaveTransient(interferometers, generator, **more), priors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--map", choices=("spot", "two-spots", "ring"), default="spot")
    parser.add_argument("--sampler", choices=("flowpe", "dynesty"), default="flowpe")
    parser.add_argument("--outdir", type=Path, default=Path("outdir_sky_map"))
    parser.add_argument(
        "--evaluations", type=int, default=100_000, help="largest number of likelihood evaluations of flowpe"
    )
    given = parser.parse_args()
    if given.sampler == "dynesty" and given.map != "spot":
        parser.error("dynesty is given the densities of the spot alone")
    given.outdir.mkdir(parents=True, exist_ok=True)
    path = given.outdir / f"{given.map}.fits"
    write_map(given.map, path)
    likelihood, priors = problem(None if given.sampler == "dynesty" else path)
    settings = (
        {"nlive": 400, "sample": "acceptance-walk", "naccept": 10}
        if given.sampler == "dynesty"
        else {
            "network": "none",
            "n_effective": 1000,
            "sampling_seed": 1,
            "max_likelihood_evaluations": given.evaluations,
        }
    )
    result = bilby.run_sampler(
        likelihood, priors, sampler=given.sampler, outdir=str(given.outdir), label=f"{given.map}_{given.sampler}",
        plot=False, resume=False, **settings,
    )  # fmt: skip
    print(f"{given.map}, {given.sampler}: ln BF {result.log_bayes_factor:.3f} +- {result.log_evidence_err:.3f}")
    for key in ("ra", "dec", "luminosity_distance", "geocent_time"):
        low, middle, high = np.quantile(result.posterior[key], [0.05, 0.5, 0.95])
        print(f"  {key}: {middle:.6g} ({low - middle:+.3g}, {high - middle:+.3g})")
    print(
        f"  {result.num_likelihood_evaluations} evaluations, {result.meta_data.get('run_statistics', {}).get('verdict')}"
    )


if __name__ == "__main__":
    main()
