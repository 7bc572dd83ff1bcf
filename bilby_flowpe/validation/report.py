"""An HTML page about a result or a model: the verdict first, then its reasons and figures."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from bilby.core.result import Result

from ..bands import FILE, Bands, load_bands
from ..corner_plot import bounds_of, gps_offsets, labels_of, plot_comparison, shown_first
from ..errors import DataError, ModelError
from ..family.shipped import named
from ..family.words import words_of
from ..model_list import describe_entry, entry, find_folder
from ..plotting import plot_history, plot_pp, plot_weights, plot_whitened
from ..result_files import read_result
from ..results import is_merged, statistics_of
from ..surprise import IN_WORDS, p_value_in_words
from ..verdict import Thresholds
from .comparison import compare_results, distinct, format_comparison, stored
from .coverage import KINDS, format_coverage
from .derived import SAMPLED_UNITS, is_binary, of_waves
from .numbers import interval, number
from .page import Page
from .referee import obstacle, same_problem, thinned
from .sections import binary, data, evaluations, noise, refinement, sky

_KWARGS = (
    "model",
    "n_effective",
    "n_posterior",
    "max_likelihood_evaluations",
    "max_time",
    "nlive",
    "nwalkers",
    "nsteps",
)
# Number of posterior rows below which no corner plot is made: contours of fewer rows are noise.
_LEAST_ROWS = 50


def report_result(
    path: Path, referee: Path | None = None, coverage: Path | None = None, output: Path | None = None
) -> Path:
    """Write a page about a result of flowpe, or of any sampler of Bilby's.

    Parameters
    ----------
    path
        Bilby's result file.
    referee
        Result file of another sampler on the same problem, which is plotted over this result.
    coverage
        ``coverage.json`` of the model that was used.
    output
        File of the page; by default beside the result.

    Returns
    -------
    Path
        File of the page.

    Raises
    ------
    DataError
        If a file cannot be read, or the two results are of different problems.
    """
    result = read_result(path)
    other = None
    if referee is not None:
        other = read_result(referee)
        same_problem(result, other)
    statistics = statistics_of(result)
    page = Page(f"{result.label}: {result.sampler}")
    said = ["this result was merged from several runs: verdict and figures of the weights are those of the first run"]
    page.verdict(
        statistics.get("verdict", "no verdict: another sampler's result"),
        [*statistics.get("reasons", []), *(said if is_merged(result) else [])],
    )
    page.figures(_figures(result, statistics))
    _posterior(page, result, other)
    bands, obstacle_to_bands = _bands(path, result)
    if len(result.posterior):
        binary(page, result, bands, _injected(result))
        sky(page, path, result, _injected(result))
    _weights(page, result, statistics)
    evaluations(page, result, statistics)
    if bands or of_waves(result):
        _waveforms(page, bands, obstacle_to_bands)
    if statistics:
        _surprise(page, statistics)
    data(page, result, statistics)
    noise(page, path, result, statistics)
    name = statistics.get("model")
    if name and name != "none":
        _model(page, str(name), coverage)
    _run(page, result, statistics)
    return page.write(output or path.with_name(f"{result.label}_report.html"))


def report_model(folder: Path, coverage: Path | None = None, output: Path | None = None) -> Path:
    """Write a page about a trained model.

    Parameters
    ----------
    folder
        Folder of the model.
    coverage
        ``coverage.json`` of :mod:`bilby_flowpe.validation.coverage`.
    output
        File of the page; by default ``NAME.html`` in the working folder.
    """
    name = folder.resolve().name
    page = Page(name)
    page.figures(list(entry(folder, "folder").figures.items()))
    _model(page, str(folder), coverage)
    return page.write(output or Path(f"{name}.html"))


def _figures(result: Result, statistics: Mapping[str, Any]) -> list[tuple[str, str]]:
    figures = [
        ("ln evidence", f"{result.log_evidence:.3f} ± {result.log_evidence_err:.3f}"),
        ("posterior rows", f"{len(result.posterior)}"),
    ]
    if np.isfinite(result.log_bayes_factor):
        figures.insert(1, ("ln Bayes factor (signal vs noise)", f"{result.log_bayes_factor:.3f}"))
    for key, text, form in (
        ("efficiency", "sample efficiency", "{:.3f}"),
        ("effective_sample_size", "effective draws", "{:.0f}"),
        ("pareto_k", "Pareto k of the weights", "{:.2f}"),
        ("largest_weight", "largest weight's share", "{:.2g}"),
        ("n_likelihood_evaluations", "likelihood evaluations", "{}"),
    ):
        if key in statistics:
            figures.append((text, form.format(statistics[key])))
    if "seconds" in statistics:
        figures.append(("seconds", f"{statistics['seconds'].get('total', float('nan')):.1f}"))
    if "surprise" in statistics:
        figures.append(("p-value of the data", p_value_in_words(statistics["surprise"]["p_value"])))
    return figures


def _posterior(page: Page, result: Result, other: Result | None) -> None:
    page.section("Posterior")
    keys = list(result.search_parameter_keys)
    truth = _injected(result)
    if not len(result.posterior):
        page.text("The posterior has no rows.")
        return
    units = {key: SAMPLED_UNITS.get(key, "") for key in keys} if is_binary(result) else {}
    # GPS times are shown from their whole second on: all digits would be too wide for a table.
    offsets = gps_offsets(result.posterior, keys)
    truth_shown = any(key in truth for key in keys)
    rows = []
    for key in keys:
        values = result.posterior[key].to_numpy() - (offset := offsets.get(key, 0.0))
        low, high = np.quantile(values, [0.05, 0.95])
        name, unit = (f"{key} - {offset:.0f}", "s") if offset else (key, units.get(key, ""))
        row = [name, *interval(values), *([unit] if units else [])]
        if truth_shown:
            row.append(number(truth[key] - offset, high - low) if key in truth else "")
        rows.append(row)
    page.table(
        ["parameter", "median", "90% interval", *(["unit"] if units else []), *(["injected"] if truth_shown else [])],
        rows,
    )
    samples = {result.sampler: result.posterior}
    if other is not None:
        first, second = distinct(result, other)
        if reason := obstacle(other):
            page.text(f"{second} is not used: {reason}.")
        else:
            other = thinned(other)
            samples = {second: other.posterior, first: result.posterior}
    shown = shown_first(keys)
    if len(shown) < len(keys):
        page.text(f"Not shown in the picture: {', '.join(key for key in keys if key not in shown)}.", faint=True)
    if min(len(table) for table in samples.values()) < _LEAST_ROWS:
        page.text(f"There is no corner plot for fewer than {_LEAST_ROWS} rows.", faint=True)
        return
    page.picture(
        f"Posterior: regions of 50% and 90%{', and the injected values' if truth_shown else ''}.",
        lambda file: plot_comparison(
            samples,
            shown,
            file,
            labels=labels_of(result.priors, shown),
            truths={key: truth[key] for key in shown if key in truth} or None,
            offsets={key: offsets[key] for key in shown if key in offsets},
            bounds=bounds_of(result.priors),
        ),
    )
    if len(samples) > 1:
        page.section(f"Comparison with {second}")
        page.listing(format_comparison(compare_results(result, other, np.random.default_rng(0)), second, first))


def _weights(page: Page, result: Result, statistics: Mapping[str, Any]) -> None:
    nested = stored(result, "nested_samples")
    if not statistics.get("importance_weighted") or nested is None or "weights" not in nested:
        return
    if not nested["weights"].sum() > 0:
        page.section("Importance weights")
        page.text("No draw has any weight.")
        return
    page.section("Importance weights")
    page.picture(
        f"Weights of {statistics['n_draws']} draws. Left: relative to their mean. Right: fraction of the total that the "
        f"largest weights have. Pareto k {statistics['pareto_k']:.2f}: above 0.7 the tail is too long for errors to be "
        "trusted, unless no weight is large.",
        lambda file: plot_weights(nested["weights"].to_numpy(), statistics["n_draws"], file),
    )
    if shares := statistics.get(
        "part_shares", statistics.get("posterior_shares")
    ):  # the second name is of older results
        page.table(["part of the proposal", "share of the posterior"], [(k, f"{v:.4f}") for k, v in shares.items()])
    refinement(page, statistics)


def _bands(path: Path, result: Result) -> tuple[Bands, str]:
    """Return the whitened data and waveforms that a run has kept beside its result; if there are none, the reason."""
    file = path.parent / f"{result.sampler}_{result.label}" / FILE
    if not file.is_file():
        return {}, (
            f"There is no {file.parent.name}/{FILE} beside the result: a run of flowpe on gravitational-wave data writes it, "
            "with the data and waveforms for this plot."
        )
    try:
        return load_bands(file), ""
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        return {}, f"{file.parent.name}/{FILE} cannot be read: {error}."


def _waveforms(page: Page, bands: Bands, missing: str) -> None:
    page.section("Data and waveforms")
    if not bands:
        page.text(missing, faint=True)
        return
    page.picture("Whitened data, and 90% of the posterior's waveforms.", lambda picture: plot_whitened(bands, picture))


def _surprise(page: Page, statistics: Mapping[str, Any]) -> None:
    page.section("Do the data fit likelihood and prior?")
    if not (surprise := statistics.get("surprise")):
        page.text(
            "Not known: there are no simulations to compare with, and no residual of known distribution.", faint=True
        )
        return
    page.table(
        ["figure", "value", "p-value"],
        [
            (IN_WORDS[key], f"{surprise['scores'][key]:.3g}", p_value_in_words(p))
            for key, p in surprise["p_values"].items()
        ],
    )
    page.text(
        f"All together: p-value {p_value_in_words(surprise['p_value'])} (the smallest one times their number, at most 1). The "
        f"verdict is check below {Thresholds().surprise_check:g}."
    )


def _model(page: Page, name: str, coverage: Path | None) -> None:
    page.section("Model")
    if named(name):
        _family(page, name)
        return
    try:
        folder, origin = find_folder(name)
        found = entry(folder, origin)
    except ModelError as error:
        page.text(f"{error}", faint=True)
        return
    page.listing(describe_entry(found))
    page.picture("History of its training.", lambda file: plot_history(found.description["history"], file))
    if coverage is None:
        return
    page.section("Coverage")
    name = folder.resolve().name
    try:
        summary = json.loads(coverage.read_text())["models"][name]
        listing = format_coverage(name, summary)
        panels = {kind: {key: np.array(column) for key, column in summary["ranks"][kind].items()} for kind in KINDS}
        p_values = {kind: summary[kind]["parameters"] | summary[kind]["joint"] for kind in KINDS}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"coverage={str(coverage)!r} does not contain {name} ({error!r}): give the coverage.json of flowpe coverage {name}"
        ) from error
    page.listing(listing)
    page.picture(
        f"Ranks of the truth over {summary['events']} simulated events, with the 1, 2 and 3 sigma ranges of chance.",
        lambda file: plot_pp(panels, file, p_values=p_values),
    )


def _family(page: Page, name: str) -> None:
    """Describe a network that serves a family of binaries."""
    try:
        page.listing("\n".join(words_of(name)))
    except ModelError as error:
        page.text(f"{error}", faint=True)
        return
    page.text(
        "This network serves a whole family of binaries under any PSD, and was not trained for this event: flowpe family "
        "list shows all of them."
    )


def _run(page: Page, result: Result, statistics: Mapping[str, Any]) -> None:
    page.section("Run")
    rows = [(f"seconds, {stage}", f"{value:.2f}") for stage, value in statistics.get("seconds", {}).items()]
    if statistics.get("training_seconds"):
        rows.append(("seconds, training of the model", f"{statistics['training_seconds']:.0f}"))
    for key in ("seed", "conditional", "corrections"):
        if value := statistics.get(key):
            rows.append((key, ", ".join(value) if isinstance(value, list) else str(value)))
    given = (result.sampler_kwargs or {}).items()
    rows += [(key, f"{value}") for key, value in given if key in _KWARGS and value is not None]
    rows.append(("version", str(result.version)))
    page.table(["", ""], rows)


def _injected(result: Result) -> dict[str, float]:
    """Return the injected values that are numbers."""
    return {key: float(value) for key, value in (result.injection_parameters or {}).items() if _is_number(value)}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and bool(np.isfinite(value))
