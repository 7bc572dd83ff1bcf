"""The simulator against Bilby's own responses, whitening and likelihood."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable

import numpy as np
import pytest
import torch
from bilby.core.prior import Constraint, DeltaFunction, PriorDict, Uniform
from bilby.gw.detector import InterferometerList
from bilby.gw.detector.calibration import CubicSpline
from bilby.gw.likelihood import GravitationalWaveTransient
from bilby.gw.source import lal_binary_black_hole
from bilby.gw.waveform_generator import WaveformGenerator
from scipy.stats import kstest

from bilby_flowpe.errors import SimulationError
from bilby_flowpe.kinds import problem_of
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.simulation import SimulationConfig
from bilby_flowpe.simulation.signal_bank import SignalBank
from bilby_flowpe.waves.shifts import time_shift
from bilby_flowpe.waves.stretch import BAND_LOSS, STRETCH_LOSS

Problem = tuple[GravitationalWaveTransient, PriorDict]
NAMES = ["5d", "8d", "hl"]


def simulate(problem: Problem, transform: PriorTransform | None = None, **config: object) -> SignalBank:
    settings = SimulationConfig(**{"n_waveforms": 60, "reduce_grid": False, "flatten_snr": False, **config})
    transform = transform or PriorTransform(problem[1])
    return SignalBank(problem_of(problem[0], transform), settings, npool=1, seed=3, progress=False)


def by_bilby(likelihood: GravitationalWaveTransient, row: dict[str, float]) -> np.ndarray:
    """Whitened response of every detector on the whole segment, (D, N), without any of the package's own code."""
    strain = likelihood.waveform_generator.frequency_domain_strain(dict(row))
    return np.stack(
        [
            np.where(ifo.frequency_mask, ifo.whiten_frequency_series(ifo.get_detector_response(strain, row)), 0)
            for ifo in likelihood.interferometers
        ]
    )


def limits(simulator: SignalBank) -> tuple[float, float]:
    """Return how much a narrower band and cut ends may take of the worst hundredth of pilot signals, and on average."""
    cut = 0 if np.isclose(simulator.view.grid.duration, simulator.view.duration) else 2
    worst, mean = (band + cut * end for band, end in zip(BAND_LOSS, STRETCH_LOSS, strict=True))
    return worst, mean


def norm(series: np.ndarray | torch.Tensor) -> float:
    return float(np.sum(np.abs(np.asarray(series, dtype=np.complex128)) ** 2))


def reparsed(model: Callable) -> Callable:
    """``model`` with the signature by which Bilby knows what to pass to ``lal_binary_black_hole``."""
    model.__signature__ = inspect.signature(lal_binary_black_hole)
    return model


@reparsed
def distance_distorted(frequency_array: np.ndarray, **parameters: float) -> dict[str, np.ndarray]:
    strain = lal_binary_black_hole(frequency_array, **parameters)
    distortion = 1 + 0.05 * parameters["luminosity_distance"] / 1000 * frequency_array / 100
    return {mode: series * distortion for mode, series in strain.items()}


@reparsed
def failing_above_70(frequency_array: np.ndarray, **parameters: float) -> dict[str, np.ndarray] | None:
    return lal_binary_black_hole(frequency_array, **parameters) if parameters["mass_1"] < 70 else None


@reparsed
def failing_above_45(frequency_array: np.ndarray, **parameters: float) -> dict[str, np.ndarray] | None:
    return lal_binary_black_hole(frequency_array, **parameters) if parameters["mass_1"] < 45 else None


def with_model(problem: Problem, model: Callable) -> Problem:
    """``problem`` with another waveform."""
    likelihood = problem[0]
    old = likelihood.waveform_generator
    generator = WaveformGenerator(
        duration=old.duration,
        sampling_frequency=old.sampling_frequency,
        start_time=old.start_time,
        frequency_domain_source_model=model,
        waveform_arguments=dict(old.waveform_arguments),
    )
    return GravitationalWaveTransient(likelihood.interferometers, generator), problem[1]


@pytest.fixture(params=NAMES)
def problem(request: pytest.FixtureRequest) -> Problem:
    return request.getfixturevalue(f"problem_{request.param}")


@pytest.fixture(scope="module")
def whole(request: pytest.FixtureRequest) -> dict[str, dict[str, SignalBank]]:
    """Both paths for every problem, on the whole band and segment."""
    return {
        path: {
            name: simulate(
                request.getfixturevalue(f"problem_{name}"), request.getfixturevalue(f"transform_{name}"), path=path
            )
            for name in NAMES
        }
        for path in ("factorised", "general")
    }


@pytest.mark.parametrize("name", NAMES)
class TestSignals:
    @pytest.mark.parametrize("path", ["factorised", "general"])
    def test_are_bilbys_responses(self, whole, path, name):
        simulator = whole[path][name]
        signals = simulator.draw(30, np.random.default_rng(1))
        assert signals.data.dtype == torch.complex64
        assert simulator.factorised == (path == "factorised")
        for row, ours in zip(simulator.problem.rows(signals.parameters), signals.data.numpy(), strict=True):
            theirs = by_bilby(simulator.likelihood, row)[:, simulator.view.grid.indices]
            # complex64: products of a few numbers, each rounded to 6e-8.
            assert np.abs(ours - theirs).max() < 1e-6 * np.abs(theirs).max()

    def test_paths_agree(self, whole, name):
        factorised, general = (whole[path][name] for path in ("factorised", "general"))
        parameters = general.stored.parameters
        np.testing.assert_array_equal(parameters["mass_1"], factorised.stored.parameters["mass_1"])
        ours = factorised._signals(np.arange(len(general.stored)), parameters)
        scale = general.stored.waveforms.abs().amax(dim=(1, 2), keepdim=True)
        assert float(((ours - general.stored.waveforms).abs() / scale).max()) < 1e-6

    def test_give_the_users_log_likelihood_ratio(self, whole, name):
        simulator = whole["factorised"][name]
        data = simulator.view.observe().astype(np.complex128)
        signals = simulator.draw(20, np.random.default_rng(2))
        rows = simulator.problem.rows(signals.parameters)
        for row, signal in zip(rows, signals.data.numpy().astype(np.complex128), strict=True):
            ours = -0.5 * norm(data - signal) + 0.5 * norm(data)
            theirs = simulator.likelihood.log_likelihood_ratio(row)
            # Rounding of data and signal to complex64 matters relative to the product of their norms.
            assert abs(ours - theirs) < 1e-6 * (norm(data) * norm(signal)) ** 0.5

    def test_fill_the_prior_afresh(self, whole, name):
        """Cheap parameters are drawn anew for each batch: far more values than stored waveforms."""
        simulator = whole["factorised"][name]
        rng = np.random.default_rng(3)
        drawn = simulator.draw(2000, rng).parameters
        assert len(np.unique(drawn["mass_1"])) <= 60
        for key in ("luminosity_distance", "geocent_time", "phase"):
            assert len(np.unique(drawn[key])) > 1900, key  # A GPS time has 8e5 values in the window.
            assert kstest(simulator.prior.priors[key].cdf(drawn[key]), "uniform").pvalue > 1e-3, key

    def test_optimal_signal_to_noise_ratio_is_bilbys(self, whole, name):
        simulator = whole["factorised"][name]
        rows, parameters = simulator._draw_parameters(20, np.random.default_rng(4))
        theirs = []
        for row in simulator.problem.rows(parameters):
            strain = simulator.likelihood.waveform_generator.frequency_domain_strain(dict(row))
            squares = [
                ifo.optimal_snr_squared(ifo.get_detector_response(strain, row)).real
                for ifo in simulator.view.interferometers
            ]
            theirs.append(sum(squares) ** 0.5)
        np.testing.assert_allclose(simulator._optimal_snr(rows, parameters), theirs, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.training
class TestReducedGrid:
    """The band narrowed, and in four seconds of data the stretch shortened, as the pilot signals allow."""

    def test_loses_next_to_nothing(self, request, name):
        simulator = request.getfixturevalue(f"simulator_{name}")
        signals = simulator.draw(300, np.random.default_rng(5))
        lost = []
        for row, signal in zip(simulator.problem.rows(signals.parameters), signals.data, strict=True):
            lost.append(1 - norm(signal) / norm(by_bilby(simulator.likelihood, row)))
        # A pilot of 256 signals decides: other signals do not much worse.
        worst, mean = limits(simulator)
        assert np.quantile(lost, 0.95) < worst
        assert np.mean(lost) < 3 * mean
        assert min(lost) > -1e-3

    def test_gives_the_users_likelihood_but_for_what_was_cut(self, request, name):
        simulator = request.getfixturevalue(f"simulator_{name}")
        likelihood = simulator.likelihood
        data = simulator.view.observe().astype(np.complex128)
        in_data = norm(by_bilby(likelihood, likelihood.injection_parameters))
        signals = simulator.draw(40, np.random.default_rng(6))
        rows = simulator.problem.rows(signals.parameters)
        for row, signal in zip(rows, signals.data.numpy().astype(np.complex128), strict=True):
            ours = -0.5 * norm(data - signal) + 0.5 * norm(data)
            theirs = likelihood.log_likelihood_ratio(row)
            # A part h' of the signal that is cut away takes <d, h'> - <h', h'> / 2 along: for the noise in d with scatter
            # |h'|, for the signal s in d at most |s'| |h'|.
            whole = norm(by_bilby(likelihood, row))
            worst, _ = limits(simulator)
            cut = max(whole - norm(signal), worst * whole) ** 0.5
            assert abs(ours - theirs) < 5 * cut + (worst * in_data) ** 0.5 * cut + cut**2

    def test_agrees_with_the_general_path(self, request, name):
        fast = request.getfixturevalue(f"simulator_{name}")
        slow = SignalBank(
            fast.problem,
            SimulationConfig(n_waveforms=20, path="general"),
            seed=9,
            grid=fast.view.grid,
            progress=False,
        )
        signals = slow.draw(20, np.random.default_rng(7))
        # The same waveforms by the factorised path on the same grid.
        task = fast._polarisation_task()
        stored = torch.as_tensor(np.stack([task(row) for row in slow.problem.rows(signals.parameters)]))
        amplitudes = torch.as_tensor(fast.extrinsic.amplitudes(signals.parameters)).to(torch.complex64)
        ours = (amplitudes[..., None] * stored).sum(dim=2) * time_shift(
            fast.view.grid, fast.view.arrival(signals.parameters)
        )
        for one, other in zip(ours, signals.data, strict=True):
            # On the whole segment they agree to rounding; where it was shortened, up to what hangs over its ends.
            allowed = 1e-6 if np.isclose(fast.view.grid.duration, fast.view.duration) else limits(fast)[0] ** 0.5
            assert norm(one - other) ** 0.5 < allowed * norm(other) ** 0.5


def test_four_seconds_are_shortened(simulator_hl, simulator_5d):
    assert simulator_hl.view.grid.duration < 4
    assert simulator_5d.view.grid.duration == 1
    assert simulator_5d.view.grid.maximum_frequency < 512
    earliest, latest = simulator_hl.view.arrival_range()
    assert 0 < earliest < latest < simulator_hl.view.grid.duration


@pytest.mark.training
def test_a_long_signal_keeps_its_beginning(make_problem_hl):
    """Four seconds before the merger, and little after it: what the factorised path stores must be cut there, too."""
    likelihood, priors = make_problem_hl()
    start, duration = likelihood.interferometers.start_time, 16.0
    priors.update({key: Uniform(12, 14) for key in ("mass_1", "mass_2")})
    priors["geocent_time"] = Uniform(start + 12.9, start + 13.1)
    interferometers = InterferometerList(["H1"])
    interferometers[0].minimum_frequency = 20.0
    interferometers[0].maximum_frequency = 500.0
    interferometers[0].set_strain_data_from_frequency_domain_strain(
        np.zeros(8193, dtype=complex), sampling_frequency=1024.0, duration=duration, start_time=start
    )
    generator = WaveformGenerator(
        duration=duration,
        sampling_frequency=1024.0,
        start_time=start,
        frequency_domain_source_model=lal_binary_black_hole,
        waveform_arguments=dict(likelihood.waveform_generator.waveform_arguments),
    )
    problem = (GravitationalWaveTransient(interferometers, generator), priors)
    simulator = simulate(problem, n_waveforms=20, reduce_grid=True)
    assert simulator.factorised
    merger = np.mean(simulator.view.arrival_range())
    assert simulator.view.grid.duration < 8
    assert merger > 0.6 * simulator.view.grid.duration
    worst, _ = limits(simulator)
    signals = simulator.draw(20, np.random.default_rng(7))
    for row, signal in zip(simulator.problem.rows(signals.parameters), signals.data.numpy(), strict=True):
        whole = by_bilby(problem[0], row)
        assert norm(signal) / norm(whole) == pytest.approx(1, abs=worst)
        # The response cut where it is; the ends differ by what hangs over them.
        cut = simulator.view.grid.restrict(whole, duration)
        assert norm(signal - cut) < 0.1 * worst * norm(cut)


class TestNoise:
    @pytest.mark.parametrize("name", ["5d", "hl"])
    def test_is_white_and_of_unit_variance(self, request, name):
        simulator = request.getfixturevalue(f"simulator_{name}")
        signals = simulator.draw(300, np.random.default_rng(8)).data
        noisy = simulator.add_noise(signals, torch.Generator().manual_seed(1))
        noise = torch.view_as_real(noisy - signals).double()
        assert noisy.dtype == torch.complex64
        number = noise.numel()
        assert abs(float(noise.mean())) < 5 / number**0.5
        for part in (noise[..., 0], noise[..., 1]):
            # Five standard errors of a variance.
            assert abs(float(part.var()) - 1) < 5 * (2 / (number / 2)) ** 0.5
        assert abs(float((noise[..., 0] * noise[..., 1]).mean())) < 5 / (number / 2) ** 0.5
        assert abs(float((noise[..., 1:, :] * noise[..., :-1, :]).mean())) < 5 / number**0.5

    def test_comes_from_the_generator_given(self, simulator_5d):
        data = torch.zeros(2, 1, len(simulator_5d.view.grid), dtype=torch.complex64)
        one, two, other = (simulator_5d.add_noise(data, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
        assert torch.equal(one, two)
        assert not torch.equal(one, other)

    def test_stays_in_each_detectors_band(self, make_problem_hl):
        likelihood, priors = make_problem_hl()
        likelihood.interferometers[1].minimum_frequency = 40.0
        likelihood.interferometers[1].maximum_frequency = 300.0
        simulator = simulate((likelihood, priors), n_waveforms=10)
        frequencies = simulator.view.grid.frequencies
        assert frequencies[[0, -1]].tolist() == [20.0, 500.0]
        noise = simulator.add_noise(torch.zeros(1, 2, len(frequencies), dtype=torch.complex64), torch.Generator())[0]
        outside = (frequencies < 40) | (frequencies > 300)
        assert torch.all(noise[0] != 0)
        np.testing.assert_array_equal(noise[1].numpy() == 0, outside)
        assert np.all(simulator.view.observe()[1][outside] == 0)
        assert np.all(simulator.draw(5, np.random.default_rng(0)).data[:, 1].numpy()[:, outside] == 0)


@pytest.mark.training
class TestFlattening:
    def test_signals_are_kept_with_weight_g_of_their_loudness(self, problem_8d, transform_8d):
        plain = simulate(problem_8d, transform_8d, n_waveforms=400, flatten_snr=False)
        flat = simulate(problem_8d, transform_8d, n_waveforms=400, flatten_snr=True)
        assert flat.flatten_snr
        rng = np.random.default_rng(12)

        def loudness(simulator: SignalBank, size: int) -> np.ndarray:
            return np.concatenate(
                [
                    simulator.draw(500, rng).data.abs().double().square().sum((1, 2)).sqrt().numpy()
                    for _ in range(size // 500)
                ]
            )

        reference, flattened = loudness(plain, 10_000), loudness(flat, 4000)
        weights = np.clip(reference, 6, 80) ** 3
        order = np.argsort(reference)
        cdf = np.cumsum(weights[order]) / weights.sum()
        # Kolmogorov-Smirnov with the weighted sample's effective number: a distance of 1.95 / sqrt(n) has p = 1e-3.
        effective = weights.sum() ** 2 / np.sum(weights**2)
        number = 1 / (1 / effective + 1 / len(flattened))
        expected = np.interp(np.sort(flattened), reference[order], cdf)
        distance = np.abs(expected - np.arange(1, len(flattened) + 1) / len(flattened)).max()
        assert distance < 1.95 / number**0.5
        # Without the weights the two are far apart.
        assert kstest(flattened, reference).pvalue < 1e-20

    def test_is_chosen_where_quiet_signals_abound(self, make_problem_hl, simulator_5d):
        assert not simulator_5d.flatten_snr
        likelihood, priors = make_problem_hl()
        priors["luminosity_distance"].maximum = 8000.0
        quiet = simulate((likelihood, PriorDict.copy(priors)), flatten_snr=None)
        snr = quiet._optimal_snr(*simulate((likelihood, priors))._draw_parameters(2000, np.random.default_rng(13)))
        assert np.mean(snr < 6) > 0.25
        assert quiet.flatten_snr

    def test_parameters_belong_to_their_signals(self, problem_8d, transform_8d):
        simulator = simulate(problem_8d, transform_8d, flatten_snr=True)
        signals = simulator.draw(10, np.random.default_rng(14))
        for row, ours in zip(simulator.problem.rows(signals.parameters), signals.data.numpy(), strict=True):
            theirs = by_bilby(simulator.likelihood, row)[:, simulator.view.grid.indices]
            assert np.abs(ours - theirs).max() < 1e-6 * np.abs(theirs).max()


class TestReproducibility:
    def test_same_seed_same_waveforms_in_one_process_or_two(self, problem_8d, transform_8d):
        config = SimulationConfig(n_waveforms=150)
        one, two, other = (
            SignalBank(problem_of(problem_8d[0], transform_8d), config, npool=npool, seed=seed, progress=False)
            for npool, seed in ((1, 5), (2, 5), (1, 6))
        )
        assert one.view.grid == two.view.grid
        assert torch.equal(one.stored.waveforms, two.stored.waveforms)
        draws = [simulator.draw(20, np.random.default_rng(1)) for simulator in (one, two)]
        assert torch.equal(draws[0].data, draws[1].data)
        assert not np.array_equal(one.stored.parameters["mass_1"], other.stored.parameters["mass_1"])

    def test_the_likelihoods_data_play_no_part(self, problem_8d, transform_8d, simulator_8d):
        other = copy.deepcopy(problem_8d[0])
        other.interferometers[0].strain_data._frequency_domain_strain *= 2
        again = SignalBank(problem_of(other, transform_8d), SimulationConfig(n_waveforms=400), seed=7, progress=False)
        assert torch.equal(again.stored.waveforms, simulator_8d.stored.waveforms)


class TestReflection:
    def test_plus_alone_reflects(self, simulator_8d, simulator_5d):
        assert simulator_8d.extrinsic.reflects_inclination(any_angle=False)
        assert simulator_8d.extrinsic.reflects_inclination(any_angle=True)
        assert not simulator_5d.extrinsic.reflects_inclination(any_angle=True)  # Fixed face on.

    def test_one_detector_elsewhere_reflects_up_to_an_angle(self, problem_8d):
        likelihood, priors = problem_8d
        tilted = copy.deepcopy(priors)
        tilted.update({key: DeltaFunction(value) for key, value in (("ra", 1.0), ("dec", 0.2), ("psi", 0.5))})
        simulator = simulate((likelihood, tilted))
        assert not simulator.extrinsic.reflects_inclination(any_angle=False)
        assert simulator.extrinsic.reflects_inclination(any_angle=True)
        row = {**simulator.prior.fixed, **simulator.prior.from_median(), "theta_jn": 0.8}
        one, other = (by_bilby(likelihood, {**row, "theta_jn": theta}) for theta in (0.8, np.pi - 0.8))
        overlap = abs(np.sum(one.conj() * other)) / np.sum(np.abs(one) ** 2)
        assert overlap == pytest.approx(1, abs=1e-6)

    def test_two_detectors_or_a_lopsided_prior_do_not(self, simulator_hl, problem_8d):
        assert not simulator_hl.extrinsic.reflects_inclination(any_angle=True)
        likelihood, priors = problem_8d
        lopsided = copy.deepcopy(priors)
        lopsided["theta_jn"] = Uniform(0, 2)
        assert not simulate((likelihood, lopsided)).extrinsic.reflects_inclination(any_angle=False)


class TestPaths:
    def test_a_waveform_that_distance_distorts_goes_the_general_way(self, problem_5d):
        problem = with_model(problem_5d, distance_distorted)
        simulator = simulate(problem, n_waveforms=20)
        assert not simulator.factorised
        signals = simulator.draw(5, np.random.default_rng(15))
        for row, ours in zip(simulator.problem.rows(signals.parameters), signals.data.numpy(), strict=True):
            theirs = by_bilby(simulator.likelihood, row)[:, simulator.view.grid.indices]
            assert np.abs(ours - theirs).max() < 1e-6 * np.abs(theirs).max()
        with pytest.raises(SimulationError, match=r"path='factorised'.*does not scale with luminosity_distance"):
            simulate(problem, path="factorised")
        with pytest.raises(SimulationError, match="flatten_snr=True needs the factorised path"):
            simulate(problem, flatten_snr=True)

    def test_calibration_goes_the_general_way(self, make_problem_hl):
        likelihood, priors = make_problem_hl()
        likelihood.interferometers[0].calibration_model = CubicSpline(
            "recalib_H1_", minimum_frequency=20, maximum_frequency=500, n_points=4
        )
        with pytest.raises(SimulationError, match="calibration model"):
            simulate((likelihood, priors), path="factorised")

    def test_missing_sky_position_goes_the_general_way_by_name(self, make_problem_hl):
        likelihood, priors = make_problem_hl()
        del priors["psi"]
        with pytest.raises(SimulationError, match=r"priors lack \['psi'\]"):
            simulate((likelihood, priors), path="factorised")

    def test_a_constraint_on_a_cheap_parameter_is_kept(self, make_problem_hl):
        """Parameters that a constraint ties to the masses cannot be drawn again."""
        likelihood, priors = make_problem_hl()
        priors["near"] = Constraint(0, 30.0)
        inner = priors.conversion_function
        priors.conversion_function = lambda sample: {
            **inner(sample), "near": np.asarray(sample["luminosity_distance"]) / np.asarray(sample["mass_1"])
        }  # fmt: skip
        simulator = simulate((likelihood, priors))
        drawn = simulator.draw(500, np.random.default_rng(16)).parameters
        assert np.all(drawn["luminosity_distance"] / drawn["mass_1"] < 30)
        assert len(np.unique(drawn["luminosity_distance"])) <= 60
        assert len(np.unique(drawn["phase"])) == 500


class TestFailures:
    def test_waveforms_that_fail_are_left_out(self, problem_5d):
        simulator = simulate(with_model(problem_5d, failing_above_70), n_waveforms=200)
        assert 50 < len(simulator.stored) < 200
        assert simulator.draw(100, np.random.default_rng(17)).parameters["mass_1"].max() < 70

    def test_a_generator_that_fails_mostly_is_refused(self, problem_5d):
        with pytest.raises(SimulationError, match=r"failed for \d+ of \d+ draws.*'mass_1'"):
            simulate(with_model(problem_5d, failing_above_45), n_waveforms=200)

    @pytest.mark.parametrize("marginalised", ["phase", "time"])
    def test_a_marginalised_likelihood_is_refused(self, problem_5d, marginalised):
        likelihood, priors = problem_5d
        changed = copy.deepcopy(priors)
        with_marginalisation = GravitationalWaveTransient(
            InterferometerList(list(likelihood.interferometers)),
            likelihood.waveform_generator,
            priors=changed,
            **{f"{marginalised}_marginalization": True},
        )
        with pytest.raises(SimulationError, match=rf"marginalised over \['.*{marginalised}.*'\]"):
            simulate((with_marginalisation, changed))
