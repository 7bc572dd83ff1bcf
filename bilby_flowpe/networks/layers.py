"""Layers shared by the families: layers in full precision, the embedding network, and networks with two kinds of inputs.

Under autocast to bfloat16, only products between hidden layers are rounded. Inputs and outputs of a network keep
float32, because coordinates and shifts need more than three digits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise, repeat
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import nn
from zuko.nn import Linear, MaskedLinear

BLOCK = 2048
"""Rows that are drawn at once: the values between the layers then fit into the processor's cache."""

_WIDEST = math.log(1e4)
"""Natural logarithm of the largest scale, 1e4: standard deviations stay within 1e-4 and 1e4, so that no single step of
training can make a density infinite."""

_SomeModule = TypeVar("_SomeModule", bound=nn.Module)


def keep_precision(module: _SomeModule) -> _SomeModule:
    """Make the first and last linear layer of a sequential module compute in float32, even under autocast."""
    layers = [layer for layer in module.modules() if type(layer) in _PRECISE]
    for layer in {layers[0], layers[-1]}:
        layer.__class__ = _PRECISE[type(layer)]
    return module


class _PreciseLinear(nn.Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x.to(self.weight.dtype))


class _PreciseMaskedLinear(MaskedLinear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x.to(self.weight.dtype))


class _PreciseUnmaskedLinear(Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x.to(self.weight.dtype))


# For a single coordinate there is nothing to mask, and zuko uses its own unmasked linear layer.
_PRECISE = {nn.Linear: _PreciseLinear, MaskedLinear: _PreciseMaskedLinear, Linear: _PreciseUnmaskedLinear}


def effective_weight(layer: nn.Linear | Linear) -> torch.Tensor:
    """Return the weight (out, in) of a linear layer, zero where it is masked."""
    return layer.mask * layer.weight if isinstance(layer, MaskedLinear) else layer.weight


def first_layer(layer: nn.Linear | Linear, rows: torch.Tensor | None, shared: torch.Tensor | None) -> torch.Tensor:
    """Apply a linear layer to the inputs ``cat(rows, shared)`` in float32.

    Parameters
    ----------
    layer
        The layer, with r + C inputs and H outputs.
    rows
        Inputs (N, r) that differ from row to row, or ``None`` for r = 0.
    shared
        Inputs (N, C), or (1, C) for one event, whose contribution is then computed only once. ``None`` for C = 0.

    Returns
    -------
    torch.Tensor
        Outputs, (N, H), or (1, H) if no input differs from row to row.
    """
    weight, bias = effective_weight(layer), layer.bias
    with torch.autocast(weight.device.type, enabled=False):
        if rows is not None and shared is not None:
            width = rows.shape[-1]
            of_shared = F.linear(shared.to(weight.dtype), weight[:, width:], bias)
            return of_shared + F.linear(rows.to(weight.dtype), weight[:, :width])
        (alone,) = (inputs for inputs in (rows, shared) if inputs is not None)
        return F.linear(alone.to(weight.dtype), weight, bias)


def soft_log_scale(value: torch.Tensor) -> torch.Tensor:
    """Bend ``value`` so that its exponential stays between 1e-4 and 1e4: no single step can make a density infinite."""
    return value / (1 + value.abs() / _WIDEST)


class FeedForward(nn.Module):
    """Feed-forward network (equations 4 to 6) of inputs that differ from row to row and inputs of one event.

    Parameters
    ----------
    rows
        Number r of inputs that differ from row to row.
    shared
        Number C of inputs that may be shared by all rows.
    hidden
        Widths of the hidden layers.
    outputs
        Number of outputs.
    """

    def __init__(self, rows: int, shared: int, hidden: Sequence[int], outputs: int) -> None:
        super().__init__()
        widths = [rows + shared, *hidden, outputs]
        layers: list[nn.Module] = []
        for one, other in pairwise(widths):
            layers += [nn.Linear(one, other), nn.ReLU()]
        self.layers = keep_precision(nn.Sequential(*layers[:-1]))

    def forward(self, rows: torch.Tensor | None, shared: torch.Tensor) -> torch.Tensor:
        """Return outputs (N, O) for ``rows`` (N, r) and ``shared`` (N, C) or (1, C); (1, O) for one event without rows."""
        if rows is None or torch.is_grad_enabled() or len(rows) <= BLOCK:
            return self._outputs(rows, shared)
        shared_pieces = shared.split(BLOCK) if len(shared) > 1 else repeat(shared)
        # The zip ends with the last piece of rows.
        return torch.cat([self._outputs(*piece) for piece in zip(rows.split(BLOCK), shared_pieces, strict=False)])

    def _outputs(self, rows: torch.Tensor | None, shared: torch.Tensor) -> torch.Tensor:
        values = first_layer(self.layers[0], rows, shared)
        for layer in list(self.layers)[1:]:
            values = layer(values)
        return values


class _ResidualBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)
        # Starting at the identity lets the first steps train the linear path.
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        change: torch.Tensor = self.second(torch.relu(self.first(torch.relu(x))))
        return x + change.to(x.dtype)


class Embedding(nn.Sequential):
    """Residual network from the features of the representation to the context of the flow.

    Parameters
    ----------
    features
        Number of inputs.
    width
        Width of the residual stream and of the output; ``None`` passes the features on unchanged.
    blocks
        Number of residual blocks.
    """

    def __init__(self, features: int, width: int | None, blocks: int) -> None:
        layers = (
            () if width is None else (_PreciseLinear(features, width), *(_ResidualBlock(width) for _ in range(blocks)))
        )
        super().__init__(*layers, *([nn.ReLU()] if layers else []))
        self.features = features if width is None else width
