"""The plain likelihood behind another: its values against those of the likelihood it was taken from."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bilby.core.likelihood import GaussianLikelihood
from bilby.gw import source
from bilby.gw.conversion import convert_to_lal_binary_neutron_star_parameters
from bilby.gw.detector.calibration import CubicSpline
from bilby.gw.likelihood import (
    BasicGravitationalWaveTransient,
    GravitationalWaveTransient,
    MBGravitationalWaveTransient,
)

from bilby_flowpe.errors import SimulationError
from bilby_flowpe.kinds.recognise import has_plain_values, is_calibrated, is_plain, is_wave, marginalised
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.translation.plain import lengths_differ, plain_likelihood, unmarginalised
from tests.approximations import APPROXIMATIONS, generator_of, multibanded


def rows_near(likelihood: Any, priors: Any, size: int = 20) -> list[dict[str, float]]:
    """Parameters around the injected signal, where the likelihood is not all noise."""
    transform, rng = PriorTransform(priors), np.random.default_rng(2)
    rows = []
    for _ in range(size):
        row = {**transform.fixed, **likelihood.injection_parameters}
        row["mass_1"] += rng.normal(0, 2)
        row["mass_2"] = min(row["mass_2"] + rng.normal(0, 2), row["mass_1"])
        row["geocent_time"] += rng.normal(0, 5e-4)
        row["phase"] = rng.uniform(0, 2 * np.pi)
        rows.append(row)
    return rows


def test_a_plain_one_is_itself(problem_5d) -> None:
    likelihood = problem_5d[0]
    assert is_wave(likelihood) and is_plain(likelihood) and has_plain_values(likelihood)
    assert plain_likelihood(likelihood) is likelihood
    assert unmarginalised(likelihood) is likelihood
    assert not is_wave(GaussianLikelihood(np.arange(3), np.arange(3), lambda x, a: a * x, sigma=1))


@pytest.mark.training
@pytest.mark.parametrize("kind", APPROXIMATIONS)
def test_behind_an_approximation(problem_5d, kind: str) -> None:
    likelihood, priors = copy.deepcopy(problem_5d[0]), problem_5d[1]
    short = APPROXIMATIONS[kind](likelihood, copy.deepcopy(priors))
    assert not is_plain(short) and not has_plain_values(short)
    plain = plain_likelihood(short)
    assert type(plain) is GravitationalWaveTransient and is_plain(plain)
    assert not lengths_differ(plain, rows_near(likelihood, priors, 1)[0])
    for row in rows_near(likelihood, priors):
        exact = likelihood.log_likelihood_ratio(dict(row))
        assert plain.log_likelihood_ratio(dict(row)) == exact
        # What the approximations are good to, here: it is their waveforms that are meant.
        assert short.log_likelihood_ratio(dict(row)) == pytest.approx(exact, abs=0.3)


@pytest.mark.parametrize("lowest", [14.0, 31.0])
def test_whole_waves_begin_where_the_data_do(problem_5d, lowest: float) -> None:
    """Bilby's begin at 20 Hz unless told otherwise, and frequency sequences are told by their frequencies."""
    likelihood = copy.deepcopy(problem_5d[0])
    for interferometer in likelihood.interferometers:
        interferometer.minimum_frequency = lowest
    generator = generator_of(likelihood, source.binary_black_hole_frequency_sequence)
    generator.waveform_arguments.pop("minimum_frequency", None)
    given = MBGravitationalWaveTransient(likelihood.interferometers, generator, reference_chirp_mass=20.0)
    plain = plain_likelihood(given)
    row = rows_near(likelihood, problem_5d[1], 1)[0]
    wave = plain.waveform_generator.frequency_domain_strain(dict(row))["plus"]
    assert plain.waveform_generator.frequency_array[np.flatnonzero(wave)[0]] == lowest
    # As good as multibanding is.
    assert plain.log_likelihood_ratio(dict(row)) == pytest.approx(given.log_likelihood_ratio(dict(row)), abs=0.3)


def test_whole_waves_with_tides_end_where_the_few_frequencies_do(problem_5d) -> None:
    """The last frequency moves waves of IMRPhenomXAS_NRTidalv2 in time, by more than their time is known to."""
    likelihood = copy.deepcopy(problem_5d[0])
    for interferometer in likelihood.interferometers:
        interferometer.minimum_frequency = 100.0
    generator = generator_of(likelihood, source.binary_neutron_star_frequency_sequence)
    generator.parameter_conversion = convert_to_lal_binary_neutron_star_parameters
    generator.waveform_arguments |= {"waveform_approximant": "IMRPhenomXAS_NRTidalv2"}
    generator.waveform_arguments.pop("minimum_frequency", None)
    given = MBGravitationalWaveTransient(likelihood.interferometers, generator, reference_chirp_mass=1.1)
    tides = {"mass_1": 1.45, "mass_2": 1.35, "lambda_1": 400.0, "lambda_2": 600.0, "luminosity_distance": 30.0}
    row = {**rows_near(likelihood, problem_5d[1], 1)[0], **tides}
    exact = given.log_likelihood_ratio(dict(row))
    assert plain_likelihood(given).log_likelihood_ratio(dict(row)) == pytest.approx(exact, abs=0.3)
    other = plain_likelihood(given)
    assert (
        other.waveform_generator.waveform_arguments["maximum_frequency"]
        > likelihood.interferometers[0].maximum_frequency
    )
    # Another end of the same waves is another likelihood.
    other.waveform_generator.waveform_arguments["maximum_frequency"] = likelihood.interferometers[0].maximum_frequency
    assert abs(other.log_likelihood_ratio(dict(row)) - exact) > 3


@pytest.mark.parametrize("which", ["time", "phase", pytest.param("distance", marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", ["plain", "multibanded"])
def test_what_is_integrated_out_is_a_parameter_again(problem_5d, which: str, kind: str, tmp_path: Path) -> None:
    # A copy: multibanding sets the interferometers' reference time, which other tests would notice.
    likelihood, priors = copy.deepcopy(problem_5d[0]), problem_5d[1]
    changed = copy.deepcopy(priors)
    # Bilby makes the table of the distance's integral in half a minute.
    flag = {f"{which}_marginalization": True, "distance_marginalization_lookup_table": str(tmp_path / "table.npz")}
    if kind == "plain":
        given = GravitationalWaveTransient(
            likelihood.interferometers, likelihood.waveform_generator, priors=changed, **flag
        )
        reference = likelihood
    else:
        given = multibanded(likelihood, changed, **flag)
        reference = multibanded(likelihood, copy.deepcopy(priors))
    key = {"time": "geocent_time", "phase": "phase", "distance": "luminosity_distance"}[which]
    assert marginalised(given) == (key,)
    other = unmarginalised(given)
    assert marginalised(other) == () and marginalised(given) == (key,)
    assert has_plain_values(other) == (kind == "plain")
    row = rows_near(likelihood, priors, 1)[0]
    for value in (row[key], row[key] * (1 + 1e-9)):
        moved = {**row, key: value}
        assert other.log_likelihood_ratio(dict(moved)) == reference.log_likelihood_ratio(dict(moved))


def test_calibration_is_left_out(problem_5d) -> None:
    likelihood, priors = problem_5d
    interferometers = copy.deepcopy(likelihood.interferometers)
    interferometers[0].calibration_model = CubicSpline("recalib_H1_", 20, 512, 5)
    given = GravitationalWaveTransient(interferometers, likelihood.waveform_generator)
    assert not has_plain_values(given)
    plain = plain_likelihood(given)
    assert is_calibrated(given.interferometers[0]) and not is_calibrated(plain.interferometers[0])
    row = rows_near(likelihood, priors, 1)[0]
    assert plain.log_likelihood_ratio(dict(row)) == likelihood.log_likelihood_ratio(dict(row))
    none = {f"recalib_H1_{part}_{i}": 0.0 for part in ("amplitude", "phase") for i in range(5)}
    # Splines through zeros are zero, to rounding.
    assert given.log_likelihood_ratio({**row, **none}) == pytest.approx(plain.log_likelihood_ratio(dict(row)), abs=1e-9)


class Louder(GravitationalWaveTransient):
    """A subclass with a likelihood of its own."""

    def log_likelihood_ratio(self, parameters: dict | None = None) -> float:
        return 0.5 * super().log_likelihood_ratio(parameters)


def test_other_kinds(problem_5d) -> None:
    likelihood, priors = problem_5d
    row = rows_near(likelihood, priors, 1)[0]
    for kind in (Louder, BasicGravitationalWaveTransient):
        given = kind(likelihood.interferometers, likelihood.waveform_generator)
        assert is_wave(given) and not is_plain(given) and not has_plain_values(given)
        assert plain_likelihood(given).log_likelihood_ratio(dict(row)) == likelihood.log_likelihood_ratio(dict(row))


def sequence_of_ones_own(frequency_array, mass_1, frequencies=None, **kwargs):
    return {"plus": np.ones(len(frequencies)), "cross": np.ones(len(frequencies))}


def test_an_unknown_source_model_of_few_frequencies_is_refused(problem_5d) -> None:
    likelihood = problem_5d[0]
    generator = generator_of(likelihood, source.binary_black_hole_frequency_sequence)
    given = MBGravitationalWaveTransient(
        copy.deepcopy(likelihood.interferometers), generator, reference_chirp_mass=30.0
    )
    given.waveform_generator.frequency_domain_source_model = sequence_of_ones_own
    with pytest.raises(SimulationError, match="no model of all frequencies is known"):
        plain_likelihood(given)
