"""Interrupt a run at every stage by every signal, start it again, and compare the result with that of an undisturbed run.

    python examples/studies/interruption.py --outdir interruption

The run simulates a five-parameter problem, trains a network for a few steps, calibrates and stores it, and weighs, refines and
saves an event. It sends itself the signal in the middle of a stage. The script prints the exit code, what the next start
evaluates again (waveforms, likelihoods, training steps, each as a fraction of what the undisturbed run needed up to the place
of the interruption), whether the result is the same to the last digit, and which files are left in folders.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

SIGNALS = ("SIGINT", "SIGKILL", "SIGTERM", "SIGALRM")
EXIT_CODE = 99
# Of each stage: what is counted, and at which count the signal comes.
STAGES: dict[str, tuple[str, int]] = {
    "simulation": ("waveforms", 900),
    "training": ("steps", 10),
    "calibration": ("calibrated", 12),
    "keeping the model": ("tensors", 1),
    "pilot": ("weighed", 300),
    "refinement": ("rounds", 2),
    "weighing": ("batches", 20),
    "saving": ("saved", 1),
}


def child(outdir: Path, stage: str | None, number: int, again: bool) -> None:
    """Run the sampler; the process sends itself the signal at the given stage."""
    import bilby
    import numpy as np

    from bilby_flowpe.conditional import base as conditional
    from bilby_flowpe.problems import green2020
    from bilby_flowpe.sampling import event as sampling
    from bilby_flowpe.sampling import refine
    from bilby_flowpe.storage import folder, ledger
    from bilby_flowpe.training import build
    from bilby_flowpe.training import loop as training
    from bilby_flowpe.waves import tasks

    # A shell that starts a job in the background has it pass over SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    counts: Counter[str] = Counter()
    note = outdir / "counts.json"

    def counted(name: str, method: Callable[..., Any], when: Callable[[], bool] = lambda: True) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            if when():
                counts[name] += 1
                if stage is not None and STAGES[stage] == (name, counts[name]):
                    note.write_text(json.dumps(counts))
                    os.kill(os.getpid(), number)
            return method(*args, **kwargs)

        return wrapped

    def wrap(owner: Any, attribute: str, name: str, when: Callable[[], bool] = lambda: True) -> None:
        setattr(owner, attribute, counted(name, getattr(owner, attribute), when))

    # A run of minutes would write every half minute.
    ledger._EVERY = 0.2
    where = {"stage": "model"}
    draw = sampling.EventSampler._draw

    def drawn(self: Any, proposal: Any, size: int, title: str) -> Any:
        where["stage"] = title
        try:
            return draw(self, proposal, size, title)
        finally:
            where["stage"] = "between"

    sampling.EventSampler._draw = drawn
    for kind in (tasks.PolarisationTask, tasks.ResponseTask):
        wrap(kind, "__call__", "waveforms")
    for kind in (conditional.InnerProducts, conditional.TimedProducts):
        wrap(kind, "__call__", "likelihoods")
        wrap(kind, "__call__", "weighed", lambda: where["stage"] == "pilot")
        wrap(kind, "__call__", "batches", lambda: where["stage"] == "weighing")
    wrap(training._Run, "_train_step", "steps")
    calibrate = build.calibrate
    # Twenty events for the null of the surprise, not 500.
    build.calibrate = lambda *args, **kwargs: calibrate(*args, **{**kwargs, "null_events": 20})
    wrap(folder, "_write_tensors", "tensors")
    wrap(refine.Refinement, "_round", "rounds")
    import bilby_flowpe.training.calibrate as calibrating

    wrap(calibrating, "inject", "calibrated")
    wrap(bilby.core.result.Result, "save_to_file", "saved")
    likelihood, priors = green2020(5, seed=3)
    # No seed is asked for: that of the run that was interrupted has to be found again.
    bilby.core.utils.random.seed(2 if again else 1)
    result = bilby.run_sampler(
        likelihood, priors, sampler="flowpe", outdir=str(outdir), label="run", npool=1, exit_code=EXIT_CODE,
        network="nsf", training_time=None, training_steps=15, n_waveforms=1500, hidden_features=32, n_effective=1500,
        max_likelihood_evaluations=16_000, cache=str(outdir / "cache"), progress=False,
    )  # fmt: skip
    rows = np.ascontiguousarray(result.posterior[sorted(result.search_parameter_keys)].to_numpy())
    answer = {
        "log_evidence": result.log_evidence,
        "digest": hashlib.sha256(rows.tobytes()).hexdigest(),
        "verdict": result.meta_data["run_statistics"]["verdict"],
        "rounds": len(result.meta_data["run_statistics"].get("refinement", {}).get("rounds", {}).get("seconds", [])),
        "counts": counts,
    }
    (outdir / "answer.json").write_text(json.dumps(answer))


def start(outdir: Path, stage: str | None = None, name: str = "SIGINT", again: bool = False) -> int:
    """Run in a separate process, and return the exit code; it is negative if a signal killed the process."""
    outdir.mkdir(parents=True, exist_ok=True)
    words = [sys.executable, __file__, "--child", str(outdir), "--number", str(int(getattr(signal, name)))]
    with (outdir.parent / f"{outdir.name}.log").open("a") as log:
        return subprocess.run(
            [*words, *(["--stages", stage] if stage else []), *(["--again"] if again else [])],
            stdout=log,
            stderr=log,
            check=False,
        ).returncode


def interrupted(outdir: Path, stage: str, name: str, alone: dict[str, Any]) -> dict[str, Any]:
    """Run one combination of stage and signal."""
    code = start(outdir, stage, name)
    before = Counter(json.loads((outdir / "counts.json").read_text()))
    (outdir / "counts.json").unlink()
    kept = sorted(path.name for path in (outdir / "flowpe_run").glob("*")) if (outdir / "flowpe_run").is_dir() else []
    models = [path.name for path in (outdir / "cache").glob("[!.]*")]
    second = start(outdir, again=True)
    if second != 0:
        return {
            "stage": stage, "signal": name, "exit": code, "kept": kept, "before": dict(before), "again": f"exit {second}"
        }  # fmt: skip
    answer = json.loads((outdir / "answer.json").read_text())
    # All that both starts did, beyond what one would have done.
    more = {
        key: before[key] + answer["counts"].get(key, 0) - alone["counts"].get(key, 0)
        for key in ("waveforms", "likelihoods", "steps")
    }
    left = [path.name for path in outdir.rglob("*") if path.is_file() and (".tmp" in path.name or ".ckpt" in path.name)]
    left += [path.name for path in (outdir / "cache").glob(".*")]
    left += [path.name for path in (outdir / "flowpe_run").glob("evaluations")]
    same = all(answer[key] == alone[key] for key in ("log_evidence", "digest", "verdict"))
    return {
        "stage": stage, "signal": name, "exit": code, "kept": kept + [f"model {model[:6]}" for model in models],
        "again": more, "before": dict(before), "same": same, "left": left,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES))
    parser.add_argument("--signals", nargs="+", choices=SIGNALS, default=list(SIGNALS))
    parser.add_argument(
        "--outdir", type=Path, help="folder for results; finished cases are not run again (default: a temporary folder)"
    )
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--number", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--again", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        asked = arguments.stages[0] if len(arguments.stages) == 1 else None
        child(arguments.child, asked, arguments.number, arguments.again)
        return
    outdir = arguments.outdir or Path(tempfile.mkdtemp())
    outdir.mkdir(parents=True, exist_ok=True)
    file = outdir / "alone" / "answer.json"
    if not file.exists() and start(file.parent) != 0:
        raise SystemExit(f"the run that is left alone failed: see {outdir / 'alone.log'}")
    alone = json.loads(file.read_text())
    print(f"left alone: ln Z {alone['log_evidence']:.4f}, {alone['verdict']}, {alone['counts']}")
    print(f"{'stage':<18}{'signal':<9}{'exit':>5}  {'done before it':<46}{'done again':<40}{'same':<6}left over")
    for stage in arguments.stages:
        for name in arguments.signals:
            log = outdir / f"{stage.replace(' ', '_')}_{name}.json"
            if not log.exists():
                cell = interrupted(outdir / log.stem, stage, name, alone)
                log.write_text(json.dumps(cell))
            cell = json.loads(log.read_text())
            before = ", ".join(f"{cell['before'].get(key, 0)} {key}" for key in ("waveforms", "steps", "likelihoods"))
            again = cell["again"]
            said = again if isinstance(again, str) else ", ".join(f"{value} {key}" for key, value in again.items())
            print(
                f"{stage:<18}{name:<9}{cell['exit']:>5}  {before:<46}{said:<40}{'yes' if cell.get('same') else 'NO':<6}"
                f"{', '.join(cell.get('left', [])) or 'nothing'}",
                flush=True,
            )


if __name__ == "__main__":
    main()
