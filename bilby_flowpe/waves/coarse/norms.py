"""Inner products of the terms of a wave with each other, from their values at nodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .splines import Spline
from .summary import DetectorBins, norm_weights


@dataclass(frozen=True)
class Norms:
    """Inner products of all pairs of terms and polarisations, in each detector.

    Attributes
    ----------
    refine
        Matrix that interpolates values at the nodes to denser nodes, (J, J').
    weights
        Weights of the products at the denser nodes, (M, M, J', D).
    """

    refine: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(cls, detectors: Sequence[DetectorBins], spline: Spline, phases: Sequence[np.ndarray]) -> Norms:
        """Make the weights from the detectors and the phases of every term at their frequencies, (M, F)."""
        refined = spline.refined()
        refine = spline.at(refined.nodes, np.eye(len(spline)))
        weights = [norm_weights(one, refined, of_terms) for one, of_terms in zip(detectors, phases, strict=True)]
        return cls(refine, np.moveaxis(np.array(weights), 0, -1))

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Return products (N, D, 2 M, 2 M) of all pairs of term and polarisation, ``2 m + p``, for values (N, M, 2, J)."""
        count, terms = values.shape[:2]
        dense = (values.reshape(-1, values.shape[-1]) @ self.refine).reshape(count, terms, 2, -1)
        conjugate = dense.conj()
        detectors = self.weights.shape[-1]
        found = np.empty((count, detectors, terms, 2, terms, 2), dtype=np.complex128)
        for m in range(terms):
            for n in range(m, terms):
                products = conjugate[:, m, :, None] * dense[:, n, None]
                of_pair = products.reshape(count * 4, -1) @ self.weights[m, n]
                found[:, :, m, :, n] = np.moveaxis(of_pair.reshape(count, 2, 2, detectors), -1, 1)
                if n > m:
                    found[:, :, n, :, m] = found[:, :, m, :, n].conj().swapaxes(2, 3)
        return found.reshape(count, detectors, 2 * terms, 2 * terms)
