"""Parameters of a compact binary that shape its wave: symmetric mass ratio, spins along the orbit, combined tides."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

Columns = Mapping[str, np.ndarray | float]

_TIDES = ("lambda_1", "lambda_2", "lambda_tilde", "delta_lambda_tilde")
SHAPES = (
    "mass_ratio",
    "symmetric_mass_ratio",
    *(f"{name}_{number}" for number in "12" for name in ("chi", "a", "tilt", "cos_tilt")),
    *_TIDES,
)
"""Parameters, beside the chirp mass, that determine the shape of a non-precessing wave seen face on."""


RATIOS = ("mass_ratio", "symmetric_mass_ratio")
"""Names of the mass ratios, the usual one first."""


def symmetric_mass_ratio(ratio: np.ndarray | float, name: str) -> np.ndarray:
    """Return the symmetric mass ratio, (N,), of a ratio of the masses by its name, one of :data:`RATIOS`."""
    given = np.asarray(ratio, dtype=np.float64)
    return given / (1 + given) ** 2 if name == "mass_ratio" else given


def spin_along_orbit(columns: Columns, number: str) -> np.ndarray | None:
    """Return the component of a spin along the orbital angular momentum, (N,), or ``None`` if there is no such spin."""
    if f"chi_{number}" in columns:
        return np.asarray(columns[f"chi_{number}"], dtype=np.float64)
    if f"a_{number}" not in columns:
        return None
    magnitude = np.asarray(columns[f"a_{number}"], dtype=np.float64)
    if f"tilt_{number}" in columns:
        return magnitude * np.cos(columns[f"tilt_{number}"])
    return magnitude * columns[f"cos_tilt_{number}"] if f"cos_tilt_{number}" in columns else magnitude


def tide_factors(symmetric: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r"""Return the factors of both tidal deformabilities in their combination at leading order, (N,) each.

    With :math:`m_{1,2}` the shares of the heavier and the lighter star in the total mass, these are
    :math:`\tfrac{16}{13} (m_1 + 12 m_2) m_1^4` and the same with both exchanged (Flanagan and Hinderer 2008).
    """
    difference = np.sqrt(np.maximum(1 - 4 * symmetric, 0.0))
    heavy, light = 0.5 * (1 + difference), 0.5 * (1 - difference)
    return 16 / 13 * (heavy + 12 * light) * heavy**4, 16 / 13 * (light + 12 * heavy) * light**4


def variables_of(columns: Columns) -> np.ndarray:
    """Return the symmetric mass ratio, the spins along the orbit and the tides that ``columns`` contain, (N, V)."""
    there = [name for name in RATIOS if name in columns]
    ratio = symmetric_mass_ratio(columns[there[0]], there[0]) if there else None
    found = [one for one in (ratio, *(spin_along_orbit(columns, number) for number in "12")) if one is not None]
    if {"lambda_1", "lambda_2"} <= {*columns} and ratio is not None:
        first, second = tide_factors(ratio)
        found.append(first * columns["lambda_1"] + second * columns["lambda_2"])
    else:
        found += [np.asarray(columns[key], dtype=np.float64) for key in _TIDES if key in columns]
    if not found:
        return np.empty((0, 0))
    return np.stack(np.broadcast_arrays(*(np.atleast_1d(one) for one in found)), axis=1)
