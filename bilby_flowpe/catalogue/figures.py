"""Figures of one event: medians and 90% intervals, signal-to-noise ratio, weights, evidence."""

from __future__ import annotations

from typing import Any

import numpy as np
from bilby.core.result import Result
from pandas import DataFrame

from ..binaries import MATCHED, OPTIMAL, network_snr, with_derived
from ..results import statistics_of

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
"""Parameters of the table and their units, by astropy's names.

Masses without ``source`` are in the detectors' frame. ``network_snr`` is the matched-filter signal-to-noise ratio of each
draw's waveform in all detectors together.
"""
QUANTILES = {"": 0.5, "_05": 0.05, "_95": 0.95}
"""Endings of column names, and the quantile of the posterior that each stands for."""


def figures_of(result: Result) -> dict[str, Any]:
    """Return the figures of a result as plain values, ``None`` for figures that it does not have.

    Parameters
    ----------
    result
        Result of flowpe, or of another sampler, which has no verdict.

    Returns
    -------
    dict
        Figures by the names of the table's columns (:mod:`.table`).
    """
    statistics = statistics_of(result)
    posterior = with_derived(result.posterior, result.priors)
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
        # Bilby's property raises an error if there is no number.
        "n_evaluations": _number(
            statistics.get("n_likelihood_evaluations", getattr(result, "_num_likelihood_evaluations", None))
        ),
        "n_posterior": len(result.posterior),
    }
    return figures


def _of_network(posterior: DataFrame) -> np.ndarray | None:
    """Return the matched-filter signal-to-noise ratio of all detectors together, (N,); ``None`` if the posterior has none."""
    names = [key.removesuffix(MATCHED) for key in posterior if key.endswith(f"_{MATCHED}")]
    names = [name for name in names if f"{name}{OPTIMAL}" in posterior]
    if not names:
        return None
    return network_snr(
        *(np.stack([posterior[f"{name}{kind}"].to_numpy() for name in names]) for kind in (MATCHED, OPTIMAL))
    )


def _values(posterior: DataFrame, key: str) -> np.ndarray | None:
    values = _of_network(posterior) if key == "network_snr" else posterior.get(key)
    if values is None or not len(values):
        return None
    values = np.asarray(values, dtype=float)
    return values if np.all(np.isfinite(values)) else None


def _number(value: Any) -> float | None:
    return None if value is None or not np.isfinite(value) else float(value)
