"""Processes that train together, on one or many machines, as started or found by lightning-fabric.

``torchrun``, ``srun`` and similar commands start the processes; fabric reads from the environment which one it runs in.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, TypeVar

import torch

from ..errors import ConfigurationError

try:
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.environments import SLURMEnvironment, TorchElasticEnvironment
except ImportError as error:
    raise ConfigurationError("lightning-fabric is not installed: pip install bilby_flowpe[fabric]") from error

Value = TypeVar("Value")


class FabricTeam:
    """The processes that were started together with this one.

    Parameters
    ----------
    accelerator
        ``"cpu"``, ``"cuda"`` or any other name that fabric knows.

    Raises
    ------
    ConfigurationError
        If the accelerator is not available on this machine.
    """

    def __init__(self, accelerator: str = "cpu") -> None:
        here, nodes = _started()
        try:
            fabric = Fabric(
                accelerator=accelerator, devices=here, num_nodes=nodes, strategy="ddp" if here * nodes > 1 else "auto"
            )
            fabric.launch()
        except (RuntimeError, ValueError) as error:
            raise ConfigurationError(
                f"accelerator={accelerator!r} cannot be used here: {str(error).splitlines()[0]}"
            ) from error
        self._fabric = fabric
        self.rank, self.size, self.device = fabric.global_rank, fabric.world_size, fabric.device

    def broadcast(self, value: Value) -> Value:
        return self._fabric.broadcast(value)

    def gather(self, value: Value) -> list[Value]:
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        torch.distributed.all_gather_object(values, value)
        return values

    def average(self, tensors: Sequence[torch.Tensor]) -> None:
        if self.size == 1 or not tensors:
            return
        # One message for all tensors, because a network has hundreds of small ones.
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        # The result for a tensor is a tensor, which fabric's type hint does not tell.
        mean: Any = self._fabric.all_reduce(flat, reduce_op="mean")
        for tensor, piece in zip(tensors, mean.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(piece.view_as(tensor))


def _started() -> tuple[int, int]:
    """Return the number of processes on this machine, and the number of machines."""
    if TorchElasticEnvironment.detect():
        here = int(os.environ["LOCAL_WORLD_SIZE"])
        return here, max(1, int(os.environ["WORLD_SIZE"]) // here)
    if SLURMEnvironment.detect():
        return int(os.environ.get("SLURM_NTASKS_PER_NODE", 1)), int(os.environ.get("SLURM_NNODES", 1))
    return 1, 1
