"""Parameters of a compact binary that a reader asks for first, derived from a posterior by Bilby's own conversion functions."""

from __future__ import annotations

import numpy as np
from bilby.core.result import Result
from bilby.gw.conversion import generate_all_bbh_parameters, generate_all_bns_parameters
from pandas import DataFrame, Series

from ..bands import RATIOS, Bands

DERIVED = (
    "chirp_mass_source",
    "mass_1_source",
    "mass_2_source",
    "total_mass_source",
    "mass_ratio",
    "redshift",
    "chi_eff",
    "chi_p",
    "lambda_tilde",
)
"""Bilby's names, in the order in which they are told."""

UNITS = {key: "solar masses" for key in DERIVED if "mass" in key and key != "mass_ratio"}
"""Units of those that have one."""

# Rows to derive from: Bilby's conversions take 2 ms a row, and a median of so many is known to 4% of a standard deviation.
_MOST = 1000

SAMPLED_UNITS = {
    **dict.fromkeys(("chirp_mass", "mass_1", "mass_2", "total_mass"), "solar masses, detector frame"),
    **UNITS,
    **dict.fromkeys(("luminosity_distance", "comoving_distance"), "Mpc"),
    **dict.fromkeys(
        ("theta_jn", "psi", "phase", "ra", "dec", "tilt_1", "tilt_2", "phi_12", "phi_jl", "azimuth", "zenith"),
        "radians",
    ),
    "geocent_time": "s, GPS",
}
"""Units of parameters of gravitational waves."""

_TIDES = {"lambda_1", "lambda_2", "lambda_tilde", "lambda_symmetric"}
_MASSES = {"mass_1", "mass_2", "chirp_mass", "total_mass", "mass_1_source", "mass_2_source", "chirp_mass_source"}


def is_binary(result: Result) -> bool:
    """Whether the posterior is of a compact binary: it has masses by Bilby's names.

    Parameters
    ----------
    result
        Bilby's result.
    """
    return bool({*result.posterior.columns} & _MASSES)


def derived_parameters(result: Result) -> DataFrame:
    """Return derived parameters of a posterior of a compact binary.

    Those that the posterior has, as a conversion function has made them, are taken as they are; others are made by
    :func:`bilby.gw.conversion.generate_all_bbh_parameters`, or by that of neutron stars where there are tides, with Bilby's
    cosmology.

    Parameters
    ----------
    result
        Bilby's result.

    Returns
    -------
    DataFrame
        The columns of :data:`DERIVED` that there are: a row for each of the posterior's, or, where nothing is derived yet, for
        a thousand of them, evenly spaced. None for what is no compact binary, or where Bilby's conversion does not do.
    """
    posterior = result.posterior.reset_index(drop=True)
    there = [key for key in DERIVED if key in posterior]
    # What is searched may be among them; where the source's frame is there, a conversion function was.
    if not {"redshift", "chirp_mass_source", "mass_1_source"} & {*there}:
        rows = np.unique(np.linspace(0, len(posterior) - 1, min(len(posterior), _MOST)).astype(int))
        posterior = posterior.iloc[rows].reset_index(drop=True)
    if len(there) < len(DERIVED) - 1 and {*posterior.columns} & _MASSES and len(posterior):
        convert = generate_all_bns_parameters if {*posterior.columns} & _TIDES else generate_all_bbh_parameters
        try:
            made = convert(posterior.iloc[_tilted_first(posterior)], priors=result.priors).sort_index()
        except (KeyError, ValueError, TypeError, AttributeError):
            # One mass alone, a distance in units of its own: there is nothing to derive from.
            return posterior[there]
        posterior = made.assign(**{key: posterior[key] for key in there})
    found = [key for key in DERIVED if key in posterior and np.all(np.isfinite(_numbers(posterior[key])))]
    return posterior[found]


def signal_to_noise(result: Result, bands: Bands) -> dict[str, dict[str, np.ndarray]]:
    """Return signal-to-noise ratios of posterior rows, by detector, and of the network.

    Parameters
    ----------
    result
        Bilby's result; columns like ``H1_optimal_snr`` are used where its posterior has them.
    bands
        What a run has kept beside it, which has the ratios of some of its rows; may be empty.

    Returns
    -------
    dict
        Of each detector, and of ``network`` (the square root of the sum of the squares) where there are several:
        ``optimal_snr`` and ``matched_filter_snr``, (N,) each, those there are.
    """
    columns = {str(key) for key in result.posterior}
    found: dict[str, dict[str, np.ndarray]] = {}
    for kind in RATIOS:
        names = sorted(key.removesuffix(f"_{kind}") for key in columns if key.endswith(f"_{kind}"))
        names = [name for name in names if name != "network"]
        if names:
            of_kind = {name: np.abs(result.posterior[f"{name}_{kind}"].to_numpy()) for name in names}
        else:
            of_kind = {name: np.asarray(band[kind]) for name, band in bands.items() if kind in band}
        if len(of_kind) > 1:
            of_kind["network"] = np.sqrt(sum(ratio**2 for ratio in of_kind.values()))
        for name, ratio in of_kind.items():
            found.setdefault(name, {})[kind] = ratio
    return found


def _tilted_first(posterior: DataFrame) -> np.ndarray:
    """Numbers of the rows, that of the largest spin in the orbital plane first, (N,).

    Bilby 2.8 makes these components whole numbers, which are zero, where the first row has none.
    """
    rows = np.arange(len(posterior))
    if {"a_1", "tilt_1"} <= {*posterior.columns}:
        first = int(np.argmax(posterior["a_1"] * np.sin(posterior["tilt_1"])))
        rows = np.concatenate([[first], np.delete(rows, first)])
    return rows


def _numbers(column: Series) -> np.ndarray:
    """Values of a column; not a number where it holds something else."""
    values = column.to_numpy()
    return values if np.issubdtype(values.dtype, np.number) else np.full(len(values), np.nan)
