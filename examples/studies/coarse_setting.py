"""Settings of the study of coarse waves (coarse_configurations.py): a signal in noise, its likelihood and priors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import bilby
import numpy as np
from bilby.core.prior import Cosine, DeltaFunction, PowerLaw, PriorDict, Sine, Uniform
from bilby.gw.detector import InterferometerList
from bilby.gw.likelihood import GravitationalWaveTransient

START = 1126259460.0
BLACK_HOLES = {
    "chirp_mass": 27.0,
    "mass_ratio": 0.7,
    "chi_1": 0.2,
    "chi_2": -0.1,
    "luminosity_distance": 1000.0,
    "theta_jn": 0.6,
    "psi": 2.1,
    "phase": 1.3,
    "ra": 1.9,
    "dec": -1.2,
}
NEUTRON_STARS = {
    **BLACK_HOLES,
    "chirp_mass": 2.4,
    "mass_ratio": 0.9,
    "chi_1": 0.01,
    "chi_2": 0.0,
    "lambda_1": 400.0,
    "lambda_2": 500.0,
}
PRECESSING = {"a_1": 0.5, "a_2": 0.3, "tilt_1": 0.8, "tilt_2": 1.1, "phi_12": 1.7, "phi_jl": 0.4}


def plain(
    interferometers: Any, generator: Any, priors: Any, truth: Any, kind: type = GravitationalWaveTransient, **more: Any
) -> Any:
    given = {"priors": priors} if any("marginalization" in key for key in more) else {}
    return kind(interferometers, generator, **given, **more)


@dataclass(frozen=True)
class Setting:
    """A signal in noise, with the likelihood and the priors for its analysis."""

    approximant: str = "IMRPhenomXAS"
    detectors: tuple[str, ...] = ("H1", "L1")
    duration: float = 4.0
    sampling: float = 1024.0
    signal_to_noise: float = 15.0
    signal: dict[str, float] = field(default_factory=lambda: BLACK_HOLES)
    source: Callable[..., Any] = bilby.gw.source.lal_binary_black_hole
    conversion: Callable[..., Any] = bilby.gw.conversion.convert_to_lal_binary_black_hole_parameters
    waveform: dict[str, Any] = field(default_factory=dict)
    generator: type = bilby.gw.WaveformGenerator
    minima: dict[str, float] = field(default_factory=dict)
    maxima: dict[str, float] = field(default_factory=dict)
    notches: tuple[tuple[float, float], ...] = ()
    calibrated: bool = False
    likelihood: Callable[..., Any] | None = None
    arguments: dict[str, Any] = field(default_factory=dict)
    priors: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    times: float = 0.1
    seed: int = 1

    def made(self) -> tuple[Any, PriorDict]:
        """Make likelihood and priors."""
        bilby.core.utils.random.seed(self.seed)
        interferometers = InterferometerList(list(self.detectors))
        for one in interferometers:
            one.minimum_frequency = self.minima.get(one.name, 20.0)
            one.maximum_frequency = self.maxima.get(one.name, self.sampling / 2)
            if self.calibrated:
                one.calibration_model = bilby.gw.calibration.CubicSpline(
                    f"recalib_{one.name}_", 20, self.sampling / 2, 5
                )
        interferometers.set_strain_data_from_power_spectral_densities(self.sampling, self.duration, START)
        for one in interferometers:
            one.strain_data.notch_list = list(self.notches)
        arguments = {
            "waveform_approximant": self.approximant,
            "reference_frequency": 20.0,
            "minimum_frequency": 20.0,
            **self.waveform,
        }
        truth = {**self.signal, "geocent_time": START + self.duration - 2 + 0.0103}
        priors = self._priors(truth)
        truth |= {key: prior.peak for key, prior in priors.items() if isinstance(prior, DeltaFunction)}
        made = self.generator(
            duration=self.duration,
            sampling_frequency=self.sampling,
            start_time=START,
            frequency_domain_source_model=self.source,
            parameter_conversion=self.conversion,
            waveform_arguments=dict(arguments),
        )
        if self.signal_to_noise:
            wave = made.frequency_domain_strain(dict(truth))
            seen = {
                **truth,
                **{
                    f"recalib_{d}_{kind}_{i}": 0.0
                    for d in self.detectors
                    for kind in ("amplitude", "phase")
                    for i in range(5)
                },
            }
            loud = np.sqrt(
                sum(o.optimal_snr_squared(o.get_detector_response(wave, seen)).real for o in interferometers)
            )
            truth["luminosity_distance"] *= float(loud) / self.signal_to_noise
            injected = {**seen, **truth}
            interferometers.inject_signal(parameters=injected, waveform_generator=made, raise_error=False)
        if self.calibrated:
            for one in interferometers:
                for index in range(5):
                    for kind, width in (("amplitude", 0.05), ("phase", 0.03)):
                        key = f"recalib_{one.name}_{kind}_{index}"
                        priors[key] = bilby.core.prior.Gaussian(0, width, key)
        return (self.likelihood or plain)(interferometers, made, priors=priors, truth=truth, **self.arguments), priors

    def _priors(self, truth: dict[str, float]) -> PriorDict:
        binary = {
            "chirp_mass": Uniform(truth["chirp_mass"] * 0.85, truth["chirp_mass"] * 1.15, "chirp_mass"),
            "mass_ratio": Uniform(0.3, 1.0, "mass_ratio"),
            "chi_1": DeltaFunction(truth.get("chi_1", 0.0), "chi_1"),
            "chi_2": DeltaFunction(truth.get("chi_2", 0.0), "chi_2"),
        }
        if "lambda_1" in truth:
            binary["chirp_mass"] = Uniform(truth["chirp_mass"] - 0.03, truth["chirp_mass"] + 0.03, "chirp_mass")
            binary |= {f"lambda_{n}": Uniform(0, 2000, f"lambda_{n}") for n in (1, 2)}
        if "a_1" in truth:
            binary |= {"chi_1": None, "chi_2": None}
            binary |= {key: Uniform(0, 0.9, key) for key in ("a_1", "a_2")} | {
                key: Sine(name=key) for key in ("tilt_1", "tilt_2")
            }
            binary |= {key: Uniform(0, 2 * np.pi, key) for key in ("phi_12", "phi_jl")}
        rest = {
            "luminosity_distance": PowerLaw(2, 50, 8000, "luminosity_distance"),
            "theta_jn": Sine(name="theta_jn"),
            "psi": Uniform(0, np.pi, "psi"),
            "phase": Uniform(0, 2 * np.pi, "phase"),
            "ra": Uniform(0, 2 * np.pi, "ra"),
            "dec": Cosine(name="dec"),
            "geocent_time": Uniform(
                truth["geocent_time"] - self.times, truth["geocent_time"] + self.times, "geocent_time"
            ),
        }
        kept = {**binary, **rest, **self.priors}
        return PriorDict({key: prior for key, prior in kept.items() if prior is not None})
