"""Bilby's likelihoods are simulated by what they are; what may be another likelihood is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from bilby.core.likelihood import (
    AnalyticalMultidimensionalCovariantGaussian,
    ExponentialLikelihood,
    GaussianLikelihood,
    JointLikelihood,
    Likelihood,
    Multinomial,
    PoissonLikelihood,
    StudentTLikelihood,
    ZeroLikelihood,
)
from bilby.core.prior import DeltaFunction, PriorDict, Uniform

from bilby_flowpe.errors import SimulationError
from bilby_flowpe.kinds import choose, problem_of
from bilby_flowpe.kinds.black_box import BlackBox
from bilby_flowpe.kinds.recognise import why_not_simulated
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.simulation.analytical import AnalyticalSimulator
from bilby_flowpe.simulation.gaussian import GaussianSimulator
from bilby_flowpe.simulation.general import GeneralSimulator
from bilby_flowpe.simulation.noise_kinds import known_sigma

# Bilby's own property asks for the deprecated attribute.
pytestmark = pytest.mark.filterwarnings("ignore:Parameter attribute queried:FutureWarning")

X = np.arange(1, 7)


def level(x: np.ndarray, mu: float) -> np.ndarray:
    return np.full(x.shape, mu)


def priors(**more: Any) -> PriorTransform:
    return PriorTransform(PriorDict({"mu": Uniform(1, 5), **more}))


OF_A_FUNCTION = {
    GaussianLikelihood: {"sigma": 0.5},
    PoissonLikelihood: {},
    ExponentialLikelihood: {},
    StudentTLikelihood: {"nu": 3.0},
}


def of(kind: type[Likelihood], bilby: type[Likelihood]) -> Likelihood:
    if bilby is Multinomial:
        return kind([1, 2, 3], 3)
    return kind(X, X, level, **OF_A_FUNCTION[bilby])


BILBYS = (*OF_A_FUNCTION, Multinomial)


def renamed(bilby: type[Likelihood]) -> type[Likelihood]:
    """Subclasses may add a name, a start, a noise evidence or methods: the likelihood stays the same."""

    class Renamed(bilby):
        """A user's own name."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.note = "mine"

        def __repr__(self) -> str:
            return "mine"

        def noise_log_likelihood(self) -> float:
            return -10.0

        def plot(self) -> None:
            """Something to look at."""

    return Renamed


def tempered(bilby: type[Likelihood]) -> type[Likelihood]:
    class Tempered(bilby):
        def log_likelihood(self, parameters: dict | None = None) -> float:
            return 0.5 * super().log_likelihood(parameters)

    return Tempered


@pytest.mark.parametrize("bilby", BILBYS)
def test_bilbys_own_and_what_changes_nothing_in_them(bilby: type[Likelihood]) -> None:
    for kind in (bilby, renamed(bilby), renamed(renamed(bilby))):
        assert choose(of(kind, bilby)) is not BlackBox
    transform = PriorTransform(PriorDict({f"parameter_{i}": Uniform(0, 0.5) for i in range(2)} | {"mu": Uniform(1, 5)}))
    own, mine = (problem_of(of(kind, bilby), transform).describe() for kind in (bilby, renamed(bilby)))
    assert own.differences(mine) == []
    wanted = GaussianSimulator if bilby is GaussianLikelihood else AnalyticalSimulator
    assert type(problem_of(of(renamed(bilby), bilby), transform).bank()) is wanted


@pytest.mark.parametrize("bilby", BILBYS)
def test_another_log_likelihood_is_another_likelihood(bilby: type[Likelihood]) -> None:
    kinds: list[Callable[[type[Likelihood]], type[Likelihood]]] = [
        tempered,
        lambda kind: renamed(tempered(kind)),
        lambda kind: tempered(renamed(kind)),
    ]
    for kind in kinds:
        likelihood = of(kind(bilby), bilby)
        said = f"is a {bilby.__name__} with another log_likelihood, so that its data cannot be simulated as usual"
        assert choose(likelihood) is BlackBox
        assert said in why_not_simulated(likelihood)
        with pytest.raises(SimulationError, match=f"{said}: give it a method simulate"):
            problem_of(likelihood, priors()).bank()
        with pytest.raises(SimulationError, match=said):
            problem_of(likelihood, priors()).describe()


@pytest.mark.parametrize(
    ("bilby", "name", "member"),
    [
        (GaussianLikelihood, "sigma", property(lambda self: 2.0, lambda self, value: None)),
        (GaussianLikelihood, "residual", lambda self, parameters=None: np.zeros(6)),
        (StudentTLikelihood, "lam", property(lambda self: 4.0)),
        (StudentTLikelihood, "nu", property(lambda self: 4.0, lambda self, value: None)),
        (PoissonLikelihood, "model_parameters", lambda self, parameters=None: {"mu": 2.0}),
        (ExponentialLikelihood, "log_likelihood_ratio", lambda self, parameters=None: 0.0),
        (Multinomial, "_multinomial_ln_pdf", lambda self, probs: 0.0),
    ],
)
def test_so_is_another_part_of_it(bilby: type[Likelihood], name: str, member: Any) -> None:
    likelihood = of(type("Other", (bilby,), {name: member}), bilby)
    assert choose(likelihood) is BlackBox
    assert f"likelihood=Other is a {bilby.__name__} with another {name}" in why_not_simulated(likelihood)


def test_so_is_a_method_put_on_one_object() -> None:
    likelihood = of(PoissonLikelihood, PoissonLikelihood)
    likelihood.log_likelihood = lambda parameters=None: 0.0
    assert choose(likelihood) is BlackBox
    assert choose(of(PoissonLikelihood, PoissonLikelihood)) is not BlackBox


@pytest.mark.parametrize("bilby", BILBYS)
def test_a_simulate_of_its_own_goes_before_everything(bilby: type[Likelihood]) -> None:
    class Own(tempered(bilby)):
        observed_data = np.arange(6.0)

        def simulate(self, parameters: dict, rng: np.random.Generator) -> np.ndarray:
            return rng.standard_normal(6)

    likelihood = of(Own, bilby)
    assert choose(likelihood) is not BlackBox
    assert isinstance(problem_of(likelihood, priors()).bank(), GeneralSimulator)
    assert problem_of(likelihood, priors()).describe().facts["kind"] == "simulator"


@pytest.mark.parametrize(
    "make",
    [
        Likelihood,
        lambda: AnalyticalMultidimensionalCovariantGaussian([0.0, 0.0], np.eye(2)),
        lambda: JointLikelihood(of(PoissonLikelihood, PoissonLikelihood), of(GaussianLikelihood, GaussianLikelihood)),
        lambda: ZeroLikelihood(of(PoissonLikelihood, PoissonLikelihood)),
    ],
    ids=["nothing", "a distribution", "several", "no likelihood"],
)
@pytest.mark.filterwarnings("ignore:Setting non-trivial parameters:FutureWarning")
def test_what_has_no_data_of_a_known_kind_is_not_simulated(make: Callable[[], Likelihood]) -> None:
    likelihood = make()
    assert choose(likelihood) is BlackBox
    said = why_not_simulated(likelihood)
    assert said.startswith(f"likelihood={type(likelihood).__name__}: data can be simulated for")
    for bilby in BILBYS:
        assert bilby.__name__ in said


def test_noise_of_a_gaussian_likelihood_that_is_known() -> None:
    def sigma(own: float | np.ndarray | None, **more: Any) -> list[float] | None:
        found = known_sigma(problem_of(GaussianLikelihood(X, X, level, own), priors(**more)))
        return None if found is None else found.tolist()

    assert sigma(0.5) == [0.5] * 6
    assert sigma(0.5 * X) == [0.5, 1.0, 1.5, 2.0, 2.5, 3.0]
    assert sigma(0.5, sigma=DeltaFunction(2.0)) == [2.0] * 6
    assert sigma(None, sigma=DeltaFunction(2.0)) == [2.0] * 6
    assert sigma(None) is None
    assert sigma(None, sigma=Uniform(0, 1)) is None
    assert sigma(0.5, sigma=Uniform(0, 1)) is None
    for wrong in (0.0, np.inf, np.nan):
        with pytest.raises(SimulationError, match=f"sigma={wrong} of the GaussianLikelihood is not allowed"):
            sigma(wrong)


def test_a_gaussian_likelihood_of_unknown_noise_has_the_other_simulator() -> None:
    likelihood = GaussianLikelihood(X, X, level)
    assert isinstance(problem_of(likelihood, priors(sigma=Uniform(0.1, 1))).bank(), AnalyticalSimulator)
    assert isinstance(problem_of(likelihood, priors(sigma=DeltaFunction(0.1))).bank(), GaussianSimulator)
    with pytest.raises(SimulationError, match=r"priors lack \['sigma'\]"):
        problem_of(likelihood, priors()).bank()
