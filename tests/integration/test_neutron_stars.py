"""Neutron stars as people who use Bilby describe them: its source models, prior files, tides and conversions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bilby
import numpy as np
import pytest
from bilby.core.prior import Constraint, PowerLaw, PriorDict, Uniform
from bilby.gw import conversion, source
from bilby.gw.detector import InterferometerList
from bilby.gw.prior import BNSPriorDict, UniformInComponentsChirpMass
from bilby.gw.waveform_generator import WaveformGenerator

from bilby_flowpe.translation.plain import plain_likelihood
from bilby_flowpe.waves.coarse.sources import source_of

DURATION, SAMPLING_FREQUENCY, LOWEST = 4.0, 2048.0, 100.0
TRIGGER = 1187008882.4
START = TRIGGER + 1 - DURATION
TRUTH = {
    "chirp_mass": 1.2, "mass_ratio": 0.9, "theta_jn": 0.5, "psi": 2.6, "phase": 1.3, "ra": 3.44, "dec": -0.41,
    "geocent_time": TRIGGER + 0.007, "luminosity_distance": 60.0, "chi_1": 0.02, "chi_2": 0.01,
}  # fmt: skip
PRECESSING = {"a_1": 0.03, "a_2": 0.02, "tilt_1": 0.5, "tilt_2": 0.9, "phi_12": 0.7, "phi_jl": 0.3}
TIDES = {"lambda_1": 400.0, "lambda_2": 600.0}


def generator(model: Any, approximant: str) -> WaveformGenerator:
    """Make the generator, with the lowest frequency of the data if the source model takes one."""
    ends = {} if model is source.binary_neutron_star_frequency_sequence else {"minimum_frequency": LOWEST}
    return WaveformGenerator(
        duration=DURATION,
        sampling_frequency=SAMPLING_FREQUENCY,
        start_time=START,
        frequency_domain_source_model=model,
        parameter_conversion=conversion.convert_to_lal_binary_neutron_star_parameters,
        waveform_arguments={"waveform_approximant": approximant, "reference_frequency": LOWEST, **ends},
    )


def problem(
    approximant: str, truth: dict[str, float], file: str = "aligned_spins_bns_tides_on.prior"
) -> tuple[bilby.gw.GravitationalWaveTransient, PriorDict]:
    """A signal in two detectors, and one of Bilby's prior files, the chirp mass and the distance cut to it."""
    interferometers = InterferometerList(["H1", "L1"])
    for interferometer in interferometers:
        interferometer.minimum_frequency = LOWEST
    bilby.core.utils.random.seed(3)
    interferometers.set_strain_data_from_power_spectral_densities(SAMPLING_FREQUENCY, DURATION, start_time=START)
    waves = generator(source.lal_binary_neutron_star, approximant)
    interferometers.inject_signal(parameters=dict(truth), waveform_generator=waves, raise_error=False)
    priors = BNSPriorDict(filename=file)
    priors["chirp_mass"] = UniformInComponentsChirpMass(
        truth["chirp_mass"] - 0.01, truth["chirp_mass"] + 0.01, name="chirp_mass"
    )
    priors["luminosity_distance"] = PowerLaw(2, 5, 200, name="luminosity_distance")
    priors["geocent_time"] = Uniform(TRIGGER - 0.05, TRIGGER + 0.05, name="geocent_time")
    return bilby.gw.GravitationalWaveTransient(interferometers, waves), priors


APPROXIMANTS = {
    "TaylorF2": {**TRUTH, **TIDES},
    "IMRPhenomXAS": {**TRUTH, "lambda_1": 0.0, "lambda_2": 0.0},
    "IMRPhenomXAS_NRTidalv2": {**TRUTH, **TIDES},
    "IMRPhenomXAS_NRTidalv3": {**TRUTH, **TIDES},
    "IMRPhenomD_NRTidalv2": {**TRUTH, **TIDES},
    "IMRPhenomNSBH": {**TRUTH, "mass_ratio": 0.25, "chirp_mass": 2.4, "lambda_1": 0.0, "lambda_2": 600.0, "chi_2": 0.0},
    "IMRPhenomPv2_NRTidal": {**TRUTH, **PRECESSING, **TIDES},
    "IMRPhenomPv2_NRTidalv2": {**TRUTH, **PRECESSING, **TIDES},
    "IMRPhenomXP_NRTidalv2": {**TRUTH, **PRECESSING, **TIDES},
}
"""Signals with tides or without them, of spins along the orbit's axis or not, as each of them has."""


@pytest.mark.parametrize("approximant", APPROXIMANTS)
def test_every_source_model_gives_waves_at_some_frequencies(approximant: str) -> None:
    """They are those of the whole grid, the end of the signal included: coarse waves are made of them."""
    truth = dict(APPROXIMANTS[approximant])
    if "tilt_1" in truth:
        del truth["chi_1"], truth["chi_2"]
    waves = generator(source.lal_binary_neutron_star, approximant)
    found = source_of(waves, [truth, {**truth, "chirp_mass": truth["chirp_mass"] + 0.1}])
    assert found.model.words == f"{approximant} through bilby.gw.source.binary_neutron_star_frequency_sequence"
    bins = np.unique(np.geomspace(LOWEST, 900, 40).astype(int)) * round(DURATION)
    row = {**truth, "mass_ratio": 0.7 * truth["mass_ratio"]}
    some = found.model(found.model.parameters(row), waves.frequency_array[bins])
    whole = waves.frequency_domain_strain(dict(row))
    expected = np.stack([whole[mode][bins] for mode in ("plus", "cross")])
    # Whole grids of the IMRPhenomX family are interpolated in their phase, to 1e-3.
    np.testing.assert_allclose(some, expected, rtol=0, atol=3e-3 * np.abs(expected).max())


def multibanded(
    likelihood: bilby.gw.GravitationalWaveTransient, approximant: str, priors: PriorDict, **changes: bool
) -> Any:
    waves = generator(source.binary_neutron_star_frequency_sequence, approximant)
    return bilby.gw.likelihood.MBGravitationalWaveTransient(
        likelihood.interferometers, waves, reference_chirp_mass=priors["chirp_mass"].minimum, priors=priors, **changes
    )


@pytest.mark.parametrize("approximant", ["IMRPhenomXAS_NRTidalv2", "TaylorF2"])
def test_a_multibanded_likelihood_has_the_waves_behind_it(approximant: str) -> None:
    """Data that end below the merger: the first of these approximants has it where the last frequency says."""
    truth = APPROXIMANTS[approximant]
    likelihood, priors = problem(approximant, truth)
    given = multibanded(likelihood, approximant, priors)
    exact = given.log_likelihood_ratio(dict(truth))
    assert plain_likelihood(given).log_likelihood_ratio(dict(truth)) == pytest.approx(exact, abs=0.1)


def by_lambda_tilde(priors: PriorDict) -> None:
    priors["lambda_tilde"] = Uniform(0, 3000, name="lambda_tilde")
    priors["delta_lambda_tilde"] = Uniform(-500, 500, name="delta_lambda_tilde")
    priors["lambda_1"], priors["lambda_2"] = Constraint(0, 10000), Constraint(0, 10000)


def by_components(priors: PriorDict) -> None:
    low, high = priors["chirp_mass"].minimum, priors["chirp_mass"].maximum
    priors["mass_1"], priors["mass_2"] = Uniform(1, 2.2, name="mass_1"), Uniform(1, 2.2, name="mass_2")
    priors["chirp_mass"], priors["mass_ratio"] = Constraint(low, high), Constraint(0.125, 1)
    priors["lambda_tilde"] = Constraint(0, 1500)


@pytest.mark.slow
@pytest.mark.parametrize("change", [by_lambda_tilde, by_components])
def test_a_run(change: Any, tmp_path: Path) -> None:
    """Multibanded, tides in two forms, and what Bilby's conversion makes of the posterior."""
    approximant = "IMRPhenomXAS_NRTidalv2"
    truth = APPROXIMANTS[approximant]
    likelihood, priors = problem(approximant, truth)
    for key in ("chi_1", "chi_2"):
        priors[key] = bilby.gw.prior.AlignedSpin(a_prior=Uniform(0, 0.05), name=key)
    given = multibanded(likelihood, approximant, priors)
    change(priors)
    result = bilby.run_sampler(
        given, priors, sampler="flowpe", network="none", n_effective=300, npool=1, sampling_seed=1, outdir=str(tmp_path),
        label="run", save=False, progress=False, conversion_function=conversion.generate_all_bns_parameters,
    )  # fmt: skip
    said = result.meta_data["run_statistics"]
    assert said["verdict"] in ("reliable", "check"), said["reasons"]
    assert said["coarse_efficiency"] > 0.95
    posterior = result.posterior
    assert {"mass_1_source", "lambda_tilde", "delta_lambda_tilde", "lambda_1", "H1_optimal_snr"} <= {*posterior}
    assert posterior["lambda_1"].min() >= 0
    # One truth in a run of a fixed seed: within all but the last thousandths.
    ranks = [np.mean(posterior[key] < truth[key]) for key in ("chirp_mass", "luminosity_distance", "ra", "lambda_2")]
    assert np.all((np.array(ranks) > 1e-3) & (np.array(ranks) < 1 - 1e-3))
