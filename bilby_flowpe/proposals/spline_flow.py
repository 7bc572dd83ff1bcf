"""A small spline flow fitted to whitened points; the part of an event's flow that needs torch."""

from __future__ import annotations

import copy
import math

import numpy as np
import torch
import zuko

# Size of the flow: transforms, units of its hidden layers, bins of each spline. Small, because it is fitted to one
# event in seconds.
_TRANSFORMS, _HIDDEN, _BINS = 3, (64, 64), 8
# Points in a batch, steps between checks on held-out points, and checks without improvement after which training stops.
_BATCH, _CHECK_EVERY, _PATIENCE = 512, 25, 6
_CHUNK = 16_384  # Points that pass through the flow at once: this bounds the memory that they need.


class SplineFlow:
    """A bijection between whitened points and a base space in which they are nearly standard normal.

    Parameters
    ----------
    flow
        The flow, as zuko implements it.
    """

    def __init__(self, flow: zuko.flows.Flow) -> None:
        self._flow = flow

    @torch.no_grad()
    def forward(self, white: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the base points (N, n) of whitened ones, and the log Jacobian, (N,)."""
        transform = self._flow().transform
        pieces = [transform.call_and_ladj(piece) for piece in torch.as_tensor(white, dtype=torch.float32).split(_CHUNK)]
        base, log_jacobian = (torch.cat(parts).double().numpy() for parts in zip(*pieces, strict=True))
        return base, log_jacobian

    @torch.no_grad()
    def inverse(self, base: np.ndarray) -> np.ndarray:
        """Return the whitened points of base points, (N, n)."""
        return self._flow().transform.inv(torch.as_tensor(base, dtype=torch.float32)).double().numpy()


def fit_spline_flow(
    white: np.ndarray, weights: np.ndarray, train: np.ndarray, test: np.ndarray, rng: np.random.Generator, steps: int
) -> tuple[SplineFlow | None, float]:
    """Fit a spline flow to weighted points by maximum likelihood.

    Parameters
    ----------
    white
        Points of about zero mean and unit covariance, (N, n).
    weights
        Weights of the points, (N,).
    train, test
        Indices of the points to fit to, and of those to hold out.
    rng
        Source of all randomness.
    steps
        Largest number of training steps.

    Returns
    -------
    flow, log_density
        The flow with the highest mean log density on held-out points, ``None`` if there is none, and that density.
    """
    seed = int(rng.integers(2**31))
    x = torch.as_tensor(white, dtype=torch.float32)
    x_test, w_test = x[test], torch.as_tensor(weights[test] / weights[test].sum(), dtype=torch.float32)
    probability = weights[train] / weights[train].sum()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        flow = zuko.flows.NSF(white.shape[1], transforms=_TRANSFORMS, hidden_features=_HIDDEN, bins=_BINS)
    optimizer = torch.optim.Adam(flow.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    least, best, since = math.inf, None, 0
    picks = rng.choice(train, size=(steps, _BATCH), p=probability)
    for step in range(steps):
        optimizer.zero_grad(set_to_none=True)
        loss = -flow().log_prob(x[picks[step]]).mean()
        if not torch.isfinite(loss):
            break
        loss.backward()
        torch.nn.utils.clip_grad_norm_(flow.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        if (step + 1) % _CHECK_EVERY == 0:
            with torch.no_grad():
                held_out = float(-(w_test * flow().log_prob(x_test)).sum())
            if held_out < least:
                least, best, since = held_out, copy.deepcopy(flow.state_dict()), 0
            else:
                since += 1
                if since >= _PATIENCE:
                    break
    if best is None:
        return None, -math.inf
    flow.load_state_dict(best)
    return SplineFlow(flow.eval().requires_grad_(False)), -least
