"""Data as Bilby's own likelihoods take them to be: against their distributions, and against the likelihoods themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from bilby.core.likelihood import Multinomial
from bilby.core.prior import DeltaFunction, DirichletPriorDict, PriorDict, Uniform
from scipy.stats import binom, expon, kstest, norm, poisson, t

from bilby_flowpe.errors import DataError, SimulationError
from bilby_flowpe.kinds import problem_of
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.simulation.noise import Noise
from bilby_flowpe.simulation.noise_kinds import (
    ExponentialNoise,
    GaussianNoise,
    MultinomialNoise,
    PoissonNoise,
    StudentTNoise,
)

# Bilby's own property asks for the deprecated attribute.
pytestmark = pytest.mark.filterwarnings("ignore:Parameter attribute queried:FutureWarning")

X = np.linspace(0.0, 2.0, 8)
SIGMAS = 0.2 + X
SIZE = 4000


def line(x: np.ndarray, slope: float, offset: float) -> np.ndarray:
    return offset + slope * x


def curve(x: np.ndarray, slope: float, offset: float, power: float) -> np.ndarray:
    return offset + slope * x**power


def of_line(
    kind: type[Noise], data: Any = X, more: dict | None = None, function: Callable = line, **kwargs: Any
) -> Noise:
    """Noise around a straight line, which is positive for all of the prior."""
    likelihood = kind.of(X, data, function, **kwargs)
    priors = PriorDict({"slope": Uniform(0.1, 2), "offset": Uniform(0.5, 3), **(more or {})})
    return kind(problem_of(likelihood, priors))


def of_shares() -> Noise:
    priors = PriorTransform(DirichletPriorDict(n_dim=4, label="share_"))
    return MultinomialNoise(problem_of(Multinomial([5, 0, 10, 15], 4, base="share_"), priors))


COUNTS = np.arange(8)
LINE = {"slope": 1.0, "offset": 0.7}
CASES: dict[str, tuple[Callable[[], Noise], dict[str, float], dict[str, float]]] = {
    # Noise, parameters, and others a good part of a standard deviation away.
    "gaussian": (
        lambda: of_line(GaussianNoise, more={"sigma": Uniform(0.1, 1)}),
        {**LINE, "sigma": 0.5},
        {"slope": 1.1, "offset": 0.65, "sigma": 0.46},
    ),
    "gaussian, noise known and searched": (
        lambda: of_line(GaussianNoise, more={"sigma": Uniform(0.1, 1)}, sigma=3.0),
        {**LINE, "sigma": 0.5},
        {"slope": 1.1, "offset": 0.65, "sigma": 0.46},
    ),
    "poisson": (lambda: of_line(PoissonNoise, COUNTS), LINE, {"slope": 0.8, "offset": 1.0}),
    "exponential": (lambda: of_line(ExponentialNoise), LINE, {"slope": 1.2, "offset": 0.6}),
    "student-t, all known": (
        lambda: of_line(StudentTNoise, nu=2.5, sigma=0.3),
        LINE,
        {"slope": 1.1, "offset": 0.65},
    ),
    "student-t, a scale for each": (
        lambda: of_line(StudentTNoise, nu=2.5, sigma=SIGMAS),
        LINE,
        {"slope": 1.2, "offset": 0.6},
    ),
    "student-t, shape unknown": (
        lambda: of_line(StudentTNoise, more={"nu": Uniform(1, 9)}, sigma=0.3),
        {**LINE, "nu": 2.0},
        {"slope": 1.1, "offset": 0.68, "nu": 2.6},
    ),
    "student-t, shape known and searched": (
        lambda: of_line(StudentTNoise, more={"nu": Uniform(1, 9)}, nu=30.0, sigma=0.3),
        {**LINE, "nu": 2.0},
        {"slope": 1.1, "offset": 0.68, "nu": 2.6},
    ),
    "multinomial": (
        of_shares,
        {"share_0": 0.2, "share_1": 0.1, "share_2": 0.4},
        {"share_0": 0.25, "share_1": 0.1, "share_2": 0.33},
    ),
}


def data_of(noise: Noise, row: dict[str, float], seed: int = 1, size: int = SIZE) -> np.ndarray:
    """Simulated data (N, M) of one row of parameters."""
    columns = {key: np.full(size, value) for key, value in {**noise.known(), **row}.items()}
    predictions = np.tile(noise.prediction(row), (size, 1))
    return noise.draw(predictions, columns, np.random.default_rng(seed))


@pytest.mark.parametrize("case", CASES)
def test_likelihood_ratios_of_simulated_data_have_a_mean_of_one(case: str) -> None:
    """Over data drawn by p(d|a) the mean of p(d|b) / p(d|a) is one, in the user's own likelihood, for any b."""
    make, row, other = CASES[case]
    noise = make()
    likelihood = noise.likelihood
    ratios = []
    for data in data_of(noise, row):
        noise.put(likelihood, data)
        ratios.append(np.exp(likelihood.log_likelihood(other) - likelihood.log_likelihood(row)))
    error = np.std(ratios) / len(ratios) ** 0.5
    # Half a standard deviation away in parameters: the ratios scatter enough to tell, and not too much for a mean.
    assert 0.2 < np.std(ratios) < 3
    assert abs(np.mean(ratios) - 1) < 4.5 * error


@pytest.mark.parametrize("case", CASES)
def test_every_datum_has_the_distribution_that_scipy_gives_it(case: str) -> None:
    """Data are independent and follow the probability integral transform, which is randomised for whole numbers."""
    make, row, _ = CASES[case]
    noise = make()
    data = data_of(noise, row, size=10 * SIZE)
    line_at = line(X, row["slope"], row["offset"]) if "slope" in row else None
    if case.startswith("gaussian"):
        known = norm(line_at, row["sigma"])
    elif case == "poisson":
        known = poisson(line_at)
    elif case == "exponential":
        known = expon(0, line_at)
    elif case == "multinomial":
        known = binom(30, [0.2, 0.1, 0.4, 0.3])
    else:
        known = t(row.get("nu", 2.5), line_at, SIGMAS if case.endswith("each") else 0.3)
    below = known.cdf(data)
    if data.dtype.kind == "i":
        before = known.cdf(data - 1)
        below = before + (below - before) * np.random.default_rng(2).random(data.shape)
    assert min(kstest(column, "uniform").pvalue for column in below.T) > 1e-4
    if case == "multinomial":
        assert np.all(data.sum(axis=1) == 30)
        return
    # All together: a distribution function off by half a percent would show.
    assert kstest(below.ravel(), "uniform").pvalue > 1e-4
    # Correlations of n independent pairs scatter by 1 / sqrt(n): the largest of 28.
    assert np.abs(np.corrcoef(below.T) - np.eye(X.size)).max() < 4.5 / (10 * SIZE) ** 0.5


def test_each_row_has_noise_of_its_own() -> None:
    noise = of_line(GaussianNoise, more={"sigma": Uniform(0.1, 1)})
    sigma = np.repeat([0.1, 0.9], 2000)
    data = noise.draw(np.zeros((4000, 8)), {"sigma": sigma}, np.random.default_rng(3))
    # Standard deviations of n numbers scatter by 1 / sqrt(2 n) of themselves.
    np.testing.assert_allclose([data[:2000].std(), data[2000:].std()], [0.1, 0.9], rtol=5 / 32000**0.5)


@pytest.mark.parametrize("case", CASES)
def test_the_networks_scale_keeps_every_datum_apart_and_its_order(case: str) -> None:
    make, row, _ = CASES[case]
    noise = make()
    data = data_of(noise, row, size=500)
    scaled = noise.scaled(data)
    assert np.all(np.isfinite(scaled))
    for before, after in zip(data.T, scaled.T, strict=True):
        np.testing.assert_array_equal(np.argsort(before, kind="stable"), np.argsort(after, kind="stable"))


def test_scatter_on_the_networks_scale_does_not_hang_on_the_prediction() -> None:
    rng = np.random.default_rng(4)
    means = np.array([3.0, 30.0, 3000.0])
    counts = of_line(PoissonNoise, COUNTS).scaled(rng.poisson(means, (SIZE, 3)))
    # The variance of Anscombe's roots is one to 5% from three counts on; that of the figure itself is 2 / n.
    np.testing.assert_allclose(counts.var(axis=0), 1, atol=0.05 + 5 * (2 / SIZE) ** 0.5)
    logarithms = of_line(ExponentialNoise).scaled(means * rng.standard_exponential((SIZE, 3)))
    # Of the logarithm: pi^2 / 6. Its fourth moment, 4.4 + 3 in units of the variance squared less one, gives the error.
    np.testing.assert_allclose(logarithms.var(axis=0), np.pi**2 / 6, rtol=5 * (4.4 / SIZE) ** 0.5)


def test_keyword_arguments_and_values_fixed_in_the_priors_reach_function_and_noise() -> None:
    noise = of_line(PoissonNoise, COUNTS, {"offset": DeltaFunction(0.5)}, curve, power=3.0)
    np.testing.assert_allclose(noise.prediction({"slope": 2.0, "offset": 0.5}), 0.5 + 2 * X**3)
    fixed = of_line(StudentTNoise, more={"nu": DeltaFunction(4.0)}, nu=1.0)
    assert fixed.facts() == {"nu": 4.0}
    assert of_line(StudentTNoise, nu=1.0).facts() == {"nu": 1.0}
    assert of_line(StudentTNoise, more={"nu": Uniform(1, 9)}, nu=1.0).facts() == {}


def test_a_prior_of_the_scale_means_nothing_to_bilbys_student_t() -> None:
    """Nor to its simulations."""
    noise = of_line(StudentTNoise, more={"sigma": Uniform(1, 2)}, nu=4.0, sigma=0.3)
    one, other = ({**LINE, "sigma": sigma} for sigma in (1.0, 2.0))
    assert noise.likelihood.log_likelihood(one) == noise.likelihood.log_likelihood(other)
    np.testing.assert_array_equal(data_of(noise, one), data_of(noise, other))
    assert noise.arrays()["sigma"] == pytest.approx(np.full(8, 0.3))


# What Bilby gives no weight to, and what it refuses ----------------------------------------------------------------------


def falling(x: np.ndarray, slope: float, offset: float) -> np.ndarray:
    return offset - slope * x


def nowhere(x: np.ndarray, slope: float, offset: float) -> np.ndarray:
    return np.where(x > 1, slope / 0.0 if slope > 1.5 else np.nan, offset)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("noise", "row"),
    [
        (lambda: of_line(PoissonNoise, COUNTS, function=falling), {"slope": 0.5, "offset": 1.0}),
        (lambda: of_line(ExponentialNoise, function=falling), {"slope": 0.5, "offset": 1.0}),
        (lambda: of_line(ExponentialNoise, function=falling), {"slope": 2.0, "offset": 1.0}),
        (lambda: of_line(GaussianNoise, more={"sigma": Uniform(0, 1)}), {"slope": 1.0, "offset": 1.0, "sigma": 0.0}),
        (lambda: of_line(StudentTNoise, nu=3.0, function=nowhere), LINE),
        (lambda: of_line(ExponentialNoise, function=nowhere), LINE),
        (lambda: of_line(PoissonNoise, COUNTS, function=nowhere), LINE),
        (of_shares, {"share_0": 0.5, "share_1": 0.4, "share_2": 0.2}),
    ],
    ids=["rate of zero", "mean of zero", "negative mean", "no noise", "nan", "nan mean", "nan rate", "negative share"],
)
def test_what_bilby_gives_no_weight_to_is_not_simulated(noise: Callable[[], Noise], row: dict[str, float]) -> None:
    made = noise()
    assert made.prediction(row) is None
    assert not made.likelihood.log_likelihood(row) > -np.inf


@pytest.mark.parametrize(
    ("noise", "row", "complaint"),
    [
        (
            lambda: of_line(PoissonNoise, COUNTS, function=falling),
            {"slope": 2.0, "offset": 1.0},
            "func=falling returns a rate of -0.143 .*narrow the priors",
        ),
        (
            lambda: of_line(PoissonNoise, COUNTS, function=lambda x, slope, offset: slope),
            LINE,
            "func=<lambda> returns a float: a PoissonLikelihood needs a numpy array",
        ),
        (
            lambda: of_line(StudentTNoise, more={"nu": Uniform(-1, 9)}),
            {**LINE, "nu": -0.5},
            "nu=-0.5: .*positive degrees of freedom; narrow the prior",
        ),
    ],
    ids=["negative rate", "no array", "negative shape"],
)
def test_where_bilby_raises_an_error_there_is_one_that_says_more(
    noise: Callable[[], Noise], row: dict[str, float], complaint: str
) -> None:
    made = noise()
    with pytest.raises(SimulationError, match=complaint):
        made.prediction(row)
    with pytest.raises(ValueError, match=r"[Pp]oisson rate|degrees of freedom"):
        made.likelihood.log_likelihood(row)


def test_more_counts_than_whole_numbers_are_refused() -> None:
    noise = of_line(PoissonNoise, COUNTS, function=lambda x, slope, offset: np.full(8, 1e20))
    with pytest.raises(SimulationError, match="below 5e\\+18"):
        noise.prediction(LINE)


def test_values_of_another_shape_are_refused() -> None:
    noise = of_line(ExponentialNoise, function=lambda x, slope, offset: np.ones(5))
    with pytest.raises(SimulationError, match=r"shape \(5,\), but the data have the shape \(8,\)"):
        noise.prediction(LINE)


def test_one_value_stands_for_all_data_as_in_bilby() -> None:
    noise = of_line(ExponentialNoise, function=lambda x, slope, offset: offset)
    np.testing.assert_array_equal(noise.prediction(LINE), np.full(8, 0.7))


@pytest.mark.parametrize(
    ("make", "error", "complaint"),
    [
        (
            lambda: of_line(GaussianNoise),
            SimulationError,
            r"priors lack \['sigma'\], which the GaussianLikelihood needs",
        ),
        (lambda: of_line(StudentTNoise), SimulationError, r"priors lack \['nu'\]"),
        (
            lambda: of_line(ExponentialNoise, function=lambda x, slope, other: slope),
            SimulationError,
            r"lack \['other'\]",
        ),
        (
            lambda: of_line(StudentTNoise, nu=3.0, sigma=None),
            SimulationError,
            "sigma=None of the StudentTLikelihood is not allowed",
        ),
        (lambda: of_line(StudentTNoise, nu=3.0, sigma=0.0), SimulationError, "sigma=0.0"),
        (
            lambda: of_line(StudentTNoise, nu=3.0, sigma=np.ones(5)),
            SimulationError,
            r"sigma has values of shape \(5,\)",
        ),
        (lambda: of_line(StudentTNoise, np.full(8, np.inf), nu=3.0), DataError, "data y of the StudentTLikelihood"),
        (lambda: of_line(StudentTNoise, X * 1j, nu=3.0), DataError, "not finite real numbers"),
        (
            lambda: MultinomialNoise(problem_of(Multinomial([1, 2], 3, "share_"), of_shares().prior)),
            DataError,
            "are not 3 whole numbers",
        ),
        (
            lambda: MultinomialNoise(problem_of(Multinomial([1.5, 2, 3], 3, "share_"), of_shares().prior)),
            DataError,
            "are not 3 whole numbers",
        ),
    ],
)
def test_unusable_problems_are_refused(make: Callable[[], Noise], error: type[Exception], complaint: str) -> None:
    with pytest.raises(error, match=complaint):
        make()


def test_the_wildest_tails_stay_within_double_precision() -> None:
    noise = of_line(StudentTNoise, nu=0.01, sigma=1e-9)
    data = data_of(noise, LINE)
    assert np.all(np.isfinite(data))
    assert np.all(np.isfinite(noise.scaled(data)))
    assert np.abs(data).max() > 1e100


def test_data_of_zero_have_a_logarithm() -> None:
    assert np.all(np.isfinite(of_line(ExponentialNoise).scaled(np.zeros(3))))


# New data ----------------------------------------------------------------------------------------------------------------


def test_new_data_come_in_the_likelihoods_own_form() -> None:
    table = np.arange(8).reshape(2, 4)
    noise = of_line(PoissonNoise, table, function=lambda x, slope, offset: offset + slope * x.reshape(2, 4))
    assert noise.prediction(LINE).shape == (8,)
    noise.put(noise.likelihood, data_of(noise, LINE)[0])
    assert noise.likelihood.y.shape == (2, 4)
    assert noise.likelihood.y.dtype.kind == "i"


def test_a_multinomial_forgets_the_noise_evidence_of_its_old_data() -> None:
    noise = of_shares()
    likelihood = noise.likelihood
    before = likelihood.noise_log_likelihood()
    noise.put(likelihood, np.array([1, 2, 3, 24]))
    assert likelihood.noise_log_likelihood() != before
    assert likelihood.noise_log_likelihood() == Multinomial([1, 2, 3, 24], 4).noise_log_likelihood()
