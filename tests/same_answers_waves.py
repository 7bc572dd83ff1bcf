"""Problems of ``tests/same_answers.py`` with gravitational waves: networks, conditionals, translations, shipped models.

As in ``same_answers_plain.py``, each function takes a folder and gives what it came to, piece by piece.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import bilby
import numpy as np
from bilby.core.prior import (
    Constraint,
    Cosine,
    MultivariateGaussian,
    MultivariateGaussianDist,
    PowerLaw,
    PriorDict,
    Sine,
    Uniform,
)
from bilby.core.prior.slabspike import SlabSpikePrior
from bilby.gw import source
from bilby.gw.detector import InterferometerList
from bilby.gw.detector.calibration import CubicSpline
from bilby.gw.likelihood import (
    BasicGravitationalWaveTransient,
    GravitationalWaveTransient,
    MBGravitationalWaveTransient,
    RelativeBinningGravitationalWaveTransient,
)
from bilby.gw.prior import BBHPriorDict, CalibrationPriorDict
from bilby.gw.waveform_generator import WaveformGenerator
from same_answers_plain import BRIEF_TRAINING, Pieces, sample, shrink

Problem = tuple[GravitationalWaveTransient, PriorDict]

# The paper's problems, one detector ----------------------------------------------------------------------------------------


def paper(parameters: int = 5) -> Problem:
    from bilby_flowpe.problems import green2020

    return green2020(parameters, seed=1)


def of_paper(folder: Path, parameters: int = 5, **changes: Any) -> Pieces:
    yield "run", sample(*paper(parameters), folder, **changes)


def trained(folder: Path, parameters: int = 5, measured: bool = False, **changes: Any) -> Pieces:
    """A network of one's own: the shipped models stand aside. Measuring it on simulated events takes most of the time."""
    shrink({"Settings": {"calibration_events": 1 if measured else 0, "null_events": 10}})
    options = {**BRIEF_TRAINING, "learning_rate": 3e-3, **changes}
    likelihood, priors = paper(parameters)
    # A wider prior than any shipped model has.
    priors["mass_1"], priors["mass_2"] = Uniform(30, 80), Uniform(30, 80)
    yield "run", sample(likelihood, priors, folder, **options)


def shipped(model: str, folder: Path) -> Pieces:
    yield "run", sample(*paper(8 if "-8d-" in model else 5), folder, model=model, n_effective=300)


def raw(folder: Path) -> Pieces:
    for model in ("green2020-5d-maf", "green2020-5d-maf-joint"):
        yield model, sample(*paper(), folder, model=model, importance=False)


def units(folder: Path) -> Pieces:
    for use_ratio in (False, True):
        yield f"ratio_{use_ratio}", sample(*paper(), folder, model="green2020-5d-maf", use_ratio=use_ratio)


def refined(folder: Path) -> Pieces:
    """A signal far louder than any that the model was trained on the noise of: its proposal is not good enough."""
    likelihood, priors = paper()
    likelihood.interferometers[0].power_spectral_density.psd_array /= 9.0
    yield "run", sample(likelihood, priors, folder, model="green2020-5d-maf-joint", n_effective=500)


def narrower(folder: Path) -> Pieces:
    """A model serves a prior and a waveform within its own."""
    likelihood, priors = paper()
    likelihood.waveform_generator.waveform_arguments["waveform_approximant"] = "IMRPhenomD"
    truth = likelihood.injection_parameters
    priors["mass_1"] = Uniform(max(35, truth["mass_1"] - 10), min(80, truth["mass_1"] + 10))
    priors["luminosity_distance"] = Uniform(1000, 3000)
    yield "run", sample(likelihood, priors, folder)


# Two and three detectors -----------------------------------------------------------------------------------------------------

START = 1126259460.0
TRUTH = {
    "mass_1": 38.0, "mass_2": 31.0, "chi_1": 0.2, "chi_2": -0.1, "luminosity_distance": 900.0, "theta_jn": 2.7, "phase": 1.3,
    "psi": 2.1, "ra": 1.9, "dec": -1.2, "geocent_time": START + 0.73,
}  # fmt: skip
SEARCHED = {
    "mass_1": Uniform(25, 45), "mass_2": Uniform(25, 45), "mass_ratio": Constraint(0, 1), "chi_1": Uniform(-0.9, 0.9),
    "chi_2": Uniform(-0.9, 0.9), "luminosity_distance": PowerLaw(2, 300, 2500), "theta_jn": Sine(),
    "phase": Uniform(0, 2 * np.pi), "psi": Uniform(0, np.pi), "ra": Uniform(0, 2 * np.pi), "dec": Cosine(),
    "geocent_time": Uniform(START + 0.65, START + 0.8),
}  # fmt: skip
EXTRINSIC = ("luminosity_distance", "theta_jn", "phase", "psi", "ra", "dec", "geocent_time")


def generator(approximant: str, model: Callable[..., Any] = source.lal_binary_black_hole) -> WaveformGenerator:
    arguments = {"waveform_approximant": approximant, "reference_frequency": 20.0, "minimum_frequency": 20.0}
    return WaveformGenerator(1.0, 512.0, START, model, waveform_arguments=arguments)


def detectors(
    names: tuple[str, ...], waves: WaveformGenerator, truth: dict[str, float], spline: bool = False
) -> InterferometerList:
    """One second of noise at 512 Hz and a signal; the same for the same names."""
    bilby.core.utils.random.seed(3)
    found = InterferometerList(list(names))
    for detector in found:
        detector.minimum_frequency = 20.0
    found.set_strain_data_from_power_spectral_densities(512.0, 1.0, START)
    found.inject_signal(waveform_generator=waves, parameters=dict(truth))
    for detector in found if spline else ():
        detector.calibration_model = CubicSpline(f"recalib_{detector.name}_", 20.0, 256.0, n_points=4)
    return found


def priors_for(searched: tuple[str, ...], truth: dict[str, float] = TRUTH, **changes: Any) -> BBHPriorDict:
    """Priors of the parameters searched for, the others fixed at their true values."""
    keys = (*searched, "mass_ratio") if {"mass_1", "mass_2"} <= {*searched} else searched
    chosen = {key: prior for key, prior in SEARCHED.items() if key in keys}
    return BBHPriorDict(copy.deepcopy({**truth, **chosen, **changes}))


def array(
    names: tuple[str, ...], searched: tuple[str, ...], approximant: str = "IMRPhenomD", truth: dict[str, float] = TRUTH,
    priors: dict[str, Any] | None = None, **changes: Any,
) -> Problem:  # fmt: skip
    """Detectors, and a likelihood of Bilby's with ``changes``."""
    waves = generator(approximant)
    search = priors_for(searched, truth, **(priors or {}))
    return GravitationalWaveTransient(detectors(names, waves, truth), waves, priors=search, **changes), search


def of_array(
    folder: Path, names: tuple[str, ...], searched: tuple[str, ...], approximant: str = "IMRPhenomD",
    truth: dict[str, float] = TRUTH, priors: dict[str, Any] | None = None, **changes: Any,
) -> Pieces:  # fmt: skip
    yield "run", sample(*array(names, searched, approximant, truth, priors), folder, **{"network": "none", **changes})


HL, HLV, H = ("H1", "L1"), ("H1", "L1", "V1"), ("H1",)
PRECESSING = {
    **{key: value for key, value in TRUTH.items() if not key.startswith("chi")},
    "a_1": 0.6, "a_2": 0.3, "tilt_1": 1.0, "tilt_2": 0.5, "phi_12": 0.4, "phi_jl": 1.1, "theta_jn": 1.2,
}  # fmt: skip

# Other forms of the same problem -------------------------------------------------------------------------------------------


def marginalised(folder: Path, **flags: bool) -> Pieces:
    table_made_coarse()
    problem = array(
        HL, ("mass_1", "mass_2", *EXTRINSIC), distance_marginalization_lookup_table=str(folder / "t.npz"), **flags
    )
    yield "run", sample(*problem, folder, network="none", max_likelihood_evaluations=1000)


def table_made_coarse() -> None:
    """Bilby's table of the likelihood integrated over distance, on every 25th of its distances: a second, not a minute."""

    def coarse(likelihood: GravitationalWaveTransient) -> None:
        likelihood._dist_margd_loglikelihood_array = np.zeros((400, 800))  # its shape gives the axes
        scaling = likelihood._ref_dist / likelihood._distance_array[::25]
        prior = likelihood.distance_prior_array[::25]
        inner = np.outer(likelihood._d_inner_h_ref_array, scaling)
        inner = bilby.gw.utils.ln_i0(abs(inner)) if likelihood.phase_marginalization else inner
        norms = np.outer(likelihood._optimal_snr_squared_ref_array, scaling**2) / 2
        rows = []
        for norm in norms:
            top = (inner - norm).max(axis=1)
            rows.append(top + np.log(np.exp(inner - norm - top[:, None]) @ (prior / prior.sum())))
        likelihood._dist_margd_loglikelihood_array = np.array(rows)
        likelihood.cache_lookup_table()

    GravitationalWaveTransient._create_lookup_table = coarse


def binned(folder: Path) -> Pieces:
    likelihood, priors = paper()
    waves = copy.copy(likelihood.waveform_generator)
    waves.frequency_domain_source_model = source.lal_binary_black_hole_relative_binning
    fixed = {key: float(prior.peak) for key, prior in priors.items() if prior.is_fixed}
    given = RelativeBinningGravitationalWaveTransient(
        likelihood.interferometers, waves, fiducial_parameters={**fixed, **likelihood.injection_parameters}, priors=priors,
        epsilon=0.1,
    )  # fmt: skip
    yield "run", sample(given, priors, folder, model="green2020-5d-maf")


def multibanded(folder: Path) -> Pieces:
    likelihood, priors = paper()
    waves = copy.copy(likelihood.waveform_generator)
    waves.frequency_domain_source_model = source.binary_black_hole_frequency_sequence
    given = MBGravitationalWaveTransient(likelihood.interferometers, waves, reference_chirp_mass=30.0, priors=priors)
    yield "run", sample(given, priors, folder, model="green2020-5d-maf")


def calibrated(folder: Path, **changes: Any) -> Pieces:
    waves = generator("IMRPhenomD")
    priors = priors_for(("mass_1", "luminosity_distance", "phase"))
    for name in HL:
        priors.update(CalibrationPriorDict.constant_uncertainty_spline(0.05, 0.05, 20.0, 256.0, 4, name))
    errors = {key: 0.0 for key in priors if key.startswith("recalib") and "frequency" not in key}
    interferometers = detectors(HL, waves, {**TRUTH, **errors}, spline=True)
    if changes:
        files = {name: str(folder / f"{name}.h5") for name in HL}
        changes |= {"calibration_lookup_table": files, "number_of_response_curves": 20}
    likelihood = GravitationalWaveTransient(interferometers, waves, priors=priors, **changes)
    yield "run", sample(likelihood, priors, folder, network="none", max_likelihood_evaluations=2000)


def detector_frame(folder: Path) -> Pieces:
    priors = {"zenith": Sine(), "azimuth": Uniform(0, 2 * np.pi), "H1_time": Uniform(START + 0.65, START + 0.8)}
    likelihood, search = array(
        HL,
        ("mass_1", "luminosity_distance", "phase", "psi"),
        priors=priors,
        reference_frame="H1L1",
        time_reference="H1",
    )
    for key in ("ra", "dec", "geocent_time"):
        search.pop(key)
    yield "run", sample(likelihood, search, folder, network="none")


def source_frame(folder: Path) -> Pieces:
    priors = {"chirp_mass_source": Uniform(20, 35), "mass_ratio": Uniform(0.5, 1)}
    likelihood, search = array(H, ("luminosity_distance", "phase"), priors=priors)
    for key in ("mass_1", "mass_2"):
        search.pop(key)
    yield "run", sample(likelihood, search, folder, network="none")


class Tempered(GravitationalWaveTransient):
    """A likelihood with a term of its own."""

    def log_likelihood_ratio(self, parameters: dict | None = None) -> float:
        return 0.7 * super().log_likelihood_ratio(parameters) - 0.01 * (parameters["mass_1"] - 40.0) ** 2


def own_term(folder: Path) -> Pieces:
    likelihood, priors = paper()
    given = Tempered(likelihood.interferometers, likelihood.waveform_generator)
    for model in ("green2020-5d-maf", "green2020-5d-maf-joint"):
        yield model, sample(given, priors.copy(), folder, model=model)


def basic(folder: Path) -> Pieces:
    likelihood, priors = paper()
    given = BasicGravitationalWaveTransient(likelihood.interferometers, likelihood.waveform_generator)
    yield "run", sample(given, priors, folder, model="green2020-5d-maf")


def joint_prior(folder: Path) -> Pieces:
    likelihood, priors = paper()
    time = priors["geocent_time"]
    keys = ["luminosity_distance", "geocent_time"]
    dist = MultivariateGaussianDist(
        keys, mus=[[2000.0, 0.5 * (time.minimum + time.maximum)]], sigmas=[[300.0, 0.04]],
        corrcoefs=[[[1.0, 0.6], [0.6, 1.0]]], bounds=[(1000.0, 3000.0), (time.minimum, time.maximum)],
    )  # fmt: skip
    for key in keys:
        priors[key] = MultivariateGaussian(dist, key)
    yield "run", sample(likelihood, priors, folder, model="green2020-5d-maf-joint")


# A closed form that fails ----------------------------------------------------------------------------------------------------


def chirp(frequency_array: np.ndarray, mass: float, luminosity_distance: float, phase: float, **_: Any) -> dict:
    """A chirp of one mass that turns with twice the phase, as cheap as it can be."""
    f = np.maximum(frequency_array, 1.0)
    wave = 5e-22 / luminosity_distance * f ** (-7 / 6) * (frequency_array >= 20)
    wave = wave * np.exp(2j * phase - 1j * 3.0 * (mass / 30) ** (-5 / 3) * (f / 100) ** (-5 / 3))
    return {"plus": wave, "cross": -1j * wave}


def regimes(low: float, high: float) -> Callable[..., dict]:
    """The same chirp, but between two masses, where the phase makes it stronger or weaker and turns nothing."""

    def model(frequency_array: np.ndarray, mass: float, luminosity_distance: float, phase: float, **_: Any) -> dict:
        if not low < mass < high:
            return chirp(frequency_array, mass, luminosity_distance, phase)
        wave = chirp(frequency_array, mass, luminosity_distance, 0.0)
        return {mode: values * np.sin(phase / 2) ** 2 for mode, values in wave.items()}

    return model


def two_regimes(folder: Path) -> Pieces:
    """In a part of the prior the phase acts otherwise: where it is met, the run starts again without its closed form."""
    truth = {"mass": 31.0, "luminosity_distance": 1.0, "phase": np.pi, "ra": 1.4, "dec": -1.2, "psi": 2.6}
    truth["geocent_time"] = START + 0.5
    searched = {"mass": Uniform(20, 40), "luminosity_distance": Uniform(0.5, 2)}
    searched["phase"] = Uniform(0, 2 * np.pi, boundary="periodic")
    for label, low, high in (("at_signal", 29.0, 33.0), ("far", 21.0, 21.6), ("nowhere", 0.0, 0.0)):
        waves = WaveformGenerator(
            1, 512, START, regimes(low, high), parameter_conversion=lambda parameters: (parameters, [])
        )
        likelihood = GravitationalWaveTransient(detectors(HL, waves, truth), waves)
        yield label, sample(likelihood, PriorDict({**truth, **searched}), folder, network="none")


MODELS = (
    "green2020-5d-cvae+", "green2020-5d-cvae+-joint", "green2020-5d-cvae-joint", "green2020-5d-gaussian-joint",
    "green2020-5d-maf", "green2020-5d-maf-joint", "green2020-8d-cvae+", "green2020-8d-maf",
)  # fmt: skip
SPIKED = {"chi_1": SlabSpikePrior(Uniform(-0.5, 0.5), spike_location=0.0, spike_height=0.4)}

WAVES: dict[str, Callable[[Path], Pieces]] = {
    **{f"shipped_{model}": partial(shipped, model) for model in MODELS},
    **{f"trained_{family}": partial(trained, network=family) for family in ("gaussian", "maf", "nsf", "cvae", "cvae+")},
    "trained_measured": partial(trained, measured=True),
    "trained_8d": partial(trained, parameters=8),
    "trained_series": partial(trained, representation="series"),
    "trained_psd": partial(trained, psd="amortised"),
    "trained_phase_network": partial(trained, phase="network"),
    "trained_all_network": partial(trained, phase="network", distance="network", time="network", fold_phase=False),
    "raw": raw,
    "units": units,
    "refined": refined,
    "narrower": narrower,
    "none_5d": partial(of_paper, network="none"),
    "none_8d": partial(of_paper, parameters=8, network="none"),
    "none_5d_network": partial(of_paper, network="none", phase="network", distance="network", time="network"),
    "budget_of_waves": partial(of_paper, network="none", n_effective=900, max_likelihood_evaluations=1000),
    "phase_alone": partial(of_array, names=HL, searched=("mass_1", "mass_2", "phase")),
    "phase_fixed": partial(of_array, names=HL, searched=("mass_1", "luminosity_distance", "geocent_time")),
    "sky_two": partial(of_array, names=HL, searched=("mass_1", "mass_2", *EXTRINSIC)),
    "sky_three": partial(of_array, names=HLV, searched=("mass_1", "chi_1", *EXTRINSIC)),
    "sky_network": partial(of_array, names=HL, searched=("mass_1", *EXTRINSIC), sky="network"),
    "place_known": partial(
        of_array, names=HL, searched=("mass_1", "luminosity_distance", "theta_jn", "phase", "psi", "geocent_time")
    ),
    "sky_trained": partial(of_array, names=HL, searched=("mass_1", "mass_2", *EXTRINSIC), network="maf", **BRIEF_TRAINING),
    "harmonics": partial(of_array, names=HL, searched=("mass_1", "mass_2", *EXTRINSIC), approximant="IMRPhenomXHM",
                         truth={**TRUTH, "mass_2": 26.0, "theta_jn": 1.2}),
    "harmonics_precessing": partial(of_array, names=HL, searched=("mass_1", *EXTRINSIC), approximant="IMRPhenomXPHM",
                                    truth=PRECESSING, max_likelihood_evaluations=1500),
    "precessing": partial(of_array, names=HL, searched=("mass_1", *EXTRINSIC), approximant="IMRPhenomPv2", truth=PRECESSING),
    "spiked_spin": partial(of_array, names=H, searched=("mass_1", "luminosity_distance", "phase"), priors=SPIKED),
    "marginalised_phase": partial(marginalised, phase_marginalization=True),
    "marginalised_distance": partial(marginalised, distance_marginalization=True),
    "marginalised_time": partial(marginalised, time_marginalization=True, jitter_time=True),
    "marginalised_bare_time": partial(marginalised, time_marginalization=True, jitter_time=False),
    "marginalised_all": partial(marginalised, phase_marginalization=True, distance_marginalization=True,
                                time_marginalization=True, jitter_time=True),
    "relative_binning": binned,
    "multibanding": multibanded,
    "calibration": calibrated,
    "calibration_marginalised": partial(calibrated, calibration_marginalization=True),
    "detector_frame": detector_frame,
    "source_frame": source_frame,
    "own_term": own_term,
    "basic": basic,
    "joint_prior": joint_prior,
    "closed_form": two_regimes,
}  # fmt: skip
"""Problems by name."""
