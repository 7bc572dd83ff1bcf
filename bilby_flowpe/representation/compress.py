"""Compression on the span of the signals, which for white noise is a sufficient statistic.

The number of components is chosen by the largest loss of squared signal-to-noise ratio among held-out signals. The losses are
stored with the model.
"""

from __future__ import annotations

import torch
from torch import nn

from ..errors import NotFittedError


class Compressor(nn.Module):
    """Projection of each detector's data on a real orthonormal basis.

    Parameters
    ----------
    detectors, numbers, components
        Number of detectors D, of real numbers in the data of each (two for each frequency), and of components K.
    """

    basis: torch.Tensor
    worst_loss: torch.Tensor
    mean_loss: torch.Tensor
    fitted: torch.Tensor

    def __init__(self, detectors: int, numbers: int, components: int) -> None:
        super().__init__()
        self.register_buffer("basis", torch.zeros(detectors, numbers, components))
        self.register_buffer("worst_loss", torch.tensor(torch.nan))
        self.register_buffer("mean_loss", torch.tensor(torch.nan))
        self.register_buffer("fitted", torch.tensor(False))

    @property
    def features(self) -> int:
        """Number of features, D times K."""
        return self.basis.shape[0] * self.basis.shape[2]

    @classmethod
    def fit(cls, signals: torch.Tensor, held_out: torch.Tensor, tolerance: float, maximum: int) -> Compressor:
        """Choose the basis from aligned, noise-free ``signals``.

        Parameters
        ----------
        signals, held_out
            Whitened signals, (N, D, F) complex or (N, D, M) real; the second set scores the basis.
        tolerance
            Largest loss of squared signal-to-noise ratio allowed on any held-out signal.
        maximum
            Largest number of components for each detector.
        """
        samples, trial = _real(signals), _real(held_out)
        detectors = samples.shape[1]
        bases, lost = [], []
        for index in range(detectors):
            gram = samples[:, index].T.double() @ samples[:, index].double()
            vectors = torch.linalg.eigh(gram).eigenvectors.flip(-1)[:, :maximum].float()
            captured = (trial[:, index] @ vectors).double().square().cumsum(-1)
            bases.append(vectors)
            lost.append(trial[:, index].double().square().sum(-1, keepdim=True) - captured)
        total = torch.stack(lost).sum(0)
        enough = (total.max(dim=0).values <= tolerance).nonzero()
        count = int(enough[0]) + 1 if len(enough) else maximum
        compressor = cls(detectors, samples.shape[-1], count)
        compressor.basis.copy_(torch.stack(bases)[..., :count])
        compressor.worst_loss.fill_(float(total[:, count - 1].max()))
        compressor.mean_loss.fill_(float(total[:, count - 1].mean()))
        compressor.fitted.fill_(True)
        return compressor

    def forward(self, data: torch.Tensor) -> torch.Tensor:
        """Return coefficients (N, D K) of complex data (N, D, F) or real data (N, D, M)."""
        if not self.fitted:
            raise NotFittedError(
                "the basis of the compression is empty: fit the representation, or load a trained model"
            )
        return torch.einsum("ndf,dfk->ndk", _real(data), self.basis).flatten(1)


def _real(data: torch.Tensor) -> torch.Tensor:
    if data.is_complex():
        data = torch.view_as_real(data).flatten(-2)
    return data.to(torch.float32)
