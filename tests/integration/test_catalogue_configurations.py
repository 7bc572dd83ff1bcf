"""Likelihoods and priors as bilby_pipe builds them for catalogues, over all pairs of its settings.

The first half builds what ``bilby_pipe_analysis`` hands to ``bilby.run_sampler``, without bilby_pipe; the second half, slow,
runs bilby_pipe itself on files of strain.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import bilby
import numpy as np
import pytest
from bilby.core.prior import Cosine, PowerLaw, Sine, Uniform
from bilby.core.result import Result
from bilby.gw.conversion import convert_to_lal_binary_black_hole_parameters, generate_all_bbh_parameters
from bilby.gw.detector import InterferometerList
from bilby.gw.likelihood import GravitationalWaveTransient
from bilby.gw.prior import BBHPriorDict, CalibrationPriorDict

START, DURATION, RATE = 1126259462.0, 1.0, 512.0
TRIGGER = START + 0.7
MINIMA = {"H1": 20.0, "L1": 30.0, "V1": 25.0}
NODES = 4  # the fewest that Bilby's splines take
SIGNAL = {
    "chirp_mass": 35.0, "mass_ratio": 0.8, "chi_1": 0.0, "chi_2": 0.0, "luminosity_distance": 2000.0, "theta_jn": 0.5,
    "psi": 1.0, "phase": 1.3, "geocent_time": TRIGGER, "ra": 1.4, "dec": -1.2,
}  # fmt: skip
SKY = {"sky": ("ra", "dec"), "H1L1": ("azimuth", "zenith")}


@dataclass(frozen=True)
class Configuration:
    """Settings of bilby_pipe. ``calibration``: its parameters ``off``, ``free`` or ``marginalised``."""

    time_reference: str = "geocent"
    reference_frame: str = "sky"
    distance: bool = False
    phase: bool = False
    time: str = "off"  # or marginalised, with "jitter" or "bare"
    calibration: str = "off"
    detectors: tuple[str, ...] = ("H1", "L1")
    minima: str = "same"  # or "each" detector has its own

    def __str__(self) -> str:
        on = [word for word in ("distance", "phase") if getattr(self, word)]
        return "-".join(
            [self.time_reference, self.reference_frame, *on, f"time_{self.time}", f"calibration_{self.calibration}",
             "".join(self.detectors), self.minima]
        )  # fmt: skip

    @property
    def minimum_frequency(self) -> dict[str, float]:
        return {name: MINIMA[name] if self.minima == "each" else 20.0 for name in self.detectors}

    @property
    def marginalised(self) -> set[str]:
        """Parameters that Bilby integrates out; it does not do so with a time at a detector, and says so."""
        time = self.time != "off" and self.time_reference == "geocent"
        flags = {"luminosity_distance": self.distance, "phase": self.phase, "geocent_time": time}
        return {key for key, flag in flags.items() if flag}


LEVELS: dict[str, tuple[Any, ...]] = {
    "time_reference": ("geocent", "H1", "L1"),
    "reference_frame": ("sky", "H1L1"),
    "distance": (False, True),
    "phase": (False, True),
    "time": ("off", "jitter", "bare"),
    "calibration": ("off", "free", "marginalised"),
    "detectors": (("H1", "L1"), ("H1", "L1", "V1")),
    "minima": ("same", "each"),
}
TWO, THREE = LEVELS["detectors"]
ARRAY = [
    Configuration(),
    Configuration("H1", "H1L1", True, True, "jitter", "free", TWO, "each"),
    Configuration("L1", "sky", True, True, "bare", "marginalised", THREE, "same"),
    Configuration("L1", "H1L1", False, False, "off", "free", THREE, "each"),
    Configuration("H1", "sky", False, False, "jitter", "marginalised", THREE, "each"),
    Configuration("geocent", "H1L1", False, True, "bare", "off", THREE, "each"),
    Configuration("L1", "H1L1", True, False, "jitter", "off", TWO, "same"),
    Configuration("geocent", "H1L1", True, True, "off", "marginalised", TWO, "same"),
    Configuration("H1", "sky", True, False, "bare", "free", TWO, "same"),
    Configuration("geocent", "H1L1", True, False, "jitter", "free", TWO, "same"),
    Configuration("H1", "sky", False, False, "off", "off", TWO, "each"),
    # As most catalogue analyses with time marginalisation are: everything that Bilby can integrate out.
    Configuration(distance=True, phase=True, time="jitter"),
]
"""Configurations in which every pair of values of two settings is there at least once."""


def test_every_pair_of_settings_is_tried() -> None:
    for one, other in itertools.combinations(LEVELS, 2):
        wanted = set(itertools.product(LEVELS[one], LEVELS[other]))
        assert {(getattr(row, one), getattr(row, other)) for row in ARRAY} == wanted, (one, other)


# As bilby_pipe builds them --------------------------------------------------------------------------------------------


def coarse_table(likelihood: GravitationalWaveTransient) -> None:
    """Bilby's table of the likelihood integrated over distance, on every 25th of its distances: a second instead of a minute.

    Steps of 50 Mpc are a fifth of the width that the likelihood of a signal-to-noise ratio of 12 has in distance.
    """
    likelihood._dist_margd_loglikelihood_array = np.zeros((400, 800))  # its shape gives the axes
    scaling = likelihood._ref_dist / likelihood._distance_array[::25]
    prior = likelihood.distance_prior_array[::25]
    inner = np.outer(likelihood._d_inner_h_ref_array, scaling)
    inner = bilby.gw.utils.ln_i0(abs(inner)) if likelihood.phase_marginalization else inner
    norms = np.outer(likelihood._optimal_snr_squared_ref_array, scaling**2) / 2
    weights = prior / prior.sum()
    rows = [logsumexp_rows(inner - norm, weights) for norm in norms]
    likelihood._dist_margd_loglikelihood_array = np.array(rows)
    likelihood.cache_lookup_table()


def logsumexp_rows(exponents: np.ndarray, weights: np.ndarray) -> np.ndarray:
    top = exponents.max(axis=1)
    return top + np.log(np.exp(exponents - top[:, None]) @ weights)


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Folder of the tables, which are made once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GravitationalWaveTransient, "_create_lookup_table", coarse_table)
        yield tmp_path_factory.mktemp("tables")


def detectors(configuration: Configuration) -> InterferometerList:
    """Gaussian noise of the design curves, and the signal."""
    bilby.core.utils.random.seed(3)
    found = InterferometerList(list(configuration.detectors))
    for ifo in found:
        ifo.minimum_frequency = configuration.minimum_frequency[ifo.name]
    found.set_strain_data_from_power_spectral_densities(RATE, DURATION, START)
    found.inject_signal(waveform_generator=generator(configuration), parameters=dict(SIGNAL))
    if configuration.calibration != "off":
        for ifo in found:
            ifo.calibration_model = bilby.gw.calibration.CubicSpline(
                f"recalib_{ifo.name}_", ifo.minimum_frequency, ifo.maximum_frequency, n_points=NODES
            )
    return found


def generator(configuration: Configuration) -> Any:
    return bilby.gw.WaveformGenerator(
        DURATION, RATE, START, bilby.gw.source.lal_binary_black_hole,
        parameter_conversion=convert_to_lal_binary_black_hole_parameters,
        waveform_arguments={
            "waveform_approximant": "IMRPhenomD", "reference_frequency": 20.0,
            "minimum_frequency": min(configuration.minimum_frequency.values()), "catch_waveform_errors": True,
        },
    )  # fmt: skip


def priors_of(configuration: Configuration) -> BBHPriorDict:
    """``Input._get_priors``: time at the reference, sky angles of the frame, calibration."""
    priors = BBHPriorDict(
        {
            "chirp_mass": Uniform(34, 36),
            "mass_ratio": 0.8,
            "chi_1": 0.0,
            "chi_2": 0.0,
            "luminosity_distance": PowerLaw(2, 100, 5000),
            "theta_jn": Sine(),
            "psi": Uniform(0, np.pi, boundary="periodic"),
            "phase": Uniform(0, 2 * np.pi, boundary="periodic"),
        }
    )
    key = f"{configuration.time_reference}_time"
    priors[key] = Uniform(TRIGGER - 0.1, TRIGGER + 0.1, name=key)
    longitude, latitude = SKY[configuration.reference_frame]
    priors[longitude] = Uniform(0, 2 * np.pi, boundary="periodic")
    priors[latitude] = Cosine() if latitude == "dec" else Sine()
    if configuration.calibration != "off":
        for name in configuration.detectors:
            spline = CalibrationPriorDict.constant_uncertainty_spline(
                0.05, 0.05, configuration.minimum_frequency[name], RATE / 2, NODES, name, "reflective"
            )
            priors.update(spline)
    return priors


def build(configuration: Configuration, tables: Path) -> tuple[GravitationalWaveTransient, BBHPriorDict]:
    """``Input.likelihood`` and the search priors, which the likelihood has changed."""
    search = priors_of(configuration).copy()
    curves: dict[str, Any] = {}
    if configuration.calibration == "marginalised":
        files = {name: str(tables / f"{configuration}_{name}.h5") for name in configuration.detectors}
        curves = {"calibration_lookup_table": files, "number_of_response_curves": 20}
    likelihood = GravitationalWaveTransient(
        interferometers=detectors(configuration),
        waveform_generator=generator(configuration),
        priors=search,
        phase_marginalization=configuration.phase,
        distance_marginalization=configuration.distance,
        distance_marginalization_lookup_table=str(tables / f"distances_{configuration.phase}.npz"),
        time_marginalization=configuration.time != "off",
        jitter_time=configuration.time != "bare",
        reference_frame=configuration.reference_frame,
        time_reference=configuration.time_reference,
        calibration_marginalization=configuration.calibration == "marginalised",
        **curves,
    )
    return likelihood, search


def sample(
    likelihood: GravitationalWaveTransient, priors: BBHPriorDict, outdir: Path, seed: int = 7, **options: Any
) -> Result:
    """Run as ``bilby_pipe_analysis`` does, with the conversion by the likelihood, and read the result back from its file."""
    bilby.run_sampler(
        likelihood, priors, sampler="flowpe", network="none", outdir=str(outdir), label="run", sampling_seed=seed,
        conversion_function=generate_all_bbh_parameters, result_class=bilby.gw.result.CBCResult,
        progress=False, **options,
    )  # fmt: skip
    return bilby.read_in_result(str(outdir / "run_result.json"))


def check_columns(configuration: Configuration, result: Result) -> None:
    """Check that all physical parameters are numbers within their priors, also if some were integrated out."""
    posterior = result.posterior
    assert len(posterior) >= 1
    free = {f"recalib_{name}_{kind}_{node}" for name in configuration.detectors for kind in ("amplitude", "phase")
            for node in range(NODES)} if configuration.calibration == "free" else set()  # fmt: skip
    made = {
        "luminosity_distance",
        "phase",
        "geocent_time",
        "ra",
        "dec",
        "psi",
        "theta_jn",
        "chirp_mass",
        "mass_1_source",
    }
    made |= {f"{name}_optimal_snr" for name in configuration.detectors} | free
    made |= {f"{configuration.time_reference}_time", *SKY[configuration.reference_frame]}
    assert made <= {*posterior}
    for key in made:
        assert np.isfinite(np.asarray(posterior[key], dtype=float)).all(), key
    for key, prior in priors_of(configuration).items():
        if key in made:
            values = np.asarray(posterior[key], dtype=float)
            slack = 2 / RATE if key in configuration.marginalised and key == "geocent_time" else 0.0
            assert values.min() >= prior.minimum - slack and values.max() <= prior.maximum + slack, key


def check_verdict(result: Result) -> None:
    """Check that it is not reliable without a network, `failed` only because of the budget, and has no error from one draw."""
    statistics = result.meta_data["run_statistics"]
    if statistics["effective_sample_size"] < 1.5:
        assert not np.isfinite(result.log_evidence_err)
    assert statistics["verdict"] in ("check", "failed")
    assert statistics["reasons"]
    if statistics["verdict"] == "failed":
        assert any("max_likelihood_evaluations" in reason for reason in statistics["reasons"]), statistics["reasons"]
        words = ("differs from the likelihood", "not a number (NaN)", "outside the prior")
        assert not [reason for reason in statistics["reasons"] if any(word in reason for word in words)]


def fixed_values(priors: BBHPriorDict) -> dict[str, float]:
    """Return values of parameters that are not searched, with marginalised ones, whose priors Bilby puts back after the run."""
    values = {key: prior if isinstance(prior, float) else prior.peak for key, prior in priors.items()
              if isinstance(prior, float) or prior.is_fixed}  # fmt: skip
    return {key: float(value) for key, value in values.items()}


def check_likelihoods(likelihood: GravitationalWaveTransient, fixed: dict[str, float], result: Result) -> None:
    """The log likelihood beside a row is what the likelihood given, marginalised or not, has at its search parameters."""
    for _, row in result.posterior.iloc[:3].iterrows():
        found = float(likelihood.log_likelihood_ratio({**fixed, **row[result.search_parameter_keys].astype(float)}))
        assert float(row["log_likelihood"]) == pytest.approx(found, abs=2e-3)


# Bilby's tables of marginalised calibration errors take most of a minute together.
QUICK = [
    pytest.param(one, id=str(one), marks=[pytest.mark.slow] * (one.calibration == "marginalised")) for one in ARRAY
]


@pytest.mark.parametrize("configuration", QUICK)
def test_each_ends_with_a_whole_posterior(configuration: Configuration, tables: Path, tmp_path: Path) -> None:
    likelihood, priors = build(configuration, tables)
    fixed = fixed_values(priors)
    result = sample(likelihood, priors, tmp_path, max_likelihood_evaluations=200, n_effective=100)
    check_verdict(result)
    check_columns(configuration, result)
    check_likelihoods(likelihood, fixed, result)


@pytest.mark.parametrize(
    "configuration", [Configuration("geocent", "H1L1"), Configuration("H1", "sky")], ids=["sky", "time"]
)
def test_priors_of_the_plain_frame_in_a_detectors_frame(
    configuration: Configuration, tables: Path, tmp_path: Path
) -> None:
    """Without priors of zenith and azimuth, or of the time at H1, Bilby uses sky position and geocentric time."""
    likelihood, _ = build(configuration, tables)
    priors = priors_of(Configuration())
    fixed = fixed_values(priors)
    result = sample(likelihood, priors, tmp_path, max_likelihood_evaluations=200, n_effective=100)
    check_verdict(result)
    check_columns(Configuration(), result)
    check_likelihoods(likelihood, fixed, result)


# The same evidence in other words ----------------------------------------------------------------------------------------

BUDGET = {"max_likelihood_evaluations": 60000, "n_effective": 1000}
SAME_EVIDENCE = {
    "time at H1": (Configuration(), Configuration("H1")),
    "sky of H1 and L1": (Configuration(), Configuration(reference_frame="H1L1")),
    "distance": (Configuration(), Configuration(distance=True)),
    "phase": (Configuration(), Configuration(phase=True)),
    "time with jitter": (Configuration(), Configuration(time="jitter")),
    "all integrated out": (Configuration(), ARRAY[-1]),
    "calibration free": (Configuration(calibration="free"), Configuration("L1", "H1L1", calibration="free")),
    "three detectors": (
        Configuration(detectors=THREE, minima="each"),
        Configuration("H1", "H1L1", detectors=THREE, minima="each"),
    ),
}
"""Two configurations each that ask for one evidence: the posterior is well inside the window of time, wherever that is."""


@pytest.fixture(scope="module")
def evidences() -> dict[Configuration, tuple[float, float]]:
    """Return the evidences of configurations that have been run."""
    return {}


@pytest.mark.slow
@pytest.mark.parametrize("pair", SAME_EVIDENCE.values(), ids=SAME_EVIDENCE)
def test_twins_have_one_evidence(
    pair: tuple[Configuration, Configuration],
    tables: Path,
    tmp_path: Path,
    evidences: dict[Configuration, tuple[float, float]],
) -> None:
    for seed, one in enumerate(pair):
        if one not in evidences:
            (tmp_path / str(seed)).mkdir()
            result = sample(*build(one, tables), tmp_path / str(seed), seed=11 + seed, **BUDGET)
            assert result.meta_data["run_statistics"]["verdict"] == "check"
            evidences[one] = (result.log_bayes_factor, result.log_evidence_err)
    (first, error), (second, other) = (evidences[one] for one in pair)
    assert np.hypot(error, other) < 0.2
    assert abs(first - second) < 5 * np.hypot(error, other)


@pytest.mark.slow
def test_a_minimum_frequency_of_ones_own_is_a_band_without_weight(tables: Path, tmp_path: Path) -> None:
    """The same evidence as with one minimum for all, and noise without bound below each detector's own."""
    own = Configuration(minima="each")
    likelihood, priors = build(own, tables)
    below = replace(own, minima="same")
    twin, _ = build(below, tables)
    for ifo in twin.interferometers:
        given = next(one for one in likelihood.interferometers if one.name == ifo.name)
        ifo.set_strain_data_from_frequency_domain_strain(given.frequency_domain_strain, RATE, DURATION, START)
        density = np.where(ifo.frequency_array < MINIMA[ifo.name], 1.0, ifo.power_spectral_density_array)
        ifo.power_spectral_density = bilby.gw.detector.PowerSpectralDensity(ifo.frequency_array, psd_array=density)
    found = []
    for seed, one in enumerate((likelihood, twin)):
        (tmp_path / str(seed)).mkdir()
        result = sample(one, priors.copy(), tmp_path / str(seed), seed=21 + seed, **BUDGET)
        found.append((result.log_bayes_factor, result.log_evidence_err))
    assert abs(found[0][0] - found[1][0]) < 5 * np.hypot(found[0][1], found[1][1])


# bilby_pipe itself ---------------------------------------------------------------------------------------------------------

CURVES = {"H1": "aLIGO_ZERO_DET_high_P_psd.txt", "L1": "aLIGO_ZERO_DET_high_P_psd.txt", "V1": "AdV_psd.txt"}
SEGMENT = 4
DEFAULT_SKY = """
ra = Uniform(name='ra', minimum=0, maximum=2 * np.pi, boundary='periodic')
dec = Cosine(name='dec')
"""
"""To the letter what bilby_pipe puts the angles of another frame in the place of."""


@pytest.fixture(scope="module")
def strain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files of eight seconds around the trigger, of noise and the signal."""
    folder = tmp_path_factory.mktemp("strain")
    bilby.core.utils.random.seed(4)
    found = InterferometerList(list(CURVES))
    for ifo in found:
        ifo.minimum_frequency = 10.0
        ifo.power_spectral_density = bilby.gw.detector.PowerSpectralDensity.from_power_spectral_density_file(
            CURVES[ifo.name]
        )
    found.set_strain_data_from_power_spectral_densities(RATE, 2 * SEGMENT, TRIGGER - SEGMENT)
    waves = bilby.gw.WaveformGenerator(
        2 * SEGMENT, RATE, TRIGGER - SEGMENT, bilby.gw.source.lal_binary_black_hole,
        waveform_arguments={"waveform_approximant": "IMRPhenomD", "reference_frequency": 20.0, "minimum_frequency": 10.0},
    )  # fmt: skip
    found.inject_signal(waveform_generator=waves, parameters=dict(SIGNAL))
    files = {}
    for ifo in found:
        files[ifo.name] = folder / f"{ifo.name}.hdf5"
        ifo.strain_data.to_gwpy_timeseries().write(files[ifo.name], path=f"{ifo.name}:STRAIN", format="hdf5")
    return files


def ini(configuration: Configuration, strain: dict[str, Path]) -> str:
    """A configuration file as catalogue analyses have them."""

    def each(values: dict[str, Any]) -> str:
        return "{" + ", ".join(f"{name}: {values[name]}" for name in configuration.detectors) + "}"

    lines = {
        "label": "catalogue", "outdir": "outdir", "detectors": "[" + ", ".join(configuration.detectors) + "]",
        "duration": SEGMENT, "sampling-frequency": RATE, "minimum-frequency": each(configuration.minimum_frequency),
        "trigger-time": TRIGGER, "deltaT": 0.2, "data-dict": each(strain), "psd-dict": each(CURVES),
        "channel-dict": each(dict.fromkeys(CURVES, "STRAIN")), "waveform-approximant": "IMRPhenomD",
        "reference-frequency": 20, "prior-file": "catalogue.prior", "time-reference": configuration.time_reference,
        "reference-frame": configuration.reference_frame, "distance-marginalization": configuration.distance,
        "phase-marginalization": configuration.phase, "time-marginalization": configuration.time != "off",
        "jitter-time": configuration.time != "bare", "enforce-signal-duration": False, "sampler": "flowpe",
        "sampler-kwargs": "{network: none, max_likelihood_evaluations: 300, n_effective: 100, progress: False}",
        "sampling-seed": 5, "n-parallel": 1, "request-cpus": 1, "result-format": "json",
    }  # fmt: skip
    if configuration.calibration != "off":
        sigma = each(dict.fromkeys(CURVES, 0.05))
        lines |= {"calibration-model": "CubicSpline", "spline-calibration-nodes": NODES}
        lines |= {f"spline-calibration-{kind}-uncertainty-dict": sigma for kind in ("amplitude", "phase")}
    if configuration.calibration == "marginalised":
        lines |= {"calibration-marginalization": True, "number-of-response-curves": 20}
    return "".join(f"{key} = {value}\n" for key, value in lines.items())


@pytest.mark.slow
@pytest.mark.parametrize("configuration", ARRAY, ids=str)
def test_bilby_pipe(configuration: Configuration, strain: dict[str, Path], tmp_path: Path) -> None:
    """The way from files of strain to a result works in the processes that bilby_pipe starts."""
    pytest.importorskip("bilby_pipe", reason="bilby_pipe is not installed")
    # bilby_pipe itself puts the angles of another frame, the time and the calibration into the prior.
    priors = priors_of(Configuration())
    for key in ("geocent_time", "ra", "dec"):
        del priors[key]
    priors.to_file(str(tmp_path), "catalogue")
    with (tmp_path / "catalogue.prior").open("a") as file:
        file.write(DEFAULT_SKY)
    (tmp_path / "catalogue.ini").write_text(ini(configuration, strain))
    programs = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [str(programs / "bilby_pipe"), "catalogue.ini", "--local"], cwd=tmp_path, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-5000:]
    (found,) = (tmp_path / "outdir" / "result").glob("*_result.json")
    result = bilby.read_in_result(str(found))
    assert result.sampler == "flowpe"
    check_verdict(result)
    check_columns(configuration, result)
