"""Run one of Bilby's example scripts with its sampler replaced, and note every run of the sampler.

    python examples/studies/bilby_examples_child.py SCRIPT FIGURES SAMPLER OPTIONS

It is started by ``bilby_examples.py``, in the folder of the script. All arguments of ``bilby.run_sampler`` that do not belong
to a sampler (likelihood, priors, label, conversion function and so on) are passed on unchanged. Bilby's ``fake_sampler``, which
evaluates a likelihood at the samples of a result, is not replaced. If SAMPLER is ``own``, the script keeps its sampler and
settings if that sampler is dynesty; otherwise dynesty runs with Bilby's defaults.
"""

from __future__ import annotations

import inspect
import json
import math
import os
import runpy
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bilby
import bilby.core.sampler as sampler_module
import bilby.core.utils.random as generators
import numpy as np

KEPT = frozenset(inspect.signature(sampler_module.run_sampler).parameters) - {"sampler", "npool", "clean", "kwargs"}
"""Arguments of ``run_sampler`` that do not belong to a sampler."""

TOLD = frozenset({"nlive", "sample", "naccept", "walks", "dlogz"})
"""Settings of dynesty that are noted with a run."""


def number(value: Any) -> float | None:
    """Return a float that JSON can store; infinite and missing values become ``None``."""
    return float(value) if value is not None and math.isfinite(float(value)) else None


def cpu() -> float:
    """CPU seconds of this process and of those of its children that have ended."""
    return sum(os.times()[:4])


class Stopwatch:
    """CPU seconds of some functions, which are replaced in place by versions that measure their time.

    Parameters
    ----------
    functions
        Pairs of a class or module and the name of a function in it.
    """

    def __init__(self, *functions: tuple[Any, str]) -> None:
        self.seconds = 0.0
        self._running = False
        for owner, name in functions:
            setattr(owner, name, self._timed(getattr(owner, name)))

    def _timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*positional: Any, **named: Any) -> Any:
            if self._running:
                return function(*positional, **named)
            began, self._running = cpu(), True
            try:
                return function(*positional, **named)
            finally:
                self.seconds += cpu() - began
                self._running = False

        return timed


def pictures() -> Stopwatch:
    """A stopwatch for the plots that Bilby makes by itself."""
    from bilby.core.sampler.dynesty import Dynesty

    return Stopwatch((bilby.core.result.Result, "plot_corner"), (Dynesty, "plot_current_state"))


def figures(result: Any, sampler: str, truth: float | None, seconds: dict[str, float]) -> dict[str, Any]:
    """Return the figures of one run for the table."""
    statistics = (result.meta_data or {}).get("run_statistics", {}) if sampler == "flowpe" else {}
    return {
        "label": result.label,
        "n_parameters": len(result.search_parameter_keys),
        "evaluations": int(result.num_likelihood_evaluations or 0),
        "verdict": statistics.get("verdict"),
        "reasons": statistics.get("reasons", []),
        "efficiency": number(statistics.get("efficiency")),
        "n_posterior": len(result.samples),
        "log_evidence": number(result.log_evidence),
        "log_evidence_err": number(result.log_evidence_err),
        "log_noise_evidence": number(result.log_noise_evidence),
        "truth": truth,
        "sampler": (result.sampler or sampler).lower(),
        "settings": {key: value for key, value in (result.sampler_kwargs or {}).items() if key in TOLD},
        **seconds,
    }


def closed_form(likelihood: Any, priors: Any) -> float | None:
    """ln Z of a normal likelihood well inside uniform priors, known for Bilby's fifteen-dimensional example."""
    name = type(likelihood).__name__
    if name not in (
        "AnalyticalMultidimensionalCovariantGaussian",
        "AnalyticalMultidimensionalBimodalCovariantGaussian",
    ):
        return None
    # The likelihoods are normalised densities; the priors are wide enough for the tails to be nothing.
    return float(-sum(np.log(prior.maximum - prior.minimum) for prior in priors.values()))


def replacement(
    original: Callable[..., Any], sampler: str, options: dict[str, Any], keep: Callable[[dict[str, Any]], None]
) -> Any:
    """A ``run_sampler`` that calls the original with another sampler, and gives a row of figures to ``keep``."""
    plots = pictures()

    def run_sampler(*positional: Any, **named: Any) -> Any:
        bound = inspect.signature(original).bind(*positional, **named).arguments
        own = bound.pop("kwargs", {})
        if bound.get("sampler") == "fake_sampler":
            return original(**bound, **own)
        # A script may save nothing or plot; a result that is there already would be given back unread.
        kept = {key: value for key, value in bound.items() if key in KEPT}
        chosen: dict[str, Any] = {"sampler": sampler, **options}
        if sampler == "own":
            # One process: waiting for workers costs CPU seconds, too.
            own = {key: value for key, value in own.items() if key != "npool"}
            chosen = {**own, "sampler": "dynesty"} if bound.get("sampler", "dynesty") == "dynesty" else options
        state = generators.rng.bit_generator.state
        began, drawn, started = cpu(), plots.seconds, time.monotonic()

        def spent() -> dict[str, float]:
            plotting = plots.seconds - drawn
            return {
                "run_seconds": time.monotonic() - started,
                "run_cpu_seconds": cpu() - began - plotting,
                "plot_cpu_seconds": plotting,
            }

        try:
            result = original(**kept, npool=1, clean=True, **chosen)
        except Exception:
            # Bilby saves the result before it converts samples: what was sampled is told, whatever came after.
            saved = Path(kept.get("outdir", "outdir")) / f"{kept.get('label', 'label')}_result.json"
            if saved.is_file():
                keep(figures(bilby.read_in_result(str(saved)), sampler, None, spent()))
            raise
        seconds = spent()
        # Some scripts simulate further data after a run: they are to be the same whatever the sampler has drawn.
        generators.rng.bit_generator.state = state
        keep(figures(result, sampler, closed_form(bound["likelihood"], result.priors), seconds))
        return result

    return run_sampler


def source_of(script: Path) -> str:
    """Python code of a script, or of the cells of a notebook without their magic commands."""
    if script.suffix == ".py":
        return script.read_text(encoding="utf-8")
    cells = json.loads(script.read_text(encoding="utf-8"))["cells"]
    lines = [line.rstrip("\n") for cell in cells if cell["cell_type"] == "code" for line in [*cell["source"], ""]]
    return "\n".join(line for line in lines if not line.startswith(("%", "!"))) + "\n"


def main() -> None:
    script, output, sampler, options = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], json.loads(sys.argv[4])
    rows: list[dict[str, Any]] = []

    def keep(row: dict[str, Any]) -> None:
        """Write the figures after each run, so that they are there if the script is stopped before its last run."""
        rows.append(row)
        output.write_text(json.dumps({"rows": rows, "error": None}), encoding="utf-8")

    changed = replacement(sampler_module.run_sampler, sampler, options, keep)
    bilby.run_sampler = bilby.core.sampler.run_sampler = changed
    code = script.with_name(f"{script.stem}_as_run.py")
    code.write_text(source_of(script), encoding="utf-8")
    sys.argv = [str(code)]
    error = None
    try:
        runpy.run_path(str(code), run_name="__main__")
    except BaseException as raised:
        if not (isinstance(raised, SystemExit) and raised.code in (None, 0)):
            error = "".join(traceback.format_exception(raised))
            print(error, file=sys.stderr, flush=True)
    output.write_text(json.dumps({"rows": rows, "error": error}), encoding="utf-8")
    sys.exit(error is not None)


if __name__ == "__main__":
    main()
