"""The commands that compare models and results with the truth, or with other results: coverage, compare, report."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import bilby
import numpy as np
from bilby.core.result import Result
from bilby.core.utils import logger

from ..corner_plot import bounds_of, gps_offsets, labels_of, plot_comparison, shown_first
from ..errors import ConfigurationError
from ..model import TrainedPosterior
from ..model_list import find_folder
from ..plotting import plot_pp
from ..priors import copied
from ..result_files import RESULTS, read_result
from ..results import statistics_of
from ..storage.folder import write_text
from ..validation.comparison import compare_results, distinct, format_comparison, plain
from ..validation.coverage import KINDS, CoverageConfig, format_coverage, measure_coverage, ranks_of, summarise_coverage
from ..validation.referee import obstacle, run_referee, same_problem, settings_of, thinned
from ..validation.report import report_model, report_result
from .models import digest, problem_for

# Decimal places of the ranks that are written: finer than a rank among some thousand draws is known.
_DIGITS = 4


def coverage(
    models: list[str],
    config: Path | None,
    injections: int,
    samples: int,
    effective: int,
    evaluations: int,
    seed: int,
    npool: int,
    outdir: Path,
) -> None:
    """Make p-p plots and tests of models on the same new simulated events."""
    logger.setLevel("WARNING")
    settings = CoverageConfig(samples, effective, evaluations, seed)
    folders = [find_folder(model)[0] for model in models]
    problems = []
    for folder in folders:
        trained = TrainedPosterior.load(folder)
        problems.append((folder.resolve().name, trained, problem_for(trained, folder, config)))
    names = [name for name, *_ in problems]
    if len(set(names)) < len(names):
        raise ConfigurationError(f"models={names}: two folders have the same name; rename one of them")
    if len({tuple(problem.prior.given) for *_, problem in problems}) > 1:
        logger.warning("The models are for different problems: each gets events of its own")
    outdir.mkdir(parents=True, exist_ok=True)
    summaries, panels, p_values = {}, {}, {}
    labels: dict[str, str] = {}
    for name, trained, problem in problems:
        priors = problem.prior.given
        settled = f"seed{seed}.samples{samples}.effective{effective}of{evaluations}"
        log = outdir / f"{name}.{digest(trained, problem)}.{settled}.jsonl"
        events = measure_coverage(trained, problem, injections, settings, npool, log, sys.stderr.isatty(), name)
        summary = summarise_coverage(events)
        ranks = {kind: ranks_of(events, kind) for kind in KINDS}
        # The ranks themselves are kept, so that they can be plotted again.
        rounded = {
            kind: {key: np.round(column, _DIGITS).tolist() for key, column in columns.items()}
            for kind, columns in ranks.items()
        }
        drawn = list(trained.conditional.keys)
        summaries[name] = {**summary, "conditional": drawn, "ranks": rounded}
        print(format_coverage(name, summary), flush=True)
        for kind in KINDS:
            title = f"{name}, {kind}"
            if kind == "raw" and drawn:
                # Such draws have used the likelihood; they do not come from the network alone.
                title += f"\n(exact conditional: {', '.join(priors[key].latex_label for key in drawn)})"
            panels[title] = ranks[kind]
            p_values[title] = summary[kind]["parameters"] | summary[kind]["joint"]
        labels |= {key: priors[key].latex_label for key in panels[title] if key in priors}
    about = {
        "injections": injections,
        "samples": samples,
        "effective": effective,
        "evaluations": evaluations,
        "seed": seed,
    }
    write_text(outdir / "coverage.json", json.dumps({**about, "models": summaries}, indent=1) + "\n")
    plot_pp(panels, outdir / "pp.png", labels, p_values)


def compare(
    model: str | None,
    config: Path | None,
    results: list[Path] | None,
    referee: str,
    injections: int,
    seed: int,
    npool: int,
    outdir: Path,
) -> None:
    """Compare results with another sampler's: two files, or runs of both on the same simulated events."""
    if (model is None) == (results is None):
        raise ConfigurationError("model and --results: give either a MODEL to run, or --results with two files")
    outdir.mkdir(parents=True, exist_ok=True)
    comparisons = {}
    if results is not None:
        ours, other = (read_result(path) for path in results)
        comparisons["results"] = _compared(ours, other, other.sampler, "results", outdir)
    if model is not None:
        settings_of(referee)
        folder, _ = find_folder(model)
        trained = TrainedPosterior.load(folder)
        problem = problem_for(trained, folder, config)
        named = digest(trained, problem)
        for index in range(injections):
            event = problem.event((seed, index))
            truth, likelihood, priors = event.truth, event.problem.likelihood, event.problem.prior.given
            likelihood.injection_parameters = truth
            label = f"{folder.resolve().name}_{named}_seed{seed}_{index}"
            other = run_referee(referee, likelihood, priors, outdir, f"{label}_{referee}", npool, seed + index)
            # An older result of this label may belong to another model. (Bilby's clean=True would stay set after this run.)
            for old in outdir.glob(f"{label}_flowpe_result.*"):
                old.unlink()
            ours = bilby.run_sampler(
                likelihood,
                copied(priors),
                sampler="flowpe",
                model=str(folder),
                outdir=str(outdir),
                label=f"{label}_flowpe",
                npool=npool,
                sampling_seed=seed + index,
                injection_parameters=truth,
            )
            comparisons[label] = _compared(ours, other, referee, label, outdir)
            _write(comparisons, outdir)
    _write(comparisons, outdir)


def _write(comparisons: dict[str, Any], outdir: Path) -> None:
    write_text(outdir / "comparison.json", json.dumps(plain(comparisons), indent=1) + "\n")


def _compared(ours: Result, other: Result, name: str, label: str, outdir: Path) -> dict[str, Any]:
    """Return figures of one pair of results, and plot it; for an unusable referee result, return only the reason."""
    same_problem(ours, other)
    statistics = statistics_of(ours)
    print(f"{ours.label}: {ours.sampler}'s verdict: {statistics.get('verdict', 'none')}", flush=True)
    if (of_other := statistics_of(other).get("verdict")) is not None:
        print(f"{other.label}: {other.sampler}'s verdict: {of_other}", flush=True)
    if reason := obstacle(other):
        print(f"{name} is not used: {reason}", flush=True)
        return {"referee": name, "not used": reason}
    other = thinned(other)
    first, second = distinct(ours, other)
    comparison = compare_results(ours, other, np.random.default_rng(0))
    print(format_comparison(comparison, second, first), flush=True)
    keys = shown_first(ours.search_parameter_keys)
    plot_comparison(
        {second: other.posterior, first: ours.posterior},
        keys,
        outdir / f"{label}.png",
        labels=labels_of(ours.priors, keys),
        truths=ours.injection_parameters,
        offsets=gps_offsets(ours.posterior, keys),
        bounds=bounds_of(ours.priors),
    )
    return {"referee": name, "verdict": statistics.get("verdict"), **comparison}


def report(target: str, referee: Path | None, coverage: Path | None, output: Path | None) -> None:
    """Write a page about a result, given as a file, or about a model."""
    path = Path(target)
    if path.is_file() or path.name.endswith(RESULTS):
        page = report_result(path, referee, coverage, output)
    elif referee is not None:
        raise ConfigurationError(
            f"referee={str(referee)!r} can only be given with a result file, and target={target!r} is not a file"
        )
    else:
        page = report_model(find_folder(target)[0], coverage, output)
    print(f"page: {page}")
