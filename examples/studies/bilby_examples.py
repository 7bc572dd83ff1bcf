"""Bilby's own example scripts, with nothing but the sampler changed: does each of them end, and with what?

    python examples/studies/bilby_examples.py --outdir outdir/bilby_examples
    python examples/studies/bilby_examples.py --outdir outdir/bilby_examples --only fast_tutorial --reference dynesty
    python examples/studies/bilby_examples.py --outdir outdir/bilby_examples --table docs/bilby_examples.md

Takes the examples (scripts, and the notebooks of the tutorials) from the source distribution of the installed Bilby, and runs
each in a process and in a temporary folder of its own. ``bilby.run_sampler`` is replaced there by one that passes everything on
but the sampler and its settings (``bilby_examples_child.py``). What has been run is kept in the output folder and not run again
unless ``--again`` is given. With ``--reference dynesty`` the scripts are run a second time with dynesty, for the evidence to
compare with. Ends with exit code 1 if a script ended in an error that is not Bilby's own.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

CHILD = Path(__file__).with_name("bilby_examples_child.py")
ROOT = CHILD.parents[2]
FILES = ("core_examples", "gw_examples", "tutorials")

SKIPPED = {
    "linear_regression_pymc_custom_likelihood": "a likelihood written for PyMC's own graph: it has no value without PyMC",
    "GW150914": "downloads 128 s of strain before the event",
    "GW190425": "downloads 1 ks of strain before the event",
    "read_data_from_channel_name": "reads the LIGO data servers",
    "read_gracedb_data": "reads GraceDB",
    "roq_example": "needs the bases of a reduced-order quadrature, which are not distributed with Bilby",
    "plot_time_domain_data": "runs no sampler",
    "reproduce_mpa1_eos": "runs no sampler",
    "grid_example": "runs no sampler",
    "making_priors": "runs no sampler",
    "conditional_priors": "runs no sampler",
}
PACKAGES = {
    "gaussian_process_george_example": "george",
    "gaussian_process_celerite_example": "celerite",
    "sample_logo": "skimage",
    "australian_detector": "gwinc",
    "plot_skymap": "ligo.skymap",
}
"""Packages beside Bilby that a script needs."""

DEAR = {
    "bns_polytrope_eos_example": 300,
    "bns_spectral_pca_eos_example": 300,
    "bns_eos_example": 300,
    "multiband_example": 300,
}
"""Most evaluations of scripts whose likelihoods take a second: they end with the verdict ``failed``, but they end."""
NOT_OURS = {"marginalized_likelihood": "KeyError: 'time_jitter'"}
"""Scripts that end in an error of Bilby's own, whatever the sampler, and the last line of its traceback.

Bilby 2.8.2 looks for the jitter of a marginalised time among the injected parameters, when it converts these after sampling.
"""

HEADER = ("script", "run", "parameters", "CPU seconds", "evaluations", "verdict", "ln Z", "truth or dynesty")

Row = dict[str, Any]


def examples(folder: Path, source: Path | None) -> Path:
    """Bilby's folder ``examples``, unpacked from its source distribution."""
    if source is None:
        sys.path.insert(0, str(ROOT / "tests" / "upstream"))
        from sources import download

        source = download(folder)
    if source.is_dir():
        return source
    root = f"{source.name.removesuffix('.tar.gz')}/examples"
    with tarfile.open(source) as tar:
        tar.extractall(folder, [member for member in tar if member.name.startswith(f"{root}/")], filter="data")
    return folder / root


def scripts(root: Path) -> list[Path]:
    """All scripts and notebooks, in the order of their folders."""
    return [file for part in FILES for file in sorted((root / part).rglob("*")) if file.suffix in (".py", ".ipynb")]


def reason_to_skip(script: Path) -> str | None:
    """Why a script is not run; ``None`` if it is."""
    if script.stem in SKIPPED:
        return SKIPPED[script.stem]
    package = PACKAGES.get(script.stem)
    if package is None:
        return None
    try:
        found = importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:
        found = False
    return None if found else f"needs the package {package}, which is not installed"


def run(script: Path, sampler: str, options: Row, arguments: argparse.Namespace) -> Row:
    """Run one script in a process of its own, in a copy of its folder."""
    with tempfile.TemporaryDirectory(prefix="bilby_examples_") as scratch:
        folder = shutil.copytree(script.parent, Path(scratch) / script.parent.name)
        output = Path(scratch) / "figures.json"
        path = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), str(ROOT))))
        environment = {**os.environ, "MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
        # The models of this machine's user would make the runs depend on what was trained before.
        environment["BILBY_FLOWPE_CACHE"] = str(Path(scratch) / "models")
        command = [sys.executable, str(CHILD), str(folder / script.name), str(output), sampler, json.dumps(options)]
        log = arguments.outdir / f"{script.stem}_{sampler}.log"
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        with log.open("w") as printed:
            process = subprocess.Popen(
                command, cwd=folder, env=environment, stdout=printed, stderr=subprocess.STDOUT, start_new_session=True
            )
            try:
                code = process.wait(arguments.limit)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                code = None
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found = json.loads(output.read_text()) if output.is_file() else {"rows": [], "error": None}
    error = found["error"]
    if code is None:
        error = f"not at its end after {arguments.limit} s"
    elif code != 0 and not error:
        error = f"exit code {code}: " + "\n".join(log.read_text(errors="replace").splitlines()[-20:])
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if error and str(error).strip().splitlines()[-1] == NOT_OURS.get(script.stem):
        error = None
    return {"rows": found["rows"], "error": error, "cpu_seconds": seconds, "options": options}


def settings(name: str, sampler: str, arguments: argparse.Namespace) -> Row:
    """Arguments of the sampler that takes the place of the script's."""
    if sampler == "own":
        return {"sampler": "dynesty", "nlive": 500}
    if sampler == "dynesty":
        return {
            "nlive": arguments.nlive,
            "sample": "acceptance-walk",
            "naccept": 20,
            "check_point_plot": False,
            "print_progress": False,
        }
    budget = min(arguments.max_evaluations, DEAR.get(name, arguments.max_evaluations))
    options: Row = {
        "n_effective": min(arguments.n_effective, budget),
        "n_posterior": arguments.n_effective,
        "max_likelihood_evaluations": budget,
        "sampling_seed": arguments.seed,
        "progress": False,
    }
    if arguments.max_time:
        options["max_time"] = arguments.max_time
    if arguments.network != "default":
        options["network"] = arguments.network
    if arguments.training_time:
        options["training_time"] = arguments.training_time
    return options


def value(row: Row) -> str:
    """The evidence of a run with its error."""
    if row["log_evidence"] is None:
        return "not finite"
    error = row["log_evidence_err"]
    return f"{row['log_evidence']:.3f} ± {'nan' if error is None else f'{error:.3f}'}"


def lines(name: str, kept: dict[str, Row]) -> list[tuple[str, ...]]:
    """Rows of the table for one script: one each run of the sampler."""
    entry, other = kept.get("flowpe", {}), kept.get("dynesty", {})
    if "skipped" in entry:
        return [(name, f"not run: {entry['skipped']}", "", "", "", "", "", "")]
    found: list[tuple[str, ...]] = []
    references = {row["label"]: row for row in other.get("rows", [])}
    for index, row in enumerate(entry.get("rows", [])):
        reference = references.get(row["label"])
        known = "" if row["truth"] is None else f"{row['truth']:.3f} (closed form)"
        if not known and reference:
            known = f"{value(reference)} (dynesty, {reference['evaluations']} evaluations)"
        seconds = f"{entry['cpu_seconds']:.0f}" if index == 0 else ""
        cells = (row["label"], str(row["n_parameters"]), seconds, str(row["evaluations"]), str(row["verdict"]))
        found.append((name if index == 0 else "", *cells, value(row), known))
    if entry.get("error"):
        last = str(entry["error"]).strip().splitlines()[-1][:200].replace("|", "/")
        found.append((name, f"ERROR: {last}", "", f"{entry['cpu_seconds']:.0f}", "", "", "", ""))
    return found


def table(kept: dict[str, dict[str, Row]]) -> str:
    """The whole table in Markdown."""
    rows = [
        HEADER,
        tuple("---" for _ in HEADER),
        *(line for name, entry in kept.items() for line in lines(name, entry)),
    ]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


PAGE = """# Bilby's own examples

Every script and notebook of the folder `examples` in Bilby {bilby}'s source distribution, with nothing but the sampler changed:

<!-- not run: takes an hour or more -->
```bash
python examples/studies/bilby_examples.py --outdir outdir/bilby_examples --table docs/bilby_examples.md
```

Settings of `sampler="flowpe"`: {settings}. CPU seconds are those of the whole script on one core, plots and imports included.
Without a network `check` is the best verdict that a run can have, and `failed` says that the budget ended first. In the last
column stands the closed form where there is one, and else, for scripts that are cheap enough, dynesty's ln Z with {nlive} live
points. Likelihoods of {dear} take up to a second each: their budget is 300 evaluations.
`marginalized_likelihood` ends, after its sampling, in an error of Bilby's own with any sampler: it looks for the jitter of the
marginalised time among the injected parameters.

{table}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outdir", type=Path, required=True)
    parser.add_argument(
        "--source", type=Path, help="Bilby's source distribution, or its folder of examples; else downloaded"
    )
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="run these scripts alone")
    parser.add_argument(
        "--network", default="none", help="family of a network, or 'default' for what flowpe does by itself"
    )
    parser.add_argument("--training-time", type=float, help="seconds of a training")
    parser.add_argument("--n-effective", type=int, default=1000)
    parser.add_argument("--max-evaluations", type=int, default=60000)
    parser.add_argument(
        "--max-time", type=float, default=120, help="most seconds of drawing and weighing, 0 for no limit"
    )
    parser.add_argument("--limit", type=float, default=900, help="seconds after which a script is ended")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--reference", choices=("dynesty", "own"), help="run the scripts with this sampler, too; own: as they are"
    )
    parser.add_argument("--reference-alone", action="store_true", help="run flowpe at another time")
    parser.add_argument("--nlive", type=int, default=500, help="live points of the reference")
    parser.add_argument("--again", action="store_true", help="run what has been run before")
    parser.add_argument(
        "--table", type=Path, help="write a page with the table of all that has been run, and run nothing"
    )
    arguments = parser.parse_args()
    arguments.outdir = arguments.outdir.resolve()
    arguments.outdir.mkdir(parents=True, exist_ok=True)
    memory = arguments.outdir / "figures.json"
    failed = False
    with tempfile.TemporaryDirectory() as scratch:
        found = scripts(examples(Path(scratch), arguments.source))
        unknown = set(arguments.only) - {script.stem for script in found}
        if unknown:
            parser.error(f"Bilby has no examples of the names {sorted(unknown)}")
        for script in [] if arguments.table else found:
            if arguments.only and script.stem not in arguments.only:
                continue
            for sampler in filter(None, ("" if arguments.reference_alone else "flowpe", arguments.reference)):
                kept = json.loads(memory.read_text()) if memory.is_file() else {}
                entry = kept.setdefault(script.stem, {})
                reason = reason_to_skip(script)
                if reason:
                    entry["flowpe"] = {"skipped": reason}
                elif arguments.again or sampler not in entry or "skipped" in entry[sampler]:
                    entry[sampler] = run(script, sampler, settings(script.stem, sampler, arguments), arguments)
                memory.write_text(json.dumps({key.stem: kept[key.stem] for key in found if key.stem in kept}, indent=1))
                failed |= bool(entry.get("flowpe", {}).get("error"))
                for line in lines(script.stem, entry):
                    print(" | ".join(line), flush=True)
    if arguments.table:
        kept = json.loads(memory.read_text())
        used = next(entry["flowpe"]["options"] for entry in kept.values() if "options" in entry.get("flowpe", {}))
        dear = ", ".join(f"`{name}`" for name in DEAR)
        said = ", ".join(f"`{key}={value!r}`" for key, value in used.items())
        page = PAGE.format(bilby=version("bilby"), settings=said, nlive=arguments.nlive, table=table(kept), dear=dear)
        arguments.table.write_text(page, encoding="utf-8")
        failed = any(entry.get("flowpe", {}).get("error") for entry in kept.values())
    sys.exit(failed)


if __name__ == "__main__":
    main()
