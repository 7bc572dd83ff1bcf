"""One event in figures: medians and 90% intervals, signal-to-noise ratio, weights, evidence."""

from __future__ import annotations

from typing import Any

import numpy as np
from bilby.core.result import Result
from bilby.core.utils import logger
from pandas import DataFrame

from ..results import statistics_of
from .coordinates import is_mass

PARAMETERS = {
    "mass_1": "solMass",
    "mass_2": "solMass",
    "chirp_mass": "solMass",
    "mass_1_source": "solMass",
    "mass_2_source": "solMass",
    "chirp_mass_source": "solMass",
    "mass_ratio": "",
    "chi_eff": "",
    "chi_p": "",
    "luminosity_distance": "Mpc",
    "redshift": "",
    "network_snr": "",
}
"""Parameters of the table and their units, by astropy's names: masses without ``source`` are the detectors'. ``network_snr`` is
the matched-filter signal-to-noise ratio of each draw's wave in all detectors together."""
QUANTILES = {"": 0.5, "_05": 0.05, "_95": 0.95}
"""What follows the name of a parameter, and the quantile of its posterior."""
_MATCHED, _OPTIMAL = "_matched_filter_snr", "_optimal_snr"


def figures_of(result: Result) -> dict[str, Any]:
    """The figures of a result: plain values, ``None`` where there are none.

    Parameters
    ----------
    result
        Of flowpe, or of another sampler, which has no verdict.

    Returns
    -------
    dict
        Keys as the columns of the table (:mod:`.table`).
    """
    statistics = statistics_of(result)
    posterior = with_derived(result.posterior)
    figures: dict[str, Any] = {
        "verdict": statistics.get("verdict", "none"),
        "reason": next(iter(statistics.get("reasons", [])), ""),
    }
    for key in PARAMETERS:
        values = _values(posterior, key)
        for suffix, quantile in QUANTILES.items():
            figures[key + suffix] = None if values is None else float(np.quantile(values, quantile))
    figures |= {
        "efficiency": _number(statistics.get("efficiency")),
        "n_effective": _number(statistics.get("effective_sample_size")),
        "ln_evidence": _number(result.log_evidence),
        "ln_evidence_error": _number(result.log_evidence_err),
        "ln_bayes_factor": _number(result.log_bayes_factor),
        # Bilby's property raises where there is none.
        "n_evaluations": _number(
            statistics.get("n_likelihood_evaluations", getattr(result, "_num_likelihood_evaluations", None))
        ),
        "n_posterior": len(result.posterior),
    }
    return figures


def with_derived(posterior: DataFrame) -> DataFrame:
    """A posterior with masses of both frames, effective spins and redshift, by Bilby's conversions where they were missing."""
    whole = all(key in posterior for key in PARAMETERS if key != "network_snr")
    if whole or not len(posterior) or not any(map(is_mass, posterior)):
        return posterior
    from bilby.gw.conversion import generate_all_bbh_parameters  # here: a posterior of a run through bilby_pipe has all

    try:
        return generate_all_bbh_parameters(posterior.copy())
    except Exception as error:
        # Of a problem that is no binary: the table then has what the posterior has.
        logger.warning(f"Masses and spins were not derived ({type(error).__name__}: {error})")
        return posterior


def network_snr(posterior: DataFrame) -> np.ndarray | None:
    r"""Matched-filter signal-to-noise ratio of each wave in all detectors, (N,); ``None`` where the posterior has none.

    With the complex ratio :math:`\rho_k = \langle d_k | h_k \rangle / \langle h_k | h_k \rangle^{1/2}` and the optimal one
    :math:`o_k = \langle h_k | h_k \rangle^{1/2}` of detector k it is
    :math:`|\sum_k \rho_k o_k| / (\sum_k o_k^2)^{1/2}`: one filter over the data of all detectors.
    """
    names = [key.removesuffix(_MATCHED) for key in posterior if key.endswith(_MATCHED)]
    names = [name for name in names if f"{name}{_OPTIMAL}" in posterior]
    if not names:
        return None
    matched = np.stack([np.asarray(posterior[f"{name}{_MATCHED}"], dtype=complex) for name in names])
    optimal = np.stack([np.asarray(posterior[f"{name}{_OPTIMAL}"], dtype=float) for name in names])
    return np.abs(np.sum(matched * optimal, axis=0)) / np.sqrt(np.sum(optimal**2, axis=0))


def _values(posterior: DataFrame, key: str) -> np.ndarray | None:
    values = network_snr(posterior) if key == "network_snr" else posterior.get(key)
    if values is None or not len(values):
        return None
    values = np.asarray(values, dtype=float)
    return values if np.all(np.isfinite(values)) else None


def _number(value: Any) -> float | None:
    return None if value is None or not np.isfinite(value) else float(value)
