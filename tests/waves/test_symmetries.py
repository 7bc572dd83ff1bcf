"""Tests that symmetries are found for waveforms that have them, and only for those."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable

import lalsimulation
import numpy as np
import pytest
from bilby.core.prior import Constraint, PowerLaw, PriorDict, Sine, Uniform
from bilby.gw.prior import BBHPriorDict
from bilby.gw.source import lal_binary_black_hole
from bilby.gw.waveform_generator import WaveformGenerator

from bilby_flowpe.errors import SimulationError
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.waves.harmonics import inclination_factors
from bilby_flowpe.waves.symmetries import find_symmetries, polarisations

Model = Callable[..., dict[str, np.ndarray] | None]


def generator(approximant: str = "IMRPhenomPv2", model: Model = lal_binary_black_hole) -> WaveformGenerator:
    return WaveformGenerator(
        duration=1.0,
        sampling_frequency=1024.0,
        start_time=0.0,
        frequency_domain_source_model=model,
        waveform_arguments={
            "waveform_approximant": approximant,
            "reference_frequency": 20.0,
            "minimum_frequency": 20.0,
        },
    )


def priors(**changes: object) -> PriorDict:
    dictionary = {
        "mass_1": Uniform(35, 80),
        "mass_2": Uniform(35, 80),
        "mass_ratio": Constraint(0, 1),
        "chi_1": Uniform(-0.9, 0.9),
        "chi_2": Uniform(-0.9, 0.9),
        "luminosity_distance": PowerLaw(2, 1000, 3000),
        "theta_jn": Sine(),
        "phase": Uniform(0, 2 * np.pi),
        "psi": Uniform(0, np.pi),
        "ra": 0.3,
        "dec": 0.4,
        "geocent_time": Uniform(0.5, 0.6),
    }
    return BBHPriorDict(
        dictionary={key: value for key, value in {**dictionary, **changes}.items() if value is not None}
    )


def precessing() -> PriorDict:
    return priors(
        chi_1=None,
        chi_2=None,
        a_1=Uniform(0.3, 0.9),
        a_2=Uniform(0.3, 0.9),
        tilt_1=Sine(0.5, 2.5),
        tilt_2=Sine(0.5, 2.5),
        phi_12=Uniform(0, 2 * np.pi),
        phi_jl=Uniform(0, 2 * np.pi),
    )


def wrapped(change: Callable[[dict, np.ndarray, dict], dict | None], *more: str) -> Model:
    """A source model that changes what ``lal_binary_black_hole`` gives, and takes ``more`` parameters."""

    def model(frequency_array: np.ndarray, **parameters: float) -> dict | None:
        known = {key: value for key, value in parameters.items() if key not in more}
        strain = lal_binary_black_hole(frequency_array, **known)
        return None if strain is None else change(strain, frequency_array, parameters)

    signature = inspect.signature(lal_binary_black_hole)
    own = list(signature.parameters.values())
    extra = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in more]
    # Bilby passes the parameters that it reads in the signature.
    model.__signature__ = signature.replace(parameters=[own[0], *extra, *own[1:]])
    return model


def turned_on_the_way(strain: dict, frequencies: np.ndarray, parameters: dict) -> dict:
    """Polarisations that turn into each other with the frequency, as where space tells left from right."""
    angle = 1e-3 * frequencies
    plus, cross = strain["plus"], strain["cross"]
    return {
        "plus": plus * np.cos(angle) - cross * np.sin(angle),
        "cross": cross * np.cos(angle) + plus * np.sin(angle),
    }


def distance_distorted(strain: dict, frequencies: np.ndarray, parameters: dict) -> dict:
    """A wave whose shape depends on the distance, by one part in ten thousand."""
    distortion = 1 + 1e-4 * parameters["luminosity_distance"] / 1000 * frequencies / 100
    return {mode: series * distortion for mode, series in strain.items()}


def time_dependent(strain: dict, frequencies: np.ndarray, parameters: dict) -> dict:
    """A wave that is lensed brighter as time goes by."""
    return {mode: series * (1 + parameters["geocent_time"]) for mode, series in strain.items()}


def third_mode(strain: dict, frequencies: np.ndarray, parameters: dict) -> dict:
    """A pure (2, 2) wave with one part in a hundred thousand of another order."""
    return {mode: series * (1 + 1e-5 * np.exp(1j * parameters["phase"])) for mode, series in strain.items()}


def conjugate(strain: dict, frequencies: np.ndarray, parameters: dict) -> dict:
    """The other sign convention of the Fourier transform."""
    return {mode: series.conj() for mode, series in strain.items()}


def nothing(strain: dict, frequencies: np.ndarray, parameters: dict) -> None:
    return None


def half_of_them(strain: dict, frequencies: np.ndarray, parameters: dict) -> dict | None:
    return strain if parameters["mass_1"] > 60 else None


def breathing(strain: dict, frequencies: np.ndarray, parameters: dict) -> dict:
    return {**strain, "breathing": strain["plus"]}


class TestPureTwoTwo:
    @pytest.fixture(scope="class")
    def found(self):
        return find_symmetries(generator(), PriorTransform(priors()))

    def test_everything_is_found(self, found):
        assert found.phase_order == 2
        assert found.inclination
        assert found.distance
        assert found.cross_ratio == pytest.approx(-1j, abs=1e-9)
        assert set(found.inert) == {"geocent_time", "psi"}
        assert set(found.cheap_keys) == {"geocent_time", "psi", "luminosity_distance", "phase", "theta_jn"}

    def test_algebra_is_the_waveform(self, found):
        """The use of the symmetries: a wave at any distance, phase and inclination from one reference wave."""
        source = generator()
        transform = PriorTransform(priors())
        draws = transform.sample(10, np.random.default_rng(1))
        for i in range(10):
            row = {**transform.fixed, **{key: float(value[i]) for key, value in draws.items()}}
            reference = source.frequency_domain_strain(
                {**row, "luminosity_distance": 1000.0, "phase": 0.0, "theta_jn": 0.0}
            )["plus"].copy()
            plus, cross = inclination_factors(np.asarray(row["theta_jn"]))
            scale = 1000.0 / row["luminosity_distance"] * np.exp(2j * row["phase"])
            direct = source.frequency_domain_strain(dict(row))
            tolerance = 1e-6 * np.abs(reference * scale).max()
            np.testing.assert_allclose(direct["plus"], plus * scale * reference, atol=tolerance)
            np.testing.assert_allclose(direct["cross"], cross * scale * found.cross_ratio * reference, atol=tolerance)

    def test_plain_values(self, found):
        values = json.loads(json.dumps(found.to_dict()))
        assert values["phase_order"] == 2
        assert values["cross_ratio"] == pytest.approx([0, -1])

    def test_fixed_face_on_as_in_the_five_parameter_problem(self, simulator_5d):
        assert simulator_5d.symmetries.cross_ratio == pytest.approx(-1j, abs=1e-9)
        assert simulator_5d.symmetries.phase_order == 2

    def test_the_sign_of_the_phase_is_checked(self):
        found = find_symmetries(generator(model=wrapped(conjugate)), PriorTransform(priors()))
        assert found.phase_order == -2
        assert found.cross_ratio == pytest.approx(1j, abs=1e-9)


def test_spins_that_turn_the_angular_momentum_about():
    """If a few waves in a hundred are face on the other way, inclinations act as always, but there is no common ratio."""
    wide = {"mass_1": None, "mass_2": None, "chirp_mass": Uniform(20, 45), "mass_ratio": Uniform(0.125, 1)}
    transform = PriorTransform(priors(**wide, chi_1=Uniform(-0.99, 0.99), chi_2=Uniform(-0.99, 0.99)))
    found = find_symmetries(generator(), transform)
    assert found.inclination
    assert found.cross_ratio == 0
    row = {**transform.fixed, **{key: float(value) for key, value in transform.from_median().items()}}
    signs = {}
    for name, changes in (
        ("usual", {"mass_ratio": 0.9, "chi_1": 0.0}),
        ("turned", {"mass_ratio": 0.13, "chi_1": -0.98}),
    ):
        other = {**row, **changes}
        face_on, inclined = (polarisations(generator(), {**other, "theta_jn": theta}) for theta in (0.0, 1.1))
        peak = np.abs(face_on["plus"]).max()
        for mode, factor in zip(("plus", "cross"), inclination_factors(np.asarray(1.1)), strict=True):
            np.testing.assert_allclose(inclined[mode], factor * face_on[mode], atol=1e-6 * peak)
        signs[name] = np.vdot(face_on["plus"], face_on["cross"]).imag > 0
    assert signs["usual"] != signs["turned"]


@pytest.mark.training
@pytest.mark.parametrize("approximant", ["IMRPhenomXHM", "IMRPhenomHM"])
def test_higher_modes_have_neither_a_phase_order_nor_inclination_factors(approximant):
    if not hasattr(lalsimulation, approximant):
        pytest.skip(f"lalsimulation has no {approximant}")
    found = find_symmetries(generator(approximant), PriorTransform(priors()))
    assert found.phase_order == 0
    assert not found.inclination
    assert found.cross_ratio == 0
    assert found.distance
    assert set(found.cheap_keys) == {"geocent_time", "psi", "luminosity_distance"}


@pytest.mark.training
@pytest.mark.parametrize("approximant", ["IMRPhenomXHM", "IMRPhenomXPHM"])
def test_orders_of_higher_modes(approximant):
    found = find_symmetries(
        generator(approximant), PriorTransform(precessing() if "P" in approximant[9:] else priors())
    )
    assert found.phase_order == 0
    assert found.phase_orders == (1, 2, 3, 4)


def test_precession():
    """The inclination mixes modes; whether the phase is a turn is what the waveform itself says at other draws."""
    source, transform = generator(), PriorTransform(precessing())
    found = find_symmetries(source, transform)
    assert not found.inclination
    assert found.cross_ratio == 0
    assert found.distance
    draws = transform.sample(8, np.random.default_rng(5))
    errors = []
    for i in range(8):
        row = {**transform.fixed, **{key: float(value[i]) for key, value in draws.items()}}
        one = {mode: series.copy() for mode, series in source.frequency_domain_strain(dict(row)).items()}
        other = source.frequency_domain_strain({**row, "phase": row["phase"] + 0.8})
        peak = max(np.abs(series).max() for series in one.values())
        errors.append(max(np.abs(other[mode] - one[mode] * np.exp(1.6j)).max() for mode in one) / peak)
    assert (found.phase_order == 2) == (max(errors) < 1e-6)


class TestLies:
    def test_distance_that_distorts(self):
        found = find_symmetries(generator(model=wrapped(distance_distorted)), PriorTransform(priors()))
        assert not found.distance
        assert "luminosity_distance" not in found.cheap_keys
        assert found.phase_order == 2  # The rest holds still.

    def test_polarisations_that_turn_into_each_other(self):
        found = find_symmetries(generator(model=wrapped(turned_on_the_way)), PriorTransform(priors()))
        assert (found.inclination, found.cross_ratio) == (False, 0)
        assert found.distance
        assert found.phase_order == 2

    def test_time_that_matters(self):
        found = find_symmetries(generator(model=wrapped(time_dependent, "geocent_time")), PriorTransform(priors()))
        assert found.inert == ("psi",)

    def test_a_trace_of_another_mode(self):
        found = find_symmetries(generator(model=wrapped(third_mode)), PriorTransform(priors()))
        assert found.phase_order == 0
        assert not found.inclination


class TestFailures:
    def test_no_waveform_at_all(self):
        with pytest.raises(SimulationError, match=r"failed for 24 of 24 draws.*'mass_1'.*wrapped"):
            find_symmetries(generator(model=wrapped(nothing)), PriorTransform(priors()))

    def test_some_failures_are_passed_over(self):
        assert find_symmetries(generator(model=wrapped(half_of_them)), PriorTransform(priors())).phase_order == 2

    def test_other_polarisations(self):
        with pytest.raises(SimulationError, match=r"\['breathing', 'cross', 'plus'\], but only plus and cross"):
            find_symmetries(generator(model=wrapped(breathing)), PriorTransform(priors()))

    def test_values_that_are_not_finite_are_a_failure(self):
        class NotANumber:
            def frequency_domain_strain(self, parameters):
                return {"plus": np.array([1.0, np.nan]), "cross": np.zeros(2)}

        assert polarisations(NotANumber(), {}) is None


@pytest.mark.parametrize(("share", "orders"), [(0.0, ()), (1e-5, (2,)), (3e-3, (-1, 2))])
def test_a_wave_that_turns_nearly_is_a_term_of_one_order(share: float, orders: tuple[int, ...]) -> None:
    """A wave whose other terms are too small to matter: as found from the waves at many phases, with a tenth of the calls."""
    calls = []

    def model(frequency_array, phase, mass_1, **kwargs):
        calls.append(1)
        wave = mass_1 / (1.0 + frequency_array) * (np.exp(2j * phase) + share * np.exp(-1j * phase))
        return {"plus": wave, "cross": -1j * wave}

    made = WaveformGenerator(1.0, 128.0, frequency_domain_source_model=model, parameter_conversion=lambda p: (p, []))
    transform = PriorTransform(PriorDict({"phase": Uniform(0, 2 * np.pi), "mass_1": Uniform(10, 50)}))
    found = find_symmetries(made, transform)
    assert found.phase_orders == orders
    assert found.phase_order == (0 if orders else 2)
    assert (len(calls) > 100) == (share > 1e-3)
