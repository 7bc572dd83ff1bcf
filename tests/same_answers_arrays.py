"""Problems of ``tests/same_answers.py`` in several detectors: conditionals, marginalisations, frames, calibration.

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
from bilby.core.prior import Constraint, Cosine, PowerLaw, PriorDict, Sine, Uniform
from bilby.core.prior.slabspike import SlabSpikePrior
from bilby.gw.detector import InterferometerList
from bilby.gw.detector.calibration import CubicSpline
from bilby.gw.likelihood import GravitationalWaveTransient
from bilby.gw.prior import BBHPriorDict, CalibrationPriorDict
from bilby.gw.source import lal_binary_black_hole
from bilby.gw.waveform_generator import WaveformGenerator
from same_answers_plain import BRIEF_TRAINING, Pieces, shrink
from same_answers_waves import Problem, solved

# Two and three detectors -----------------------------------------------------------------------------------------------------

START = 1126259460.0
TRUTH = {
    "mass_1": 38.0, "mass_2": 31.0, "chi_1": 0.2, "chi_2": -0.1, "luminosity_distance": 2500.0, "theta_jn": 2.7, "phase": 1.3,
    "psi": 2.1, "ra": 1.9, "dec": -1.2, "geocent_time": START + 0.73,
}  # fmt: skip
SEARCHED = {
    "mass_1": Uniform(36, 40), "mass_2": Uniform(29, 33), "mass_ratio": Constraint(0, 1), "chi_1": Uniform(-0.9, 0.9),
    "chi_2": Uniform(-0.9, 0.9), "luminosity_distance": PowerLaw(2, 500, 6000), "theta_jn": Sine(),
    "phase": Uniform(0, 2 * np.pi), "psi": Uniform(0, np.pi), "ra": Uniform(0, 2 * np.pi), "dec": Cosine(),
    "geocent_time": Uniform(START + 0.65, START + 0.8),
}  # fmt: skip
EXTRINSIC = ("luminosity_distance", "theta_jn", "phase", "psi", "ra", "dec", "geocent_time")


def generator(approximant: str, model: Callable[..., Any] = lal_binary_black_hole) -> WaveformGenerator:
    arguments = {"waveform_approximant": approximant, "reference_frequency": 20.0, "minimum_frequency": 20.0}
    return WaveformGenerator(1.0, 512.0, START, model, waveform_arguments=arguments)


def detectors(
    names: tuple[str, ...], waves: WaveformGenerator, truth: dict[str, float], spline: bool = False
) -> InterferometerList:
    """Return one second of noise at 512 Hz with a signal; the same names give the same data."""
    bilby.core.utils.random.seed(3)
    found = InterferometerList(list(names))
    for detector in found:
        detector.minimum_frequency = 20.0
    found.set_strain_data_from_power_spectral_densities(512.0, 1.0, START)
    found.inject_signal(waveform_generator=waves, parameters=dict(truth), raise_error=False)
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
    shrink({"Settings": {"calibration_events": 0, "null_events": 10}})
    yield "run", solved(*array(names, searched, approximant, truth, priors), folder, **{"network": "none", **changes})


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
    yield "run", solved(*problem, folder, network="none", max_likelihood_evaluations=1000)


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
    yield "run", solved(likelihood, priors, folder, network="none", max_likelihood_evaluations=2000)


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
    yield "run", solved(likelihood, search, folder, network="none")


def source_frame(folder: Path) -> Pieces:
    priors = {"chirp_mass_source": Uniform(18, 23), "mass_ratio": Uniform(0.5, 1)}
    likelihood, search = array(H, ("luminosity_distance", "phase"), priors=priors)
    for key in ("mass_1", "mass_2"):
        search.pop(key)
    yield "run", solved(likelihood, search, folder, network="none")


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
    """The phase acts differently in a part of the prior: if it is met, the run starts again without the closed form."""
    truth = {"mass": 31.0, "luminosity_distance": 2.0, "phase": np.pi, "ra": 1.4, "dec": -1.2, "psi": 2.6}
    truth["geocent_time"] = START + 0.5
    searched = {"mass": Uniform(20, 40), "luminosity_distance": Uniform(1, 4)}
    searched["phase"] = Uniform(0, 2 * np.pi, boundary="periodic")
    for label, low, high in (("at_signal", 29.0, 33.0), ("far", 21.0, 21.6), ("nowhere", 0.0, 0.0)):
        waves = WaveformGenerator(
            1, 512, START, regimes(low, high), parameter_conversion=lambda parameters: (parameters, [])
        )
        likelihood = GravitationalWaveTransient(detectors(HL, waves, truth), waves)
        yield label, solved(likelihood, PriorDict({**truth, **searched}), folder, network="none")


LONGER = {**BRIEF_TRAINING, "training_steps": 150}
"""A network that knows no more than the prior is not kept."""
SPIKED = {"chi_1": SlabSpikePrior(Uniform(-0.5, 0.5), spike_location=0.0, spike_height=0.4)}

ARRAYS: dict[str, Callable[[Path], Pieces]] = {
    "phase_alone": partial(of_array, names=HL, searched=("mass_1", "mass_2", "phase")),
    "phase_fixed": partial(of_array, names=HL, searched=("mass_1", "luminosity_distance", "geocent_time")),
    "sky_two": partial(of_array, names=HL, searched=("mass_1", "mass_2", *EXTRINSIC)),
    "sky_three": partial(of_array, names=HLV, searched=("mass_1", *EXTRINSIC), max_likelihood_evaluations=2000),
    "sky_network": partial(of_array, names=HL, searched=("mass_1", *EXTRINSIC), sky="network"),
    "place_known": partial(
        of_array, names=HL, searched=("mass_1", "luminosity_distance", "theta_jn", "phase", "psi", "geocent_time")
    ),
    "sky_trained": partial(of_array, names=HL, searched=("mass_1", "mass_2", *EXTRINSIC), network="maf", **LONGER),
    "harmonics": partial(of_array, names=HL, searched=("mass_1", "mass_2", *EXTRINSIC), approximant="IMRPhenomXHM",
                         truth={**TRUTH, "theta_jn": 1.2}, max_likelihood_evaluations=1000, n_effective=100),
    "harmonics_precessing": partial(of_array, names=HL, searched=("mass_1", *EXTRINSIC), approximant="IMRPhenomXPHM",
                                    truth=PRECESSING, max_likelihood_evaluations=600, n_effective=50),
    "precessing": partial(of_array, names=HL, searched=("mass_1", *EXTRINSIC), approximant="IMRPhenomPv2", truth=PRECESSING),
    "spiked_spin": partial(of_array, names=H, searched=("mass_1", "luminosity_distance", "phase"), priors=SPIKED),
    "marginalised_phase": partial(marginalised, phase_marginalization=True),
    "marginalised_distance": partial(marginalised, distance_marginalization=True),
    "marginalised_time": partial(marginalised, time_marginalization=True, jitter_time=True),
    "marginalised_bare_time": partial(marginalised, time_marginalization=True, jitter_time=False),
    "marginalised_all": partial(marginalised, phase_marginalization=True, distance_marginalization=True,
                                time_marginalization=True, jitter_time=True),
    "calibration": calibrated,
    "calibration_marginalised": partial(calibrated, calibration_marginalization=True),
    "detector_frame": detector_frame,
    "source_frame": source_frame,
    "closed_form": two_regimes,
}  # fmt: skip
"""Problems by name."""
