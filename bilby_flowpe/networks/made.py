r"""Stacks of MADE units, the autoregressive flows of the paper's section II C.

A unit maps x to u by equation 19, :math:`u_i = [x_i - \mu_i(x_{1:i-1})] \exp(-\alpha_i(x_{1:i-1}))`, in a single pass;
a spline may take the place of this affine map. Used from the data to the base, units make a masked autoregressive flow,
whose density is cheap and whose draws are recursive. Used from the base to the latent space, they make an inverse
autoregressive flow, for which it is the other way round. The units are those of zuko.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn
from zuko.flows.autoregressive import MaskedAutoregressiveTransform
from zuko.nn import MaskedMLP
from zuko.transforms import MonotonicRQSTransform
from zuko.utils import unpack

from .inversion import UnitInverse
from .layers import BLOCK, first_layer, keep_precision

_SLOPE = 1e-3
"""Least slope at the knots of a spline, a pure number, and zuko's default: a smaller value allows steeper splines, whose
inverse is less precise."""


def spline(bins: int) -> dict[str, Any]:
    """Return the options of a unit whose map is a rational-quadratic spline with ``bins`` bins."""
    return {
        "univariate": partial(MonotonicRQSTransform, slope=_SLOPE),
        "shapes": [(bins,), (bins,), (bins - 1,)],
    }


class BatchNorm(nn.Module):
    r"""Batch normalisation as an invertible layer: :math:`y = (x - m) / \sqrt{v + \epsilon} \cdot e^\gamma + \beta`.

    In training, m and v are the moments of the batch; in evaluation they are the ones set by
    :func:`refreshed_statistics`.

    Parameters
    ----------
    features
        Number k of columns.
    """

    epsilon = 1e-5
    mean: torch.Tensor
    variance: torch.Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.log_gamma = nn.Parameter(torch.zeros(features))
        self.beta = nn.Parameter(torch.zeros(features))
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("variance", torch.ones(features))
        self.moments: list[torch.Tensor] | None = None

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return rows y (N, k) for x (N, k) and ``log |dy/dx|``, which is the same for all rows."""
        mean, variance = self.mean, self.variance
        if self.training:
            mean, variance = x.mean(dim=0), x.var(dim=0, correction=0)
        if self.moments is not None:
            self.moments.append(torch.stack([mean, variance + mean.square()]))
        log_scale = self.log_gamma - 0.5 * (variance + self.epsilon).log()
        return (x - mean) * log_scale.exp() + self.beta, log_scale.sum()

    def invert(self, y: torch.Tensor) -> torch.Tensor:
        """Return x for columns y (k, N), with the moments that evaluation uses."""
        log_scale = self.log_gamma - 0.5 * (self.variance + self.epsilon).log()
        return (y - self.beta[:, None]) * (-log_scale).exp()[:, None] + self.mean[:, None]

    def settle(self, average: Callable[[Sequence[torch.Tensor]], None] = lambda tensors: None) -> None:
        """Set the moments to the mean over equally large batches, if any were gathered."""
        if not self.moments:
            return
        moments = torch.stack(self.moments).mean(dim=0)
        average([moments])
        mean, square = moments
        self.mean.copy_(mean)
        self.variance.copy_(square - mean.square())
        self.moments = None


def normalising_layers(network: nn.Module) -> list[BatchNorm]:
    """Return the batch-normalisation layers of a network."""
    return [module for module in network.modules() if isinstance(module, BatchNorm)]


@contextmanager
def refreshed_statistics(
    network: nn.Module, average: Callable[[Sequence[torch.Tensor]], None] = lambda tensors: None
) -> Iterator[bool]:
    """Set the moments of batch normalisation to those of all batches that pass through the network in the context.

    As in training, every layer sees the output of the layers before it with the moments of the current batch.

    Parameters
    ----------
    network
        The network, with or without such layers.
    average
        Function that averages tensors, in place, over processes with different batches.

    Yields
    ------
    bool
        Whether the network has any such layers.
    """
    layers, before = normalising_layers(network), network.training
    network.train()
    for layer in layers:
        layer.moments = []
    try:
        yield bool(layers)
        for layer in layers:
            layer.settle(average)
    finally:
        for layer in layers:
            layer.moments = None
        network.train(before)


class AutoregressiveStack(nn.Module):
    """A stack of MADE units of alternating order, optionally with batch normalisation on the base side of each unit.

    Parameters
    ----------
    features
        Number k of columns that are mapped.
    rows
        Number r of conditions that differ from row to row, for example latent variables.
    shared
        Number C of conditions that all rows of one event share: the data.
    transforms
        Number of units.
    hidden_features
        Widths of the hidden layers of each unit.
    batch_norm
        Whether there are layers of batch normalisation between the units and before the base.
    from_base
        Whether the single pass starts from the base, as in an inverse autoregressive flow.
    unit
        Options of zuko's transform, which is affine without any.
    """

    def __init__(
        self,
        features: int,
        rows: int,
        shared: int,
        transforms: int,
        hidden_features: tuple[int, ...],
        batch_norm: bool = False,
        from_base: bool = False,
        **unit: Any,
    ) -> None:
        super().__init__()
        self.features, self.from_base = features, from_base
        orders = [torch.arange(features), torch.arange(features).flip(0)]
        units = [
            MaskedAutoregressiveTransform(
                features, rows + shared, order=orders[i % 2], hidden_features=hidden_features, **unit
            )
            for i in range(transforms)
        ]
        for one in units:
            keep_precision(one.hyper)
        self.units = nn.ModuleList(units)
        self.norms = nn.ModuleList(BatchNorm(features) for _ in range(transforms if batch_norm else 0))

    def forward(
        self, x: torch.Tensor, rows: torch.Tensor | None, shared: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Map rows in a single pass, and return the log Jacobian.

        Parameters
        ----------
        x
            Rows, (N, k).
        rows
            Conditions (N, r), ``None`` for r = 0.
        shared
            Conditions (N, C), or (1, C) of one event; ``None`` for C = 0.

        Returns
        -------
        tuple
            Rows (N, k) and the log Jacobian (N,).
        """
        total = x.new_zeros(len(x))
        for layer in self._layers():
            if isinstance(layer, BatchNorm):
                x, log_jacobian = layer(x)
            else:
                x, log_jacobian = _map(layer, x, rows, shared).call_and_ladj(x)
                log_jacobian = log_jacobian.sum(dim=-1)
            total = total + log_jacobian
        return x, total

    @torch.no_grad()
    def invert(self, y: torch.Tensor, rows: torch.Tensor | None, shared: torch.Tensor | None) -> torch.Tensor:
        """Return x (N, k) whose single pass in evaluation gives y (N, k); conditions as in :meth:`forward`.

        Quantities that depend on the conditions of an event only are computed once.
        """
        if shared is not None and len(shared) != 1:
            # Data that differ from row to row are treated as further conditions of the rows.
            rows, shared = shared if rows is None else torch.cat([rows, shared], dim=-1), None
        width = 0 if rows is None else rows.shape[-1]
        with torch.autocast(y.device.type, enabled=False):
            inverses = [
                layer.invert if isinstance(layer, BatchNorm) else UnitInverse(layer, width, shared)
                for layer in reversed(list(self._layers()))
            ]
            out = torch.empty_like(y)
            for begin in range(0, len(y), BLOCK):
                piece = slice(begin, begin + BLOCK)
                columns = y[piece].T.contiguous()
                conditions = None if rows is None else rows[piece].T
                for inverse in inverses:
                    columns = inverse(columns, conditions) if isinstance(inverse, UnitInverse) else inverse(columns)
                out[piece] = columns.T
            return out

    def _layers(self) -> list[nn.Module]:
        """Return units and normalisations in the order of the single pass, each normalisation on the base side of its unit."""
        if not self.norms:
            return list(self.units)
        pairs = [
            (norm, unit) if self.from_base else (unit, norm) for unit, norm in zip(self.units, self.norms, strict=True)
        ]
        return [layer for pair in pairs for layer in pair]


def _map(
    unit: MaskedAutoregressiveTransform, x: torch.Tensor, rows: torch.Tensor | None, shared: torch.Tensor | None
) -> Any:
    """Return the univariate maps of a unit's columns at x."""
    hyper = list(unit.hyper)
    inputs = [part for part in (x if isinstance(unit.hyper, MaskedMLP) else None, rows) if part is not None]
    values = first_layer(hyper[0], torch.cat(inputs, dim=-1) if inputs else None, shared)
    for layer in hyper[1:]:
        values = layer(values)
    values = values.expand(len(x), -1)
    return unit.univariate(*unpack(values.unflatten(-1, (-1, unit.total)), unit.shapes))
