"""Compression on the span of the signals, against linear algebra in double precision."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bilby_flowpe.errors import NotFittedError
from bilby_flowpe.representation.compress import Compressor


def complex_signals(
    size: int, dimension: int, frequencies: int = 40, detectors: int = 2, seed: int = 1
) -> torch.Tensor:
    """Signals (N, D, F) in a real subspace of ``dimension`` in each detector."""
    rng = np.random.default_rng(seed)
    basis = np.random.default_rng(99).standard_normal((detectors, dimension, 2 * frequencies))
    flat = np.einsum("ndk,dkf->ndf", rng.standard_normal((size, detectors, dimension)), basis)
    return torch.view_as_complex(torch.as_tensor(flat, dtype=torch.float32).reshape(size, detectors, frequencies, 2))


def chirps(size: int, seed: int) -> torch.Tensor:
    """Signals (N, 1, F) that depend smoothly on one parameter: singular values fall off, but never to zero."""
    centre = np.random.default_rng(seed).uniform(5, 15, (size, 1))
    frequency = np.arange(60)
    wave = 20 * np.exp(-0.5 * ((frequency - 2 * centre) / 6) ** 2 + 1j * frequency * centre / 10)
    return torch.as_tensor(wave[:, None], dtype=torch.complex64)


def real(signals: torch.Tensor) -> np.ndarray:
    return torch.view_as_real(signals).flatten(-2).double().numpy()


def test_a_linear_subspace_is_captured_exactly():
    compressor = Compressor.fit(complex_signals(200, 7), complex_signals(50, 7, seed=2), tolerance=1e-3, maximum=64)
    assert compressor.basis.shape == (2, 80, 7)
    trial = complex_signals(20, 7, seed=3)
    coefficients = compressor(trial).double().numpy().reshape(20, 2, 7)
    rebuilt = np.einsum("ndk,dfk->ndf", coefficients, compressor.basis.double().numpy())
    # Single precision: 6e-8 relative for each of eighty terms.
    np.testing.assert_allclose(rebuilt, real(trial), atol=1e-5 * np.abs(real(trial)).max())


def test_one_dimension_too_few_is_seen_in_the_loss():
    compressor = Compressor.fit(complex_signals(200, 7), complex_signals(50, 7, seed=2), tolerance=1e-3, maximum=6)
    assert compressor.features == 12
    assert float(compressor.worst_loss) > 1


def test_basis_is_orthonormal():
    compressor = Compressor.fit(chirps(400, 1), chirps(100, 2), tolerance=0.02, maximum=64)
    gram = compressor.basis.mT @ compressor.basis
    torch.testing.assert_close(gram, torch.eye(gram.shape[-1]).expand_as(gram), atol=1e-5, rtol=0)


@pytest.mark.parametrize("tolerance", [2.0, 0.1, 0.02])
def test_reported_loss_is_that_of_the_held_out_signals_and_within_the_tolerance(tolerance):
    held_out = chirps(100, 2)
    compressor = Compressor.fit(chirps(400, 1), held_out, tolerance=tolerance, maximum=64)
    values, basis = real(held_out)[:, 0], compressor.basis[0].double().numpy()
    residual = values - (values @ basis) @ basis.T
    lost = np.sum(residual**2, axis=1)
    # A squared signal-to-noise ratio of 4e3 in single precision: 1e-3 absolute at most.
    assert float(compressor.worst_loss) == pytest.approx(lost.max(), abs=1e-3)
    assert float(compressor.mean_loss) == pytest.approx(lost.mean(), abs=1e-3)
    assert float(compressor.worst_loss) <= tolerance
    # No more components than it takes.
    shorter = basis[:, :-1]
    assert np.max(np.sum((values - (values @ shorter) @ shorter.T) ** 2, axis=1)) > tolerance - 1e-3


def test_components_are_the_leading_singular_vectors():
    signals = chirps(400, 1)
    compressor = Compressor.fit(signals, chirps(100, 2), tolerance=0.1, maximum=64)
    leading = np.linalg.svd(real(signals)[:, 0], full_matrices=False)[2][: compressor.features].T
    cosines = np.linalg.svd(leading.T @ compressor.basis[0].double().numpy(), compute_uv=False)
    np.testing.assert_allclose(cosines, 1, atol=1e-4)


def test_noise_stays_white_in_the_coefficients():
    compressor = Compressor.fit(chirps(400, 1), chirps(100, 2), tolerance=0.1, maximum=64)
    noise = torch.view_as_complex(torch.randn(8000, 1, 60, 2, generator=torch.Generator().manual_seed(1)))
    coefficients = compressor(noise).double()
    covariance = coefficients.T @ coefficients / 8000
    # Entries of a sample covariance scatter by 1/sqrt(N), the diagonal's by sqrt(2/N).
    assert float((covariance - torch.eye(len(covariance))).abs().max()) < 5 * (2 / 8000) ** 0.5


def test_nothing_is_lost_of_the_likelihood():
    """A sufficient statistic: projecting data and signal leaves their inner product as it is."""
    compressor = Compressor.fit(chirps(400, 1), chirps(100, 2), tolerance=0.02, maximum=64)
    signal = chirps(30, 3)
    noise = torch.view_as_complex(torch.randn(30, 1, 60, 2, generator=torch.Generator().manual_seed(2)))
    whole = np.sum(real(signal + noise) * real(signal), axis=(1, 2))
    projected = torch.sum(compressor(signal + noise).double() * compressor(signal).double(), dim=1).numpy()
    # What is lost is <d, h'> with |h'|^2 below the tolerance: five of its standard deviations, and twice the tolerance for
    # signals that were not held out.
    assert np.abs(whole - projected).max() < 5 * 0.04**0.5


def test_real_data():
    rng = np.random.default_rng(4)
    basis = rng.standard_normal((3, 25))
    signals = torch.as_tensor(rng.standard_normal((100, 3)) @ basis, dtype=torch.float32)[:, None]
    compressor = Compressor.fit(signals[:80], signals[80:], tolerance=1e-4, maximum=25)
    assert compressor.basis.shape == (1, 25, 3)
    np.testing.assert_allclose(compressor(signals).square().sum(1), signals.square().sum((1, 2)), rtol=1e-5)


def test_unfitted_raises_and_a_loaded_one_does_not():
    fitted = Compressor.fit(chirps(400, 1), chirps(100, 2), tolerance=0.1, maximum=64)
    empty = Compressor(1, 120, fitted.basis.shape[2])
    with pytest.raises(NotFittedError, match="basis of the compression is empty"):
        empty(chirps(3, 3))
    empty.load_state_dict(fitted.state_dict())
    torch.testing.assert_close(empty(chirps(3, 3)), fitted(chirps(3, 3)))
    assert float(empty.worst_loss) == float(fitted.worst_loss)
