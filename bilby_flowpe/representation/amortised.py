r"""Representation for networks that serve many noise curves: data weighted by the event's curve, and the curve itself.

With :math:`S_0` the curve that the basis :math:`b` was made for and S that of the event, the inner products :math:`\langle b,
d \rangle_S` of all signals in the span of b with the data are those of the whitened data times :math:`\sqrt{S_0/S}` with the
whitened basis: no signal's likelihood needs more of the data, whatever the curve. The norms of signals change with the curve,
which the network is told by the leading components of the curve's logarithm, averaged over bands.
"""

from __future__ import annotations

import numpy as np
import torch

from ..errors import ConfigurationError
from ..problem.data import SignalSource
from ..waves.grid import Grid
from .aligned import AlignedRepresentation
from .base import Representation
from .config import RepresentationConfig
from .pivot import Pivot

# Bands, evenly spaced in ln f, over which the logarithm of a curve is averaged: more resolve narrower lines
_BANDS = 48
# Components of the curve that a network is told, for each detector: more keep more of it, fewer learn faster
_COMPONENTS = 24
_FIT = 4096  # curves that the components are fitted to, many more than there are bands


class AmortisedRepresentation(Representation):
    """Aligned and compressed data under their own noise curve, together with the compressed curve.

    Parameters
    ----------
    aligned
        Alignment and compression of the data.
    components
        Number of components K of each detector's noise curve.
    """

    log_reference: torch.Tensor
    curve_mean: torch.Tensor
    curve_basis: torch.Tensor

    def __init__(self, aligned: AlignedRepresentation, components: int) -> None:
        detectors, bins = aligned.aligner.templates.shape[1:]
        super().__init__(aligned.features + detectors * components)
        self.aligned = aligned
        self.register_buffer("log_reference", torch.zeros(detectors, bins))
        self.register_buffer("curve_mean", torch.zeros(detectors, bins))
        self.register_buffer("curve_basis", torch.zeros(detectors, bins, components))

    @classmethod
    def fit(
        cls,
        bank: SignalSource,
        config: RepresentationConfig,
        with_angle: bool,
        rng: np.random.Generator,
        generator: torch.Generator,
    ) -> AmortisedRepresentation:
        """Choose alignment and basis from signals under the likelihood's curve, and components from curves of the family.

        Raises
        ------
        ConfigurationError
            If all data have the same noise curve.
        """
        if (log_curves := bank.view.log_curves) is None:
            raise ConfigurationError("representation kind='amortised' needs many noise curves: use psd='amortised'")
        aligned = AlignedRepresentation.fit(bank.under_own_curves(), config, with_angle, rng, generator)
        detectors = len(bank.view.detectors)
        curves = torch.cat([bank.draw(512, rng).data[:, detectors:].real for _ in range(_FIT // 512)])
        reference = torch.as_tensor(log_curves).float()
        moved = (curves - reference).double()
        mean = moved.mean(dim=0)
        bands = _bands(bank.view.grid)
        bases = []
        for index in range(detectors):
            # Directions in which the bands vary most, as weights of the frequency bins.
            of_bands = (moved[:, index] - mean[index]) @ bands
            vectors = torch.linalg.eigh(of_bands.T @ of_bands).eigenvectors.flip(-1)[:, :_COMPONENTS]
            bases.append(bands @ vectors)
        representation = cls(aligned, min(_COMPONENTS, bands.shape[1]))
        representation.log_reference.copy_(reference)
        representation.curve_mean.copy_(mean)
        representation.curve_basis.copy_(torch.stack(bases))
        representation.standardise(bank.add_noise(bank.draw(4 * 2048, rng).data, generator))
        return representation

    @classmethod
    def empty(cls, grid: Grid, sizes: dict[str, int]) -> AmortisedRepresentation:
        """Make a representation of the same shape, into which trained buffers are loaded."""
        return cls(AlignedRepresentation.empty(grid, sizes), sizes["curve_components"])

    def sizes(self) -> dict[str, int]:
        """Return the sizes that :meth:`empty` needs."""
        return {**self.aligned.sizes(), "curve_components": self.curve_basis.shape[2]}

    def compute(self, data: torch.Tensor) -> tuple[torch.Tensor, Pivot]:
        """Return features of the data, then of the curves, (N, C), and the pivot, for stacked data (N, 2 D, F)."""
        whitened, moved = self._split(data)
        features, pivot = self.aligned.compute(whitened * torch.exp(-0.5 * moved))
        curves = torch.einsum("ndf,dfk->ndk", moved - self.curve_mean, self.curve_basis).flatten(1)
        return torch.cat([features, curves], dim=-1), pivot

    @torch.no_grad()
    def log_likelihood_found(self, data: torch.Tensor) -> np.ndarray:
        """Return half the squared signal-to-noise ratio of the best template, normalised under each event's curve, (N,)."""
        whitened, moved = self._split(data)
        inverse = torch.exp(-moved)
        found = self.aligned.aligner.squared_snr(whitened * inverse.sqrt(), inverse)
        return 0.5 * found.sum(dim=-1).double().numpy()

    def _split(self, data: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return whitened data, and logarithms of the curves minus those of the reference, (N, D, F) each."""
        whitened, log_psd = data.split(len(self.log_reference), dim=1)
        return whitened, log_psd.real - self.log_reference


def _bands(grid: Grid) -> torch.Tensor:
    """Return the matrix of means over bands that are evenly spaced in the log of the frequency, (F, B) float64."""
    frequencies = torch.as_tensor(grid.frequencies)
    edges = np.geomspace(frequencies[0], frequencies[-1] * (1 + 1e-9), _BANDS + 1)
    band = torch.bucketize(frequencies, torch.as_tensor(edges[1:-1]), right=True)
    member = torch.nn.functional.one_hot(band, _BANDS).double()
    member = member[:, member.sum(dim=0) > 0]
    return member / member.sum(dim=0)
