"""Measured strain and priors that cut, through ``bilby.run_sampler``: as people run them.

Where the environment variable ``BILBY_FLOWPE_STRAIN`` names a folder with the 32 s strain files of GW150914 and noise curves
``PSD_H1.txt``, ``PSD_L1.txt``, that event is looked at, too.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import bilby
import numpy as np
import pytest
from bilby.core.prior import Constraint, PriorDict, Uniform
from bilby.core.result import read_in_result
from bilby.gw.detector import PowerSpectralDensity
from scipy.stats import norm

from bilby_flowpe.observed import interferometer, noise_curve, read_strain
from tests.strain import smooth_curve, stationary, with_signal, write_strain

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "real_event.py"
FOLDER = os.environ.get("BILBY_FLOWPE_STRAIN")
needs_strain = pytest.mark.skipif(FOLDER is None, reason="BILBY_FLOWPE_STRAIN names no folder of strain files")
RATE, START, SECONDS = 1024, 1126259446.0, 32
SIGNAL = {
    "mass_1": 40.0,
    "mass_2": 30.0,
    "a_1": 0.0,
    "a_2": 0.0,
    "tilt_1": 0.0,
    "tilt_2": 0.0,
    "phi_12": 0.0,
    "phi_jl": 0.0,
    "luminosity_distance": 900.0,
    "theta_jn": 0.4,
    "psi": 2.6,
    "phase": 1.3,
    "geocent_time": START + 16.4,
    "ra": 1.4,
    "dec": -1.2,
}
BAND = {"minimum_frequency": 20.0, "maximum_frequency": 256.0}


def files(folder: Path, rng: np.random.Generator, **changes: float) -> None:
    """Strain of H1 in two files that follow on each other, and of L1 in one whose name has a ``V1`` in it."""
    signal = {**SIGNAL, **changes}
    first = with_signal("H1", START, SECONDS, RATE, signal, rng)
    write_strain(folder / "later.hdf5", "H1", START + 16, first[16 * RATE :], RATE)
    write_strain(folder / "sooner.hdf5", "H1", START, first[: 16 * RATE], RATE)
    write_strain(folder / "L-V1.hdf5", "L1", START, with_signal("L1", START, SECONDS, RATE, signal, rng), RATE)


def likelihood_of(interferometers: list[Any]) -> bilby.gw.GravitationalWaveTransient:
    detectors = bilby.gw.detector.InterferometerList(interferometers)
    generator = bilby.gw.WaveformGenerator(
        duration=detectors.duration,
        sampling_frequency=detectors.sampling_frequency,
        start_time=detectors.start_time,
        frequency_domain_source_model=bilby.gw.source.lal_binary_black_hole,
        waveform_arguments={
            "waveform_approximant": "IMRPhenomD",
            "reference_frequency": 20.0,
            "minimum_frequency": 20.0,
        },
    )
    return bilby.gw.GravitationalWaveTransient(detectors, generator)


def run(
    likelihood: Any, priors: PriorDict, folder: Path, **kwargs: Any
) -> tuple[bilby.core.result.Result, dict[str, Any]]:
    result = bilby.run_sampler(
        likelihood, priors, sampler="flowpe", network="none", n_effective=1000, sampling_seed=1, outdir=str(folder),
        progress=False, save=False, **kwargs,
    )  # fmt: skip
    return result, result.meta_data["run_statistics"]


def two_parameters(**edges: tuple[float, float]) -> PriorDict:
    """Primary mass and phase; everything else fixed."""
    free = {"mass_1": Uniform(*edges.get("mass_1", (30, 50))), "phase": Uniform(0, 2 * np.pi, boundary="periodic")}
    return PriorDict({**SIGNAL, **free})


def on_a_grid(likelihood: Any, low: float, high: float) -> float:
    """ln Z of :func:`two_parameters`, by the trapezoidal rule."""
    masses, phases = np.linspace(low, high, 161), np.linspace(0, 2 * np.pi, 32, endpoint=False)
    table = [[likelihood.log_likelihood_ratio({**SIGNAL, "mass_1": m, "phase": p}) for p in phases] for m in masses]
    inside = np.logaddexp.reduce(np.array(table), axis=1) - np.log(len(phases))
    ends = np.log(np.r_[0.5, np.ones(len(masses) - 2), 0.5])
    total: float = np.logaddexp.reduce(inside + ends) - np.log(len(masses) - 1)
    return total


@pytest.mark.parametrize(("excess", "flagged"), [(1.0, False), pytest.param(1.12, True, marks=pytest.mark.slow)])
def test_strain_from_files_has_the_residual_of_its_noise(tmp_path: Path, excess: float, flagged: bool) -> None:
    """A window that takes an eighth of the power is no surprise; an eighth more power than the curve has is one."""
    files(tmp_path, np.random.default_rng(4))
    frequencies = np.arange(0, 257.0)
    curve = PowerSpectralDensity(frequencies, smooth_curve(frequencies) / excess)
    made = [
        interferometer(name, read_strain(name, START, START + 99, tmp_path), START + 14.4, 4.0, curve, **BAND)
        for name in ("H1", "L1")
    ]
    likelihood = likelihood_of(made)
    result, statistics = run(likelihood, two_parameters(), tmp_path)
    assert result.log_bayes_factor == pytest.approx(
        on_a_grid(likelihood, 30, 50), abs=5 * result.log_evidence_err + 0.01
    )
    assert statistics["window_factor"] == {"H1": pytest.approx(0.875, abs=1e-3), "L1": pytest.approx(0.875, abs=1e-3)}
    record = {name: (data["start_time"], data["duration"]) for name, data in statistics["data"].items()}
    assert record == dict.fromkeys(("H1", "L1"), (likelihood.interferometers.start_time, 4.0))
    residual = statistics["surprise"]["scores"]["residual"]
    # Of 2 x 945 bins each: 12% are 5 standard deviations, give or take one.
    assert abs(residual - 4.9 * flagged) < 2.6
    assert any("unlike what likelihood and prior describe" in reason for reason in statistics["reasons"]) is flagged


@pytest.mark.slow
def test_bilby_windows_and_simulates_and_both_are_known(tmp_path: Path) -> None:
    """Strain set as a time series, with Bilby's usual roll-off, and noise that Bilby makes in the frequency domain."""
    rng = np.random.default_rng(7)
    bilby.core.utils.random.seed(7)
    frequencies = np.arange(0, 257.0)
    for way, factor in (("time series", 0.9375), ("simulated", 1.0)):
        made = bilby.gw.detector.InterferometerList(["H1", "L1"])
        for one in made:
            one.minimum_frequency, one.maximum_frequency = 20.0, 256.0
            one.power_spectral_density = PowerSpectralDensity(frequencies, smooth_curve(frequencies))
            if way == "time series":
                one.strain_data.set_from_time_domain_strain(
                    stationary(32, 512, rng)[5000 : 5000 + 4 * 512],
                    sampling_frequency=512.0,
                    duration=4.0,
                    start_time=START + 14.4,
                )
            else:
                one.set_strain_data_from_power_spectral_density(512.0, 4.0, START + 14.4)
        _, statistics = run(likelihood_of(list(made)), two_parameters(), tmp_path)
        assert statistics["window_factor"]["H1"] == pytest.approx(factor, abs=1e-3)
        assert abs(statistics["surprise"]["scores"]["residual"]) < 3


class Normal(bilby.core.likelihood.Likelihood):
    """Two normal curves."""

    def log_likelihood(self, parameters: dict[str, float]) -> float:
        return -0.5 * ((parameters["x"] - 3.0) / 0.5) ** 2 - 0.5 * (parameters["y"] / 0.1) ** 2


@pytest.mark.parametrize("extension", ["json", "hdf5"])
def test_a_prior_that_cuts_is_said(tmp_path: Path, extension: str) -> None:
    """The prior leaves out 98% of x, and nothing of y."""
    result = bilby.run_sampler(
        Normal(), PriorDict({"x": Uniform(-5, 2), "y": Uniform(-1, 1)}), sampler="flowpe", n_effective=1000,
        sampling_seed=1, outdir=str(tmp_path), label="run", progress=False, save=extension,
    )  # fmt: skip
    edges = result.meta_data["run_statistics"]["edges"]
    assert (edges["parameter"], edges["side"], edges["value"]) == (["x"], ["upper"], [2.0])
    # Both of Bilby's formats give back what was noted.
    kept = read_in_result(str(tmp_path / f"run_result.{extension}")).meta_data["run_statistics"]["edges"]
    assert {key: list(value) for key, value in kept.items()} == edges
    assert edges["beyond"] == pytest.approx([norm.sf(-2)], abs=0.1)
    exact = np.log(norm.cdf(-2) * np.sqrt(2 * np.pi) * 0.5 / 7) + np.log(np.sqrt(2 * np.pi) * 0.1 / 2)
    assert result.log_evidence == pytest.approx(exact, abs=5 * result.log_evidence_err + 1e-3)


def total(parameters: dict[str, Any]) -> dict[str, Any]:
    return {**parameters, "total": parameters["x"] + parameters["y"]}


@pytest.mark.slow
def test_a_constraint_that_cuts_is_said(tmp_path: Path) -> None:
    priors = PriorDict(
        {"x": Uniform(-5, 8), "y": Uniform(-1, 1), "total": Constraint(-9, 2.5)}, conversion_function=total
    )
    result = bilby.run_sampler(
        Normal(),
        priors,
        sampler="flowpe",
        n_effective=1000,
        sampling_seed=1,
        outdir=str(tmp_path),
        progress=False,
        save=False,
    )
    edges = result.meta_data["run_statistics"]["edges"]
    assert (edges["parameter"], edges["side"]) == (["total"], ["upper"])


def event(folder: Path, outdir: Path, *arguments: str) -> str:
    """Return what the example prints."""
    done = subprocess.run(
        [
            sys.executable,
            str(EXAMPLE),
            "GW150914",
            "--data-dir",
            str(folder),
            "--outdir",
            str(outdir),
            "--npool",
            "1",
            *arguments,
        ],
        env={**os.environ, "MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.slow
def test_an_event_from_its_files_alone(tmp_path: Path) -> None:
    """A light binary, outside of the chirp masses that Bilby's default priors have: found, and not cut."""
    chirp_mass = (14.0 * 8.0) ** 0.6 / 22.0**0.2
    files(tmp_path, np.random.default_rng(4), mass_1=14.0, mass_2=8.0, luminosity_distance=300.0)
    told = event(
        tmp_path, tmp_path / "out", "--maximum-frequency", "512", "--waveform", "IMRPhenomD", "--effective", "1000"
    )
    low, high = map(float, re.search(r"prior of the chirp mass: ([\d.]+) to ([\d.]+)", told).groups())
    assert low < chirp_mass < high < 25
    _, lower, upper = map(float, re.search(r"chirp_mass +([\d.]+) +\[([\d.]+), ([\d.]+)\]", told).groups())
    assert lower - 0.1 < chirp_mass < upper + 0.1
    assert "verdict failed" not in told


@needs_strain
def test_the_lines_that_a_curve_lacks_are_named() -> None:
    """The public curves of GW150914 lack lines; the loudest is that of L1 near 503 Hz."""
    from bilby_flowpe.surprise import without_simulations
    from bilby_flowpe.waves.residual import farthest_off, residual_of

    made = []
    for name in ("H1", "L1"):
        curve = PowerSpectralDensity(psd_file=str(Path(FOLDER) / f"PSD_{name}.txt"))
        made.append(interferometer(name, read_strain(name, START, START + 32, FOLDER), START + 14.4, 4.0, curve))
    likelihood, quiet = likelihood_of(made), {**SIGNAL, "luminosity_distance": 1e6}
    # About what a waveform takes of its power away.
    best = 280.0
    assert without_simulations(residual_of(likelihood, best)).p_value < 1e-10
    assert farthest_off(likelihood, quiet).startswith("largest deviation in L1 between 500 and 507.75 Hz")
    # With all bands notched out that are far off, by lines near 30, 330, 500 and 1000 Hz, nothing is left.
    made[0].strain_data.notch_list = [(27.0, 40.0), (320.0, 340.0), (985.0, 1024.1)]
    made[1].strain_data.notch_list = [(320.0, 340.0), (490.0, 515.0), (985.0, 1024.1)]
    likelihood._noise_log_likelihood_value = None
    assert without_simulations(residual_of(likelihood, best)).p_value > 0.005


@needs_strain
def test_a_noise_curve_from_both_sides_is_that_of_longer_data() -> None:
    for name in ("H1", "L1"):
        strain = read_strain(name, START - 100, START + 100, FOLDER)
        curve = noise_curve(strain, 4.0, without=(START + 14.4, START + 18.4))
        longer = PowerSpectralDensity(psd_file=str(Path(FOLDER) / f"PSD_{name}.txt"))
        frequencies = np.arange(20, 1000, 0.25)
        ratio = curve.get_power_spectral_density_array(frequencies) / longer.get_power_spectral_density_array(
            frequencies
        )
        # Within some per cent: detectors' noise is not the same over minutes.
        assert np.median(ratio) == pytest.approx(1, abs=0.05)
        assert np.mean(1 / ratio) == pytest.approx(1, abs=0.05)


@needs_strain
@pytest.mark.slow
def test_gw150914_from_its_files_alone(tmp_path: Path) -> None:
    """Within what was published (GWTC-1, detector frame): chirp mass 31.2 +- 1.7, distance 440 +170 -150 Mpc."""
    told = event(Path(FOLDER), tmp_path)
    _, lower, upper = map(float, re.search(r"chirp_mass +([\d.]+) +\[([\d.]+), ([\d.]+)\]", told).groups())
    assert lower < 31.2 < upper
    assert "verdict failed" not in told
