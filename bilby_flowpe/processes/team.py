"""A single process, or several that train a network together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    import torch

Value = TypeVar("Value")


class Team(Protocol):
    """Communication between the processes of a training."""

    @property
    def rank(self) -> int:
        """Index of this process."""

    @property
    def size(self) -> int:
        """Number of processes in the team."""

    @property
    def device(self) -> torch.device | None:
        """Device of this process; ``None`` means that of the training's recipe."""

    def broadcast(self, value: Value) -> Value:
        """Return the value of the first process; it has to be picklable."""

    def gather(self, value: Value) -> list[Value]:
        """Return the values of all processes, in their order; they have to be picklable."""

    def average(self, tensors: Sequence[torch.Tensor]) -> None:
        """Replace each tensor by its average over all processes."""


class Alone:
    """A team of this process alone."""

    rank, size, device = 0, 1, None

    def broadcast(self, value: Value) -> Value:
        return value

    def gather(self, value: Value) -> list[Value]:
        return [value]

    def average(self, tensors: Sequence[torch.Tensor]) -> None:
        return None
