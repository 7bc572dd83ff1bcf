"""Run Bilby's own example scripts with another sampler, and tell how each of them ends.

    python examples/studies/bilby_examples.py --outdir outdir/bilby_examples
    python examples/studies/bilby_examples.py --outdir outdir/bilby_examples --only fast_tutorial --samplers flowpe own
    python examples/studies/bilby_examples.py --outdir outdir/bilby_examples --table docs/bilby_examples.md

The examples (scripts, and the notebooks of the tutorials) come from the source distribution of the installed Bilby. Each runs
in a separate process and a temporary folder, where ``bilby.run_sampler`` is replaced by a function that changes only the
sampler and its settings (``bilby_examples_child.py``). By default these are flowpe and its defaults. With ``--samplers own``,
the script keeps its settings if its sampler is dynesty; otherwise dynesty runs with Bilby's defaults. Each result is stored in
the output folder, in a file for each script and sampler, and is not computed again unless ``--again`` is given. The exit code
is 1 if a script with flowpe ended in an error that is not Bilby's own.
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
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bilby_examples_table import Row, page

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
"""Packages that a script needs in addition to Bilby."""

DEAR = {
    "bns_polytrope_eos_example": 300,
    "bns_spectral_pca_eos_example": 300,
    "bns_eos_example": 300,
    "multiband_example": 300,
}
"""Largest number of evaluations for scripts whose likelihoods take a second: they end as ``failed``, but in a finite time."""
NOT_OURS = {
    "marginalized_likelihood": "KeyError: 'time_jitter'",
    "gaussian_process_george_example": "AttributeError: 'numpy.random._generator.Generator' object has no attribute 'integer'",
}
"""Scripts that end in an error of Bilby for every sampler, and the last line of the traceback.

Bilby 2.8.2 looks for the jitter of a marginalised time among the injected parameters, when it converts these after sampling;
another script asks NumPy's generator for ``integer`` in the place of ``integers``.
"""

_LONGEST = 4  # seconds that a script may take for each CPU second of its limit

SAMPLERS = ("flowpe", "own")
"""Choices of samplers for a script: flowpe, or dynesty with the script's settings."""
OTHERS: dict[str, Any] = {"sampler": "dynesty", "nlive": 500}
"""Sampler that stands in for the own one of scripts that do not use dynesty."""


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
    """Return the reason why a script is not run; ``None`` if it is run."""
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
    """Run one script in a separate process, in a copy of its folder."""
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
                ["prlimit", f"--cpu={arguments.limit:.0f}", *command],
                cwd=folder, env=environment, stdout=printed, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
            try:
                # A machine that others use gives a script less than a core.
                code = process.wait(_LONGEST * arguments.limit)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                code = None
            if code in (-signal.SIGKILL, -signal.SIGXCPU):
                code = None
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found = json.loads(output.read_text()) if output.is_file() else {"rows": [], "error": None}
    error = found["error"]
    if code is None:
        error = f"not at its end after {arguments.limit:.0f} CPU seconds"
    elif code != 0 and not error:
        error = f"exit code {code}: " + "\n".join(log.read_text(errors="replace").splitlines()[-20:])
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if error and str(error).strip().splitlines()[-1] == NOT_OURS.get(script.stem):
        error = None
    return {"rows": found["rows"], "error": error, "cpu_seconds": seconds, "options": options}


def settings(name: str, sampler: str, arguments: argparse.Namespace) -> Row:
    """Return the arguments of the sampler that replaces the script's."""
    if sampler == "own":
        return OTHERS
    options: Row = {"sampling_seed": arguments.seed, "progress": False}
    if name in DEAR:
        options |= {"max_likelihood_evaluations": DEAR[name], "n_effective": DEAR[name]}
    given = {
        "n_effective": arguments.n_effective,
        "max_likelihood_evaluations": arguments.max_evaluations,
        "network": arguments.network,
    }
    return {**{key: value for key, value in given.items() if value is not None}, **options}


def read(outdir: Path, names: Sequence[str]) -> dict[str, dict[str, Row]]:
    """Read all results, by script and sampler, in the order of the names."""
    kept: dict[str, dict[str, Row]] = {}
    for name in names:
        for sampler in SAMPLERS:
            if (file := figures_of(outdir, name, sampler)).is_file():
                kept.setdefault(name, {})[sampler] = json.loads(file.read_text())
    return kept


def figures_of(outdir: Path, name: str, sampler: str) -> Path:
    """Return the file with the result of one script with one sampler."""
    return outdir / f"{name}_{sampler}.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outdir", type=Path, required=True)
    parser.add_argument(
        "--source", type=Path, help="Bilby's source distribution, or its folder of examples (default: downloaded)"
    )
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="run only these scripts")
    parser.add_argument(
        "--samplers",
        nargs="+",
        choices=SAMPLERS,
        default=["flowpe"],
        help="samplers to run; 'own' is dynesty with the script's settings",
    )
    parser.add_argument("--network", help="family of a network, or 'none' (default: that of flowpe)")
    parser.add_argument("--n-effective", type=int, help="flowpe's default when left out")
    parser.add_argument("--max-evaluations", type=int, help="flowpe's default when left out")
    parser.add_argument("--limit", type=float, default=1200, help="CPU seconds after which a script is stopped")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--again", action="store_true", help="run scripts again that have results")
    parser.add_argument("--table", type=Path, help="write a page about all results, and run nothing")
    arguments = parser.parse_args()
    arguments.outdir = arguments.outdir.resolve()
    arguments.outdir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        found = scripts(examples(Path(scratch), arguments.source))
        names = [script.stem for script in found]
        if unknown := {*arguments.only} - {*names}:
            parser.error(f"Bilby has no examples of the names {sorted(unknown)}")
        for script in [] if arguments.table else found:
            if arguments.only and script.stem not in arguments.only:
                continue
            for sampler in arguments.samplers:
                file = figures_of(arguments.outdir, script.stem, sampler)
                if reason := reason_to_skip(script):
                    entry: Row = {"skipped": reason}
                elif arguments.again or not file.is_file() or "skipped" in json.loads(file.read_text()):
                    entry = run(script, sampler, settings(script.stem, sampler, arguments), arguments)
                else:
                    entry = json.loads(file.read_text())
                file.write_text(json.dumps(entry, indent=1))
                print(script.stem, sampler, told(entry), flush=True)
    kept = read(arguments.outdir, names)
    if arguments.table:
        others = ", ".join(f"`{key}={value!r}`" for key, value in OTHERS.items() if key != "sampler")
        arguments.table.write_text(page(kept, version("bilby"), others), encoding="utf-8")
    failed = any(entry.get("flowpe", {}).get("error") for entry in kept.values())
    sys.exit(failed)


def told(entry: Row) -> str:
    """Describe the result of a script in one line."""
    if "skipped" in entry:
        return f"not run: {entry['skipped']}"
    runs = (
        f"{row['n_parameters']} parameters, {row['run_cpu_seconds']:.1f} CPU seconds, {row['evaluations']} evaluations, "
        f"{row['log_evidence']} +- {row['log_evidence_err']}, {row['verdict']}"
        for row in entry["rows"]
    )
    error = [f"ERROR: {str(entry['error']).strip().splitlines()[-1][:200]}"] if entry["error"] else []
    return f"{entry['cpu_seconds']:.0f} CPU seconds in all; " + "; ".join([*runs, *error])


if __name__ == "__main__":
    main()
