"""Layers shared by the families: what runs in full precision, and the embedding network.

Under autocast to bfloat16 only products between hidden layers are rounded. What enters and what leaves a network keeps
float32: coordinates and shifts need more than three digits.
"""

from __future__ import annotations

import torch
from torch import nn
from zuko.nn import Linear, MaskedLinear


def keep_precision(module: nn.Module) -> nn.Module:
    """Make the first and last linear layer of a sequential module compute in float32 whatever the autocast."""
    layers = [layer for layer in module.modules() if type(layer) in _PRECISE]
    for layer in {layers[0], layers[-1]}:
        layer.__class__ = _PRECISE[type(layer)]
    return module


class _PreciseLinear(nn.Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x.float())


class _PreciseMaskedLinear(MaskedLinear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x.float())


class _PreciseUnmaskedLinear(Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x.float())


# With a single coordinate there is nothing to mask, and zuko takes a linear layer of its own.
_PRECISE = {nn.Linear: _PreciseLinear, MaskedLinear: _PreciseMaskedLinear, Linear: _PreciseUnmaskedLinear}


class _ResidualBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)
        # Starting at the identity lets the first steps train the linear path.
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.second(torch.relu(self.first(torch.relu(x)))).float()


class Embedding(nn.Sequential):
    """Residual network from the representation's features to the context of the flow.

    Parameters
    ----------
    features
        Number of inputs.
    width
        Width of the residual stream and of the output.
    blocks
        Number of residual blocks.
    """

    def __init__(self, features: int, width: int, blocks: int) -> None:
        super().__init__(_PreciseLinear(features, width), *(_ResidualBlock(width) for _ in range(blocks)), nn.ReLU())
