"""Rows of parameters in the form that Bilby's functions take, made when they are needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import overload

import numpy as np

from ..errors import SimulationError
from ..priors import Parameters, PriorTransform
from ..processes.parallel import Row

# Draws for each row that is needed, and fewest draws in total, after which the search for possible rows is given up.
_MOST_TRIED, _LEAST_TRIED = 100, 10_000


class Rows(Sequence[Row]):
    """Sequence with a dictionary for each draw, fixed parameters included.

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


def possible_rows(
    transform: PriorTransform, size: int, rng: np.random.Generator, predict: Callable[[Row], np.ndarray | None]
) -> tuple[Parameters, np.ndarray]:
    """Draw parameters from the prior for which data are predicted.

    Parameters
    ----------
    transform
        The prior.
    size
        Number of draws, N.
    rng
        Generator of random numbers.
    predict
        Function that returns the prediction for one row, (M,), or ``None`` for a row to skip, whose likelihood is zero.

    Returns
    -------
    parameters, predictions
        Search parameters, (N,) each, and predictions, (N, M).

    Raises
    ------
    SimulationError
        If there are hardly any predictions over the whole prior.
    """
    kept: list[Parameters] = []
    predictions: list[np.ndarray] = []
    tried = 0
    while len(predictions) < size:
        if tried > max(_MOST_TRIED * size, _LEAST_TRIED):
            raise SimulationError(
                f"the likelihood is zero or not a number for {tried - len(predictions)} of {tried} draws from the prior: "
                "narrow the priors to where data can be predicted"
            )
        wanted = size - len(predictions)
        parameters = transform.sample(wanted, rng)
        found = [predict(row) for row in Rows(transform, parameters)]
        good = np.array([prediction is not None for prediction in found])
        kept.append({key: value[good] for key, value in parameters.items()})
        predictions.extend(prediction for prediction in found if prediction is not None)
        tried += wanted
    return {key: np.concatenate([part[key] for part in kept]) for key in transform.keys}, np.stack(predictions)
