"""Print the files of ``families.py`` as Markdown, with a table for each family.

python benchmarks/families.py --table DIR/runs.jsonl
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from real_event import Run

from bilby_flowpe.validation.ranks import combined, uniformity

Columns = dict[str, Callable[[Sequence[Run]], str]]
GROUPS: dict[str, Callable[[Run], str]] = {
    "detectors": lambda one: one["detectors"],
    "seconds of data": lambda one: str(one["duration"]),
    "signal-to-noise ratio": lambda one: next(
        f"{low} to {low + 8}" for low in (32, 24, 16, 8) if one["snr"] >= low
    ),
    "chirp mass": lambda one: next(
        f"{low} to {high}" for low, high in ((0, 12), (12, 25), (25, 45), (45, 100)) if one["truth"]["chirp_mass"] < high
    ),
}  # fmt: skip
"""Parts of a population whose efficiencies are given by themselves."""


def table(runs: Sequence[Run]) -> None:
    """Print the tables of all runs; if an event is there twice, the later line counts."""
    latest = {(one["family"], one["mode"], one["model"], one["n_effective"], one["event"]): one for one in runs}
    for family in sorted({one["family"] for one in latest.values()}):
        of_family = [one for one in latest.values() if one["family"] == family]
        print(f"### {family}\n")
        if pilots := sets_of(of_family, "pilot"):
            of_pilots(pilots)
        if whole := sets_of(of_family, "run") | sets_of(of_family, "none"):
            of_runs(whole)
        of_ranks(
            {
                f"{name}, {mode}": those
                for mode in ("pilot", "run", "none")
                for name, those in sets_of(of_family, mode).items()
            }
        )


def sets_of(runs: Iterable[Run], mode: str) -> dict[str, list[Run]]:
    """Runs of a mode by their network, in the order of the events."""
    found: dict[str, list[Run]] = {}
    for one in sorted((one for one in runs if one["mode"] == mode), key=lambda one: (one["model"], one["event"])):
        found.setdefault(one["model"] + ("" if one["n_effective"] == 5000 else f" ({one['effective']})"), []).append(
            one
        )
    return found


def of_pilots(sets: dict[str, list[Run]]) -> None:
    """Efficiencies before any refinement, and losses."""
    columns: Columns = {
        "events": lambda those: str(len(those)),
        "not bound": lambda those: str(sum("obstacle" in one for one in those)),
        "efficiency: median": lambda those: figures(those, "efficiency", 50),
        "10th percentile": lambda those: figures(those, "efficiency", 10),
        "worst": lambda those: figures(those, "efficiency", 0),
        "not adapted: median": lambda those: figures(those, "efficiency_network", 50),
        "10th percentile ": lambda those: figures(those, "efficiency_network", 10),
        "CPU s: median": lambda those: figures(those, "cpu_seconds", 50),
        "90th percentile": lambda those: figures(those, "cpu_seconds", 90),
        "worst ": lambda those: figures(those, "cpu_seconds", 100),
        "loss, nats: median": lambda those: figures(those, "loss", 50),
        "mean": lambda those: mean_of(those, "loss"),
        "of what draws: mean": lambda those: mean_of(those, "loss_drawn"),
        "at the truth: median": lambda those: figures(those, "loss_at_truth", 50),
        "mean ": lambda those: mean_of(those, "loss_at_truth"),
    }
    print("Before any refinement:\n")
    markdown("network", columns, sets)
    print("Efficiencies of parts of the population, the median, and the 10th percentile in brackets:\n")
    for name, part in GROUPS.items():
        parts = sorted({part(one) for those in sets.values() for one in those}, key=in_order)
        of_part: Columns = {one: lambda those, one=one: median_and_tenth(part, one, those) for one in parts}  # noqa: B023
        markdown(name, of_part, sets)


def of_runs(sets: dict[str, list[Run]]) -> None:
    """Verdicts and costs; against those without a network over the events that both have."""
    none = {one["event"]: one for one in sets.get("none", []) if "log_bayes_factor" in one}

    def both(those: Sequence[Run]) -> list[tuple[Run, Run]]:
        return [
            (one, none[one["event"]])
            for one in those
            if one["event"] in none and one["mode"] == "run" and "log_bayes_factor" in one
        ]

    def ratios(those: Sequence[Run]) -> str:
        pairs = both(those)
        if not pairs:
            return "-"
        each = [one["cpu_seconds"] / other["cpu_seconds"] for one, other in pairs]
        whole = sum(one["cpu_seconds"] for one, _ in pairs) / sum(other["cpu_seconds"] for _, other in pairs)
        return f"{np.median(each):.2f} ({np.min(each):.2f} to {np.max(each):.2f}), of the sums {whole:.2f}"

    def evidences(those: Sequence[Run]) -> str:
        away = [
            abs(one["log_bayes_factor"] - other["log_bayes_factor"]) / np.hypot(one["error"], other["error"])
            for one, other in both(those)
        ]
        return f"{np.median(away):.2f}, largest {np.max(away):.2f}" if away else "-"

    def reliable(those: Sequence[Run]) -> str:
        return f"{np.mean([one['verdict'] == 'reliable' for one in those]):.3f}"

    columns: Columns = {
        "events": lambda those: str(len(those)),
        "reliable": reliable,
        "other verdicts": lambda those: ", ".join(
            f"{count} {verdict}" for verdict, count in Counter(one["verdict"] for one in those).items() if verdict != "reliable"
        ) or "none",
        "CPU s: median": lambda those: figures(those, "cpu_seconds", 50),
        "90th percentile": lambda those: figures(those, "cpu_seconds", 90),
        "worst": lambda those: figures(those, "cpu_seconds", 100),
        "over those without a network": ratios,
        "evaluations: median": lambda those: figures(those, "evaluations", 50, "{:.0f}"),
        "efficiency: median": lambda those: figures(statistics_of(those), "efficiency", 50),
        "not bound": lambda those: str(sum("obstacle" in one or unbound(one) for one in those)),
        "not refined": lambda those: str(
            sum(one.get("statistics", {}).get("pilot_efficiency") is not None for one in those)
        ),
        "ln Z from that without, in errors: median": evidences,
    }  # fmt: skip
    print("Whole runs:\n")
    markdown("network", columns, sets)
    for name, those in sets.items():
        reasons = Counter(
            re.sub(r"\d[\d.]*", "N", reason).split(":")[0].split("(")[0].strip()
            for one in those if one["verdict"] != "reliable"
            for reason in one.get("statistics", {}).get("reasons") or [one.get("obstacle", "refused")]
        )  # fmt: skip
        for reason, count in reasons.most_common():
            print(f"- {name}: {count} x {reason}")
    print()


def of_ranks(sets: dict[str, list[Run]]) -> None:
    """P-values of the ranks of each parameter, and of all together."""
    rows: dict[str, dict[str, float]] = {}
    for name, those in sets.items():
        for kind, words in (("ranks_raw", "raw"), ("ranks", "weighted")):
            there = [one[kind] for one in those if kind in one]
            if not there:
                continue
            p_values = uniformity({key: [one[key] for one in there] for key in there[0]})
            rows[f"{name}, {words} ({len(there)})"] = {**p_values, "together": combined(p_values)}
    if not rows:
        return
    keys = [*dict.fromkeys(key for row in rows.values() for key in row if key != "together"), "together"]
    print("P-values of the ranks of the truth (Kolmogorov and Smirnov; together: Fisher):\n")
    print("| ranks | " + " | ".join(keys) + " |\n| --- |" + " --- |" * len(keys))
    for name, row in rows.items():
        print(f"| {name} | " + " | ".join(f"{row[key]:.3g}" if key in row else "-" for key in keys) + " |")
    print()


def markdown(name: str, columns: Columns, sets: dict[str, list[Run]]) -> None:
    """A table with a row for each set of runs."""
    print(f"| {name} | " + " | ".join(one.strip() for one in columns) + " |\n| --- |" + " --- |" * len(columns))
    for row, those in sets.items():
        print(f"| {row} | " + " | ".join(column(those) for column in columns.values()) + " |")
    print()


def unbound(one: Run) -> bool:
    """Whether a run with a network has gone on without it."""
    return one["mode"] == "run" and one.get("statistics", {}).get("model") == "none"


def statistics_of(runs: Sequence[Run]) -> list[Run]:
    """Return the statistics of finished runs."""
    return [one["statistics"] for one in runs if "statistics" in one]


def numbers(runs: Sequence[Run], key: str) -> np.ndarray:
    found = np.array([one[key] for one in runs if one.get(key) is not None], dtype=float)
    return found[~np.isnan(found)]


def figures(runs: Sequence[Run], key: str, percentile: float, form: str = "{:.3g}") -> str:
    """A percentile, or a dash where nothing is known."""
    found = numbers(runs, key)
    return form.format(np.percentile(found, percentile)) if len(found) else "-"


def mean_of(runs: Sequence[Run], key: str) -> str:
    """Return a mean with its standard error, in words."""
    found = numbers(runs, key)
    return f"{found.mean():.3f} +- {found.std(ddof=1) / np.sqrt(len(found)):.3f}" if len(found) > 1 else "-"


def median_and_tenth(part: Callable[[Run], str], name: str, runs: Sequence[Run]) -> str:
    """Return median, 10th percentile and number of the efficiencies of some of the runs."""
    found = numbers([one for one in runs if part(one) == name], "efficiency")
    return f"{np.median(found):.2f} ({np.percentile(found, 10):.3f}), of {len(found)}" if len(found) else "-"


def in_order(name: str) -> Any:
    """Numbers by their size, words by their letters."""
    first = name.split()[0]
    return (0, float(first), "") if first.isdigit() else (1, 0.0, name)
