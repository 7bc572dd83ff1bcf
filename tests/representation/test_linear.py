"""Data without an arrival time as a network sees them: enough of them, and nothing that breaks a training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from bilby.core.likelihood import (
    ExponentialLikelihood,
    GaussianLikelihood,
    Likelihood,
    Multinomial,
    PoissonLikelihood,
    StudentTLikelihood,
)
from bilby.core.prior import DirichletPriorDict, LogUniform, PriorDict, Uniform
from scipy.optimize import minimize

from bilby_flowpe.kinds import problem_of
from bilby_flowpe.representation import RepresentationConfig
from bilby_flowpe.representation.linear import FittedRepresentation, LinearRepresentation

# Bilby's own property asks for the deprecated attribute.
pytestmark = pytest.mark.filterwarnings("ignore:Parameter attribute queried:FutureWarning")

X = np.linspace(0.0, 2.0, 40)
CONFIG = RepresentationConfig(kind="linear", n_fit=4096)


def line(x: np.ndarray, slope: float, offset: float) -> np.ndarray:
    return offset + slope * x


def exponential_of_line(x: np.ndarray, slope: float, offset: float) -> np.ndarray:
    return np.exp(offset + slope * x)


def square_of_line(x: np.ndarray, slope: float, offset: float) -> np.ndarray:
    return (offset + slope * x) ** 2


def problem(name: str) -> tuple[Likelihood, PriorDict]:
    """Two parameters, in which the predictions are linear on the network's scale."""
    straight = {"slope": Uniform(-2, 2), "offset": Uniform(-3, 3)}
    match name:
        case "gaussian":
            return GaussianLikelihood(X, X, line), PriorDict({**straight, "sigma": LogUniform(0.1, 1)})
        case "poisson":
            rising = {"slope": Uniform(0, 2), "offset": Uniform(0.5, 3)}
            return PoissonLikelihood(X, np.arange(40), square_of_line), PriorDict(rising)
        case "exponential":
            return ExponentialLikelihood(X, X, exponential_of_line), PriorDict(straight)
        case "student-t":
            return StudentTLikelihood(X, X, line, nu=2.0, sigma=0.3), PriorDict(straight)
        case "student-t, shape unknown":
            return StudentTLikelihood(X, X, line, sigma=0.3), PriorDict({**straight, "nu": LogUniform(0.5, 30)})
        case _:
            return Multinomial([1, 2, 3], 3), DirichletPriorDict(n_dim=3, label="parameter_")


NAMES = ("gaussian", "poisson", "exponential", "student-t", "student-t, shape unknown", "multinomial")


def fitted(name: str) -> tuple[Any, LinearRepresentation]:
    likelihood, priors = problem(name)
    simulator = problem_of(likelihood, priors).bank()
    generator = torch.Generator().manual_seed(1)
    return simulator, LinearRepresentation.fit(simulator, CONFIG, np.random.default_rng(1), generator)


@pytest.fixture(scope="module", params=NAMES)
def case(request: pytest.FixtureRequest) -> tuple[str, Any, FittedRepresentation]:
    return request.param, *fitted(request.param)


def test_features_are_standardised_and_few(case: tuple[str, Any, FittedRepresentation]) -> None:
    name, simulator, representation = case
    assert isinstance(representation, FittedRepresentation)
    # Two directions and one statistic, with the shape unknown three.
    assert representation.features == {"student-t, shape unknown": 5, "multinomial": 4}.get(name, 3)
    context, pivot = representation(simulator.draw(4000, np.random.default_rng(2)).data)
    assert pivot is None
    assert context.dtype == torch.float32
    assert torch.isfinite(context).all()
    # Two samples of thousands: means agree to a tenth, and so do standard deviations where tails are not heavy.
    assert float(context.mean(dim=0).abs().max()) < 0.15
    assert float(context.std(dim=0).min()) > 0.7
    assert float(context.std(dim=0).max()) < 1.4


def test_a_representation_from_its_folder_is_the_same(case: tuple[str, Any, FittedRepresentation]) -> None:
    _, simulator, representation = case
    empty = LinearRepresentation.empty(None, representation.sizes())
    empty.load_state_dict(representation.state_dict())
    data = simulator.draw(20, np.random.default_rng(3)).data
    assert type(empty) is type(representation)
    assert torch.equal(empty(data)[0], representation(data)[0])


@pytest.mark.parametrize("name", ["poisson", "exponential", "student-t"])
def test_the_fit_is_the_likelihoods_own(name: str) -> None:
    """Against scipy's maximum of the likelihood, times a normal density of the coefficients as wide as the prior."""
    simulator, representation = fitted(name)
    basis, centre = representation.compressor.basis[0].double().numpy(), representation.centre.numpy()
    variance = representation.variance.double().numpy()

    def span(row: dict[str, float]) -> np.ndarray:
        return (simulator.noise.centre(simulator.noise.prediction(row)) - centre) @ basis

    differences = []
    for seed in range(8):
        event, truth = simulator.inject(np.random.default_rng(seed))
        data = torch.as_tensor(problem_of(event, simulator.prior).view().observe())[None]
        with torch.no_grad():
            coefficients = representation.compute(data)[0][0, :2].double().numpy()

        def loss(x: np.ndarray, event: Likelihood = event, truth: dict[str, float] = truth) -> float:
            row = {**truth, "slope": x[0], "offset": x[1]}
            return 0.5 * np.sum(span(row) ** 2 / variance) - event.log_likelihood(row)

        start = [truth["slope"], truth["offset"]]
        best = minimize(loss, start, method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-8}).x
        differences.append(coefficients - span({**truth, "slope": best[0], "offset": best[1]}))
    # In units of the noise, by one of which the coefficients scatter. Ten steps come to a hundredth of it; a t datum far off is
    # brought to 28 units from the middle, where its score is 5 * 28 / (2 + 28**2) = 0.18 and not zero.
    assert np.median(np.abs(differences)) < 0.01
    assert np.abs(differences).max() < (0.2 if name == "student-t" else 0.05)


def test_noise_of_unknown_size_shows_in_the_power_beside_the_span() -> None:
    simulator, representation = fitted("gaussian")
    signals = simulator.draw(2000, np.random.default_rng(4))
    with torch.no_grad():
        log_size = representation.compute(signals.data)[0][:, -1].double().numpy() + np.log(float(representation.unit))
    away = log_size - np.log(signals.parameters["sigma"])
    # Half the logarithm of a chi squared of 38 degrees over 40: minus 0.039, give or take 1 / sqrt(2 * 38).
    assert abs(away.mean() + 0.039) < 5 * 76**-0.5 / 2000**0.5
    assert away.std() == pytest.approx(76**-0.5, rel=0.1)


def test_the_shape_of_the_noise_shows() -> None:
    simulator, representation = fitted("student-t, shape unknown")
    signals = simulator.draw(2000, np.random.default_rng(5))
    context = representation(signals.data)[0].double().numpy()
    columns = np.column_stack([np.ones(2000), context[:, -3:]])
    log_nu = np.log(signals.parameters["nu"])
    left = log_nu - columns @ np.linalg.lstsq(columns, log_nu, rcond=None)[0]
    # Forty data tell heavy tails from thin ones: far more than half of the prior's variance is explained.
    assert left.var() < 0.4 * log_nu.var()


def test_wild_data_give_sober_features() -> None:
    simulator, representation = fitted("student-t")
    data = simulator.draw(50, np.random.default_rng(6)).data
    plain = representation(data)[0]
    data[:, 7] = 1e250
    wild = representation(data)[0]
    assert torch.isfinite(wild).all()
    # One datum of forty: it moves the fit by no more than a standard deviation or two of the noise, wherever it is.
    moved = ((wild - plain) * representation.scale)[:, :2].abs()
    assert float(moved.max()) < 2.0
    data[:, 7] = 1e252
    assert torch.equal(representation(data)[0][:, :2], wild[:, :2])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [0.0, 1e12])
def test_no_data_make_features_that_are_no_numbers(name: str, value: float) -> None:
    simulator, representation = fitted(name)
    data = torch.full((1, len(simulator.observe())), value, dtype=torch.float64)
    assert torch.isfinite(representation(data)[0]).all()


def test_high_precision_does_not_look_like_more_directions() -> None:
    """Noise of a millionth of the signal: single precision must not take its own rounding for signal."""
    likelihood = GaussianLikelihood(X, X, line)
    priors = PriorDict({"slope": Uniform(-2, 2), "offset": Uniform(-3, 3), "sigma": LogUniform(1e-5, 1e-4)})
    simulator = problem_of(likelihood, priors).bank()
    representation = LinearRepresentation.fit(simulator, CONFIG, np.random.default_rng(1), torch.Generator())
    assert representation.features == 3


def test_white_noise_of_known_size_is_projected_and_no_more() -> None:
    likelihood = GaussianLikelihood(X, X, line, sigma=0.5)
    simulator = problem_of(likelihood, problem("student-t")[1]).bank()
    generator = torch.Generator().manual_seed(1)
    representation = LinearRepresentation.fit(simulator, CONFIG, np.random.default_rng(1), generator)
    assert type(representation) is LinearRepresentation
    assert representation.sizes() == {"numbers": 40, "components": 2}
    assert set(representation.state_dict()) == {
        *(f"compressor.{name}" for name in ("basis", "worst_loss", "mean_loss", "fitted")),
        "location",
        "scale",
        "standardised",
    }
    data = simulator.draw(5, np.random.default_rng(7)).data
    expected = data @ representation.compressor.basis[0]
    torch.testing.assert_close(representation.compute(data)[0], expected)
