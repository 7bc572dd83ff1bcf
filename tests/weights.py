"""Importance weights with known answers."""

from __future__ import annotations

import math

import numpy as np

from bilby_flowpe.importance import WeightSummary, summarise

LN_Z = -1234.5
FAILED_WAVEFORM = -1.797e308


def gaussian(n: int, dim: int, width: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draws of N(0, width^2) and their log-weights for the target Z N(0, 1), in ``dim`` dimensions."""
    x = width * rng.standard_normal((n, dim))
    log_w = LN_Z + np.sum(-0.5 * x**2 + 0.5 * (x / width) ** 2 + math.log(width), axis=1)
    return x, log_w


def inverse_efficiency(dim: int, width: float) -> float:
    """E[w^2] / Z^2; infinite for width^2 <= 1/2."""
    return (width**2 / math.sqrt(2 * width**2 - 1)) ** dim


def kl(dim: int, width: float) -> float:
    """KL(target || proposal) in nats."""
    return dim * (math.log(width) + 0.5 / width**2 - 0.5)


def good() -> WeightSummary:
    """Summarise a healthy run."""
    return summarise(gaussian(20_000, 2, 1.2, np.random.default_rng(7))[1])
