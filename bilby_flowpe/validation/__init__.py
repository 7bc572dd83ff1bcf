"""How far a posterior is from a reference or from the exact one."""

from __future__ import annotations

from .metrics import (
    KLSummary,
    compare_marginals,
    delta_log_evidence,
    jensen_shannon,
    kl_truth,
    kl_weighted,
    log_posterior_at_truth,
    split_half_floor,
)

__all__ = [
    "KLSummary",
    "compare_marginals",
    "delta_log_evidence",
    "jensen_shannon",
    "kl_truth",
    "kl_weighted",
    "log_posterior_at_truth",
    "split_half_floor",
]
