"""Measures of the distance between a posterior and a reference, or the exact posterior; reports about results and models.

To read first: :mod:`.comparison`, two results side by side; :mod:`.coverage`, calibration over simulated events; and
:mod:`.report`, the page of a result.

To add a section to the page, write a function in :mod:`.sections`, and call it in :mod:`.report`.
"""

from __future__ import annotations

from .comparison import compare_results, delta_log_evidence, format_comparison
from .divergence import KLSummary, kl_truth, kl_weighted, log_posterior_at_truth
from .marginals import compare_marginals, jensen_shannon, split_half_floor
from .neighbours import nearest_neighbour_kl, two_way_kl
from .report import report_result

__all__ = [
    "KLSummary",
    "compare_marginals",
    "compare_results",
    "delta_log_evidence",
    "format_comparison",
    "jensen_shannon",
    "kl_truth",
    "kl_weighted",
    "log_posterior_at_truth",
    "nearest_neighbour_kl",
    "report_result",
    "split_half_floor",
    "two_way_kl",
]
