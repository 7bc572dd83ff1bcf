"""Simulations by a likelihood's own ``simulate``, beside those for Bilby's Gaussian likelihood."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from bilby.core.likelihood import GaussianLikelihood, Likelihood
from bilby.core.prior import DeltaFunction, PriorDict, Uniform
from scipy.stats import ks_2samp

from bilby_flowpe.errors import DataError, SimulationError
from bilby_flowpe.kinds import problem_of
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.simulation import DetectorView
from bilby_flowpe.simulation.gaussian import GaussianSimulator
from bilby_flowpe.simulation.general import GeneralSimulator

# Bilby's own property asks for the deprecated attribute.
pytestmark = pytest.mark.filterwarnings("ignore:Parameter attribute queried:FutureWarning")

X = np.linspace(0, 1, 12)
SIGMA = 0.1 + 0.3 * X


def line(x: np.ndarray, slope: float, offset: float) -> np.ndarray:
    return offset + slope * x


class Line(Likelihood):
    """The Gaussian problem below, but one that has to be asked for its data."""

    scale = 1.0

    def __init__(self, y: np.ndarray) -> None:
        super().__init__()
        self.observed_data = y / SIGMA * self.scale

    def simulate(self, parameters: dict, rng: np.random.Generator) -> np.ndarray:
        return self.scale * (line(X, **parameters) / SIGMA + rng.standard_normal(len(X)))


def problem() -> tuple[np.ndarray, PriorTransform]:
    y = line(X, 1.3, -0.2) + SIGMA * np.random.default_rng(1).standard_normal(len(X))
    return y, PriorTransform(PriorDict({"slope": Uniform(-2, 2), "offset": Uniform(-1, 1)}))


def test_agrees_in_distribution_with_the_gaussian_simulator():
    y, transform = problem()
    gaussian = GaussianSimulator(problem_of(GaussianLikelihood(X, y, line, sigma=SIGMA), transform))
    general = GeneralSimulator(problem_of(Line(y), transform))
    np.testing.assert_array_equal(general.observe(), gaussian.observe())
    size = 4000
    generator = torch.Generator().manual_seed(2)
    drawn = []
    for simulator, seed in ((gaussian, 3), (general, 4)):
        signals = simulator.draw(size, np.random.default_rng(seed))
        noisy = simulator.add_noise(signals.data, generator)
        assert noisy.shape == (size, len(X))
        assert noisy.dtype == torch.float32
        prediction = np.stack([line(X, *pair) for pair in zip(*signals.parameters.values(), strict=True)]) / SIGMA
        drawn.append((noisy.double().numpy(), noisy.double().numpy() - prediction))
    # Data and noise, each datum by itself and all of them along a few directions.
    directions = np.random.default_rng(5).standard_normal((len(X), 4))
    for one, other in zip(*drawn, strict=True):
        for a, b in zip(np.hstack([one, one @ directions]).T, np.hstack([other, other @ directions]).T, strict=True):
            assert ks_2samp(a, b).pvalue > 1e-4
    assert np.abs(np.corrcoef(drawn[1][1].T) - np.eye(len(X))).max() < 5 / size**0.5


def test_noise_comes_with_the_data_and_from_the_generator_given():
    y, transform = problem()
    simulator = GeneralSimulator(problem_of(Line(y), transform))
    one, two, other = (simulator.draw(5, np.random.default_rng(seed)).data for seed in (6, 6, 7))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
    assert torch.equal(simulator.add_noise(one, torch.Generator()), one)


def test_fixed_parameters_reach_the_likelihood():
    y, _ = problem()
    transform = PriorTransform(PriorDict({"slope": Uniform(-2, 2), "offset": DeltaFunction(-0.2)}))
    simulator = GeneralSimulator(problem_of(Line(y), transform))
    assert simulator.problem.rows({"slope": np.array([0.5, 1.0])}) == [
        {"offset": -0.2, "slope": 0.5},
        {"offset": -0.2, "slope": 1.0},
    ]
    assert list(simulator.draw(3, np.random.default_rng(8)).parameters) == ["slope"]


class TestDispatch:
    def test_each_likelihood_has_its_simulator(self, problem_5d, transform_5d, simulator_5d):
        y, transform = problem()
        gaussian = GaussianLikelihood(X, y, line, sigma=SIGMA)
        assert isinstance(problem_of(gaussian, transform).bank(), GaussianSimulator)
        assert isinstance(problem_of(Line(y), transform).bank(), GeneralSimulator)
        light = problem_of(problem_5d[0], transform_5d).view(simulator_5d.view.grid)
        assert isinstance(light, DetectorView)

    def test_a_simulate_of_its_own_goes_before_white_noise(self):
        class Wider(GaussianLikelihood):
            def simulate(self, parameters: dict, rng: np.random.Generator) -> np.ndarray:
                return self.func(self.x, **parameters) + rng.standard_t(3, len(X))

        y, transform = problem()
        likelihood = Wider(X, y, line)  # of unknown sigma
        likelihood.observed_data = y
        assert isinstance(problem_of(likelihood, transform).bank(), GeneralSimulator)

    def test_others_are_refused_with_the_way_out(self):
        with pytest.raises(SimulationError, match=r"likelihood=Likelihood: .*method simulate\(parameters, rng\)"):
            problem_of(Likelihood(), problem()[1]).bank()

    def test_a_simulate_of_something_else_is_not_for_us(self):
        class Other(Likelihood):
            def simulate(self):
                return None

        with pytest.raises(SimulationError, match="give it a method simulate\\(parameters, rng\\)"):
            problem_of(Other(), problem()[1]).bank()

    def test_to_observe_nothing_is_simulated(self):
        y, transform = problem()
        likelihood = Line(y)
        likelihood.simulate = lambda parameters, rng: 1 / 0
        assert len(problem_of(likelihood, transform).view().observe()) == len(X)


class TestRefusals:
    @pytest.mark.parametrize(
        ("simulate", "complaint"),
        [
            (lambda parameters, rng: line(X, **parameters), "same data twice"),
            (lambda parameters, rng: rng.standard_normal(7), r"shape \(7,\), but observed_data has the shape \(12,\)"),
            (lambda parameters, rng: rng.standard_normal(12) * 1j, "complex128 data"),
            (lambda parameters, rng: None, "object data"),
            (lambda parameters, rng: 1e40 * rng.standard_normal(12), "not finite in single precision"),
            (lambda parameters, rng: np.full(12, np.nan), "not finite in single precision"),
        ],
        ids=["no noise", "shape", "complex", "nothing", "too large", "nan"],
    )
    def test_unusable_simulations(self, simulate, complaint):
        y, transform = problem()
        likelihood = Line(y)
        likelihood.simulate = simulate
        with pytest.raises(SimulationError, match=complaint):
            GeneralSimulator(problem_of(likelihood, transform))

    def test_values_that_are_not_finite_later_on(self):
        y, transform = problem()
        likelihood = Line(y)
        simulator = GeneralSimulator(problem_of(likelihood, transform))
        likelihood.simulate = lambda parameters, rng: np.full(12, np.inf)
        with pytest.raises(SimulationError, match="narrow the priors"):
            simulator.draw(2, np.random.default_rng(9))

    @pytest.mark.parametrize(
        ("data", "complaint"),
        [
            (np.zeros((3, 4)), r"shape \(3, 4\)"),
            (np.zeros(12, dtype=complex), "complex128"),
            (["a"], "one row of real numbers"),
            ([], r"shape \(0,\)"),
            (np.full(12, np.nan), "not finite"),
        ],
        ids=["table", "complex", "text", "empty", "nan"],
    )
    def test_unusable_data(self, data, complaint):
        y, transform = problem()
        likelihood = Line(y)
        likelihood.observed_data = data
        with pytest.raises(DataError, match=complaint):
            GeneralSimulator(problem_of(likelihood, transform))

    def test_what_is_missing_is_named(self):
        y, transform = problem()
        likelihood = Line(y)
        del likelihood.observed_data
        with pytest.raises(SimulationError, match="likelihood=Line has simulate but no observed_data"):
            GeneralSimulator(problem_of(likelihood, transform))


def test_noise_too_small_for_the_compression_is_said(caplog):
    class Faint(Line):
        scale = 1e-3

    y, transform = problem()
    with caplog.at_level(logging.WARNING, logger="bilby"):
        GeneralSimulator(problem_of(Line(y), transform))
        assert not caplog.records
        GeneralSimulator(problem_of(Faint(y), transform))
    assert "divide simulate's data" in caplog.text
