"""Runs with coarse waves beside the same runs without: likelihoods, priors, detectors and source models as people have them.

    python examples/studies/coarse_configurations.py --outdir outdir/coarse_configurations
    python examples/studies/coarse_configurations.py --only three_detectors notches --list

Each configuration is run twice with the same seed, as usual and with ``coarse=False``. One line of each is printed: ln Z of
both, their difference over its error, verdicts, effective draws, evaluations of the likelihood, the efficiency of the coarse
likelihood, CPU seconds of both, and what the log says of coarse waves. A configuration that raises is printed with its error.
The command fails where one raises, or where ln Z differs by more than four errors.
"""

from __future__ import annotations

import argparse
import inspect
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bilby
import numpy as np
from bilby.core.prior import Constraint, Cosine, DeltaFunction, PowerLaw, PriorDict, Sine, Uniform
from bilby.gw.detector import InterferometerList
from bilby.gw.likelihood import (
    GravitationalWaveTransient,
    MBGravitationalWaveTransient,
    RelativeBinningGravitationalWaveTransient,
)

START = 1126259460.0
OFF = 4.0
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
HEADER = (
    f"{'configuration':<28}{'ln Z':>10}{'+-':>7}{'without':>10}{'+-':>7}{'z':>6}  {'verdicts':<22}{'effective':>11}"
    f"{'evaluations':>15}{'coarse eff':>11}{'CPU s':>12}  said"
)


@dataclass(frozen=True)
class Setting:
    """A signal in noise, and how it is looked for."""

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
        """Likelihood and priors."""
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


# Likelihoods ------------------------------------------------------------------------------------------------------------


def plain(
    interferometers: Any, generator: Any, priors: Any, truth: Any, kind: type = GravitationalWaveTransient, **more: Any
) -> Any:
    given = {"priors": priors} if any("marginalization" in key for key in more) else {}
    return kind(interferometers, generator, **given, **more)


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
    """Inner products of which a tenth is missing."""

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
    """Newtonian, a function of each frequency alone."""
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
    """With a phase that general relativity does not have."""
    wave = bilby.gw.source.lal_binary_black_hole(frequency_array, **kwargs)
    f = np.maximum(frequency_array, 20.0)
    return {key: series * np.exp(1j * deviation * (f / 50) ** (-1)) for key, series in wave.items()}


class Kept(bilby.gw.WaveformGenerator):
    """Keeps the last wave, and fills in a parameter."""

    def frequency_domain_strain(self, parameters: dict[str, float]) -> Any:
        return super().frequency_domain_strain({**parameters, "made": 1.0})


XPHM = {
    "approximant": "IMRPhenomXPHM",
    "signal": {key: x for key, x in {**BLACK_HOLES, **PRECESSING}.items() if key not in ("chi_1", "chi_2")},
}
NARROW = {"chirp_mass": Uniform(26.9, 27.1, "chirp_mass")}
FIXED_SKY = {"ra": DeltaFunction(1.9, "ra"), "dec": DeltaFunction(-1.2, "dec")}


def frame(interferometers: Any, generator: Any, priors: Any, truth: Any, **more: Any) -> Any:
    """Sky and time of the detectors' frame."""
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
    "neutron_stars": Setting(
        "IMRPhenomXAS_NRTidalv2",
        duration=8.0,
        sampling=2048.0,
        signal=NEUTRON_STARS,
        minima={"H1": 60, "L1": 60},
        source=bilby.gw.source.lal_binary_neutron_star,
        conversion=bilby.gw.conversion.convert_to_lal_binary_neutron_star_parameters,
        waveform={"minimum_frequency": 60.0},
    ),
    "neutron_stars_precessing": Setting(
        "IMRPhenomXP_NRTidalv2",
        duration=8.0,
        sampling=2048.0,
        signal=NEUTRON_STARS,
        minima={"H1": 60, "L1": 60},
        source=bilby.gw.source.lal_binary_neutron_star,
        conversion=bilby.gw.conversion.convert_to_lal_binary_neutron_star_parameters,
        waveform={"minimum_frequency": 60.0},
    ),
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


class Said(logging.Handler):
    """Keeps what the log says of coarse waves."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if text.startswith(("No coarse", "Draws are steered")) or any(word in text for word in ("moves to", "goes on")):
            self.lines.append(text)


def run(setting: Setting, outdir: Path, name: str, effective: int, **options: Any) -> dict[str, Any]:
    """One run of Bilby's ``run_sampler``, in figures; with its error where it raises."""
    said = Said()
    logger = logging.getLogger("bilby")
    logger.addHandler(said)
    began = time.process_time()
    try:
        likelihood, priors = setting.made()
        result = bilby.run_sampler(
            likelihood,
            priors,
            sampler="flowpe",
            network="none",
            outdir=str(outdir),
            label=name,
            resume=False,
            save=False,
            progress=False,
            plot=False,
            sampling_seed=1,
            n_effective=effective,
            **{**setting.options, **options},
        )
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}", "cpu": time.process_time() - began, "said": said.lines}
    finally:
        logger.removeHandler(said)
    statistics = result.meta_data["run_statistics"]
    return {
        "log_evidence": float(result.log_bayes_factor if np.isfinite(result.log_bayes_factor) else result.log_evidence),
        "error_of_it": float(result.log_evidence_err),
        "verdict": statistics.get("verdict"),
        "reasons": statistics.get("reasons"),
        "effective": statistics.get("effective_sample_size"),
        "evaluations": statistics.get("n_likelihood_evaluations"),
        "coarse_evaluations": statistics.get("n_coarse_evaluations"),
        "coarse_efficiency": statistics.get("coarse_efficiency"),
        "coarse": statistics.get("coarse"),
        "conditional": statistics.get("conditional"),
        "cpu": time.process_time() - began,
        "said": said.lines,
    }


def z_of(one: dict[str, Any], other: dict[str, Any]) -> float:
    """Difference of ln Z over its error; not a number where one run has none."""
    if "log_evidence" not in one or "log_evidence" not in other:
        return float("nan")
    return float((one["log_evidence"] - other["log_evidence"]) / np.hypot(one["error_of_it"], other["error_of_it"]))


def line(name: str, one: dict[str, Any], other: dict[str, Any]) -> str:
    def number(row: dict[str, Any], key: str, form: str) -> str:
        value = row.get(key)
        return format(value, form) if isinstance(value, int | float) else "-"

    verdicts = "/".join(str(row.get("verdict") or ("RAISED" if "error" in row else "-")) for row in (one, other) if row)
    pair = [
        "/".join(number(row, key, form) for row in (one, other))
        for key, form in (("effective", ".0f"), ("evaluations", "d"), ("cpu", ".0f"))
    ]
    said = [row["error"][:300] for row in (one, other) if "error" in row] or one["said"][:3]
    return (
        f"{name:<28}{number(one, 'log_evidence', '.2f'):>10}{number(one, 'error_of_it', '.3f'):>7}"
        f"{number(other, 'log_evidence', '.2f'):>10}{number(other, 'error_of_it', '.3f'):>7}{z_of(one, other):>6.1f}  "
        f"{verdicts:<22}{pair[0]:>11}{pair[1]:>15}{number(one, 'coarse_efficiency', '.3f'):>11}{pair[2]:>12}  "
        + " | ".join(said)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=tuple(CONFIGURATIONS), default=tuple(CONFIGURATIONS))
    parser.add_argument("--effective", type=int, default=300, help="effective draws asked for")
    parser.add_argument("--alone", action="store_true", help="leave out the runs with coarse=False")
    parser.add_argument("--list", action="store_true", help="print the names and leave")
    parser.add_argument("--outdir", type=Path, default=Path("outdir/coarse_configurations"))
    arguments = parser.parse_args()
    if arguments.list:
        print(*arguments.only, sep="\n")
        return
    arguments.outdir.mkdir(parents=True, exist_ok=True)
    print(HEADER, flush=True)
    wrong = []
    for name in arguments.only:
        setting = CONFIGURATIONS[name]
        one = run(setting, arguments.outdir, name, arguments.effective)
        other = {} if arguments.alone else run(setting, arguments.outdir, name, arguments.effective, coarse=False)
        (arguments.outdir / f"{name}.json").write_text(json.dumps([one, other], indent=1, default=str) + "\n")
        print(line(name, one, other), flush=True)
        if "error" in one or abs(z_of(one, other)) > OFF:
            wrong.append(name)
    if wrong:
        raise SystemExit(f"raised, or more than {OFF:g} errors off: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
