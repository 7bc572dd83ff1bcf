"""Derived parameters of a compact binary, computed from a posterior by Bilby's conversion functions."""

from __future__ import annotations

import numpy as np
from bilby.core.result import Result
from pandas import DataFrame, Series

from ..bands import RATIOS, Bands
from ..binaries import MATCHED, OPTIMAL, is_mass, network_snr, with_derived

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
"""Bilby's names of the derived parameters, in the order in which they are shown."""

UNITS = {key: "solar masses" for key in DERIVED if "mass" in key and key != "mass_ratio"}
"""Units of those derived parameters that have one."""

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

_NETWORK = "network"


def is_binary(result: Result) -> bool:
    """Return whether the posterior is of a compact binary: whether it has masses by Bilby's names.

    Parameters
    ----------
    result
        Bilby's result.
    """
    return any(map(is_mass, result.posterior))


def of_waves(result: Result) -> bool:
    """Return whether a result is from data of interferometers, by Bilby's description of the likelihood or by parameters."""
    return "interferometers" in ((result.meta_data or {}).get("likelihood") or {}) or is_binary(result)


def derived_parameters(result: Result) -> DataFrame:
    """Return derived parameters of a posterior of a compact binary.

    Derived parameters that the posterior already has, from a conversion function, are not changed.

    Parameters
    ----------
    result
        Bilby's result.

    Returns
    -------
    DataFrame
        The available columns of :data:`DERIVED`, with a row for each row of the posterior. There are none if the source is not
        a compact binary, or if Bilby's conversions fail (:func:`bilby_flowpe.binaries.with_derived`).
    """
    posterior = result.posterior
    if not all(key in posterior for key in DERIVED if key != "lambda_tilde"):
        posterior = with_derived(posterior, result.priors)
    return posterior[[key for key in DERIVED if key in posterior and np.all(np.isfinite(_numbers(posterior[key])))]]


def signal_to_noise(result: Result, bands: Bands) -> dict[str, dict[str, np.ndarray]]:
    """Return signal-to-noise ratios of the posterior rows, by detector and for the network.

    Parameters
    ----------
    result
        Bilby's result; columns such as ``H1_optimal_snr`` are used if its posterior has them.
    bands
        Waveform bands that the run has kept beside the result, with the ratios of some rows; may be empty.

    Returns
    -------
    dict
        For each detector, and for ``network`` if there are several: ``optimal_snr`` (of the network: the square root of the sum
        of squares) and the modulus of ``matched_filter_snr`` (of the network: that of one filter over all data,
        :func:`bilby_flowpe.binaries.network_snr`), (N,) each, as far as they are known.
    """
    columns = {str(key) for key in result.posterior}
    found: dict[str, dict[str, np.ndarray]] = {}
    for kind in RATIOS:
        names = sorted(key.removesuffix(f"_{kind}") for key in columns if key.endswith(f"_{kind}"))
        names = [name for name in names if name != _NETWORK]
        of_kind = {name: result.posterior[f"{name}_{kind}"].to_numpy() for name in names} or {
            name: np.asarray(band[kind]) for name, band in bands.items() if kind in band
        }
        for name, ratio in of_kind.items():
            found.setdefault(name, {})[kind] = ratio
    both = [of_one for of_one in found.values() if {*RATIOS} <= of_one.keys()]
    optimal = [of_one[OPTIMAL] for of_one in found.values() if OPTIMAL in of_one]
    if len(optimal) > 1:
        found[_NETWORK] = {OPTIMAL: np.sqrt(np.sum(np.square(optimal), axis=0))}
    if len(both) > 1:
        found[_NETWORK][MATCHED] = network_snr(
            *(np.stack([of_one[kind] for of_one in both]) for kind in (MATCHED, OPTIMAL))
        )
    return {name: {kind: np.abs(ratio) for kind, ratio in of_one.items()} for name, of_one in found.items()}


def _numbers(column: Series) -> np.ndarray:
    """Return the values of a column; not a number if they are something else."""
    values = column.to_numpy()
    return values if np.issubdtype(values.dtype, np.number) else np.full(len(values), np.nan)
