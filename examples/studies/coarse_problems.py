"""Settings of the study of coarse waves (coarse_configurations.py), by name: likelihoods, source models, priors, detectors."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import bilby
import numpy as np
from bilby.core.prior import Constraint, DeltaFunction, Sine, Uniform
from bilby.gw.likelihood import (
    GravitationalWaveTransient,
    MBGravitationalWaveTransient,
    RelativeBinningGravitationalWaveTransient,
)
from coarse_setting import BLACK_HOLES, NEUTRON_STARS, PRECESSING, START, Setting, plain


def multibanded(interferometers: Any, generator: Any, priors: Any, truth: Any) -> Any:
    changed = bilby.gw.WaveformGenerator(
        duration=generator.duration,
        sampling_frequency=generator.sampling_frequency,
        start_time=START,
        frequency_domain_source_model=bilby.gw.source.binary_black_hole_frequency_sequence,
        parameter_conversion=generator.parameter_conversion,
        waveform_arguments=generator.waveform_arguments,
    )
    return MBGravitationalWaveTransient(interferometers, changed, reference_chirp_mass=20.0, priors=priors)


def relative_binning(interferometers: Any, generator: Any, priors: Any, truth: Any) -> Any:
    changed = bilby.gw.WaveformGenerator(
        duration=generator.duration,
        sampling_frequency=generator.sampling_frequency,
        start_time=START,
        frequency_domain_source_model=bilby.gw.source.lal_binary_black_hole_relative_binning,
        parameter_conversion=generator.parameter_conversion,
        waveform_arguments=generator.waveform_arguments,
    )
    fiducial, _ = generator.parameter_conversion({**truth})
    return RelativeBinningGravitationalWaveTransient(
        interferometers, changed, fiducial_parameters=fiducial, priors=priors
    )


class Tempered(GravitationalWaveTransient):
    """Likelihood whose inner products are too small by a tenth."""

    def calculate_snrs(
        self, waveform_polarizations: Any, interferometer: Any, return_array: bool = True, parameters: Any = None
    ) -> Any:
        snrs = super().calculate_snrs(waveform_polarizations, interferometer, return_array, parameters)
        snrs.d_inner_h, snrs.complex_matched_filter_snr = 0.9 * snrs.d_inner_h, 0.9 * snrs.complex_matched_filter_snr
        return snrs


# Source models of a user ------------------------------------------------------------------------------------------------


def of_black_holes(*more: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a source model the parameters of Bilby's, and more."""

    def given(model: Callable[..., Any]) -> Callable[..., Any]:
        parameters = [*inspect.signature(bilby.gw.source.lal_binary_black_hole).parameters.values()]
        new = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in more]
        model.__signature__ = inspect.Signature([*parameters[:-1], *new, parameters[-1]])  # type: ignore[attr-defined]
        return model

    return given


@of_black_holes()
def own_model(frequency_array: np.ndarray, **kwargs: Any) -> Any:
    """A black-hole binary through a function of the user's own."""
    return bilby.gw.source.lal_binary_black_hole(frequency_array, **kwargs)


def inspiral(
    frequency_array: np.ndarray,
    chirp_mass: float,
    luminosity_distance: float,
    theta_jn: float,
    phase: float,
    **kwargs: Any,
) -> Any:
    """Newtonian waveform, in which every frequency is independent of the others."""
    f = np.where(frequency_array > 20, frequency_array, np.inf)
    mass = chirp_mass * 4.925e-6
    h = (
        5.6e-24
        * (1000 / luminosity_distance)
        * (f / 100) ** (-7 / 6)
        * np.exp(-1j * (3 / 128 * (np.pi * mass * f) ** (-5 / 3) - 2 * phase))
    )
    h = h / (1 + np.exp((frequency_array - 160) / 15))
    return {"plus": h * (1 + np.cos(theta_jn) ** 2) / 2, "cross": -1j * h * np.cos(theta_jn)}


@of_black_holes()
def fails_in_part(frequency_array: np.ndarray, mass_1: float, mass_2: float, **kwargs: Any) -> Any:
    if mass_2 / mass_1 < 0.5:
        return None
    return bilby.gw.source.lal_binary_black_hole(frequency_array, mass_1, mass_2, **kwargs)


@of_black_holes()
def nan_in_part(frequency_array: np.ndarray, mass_1: float, mass_2: float, **kwargs: Any) -> Any:
    wave = bilby.gw.source.lal_binary_black_hole(frequency_array, mass_1, mass_2, **kwargs)
    return {key: series * (np.nan if mass_2 / mass_1 < 0.4 else 1) for key, series in wave.items()}


@of_black_holes()
def raises_in_part(frequency_array: np.ndarray, mass_1: float, mass_2: float, **kwargs: Any) -> Any:
    if mass_2 / mass_1 < 0.31:
        raise ValueError("no such mass ratio")
    return bilby.gw.source.lal_binary_black_hole(frequency_array, mass_1, mass_2, **kwargs)


@of_black_holes("geocent_time")
def of_the_time(frequency_array: np.ndarray, geocent_time: float, **kwargs: Any) -> Any:
    wave = bilby.gw.source.lal_binary_black_hole(frequency_array, **kwargs)
    return {key: series * (1 + 0.5 * np.sin(20 * (geocent_time - START))) for key, series in wave.items()}


@of_black_holes("deviation")
def deviating(frequency_array: np.ndarray, deviation: float, **kwargs: Any) -> Any:
    """Waveform with a phase that general relativity does not have."""
    wave = bilby.gw.source.lal_binary_black_hole(frequency_array, **kwargs)
    f = np.maximum(frequency_array, 20.0)
    return {key: series * np.exp(1j * deviation * (f / 50) ** (-1)) for key, series in wave.items()}


class Kept(bilby.gw.WaveformGenerator):
    """Waveform generator that adds a parameter to those it is called with."""

    def frequency_domain_strain(self, parameters: dict[str, float]) -> Any:
        return super().frequency_domain_strain({**parameters, "made": 1.0})


XPHM = {
    "approximant": "IMRPhenomXPHM",
    "signal": {key: x for key, x in {**BLACK_HOLES, **PRECESSING}.items() if key not in ("chi_1", "chi_2")},
}
OF_NEUTRON_STARS: dict[str, Any] = {
    "duration": 8.0,
    "sampling": 2048.0,
    "signal": NEUTRON_STARS,
    "minima": {"H1": 60, "L1": 60},
    "source": bilby.gw.source.lal_binary_neutron_star,
    "conversion": bilby.gw.conversion.convert_to_lal_binary_neutron_star_parameters,
    "waveform": {"minimum_frequency": 60.0},
}
NARROW = {"chirp_mass": Uniform(26.9, 27.1, "chirp_mass")}
FIXED_SKY = {"ra": DeltaFunction(1.9, "ra"), "dec": DeltaFunction(-1.2, "dec")}


def frame(interferometers: Any, generator: Any, priors: Any, truth: Any, **more: Any) -> Any:
    """Set priors of sky position and time in the detectors' frame."""
    priors.pop("ra"), priors.pop("dec"), priors.pop("geocent_time")
    priors["zenith"], priors["azimuth"] = Sine(name="zenith"), Uniform(0, 2 * np.pi, "azimuth")
    priors["H1_time"] = Uniform(truth["geocent_time"] - 0.1, truth["geocent_time"] + 0.1, "H1_time")
    return GravitationalWaveTransient(
        interferometers, generator, reference_frame="H1L1", time_reference="H1", priors=priors
    )


def joint(interferometers: Any, generator: Any, priors: Any, truth: Any) -> Any:
    """Chirp mass and mass ratio from a joint normal prior."""
    both = bilby.core.prior.MultivariateGaussianDist(
        ["chirp_mass", "mass_ratio"],
        mus=[27.0, 0.7],
        covs=[[4.0, 0.02], [0.02, 0.01]],
        bounds={"mass_ratio": (0.2, 1.0), "chirp_mass": (20.0, 35.0)},
    )
    for key in both.names:
        priors[key] = bilby.core.prior.MultivariateGaussian(both, key)
    return GravitationalWaveTransient(interferometers, generator)


def without_reference(coarse: bool | str) -> dict[str, Any]:
    return {"coarse": coarse}


CONFIGURATIONS: dict[str, Setting] = {
    "plain": Setting(),
    "aligned_spins": Setting(priors={f"chi_{number}": Uniform(-0.8, 0.8, f"chi_{number}") for number in (1, 2)}),
    "higher_modes": Setting("IMRPhenomXHM"),
    "precessing": Setting(**XPHM),
    "calibration": Setting(calibrated=True),
    "joint_prior": Setting(likelihood=joint),
    "frame": Setting(likelihood=frame),
    "components": Setting(
        priors={
            "chirp_mass": Constraint(20, 35),
            "mass_ratio": Constraint(0.3, 1),
            "mass_1": Uniform(20, 60, "mass_1"),
            "mass_2": Uniform(15, 50, "mass_2"),
        }
    ),
    "multibanded": Setting(likelihood=multibanded),
    "relative_binning": Setting(likelihood=relative_binning),
    "marginalised": Setting(
        arguments={"phase_marginalization": True, "time_marginalization": True, "jitter_time": False}
    ),
    "marginalised_distance": Setting(arguments={"distance_marginalization": True}),
    "three_detectors": Setting(detectors=("H1", "L1", "V1")),
    "one_detector": Setting(detectors=("H1",)),
    "one_detector_modes": Setting("IMRPhenomXHM", detectors=("H1",)),
    "einstein_telescope": Setting(detectors=("ET",), signal_to_noise=20.0),
    "notches": Setting(notches=((58.0, 62.0), (118.0, 122.0), (30.0, 34.0))),
    "bands": Setting(
        detectors=("H1", "L1", "V1"), minima={"H1": 20, "L1": 30, "V1": 45}, maxima={"L1": 400, "V1": 300}
    ),
    "wave_from_40": Setting(waveform={"minimum_frequency": 40.0}),
    "eight_seconds": Setting(duration=8.0, signal={**BLACK_HOLES, "chirp_mass": 16.0}),
    "thirty_two_seconds": Setting(duration=32.0, signal={**BLACK_HOLES, "chirp_mass": 8.0}),
    "phase_fixed": Setting(priors={"phase": DeltaFunction(1.3, "phase")}),
    "phase_fixed_modes": Setting("IMRPhenomXHM", priors={"phase": DeltaFunction(1.3, "phase")}),
    "phase_fixed_precessing": Setting(**XPHM, priors={"phase": DeltaFunction(1.3, "phase")}),
    "sky_fixed": Setting(priors=FIXED_SKY),
    "sky_fixed_modes": Setting("IMRPhenomXHM", priors=FIXED_SKY),
    "declination_narrow": Setting(priors={"dec": Uniform(-1.25, -1.15, "dec")}),
    "times_wide": Setting(times=0.5),
    "times_narrow": Setting(times=0.0005),
    "time_fixed": Setting(priors={"geocent_time": DeltaFunction(START + 2.0103, "geocent_time")}),
    "distance_fixed": Setting(priors={"luminosity_distance": DeltaFunction(800.0, "luminosity_distance")}),
    "mass_narrow": Setting(priors=NARROW),
    "noise_alone": Setting(signal_to_noise=0.0),
    "loud": Setting(signal_to_noise=60.0),
    "npool": Setting(options={"npool": 2}),
    "raw": Setting(options={"importance": False}),
    "another_approximant": Setting(options={"coarse": "IMRPhenomD"}),
    "precessing_by_aligned": Setting(**XPHM, options={"coarse": "IMRPhenomXHM"}),
    "unknown_approximant": Setting(options={"coarse": "NoSuchApproximant"}),
    "mode_array": Setting("IMRPhenomXHM", waveform={"mode_array": [[2, 2], [3, 3]]}),
    "phenomx_options": Setting(**XPHM, waveform={"PhenomXHMThresholdMband": 0.0, "PhenomXPrecVersion": 104}),
    "tphm_by_xphm": Setting(**{**XPHM, "approximant": "IMRPhenomTPHM"}, options={"coarse": "IMRPhenomXPHM"}),
    "neutron_stars": Setting("IMRPhenomXAS_NRTidalv2", **OF_NEUTRON_STARS),
    "neutron_stars_precessing": Setting("IMRPhenomXP_NRTidalv2", **OF_NEUTRON_STARS),
    "own_model": Setting(source=own_model),
    "own_inspiral": Setting(
        source=inspiral, conversion=None, priors={key: None for key in ("mass_ratio", "chi_1", "chi_2")}
    ),
    "fails_in_part": Setting(source=fails_in_part),
    "nan_in_part": Setting(source=nan_in_part),
    "raises_in_part": Setting(source=raises_in_part),
    "of_the_time": Setting(source=of_the_time),
    "deviating": Setting(
        source=deviating, signal={**BLACK_HOLES, "deviation": 0.0}, priors={"deviation": Uniform(-1, 1, "deviation")}
    ),
    "own_snrs": Setting(likelihood=lambda *a, **k: plain(*a, **k, kind=Tempered)),
    "generator_keeps": Setting(generator=Kept),
}
