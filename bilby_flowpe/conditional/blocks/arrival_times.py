r"""Densities of the time at which a signal arrived at one detector, from its matched filters, for many waves at once.

The density is constant in cells: one cell for each step of the filter's output, and finer ones around its peak, whose size
follows the width of the peak. It is proportional to a power of the filter's likelihood, which widens its tails, and a fraction
is spread evenly over the whole window, so that any time can be drawn.
"""

from __future__ import annotations

import numpy as np

_TEMPER = 0.8  # power of the filter's likelihood: the tails are to be wider than those of the likelihood
_EVEN = 0.1  # share of the times that is spread evenly over the window
_FINE = 128  # fine cells around the peak: with four in a standard deviation they reach sixteen of these to either side
_PER_WIDTH, _FINEST = 4.0, 32  # fine cells in a standard deviation of the peak, and most of them in one step
_LEAST_CURVATURE = 1e-6  # of the log density at its peak, per squared step: keeps the width of a flat peak finite


def interpolated(values: np.ndarray, places: np.ndarray, neighbours: int = 4) -> np.ndarray:
    """Interpolate values (N, ..., T) of N rows at places (N, M) by Lagrange polynomials; return (N, ..., M).

    Parameters
    ----------
    values
        Values at the positions 0, 1, 2, ...
    places
        Positions to interpolate at.
    neighbours
        Even number of values that the polynomial goes through.
    """
    size, half = values.shape[-1], neighbours // 2
    cell = np.clip(np.floor(places).astype(np.intp), half - 1, size - half - 1)
    t = (places - cell).astype(values.real.dtype)
    steps = range(1 - half, half + 1)
    rows = len(values)
    series = values.reshape(rows, -1, size)
    between = series.shape[1]
    start = (np.arange(rows * between) * size).reshape(rows, between, 1) + cell[:, None]
    flat = series.ravel()
    found: np.ndarray | None = None
    for step in steps:
        weight = np.ones_like(t)
        for other in steps:
            if other != step:
                weight *= (t - other) / (step - other)
        term = weight[:, None] * flat[start + step]
        found = term if found is None else np.add(found, term, out=found)
    return np.asarray(found).reshape(*values.shape[:-1], places.shape[-1])


class ArrivalTimes:
    """Densities of N arrival times, in units of the steps of the filter outputs.

    Parameters
    ----------
    exponents
        Half the squared signal-to-noise ratio of the matched filter, (N, T), at T steps of time.
    """

    def __init__(self, exponents: np.ndarray) -> None:
        tempered = _TEMPER * np.asarray(exponents, dtype=np.float64)
        rows, steps = tempered.shape
        self._cells, self._row = steps - 1, np.arange(rows)
        peak = np.clip(np.argmax(tempered, axis=1), 1, steps - 2)
        near = tempered[self._row[:, None], peak[:, None] + np.arange(-1, 2)]
        curvature = np.maximum(2 * near[:, 1] - near[:, 0] - near[:, 2], _LEAST_CURVATURE)
        least = 2 ** int(np.ceil(np.log2(max(_FINE / self._cells, 1.0))))
        pieces = 2 ** np.ceil(np.log2(np.clip(_PER_WIDTH * np.sqrt(curvature), least, _FINEST)))
        self._pieces = pieces.astype(np.intp)
        covered = _FINE // self._pieces
        self._first = np.clip(peak - covered // 2, 0, self._cells - covered)
        self._fine_end = self._first + covered

        top = near[:, 1:2]
        fine = interpolated(tempered, self._first[:, None] + (np.arange(_FINE) + 0.5) / self._pieces[:, None])
        fine = np.exp(np.minimum(fine - top, 50.0))
        of_step = _between(tempered)
        of_step -= top
        np.exp(np.minimum(of_step, 50.0, out=of_step), out=of_step)
        in_fine = np.cumsum(fine / self._pieces[:, None], axis=1)
        cells = np.arange(self._cells)
        outside = (cells < self._first[:, None]) | (cells >= self._fine_end[:, None])
        of_step *= outside
        total = of_step.sum(axis=1) + in_fine[:, -1]
        # A step that has fine cells holds the sum of these; its own height is not used.
        scale, even = (1 - _EVEN) / total, _EVEN / self._cells
        self._height = of_step * scale[:, None] + even
        self._fine_height = fine * scale[:, None] + even
        masses = self._height.copy()
        widths = (np.arange(_FINE) + 1) / self._pieces[:, None]
        fine_below = in_fine * scale[:, None] + even * widths
        of_fine = np.concatenate([np.zeros((rows, 1)), fine_below], axis=1)
        step_of_fine = np.arange(_FINE + 1)
        for number in np.unique(self._pieces):
            some = self._pieces == number
            ends = of_fine[some][:, step_of_fine[:: int(number)]]
            columns = self._first[some][:, None] + np.arange(ends.shape[1] - 1)
            masses[self._row[some][:, None], columns] = np.diff(ends, axis=1)
        self._below = np.concatenate([np.zeros((rows, 1)), np.cumsum(masses, axis=1)], axis=1)
        self._fine_below = self._below[self._row, self._first][:, None] + of_fine

    def density(self, places: np.ndarray) -> np.ndarray:
        """Return the density, per step, at places (N, M)."""
        cell, fine, is_fine = self._found(places)
        row = self._row[:, None]
        return np.where(is_fine, self._fine_height[row, fine], self._height[row, cell])

    def share(self, places: np.ndarray) -> np.ndarray:
        """Return the cumulative probability at places (N, M): 0 before the window and 1 after it."""
        places = np.clip(places, 0.0, self._cells)
        cell, fine, is_fine = self._found(places)
        row = self._row[:, None]
        pieces = self._pieces[:, None]
        in_fine = self._fine_below[row, fine] + self._fine_height[row, fine] * (
            places - self._first[:, None] - fine / pieces
        )
        return np.where(is_fine, in_fine, self._below[row, cell] + self._height[row, cell] * (places - cell))

    def quantile(self, shares: np.ndarray) -> np.ndarray:
        """Return the places (N, M) at which the cumulative probability reaches ``shares``."""
        row = self._row[:, None]
        # Each row's shares lie between its own whole number and the next: one search serves for all rows.
        cell = np.searchsorted((self._below + row).ravel(), shares + row, side="right") - row * (self._cells + 1) - 1
        cell = np.clip(cell, 0, self._cells - 1)
        fine = np.searchsorted((self._fine_below + row).ravel(), shares + row, side="right") - row * (_FINE + 1) - 1
        fine = np.clip(fine, 0, _FINE - 1)
        is_fine = (cell >= self._first[:, None]) & (cell < self._fine_end[:, None])
        pieces = self._pieces[:, None]
        within = np.clip((shares - self._fine_below[row, fine]) / self._fine_height[row, fine] * pieces, 0.0, 1.0)
        in_fine = self._first[:, None] + (fine + within) / pieces
        in_step = cell + np.clip((shares - self._below[row, cell]) / self._height[row, cell], 0.0, 1.0)
        return np.where(is_fine, in_fine, in_step)

    def _found(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return step numbers, fine-cell numbers, and whether places lie in the fine cells, (N, M) each."""
        cell = np.clip(places.astype(np.intp), 0, self._cells - 1)
        fine = np.floor((places - self._first[:, None]) * self._pieces[:, None]).astype(np.intp)
        is_fine = (fine >= 0) & (fine < _FINE)
        return cell, np.clip(fine, 0, _FINE - 1), is_fine


def _between(values: np.ndarray) -> np.ndarray:
    """Return values (N, T - 1) half-way between neighbours, by cubics through four values; by means of two at the ends."""
    middle = 0.5 * (values[:, :-1] + values[:, 1:])
    middle[:, 1:-1] = 1.125 * middle[:, 1:-1] - 0.0625 * (values[:, :-3] + values[:, 3:])
    return middle
