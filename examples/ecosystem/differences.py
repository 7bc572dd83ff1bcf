"""Differences between a run of flowpe and its reference, in units of their errors; all examples here print and store them.

A value is compared with a reference: a closed form, which has no error, or another sampler's result. The mean of a
posterior has the error of a mean of independent draws, its standard deviation over the square root of the effective
number of draws, for both results.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(os.environ.get("FLOWPE_ECOSYSTEM", "outdir/ecosystem"))
"""Folder in which each example stores its differences, as a JSON file."""

LIMIT = 4.0
"""Standard deviations above which an example fails: chance gives 1 in 16,000, and an example compares a dozen values."""


@dataclass(frozen=True)
class Difference:
    """A value and its reference, each with the standard deviation of its error (0 for a closed form)."""

    quantity: str
    value: float
    error: float
    reference: float
    reference_error: float = 0.0

    @property
    def sigma(self) -> float:
        """The difference in units of both errors; infinite if two values without an error differ, or if no error is known."""
        error, difference = math.hypot(self.error, self.reference_error), self.value - self.reference
        if math.isinf(error):  # a run with one effective draw, which any value would agree with
            return math.inf
        return difference / error if error > 0 else math.copysign(math.inf, difference) if difference else 0.0


@dataclass(frozen=True)
class Comparison:
    """Differences of one example; each becomes a line of the table in ``docs/ecosystem.md``."""

    package: str
    run: str
    """Short description of what was run."""
    reference: str
    """Short description of the reference."""
    differences: Sequence[Difference]
    figures: dict[str, float] = field(default_factory=dict)
    """Other figures, such as CPU seconds and evaluations of both samplers."""


def effective_number(result: Any) -> float:
    """Return the effective number of draws of a Bilby result: from its weights if it has some, else from distinct rows.

    flowpe stores it in the result. Nested samplers have ``nested_samples`` with ``weights``. Rows of a chain are treated as
    independent, because Bilby thins them. A mean of rows cannot have more effective draws than there are rows.
    """
    rows = float(len(result.posterior.drop_duplicates()))
    statistics = (result.meta_data or {}).get("run_statistics", {})
    if result.sampler == "flowpe" and "effective_sample_size" in statistics:
        return min(float(statistics["effective_sample_size"]), rows)
    nested = getattr(result, "_nested_samples", None)  # the property raises where there are none
    if nested is not None and "weights" in nested:
        weights = np.asarray(nested["weights"], dtype=float)
        return min(float(weights.sum() ** 2 / np.sum(weights**2)), rows)
    return rows


def usable(result: Any) -> None:
    """End the example if flowpe says `failed`, because the errors of such a result mean nothing."""
    statistics = (getattr(result, "meta_data", None) or {}).get("run_statistics", {})
    if statistics.get("verdict") == "failed":
        sys.exit(f"the run {result.label!r} has failed: {'; '.join(statistics.get('reasons', []))}")


def evidence(result: Any, reference: Any, name: str = "ln Z", ratio: bool = False) -> Difference:
    """Compare the log evidences of two results, or of a result and a closed form.

    With ``ratio`` it is the evidence relative to noise alone, ``log_bayes_factor``, for a reference that is a number.
    """
    usable(result)
    found = result.log_bayes_factor if ratio else result.log_evidence, result.log_evidence_err
    if isinstance(reference, (int, float)):
        exact = reference, 0.0
    else:
        exact = reference.log_evidence, reference.log_evidence_err
    return Difference(name, *(float(one) for one in (*found, *exact)))


def mean(result: Any, values: Any, reference: float, name: str) -> Difference:
    """Compare the mean of any function of the posterior's rows, given its values, with an exact mean."""
    usable(result)
    return Difference(name, *_mean_of(result, values), float(reference))


def means(result: Any, reference: Any, keys: Iterable[str]) -> list[Difference]:
    """Compare the posterior means of the parameters ``keys`` of two results."""
    usable(result)
    return [
        Difference(
            f"mean of {key}", *_mean_of(result, result.posterior[key]), *_mean_of(reference, reference.posterior[key])
        )
        for key in keys
    ]


def _mean_of(result: Any, values: Any) -> tuple[float, float]:
    """Return the mean of one value for each row of a result's posterior, and its standard deviation."""
    values = np.asarray(values, dtype=float)
    return float(values.mean()), float(values.std() / math.sqrt(effective_number(result)))


def keep(comparison: Comparison, file: str) -> None:
    """Print a comparison, store it as JSON under the example's name, and exit with 1 if a value differs by too much.

    ``file`` is the ``__file__`` of the example. Versions of the package, Bilby and flowpe are stored with the values.
    """
    rows = [{**asdict(one), "sigma": one.sigma} for one in comparison.differences]
    names = (comparison.package, "bilby", "bilby_flowpe")
    kept = {**asdict(comparison), "differences": rows, "versions": {name: version(name) for name in names}}
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{Path(file).stem}.json").write_text(json.dumps(kept, indent=1) + "\n")
    print(f"{comparison.package} {version(comparison.package)}: {comparison.run}, against {comparison.reference}")
    for one in comparison.differences:
        print(
            f"  {one.quantity}: {one.value:.6g} +- {one.error:.2g}, reference {one.reference:.6g} +- "
            f"{one.reference_error:.2g}: {one.sigma:+.2f} sigma"
        )
    for name, figure in comparison.figures.items():
        print(f"  {name}: {figure:.6g}")
    far = [one.quantity for one in comparison.differences if not abs(one.sigma) <= LIMIT]
    if far:
        sys.exit(f"more than {LIMIT:g} sigma from the reference: {', '.join(far)}")
