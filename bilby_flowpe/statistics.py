"""What a run said of itself, read from a result."""

from __future__ import annotations

from typing import Any

import numpy as np
from bilby.core.result import Result

KEY = "run_statistics"


def statistics_of(result: Result) -> dict[str, Any]:
    """Statistics and verdict of a run of flowpe; empty for another sampler's result."""
    return (result.meta_data or {}).get(KEY) or {}


def is_merged(result: Result) -> bool:
    """Whether a result was merged from several runs: Bilby keeps the statistics and the verdict of the first of them."""
    said = statistics_of(result).get("log_evidence")
    if said is None or not np.isfinite(said):
        return False
    # A run's own is one of the two, by whether likelihoods were ratios.
    own = [float(value) for value in (result.log_evidence, result.log_bayes_factor)]
    return not np.any(np.isclose(own, said, rtol=1e-12, atol=1e-9))
