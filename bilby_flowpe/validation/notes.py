"""The verdicts of results as a plain text, for the notes page of PESummary.

PESummary keeps ``run_statistics`` in its own file, but none of its pages shows them. The text given to
``summarypages --notes`` gets a page.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill, indent

from bilby.core.result import Result

from ..result_files import read_result
from ..results import is_merged, statistics_of

# Characters of a line: PESummary does not break long lines.
_WIDTH = 100
_MARGIN = "    "


def notes_of(paths: Sequence[Path]) -> str:
    """Return verdicts, reasons and figures of results as text, one result after the other.

    Parameters
    ----------
    paths
        Bilby's result files.

    Raises
    ------
    DataError
        If a file cannot be read.
    """
    return "\n\n".join(_of(read_result(path), path) for path in paths) + "\n"


def _of(result: Result, path: Path) -> str:
    said = statistics_of(result)
    lines = [f"{result.label} ({result.sampler}, {path.name})"]
    if "verdict" not in said:
        return "\n".join([*lines, f"{_MARGIN}no verdict: another sampler's result"])
    reasons = list(said.get("reasons", ()))
    if is_merged(result):
        reasons.append("this result was merged from several runs: verdict and figures are those of the first run")
    lines.append(f"{_MARGIN}verdict: {said['verdict']}")
    lines += [_wrapped(f"- {reason}") for reason in reasons]
    # PESummary rounds evidences to two decimals, so that it shows their errors as zero.
    for name in ("log_bayes_factor", "log_evidence"):
        lines.append(f"{_MARGIN}{name}: {getattr(result, name):.4f} +- {result.log_evidence_err:.4f}")
    for name in ("effective_sample_size", "efficiency", "pareto_k", "n_likelihood_evaluations"):
        if isinstance(value := said.get(name), int | float):
            lines.append(f"{_MARGIN}{name}: {value:.6g}")
    lines.append(f"{_MARGIN}equal-weight posterior samples: {len(result.posterior)}")
    return "\n".join(lines)


def _wrapped(text: str) -> str:
    return indent(fill(text, _WIDTH, subsequent_indent="  ", break_long_words=False), _MARGIN)
