"""Equal problems have equal contracts; other ones are refused, or corrected, with name and both values."""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM
from bilby.core.likelihood import (
    ExponentialLikelihood,
    GaussianLikelihood,
    Likelihood,
    Multinomial,
    PoissonLikelihood,
    StudentTLikelihood,
)
from bilby.core.prior import (
    ConditionalPriorDict,
    ConditionalUniform,
    Constraint,
    Cosine,
    DeltaFunction,
    DirichletPriorDict,
    Gaussian,
    Interped,
    LogUniform,
    Prior,
    PriorDict,
    TruncatedGaussian,
    Uniform,
)
from bilby.gw.conversion import (
    convert_to_lal_binary_black_hole_parameters,
    convert_to_lal_binary_neutron_star_parameters,
)
from bilby.gw.detector import InterferometerList, PowerSpectralDensity, get_empty_interferometer
from bilby.gw.likelihood import GravitationalWaveTransient
from bilby.gw.prior import UniformSourceFrame
from bilby.gw.source import lal_binary_black_hole, lal_eccentric_binary_black_hole_no_spins
from bilby.gw.waveform_generator import WaveformGenerator

import bilby_flowpe
from bilby_flowpe.contract import Contract, Match
from bilby_flowpe.errors import SimulationError
from bilby_flowpe.kinds import problem_of
from bilby_flowpe.problems import PSD_FILE, START_TIME, green2020_priors, overhead


def contract(
    change_priors: Callable[[PriorDict], Any] = lambda priors: None,
    *,
    start_time: float = START_TIME,
    duration: float = 1.0,
    sampling_frequency: float = 1024.0,
    minimum_frequency: float = 20.0,
    maximum_frequency: float | None = None,
    psd_scale: float = 1.0,
    approximant: str = "IMRPhenomPv2",
    source_model: Callable = lal_binary_black_hole,
    parameter_conversion: Callable | None = None,
    generator: type[WaveformGenerator] = WaveformGenerator,
    arguments: dict[str, Any] | None = None,
    detectors: tuple[str, ...] = ("H1",),
    seed: int = 1,
    stay_overhead: bool = True,
) -> Contract:
    """Return the contract of the five-parameter problem with something changed."""
    interferometers = InterferometerList([get_empty_interferometer(name) for name in detectors])
    for interferometer in interferometers:
        interferometer.minimum_frequency = minimum_frequency
        if maximum_frequency:
            interferometer.maximum_frequency = maximum_frequency
        psd = PowerSpectralDensity(psd_file=PSD_FILE)
        interferometer.power_spectral_density = PowerSpectralDensity(
            frequency_array=psd.frequency_array, psd_array=psd_scale * psd.psd_array
        )
        bins = int(duration * sampling_frequency / 2) + 1
        noise = 1e-23 * np.random.default_rng(seed).standard_normal((2, bins))
        interferometer.set_strain_data_from_frequency_domain_strain(
            noise[0] + 1j * noise[1], sampling_frequency=sampling_frequency, duration=duration, start_time=start_time
        )
    priors = green2020_priors(5, interferometers[0])
    if shift := start_time - START_TIME:
        window = priors["geocent_time"]
        priors["geocent_time"] = Uniform(window.minimum + shift, window.maximum + shift)
        if stay_overhead:
            for key, value in overhead(interferometers[0], start_time + 0.75).items():
                priors[key] = DeltaFunction(value)
    change_priors(priors)
    made = generator(
        duration=duration,
        sampling_frequency=sampling_frequency,
        start_time=start_time,
        frequency_domain_source_model=source_model,
        parameter_conversion=parameter_conversion,
        waveform_arguments={"waveform_approximant": approximant, "reference_frequency": 20.0, **(arguments or {})},
    )
    likelihood = GravitationalWaveTransient(interferometers=interferometers, waveform_generator=made)
    return problem_of(likelihood, priors).describe()


@pytest.fixture(scope="module")
def trained() -> Contract:
    return contract()


def edited(contract: Contract, **changes: Any) -> Contract:
    """A copy, as it comes back from JSON, with facts replaced; ``None`` drops one."""
    facts = json.loads(json.dumps(contract.facts)) | changes
    return Contract({key: value for key, value in facts.items() if value is not None}, dict(contract.arrays))


def set_prior(key: str, prior: Any) -> Callable[[PriorDict], Any]:
    return lambda priors: priors.__setitem__(key, prior)


def refused(match: Match, *named: str) -> None:
    """For this one reason, and with nothing else to say."""
    (message,) = match.refusals
    assert all(part in message for part in named), message
    assert match.corrections == ()


def corrected(match: Match, *named: str) -> None:
    """Allowed with this one correction."""
    (message,) = match.corrections
    assert all(part in message for part in named), message
    assert match.refusals == ()


# Equal problems --------------------------------------------------------------------------------------------------------


def test_equal_problems_have_equal_contracts(trained: Contract) -> None:
    assert trained.match(contract()) == Match()
    assert trained.differences(contract()) == []
    assert trained.fingerprint() == contract().fingerprint()


def test_data_do_not_enter(trained: Contract) -> None:
    assert trained.match(contract(seed=2)) == Match()


def test_facts_survive_json(trained: Contract) -> None:
    assert edited(trained).match(trained) == trained.match(edited(trained)) == Match()


def test_differences_are_refusals_and_corrections(trained: Contract) -> None:
    asked = contract(set_prior("mass_1", Uniform(40, 70)), approximant="IMRPhenomD", duration=2.0)
    match = trained.match(asked)
    assert trained.differences(asked) == [*match.refusals, *match.corrections]
    assert match.refusals
    assert match.corrections


def test_the_shipped_model_is_of_this_problem(trained: Contract) -> None:
    described = json.loads((Path(bilby_flowpe.__file__).parent / "models/green2020-5d-maf/model.json").read_text())
    shipped = Contract(described["contract"], trained.arrays)
    arguments = {"minimum_frequency": 20.0}
    assert shipped.match(contract(arguments=arguments)) == Match()
    corrected(shipped.match(contract(set_prior("mass_1", Uniform(40, 70)), arguments=arguments)), "priors.mass_1")


def test_times_of_old_contracts_are_rounded(trained: Contract) -> None:
    window = {"class": "Uniform", "minimum": 0.671238, "maximum": 0.871238}
    old = edited(trained, priors={**trained.facts["priors"], "geocent_time": window})
    assert old.match(trained) == trained.match(old) == Match()


def test_labels_do_not_enter(trained: Contract) -> None:
    def relabel(priors: PriorDict) -> None:
        priors["mass_1"].latex_label, priors["phase"].boundary = "heavier", None

    assert trained.match(contract(relabel)) == Match()


# Parameters ------------------------------------------------------------------------------------------------------------


def test_a_parameter_more_is_refused(trained: Contract) -> None:
    asked = contract(set_prior("chi_1", Uniform(-1, 1)))
    refused(
        trained.match(asked), "priors.chi_1: Uniform(maximum=1, minimum=-1)", "trained with 0.0", "fix chi_1 to 0.0"
    )
    asked = contract(set_prior("lambda_1", Uniform(0, 1)))
    refused(
        trained.match(asked),
        "priors.lambda_1: Uniform",
        "is given, but the model was trained without it",
        "leave lambda_1 out",
    )


def test_a_parameter_less_is_refused(trained: Contract) -> None:
    whole = "trained with Uniform(maximum=6.28"
    refused(trained.match(contract(set_prior("phase", DeltaFunction(1.5)))), "priors.phase: fixed to 1.5", whole)
    refused(trained.match(contract(lambda priors: priors.pop("phase"))), "priors.phase: missing", whole)


def test_fixed_parameters_have_to_be_equal(trained: Contract) -> None:
    refused(
        trained.match(contract(set_prior("chi_2", DeltaFunction(0.3)))), "fixed.chi_2: 0.3, trained with 0.0", "fix"
    )
    refused(
        trained.match(contract(lambda priors: priors.pop("chi_2"))), "fixed.chi_2: missing, trained with 0.0", "fix"
    )
    asked = contract(set_prior("lambda_1", DeltaFunction(2.5)))
    refused(
        trained.match(asked), "fixed.lambda_1: 2.5 is given, but the model was trained without it", "leave lambda_1 out"
    )
    nearly = contract(set_prior("lambda_1", DeltaFunction(2.5 * (1 + 1e-9))))
    assert asked.match(nearly) == Match()


def test_fixed_times_count_from_the_start() -> None:
    def at(start: float, offset: float) -> Contract:
        return contract(set_prior("geocent_time", DeltaFunction(start + offset)), start_time=start)

    trained, later = at(START_TIME, 0.75), START_TIME + 86_164.0
    assert trained.match(at(later, 0.75 + 2e-6)) == Match()
    refused(
        trained.match(at(later, 0.75 + 2e-5)), "fixed.geocent_time: 0.75002", "trained with 0.75", "fix geocent_time"
    )


# Priors ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prior", "named"),
    [
        (Uniform(35, 90), ["priors.mass_1.maximum: 90, trained with 80", "narrow the prior of mass_1 to [35, 80]"]),
        (Uniform(30, 80), ["priors.mass_1.minimum: 30, trained with 35", "narrow the prior of mass_1 to [35, 80]"]),
        (LogUniform(35, 80.001), ["priors.mass_1.maximum: 80.001, trained with 80"]),
        (Interped([30, 60], [1, 1]), ["priors.mass_1.minimum: 30, trained with 35"]),
    ],
)
def test_wider_priors_are_refused(trained: Contract, prior: Prior, named: list[str]) -> None:
    refused(trained.match(contract(set_prior("mass_1", prior))), *named)


def test_priors_without_bounds_are_wider_than_those_with(trained: Contract) -> None:
    match = trained.match(contract(set_prior("mass_1", Gaussian(60, 5))))
    assert [message.partition(",")[0] for message in match.refusals] == [
        "priors.mass_1.minimum: -inf",
        "priors.mass_1.maximum: inf",
    ]


@pytest.mark.parametrize(
    ("prior", "said"),
    [
        (Uniform(40, 70), "Uniform(maximum=70, minimum=40)"),
        (LogUniform(35, 80), "LogUniform(maximum=80, minimum=35)"),
        (TruncatedGaussian(60, 5, 40, 80), "TruncatedGaussian(maximum=80, minimum=40, mu=60, sigma=5)"),
        (Interped(np.linspace(40, 60, 9), np.ones(9)), "Interped(maximum=60.0, minimum=40.0, xx=[9 values]"),
        (Uniform(35, 80 * (1 + 1e-8)), None),  # rounding
    ],
)
def test_priors_inside_are_corrected(trained: Contract, prior: Prior, said: str | None) -> None:
    match = trained.match(contract(set_prior("mass_1", prior)))
    if said is None:
        assert match == Match()
    else:
        corrected(match, f"priors.mass_1: {said}", "trained with Uniform(maximum=80, minimum=35)")
        assert match.other_priors


def test_priors_that_vanish_inside_are_too_narrow_for_others(trained: Contract) -> None:
    grid = np.linspace(35, 80, 10)
    gap = contract(set_prior("mass_1", Interped(grid, np.where(np.abs(grid - 60) < 11, 0.0, 1.0))))
    refused(
        gap.match(trained), "priors.mass_1: Uniform(", "trained with Interped(", "without mass at 50.0", "give mass_1"
    )
    corrected(trained.match(gap), "priors.mass_1: Interped(")
    corrected(gap.match(contract(set_prior("mass_1", Uniform(35, 44)))), "priors.mass_1: Uniform(maximum=44")
    # The density is positive, but no draw of a model in its coordinates ever gets there.
    thin = contract(set_prior("mass_1", TruncatedGaussian(40, 1, 35, 80)))
    refused(thin.match(trained), "trained with TruncatedGaussian(", "without mass at 4")


def test_times_are_compared_to_microseconds(trained: Contract) -> None:
    def window(low: float, high: float) -> Contract:
        middle = trained.facts["priors"]["geocent_time"]
        moved = Uniform(START_TIME + middle["minimum"] + low, START_TIME + middle["maximum"] + high)
        return contract(set_prior("geocent_time", moved))

    assert trained.match(window(-2e-6, 2e-6)) == Match()
    corrected(trained.match(window(1e-5, -1e-5)), "priors.geocent_time: Uniform(maximum=0.871227")
    corrected(trained.match(window(-2e-6, -1e-2)), "priors.geocent_time")
    named = "narrow the prior of geocent_time to [0.671238184, 0.871237993] s from the segment's start"
    refused(trained.match(window(-2e-5, 0)), "priors.geocent_time.minimum: 0.671218", "trained with 0.671238", named)
    refused(trained.match(window(0, 2e-5)), "priors.geocent_time.maximum: 0.87125", "trained with 0.871237", named)


def test_the_tolerance_in_times_holds_for_short_windows(trained: Contract) -> None:
    def window(low: float, high: float) -> Contract:
        entry = {"class": "Uniform", "minimum": 0.75 + low, "maximum": 0.751 + high}
        return edited(trained, priors={**trained.facts["priors"], "geocent_time": entry})

    # Some of the prior's mass is outside, within the tolerance.
    corrected(window(0, 0).match(window(-4e-6, -1e-4)), "priors.geocent_time")


class Own(Uniform):
    """A prior that nobody but the user can make."""


Impostor = type("Uniform", (Uniform,), {})
"""A prior class with the name of one of Bilby's."""


def test_priors_of_ones_own(trained: Contract) -> None:
    own = contract(set_prior("mass_1", Own(40, 70)))
    assert own.match(contract(set_prior("mass_1", Own(40, 70)))) == Match()
    # Asked for, it is as good as any; trained with, it has to be the same.
    corrected(trained.match(own), "priors.mass_1: Own(maximum=70, minimum=40), trained with Uniform(")
    wider = contract(set_prior("mass_1", Own(30, 70)))
    refused(trained.match(wider), "priors.mass_1.minimum: 30, trained with 35")
    refused(
        own.match(contract(set_prior("mass_1", Own(45, 65)))),
        "priors.mass_1: Own(maximum=65, minimum=45), trained with Own(maximum=70, minimum=40)",
        "cannot be rebuilt",
        "give exactly the prior of the training",
    )


def test_cosmologies_of_ones_own(trained: Contract) -> None:
    """Such a prior cannot be rebuilt either, and is as good to ask for."""

    def within(low: float, high: float) -> Contract:
        cosmology = FlatLambdaCDM(H0=70, Om0=0.3, name="Unusual")
        prior = UniformSourceFrame(low, high, cosmology, name="luminosity_distance")
        return contract(set_prior("luminosity_distance", prior))

    asked = within(1500, 2500)
    corrected(trained.match(asked), "priors.luminosity_distance: UniformSourceFrame(", "trained with PowerLaw(")
    refused(asked.match(within(1600, 2400)), "Bilby does not know its cosmology", "give exactly the prior")
    assert asked.match(within(1500, 2500)) == Match()


def test_other_priors_need_all_of_the_training_priors(trained: Contract) -> None:
    """A prior of one's own cannot be rebuilt: then no other one may be narrower, even if this one is the same."""

    def own(priors: PriorDict) -> None:
        priors["luminosity_distance"] = Own(1000, 3000)

    def own_and_narrower(priors: PriorDict) -> None:
        own(priors)
        priors["mass_1"] = Uniform(40, 70)

    match = contract(own).match(contract(own_and_narrower))
    assert [message.partition(":")[0] for message in match.corrections] == ["priors.mass_1"]
    (message,) = match.refusals
    assert "priors['luminosity_distance']=Own(maximum=3000, minimum=1000) cannot be rebuilt" in message
    assert "give exactly the priors of the training" in message


def upper(reference: dict, slope: float) -> dict:
    return {"minimum": 0.0, "maximum": 1.0 + slope**2}


def lower(reference: dict, slope: float) -> dict:
    return {"minimum": slope / 2, "maximum": 1.0}


def test_conditional_priors_have_to_be_the_same() -> None:
    def conditional(intercept: Prior) -> Contract:
        x = np.linspace(-1, 1, 9)
        priors = ConditionalPriorDict({"slope": Uniform(0, 1), "intercept": intercept})
        return problem_of(GaussianLikelihood(x, x, line, 0.5), priors).describe()

    first = conditional(ConditionalUniform(upper, minimum=0.0, maximum=1.0))
    assert first.match(conditional(ConditionalUniform(upper, minimum=0.0, maximum=1.0))) == Match()
    said = "trained with ConditionalUniform("
    for other in (ConditionalUniform(lower, minimum=0.0, maximum=1.0), Uniform(0, 1)):
        refused(
            first.match(conditional(other)), "priors.intercept: ", said, "has to be exactly the one of the training"
        )
    plain = conditional(Uniform(0, 1))
    refused(plain.match(first), "priors.intercept: ConditionalUniform(", "trained with Uniform(")


# Constraints -----------------------------------------------------------------------------------------------------------


def test_constraints_may_be_stricter(trained: Contract) -> None:
    match = trained.match(contract(set_prior("mass_ratio", Constraint(0.25, 1))))
    corrected(match, "constraints.mass_ratio: Constraint(maximum=1, minimum=0.25)", "trained with", "minimum=0)")
    assert match.other_priors
    more = contract(set_prior("chirp_mass", Constraint(30, 60)))
    corrected(
        trained.match(more),
        "constraints.chirp_mass: Constraint(maximum=60, minimum=30) is given, but the model was trained without it",
    )


def test_constraints_must_not_be_looser() -> None:
    trained = contract(set_prior("mass_ratio", Constraint(0.25, 1)))
    named = ["constraints.mass_ratio.minimum: 0, trained with 0.25", "narrow the constraint on mass_ratio to [0.25, 1]"]
    refused(trained.match(contract()), *named)
    missing = contract(lambda priors: priors.pop("mass_ratio"))
    refused(
        trained.match(missing),
        "constraints.mass_ratio: missing, trained with Constraint(maximum=1, minimum=0.25)",
        "constrain mass_ratio to [0.25, 1]",
    )
    # Constraints where there were none are stricter, whatever they are made of.
    corrected(missing.match(trained), "constraints.mass_ratio: Constraint(maximum=1, minimum=0.25) is given")


def test_constraints_of_another_meaning_are_refused(trained: Contract) -> None:
    def convert(priors: PriorDict) -> None:
        priors.conversion_function = ratio

    asked = contract(convert)
    match = trained.match(asked)
    assert any(
        all(part in message for part in ("conversion_function: 'ratio'", "BBHPriorDict", "use the conversion function"))
        for message in match.refusals
    )
    assert asked.match(contract(convert)) == Match()
    # Unknown conversions cannot be rebuilt.

    def convert_and_narrow(priors: PriorDict) -> None:
        convert(priors)
        priors["mass_1"] = Uniform(40, 70)

    (message,) = asked.match(contract(convert_and_narrow)).refusals
    assert "ratio of the constraints ['mass_ratio'] cannot be rebuilt" in message


def ratio(sample: dict) -> dict:
    return {**sample, "mass_ratio": sample["mass_2"] / sample["mass_1"]}


# Data ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"minimum_frequency": 30.0}, "detectors.H1.minimum_frequency: 30.0, trained with 20.0"),
        ({"maximum_frequency": 256.0}, "detectors.H1.maximum_frequency: 256.0, trained with 512.0"),
        ({"duration": 2.0}, "duration: 2.0, trained with 1.0"),
        ({"duration": 2.0}, "power_spectral_density.H1: (985,) values, trained with (493,)"),
        ({"sampling_frequency": 2048.0}, "sampling_frequency: 2048.0, trained with 1024.0"),
        ({"detectors": ("L1",)}, "detectors: ['L1'], trained with ['H1']"),
        ({"detectors": ("L1",)}, "power_spectral_density.H1: missing, unlike in the training"),
        ({"detectors": ("H1", "L1")}, "detectors: ['H1', 'L1'], trained with ['H1']"),
        ({"detectors": ("H1", "L1")}, "power_spectral_density.L1: given, unlike in the training"),
    ],
)
def test_other_data_are_refused(trained: Contract, changes: dict, named: str) -> None:
    match = trained.match(contract(**changes), psd_tolerance=10.0)
    assert any(named in message for message in match.refusals), match.refusals
    assert match.corrections == ()
    assert contract(**changes).match(trained, psd_tolerance=10.0).refusals


def test_detectors_have_an_order() -> None:
    pair = contract(detectors=("H1", "L1"))
    turned = edited(pair, detectors=dict(reversed(pair.facts["detectors"].items())))
    assert pair.match(edited(pair)) == Match()
    refused(pair.match(turned), "detectors: ['L1', 'H1'], trained with ['H1', 'L1']", "in this order")


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("reference_frame", "H1L1", "reference_frame: 'H1L1', trained with 'sky'"),
        ("time_reference", "H1", "time_reference: 'H1', trained with 'geocent'"),
        ("kind", "gaussian", "kind: 'gaussian', trained with 'gravitational wave'"),
        ("duration", None, "duration: missing, trained with 1.0"),
        ("unheard_of", 1, "unheard_of: 1 is given, but the model was trained without it"),
    ],
)
def test_other_settings_and_unknown_ones_are_refused(trained: Contract, key: str, value: Any, named: str) -> None:
    refused(trained.match(edited(trained, **{key: value})), named)


def test_another_kind_is_enough_said(trained: Contract) -> None:
    refused(trained.match(regression()), "kind: 'gaussian', trained with 'gravitational wave'")


def test_unknown_settings_have_to_be_equal(trained: Contract) -> None:
    one, other = (edited(trained, unheard_of=value) for value in (1, 2))
    assert one.match(one) == Match()
    refused(one.match(other), "unheard_of: 2, trained with 1")
    refused(one.match(trained), "unheard_of: missing, trained with 1")


# Where and when --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("later", [86_164.0, 31_557_600.5])
def test_another_time_with_the_same_response_is_the_same_problem(trained: Contract, later: float) -> None:
    assert trained.match(contract(start_time=START_TIME + later)) == Match()


def test_another_time_with_the_same_sky_is_another_problem(trained: Contract) -> None:
    asked = contract(start_time=START_TIME + 3 * 3600, stay_overhead=False)
    refused(trained.match(asked), "antenna.H1: F+ 0.", "trained with F+ 1.0000, Fx -0.0000", "choose a sky position")


@pytest.mark.parametrize(
    ("change", "allowed"),
    [
        ([9e-4, 0, 0], True),
        ([0, -9e-4, 0], True),
        ([0, 0, 4e-5], True),
        ([1.1e-3, 0, 0], False),
        ([0, -1.1e-3, 0], False),
        ([0, 0, 6e-5], False),
        ([0, float("nan"), 0], False),
    ],
)
def test_responses_have_a_tolerance(trained: Contract, change: list[float], allowed: bool) -> None:
    asked = edited(trained, antenna={"H1": list(np.add(trained.facts["antenna"]["H1"], change))})
    if allowed:
        assert trained.match(asked) == Match()
    else:
        refused(trained.match(asked), "antenna.H1: ", "trained with F+ 1.0000, Fx -0.0000, delay -0.021238 s")


def test_the_response_is_known_for_any_prior_of_the_time(trained: Contract) -> None:
    middle = START_TIME + trained.facts["priors"]["geocent_time"]["minimum"] + 0.1
    unbounded = contract(set_prior("geocent_time", Gaussian(middle, 0.01)))
    np.testing.assert_allclose(unbounded.facts["antenna"]["H1"], trained.facts["antenna"]["H1"], atol=1e-6)


def searched(later: float = 0.0, **sky: Prior) -> Contract:
    """The sky position is free, and the segment starts ``later``."""
    sky = {"ra": Uniform(0, 2 * np.pi), "dec": Cosine(), "psi": Uniform(0, np.pi), **sky}
    return contract(lambda priors: priors.update(sky), start_time=START_TIME + later, stay_overhead=False)


def test_a_fixed_sky_and_a_free_one_are_different_problems(trained: Contract) -> None:
    free = searched()
    match = trained.match(free)
    for key in ("ra", "dec", "psi"):
        assert any(
            f"priors.{key}: " in message and "trained with a fixed sky position; fix ra, dec, psi" in message
            for message in match.refusals
        )
    assert any(message.startswith("antenna: missing, trained with") for message in match.refusals)
    match = free.match(trained)
    assert any("priors.dec: fixed, trained with Cosine(" in message for message in match.refusals)
    assert any(message.startswith("sidereal_time: missing, trained with") for message in match.refusals)
    # All but one fixed.
    one = searched(ra=DeltaFunction(1.0), psi=DeltaFunction(0.5))
    assert any(
        all(part in message for part in ("priors.ra: fixed to 1.0", "trained with Uniform("))
        for message in free.match(one).refusals
    )


DAY = 86_164.0905
"""Seconds of a turn of the Earth."""


@pytest.mark.training
@pytest.mark.parametrize("turn", [0.25, 0.75, 100.4, -3.3])
def test_another_sidereal_time_turns_the_sky(turn: float) -> None:
    match = searched().match(searched(turn * DAY))
    corrected(match, "sidereal_time: ", "trained with", f"ra is shifted by {match.sidereal_shift:.6f}")
    expected = 2 * np.pi * ((turn + 0.5) % 1 - 0.5)
    assert match.sidereal_shift == pytest.approx(expected, abs=1e-4)
    back = searched(turn * DAY).match(searched())
    assert back.sidereal_shift == pytest.approx(-match.sidereal_shift, abs=1e-9)


@pytest.mark.training
def test_the_same_sidereal_time_turns_nothing() -> None:
    assert searched().match(searched()) == Match()
    assert searched().match(searched(0.05)) == Match()  # of the signal's time alone
    narrow = {"ra": Uniform(1, 2)}
    assert searched(**narrow).match(searched(**narrow)) == Match()
    assert searched().match(searched(**narrow)).sidereal_shift == 0.0


def test_half_a_turn_has_one_sign(trained: Contract) -> None:
    base = searched()
    asked = edited(base, sidereal_time=base.facts["sidereal_time"] + np.pi)
    assert base.match(asked).sidereal_shift == pytest.approx(-np.pi)


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ({"ra": Uniform(1, 2)}, {"ra": Uniform(1, 2)}),
        ({}, {"ra": Uniform(1, 2)}),
        ({"ra": TruncatedGaussian(3, 1, 0, 2 * np.pi)}, {"ra": TruncatedGaussian(3, 1, 0, 2 * np.pi)}),
        ({"ra": TruncatedGaussian(3, 3, 0, 2 * np.pi)}, {}),
        ({}, {"ra": Own(0, 2 * np.pi)}),
        ({}, {"ra": Impostor(0, 2 * np.pi)}),
        ({"ra": DeltaFunction(1.0)}, {"ra": DeltaFunction(1.0)}),
    ],
)
def test_only_a_whole_sky_can_be_turned(before: dict[str, Prior], now: dict[str, Prior]) -> None:
    match = searched(**before).match(searched(3600.0, **now))
    (message,) = match.refusals
    assert message.startswith("sidereal_time: ")
    for part in (", trained with ", "only if its prior is Uniform(0, 2 pi)", " now, ", " in training"):
        assert part in message
    assert match.sidereal_shift == 0.0
    assert not any("sidereal" in correction for correction in match.corrections)


# Noise -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [4.0, 1 / 4])
def test_noise_curves_have_the_models_tolerance(trained: Contract, scale: float) -> None:
    asked, figure = contract(psd_scale=scale), "by 1.39 (root mean square)"
    refused(trained.match(asked), "power_spectral_density.H1: ln PSD", figure, "tolerates only 0:", "use a PSD closer")
    refused(trained.match(asked, psd_tolerance=1.38), figure, "tolerates only 1.38:")
    corrected(trained.match(asked, psd_tolerance=1.4), "power_spectral_density.H1", figure, "tolerates up to 1.4")
    assert not trained.match(asked, psd_tolerance=1.4).other_priors


def test_noise_curves_equal_up_to_rounding_are_the_same(trained: Contract) -> None:
    assert trained.match(contract(psd_scale=1 + 9e-7)) == Match()
    refused(trained.match(contract(psd_scale=1 + 2e-6)), "by 2e-06")


def test_a_tolerance_that_is_no_number_allows_nothing(trained: Contract) -> None:
    assert trained.match(contract(psd_scale=1.1), psd_tolerance=float("nan")).refusals


def test_frequencies_left_out_have_to_be_the_same(trained: Contract) -> None:
    name = "power_spectral_density.H1"
    curve = trained.arrays[name].copy()
    curve[100:103] = np.inf
    notched = Contract(trained.facts, {name: curve})
    assert notched.match(notched) == Match()
    for one, other in ((trained, notched), (notched, trained)):
        refused(
            one.match(other, psd_tolerance=10.0),
            f"{name}: finite at ",
            "490 of 493",
            "493 of 493",
            "differ at 3 frequencies; leave out",
        )
    louder = Contract(trained.facts, {name: 2 * curve})
    corrected(notched.match(louder, psd_tolerance=1.0), "by 0.693 ")


# Waveform --------------------------------------------------------------------------------------------------------------


class OtherGenerator(WaveformGenerator):
    pass


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"approximant": "IMRPhenomD"}, "arguments.waveform_approximant: 'IMRPhenomD', trained with 'IMRPhenomPv2'"),
        ({"arguments": {"reference_frequency": 50.0}}, "arguments.reference_frequency: 50.0, trained with 20.0"),
        (
            {"arguments": {"mode_array": [[2, 2]]}},
            "arguments.mode_array: [[2, 2]] is given, but the model was trained without it",
        ),
        (
            {
                "source_model": lal_eccentric_binary_black_hole_no_spins,
                "parameter_conversion": convert_to_lal_binary_black_hole_parameters,
            },
            "source_model: 'bilby.gw.source.lal_eccentric_binary_black_hole_no_spins', trained with "
            "'bilby.gw.source.lal_binary_black_hole'",
        ),
        ({"generator": OtherGenerator}, "generator: 'OtherGenerator', trained with 'WaveformGenerator'"),
    ],
)
def test_other_waveforms_are_corrected(trained: Contract, changes: dict, named: str) -> None:
    match = trained.match(contract(**changes))
    corrected(match, f"waveform.{named}")
    assert not match.other_priors


def test_another_meaning_of_the_parameters_is_refused(trained: Contract) -> None:
    asked = contract(parameter_conversion=convert_to_lal_binary_neutron_star_parameters)
    named = "waveform.parameter_conversion: 'bilby.gw.conversion.convert_to_lal_binary_neutron_star_parameters', "
    refused(
        trained.match(asked), named, "trained with 'bilby.gw.conversion.convert_to_lal_binary_black_hole_parameters'"
    )


def test_unknown_facts_of_a_waveform_are_refused(trained: Contract) -> None:
    asked = edited(trained, waveform={**trained.facts["waveform"], "unheard_of": 1})
    refused(trained.match(asked), "waveform.unheard_of: 1 is given, but the model was trained without it")
    refused(asked.match(trained), "waveform.unheard_of: missing, trained with 1")
    less = {key: value for key, value in trained.facts["waveform"].items() if key != "arguments"}
    refused(trained.match(edited(trained, waveform=less)), "waveform.arguments: missing, trained with")


# Other data ------------------------------------------------------------------------------------------------------------


def line(x: np.ndarray, slope: float, intercept: float, power: float = 1.0) -> np.ndarray:
    return slope * x**power + intercept


def same_line(x: np.ndarray, slope: float, intercept: float, power: float = 1.0) -> np.ndarray:
    return intercept + slope * x**power


def bent_line(x: np.ndarray, slope: float, intercept: float) -> np.ndarray:
    return slope * np.abs(x) + intercept


def regression(
    x: np.ndarray | None = None, sigma: Any = 0.5, y: float = 0.0, model: Callable = line, **kwargs: Any
) -> Contract:
    x = np.linspace(-1, 1, 9) if x is None else x
    priors = PriorDict({"slope": Uniform(0, 1), "intercept": Uniform(-1, 1)})
    return problem_of(GaussianLikelihood(x, x * 0 + y, model, sigma, **kwargs), priors).describe()


def test_gaussian_problems() -> None:
    trained = regression()
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)  # Abscissae may be zero or negative.
        assert trained.match(regression(y=3.0)) == Match()
        assert trained.match(regression(sigma=np.full(9, 0.5))) == Match()
        refused(trained.match(regression(np.linspace(-1, 2, 9))), "x: differs from the one trained with, by up to 1")
        longer = trained.match(regression(np.linspace(-1, 1, 10), sigma=np.full(10, 0.5)))
    assert longer.refusals == ("sigma: (10,) values, trained with (9,)", "x: (10,) values, trained with (9,)")
    refused(trained.match(regression(sigma=1.0)), "sigma: differs from the one trained with, by a factor of 2 ")


def test_other_models_of_gaussian_problems_are_refused() -> None:
    """Models are compared by their values and not by their names: a mode that only one of them has would be missed."""
    trained = regression()
    corrected(
        trained.match(regression(power=1.0)),
        "model_arguments.power: 1.0 is given, but the model was trained without it",
    )
    corrected(trained.match(regression(model=same_line)), "model: ", "same_line', trained with", ".line'")
    for other in (regression(power=2.0), regression(model=bent_line)):
        assert any("values of the model: differs" in reason for reason in trained.match(other).refusals)

    def line(x: np.ndarray, slope: float, intercept: float) -> np.ndarray:
        return slope * np.abs(x) + intercept

    line.__module__, line.__qualname__ = globals()["line"].__module__, "line"
    refused(trained.match(regression(model=line)), "values of the model: differs from the one trained with")


def noisy(kind: type[Likelihood], *, model: Callable = line, more: dict | None = None, **kwargs: Any) -> Contract:
    x = kwargs.pop("x", np.linspace(-1, 1, 9))
    y = kwargs.pop("y", np.arange(1, 10))
    priors = PriorDict(
        {"slope": Uniform(0, 1), "intercept": Uniform(1, 2), "power": DeltaFunction(1.0), **(more or {})}
    )
    return problem_of(kind(x, y, model, **kwargs), priors).describe()


WITH_SIGMA, WITH_NU = {"sigma": Uniform(0.1, 1)}, {"nu": Uniform(1, 9)}


@pytest.mark.parametrize(
    ("kind", "likelihood", "kwargs"),
    [
        ("gaussian", GaussianLikelihood, {"more": WITH_SIGMA}),
        ("poisson", PoissonLikelihood, {}),
        ("exponential", ExponentialLikelihood, {}),
        ("student-t", StudentTLikelihood, {"nu": 3.0, "sigma": 0.5}),
        ("student-t", StudentTLikelihood, {"more": WITH_NU, "sigma": 0.5}),
    ],
)
def test_problems_with_other_noise(kind: str, likelihood: type[Likelihood], kwargs: dict) -> None:
    trained = noisy(likelihood, **kwargs)
    assert trained.facts["kind"] == kind
    assert json.loads(json.dumps(trained.facts)) == trained.facts
    assert trained.match(noisy(likelihood, y=np.arange(9) + 5, **kwargs)) == Match()
    refused(trained.match(noisy(likelihood, x=np.linspace(-1, 2, 9), **kwargs)), "x: differs from the one trained with")
    longer = trained.match(noisy(likelihood, x=np.linspace(-1, 1, 10), y=np.arange(1, 11), **kwargs))
    assert "shape[0]: 10, trained with 9" in longer.refusals
    corrected(
        trained.match(noisy(likelihood, model=same_line, **kwargs)), "model: ", "same_line', trained with", ".line'"
    )
    other = trained.match(noisy(likelihood, model=bent_line, **kwargs))
    assert any("values of the model: differs" in reason for reason in other.refusals)
    more = {**kwargs.get("more", {}), "slope": Uniform(0.2, 0.8)}
    corrected(trained.match(noisy(likelihood, **{**kwargs, "more": more})), "priors.slope: Uniform(")


def test_noise_is_of_a_kind() -> None:
    """A known parameter is not searched, and a searched one is not known."""
    unknown, known = noisy(GaussianLikelihood, more=WITH_SIGMA), noisy(GaussianLikelihood, sigma=0.5)
    assert set(known.facts) == {"kind", "priors", "fixed", "constraints", "model", "model_arguments"}
    assert set(known.arrays) - set(unknown.arrays) == {"sigma"}
    assert {*unknown.arrays} == {"x", "values of the model"}
    assert any("priors.sigma: missing, trained with Uniform(" in reason for reason in unknown.match(known).refusals)
    reasons = known.match(unknown).refusals
    assert any(reason.startswith("priors.sigma: Uniform(") and "leave sigma out" in reason for reason in reasons)
    counts, times = noisy(PoissonLikelihood), noisy(ExponentialLikelihood)
    refused(counts.match(times), "kind: 'exponential', trained with 'poisson'")


def test_students_shape_and_scale_are_facts() -> None:
    trained = noisy(StudentTLikelihood, nu=3.0, sigma=0.5)
    refused(trained.match(noisy(StudentTLikelihood, nu=4.0, sigma=0.5)), "nu: 4.0, trained with 3.0")
    refused(trained.match(noisy(StudentTLikelihood, nu=3.0)), "sigma: differs", "by a factor of 2 ")
    assert trained.match(noisy(StudentTLikelihood, nu=3.0, sigma=np.full(9, -0.5))) == Match()
    searched = noisy(StudentTLikelihood, more=WITH_NU, sigma=0.5)
    assert "nu" not in searched.facts
    assert searched.match(noisy(StudentTLikelihood, nu=3.0, more=WITH_NU, sigma=0.5)) == Match()
    assert any("priors.nu: missing, trained with Uniform(" in reason for reason in searched.match(trained).refusals)


def test_multinomial_problems() -> None:
    def described(data: list[int], base: str = "parameter_") -> Contract:
        priors = DirichletPriorDict(n_dim=3, label=base)
        return problem_of(Multinomial(data, 3, base), priors).describe()

    trained = described([1, 2, 3])
    assert trained.match(described([6, 0, 0])) == Match()
    refused(trained.match(described([1, 2, 4])), "total: 7, trained with 6")
    assert "base: 'p', trained with 'parameter_'" in trained.match(described([1, 2, 3], "p")).refusals


@pytest.mark.parametrize(
    "x",
    [None, ["north", "south"], {"time": np.arange(3.0), "band": "r"}, np.arange(3) * 1j],
    ids=["nothing", "names", "columns", "complex"],
)
def test_abscissae_need_be_no_numbers(x: Any) -> None:
    trained = noisy(ExponentialLikelihood, x=x)
    assert "x" not in trained.arrays
    assert trained.match(noisy(ExponentialLikelihood, x=x)) == Match()
    other = {"time": np.arange(3.0) + 1, "band": "r"} if isinstance(x, dict) else ["east"]
    assert all(reason.startswith("x") for reason in trained.match(noisy(ExponentialLikelihood, x=other)).refusals)
    assert trained.match(noisy(ExponentialLikelihood, x=other)).refusals


def test_general_simulators() -> None:
    facts = {"kind": "simulator", "priors": {}, "fixed": {}, "constraints": {}, "simulate": "a.b", "shape": [9]}
    trained = Contract(facts, {"x": np.arange(9.0)})
    assert trained.match(edited(trained)) == Match()
    corrected(trained.match(edited(trained, simulate="a.c")), "simulate: 'a.c', trained with 'a.b'")
    refused(trained.match(edited(trained, shape=[8])), "shape[0]: 8, trained with 9")
    refused(trained.match(edited(trained, simulate=None)), "simulate: missing, trained with 'a.b'")
    refused(trained.match(edited(trained, more=1)), "more: 1 is given, but the model was trained without it")
    refused(trained.match(Contract(facts, {"x": np.arange(8.0)})), "x: (8,) values, trained with (9,)")
    refused(trained.match(Contract(facts, {"x": np.arange(9.0) + 1})), "x: differs from the one trained with")


def test_functions_go_by_name_and_arrays_in_full() -> None:
    """A contract outlives the process: no addresses, no abridged arrays."""

    def described(middle: float) -> Contract:
        grid = np.linspace(0, 1, 2001)
        density = np.ones(2001)
        density[1000] = middle
        priors = PriorDict(
            {"slope": Interped(grid, density), "intercept": ConditionalUniform(upper, minimum=0.0, maximum=1.0)}
        )
        return problem_of(GaussianLikelihood(grid, grid, line, 1.0), priors).describe()

    first, other = described(1.0), described(1.5)
    assert "0x" not in json.dumps(first.facts)
    assert first.match(described(1.0)) == Match()
    # Bilby normalises the table, so that every value of it changes.
    assert first.facts["priors"]["slope"]["yy"][0] == pytest.approx(1.0)
    assert other.facts["priors"]["slope"]["yy"][0] == pytest.approx(0.99975)
    match = first.match(other)
    assert "priors.slope: Interped(maximum=1.0, minimum=0.0, xx=[2001 values]" in match.corrections[0]
    # Next to a conditional prior, which cannot be rebuilt, even this is too much.
    assert "it is conditional on other parameters" in match.refusals[0]


def test_unknown_likelihoods_are_refused() -> None:
    with pytest.raises(SimulationError, match=r"likelihood=Likelihood.*use another sampler"):
        problem_of(Likelihood(), PriorDict({"a": Uniform(0, 1)})).describe()


def test_detectors_of_other_places_are_refused_where_the_sky_is_searched() -> None:
    base = searched()
    place = copy.deepcopy(base.facts["geometry"])
    place["H1"]["vertex"][0] += 2e5
    refused(base.match(edited(base, geometry=place)), "geometry.H1: 200 km from its position in the training")
    # A contract of before positions were kept knows Bilby's own.
    assert edited(base, geometry=None).match(base) == Match()
    refused(edited(base, geometry=None).match(edited(base, geometry=place)), "geometry.H1: 200 km")
