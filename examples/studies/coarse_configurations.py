"""Compare runs with coarse waves and the same runs without, for many likelihoods, priors, detectors and source models.

    python examples/studies/coarse_configurations.py --outdir outdir/coarse_configurations
    python examples/studies/coarse_configurations.py --only three_detectors notches --list

Each configuration is run twice with the same seed, with the defaults and with ``coarse=False``. A line for each has ln Z of
both runs, the difference over its error, verdicts, effective draws, evaluations of the likelihood, the efficiency of the coarse
likelihood, CPU seconds, and what the log says about coarse waves. If a configuration raises an error, the error is printed. The
command fails if one raises an error, or if ln Z differs by more than four errors.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from pathlib import Path
from typing import Any

import bilby
import numpy as np
from coarse_problems import CONFIGURATIONS
from coarse_setting import Setting

OFF = 4.0
HEADER = (
    f"{'configuration':<28}{'ln Z':>10}{'+-':>7}{'without':>10}{'+-':>7}{'z':>6}  {'verdicts':<22}{'effective':>11}"
    f"{'evaluations':>15}{'coarse eff':>11}{'CPU s':>12}  said"
)


class Said(logging.Handler):
    """Collector of lines of the log about coarse waves."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if text.startswith(("No coarse", "Draws are made with")) or any(
            word in text for word in ("moves to", "goes on", "continues")
        ):
            self.lines.append(text)


def run(setting: Setting, outdir: Path, name: str, effective: int, **options: Any) -> dict[str, Any]:
    """Run Bilby's ``run_sampler`` once, and return figures; or the error if there is one."""
    said = Said()
    logger = logging.getLogger("bilby")
    logger.addHandler(said)
    began = time.process_time()
    try:
        likelihood, priors = setting.made()
        result = bilby.run_sampler(
            likelihood,
            priors,
            sampler="flowpe",
            network="none",
            outdir=str(outdir),
            label=name,
            resume=False,
            save=False,
            progress=False,
            plot=False,
            sampling_seed=1,
            n_effective=effective,
            **{**setting.options, **options},
        )
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}", "cpu": time.process_time() - began, "said": said.lines}
    finally:
        logger.removeHandler(said)
    statistics = result.meta_data["run_statistics"]
    return {
        "log_evidence": float(result.log_bayes_factor if np.isfinite(result.log_bayes_factor) else result.log_evidence),
        "error_of_it": float(result.log_evidence_err),
        "verdict": statistics.get("verdict"),
        "reasons": statistics.get("reasons"),
        "effective": statistics.get("effective_sample_size"),
        "evaluations": statistics.get("n_likelihood_evaluations"),
        "coarse_evaluations": statistics.get("n_coarse_evaluations"),
        "coarse_efficiency": statistics.get("coarse_efficiency"),
        "coarse": statistics.get("coarse"),
        "conditional": statistics.get("conditional"),
        "cpu": time.process_time() - began,
        "said": said.lines,
    }


def z_of(one: dict[str, Any], other: dict[str, Any]) -> float:
    """Return the difference of ln Z over its error; NaN if one run has no error."""
    if "log_evidence" not in one or "log_evidence" not in other:
        return float("nan")
    return float((one["log_evidence"] - other["log_evidence"]) / np.hypot(one["error_of_it"], other["error_of_it"]))


def line(name: str, one: dict[str, Any], other: dict[str, Any]) -> str:
    def number(row: dict[str, Any], key: str, form: str) -> str:
        value = row.get(key)
        return format(value, form) if isinstance(value, int | float) else "-"

    verdicts = "/".join(str(row.get("verdict") or ("RAISED" if "error" in row else "-")) for row in (one, other) if row)
    pair = [
        "/".join(number(row, key, form) for row in (one, other))
        for key, form in (("effective", ".0f"), ("evaluations", "d"), ("cpu", ".0f"))
    ]
    said = [row["error"][:300] for row in (one, other) if "error" in row] or one["said"][:3]
    return (
        f"{name:<28}{number(one, 'log_evidence', '.2f'):>10}{number(one, 'error_of_it', '.3f'):>7}"
        f"{number(other, 'log_evidence', '.2f'):>10}{number(other, 'error_of_it', '.3f'):>7}{z_of(one, other):>6.1f}  "
        f"{verdicts:<22}{pair[0]:>11}{pair[1]:>15}{number(one, 'coarse_efficiency', '.3f'):>11}{pair[2]:>12}  "
        + " | ".join(said)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=tuple(CONFIGURATIONS), default=tuple(CONFIGURATIONS))
    parser.add_argument("--effective", type=int, default=300, help="number of effective draws to reach")
    parser.add_argument("--alone", action="store_true", help="leave out the runs with coarse=False")
    parser.add_argument("--list", action="store_true", help="print the names of the configurations, and run nothing")
    parser.add_argument("--outdir", type=Path, default=Path("outdir/coarse_configurations"))
    arguments = parser.parse_args()
    if arguments.list:
        print(*arguments.only, sep="\n")
        return
    arguments.outdir.mkdir(parents=True, exist_ok=True)
    print(HEADER, flush=True)
    wrong = []
    for name in arguments.only:
        setting = CONFIGURATIONS[name]
        one = run(setting, arguments.outdir, name, arguments.effective)
        other = {} if arguments.alone else run(setting, arguments.outdir, name, arguments.effective, coarse=False)
        (arguments.outdir / f"{name}.json").write_text(json.dumps([one, other], indent=1, default=str) + "\n")
        print(line(name, one, other), flush=True)
        if "error" in one or abs(z_of(one, other)) > OFF:
            wrong.append(name)
    if wrong:
        raise SystemExit(f"raised, or more than {OFF:g} errors off: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
