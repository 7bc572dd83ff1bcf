"""Many noise curves: the family, data whitened by each, and what the network is shown of both."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from bilby.gw.detector import PowerSpectralDensity

from bilby_flowpe.errors import DataError
from bilby_flowpe.kinds import problem_of
from bilby_flowpe.representation import RepresentationConfig
from bilby_flowpe.representation.amortised import AmortisedRepresentation
from bilby_flowpe.simulation import SimulationConfig
from bilby_flowpe.simulation.amortised import AmortisedBank
from bilby_flowpe.simulation.noise_family import NoiseFamily, read_curves
from bilby_flowpe.waves.shifts import time_shift

pytestmark = pytest.mark.training  # features are fitted to data of many noise curves

CONFIG = SimulationConfig(n_waveforms=200, psd="amortised")
FREQUENCIES = np.arange(20.0, 500.0, 0.25)


@pytest.fixture(scope="module")
def low(make_problem_hl) -> Callable:
    """Makes the problem of two detectors up to 128 Hz, for speed."""

    def make():
        likelihood, _ = make_problem_hl()
        for interferometer in likelihood.interferometers:
            interferometer.maximum_frequency = 128.0
        return likelihood

    return make


@pytest.fixture(scope="module")
def simulator(low, transform_hl) -> AmortisedBank:
    return problem_of(low(), transform_hl).bank(CONFIG, seed=3, progress=False)


def test_family_is_scaled_tilted_smooth_and_has_lines() -> None:
    reference = np.stack([np.full(len(FREQUENCIES), -100.0), np.full(len(FREQUENCIES), -90.0)])
    family = NoiseFamily(FREQUENCIES, reference, np.random.default_rng(1))
    drawn = family.draw(400, np.random.default_rng(2)) - reference
    assert drawn.shape == (400, 2, len(FREQUENCIES))
    assert np.all(np.isfinite(drawn))
    smooth = np.median(drawn, axis=-1)
    assert 0.25 < smooth.std() < 0.6
    # The detectors have curves of their own.
    assert abs(np.corrcoef(smooth[:, 0], smooth[:, 1])[0, 1]) < 0.2
    peaks = drawn.max(axis=-1) - np.quantile(drawn, 0.9, axis=-1)
    assert np.mean(peaks > 1) > 0.6
    assert np.mean(peaks < 0.5) < 0.3


def test_signals_and_noise_are_whitened_by_the_curve_at_hand(simulator: AmortisedBank) -> None:
    """The same waves under the reference, scaled; noise of unit variance whatever the curve."""
    drawn = simulator.draw(64, np.random.default_rng(4))
    plain = simulator.under_own_curves().draw(64, np.random.default_rng(4))
    np.testing.assert_array_equal(drawn.parameters["mass_1"], plain.parameters["mass_1"])
    whitened, log_psd = drawn.data.split(2, dim=1)
    back = whitened * torch.exp(0.5 * (log_psd.real - torch.as_tensor(simulator.view.log_curves))).float()
    assert torch.allclose(back, plain.data, rtol=1e-3, atol=1e-5 * float(plain.data.abs().max()))
    noisy = simulator.add_noise(drawn.data, torch.Generator().manual_seed(5))
    noise = (noisy - drawn.data)[:, :2]
    inside = simulator.view.mask > 0
    assert float(noise.real[:, inside].var()) == pytest.approx(1, abs=0.02)
    assert torch.equal(noisy[:, 2:], drawn.data[:, 2:])


def test_what_is_observed_has_its_own_curve(low, transform_hl, simulator: AmortisedBank) -> None:
    likelihood = low()
    for interferometer in likelihood.interferometers:
        interferometer.power_spectral_density = PowerSpectralDensity(
            frequency_array=interferometer.frequency_array, psd_array=4 * interferometer.power_spectral_density_array
        )
    other = problem_of(likelihood, transform_hl).view(simulator.view.grid, CONFIG.psd)
    whitened, log_psd = np.split(other.observe(), 2)
    reference, log_reference = np.split(simulator.view.observe(), 2)
    inside = simulator.view.mask > 0
    np.testing.assert_allclose((log_psd - log_reference).real[inside], np.log(4.0), rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(whitened[inside], reference[inside] / 2, rtol=1e-5, atol=1e-5)


@pytest.fixture(scope="module")
def representation(simulator: AmortisedBank) -> AmortisedRepresentation:
    config = RepresentationConfig(kind="amortised", n_fit=4096, max_components=48)
    return AmortisedRepresentation.fit(
        simulator, config, False, np.random.default_rng(6), torch.Generator().manual_seed(6)
    )


def test_features_hold_the_inner_products(simulator, representation) -> None:
    """The product of a template with data under their own curve is a linear function of the features of the aligned data."""
    drawn = simulator.draw(16, np.random.default_rng(7))
    data = simulator.add_noise(drawn.data, torch.Generator().manual_seed(7))
    features, pivot = representation.compute(data)
    whitened, moved = representation._split(data)
    aligned, _, _ = representation.aligned.aligner(whitened * torch.exp(-0.5 * moved))
    template = representation.aligned.aligner.templates[0]
    direct = (template.conj() * aligned).sum(dim=-1).real
    basis = representation.aligned.compressor.basis
    numbers = torch.view_as_real(template).flatten(-2)
    through = torch.einsum(
        "dk,ndk->nd", torch.einsum("df,dfk->dk", numbers, basis), features[:, : 2 * basis.shape[2]].view(16, 2, -1)
    )
    assert torch.allclose(direct, through, atol=0.02 * float(direct.abs().max()))
    assert pivot is not None


def test_found_likelihood_is_that_of_the_template(simulator, representation) -> None:
    """Half the squared signal-to-noise ratio of a template, with its norm under the curve: a template alone has its own."""
    aligner = representation.aligned.aligner
    template = aligner.templates[2]
    middle = 0.5 * (aligner.times[0] + aligner.times[-1])
    moved = torch.full(template.shape, 0.7)
    signal = 30 * template * time_shift(simulator.view.grid, middle) * torch.exp(-0.5 * moved)
    log_psd = torch.as_tensor(simulator.view.log_curves).float() + moved
    data = torch.cat([signal, log_psd.to(torch.complex64)], dim=0)[None]
    expected = 0.5 * float(signal.abs().square().sum())
    assert representation.log_likelihood_found(data)[0] == pytest.approx(expected, rel=0.01)


def test_curves_are_told_apart(simulator, representation) -> None:
    """The features of the curve alone tell its scale in either detector."""
    drawn = simulator.draw(1024, np.random.default_rng(8)).data
    features, _ = representation.compute(drawn)
    of_curves = features[:, -2 * representation.curve_basis.shape[2] :].double().numpy()
    truth = np.mean(drawn[:, 2:].real.numpy() - simulator.view.log_curves, axis=-1)
    design = np.column_stack([of_curves, np.ones(len(of_curves))])
    fit, *_ = np.linalg.lstsq(design[:512], truth[:512], rcond=None)
    left = truth[512:] - design[512:] @ fit
    assert np.all(left.std(axis=0) < 0.15 * truth.std(axis=0))


def test_sizes_make_an_empty_one(simulator, representation) -> None:
    empty = AmortisedRepresentation.empty(simulator.view.grid, representation.sizes())
    empty.load_state_dict(representation.state_dict())
    data = simulator.draw(4, np.random.default_rng(9)).data
    assert torch.equal(empty(data)[0], representation(data)[0])


def test_curves_of_a_folder(tmp_path: Path) -> None:
    for name, scale in (("PSD_H1_a", 1.0), ("PSD_H1_b", 3.0), ("PSD_L1_a", 2.0)):
        frequencies = np.arange(10.0, 600.0)
        np.savetxt(tmp_path / f"{name}.txt", np.column_stack([frequencies, scale * 1e-46 * np.ones_like(frequencies)]))
    (curves,) = read_curves(tmp_path, ["H1"], FREQUENCIES)
    np.testing.assert_allclose(curves[:, 0], np.log([1e-46, 3e-46]))
    frequencies = np.arange(600.0, 9.0, -1.0)
    np.savetxt(tmp_path / "PSD_V1_a.txt", np.column_stack([frequencies, 1e-46 * frequencies]))
    np.savetxt(tmp_path / "PSD_V1_b.txt", np.column_stack([frequencies[::-1], 1e-46 * frequencies[::-1]]))
    (falling,) = read_curves(tmp_path, ["V1"], FREQUENCIES)
    np.testing.assert_allclose(falling[0], falling[1])
    with pytest.raises(DataError, match=r"has 1 noise curves \*L1\*.txt: give at least 2"):
        read_curves(tmp_path, ["H1", "L1"], FREQUENCIES)
    (tmp_path / "PSD_L1_b.txt").write_text("no numbers\n")
    with pytest.raises(DataError, match="not a noise curve of two columns"):
        read_curves(tmp_path, ["L1"], FREQUENCIES)
    with pytest.raises(DataError, match="covers 10 to 599 Hz"):
        read_curves(tmp_path, ["H1"], np.arange(5.0, 100.0))
    np.savetxt(tmp_path / "PSD_L1_b.txt", np.column_stack([np.arange(10.0, 600.0), np.zeros(590)]))
    with pytest.raises(DataError, match="not positive and finite"):
        read_curves(tmp_path, ["L1"], FREQUENCIES)
