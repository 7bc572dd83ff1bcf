"""Alignment: equivariant under shifts and turns to rounding, a function of the data alone, and close to the truth."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bilby_flowpe.errors import NotFittedError
from bilby_flowpe.representation import RepresentationConfig
from bilby_flowpe.representation.align import Aligner
from bilby_flowpe.representation.aligned import AlignedRepresentation
from bilby_flowpe.simulation.signal_bank import SignalBank
from bilby_flowpe.waves.shifts import time_shift

Fitted = tuple[SignalBank, Aligner]


def fit(simulator: SignalBank) -> Aligner:
    signals = simulator.draw(512, np.random.default_rng(1))
    return Aligner.fit(
        simulator.view.grid,
        signals.data,
        simulator.view.arrival(signals.parameters),
        simulator.view.arrival_range(),
        simulator.view.light_travel_times(),
        8,
    )


@pytest.fixture(scope="module")
def one(simulator_5d: SignalBank) -> Fitted:
    return simulator_5d, fit(simulator_5d)


@pytest.fixture(scope="module")
def two(simulator_hl: SignalBank) -> Fitted:
    return simulator_hl, fit(simulator_hl)


@pytest.fixture(params=["one", "two"])
def fitted(request: pytest.FixtureRequest) -> Fitted:
    return request.getfixturevalue(request.param)


def noisy(simulator: SignalBank, size: int = 60, loudness: float = 20.0) -> tuple[torch.Tensor, np.ndarray]:
    """Signals of one signal-to-noise ratio in noise, away from the ends of the window, and their arrival times."""
    signals = simulator.draw(8 * size, np.random.default_rng(2))
    arrival = simulator.view.arrival(signals.parameters)
    low, high = simulator.view.arrival_range()
    inner = np.flatnonzero(np.all((arrival > low + 0.05) & (arrival < high - 0.05), axis=1))[:size]
    data = signals.data[inner]
    data = data * loudness / data.abs().square().sum((1, 2), keepdim=True).sqrt()
    return simulator.add_noise(data, torch.Generator().manual_seed(3)), arrival[inner]


def turned(angle: torch.Tensor) -> torch.Tensor:
    """Angles brought to [-pi, pi)."""
    return (angle + np.pi) % (2 * np.pi) - np.pi


@pytest.mark.parametrize("steps", [-15, 1, 15])
@pytest.mark.parametrize("angle", [0.0, 2.5])
def test_a_shift_and_a_turn_of_the_data_are_taken_out_exactly(fitted, steps, angle):
    """Data are shifted by a whole number of the search's time steps: the same samples are seen, and only rounding differs."""
    simulator, aligner = fitted
    data, _ = noisy(simulator)
    step = float(aligner.times[1] - aligner.times[0])
    assert abs(steps) * step < 0.05
    moved = data * time_shift(simulator.view.grid, steps * step) * np.exp(1j * angle)
    (aligned, features, pivot), (aligned_moved, features_moved, pivot_moved) = aligner(data), aligner(moved)
    # The filter's output is good to 1e-6 in single precision; the parabola divides its logarithm's differences, of the
    # order of that, by a curvature of the order of a tenth.
    assert float((pivot_moved.time - pivot.time - steps * step).abs().max()) < 1e-4 * step
    assert float(turned(pivot_moved.angle - pivot.angle - angle).abs().max()) < 1e-3
    # What the network sees of the data stays, against noise of unit variance.
    assert float((aligned_moved - aligned).abs().max()) < 5e-3
    difference = features_moved - features
    detectors = data.shape[1]
    half = float(aligner.times[-1] - aligner.times[0]) / 2
    expected = torch.zeros(features.shape[1])
    expected[detectors] = steps * step / half
    assert float((difference - expected).abs().max()) < 1e-3


def test_a_shift_by_a_part_of_a_step_is_followed_by_the_parabola(one):
    simulator, aligner = one
    data, _ = noisy(simulator, loudness=100.0)
    step = float(aligner.times[1] - aligner.times[0])
    template, reference = aligner._search(data)
    for part in (0.25, 0.5, 0.7):
        chosen, time = aligner._search(data * time_shift(simulator.view.grid, part * step))
        same = chosen == template  # Between samples another template may come out ahead.
        assert float(same.float().mean()) > 0.8
        # Two samples a cycle of the highest frequency: the logarithm of the peak is a parabola to a few parts in a hundred.
        assert float((time - reference - part * step)[same].abs().max()) < 0.05 * step


def test_filters_are_inner_products_at_every_time(fitted):
    """One product of real matrices agrees with shifting each template in double precision."""
    simulator, aligner = fitted
    data, _ = noisy(simulator, 3)
    power = aligner._matched_filter_power(data)
    kept = slice(aligner.kept)
    for time in (0, len(aligner.times) // 2, len(aligner.times) - 1):
        angles = 2 * np.pi * aligner.grid.frequencies[kept] * float(aligner.times[time])
        shifted = data[..., kept].numpy() * np.exp(1j * angles)
        exact = np.abs(np.einsum("kdf,ndf->nkd", aligner.templates[..., kept].numpy().conj(), shifted)) ** 2
        np.testing.assert_allclose(power[..., time].numpy(), exact, rtol=1e-3, atol=1e-4 * exact.max())


def test_pivot_is_a_function_of_the_data_alone(fitted):
    simulator, aligner = fitted
    data, _ = noisy(simulator, 20)
    torch.manual_seed(0)
    _, features, pivot = aligner(data)
    torch.manual_seed(1)
    _, again, alone = aligner(data[7:8])
    # Batches of another size sum in another order.
    assert float((alone.time - pivot.time[7:8]).abs()) < 1e-8
    assert float(turned(alone.angle - pivot.angle[7:8]).abs()) < 1e-5
    torch.testing.assert_close(again, features[7:8], atol=1e-5, rtol=1e-5)


def test_a_template_is_found_where_it_was_put(one):
    """A signal that is a template to begin with: its time, angle and loudness are known."""
    simulator, aligner = one
    rng = np.random.default_rng(4)
    low, high = simulator.view.arrival_range()
    size = 40
    chosen = torch.as_tensor(rng.integers(len(aligner.templates), size=size))
    time, angle, snr = rng.uniform(low, high, size), rng.uniform(-np.pi, np.pi, size), rng.uniform(10, 50, size)
    data = (
        aligner.templates[chosen]
        * time_shift(simulator.view.grid, time[:, None])
        * torch.as_tensor(snr * np.exp(1j * angle))[:, None, None]
    )
    aligned, features, pivot = aligner(data.to(torch.complex64))
    step = float(aligner.times[1] - aligner.times[0])
    error = pivot.time.numpy() - time
    assert np.abs(error).max() < 0.05 * step
    # A small error of the time is one of the angle, 2 pi f times it with f at most the highest frequency searched: pi / 20.
    assert float(turned(pivot.angle - torch.as_tensor(angle)).abs().max()) < np.pi / 20
    np.testing.assert_allclose(features[:, 0].exp(), snr, rtol=1e-2)
    overlap = (aligned.conj() * aligner.templates[chosen]).sum((1, 2)).real / torch.as_tensor(snr)
    assert float(overlap.min()) > 0.99


def test_loud_signals_are_found(fitted):
    simulator, aligner = fitted
    data, arrival = noisy(simulator, loudness=25.0)
    _, time = aligner.locate(data)
    # A template of other masses fits best a few milliseconds off; the prior is 200 ms wide.
    error = np.abs(time[:, 0].numpy() - arrival[:, 0])
    assert np.median(error) < 0.005
    assert np.quantile(error, 0.9) < 0.02


def test_noise_alone_has_a_pivot_inside_the_search(fitted):
    simulator, aligner = fitted
    data = simulator.add_noise(
        torch.zeros(200, len(simulator.view.detectors), len(simulator.view.grid), dtype=torch.complex64),
        torch.Generator().manual_seed(5),
    )
    _, features, pivot = aligner(data)
    assert torch.all(torch.isfinite(features))
    step = float(aligner.times[1] - aligner.times[0])
    assert float(pivot.time.min()) >= float(aligner.times[0]) - step
    assert float(pivot.time.max()) <= float(aligner.times[-1]) + step


@pytest.mark.parametrize("loudness", [0.0, 8.0, 30.0])
def test_the_other_detectors_time_is_within_the_light_travel_time(two, loudness):
    simulator, aligner = two
    data, _ = noisy(simulator, 200, loudness)
    _, time = aligner.locate(data)
    step = float(aligner.times[1] - aligner.times[0])
    reach = simulator.view.light_travel_times()[1]
    # Rounded up to steps, one more to be sure, and interpolation by a step at most in either detector.
    assert float((time[:, 1] - time[:, 0]).abs().max()) <= reach + 4 * step


def test_times_of_loud_signals_differ_as_their_arrivals_do(two):
    simulator, aligner = two
    data, arrival = noisy(simulator, 100, 60.0)
    _, time = aligner.locate(data)
    error = (time[:, 1] - time[:, 0]).numpy() - (arrival[:, 1] - arrival[:, 0])
    # One template serves both detectors, so that what it is wrong in cancels. Some signals hardly reach one of the two.
    assert np.quantile(np.abs(error), 0.75) < 1e-3


def test_the_pivot_follows_the_phase_parameter(one):
    """For one wave at many phases and times, the angle found minus the true angle is constant."""
    simulator, aligner = one
    size, rng = 30, np.random.default_rng(6)
    low, high = simulator.view.arrival_range()
    step = float(aligner.times[1] - aligner.times[0])
    wave = simulator.draw(1, rng)
    steps = np.round(rng.uniform(-0.05, 0.05, size) / step) * step
    start = 0.5 * (low + high) - simulator.view.arrival(wave.parameters)[0, 0]
    turn = rng.uniform(0, 2 * np.pi, size)
    order = simulator.symmetries.phase_order
    data = (
        wave.data
        * time_shift(simulator.view.grid, (start + steps)[:, None])
        * torch.as_tensor(np.exp(1j * order * turn))[:, None, None]
    )
    pivot = aligner(data.to(torch.complex64))[2]
    offset = np.exp(1j * order * (pivot.phase(order) - turn))
    np.testing.assert_allclose(offset, offset[0], atol=1e-3)
    later = pivot.time.numpy() - steps
    np.testing.assert_allclose(later, later[0], atol=1e-4 * step)


def test_shapes_and_state(fitted):
    simulator, aligner = fitted
    data, _ = noisy(simulator, 5)
    _, features, _ = aligner(data)
    assert features.shape == (5, aligner.features)
    assert features.dtype == torch.float32
    templates, detectors, _ = aligner.templates.shape
    empty = Aligner(simulator.view.grid, detectors, templates, len(aligner.times), aligner.kept)
    with pytest.raises(NotFittedError, match="no templates"):
        empty(data)
    empty.load_state_dict(aligner.state_dict())
    torch.testing.assert_close(empty(data)[1], features)


def test_templates_are_of_unit_norm_and_spread_out(one):
    _, aligner = one
    norms = torch.linalg.vector_norm(aligner.templates, dim=-1)
    torch.testing.assert_close(norms, torch.ones_like(norms))
    assert len(torch.unique(aligner.templates.real, dim=0)) == 8


class TestRepresentation:
    @pytest.fixture(scope="class")
    def representation(self, simulator_5d):
        config = RepresentationConfig(n_fit=4096, max_components=64)
        rng, generator = np.random.default_rng(7), torch.Generator().manual_seed(7)
        return AlignedRepresentation.fit(simulator_5d, config, True, rng, generator)

    def test_context_is_standardised(self, representation, simulator_5d):
        signals = simulator_5d.draw(4000, np.random.default_rng(8)).data
        context, pivot = representation(simulator_5d.add_noise(signals, torch.Generator().manual_seed(8)))
        assert context.shape == (4000, representation.features)
        assert len(pivot.time) == 4000
        # Location and scale from 8192 other draws. Some coefficients have heavy tails (loud signals).
        assert float(context.mean(0).abs().max()) < 0.15
        assert float((context.std(0) - 1).abs().max()) < 0.3

    def test_turn_leaves_all_but_the_angle(self, representation, simulator_5d):
        data, _ = noisy(simulator_5d, 30)
        (context, pivot), (moved, pivot_moved) = representation(data), representation(data * np.exp(1.2j))
        torch.testing.assert_close(moved[:, :-2], context[:, :-2], atol=1e-3, rtol=1e-3)
        assert float(turned(pivot_moved.angle - pivot.angle - 1.2).abs().max()) < 1e-4
        assert float((moved[:, -2:] - context[:, -2:]).abs().max()) > 0.5

    def test_reloads(self, representation, simulator_5d):
        data, _ = noisy(simulator_5d, 5)
        empty = AlignedRepresentation.empty(simulator_5d.view.grid, representation.sizes())
        with pytest.raises(NotFittedError, match="not been fitted"):
            empty(data)
        empty.load_state_dict(representation.state_dict())
        torch.testing.assert_close(empty(data)[0], representation(data)[0])
