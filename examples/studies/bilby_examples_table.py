"""Write the page about Bilby's examples: CPU seconds, evaluations and ln Z of flowpe and of dynesty."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]

HEADER = (
    "script",
    "parameters",
    "verdict",
    "CPU seconds of the run",
    "dynesty's",
    "ratio",
    "CPU seconds of the script",
    "dynesty's",
    "likelihood evaluations",
    "dynesty's",
    "ln Z",
    "dynesty's minus flowpe's, in combined errors",
    "its error over ours",
)

PAGE = """# Bilby's own examples

Scripts of the folder `examples` in Bilby {bilby}'s source distribution, each run twice: as it is, if its sampler is dynesty
(with dynesty and Bilby's defaults otherwise, {others}), and with `sampler="flowpe"` and its defaults in the place of the
sampler and its settings{settings}.

<!-- not run: takes hours -->
```bash
python examples/studies/bilby_examples.py --outdir outdir/bilby_examples --samplers flowpe own --table docs/bilby_examples.md
```

CPU seconds are those of one core of a machine that others used. *Of the run* are those of `bilby.run_sampler` without plots,
conversion of the posterior included; *of the script* are those of the whole process, imports and plots included. A script with
several runs has a row for each, and their sum below. *Below* and *above* stand where dynesty was ended before its last run.
Where the column of dynesty is empty it was not run, or the script ends in an error of Bilby's own with it.

{summary}

{table}

Two differences of ln Z are larger than three errors. For `radioactive_decay`, a sum over a grid
(`python examples/studies/radioactive_decay.py`) gives -810.387, which is flowpe's value; the script asks dynesty for
`sample="unif"`. For `gaussian_process_celerite_example`, dynesty's value is lower by 3.6; flowpe's verdict is `check`, and
which of the two is right was not found out.
"""


@dataclass(frozen=True)
class Script:
    """Results of one script with both samplers.

    Attributes
    ----------
    name
        Of the script.
    ours, theirs
        Entries of flowpe and of dynesty.
    """

    name: str
    ours: Row
    theirs: Row

    @property
    def seconds(self) -> float:
        """CPU seconds of all runs of flowpe."""
        return math.fsum(row["run_cpu_seconds"] for row in self.ours["rows"])

    @property
    def complete(self) -> bool:
        """Whether dynesty finished every run that flowpe finished."""
        return not self.theirs["error"] and len(self.theirs["rows"]) == len(self.ours["rows"])

    @property
    def their_seconds(self) -> float:
        """CPU seconds of all runs of dynesty; for a run that was stopped, those up to the stop."""
        done = math.fsum(row["run_cpu_seconds"] for row in self.theirs["rows"])
        return done if self.complete else self.theirs["cpu_seconds"]

    @property
    def usable(self) -> bool:
        """Whether the ratio of the two is known, or a bound of it."""
        ended = "CPU seconds" in str(self.theirs["error"] or "")
        return bool(self.ours["rows"]) and not self.ours["error"] and (self.complete or ended)

    @property
    def ratio(self) -> float:
        """CPU seconds of flowpe over those of dynesty; an upper bound if dynesty was stopped."""
        return self.seconds / self.their_seconds

    @property
    def errors(self) -> list[float]:
        """Ratios of the errors of ln Z, dynesty over flowpe, for all runs that both finished."""
        pairs = zip(self.ours["rows"], self.theirs["rows"], strict=False)
        return [
            theirs["log_evidence_err"] / ours["log_evidence_err"]
            for ours, theirs in pairs
            if ours["log_evidence_err"] and theirs["log_evidence_err"]
        ]

    def lines(self) -> list[tuple[str, ...]]:
        """Rows of the table."""
        if "skipped" in self.ours:
            return [(self.name, "", f"not run: {self.ours['skipped']}", *[""] * (len(HEADER) - 3))]
        found = [self._line(index, row) for index, row in enumerate(self.ours.get("rows", []))]
        if len(found) > 1 and self.usable:
            found.append(
                ("in all", "", "", *self._compared(self.seconds, self.their_seconds, self.complete), *[""] * 7)
            )
        if self.ours.get("error"):
            last = str(self.ours["error"]).strip().splitlines()[-1][:200].replace("|", "/")
            found.append((self.name, "", f"ERROR: {last}", *[""] * (len(HEADER) - 3)))
        return found

    def _compared(self, ours: float, theirs: float | None, complete: bool) -> tuple[str, str, str]:
        if theirs is None:
            return f"{ours:.1f}", "", ""
        signs = ("", "") if complete else ("above ", "below ")
        return f"{ours:.1f}", f"{signs[0]}{theirs:.1f}", f"{signs[1]}{ours / theirs:.2f}"

    def _line(self, index: int, row: Row) -> tuple[str, ...]:
        theirs = self.theirs.get("rows", [])
        other = theirs[index] if index < len(theirs) else None
        seconds = other and other["run_cpu_seconds"]
        complete = other is not None
        if other is None and index == len(theirs) and self.usable and len(self.ours["rows"]) == 1:
            seconds = self.their_seconds
        whole = ("", "")
        if index == 0:
            of_theirs = self.theirs.get("cpu_seconds")
            whole = (f"{self.ours['cpu_seconds']:.0f}", "" if of_theirs is None else f"{of_theirs:.0f}")
        name = self.name if index == 0 else row["label"]
        return (
            name,
            str(row["n_parameters"]),
            str(row["verdict"]),
            *self._compared(row["run_cpu_seconds"], seconds, complete),
            *whole,
            f"{row['evaluations']:.1e}".replace("e+0", "e"),
            "" if other is None else f"{other['evaluations']:.1e}".replace("e+0", "e"),
            value(row),
            "" if other is None else off(row, other),
            ""
            if other is None or not row["log_evidence_err"]
            else f"{other['log_evidence_err'] / row['log_evidence_err']:.0f}",
        )


def value(row: Row) -> str:
    """The evidence of a run with its error."""
    if row["log_evidence"] is None:
        return "not finite"
    error = row["log_evidence_err"]
    exact = "" if row["truth"] is None else f" (exact: {row['truth']:.3f})"
    return f"{row['log_evidence']:.3f} ± {'nan' if error is None else f'{error:.3f}'}{exact}"


def off(row: Row, other: Row) -> str:
    """Return the difference of two evidences in units of their errors."""
    if row["log_evidence"] is None or other["log_evidence"] is None:
        return ""
    error = math.hypot(row["log_evidence_err"] or 0.0, other["log_evidence_err"] or 0.0)
    return f"{(other['log_evidence'] - row['log_evidence']) / error:.1f}"


def summary(compared: Sequence[Script]) -> str:
    """The figures over all scripts."""
    ratios = [script.ratio for script in compared]
    errors = [error for script in compared for error in script.errors]
    if not ratios or not errors:
        return "Nothing was run with both."
    above = [script.name for script in compared if script.ratio > 1]
    return (
        f"Over {len(ratios)} scripts the CPU seconds of the runs are {statistics.median(ratios):.2f} of dynesty's in the "
        f"median, {min(ratios):.2f} at least and {max(ratios):.2f} at most"
        + (f" (above 1: {', '.join(above)})" if above else "")
        + f"; dynesty's errors of ln Z are {statistics.median(errors):.0f} times as large in the median, {min(errors):.0f} "
        "times at least."
    )


def page(kept: Mapping[str, Mapping[str, Row]], bilby: str, others: str) -> str:
    """The whole page in Markdown.

    Parameters
    ----------
    kept
        What was run, by script and sampler.
    bilby
        Version of Bilby.
    others
        Settings of dynesty in scripts that have another sampler.
    """
    empty: Row = {"rows": [], "error": "not run"}
    scripts = [
        Script(name, entry["flowpe"], entry.get("own", empty)) for name, entry in kept.items() if "flowpe" in entry
    ]
    used = next((script.ours["options"] for script in scripts if "options" in script.ours), {})
    said = ", ".join(f"`{key}={value!r}`" for key, value in used.items())
    rows = [HEADER, tuple("---" for _ in HEADER), *(line for script in scripts for line in script.lines())]
    return PAGE.format(
        bilby=bilby,
        others=others,
        settings=f" ({said})" if said else "",
        summary=summary([script for script in scripts if "skipped" not in script.ours and script.usable]),
        table="\n".join("| " + " | ".join(row) + " |" for row in rows),
    )
