r"""Nodes in frequency, and cubic splines through values at them.

A spline through values :math:`v_j` at nodes is linear in the values, :math:`v(f) = \sum_j s_j(f) v_j`, so that a sum over all
frequencies of a spline times a known function, :math:`\sum_f v(f) x(f) = \sum_j v_j \sum_f s_j(f) x(f)`, needs the *weights*
:math:`\sum_f s_j(f) x(f)` once, and then only the values at the nodes.
"""

from __future__ import annotations

import numpy as np
from scipy.interpolate import BSpline, make_interp_spline
from scipy.sparse import csr_array

# Ratio, at the lowest frequency, of a density of nodes f^(-4/3) to the density 1/f that it is added to: an inspiral changes
# fastest at low frequencies.
_STEEP = 0.3
_TABLE = 4000  # frequencies of the table by which the spacing is inverted: many more than there are nodes


def spaced(lowest: float, highest: float, size: int) -> np.ndarray:
    """Return nodes (J,) from one frequency to another, denser at low frequencies."""
    table = np.geomspace(lowest, highest, _TABLE)
    below = np.log(table / lowest) + 3 * _STEEP * (1 - (table / lowest) ** (-1 / 3))
    nodes = np.interp(np.linspace(0, below[-1], size), below, table)
    nodes[0], nodes[-1] = lowest, highest
    return nodes


class Spline:
    """Cubic splines through values at nodes, with not-a-knot ends.

    Parameters
    ----------
    nodes
        Increasing frequencies (J,), at least four.
    """

    def __init__(self, nodes: np.ndarray) -> None:
        self.nodes = nodes
        made = make_interp_spline(nodes, np.eye(len(nodes)), k=3)
        self.knots: np.ndarray = made.t
        # B-splines have a support of four intervals: sums over frequencies are made with them.
        self.coefficients: np.ndarray = made.c
        self._last: tuple[np.ndarray, csr_array] | None = None

    def __len__(self) -> int:
        return len(self.nodes)

    def local(self, frequencies: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the first of the four nonzero B-splines at each frequency, (F,), and their values, (F, 4)."""
        design = BSpline.design_matrix(frequencies, self.knots, 3)
        return design.indices.reshape(-1, 4)[:, 0], design.data.reshape(-1, 4)

    def matrix(self, frequencies: np.ndarray, beyond: bool = False) -> csr_array:
        """Return B-splines at frequencies, (F, J), as a sparse matrix; extrapolated beyond the nodes if ``beyond`` is true."""
        # Sums over the same frequencies follow one another, and the matrix takes longer than a sum.
        if self._last is None or self._last[0] is not frequencies:
            self._last = frequencies, csr_array(BSpline.design_matrix(frequencies, self.knots, 3, extrapolate=beyond))
        return self._last[1]

    def at(self, frequencies: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Evaluate splines through values (..., J) at frequencies: (..., F)."""
        coefficients = (values.reshape(-1, len(self)) @ self.coefficients.T).T
        return (self.matrix(frequencies) @ coefficients).T.reshape(*values.shape[:-1], -1)

    def weights(self, frequencies: np.ndarray, factors: np.ndarray) -> np.ndarray:
        """Return weights (..., J) of the values in the sum over frequencies of the spline times factors (..., F)."""
        sums = (self.matrix(frequencies).T @ factors.reshape(-1, len(frequencies)).T).T
        return (sums @ self.coefficients).reshape(*factors.shape[:-1], len(self))

    def refined(self) -> Spline:
        """Return the spline whose nodes are these and the middles between them."""
        nodes = np.empty(2 * len(self) - 1)
        nodes[::2], nodes[1::2] = self.nodes, 0.5 * (self.nodes[1:] + self.nodes[:-1])
        return Spline(nodes)
