"""Bilby's own tests of its samplers, run on flowpe.

    python tests/upstream/run.py --outdir outdir/upstream

Downloads the source distribution of the installed Bilby, puts flowpe in the place of the samplers that its tests name, and
runs them twice: as they are, and with likelihoods that hold no parameters. Prints every test with its outcome, and writes the
same to ``outcomes.json`` in the output folder, beside pytest's own output. Ends with exit code 1 if a test failed by flowpe's
doing.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import IO

from sources import BEFORE, FILES, PRIOR, download, point_at_flowpe, unpack

STATE = "BILBY_ALLOW_PARAMETERS_AS_STATE"
AS_IS, STATELESS = "as is", f"{STATE}=FALSE"
MODES = {AS_IS: {}, STATELESS: {STATE: "FALSE"}}
"""What is added to the environment in each mode."""

NOT_OURS = {(PRIOR, "Test.test_fifteen_dimensional_cbc", STATELESS): "self.parameters = likelihood.parameters"}
"""Tests that fail with any sampler, and a line of the traceback: Bilby's ``ZeroLikelihood`` cannot be built in that mode."""

PASSED, FAILED, SKIPPED, EXPECTED = "passed", "failed", "skipped", "failed by Bilby's own doing"
_LIMIT = 1800


@dataclass(frozen=True)
class Outcome:
    """Return the outcome of one test.

    Attributes
    ----------
    mode, file, test
        Which one.
    result
        ``PASSED``, ``FAILED``, ``SKIPPED`` or ``EXPECTED``.
    seconds
        That it took.
    reason
        Of a failure the traceback, of a skip what it says.
    """

    mode: str
    file: str
    test: str
    result: str
    seconds: float
    reason: str = ""


def run_file(root: Path, file: str, mode: str, log: Path) -> list[Outcome]:
    """Run one file of tests in a folder of its own and in a process of its own.

    Parameters
    ----------
    root
        Where the tests were unpacked.
    file
        Path of the file below it.
    mode
        Of ``MODES``.
    log
        File that takes what is printed.

    Returns
    -------
    list of Outcome
        One a test, and one of the process if it did not end as pytest does.
    """
    with tempfile.TemporaryDirectory(dir=root.parent, prefix="run_") as scratch, log.open("w") as output:
        folder, report = Path(scratch), Path(scratch) / "junit.xml"
        clean = {key: value for key, value in os.environ.items() if key != STATE and not key.startswith("PYTEST_")}
        environment = {**clean, **MODES[mode], "BILBY_FLOWPE_CACHE": str(folder / "models")}
        if file in BEFORE:
            _end([sys.executable, str(root / BEFORE[file])], folder, environment, output)
        pytest = ["pytest", "-p", "no:cacheprovider", "-p", "no:xdist", "--rootdir", str(root), "--tb", "long", "-rA"]
        settings = ["-c", str(root / "pyproject.toml"), "--junitxml", str(report)]
        code = _end([sys.executable, "-m", *pytest, *settings, str(root / file)], folder, environment, output)
        outcomes = _read(report, file, mode) if report.is_file() else []
    if code not in (0, 1) or not outcomes:
        ended = f"did not end within {_LIMIT} s" if code is None else f"ended with exit code {code}"
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
        outcomes.append(Outcome(mode, file, "(the process)", FAILED, 0.0, f"{ended}, after:\n{tail}"))
    return outcomes


def _end(command: Sequence[str], folder: Path, environment: dict[str, str], output: IO[str]) -> int | None:
    """Exit code of a command; ``None`` if it had to be ended, with whatever it had started."""
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
    )
    try:
        return process.wait(_LIMIT)
    except subprocess.TimeoutExpired:
        return None
    finally:
        # Workers of a run that was interrupted must not outlive it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _read(report: Path, file: str, mode: str) -> list[Outcome]:
    """Outcomes from a report in pytest's JUnit format."""
    outcomes = []
    for case in ElementTree.parse(report).iter("testcase"):
        owner = case.get("classname", "").rpartition(Path(file).stem)[2].strip(".")
        test = ".".join(part for part in (owner, case.get("name", "")) if part)
        result, reason = PASSED, ""
        for child in case:
            if child.tag == "skipped":
                result, reason = SKIPPED, child.get("message", "")
            elif child.tag in ("failure", "error"):
                result, reason = FAILED, child.text or child.get("message", "")
                line = NOT_OURS.get((file, test, mode))
                result = EXPECTED if line and line in reason else FAILED
        outcomes.append(Outcome(mode, file, test, result, float(case.get("time", "nan")), reason))
    return outcomes


def main() -> None:
    """Download, run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outdir", type=Path, default=Path("outdir/upstream"))
    outdir = parser.parse_args().outdir
    outdir.mkdir(parents=True, exist_ok=True)
    outcomes: list[Outcome] = []
    files = []
    versions = {name: version(name) for name in ("bilby", "bilby_flowpe")}
    with tempfile.TemporaryDirectory(prefix="upstream_") as scratch:
        root = unpack(download(Path(scratch)), Path(scratch))
        point_at_flowpe(root)
        print(f"The tests of bilby {versions['bilby']} with sampler='flowpe'")
        for mode in MODES:
            for file in FILES:
                began = time.monotonic()
                name = f"{Path(file).stem}{'' if mode == AS_IS else '_stateless'}.log"
                done = run_file(root, file, mode, outdir / name)
                files.append({"mode": mode, "file": file, "seconds": round(time.monotonic() - began, 1)})
                print(f"\n{file}, {mode}, {files[-1]['seconds']:.1f} s", flush=True)
                for one in done:
                    last = one.reason.strip().splitlines()[-1:] or [""]
                    print(f"  {one.result:8} {one.test} {one.seconds:.1f} s {last[0]}".rstrip(), flush=True)
                outcomes += done
    for mode in MODES:
        count = Counter(one.result for one in outcomes if one.mode == mode)
        print(f"\n{mode}: " + ", ".join(f"{count[result]} {result}" for result in (PASSED, FAILED, SKIPPED, EXPECTED)))
    written = {"versions": versions, "files": files, "tests": [asdict(one) for one in outcomes]}
    (outdir / "outcomes.json").write_text(json.dumps(written, indent=1) + "\n")
    sys.exit(any(one.result == FAILED for one in outcomes))


if __name__ == "__main__":
    main()
