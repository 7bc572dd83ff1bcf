r"""Derived quantities of a posterior of a compact binary: masses, effective spins, redshift, signal-to-noise ratio.

The conversions are Bilby's own, with two exceptions. Redshifts of many rows are taken from a spline, because Bilby takes two
milliseconds for each. And the row with the largest spin in the orbital plane is put first: if the first row has no such spin,
Bilby 2.8 makes the components of all rows whole numbers, which are zero.
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
"""Coordinates of masses; with ``_source`` they are in the source frame, except for the ratios."""
SOURCE = "_source"
MATCHED, OPTIMAL = "matched_filter_snr", "optimal_snr"
"""Names of signal-to-noise ratios in Bilby's columns, without the detector."""

_TIDES = {"lambda_1", "lambda_2", "lambda_tilde", "lambda_symmetric"}
# Columns of the Cartesian components of both spins, which only make sense with a reference frequency: numbers 1 and 2
# are the stars.
_COMPONENTS = ("iota", "phi_1", "phi_2", *(f"spin_{star}{axis}" for star in (1, 2) for axis in "xyz"))
_ANY_FREQUENCY = 50.0  # Hz, Bilby's default; effective spins do not depend on the reference frequency
_REDSHIFT = "redshift"
_MANY = 400  # rows above which a spline of redshifts, with as many nodes, takes less time than the rows


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
        Rows with Bilby's names; existing columns are not changed.
    priors
        Priors of the run, for parameters that are fixed.
    reference_frequency
        Reference frequency of the spins, in Hz; without it their Cartesian components are left out.
    redshifts
        Redshift as a function of the distance, if it was made already; by default it is made when needed.

    Returns
    -------
    DataFrame
        ``posterior`` itself if it is not of a binary, has no rows, or Bilby's conversions fail.
    """
    if not len(posterior) or not any(map(is_mass, posterior)):
        return posterior
    rows = posterior.reset_index(drop=True)
    rows = rows.iloc[_tilted_first(rows)]
    try:
        made = _converted(rows, priors, reference_frequency or _ANY_FREQUENCY, redshifts)
    except (KeyError, ValueError, TypeError, AttributeError):
        # Only one mass, or a distance in other units: nothing can be derived.
        return posterior
    if reference_frequency is None:
        made = made.drop(columns=["reference_frequency", *_COMPONENTS], errors="ignore")
    made = made.sort_index().set_axis(posterior.index)
    return made.assign(**{key: posterior[key] for key in posterior})


def network_snr(matched: np.ndarray, optimal: np.ndarray) -> np.ndarray:
    r"""Return the matched-filter signal-to-noise ratio of waveforms in all detectors together, (N,).

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
    """Return the rows with all quantities that Bilby's conversions give, in its order."""
    made = rows.assign(reference_frequency=reference_frequency)
    if priors is not None:
        made = fill_from_fixed_priors(made, priors)
    tides = bool({*made} & _TIDES)
    convert = convert_to_lal_binary_neutron_star_parameters if tides else convert_to_lal_binary_black_hole_parameters
    made, _ = convert(made)
    made = generate_mass_parameters(made)
    # As in Bilby's own function: not every prior has spins.
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
    """Return the numbers of the rows, (N,), that of the largest spin in the orbital plane first."""
    in_plane = np.zeros(len(rows))
    for star in (1, 2):
        if {f"a_{star}", f"tilt_{star}"} <= {*rows.columns}:
            in_plane += rows[f"a_{star}"] * np.sin(rows[f"tilt_{star}"])
    first = int(np.argmax(in_plane))
    return np.concatenate([[first], np.delete(np.arange(len(rows)), first)])
