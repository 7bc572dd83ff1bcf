r"""What is derived from a posterior of a compact binary: masses, effective spins, redshift, signal-to-noise ratio.

The conversions are Bilby's own, but for two things. Redshifts of many rows are taken from a spline, for Bilby takes two
milliseconds for each. And the row of the largest spin in the orbital plane comes first: Bilby 2.8 gives all rows whole numbers
for these components, which are zero, where the first row has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

import numpy as np
from bilby.core.prior import Prior
from bilby.gw.conversion import (
    convert_to_lal_binary_black_hole_parameters,
    convert_to_lal_binary_neutron_star_parameters,
    fill_from_fixed_priors,
    generate_mass_parameters,
    generate_spin_parameters,
    generate_tidal_parameters,
    luminosity_distance_to_redshift,
)
from pandas import DataFrame

from .names import DISTANCE
from .redshifts import Redshifts

MASSES = ("mass_1", "mass_2", "chirp_mass", "total_mass", "mass_ratio", "symmetric_mass_ratio")
"""Coordinates of masses; with ``_source`` in the frame of the source, but for the ratios."""
SOURCE = "_source"
MATCHED, OPTIMAL = "matched_filter_snr", "optimal_snr"
"""Signal-to-noise ratios by the names of Bilby's columns without the detector's."""

_TIDES = {"lambda_1", "lambda_2", "lambda_tilde", "lambda_symmetric"}
_COMPONENTS = ("iota", "phi_1", "phi_2", *(f"spin_{star}{axis}" for star in (1, 2) for axis in "xyz"))
_ANY_FREQUENCY = 50.0  # Hz, Bilby's default: effective spins do not depend on where spins are told
_REDSHIFT = "redshift"
_MANY = 400  # rows from which a spline of redshifts, of as many nodes, is sooner made than they


def is_mass(key: str) -> bool:
    """Return whether a parameter is a coordinate of masses, by its name."""
    return key.removesuffix(SOURCE) in MASSES


def with_derived(
    posterior: DataFrame,
    priors: Mapping[str, Prior] | None = None,
    reference_frequency: float | None = None,
    redshifts: Redshifts | None = None,
) -> DataFrame:
    """Return a posterior with masses of both frames, effective spins, redshift and tidal parameters beside its own columns.

    Parameters
    ----------
    posterior
        Rows with Bilby's names; what is there stays as it is.
    priors
        Those of the run, for parameters that are fixed.
    reference_frequency
        At which spins are told, in Hz; without it their Cartesian components are left out.
    redshifts
        As a function of the distance, where it is known; made as it is needed otherwise.

    Returns
    -------
    DataFrame
        ``posterior`` itself where it is of no binary, has no rows, or Bilby's conversions do not do.
    """
    if not len(posterior) or not any(map(is_mass, posterior)):
        return posterior
    rows = posterior.reset_index(drop=True)
    rows = rows.iloc[_tilted_first(rows)]
    try:
        made = _converted(rows, priors, reference_frequency or _ANY_FREQUENCY, redshifts)
    except (KeyError, ValueError, TypeError, AttributeError):
        # One mass alone, or a distance in units of its own: there is nothing to derive from.
        return posterior
    if reference_frequency is None:
        made = made.drop(columns=["reference_frequency", *_COMPONENTS], errors="ignore")
    made = made.sort_index().set_axis(posterior.index)
    return made.assign(**{key: posterior[key] for key in posterior})


def network_snr(matched: np.ndarray, optimal: np.ndarray) -> np.ndarray:
    r"""Matched-filter signal-to-noise ratio of waves in all detectors together, (N,).

    With the complex ratio :math:`\rho_k = \langle d_k | h_k \rangle / \langle h_k | h_k \rangle^{1/2}` and the optimal one
    :math:`o_k = \langle h_k | h_k \rangle^{1/2}` of detector k it is
    :math:`|\sum_k \rho_k o_k| / (\sum_k o_k^2)^{1/2}`: one filter over the data of all detectors.

    Parameters
    ----------
    matched, optimal
        Both ratios of D detectors, (D, N).
    """
    return np.abs(np.sum(matched * optimal, axis=0)) / np.sqrt(np.sum(optimal**2, axis=0))


def _converted(
    rows: DataFrame, priors: Mapping[str, Prior] | None, reference_frequency: float, redshifts: Redshifts | None
) -> DataFrame:
    """Rows with all that Bilby's conversions give, in its order."""
    made = rows.assign(reference_frequency=reference_frequency)
    if priors is not None:
        made = fill_from_fixed_priors(made, priors)
    tides = bool({*made} & _TIDES)
    convert = convert_to_lal_binary_neutron_star_parameters if tides else convert_to_lal_binary_black_hole_parameters
    made, _ = convert(made)
    made = generate_mass_parameters(made)
    # As in Bilby's own: not every prior has spins.
    with suppress(KeyError):
        made = generate_spin_parameters(made)
    if tides:
        made = generate_tidal_parameters(made)
    if DISTANCE in made and _REDSHIFT not in made:
        made[_REDSHIFT] = _redshifts_of(made[DISTANCE].to_numpy(dtype=np.float64), redshifts)
    if _REDSHIFT in made:
        for key in (key for key in MASSES if "ratio" not in key and key in made):
            made[f"{key}{SOURCE}"] = made[key] / (1 + made[_REDSHIFT])
    return made


def _redshifts_of(distance: np.ndarray, given: Redshifts | None) -> np.ndarray:
    if given is not None:
        return given(distance)
    low, high = float(distance.min()), float(distance.max())
    if len(distance) <= _MANY or not 0 < low < high:
        return np.asarray(luminosity_distance_to_redshift(distance), dtype=np.float64)
    return Redshifts(low, high)(distance)


def _tilted_first(rows: DataFrame) -> np.ndarray:
    """Numbers of the rows, that of the largest spin in the orbital plane first, (N,)."""
    in_plane = np.zeros(len(rows))
    for star in (1, 2):
        if {f"a_{star}", f"tilt_{star}"} <= {*rows.columns}:
            in_plane += rows[f"a_{star}"] * np.sin(rows[f"tilt_{star}"])
    first = int(np.argmax(in_plane))
    return np.concatenate([[first], np.delete(np.arange(len(rows)), first)])
