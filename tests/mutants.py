"""Weights and Jacobians with one thing changed at a time: the tests have to find every change.

    python tests/mutants.py
    python tests/mutants.py --only bilby_flowpe/importance.py --list

Changes are cosmic-ray's, within functions: an operator for its opposite, a number for its neighbours, a comparison that takes
in its bound or leaves it out, a condition turned round, a sign or a loop left out. Each is made in a copy of the package, and
the tests that mirror the module are run on it; killed is what makes one of them fail, and nothing else. Printed is every mutant
that survived, and how many were killed; those of ``HARMLESS`` change no result, and say why.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import importlib
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch
from cosmic_ray.commands.init import _all_work_items
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator
from cosmic_ray.work_item import MutationSpec

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT = 600.0
TESTS_FAILED = 1  # pytest: some did; all else that is not 0 is no answer
HEAVY = ("arviz_stats.base", "bilby", "bilby.gw", "corner", "scipy.stats", "torch", "zuko")


@dataclass(frozen=True)
class Target:
    """Functions of a module, none for all, and the tests that have to find what is changed in them."""

    module: str
    tests: tuple[str, ...]
    functions: tuple[str, ...] = ()


TARGETS = (
    Target("bilby_flowpe/importance.py", ("tests/test_importance.py",)),
    Target(
        "bilby_flowpe/priors.py",
        ("tests/test_priors.py",),
        ("from_unconstrained", "to_unconstrained", "satisfies", "log_prob", "log_jacobian", "outermost"),
    ),
    Target(
        "bilby_flowpe/representation/coordinates.py",
        ("tests/representation/test_coordinates.py",),
        ("to_network", "from_network", "_place", "_time_difference", "_phase_centre", "_raw", "log_copies"),
    ),
    Target("bilby_flowpe/proposals/charts.py", ("tests/proposals/test_mixture.py",), ("forward", "inverse")),
    Target(
        "bilby_flowpe/waves/effective_distance.py",
        ("tests/waves/test_effective_distance.py",),
        ("amplitude_seen", "draw_given", "_on_nodes", "_log_density", "_angle"),
    ),
    Target(
        "bilby_flowpe/translation/frames.py", ("tests/translation/test_frames.py",), ("back", "log_ratio", "_to_pair")
    ),
    Target(
        "bilby_flowpe/proposals/parts.py",
        ("tests/proposals/test_mixture.py", "tests/proposals/test_latents.py"),
        ("log_prob",),
    ),
    Target("bilby_flowpe/proposals/event_quantiles.py", ("tests/proposals/test_event_quantiles.py",), ("log_prob",)),
    Target("bilby_flowpe/networks/made.py", ("tests/networks/test_networks.py",), ("forward", "invert")),
    Target("bilby_flowpe/networks/layers.py", ("tests/networks/test_networks.py",), ("soft_log_scale",)),
)

OPERATORS = re.compile(
    r"core/(AddNot|NumberReplacer|ReplaceAndWithOr|ReplaceOrWithAnd|ReplaceTrueWithFalse|ReplaceFalseWithTrue|ZeroIterationForLoop"
    r"|ReplaceUnaryOperator_Delete_(USub|Not|Invert)"
    r"|ReplaceBinaryOperator_(Add_Sub|Sub_Add|Mul_Div|Div_Mul|Pow_Mul|BitAnd_BitOr|Mod_Mul|FloorDiv_Mul)"
    r"|ReplaceComparisonOperator_(Lt_LtE|LtE_Lt|Gt_GtE|GtE_Gt|Eq_NotEq|NotEq_Eq|Is_IsNot|IsNot_Is))"
)

_SIDE = "side = (rng.random(len(effective)) * total >= mass[0]).astype(int)"
_DRAWN = "nodes[chosen], np.where(possible, log_density[chosen], 0.0), rng.random(len(effective))"
_POSSIBLE = "return distance, theta, np.where(possible[:, 0], log_ratio, -np.inf)"
_ROOT = "squared = 2 * excess / (half + np.sqrt(np.maximum(half**2 + plus * excess, 0.0)))"
_COSINE = "return np.arccos(np.sqrt(np.clip(squared, 0.0, 1.0)))"
_PAIR_AXES = "x, y, z = np.moveaxis(direction(ra - sidereal_time(time), dec) @ self._turn, -1, 0)"
_UNIT = "unit = np.clip((offset + 0.5) % 1.0, 1e-15, 1 - 1e-15)"
_TURN = "offset = self.period * (ndtr(raw[:, self.config.keys.index(PHASE)]) - 0.5)"
_COIN = "v[:, self.transform.keys.index(key)] = column * rng.choice([-1.0, 1.0], size=size)"
_REACH = "reach = _FAR_TIME + 10 * (prior.maximum - prior.minimum)"
_MIDDLE = "middle = 0.5 * (prior.minimum + prior.maximum)"
_WITHIN = "return (trial[TIME] >= prior.minimum) & (trial[TIME] <= prior.maximum)"
_PAIR = "if self.ordered_pair and self.ordered_pair[0] in keys:"
_SIZE = "size = len(parameters[self.keys[0]])"
_THROWN = "v[:, self._columns] = np.where(within[:, None], base, 0.0)"
HARMLESS: dict[str, tuple[tuple[str, str, str, str], ...]] = {
    "bilby_flowpe/waves/effective_distance.py": (
        (_SIDE, ">=", ">", "a coin that falls on its edge"),
        (_DRAWN, "0.0", "1.0", "rows that are thrown away"),
        (_DRAWN, "0.0", "-1.0", "rows that are thrown away"),
        (_POSSIBLE, ", 0]", ", -1]", "there is one column"),
        (_ROOT, "0.0", "-1.0", "a guard against rounding"),
        (_COSINE, "0.0", "-1.0", "a guard against rounding"),
        (_COSINE, "1.0", "2.0", "a guard against rounding"),
    ),
    "bilby_flowpe/translation/frames.py": ((_PAIR_AXES, "-1", "1", "there are two"),),
    "bilby_flowpe/importance.py": (
        ("if cut * np.sqrt(kept) <= clipped_scatter:", "<=", "<", "a bisection of real numbers"),
        ("if len(rows) <= most:", "<=", "<", "a choice of all of them is all of them"),
        ("if log_w.max() - np.median(log_w) < _NO_TAIL:", "<", "<=", "a threshold of real numbers"),
    ),
    "bilby_flowpe/priors.py": (
        ("beyond = np.abs(self.to_unconstrained(parameters)) > _OUTERMOST", ">", ">=", "a threshold of real numbers"),
        (_PAIR, "[0]", "[ 1]", "both of a pair are asked for, or none"),
        (_PAIR, "[0]", "[ -1]", "both of a pair are asked for, or none"),
    ),
    "bilby_flowpe/proposals/charts.py": (
        (_SIZE, "[0]", "[ 1]", "all are of one length"),
        (_SIZE, "[0]", "[ -1]", "all are of one length"),
        (_THROWN, "0.0", "1.0", "rows that are thrown away"),
        (_THROWN, "0.0", "-1.0", "rows that are thrown away"),
    ),
    "bilby_flowpe/representation/coordinates.py": (
        (_SIZE, "[0]", "[ -1]", "all are of one length"),
        (_UNIT, "+ 0.5", "- 0.5", "a whole period"),
        (_UNIT, "0.5", "1.5", "a whole period"),
        (_UNIT, "0.5", "-0.5", "a whole period"),
        (_UNIT, "1 - 1e-15", "1 + 1e-15", "a remainder that never reaches one"),
        (_UNIT, "1 - 1e-15", "2 - 1e-15", "a remainder that never reaches one"),
        (_UNIT, "1 - 1e-15", "1 - -0.999999999999999", "a remainder that never reaches one"),
        (_TURN, "- 0.5", "+ 0.5", "a whole period"),
        (_COIN, "*", "/", "times or over a sign"),
        ("sound = np.all(np.abs(raw) < _FAR, axis=1)", "<", "<=", "a threshold of real numbers"),
        ("sound &= np.abs(offset) < reach", "<", "<=", "a threshold of real numbers"),
        (_REACH, "+", "-", "a guard against overflow, a thousand seconds out"),
        (_REACH, "maximum -", "maximum +", "a guard against overflow, a thousand seconds out"),
        (_REACH, "*", "/", "a guard against overflow, a thousand seconds out"),
        (_REACH, "10", "11", "a guard against overflow, a thousand seconds out"),
        (_REACH, "10", "9", "a guard against overflow, a thousand seconds out"),
        (_TURN, "- 0.5", "- -0.5", "a whole period"),
        (_MIDDLE, "+", "-", "a start that the steps forget"),
        (_MIDDLE, "*", "/", "a start that the steps forget"),
        (_WITHIN, ">=", ">", "the edge of a prior has no share of it"),
        (_WITHIN, "<=", "<", "the edge of a prior has no share of it"),
    ),
}
"""By module, mutants that change no result: line, what is changed for what, and why. One that is not needed is an error."""


def mutants(target: Target) -> Iterator[MutationSpec]:
    """Return what cosmic-ray can change within the functions."""
    for item in _all_work_items([Path(target.module)], {}):
        (mutation,) = item.mutations
        inside = mutation.definition_name is not None and (
            not target.functions or mutation.definition_name in target.functions
        )
        if inside and OPERATORS.fullmatch(mutation.operator_name) and compiles(mutation):
            yield mutation


def compiles(mutation: MutationSpec) -> bool:
    """Return whether the text is still Python: the stars of ``{**one}`` are not a power."""
    source = Path(mutation.module_path).read_text(encoding="utf-8")
    try:
        ast.parse(mutate_code(source, get_operator(mutation.operator_name)(), mutation.occurrence))
    except SyntaxError:
        return False
    return True


def in_copy(folder: str) -> None:
    """Work in a copy of one's own, and load once what every run of the tests loads, but for the package itself."""
    own = Path(folder) / str(os.getpid())
    own.mkdir()
    for name in ("bilby_flowpe", "tests"):
        shutil.copytree(ROOT / name, own / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", own)
    os.chdir(own)
    sys.path.insert(0, str(own))
    # A mutant of the same second and size would be taken for the module that was compiled before.
    sys.dont_write_bytecode = True
    for name in HEAVY:
        importlib.import_module(name)
    torch.set_num_threads(1)


def exit_code(tests: tuple[str, ...]) -> int | None:
    """Pytest's, in a process of its own; none where it takes too long."""

    def run() -> None:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        os._exit(int(pytest.main(["-x", "-q", "-n", "0", "-p", "no:cacheprovider", *tests])))

    process = get_context("fork").Process(target=run)
    process.start()
    process.join(TIMEOUT)
    code = process.exitcode
    if code is None:
        process.kill()
        process.join()
    return code


def fate(mutation: MutationSpec | None, tests: tuple[str, ...]) -> tuple[str, str, int | None]:
    """The lines before and after, and how the tests end; of nothing changed, without a mutation."""
    if mutation is None:
        return "", "", exit_code(tests)
    path = Path(mutation.module_path)
    original = path.read_text(encoding="utf-8")
    mutated = mutate_code(original, get_operator(mutation.operator_name)(), mutation.occurrence)
    path.write_text(mutated, encoding="utf-8")
    try:
        code = exit_code(tests)
    finally:
        path.write_text(original, encoding="utf-8")
    lines = [line for line in difflib.ndiff(original.splitlines(), mutated.splitlines()) if line[:2] in ("- ", "+ ")]
    before, after = (" ".join(line[2:].strip() for line in lines if line[0] == sign) for sign in "-+")
    return before, after, code


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=[target.module for target in TARGETS])
    parser.add_argument("--list", action="store_true", help="print every mutant, not the survivors alone")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    os.chdir(ROOT)
    chosen = [target for target in TARGETS if not arguments.only or target.module in arguments.only]
    began, bad = time.monotonic(), 0
    with (
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(arguments.processes, get_context("spawn"), in_copy, (folder,)) as pool,
    ):
        for target in chosen:
            if (code := pool.submit(fate, None, target.tests).result()[2]) != 0:
                raise SystemExit(f"{target.tests} end with {code} where nothing is changed")
            made = list(mutants(target))
            jobs = [pool.submit(fate, mutation, target.tests) for mutation in made]
            harmless = HARMLESS.get(target.module, ())
            excused = {(line, line.replace(old, new)): why for line, old, new, why in harmless}
            used, killed = set(), 0
            for mutation, job in zip(made, jobs, strict=True):
                before, after, code = job.result()
                if code == TESTS_FAILED:
                    killed, told = killed + 1, "killed"
                elif code == 0 and (before, after) in excused:
                    told = f"harmless: {excused[before, after]}"
                    used.add((before, after))
                else:
                    bad, told = bad + 1, "SURVIVED" if code == 0 else f"NO ANSWER: the tests end with {code}"
                if arguments.list or told.isupper() or told.startswith("NO ANSWER"):
                    print(
                        f"{target.module} {mutation.definition_name}\n    - {before}\n    + {after}\n    {told}",
                        flush=True,
                    )
            for before, after in sorted(excused.keys() - used):
                bad += 1
                print(f"{target.module}\n    - {before}\n    + {after}\n    EXCUSED FOR NOTHING", flush=True)
            print(f"{target.module}: {killed} of {len(made)} killed, {len(used)} harmless", flush=True)
    print(f"{bad} to look at, in {time.monotonic() - began:.0f} s")
    raise SystemExit(bad > 0)


if __name__ == "__main__":
    main()
