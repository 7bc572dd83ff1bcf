r"""Inversion of a MADE unit that computes every hidden unit once.

Equation 18 is recursive: :math:`x_i` needs the network's outputs at :math:`x_{1:i-1}`. A unit of n columns is therefore
usually inverted by n whole passes. But a hidden unit that depends on the first k columns has its final value once these
are known. With the hidden units sorted by that number, their *level*, step k computes only the units of level k, from
those of the levels up to k, through dense blocks of the masked matrices: less than one pass in all. Level 0 depends on
the event's conditions only; it is the same for every row and is added to the biases.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from zuko.flows.autoregressive import MaskedAutoregressiveTransform
from zuko.nn import Linear, MaskedLinear, MaskedMLP
from zuko.utils import unpack

from .layers import effective_weight


@dataclass
class _Layer:
    """A masked layer, sorted by level: ``weight[begin:end, :columns]`` of each level is dense; column 0 is the bias."""

    weight: torch.Tensor
    ends: list[int]
    columns: list[int]

    def of(self, level: int) -> tuple[torch.Tensor, slice]:
        """Return the block of one level, and its rows."""
        rows = slice(self.ends[level - 1] if level else 0, self.ends[level])
        return self.weight[rows, : self.columns[level]], rows


class UnitInverse:
    """The inverse of one unit for the conditions of one event.

    Parameters
    ----------
    unit
        zuko's masked autoregressive transform, or the element-wise one that it makes of a single column.
    rows
        Number r of conditions that differ from row to row; they come first.
    shared
        Conditions (1, C) of the event, if there are any.
    """

    def __init__(self, unit: MaskedAutoregressiveTransform, rows: int, shared: torch.Tensor | None) -> None:
        self.unit = unit
        linear = [layer for layer in unit.hyper if hasattr(layer, "weight")]
        self.activations: list[Callable[[torch.Tensor], torch.Tensor]] = [
            _in_place(layer) for layer in unit.hyper if not hasattr(layer, "weight")
        ]
        # A single column has nothing to mask, and all of its network is level 0.
        order = (
            unit.order
            if isinstance(unit.hyper, MaskedMLP)
            else linear[-1].weight.new_zeros(linear[-1].out_features // unit.total, dtype=torch.long)
        )
        self.features = len(order)
        self.order = torch.argsort(order, stable=True)
        self.back = torch.argsort(self.order)
        self.groups = torch.bincount(order).tolist()
        self.rows = rows
        self._build(linear, order if isinstance(unit.hyper, MaskedMLP) else order[:0], shared)

    def _build(self, linear: list[MaskedLinear | Linear], order: torch.Tensor, shared: torch.Tensor | None) -> None:
        levels = len(self.groups)
        first, inputs, masked = linear[0], len(order), len(order) > 0
        weight, bias = effective_weight(first), first.bias
        if shared is not None:
            bias = bias + weight[:, inputs + self.rows :] @ shared[0].to(weight.dtype)
        # Columns of the first layer: 1, the conditions of the row, and the features in the order they become known.
        sequence = self.order[:inputs]
        weight = torch.cat([bias[:, None], weight[:, inputs : inputs + self.rows], weight[:, sequence]], dim=1)
        level = (first.mask[:, :inputs] * (order + 1)).amax(dim=1) if masked else order.new_zeros(len(weight))
        known = [1 + self.rows + sum(self.groups[:k]) for k in range(levels)]
        # Without conditions of the row, level 0 does not depend on the row at all.
        self.constant = self.rows == 0
        self.layers: list[_Layer] = []
        for activation, following in zip(self.activations, linear[1:], strict=True):
            ranks = torch.argsort(level, stable=True)
            counts = torch.bincount(level, minlength=levels).tolist()
            still = counts[0] if self.constant else 0
            if self.constant:
                fixed = activation(weight[ranks[:still], 0].clone())
            ends = [max(0, sum(counts[: k + 1]) - still) for k in range(levels)]
            self.layers.append(_Layer(weight[ranks[still:]].contiguous(), ends, known))
            above = effective_weight(following)
            bias = following.bias
            if self.constant:
                bias = bias + above[:, ranks[:still]] @ fixed
            weight = torch.cat([bias[:, None], above[:, ranks[still:]]], dim=1)
            level = (following.mask * level).amax(dim=1) if masked else level.new_zeros(len(above))
            known = [1 + end for end in ends]
        offsets = torch.arange(self.unit.total, device=order.device)
        outputs = (self.order[:, None] * self.unit.total + offsets).flatten()
        ends = [sum(self.groups[: k + 1]) * self.unit.total for k in range(levels)]
        self.layers.append(_Layer(weight[outputs].contiguous(), ends, known))

    def __call__(self, y: torch.Tensor, conditions: torch.Tensor | None) -> torch.Tensor:
        """Invert columns y (n, N), given the conditions (r, N) of each column; returns x (n, N)."""
        size, y = y.shape[1], y[self.order]
        buffers = [y.new_empty(1 + self.rows + self.features, size)]
        buffers += [y.new_empty(1 + len(layer.weight), size) for layer in self.layers[:-1]]
        for buffer in buffers:
            buffer[0] = 1.0
        if conditions is not None:
            buffers[0][1 : 1 + self.rows] = conditions
        x = buffers[0][1 + self.rows :]
        done = 0
        for level, count in enumerate(self.groups):
            phi = self._outputs(level, buffers).unflatten(0, (count, -1)).movedim(1, -1)
            group = slice(done, done + count)
            x[group] = self.unit.univariate(*unpack(phi, self.unit.shapes)).inv(y[group])
            done += count
        return x[self.back]

    def _outputs(self, level: int, buffers: list[torch.Tensor]) -> torch.Tensor:
        """Return outputs (count * total, N or 1) of a level, after writing its hidden units into the buffers."""
        *hidden, last = self.layers
        for i, layer in enumerate(hidden):
            weight, rows = layer.of(level)
            if len(weight):
                target = buffers[i + 1][1 + rows.start : 1 + rows.stop]
                torch.mm(weight, buffers[i][: weight.shape[1]], out=target)
                self.activations[i](target)
        weight, _ = last.of(level)
        return weight if self.constant and not level else weight @ buffers[-1][: weight.shape[1]]


def _in_place(activation: nn.Module) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return a version of an activation that overwrites its argument."""
    if isinstance(activation, nn.ReLU):
        return torch.relu_
    return lambda values: values.copy_(activation(values))
