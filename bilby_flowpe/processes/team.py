"""One process alone, or one of several that train a network together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    import torch

Value = TypeVar("Value")


class Team(Protocol):
    """What the processes of a training say to one another."""

    @property
    def rank(self) -> int:
        """Number of this process."""

    @property
    def size(self) -> int:
        """How many there are."""

    @property
    def device(self) -> torch.device | None:
        """Where this one computes; ``None``: as the recipe says."""

    def broadcast(self, value: Value) -> Value:
        """The value of the first process, picklable."""

    def gather(self, value: Value) -> list[Value]:
        """The values of all, in their order, picklable."""

    def average(self, tensors: Sequence[torch.Tensor]) -> None:
        """Put the average over all processes in the place of each tensor."""


class Alone:
    """A team of one."""

    rank, size, device = 0, 1, None

    def broadcast(self, value: Value) -> Value:
        return value

    def gather(self, value: Value) -> list[Value]:
        return [value]

    def average(self, tensors: Sequence[torch.Tensor]) -> None:
        return None
