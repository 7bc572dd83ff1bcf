"""Figures of how the package is built, at one or more commits or folders, side by side.

    python tests/house_figures.py main .
    python tests/house_figures.py . --list

Printed are

- functions that take a likelihood and a prior side by side, by the names or the types of their parameters, and classes that
  keep both as fields;
- files that ask what kind of likelihood they have: ``isinstance`` with a class of likelihoods or simulators, the package's own
  questions (``QUESTIONS``), ``getattr`` or ``hasattr`` of a likelihood or simulator, ``simulate=False``, a comparison of
  ``kind`` with a text;
- lines and branches of the function that weighs draws, ``weigh``, its docstring and comments apart. A branch is an ``if``,
  ``elif``, ``for``, ``while``, ``except``, ``case``, a condition within an expression, each loop and each condition of a
  comprehension, and each ``and`` or ``or``;
- imports from module to module within the package, and the longest way along them;
- what a reader opens to follow a weight, from a run of the five-parameter problem without a network: files of the package whose
  functions are on the way from ``weigh`` down to a call of the user's likelihood or waveform, the longest one; and files of all
  functions that ``weigh`` calls, directly or not.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "bilby_flowpe"

LIKELIHOOD = re.compile(r"\b\w*Likelihood\b|\b\w*GravitationalWaveTransient\b|\bWave\b")
PRIOR = re.compile(r"\b\w*Prior(Dict|Transform)\b")
LIKELIHOOD_NAMES, PRIOR_NAMES = {"likelihood"}, {"prior", "priors", "transform"}
ASKED_OF = re.compile(r"(likelihood|simulator|event)$")
KINDS = re.compile(r"\w*(GravitationalWaveTransient|Likelihood|Simulator|Multinomial)$|^(Wave|WAVES?)$")
QUESTIONS = {"can_simulate", "has_simulate", "is_plain", "is_wave", "known_sigma", "noise_of", "why_not_simulated"}
BRANCHES = (ast.If, ast.For, ast.While, ast.ExceptHandler, ast.IfExp, ast.match_case)
Functions = ast.FunctionDef | ast.AsyncFunctionDef


def read(tree: Path) -> dict[str, ast.Module]:
    """Syntax trees of all modules, by their path within the package."""
    folder = tree / PACKAGE
    return {
        file.relative_to(folder).as_posix(): ast.parse(file.read_text("utf-8")) for file in sorted(folder.rglob("*.py"))
    }


def functions(module: ast.Module) -> Iterator[tuple[str, Functions]]:
    """Functions and methods, with the names of their classes."""

    def within(node: ast.AST, name: str) -> Iterator[tuple[str, Functions]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef | Functions):
                full = f"{name}.{child.name}" if name else child.name
                if isinstance(child, Functions):
                    yield full, child
                yield from within(child, full)
            else:
                yield from within(child, name)

    yield from within(module, "")


def is_of(name: str, annotation: ast.expr | None, names: set[str], types: re.Pattern[str]) -> bool:
    """Return whether a parameter or field is a likelihood, or a prior."""
    return name in names or (annotation is not None and bool(types.search(ast.unparse(annotation))))


def both(fields: list[tuple[str, ast.expr | None]]) -> bool:
    """Return whether a likelihood and a prior are among parameters or fields, as two different ones."""
    likelihoods = {name for name, kind in fields if is_of(name, kind, LIKELIHOOD_NAMES, LIKELIHOOD)}
    priors = {name for name, kind in fields if is_of(name, kind, PRIOR_NAMES, PRIOR)}
    return bool(likelihoods and priors and len(likelihoods | priors) > 1)


def side_by_side(modules: dict[str, ast.Module]) -> tuple[list[str], list[str]]:
    """Functions that take both, and classes that keep both as fields."""
    taking, keeping = [], []
    for path, module in modules.items():
        for name, function in functions(module):
            given = function.args
            arguments = [*given.posonlyargs, *given.args, *given.kwonlyargs]
            if both([(argument.arg, argument.annotation) for argument in arguments]):
                taking.append(f"{path}:{name}")
        for node in ast.walk(module):
            if isinstance(node, ast.ClassDef):
                fields = [
                    (item.target.id, item.annotation)
                    for item in node.body
                    if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
                ]
                if both(fields):
                    keeping.append(f"{path}:{node.name}")
    return taking, keeping


def last_name(node: ast.AST) -> str:
    """``c`` of ``a.b.c``, of a name itself, and of a subscript the text it is asked for by."""
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Subscript):
        return str(node.slice.value) if isinstance(node.slice, ast.Constant) else ""
    return node.id if isinstance(node, ast.Name) else ""


def questions(module: ast.Module) -> list[str]:
    """Places where it is asked what kind of likelihood there is."""
    asked = []
    for node in ast.walk(module):
        told = ""
        if isinstance(node, ast.Call):
            function, first = last_name(node.func), last_name(node.args[0]).lower() if node.args else ""
            if function in QUESTIONS:
                told = function
            elif function == "isinstance" and len(node.args) == 2:
                kinds = {last_name(kind) for kind in ast.walk(node.args[1])}
                told = "isinstance" if any(KINDS.match(kind) and kind != "Likelihood" for kind in kinds) else ""
            elif (
                function in ("getattr", "hasattr") and ASKED_OF.search(first) and isinstance(node.args[1], ast.Constant)
            ):
                told = f"{function} {node.args[1].value}"
            for keyword in node.keywords:
                if (
                    keyword.arg == "simulate"
                    and isinstance(keyword.value, ast.Constant)
                    and keyword.value.value is False
                ):
                    told = "simulate=False"
        elif isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq | ast.NotEq | ast.Is | ast.IsNot):
            names = {last_name(side) for side in (node.left, *node.comparators)}
            texts = any(isinstance(side, ast.Constant) and isinstance(side.value, str) for side in node.comparators)
            told = "kind ==" if "kind" in names and texts and "representation" not in ast.unparse(node) else ""
        if told:
            asked.append(f"{node.lineno} {told}")
    return asked


def without_docstring(function: Functions) -> list[ast.stmt]:
    first = function.body[0]
    documented = (
        isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    )
    return function.body[documented:]


def lines_and_branches(function: Functions) -> tuple[int, int]:
    """Lines of code that statements stand on, signature included, and branches among them."""
    lines = set(range(function.lineno, function.body[0].lineno)) - {function.body[0].lineno}
    branches = 0
    for statement in without_docstring(function):
        for node in ast.walk(statement):
            if hasattr(node, "lineno"):
                lines.add(node.lineno)
                lines.add(node.end_lineno or node.lineno)
            branches += isinstance(node, BRANCHES)
            branches += len(node.values) - 1 if isinstance(node, ast.BoolOp) else 0
            branches += 1 + len(node.ifs) if isinstance(node, ast.comprehension) else 0
    return len(lines), branches


def weighing(modules: dict[str, ast.Module]) -> tuple[str, Functions]:
    """The function that weighs draws: the longest one called ``weigh``."""
    found = [
        (f"{path}:{name}", function)
        for path, module in modules.items()
        for name, function in functions(module)
        if name.rpartition(".")[2] == "weigh"
    ]
    return max(found, key=lambda item: (item[1].end_lineno or 0) - item[1].lineno)


def imports(modules: dict[str, ast.Module]) -> dict[str, set[str]]:
    """Modules that each imports from the package, in functions and for types, too."""
    names = {}
    for path in modules:
        parts = [PACKAGE, *path.removesuffix(".py").split("/")]
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    arrows: dict[str, set[str]] = {name: set() for name in names}
    for own, path in names.items():
        parent = own if path.endswith("__init__.py") else own.rpartition(".")[0]
        for node in ast.walk(modules[path]):
            targets = []
            if isinstance(node, ast.Import):
                targets = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                above = parent.split(".")[: len(parent.split(".")) - node.level + 1] if node.level else []
                base = ".".join([*above, *([node.module] if node.module else [])])
                targets = [full if (full := f"{base}.{alias.name}") in names else base for alias in node.names]
            arrows[own] |= {target for target in targets if target in names and target not in (own, PACKAGE)}
    return arrows


def longest_way(arrows: dict[str, set[str]]) -> list[str]:
    """The longest way along imports."""
    ways: dict[str, list[str]] = {}
    for name in TopologicalSorter(arrows).static_order():
        ways[name] = [name, *max((ways[target] for target in arrows[name]), key=len, default=[])]
    return max(ways.values(), key=len)


def follow(tree: str) -> None:
    """Solve the five-parameter problem in a separate process, and print which files a weight goes through."""
    import logging

    import bilby
    from bilby.core import sampler as bilby_sampler

    from bilby_flowpe.problems import green2020

    bilby_sampler.env_package_list = lambda **_: []
    logging.getLogger("bilby").setLevel(logging.ERROR)
    inside = str(Path(tree).resolve() / PACKAGE) + os.sep
    depth, called, ways = 0, set(), set()

    def watch(frame: Any, event: str, _: Any) -> None:
        nonlocal depth
        code = frame.f_code
        if code.co_filename.startswith(inside):
            if code.co_name == "weigh":
                depth += {"call": 1, "return": -1}.get(event, 0)
            if depth and event == "call":
                called.add(code.co_filename.removeprefix(inside))
        elif (
            depth
            and event == "call"
            and code.co_name in ("log_likelihood_ratio", "log_likelihood", "frequency_domain_strain")
        ):
            way: list[str] = []
            above = frame.f_back
            while above is not None:
                if (name := above.f_code.co_filename).startswith(inside):
                    way.append(name.removeprefix(inside))
                    if above.f_code.co_name == "weigh":
                        break
                above = above.f_back
            ways.add(tuple(dict.fromkeys(reversed(way))))

    likelihood, priors = green2020(5, seed=1)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BILBY_FLOWPE_CACHE"] = folder
        sys.setprofile(watch)
        bilby.run_sampler(
            likelihood, priors, sampler="flowpe", network="none", n_effective=100, max_likelihood_evaluations=1000,
            sampling_seed=1, outdir=folder, save=False, plot=False, progress=False, resume=False,
        )  # fmt: skip
        sys.setprofile(None)
    print(json.dumps({"called": sorted(called), "way": max(ways, key=lambda way: (len(way), way))}))


def followed(tree: Path) -> dict[str, list[str]]:
    """Return what :func:`follow` prints with the package of ``tree``."""
    environment = {**os.environ, "PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
    command = [sys.executable, __file__, "--follow", str(tree)]
    done = subprocess.run(command, env=environment, check=True, text=True, stdout=subprocess.PIPE)
    answer: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return answer


def figures(tree: Path) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Numbers by what they are, and the places behind them."""
    modules = read(tree)
    taking, keeping = side_by_side(modules)
    asking = {path: asked for path, module in modules.items() if (asked := questions(module))}
    name, function = weighing(modules)
    lines, branches = lines_and_branches(function)
    arrows = imports(modules)
    way = longest_way(arrows)
    seen = followed(tree)
    numbers = {
        "functions that take likelihood and prior side by side": len(taking),
        "  in so many files": len({place.partition(":")[0] for place in taking}),
        "classes that keep both": len(keeping),
        "files that ask for the kind of likelihood": len(asking),
        "  places in them": sum(map(len, asking.values())),
        f"lines of {name.rpartition('.')[2]}": lines,
        f"branches of {name.rpartition('.')[2]}": branches,
        "modules": len(modules),
        "imports between them": sum(map(len, arrows.values())),
        "modules on the longest way along imports": len(way),
        "files from weigh down to the user's likelihood": len(seen["way"]),
        "files that weigh calls into": len(seen["called"]),
    }
    places = {
        "take both": taking,
        "keep both": keeping,
        "ask": [f"{path}: {', '.join(asked)}" for path, asked in asking.items()],
        "weigh": [name],
        "longest way along imports": way,
        "down to the likelihood": seen["way"],
        "called": seen["called"],
    }
    return numbers, places


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trees", nargs="*", default=["."], help="commits, or folders that hold the package")
    parser.add_argument("--list", action="store_true", help="print the places, too")
    parser.add_argument("--follow", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.follow:
        return follow(arguments.follow)
    from same_answers import package_of

    trees = [Path(tree).resolve() if Path(tree).is_dir() else package_of(tree) for tree in arguments.trees]
    found = [figures(tree) for tree in trees]
    print(" " * 56 + "".join(f"{tree[:18]:>20s}" for tree in arguments.trees))
    for key in found[0][0]:
        print(f"{key:56s}" + "".join(f"{numbers[key]:20d}" for numbers, _ in found))
    for tree, (_, places) in zip(arguments.trees, found, strict=True) if arguments.list else ():
        for what, lines in places.items():
            print(f"\n{tree}: {what}", *lines, sep="\n  ")
    return None


if __name__ == "__main__":
    main()
