"""Weights and Jacobians with one thing changed at a time: the tests have to find every change.

    python tests/mutants.py
    python tests/mutants.py --only bilby_flowpe/importance.py --list

Changes are cosmic-ray's: an operator for its opposite, a number for its neighbours, a comparison that takes in its bound or
leaves it out, a condition turned round, a sign or a loop left out. Each is made in a copy of the package, and the tests that
mirror the module are run on it. Printed is every mutant that survived, and how many were killed; those of ``HARMLESS`` change
no result, and say why.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import os
import re
import shutil
import subprocess
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
TIMEOUT = 240.0
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
        ("tests/test_representation_coordinates.py",),
        ("to_network", "from_network", "_place", "_time_difference", "_phase_centre", "_raw", "log_copies"),
    ),
    Target("bilby_flowpe/proposals/charts.py", ("tests/test_proposals_mixture.py",), ("forward", "inverse")),
    Target(
        "bilby_flowpe/conditional/effective.py",
        ("tests/test_conditional_effective.py",),
        ("amplitude", "draw_given", "_on_nodes", "_log_density", "_angle"),
    ),
    Target(
        "bilby_flowpe/translation/frames.py", ("tests/test_translation_frames.py",), ("back", "log_ratio", "_to_pair")
    ),
    Target("bilby_flowpe/networks/made.py", ("tests/test_networks.py",), ("forward", "invert")),
    Target("bilby_flowpe/networks/layers.py", ("tests/test_networks.py",), ("soft_log_scale",)),
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
_COSINE = "angle: np.ndarray = np.arccos(np.sqrt(np.clip(squared, 0.0, 1.0)))"
_EARTH = "earth = np.stack([np.cos(dec) * np.cos(phi), np.cos(dec) * np.sin(phi), np.sin(dec) + 0 * phi], axis=-1)"
_UNIT = "unit = np.clip((offset + 0.5) % 1.0, 1e-15, 1 - 1e-15)"
_TURN = "offset = self.period * (ndtr(raw[:, self.config.keys.index(PHASE)]) - 0.5)"
_COIN = "v[:, self.transform.keys.index(key)] = column * rng.choice([-1.0, 1.0], size=size)"
_REACH = "reach = _FAR_TIME + 10 * (prior.maximum - prior.minimum)"
_MIDDLE = "middle = 0.5 * (prior.minimum + prior.maximum)"
_WITHIN = "within: np.ndarray = (trial[TIME] >= prior.minimum) & (trial[TIME] <= prior.maximum)"
_PAIR = "if self.ordered_pair and self.ordered_pair[0] in keys:"
_SIZE = "size = len(parameters[self.keys[0]])"
_THROWN = "v[:, self._columns] = np.where(within[:, None], base, 0.0)"
HARMLESS: tuple[tuple[str, str, str, str], ...] = (
    (_SIDE, ">=", ">", "a coin that falls on its edge"),
    (_DRAWN, "0.0", "1.0", "rows that are thrown away"),
    (_DRAWN, "0.0", "-1.0", "rows that are thrown away"),
    (_POSSIBLE, ", 0]", ", -1]", "there is one column"),
    (_ROOT, "0.0", "-1.0", "a guard against rounding"),
    (_COSINE, "0.0", "-1.0", "a guard against rounding"),
    (_COSINE, "1.0", "2.0", "a guard against rounding"),
    (_EARTH, "+ 0", "- 0", "nought, for its shape"),
    (_EARTH, "0 * phi", "0 / phi", "nought, for its shape"),
    (_EARTH, "axis=-1", "axis=1", "there are two"),
    ("x, y, z = np.moveaxis(earth @ self._turn, -1, 0)", "-1", "1", "there are two"),
    ("if cut * np.sqrt(kept) <= clipped_scatter:", "<=", "<", "a bisection of real numbers"),
    ("if len(rows) <= most:", "<=", "<", "a choice of all of them is all of them"),
    ("if log_w.max() - np.median(log_w) < _NO_TAIL:", "<", "<=", "a threshold of real numbers"),
    ("if parts is not None and n > 1:", "and", "or", "rows of one part scatter as rows without parts"),
    ("beyond = np.abs(self.to_unconstrained(parameters)) > _OUTERMOST", ">", ">=", "a threshold of real numbers"),
    (_PAIR, "[0]", "[ 1]", "both of a pair are asked for, or none"),
    (_PAIR, "[0]", "[ -1]", "both of a pair are asked for, or none"),
    (_SIZE, "[0]", "[ 1]", "all are of one length"),
    (_SIZE, "[0]", "[ -1]", "all are of one length"),
    (_THROWN, "0.0", "1.0", "rows that are thrown away"),
    (_THROWN, "0.0", "-1.0", "rows that are thrown away"),
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
)
"""Mutants that change no result: the line, what is changed for what, and why."""


def mutants(target: Target) -> Iterator[MutationSpec]:
    """What cosmic-ray can change within the functions."""
    for item in _all_work_items([Path(target.module)], {}):
        (mutation,) = item.mutations
        inside = mutation.definition_name is not None and (
            not target.functions or mutation.definition_name in target.functions
        )
        if inside and OPERATORS.fullmatch(mutation.operator_name):
            yield mutation


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


def run_tests(tests: tuple[str, ...]) -> None:
    """In a process of its own: ends with pytest's code."""
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    os._exit(int(pytest.main(["-x", "-q", "-n", "0", "-p", "no:cacheprovider", *tests])))


def fate(mutation: MutationSpec, tests: tuple[str, ...]) -> tuple[str, str, bool]:
    """The lines before and after, and whether the tests found it."""
    path = Path(mutation.module_path)
    original = path.read_text(encoding="utf-8")
    mutated = mutate_code(original, get_operator(mutation.operator_name)(), mutation.occurrence)
    path.write_text(mutated, encoding="utf-8")
    try:
        process = get_context("fork").Process(target=run_tests, args=(tests,))
        process.start()
        process.join(TIMEOUT)
        found = process.exitcode != 0
        if process.is_alive():
            process.kill()
            process.join()
    finally:
        path.write_text(original, encoding="utf-8")
    lines = [line for line in difflib.ndiff(original.splitlines(), mutated.splitlines()) if line[:2] in ("- ", "+ ")]
    before, after = (" ".join(line[2:].strip() for line in lines if line[0] == sign) for sign in "-+")
    return before, after, found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=[target.module for target in TARGETS])
    parser.add_argument("--list", action="store_true", help="print every mutant, not the survivors alone")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    os.chdir(ROOT)
    chosen = [target for target in TARGETS if not arguments.only or target.module in arguments.only]
    tests = sorted({test for target in chosen for test in target.tests})
    subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", *tests], check=True, stdout=subprocess.DEVNULL
    )
    began, left = time.monotonic(), 0
    with (
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(arguments.processes, get_context("spawn"), in_copy, (folder,)) as pool,
    ):
        for target in chosen:
            made = list(mutants(target))
            jobs = [pool.submit(fate, mutation, target.tests) for mutation in made]
            killed = harmless = 0
            for mutation, job in zip(made, jobs, strict=True):
                before, after, found = job.result()
                known = next(
                    (why for line, old, new, why in HARMLESS if (before, after) == (line, line.replace(old, new))), None
                )
                killed += found
                harmless += not found and known is not None
                told = "killed" if found else f"harmless: {known}" if known else "SURVIVED"
                if arguments.list or told == "SURVIVED":
                    print(
                        f"{target.module} {mutation.definition_name}\n    - {before}\n    + {after}\n    {told}",
                        flush=True,
                    )
            print(f"{target.module}: {killed} of {len(jobs)} killed, {harmless} harmless", flush=True)
            left += len(jobs) - killed - harmless
    print(f"{left} mutants survived, in {time.monotonic() - began:.0f} s")
    raise SystemExit(left > 0)


if __name__ == "__main__":
    main()
