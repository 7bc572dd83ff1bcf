"""Run flowpe inside of the packages that build on Bilby, each in an environment of its own, and hold it to a reference.

python tests/ecosystem/run.py                  all of them (an hour or two on two cores)
python tests/ecosystem/run.py lensed_pair      some
python tests/ecosystem/run.py --list
python tests/ecosystem/run.py --table          write the table of docs/ecosystem.md from the values kept

Environments stand under ``--folder``, and are made once: one with flowpe, and one on top of it for each example, that
holds only what the example adds (``environments.toml``). Values are kept as JSON in ``tests/ecosystem/values``. An
example fails where a value is more than 4 standard deviations from its reference.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import subprocess
import sys
import tomllib
import venv
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
EXAMPLES = ROOT / "examples" / "ecosystem"
VALUES = HERE / "values"
PAGE = ROOT / "docs" / "ecosystem.md"
TORCH = "torch==2.13.0"
"""A release with a CPU build of a few hundred megabytes; what pip would take unasked has several gigabytes."""


def environments() -> dict[str, dict[str, Any]]:
    """Return the requirements of each example by its name."""
    return tomllib.loads((HERE / "environments.toml").read_text())


def pip(python: Path, *arguments: str) -> None:
    subprocess.run([python, "-m", "pip", "install", "--quiet", *arguments], check=True)


def base(folder: Path) -> Path:
    """The interpreter of the environment with flowpe; made where there is none."""
    python = folder / "base" / "bin" / "python"
    if not python.exists():
        venv.create(python.parents[1], with_pip=True)
        pip(python, TORCH)
        pip(python, "-c", str(ROOT / "constraints.txt"), "-e", str(ROOT))
    return python


def constraints(requirements: list[str]) -> str:
    """The versions that flowpe was tested with, but for packages that an example pins in another version."""
    own = {named(one) for one in requirements}
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return "\n".join(one for one in lines if one.startswith("#") or named(one) not in own) + "\n"


def named(requirement: str) -> str:
    """The name of a package in a requirement, as indices spell it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\s\[=<>~!@;]", requirement.strip(), maxsplit=1)[0]).lower()


def environment(name: str, needs: dict[str, Any], folder: Path, below: Path) -> Path:
    """The interpreter of an example's own environment, which sees what stands in the one ``below``."""
    python = folder / name / "bin" / "python"
    done = folder / name / "requirements.txt"
    requirements, build = needs["requirements"], needs.get("build", [])
    wanted = "\n".join([*build, *requirements]) + "\n"
    if not done.exists() or done.read_text() != wanted:
        venv.create(python.parents[1], with_pip=True, clear=True)
        code = "import sysconfig; print(sysconfig.get_path('purelib'))"
        of = {one: subprocess.check_output([one, "-c", code], text=True).strip() for one in (python, below)}
        # `site.addsitedir` reads the .pth files of the lower environment, too: flowpe is installed there as editable.
        (Path(of[python]) / "below.pth").write_text(f"import site; site.addsitedir({of[below]!r})\n")
        allowed = folder / name / "constraints.txt"
        allowed.write_text(constraints([*build, *requirements]))
        if build:
            pip(python, *build)
        # What pip would build with otherwise is hidden by the lower environment, which the isolated one sees, too.
        pip(python, "--constraint", str(allowed), *(["--no-build-isolation"] if build else []), *requirements)
        done.write_text(wanted)
    return python


def run(name: str, needs: dict[str, Any], folder: Path, below: Path) -> str:
    """Run an example; return what became of it in a word or two."""
    missing = [one for one in needs.get("data", []) if one not in os.environ]
    if missing:
        return f"left out: {', '.join(missing)} names no data"
    python = environment(name, needs, folder, below)
    work = folder / "work" / name
    work.mkdir(parents=True, exist_ok=True)
    settings = {
        "FLOWPE_ECOSYSTEM": str(VALUES),
        "OMP_NUM_THREADS": "1",
        "MPLBACKEND": "Agg",
        # Programs of packages, which some examples start, are in both environments.
        "PATH": os.pathsep.join((str(python.parent), str(below.parent), os.environ["PATH"])),
        **needs.get("settings", {}),
    }
    with (work / "log.txt").open("w") as log:
        code = subprocess.run(
            [python, EXAMPLES / f"{name}.py"], cwd=work, env={**os.environ, **settings}, stdout=log, stderr=log
        ).returncode
    return "as its reference" if code == 0 else f"failed (exit status {code}, {work / 'log.txt'})"


def number(value: float, error: float, beside: float = 0.0) -> str:
    """Return a value and its error with two digits of the error; an exact value has the digits of the error ``beside`` it."""
    known = [one for one in (error, beside) if one > 0 and math.isfinite(one)]
    if not known:
        return f"{value:.5g}"
    digits = max(0, 1 - math.floor(math.log10(known[0])))
    return f"{value:.{digits}f}" + (f" ± {error:.{digits}f}" if known[0] == error else "")


def table(values: list[dict[str, Any]]) -> str:
    """The table of the page, in Markdown: a line for each value."""
    lines = [
        "| package | what was run | compared with | quantity | flowpe | reference | difference in σ |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for one in values:
        head = f"{one['package']} {one['versions'][one['package']]}", one["run"], one["reference"]
        for row in one["differences"]:
            found = number(row["value"], row["error"]), number(row["reference"], row["reference_error"], row["error"])
            lines.append("| " + " | ".join((*head, row["quantity"], *found, f"{row['sigma']:+.1f}")) + " |")
            head = ("", "", "")
    return "\n".join(lines) + "\n"


MARKS = re.compile(
    r"(?<=<!-- values: python tests/ecosystem/run.py --table -->\n\n).*?(?=\n<!-- end of values -->)", re.DOTALL
)


def page(text: str) -> str:
    """The text of the page with the table of the values that are kept."""
    values = [json.loads(file.read_text()) for file in sorted(VALUES.glob("*.json"))]
    values.sort(key=lambda one: one["package"].lower())
    made, count = MARKS.subn(lambda _: table(values), text)
    if count != 1:
        raise ValueError(f"{PAGE} has {count} places for the table, not one, between the marks of its values")
    return made


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="examples (default: all)")
    parser.add_argument("--folder", type=Path, default=Path("outdir/ecosystem"), help="where environments are made")
    parser.add_argument("--list", action="store_true", help="print names and requirements, and run nothing")
    parser.add_argument("--table", action="store_true", help="write the table of docs/ecosystem.md, and run nothing")
    arguments = parser.parse_args()
    known = environments()
    unknown = set(arguments.names) - set(known)
    if unknown:
        parser.error(f"no such example: {', '.join(sorted(unknown))} (there are {', '.join(known)})")
    if arguments.table:
        PAGE.write_text(page(PAGE.read_text()))
        return 0
    chosen = {name: known[name] for name in arguments.names or known}
    if arguments.list:
        for name, needs in chosen.items():
            print(f"{name} ({needs['minutes']:g} CPU min): {', '.join(needs['requirements'])}")
        return 0
    folder = arguments.folder.resolve()
    below = base(folder)
    ends = {}
    for name, needs in chosen.items():
        try:
            ends[name] = run(name, needs, folder, below)
        except subprocess.CalledProcessError as error:
            ends[name] = f"failed: its environment cannot be made ({error})"
        print(f"{name}: {ends[name]}", flush=True)
    return int(any(end.startswith("failed") for end in ends.values()))


if __name__ == "__main__":
    sys.exit(main())
