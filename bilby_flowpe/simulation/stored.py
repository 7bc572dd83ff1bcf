"""Waveforms that are simulated once and stored with their parameters, from which batches are drawn."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..errors import MemoryLimitError
from ..priors import Parameters

if TYPE_CHECKING:
    import torch

_HELD_OUT = 10  # one waveform in ten is held out for validation
_CHUNK = 4096  # waveforms whose products are computed at once, which bounds the memory
# Fraction of the machine's memory that waveforms and training may take, which leaves half to other programs
_MEMORY_SHARE = 0.5
# Rows and arrays that a training needs in memory beside the bank: its largest batch (fit of the standardisation, validation),
# as noise-free, noisy and aligned data and one temporary array; and, in double precision, the matrix of the compression, its
# eigenvectors and a work space.
_LARGEST_BATCH, _COPIES, _MATRICES = 8192, 4, 3


@dataclass(frozen=True)
class StoredWaveforms:
    """Waveforms with their parameters.

    Attributes
    ----------
    waveforms
        Whitened polarisations (N, D, P, F), or responses of the detectors (N, D, F), complex64.
    parameters
        Search parameters that they were computed with, (N,) each.
    """

    waveforms: torch.Tensor
    parameters: Parameters

    def __len__(self) -> int:
        return len(self.waveforms)

    @property
    def n_training(self) -> int:
        """Number of waveforms for training: all but the last tenth, which is held out."""
        return len(self) - max(1, len(self) // _HELD_OUT)

    def choose(self, size: int, rng: np.random.Generator, held_out: bool) -> np.ndarray:
        """Draw indices (size,) of waveforms, either of those held out or of the others."""
        if held_out:
            return rng.integers(self.n_training, len(self), size=size)
        return rng.integers(self.n_training, size=size)

    def products(self) -> np.ndarray:
        """Return inner products of the stored polarisations with each other, (N, D, P, P) complex64."""
        values = self.waveforms.numpy()
        products = np.empty((*values.shape[:-1], values.shape[-2]), dtype=values.dtype)
        # In pieces, as the conjugate of a large bank needs as much memory again; into one array, since small results that are
        # allocated between large temporary arrays keep the memory of these from being freed.
        for first in range(0, len(values), _CHUNK):
            piece = values[first : first + _CHUNK]
            np.matmul(piece, piece.conj().swapaxes(-1, -2), out=products[first : first + _CHUNK])
        return products


def spare_memory() -> float:
    """Return the number of bytes that a training may take: half of the machine's memory."""
    return _MEMORY_SHARE * os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def check_memory(n_waveforms: int, numbers: int, detectors: int = 0, frequencies: int = 0) -> None:
    """Raise an error before any work if waveforms and training would not fit into the memory.

    Parameters
    ----------
    n_waveforms
        Waveforms to be stored.
    numbers
        Complex numbers in each waveform.
    detectors, frequencies
        Numbers of detectors and of frequencies in the data, from which the memory of a training is computed.

    Raises
    ------
    MemoryLimitError
        If all of it takes more than half of the machine's memory.
    """
    bytes_each = 8 * numbers
    working = 8.0 * (_COPIES * _LARGEST_BATCH * detectors * frequencies + _MATRICES * (2 * frequencies) ** 2)
    needed = n_waveforms * bytes_each
    available = spare_memory() - working
    if available < bytes_each:
        raise MemoryLimitError(
            f"a training on {detectors} x {frequencies} frequencies needs {working / 2**30:.1f} GiB of memory, but half of "
            f"this machine's is {spare_memory() / 2**30:.1f} GiB: use network='none', shorter data or a lower maximum_frequency"
        )
    if needed > available:
        raise MemoryLimitError(
            f"n_waveforms={n_waveforms} would take {needed / 2**30:.1f} GiB of memory, but this machine can spare "
            f"{available / 2**30:.1f} GiB: give at most {int(available / bytes_each)}",
            int(available / bytes_each),
        )
