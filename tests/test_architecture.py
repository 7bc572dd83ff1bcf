"""Imports flow one way: a module imports only from rows above its own, and a package's modules form no cycle.

The rows are those of ``ROWS``. Every import counts, also those inside functions, under ``TYPE_CHECKING`` and through
``import_module`` with a literal name. A module that stands in no row fails the test, so that a new file gets its place.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "bilby_flowpe"

ROWS = (
    {"bisection", "densities", "errors", "names", "overrides", "plotting", "redshifts"},
    {
        "arguments",
        "binaries",
        "edges",
        "importance",
        "networks",
        "noise_scale",
        "open_data",
        "pricing",
        "prior_draws",
        "prior_natures",
    }
    | {"problems", "storage", "surprise"},
    {
        "corner_plot",
        "network_choice",
        "observed",
        "prior_checks",
        "priors",
        "processes",
        "pytorch",
        "thinning",
        "verdict",
    },
    {"likelihoods", "results", "waves"},
    {"bands", "contract", "proposals", "result_files", "trigger"},
    {"asimov_pipeline", "chain", "problem", "strain_event"},
    {"simulation"},
    {"kinds"},
    {"conditional", "representation", "translation"},
    {"bound", "reweighting", "selection", "skymap"},
    {"model", "sampling"},
    {"training"},
    {"cache", "configuration", "family"},
    {"model_list", "coarse_choice", "model_choice"},
    {"run"},
    {"alert", "sampler", "validation"},
    {"catalogue", "noise"},
    {"commands"},
    {"cli"},
)
ROW_OF = {unit: row for row, units in enumerate(ROWS) for unit in units}

ONLY = {"problems": {"errors"}}
"""Units that may import less of the package than their row allows."""

FORBIDDEN = {
    "errors": {"torch", "zuko", "bilby"},
    "importance": {"torch", "zuko", "bilby"},
    "networks": {"bilby"},
}
"""Other packages that a unit may not import."""


def read_package() -> dict[str, str]:
    """Source of every module by its path relative to the package."""
    folder = ROOT / PACKAGE
    return {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in folder.rglob("*.py")}


def dotted(path: str) -> str:
    """``networks/maf.py`` -> ``bilby_flowpe.networks.maf``; ``networks/__init__.py`` -> ``bilby_flowpe.networks``."""
    parts = [PACKAGE, *path.removesuffix(".py").split("/")]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: str, source: str, modules: set[str]) -> set[str]:
    """Dotted names of the modules that ``source`` imports, relative ones resolved."""
    own = dotted(path)
    parent = own if path.endswith("__init__.py") else own.rpartition(".")[0]

    def resolve(level: int, name: str) -> str:
        if not level:
            return name
        base = parent.split(".")[: len(parent.split(".")) - level + 1]
        return ".".join([*base, name] if name else base)

    found = set()
    for node in ast.walk(ast.parse(source, filename=path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = resolve(node.level, node.module or "")
            for alias in node.names:
                name = f"{base}.{alias.name}"
                # From the package itself every name is kept, so that a unit not written yet is recognised.
                found.add(name if base == PACKAGE or name in modules else base)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            name = node.args[0].value
            if function in {"import_module", "__import__"} and isinstance(name, str):
                found.add(resolve(len(name) - len(name.lstrip(".")), name.lstrip(".")))
    return found


def violations(sources: dict[str, str]) -> list[str]:
    """Return what breaks the rules in a package that is given as sources by relative path; nothing if all is well."""
    modules = {dotted(path) for path in sources}
    problems = []
    siblings: dict[str, dict[str, set[str]]] = {}
    for path, source in sorted(sources.items()):
        if path == "__init__.py":
            continue  # The package's front door may import anything, lazily: see test_import_is_light.
        own = dotted(path)
        unit = own.split(".")[1]
        if unit not in ROW_OF:
            problems.append(f"{path}: stands in no row; give '{unit}' a place in ROWS")
            continue
        for target in sorted(imported(path, source, modules)):
            top, _, rest = target.partition(".")
            other = rest.partition(".")[0]
            if top != PACKAGE:
                if top in FORBIDDEN.get(unit, ()):
                    problems.append(f"{path}: may not import {top}")
            elif other == "__version__":
                continue  # A plain string in the front door.
            elif other not in ROW_OF:
                problems.append(f"{path}: imports {target}, which stands in no row")
            elif other == unit:
                siblings.setdefault(unit, {}).setdefault(own, set()).add(target)
            elif ROW_OF[other] >= ROW_OF[unit]:
                problems.append(f"{path} (row {ROW_OF[unit]}): imports {target} (row {ROW_OF[other]}), not above it")
            elif unit in ONLY and other not in ONLY[unit]:
                problems.append(f"{path}: imports {target}, may import only {sorted(ONLY[unit])}")
    for unit, graph in siblings.items():
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            problems.append(f"{unit}: import cycle {' -> '.join(error.args[1])}")
    return problems


def test_imports_flow_one_way():
    sources = read_package()
    assert "__init__.py" in sources
    assert violations(sources) == []


def test_checker_accepts_a_sound_package():
    assert not violations(
        {
            "__init__.py": "def __getattr__(name):\n    from .sampler import FlowPE\n    return FlowPE",
            "errors.py": "",
            "importance.py": "import numpy as np\nfrom .errors import DataError",
            "networks/__init__.py": "from .maf import MAF",
            "networks/base.py": "import torch\nfrom ..errors import ConfigurationError",
            "networks/maf.py": "from . import base\nfrom .base import Density",
            "model.py": "from . import __version__, translation\nfrom .networks import MAF\nimport bilby_flowpe.priors",
            "sampler.py": "from bilby.core.sampler.base_sampler import Sampler\nfrom bilby_flowpe.model import load",
            "problems.py": "import bilby\nfrom .errors import ProblemError",
        }
    )


@pytest.mark.parametrize(
    ("sources", "complaint"),
    [
        ({"priors.py": "from .model import load"}, "not above it"),
        ({"priors.py": "from . import model"}, "not above it"),
        ({"priors.py": "from bilby_flowpe import model"}, "not above it"),
        ({"priors.py": "import bilby_flowpe.sampler"}, "not above it"),
        ({"priors.py": "def late():\n    from .sampler import FlowPE"}, "not above it"),
        ({"priors.py": "import importlib\nimportlib.import_module('.sampler', __package__)"}, "not above it"),
        ({"contract/contract.py": "from ..training.calibrate import calibrate"}, "not above it"),
        ({"networks/maf.py": "from ..simulation.noise import draw"}, "not above it"),
        ({"networks/__init__.py": "from ..simulation import draw"}, "not above it"),
        ({"problems.py": "from .plotting import plot_history"}, "may import only"),
        ({"importance.py": "import torch.nn as nn"}, "may not import torch"),
        ({"importance.py": "def late():\n    from bilby.core import utils"}, "may not import bilby"),
        ({"networks/maf.py": "import bilby"}, "may not import bilby"),
        ({"helpers.py": ""}, "stands in no row"),
        ({"models/tool.py": ""}, "stands in no row"),
        ({"sampler.py": "from . import FlowPE"}, "which stands in no row"),
        ({"sampler.py": "import bilby_flowpe"}, "which stands in no row"),
        ({"simulation/a.py": "from .b import x", "simulation/b.py": "from . import a"}, "import cycle"),
        ({"simulation/__init__.py": "from .a import x", "simulation/a.py": "from . import y"}, "import cycle"),
    ],
)
def test_checker_can_fail(sources, complaint):
    (found,) = violations(sources)
    assert complaint in found


def test_import_is_light():
    """``import bilby_flowpe`` loads no network library: Bilby looks at every plugin, also when another one is used."""
    code = f"import sys, {PACKAGE}; print(*sorted({{'torch', 'zuko'}} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


@pytest.mark.training
@pytest.mark.parametrize(
    ("module", "heavy"), [("sampler", {"torch", "zuko"}), ("run", {"corner", "matplotlib.pyplot", "torch", "zuko"})]
)
def test_a_module_loads_nothing_that_it_may_not_need(module, heavy):
    """Every use of Bilby loads the plugin, but few runs train a network or draw a picture of the losses."""
    code = f"import sys, {PACKAGE}.{module}; print(*sorted({heavy} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.split() == []
