"""Counts of how the package is built, on pieces of source whose counts are known."""

from __future__ import annotations

import ast

import pytest

from tests import house_figures

PAIRS = """
class Kept:
    likelihood: Likelihood
    priors: PriorDict

    def of(self, likelihood, transform: PriorTransform): ...
    def alone(self, likelihood): ...

def annotated(given: GravitationalWaveTransient | None, search: PriorDict): ...
def prior_alone(priors): ...
def once(problem: Problem): ...
"""


def test_pairs() -> None:
    taking, keeping = house_figures.side_by_side({"a.py": ast.parse(PAIRS)})
    assert taking == ["a.py:Kept.of", "a.py:annotated"]
    assert keeping == ["a.py:Kept"]


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("isinstance(x, GravitationalWaveTransient)", 1),
        ("isinstance(x, (int, gw.GravitationalWaveTransient))", 1),
        ("isinstance(self.simulator, GravitationalWaveSimulator)", 1),
        ("isinstance(x, Likelihood)", 0),
        ("isinstance(x, np.ndarray)", 0),
        ("has_simulate(likelihood) or is_wave(given)", 2),
        ("getattr(self.likelihood, 'simulate', None)", 1),
        ("getattr(module, 'name')", 0),
        ("make_simulator(likelihood, simulate=False)", 1),
        ("facts['kind'] == 'gravitational wave'", 1),
        ("kind == 'simulator'", 1),
        ("config.representation.kind == 'linear'", 0),
    ],
)
def test_questions(source: str, count: int) -> None:
    assert len(house_figures.questions(ast.parse(source))) == count


def test_lines_and_branches() -> None:
    source = '''
def weigh(a, b):
    """Not counted,
    however long.
    """
    # Nor is this.
    if a and b:
        return 1
    elif a:
        return 2 if b else 3

    for x in a:
        print([y for y in x if y])
    return 4
'''
    function = ast.parse(source).body[0]
    assert isinstance(function, ast.FunctionDef)
    # Two conditions, one "and", one conditional expression, one loop; a loop and a condition of the comprehension.
    assert house_figures.lines_and_branches(function) == (8, 7)


def test_imports_and_the_longest_way() -> None:
    modules = {
        "__init__.py": "",
        "errors.py": "",
        "priors.py": "from .errors import DataError",
        "waves/__init__.py": "from .grid import Grid",
        "waves/grid.py": "from .. import priors\nimport numpy",
        "run.py": "def late():\n    from bilby_flowpe.waves import grid",
    }
    arrows = house_figures.imports({path: ast.parse(source) for path, source in modules.items()})
    assert arrows["bilby_flowpe.waves.grid"] == {"bilby_flowpe.priors"}
    assert arrows["bilby_flowpe.run"] == {"bilby_flowpe.waves.grid"}
    assert house_figures.longest_way(arrows)[-3:] == [
        "bilby_flowpe.waves.grid", "bilby_flowpe.priors", "bilby_flowpe.errors",
    ]  # fmt: skip
