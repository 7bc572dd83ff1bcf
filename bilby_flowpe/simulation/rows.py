"""Rows of parameters as Bilby's functions take them, made when they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

from ..parallel import Row
from ..priors import Parameters, PriorTransform


class Rows(Sequence[Row]):
    """One dictionary a draw, fixed parameters included.

    A million dictionaries take a gigabyte: they are made a slice at a time.

    Parameters
    ----------
    transform
        The prior, with the values of fixed parameters.
    parameters
        Search parameters, (N,) each.
    """

    def __init__(self, transform: PriorTransform, parameters: Parameters) -> None:
        self._fixed, self._parameters = transform.fixed, parameters

    def __len__(self) -> int:
        return len(next(iter(self._parameters.values())))

    @overload
    def __getitem__(self, index: int) -> Row: ...

    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...

    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        if not isinstance(index, slice):
            return {**self._fixed, **{key: float(value[index]) for key, value in self._parameters.items()}}
        columns = {key: value[index].tolist() for key, value in self._parameters.items()}
        size = len(next(iter(columns.values())))
        return [{**self._fixed, **{key: column[i] for key, column in columns.items()}} for i in range(size)]
