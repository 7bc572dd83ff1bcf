"""A likelihood is known by its code and data, in this process and the next."""

from __future__ import annotations

import collections
import copy
import functools
import io
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from bilby.core.likelihood import GaussianLikelihood, Likelihood
from bilby.gw.likelihood import GravitationalWaveTransient

from bilby_flowpe.storage.identity import identity_of

SOURCE = """
import numpy as np
from bilby.core.likelihood import Likelihood
{helper}
class Own(Likelihood):
    def __init__(self, data):
        super().__init__()
        self.data = data
    def log_likelihood(self, parameters=None):
        {body}
"""
BODY, HELPER = (
    "return -square(parameters['a'] - self.data.mean())",
    "SCALE = 2\ndef square(x):\n    return SCALE * x**2",
)


def own(data: float = 1.0, body: str = BODY, helper: str = HELPER) -> Likelihood:
    names: dict = {"__name__": "__main__"}
    exec(SOURCE.format(body=body, helper=helper), names)
    return names["Own"](np.full(5, data))


def test_the_same_again_has_the_same_identity() -> None:
    assert identity_of(own()) == identity_of(own())
    used = own()
    used.log_likelihood({"a": 2.0})
    used._cache = 3
    assert identity_of(used) == identity_of(own())


@pytest.mark.parametrize(
    "changed",
    [
        {"data": 1.1},
        {"body": BODY + " + (3 if parameters['a'] > 9.99 else 0)"},
        {"helper": HELPER.replace("x**2", "x**4")},
        {"helper": HELPER.replace("SCALE = 2", "SCALE = 3")},
    ],
)
def test_an_edit_anywhere_makes_another(changed: dict) -> None:
    assert identity_of(own(**changed)) != identity_of(own())


def test_functions_of_bilbys_likelihoods_and_strain(make_problem_hl) -> None:
    x = np.linspace(0, 1, 5)
    slopes = [GaussianLikelihood(x, x, lambda x, a: a * x, 1.0), GaussianLikelihood(x, x, lambda x, a: a * x**2, 1.0)]
    assert identity_of(slopes[0]) != identity_of(slopes[1])
    likelihood, _ = make_problem_hl()
    before = identity_of(likelihood)
    assert identity_of(copy.deepcopy(likelihood)) == before
    likelihood.log_likelihood_ratio(dict(likelihood.injection_parameters))
    assert identity_of(likelihood) == before
    likelihood.interferometers[1].strain_data._frequency_domain_strain[400] *= 2
    assert identity_of(likelihood) != before


@pytest.mark.training
def test_it_outlives_the_process(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        SOURCE.format(body=BODY, helper=HELPER)
        + "\nfrom bilby_flowpe.storage.identity import identity_of\nfrom bilby_flowpe.problems import green2020\n"
        + "print(identity_of(Own(np.ones(5))), identity_of(green2020(5, seed=3)[0]))\n"
    )
    words = [sys.executable, str(script)]
    found = {
        subprocess.run(words, capture_output=True, text=True, check=True, cwd=tmp_path).stdout.split("\n")[-2]
        for _ in range(2)
    }
    assert len(found) == 1


# What a likelihood may hold. -----------------------------------------------------------------------------------------------


class Slotted:
    __slots__ = ("__hidden", "value")

    def __init__(self, value: float) -> None:
        self.value, self.__hidden = value, value


class Raising:
    """Raises whatever it is asked."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError("do not ask")


class RaisingWords(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


class RaisingArray:
    def __array__(self, *args: Any, **kwargs: Any) -> np.ndarray:
        raise RaisingWords


class WithProperties:
    """Properties are not asked: what they rest on is there."""

    strain_data = interferometers = property(lambda self: 1 / 0)

    def __init__(self, value: float) -> None:
        self.value = value


class OddClass:
    __class__ = property(lambda self: 1 / 0)  # type: ignore[assignment]

    def __init__(self, value: float) -> None:
        self.value = value


class Method:
    def __init__(self, value: float) -> None:
        self.value = value

    def compute(self, x: float) -> float:
        return self.value * x


class Tracer:
    """Imitation of an array of another library."""

    def __init__(self, value: float) -> None:
        self._value = value

    def __array__(self, *args: Any, **kwargs: Any) -> np.ndarray:
        return np.full(3, self._value)


def nameless(value: float) -> Any:
    space: dict = {"__builtins__": {}}
    exec(f"def model(x, a):\n    return {value} * a * x", space)
    return space["model"]


def cyclic(value: float) -> list:
    members: list = [value]
    members.append(members)
    return members


def lambdified(value: float) -> Any:
    sympy = pytest.importorskip("sympy")
    x, a = sympy.symbols("x a")
    return sympy.lambdify((x, a), value * sympy.exp(a * x), "numpy")


def with_global(value: float) -> Any:
    space: dict = {"__name__": "__main__", "TABLE": np.full(3, value)}
    exec("def model(x):\n    return TABLE * x", space)
    return space["model"]


def holding(thing: Any) -> Likelihood:
    likelihood = own()
    likelihood.held = thing
    return likelihood


READABLE: dict[str, Callable[[float], Any]] = {
    "slots": Slotted,
    "properties that raise": WithProperties,
    "a class that raises": OddClass,
    "a bound method": lambda value: Method(value).compute,
    "a partial": lambda value: functools.partial(pow, value),
    "a lambda": lambda value: lambda x: value * x,
    "a function without a module": nameless,
    "a function of sympy's": lambdified,
    "a global array": with_global,
    "an array of another library": Tracer,
    "a cycle": cyclic,
    "a set": lambda value: {value, "two", ("three", 3)},
    "an array of objects": lambda value: np.array([value, None, "three"], dtype=object),
    "a table": lambda value: pandas.DataFrame({"x": [1.0, value]}),
    "a number of a C extension": lambda value: Decimal(value),
    "a pattern": lambda value: re.compile(f"a{value}"),
    "a queue": lambda value: collections.deque([1.0, value]),
}


@pytest.mark.parametrize("name", READABLE)
def test_what_can_be_read_is_told_apart(name: str) -> None:
    make = READABLE[name]
    one, again, other = (identity_of(holding(make(value))) for value in (1.0, 1.0, 2.0))
    assert one is not None
    assert one == again
    assert one != other


def closing(file: Any) -> Any:
    file.close()
    return file


UNREADABLE: dict[str, Callable[[], Any]] = {
    "an object that raises": Raising,
    "an array that raises": RaisingArray,
    "an open file": lambda: sys.__stderr__,
    "a closed file": lambda: closing(io.BytesIO(b"abc")),
    "a generator": lambda: (x for x in range(3)),
    "a view of memory": lambda: memoryview(b"abc"),
    "a mapping that raises": lambda: type("Odd", (dict,), {"__getitem__": lambda self, key: 1 / 0})(a=1),
    "a text that raises": lambda: type("Odd", (str,), {"__repr__": lambda self: 1 / 0})("a"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_is_named_and_nothing_raises(name: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="bilby"):
        assert identity_of(holding([UNREADABLE[name]()])) is None
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 1
    assert "cannot be resumed: held.0" in said[0]


@pytest.mark.parametrize("make", [threading.Lock, threading.RLock, lambda: np, np.random.default_rng, lambda: print])
def test_what_no_value_depends_on(make: Callable[[], Any]) -> None:
    """Locks, modules, builtin functions and generators of random numbers."""
    assert identity_of(holding(make())) == identity_of(holding(make())) != identity_of(holding(None))


def test_a_reference_detector_without_data(make_problem_hl) -> None:
    likelihood, _ = make_problem_hl()
    found = {
        reference: identity_of(
            GravitationalWaveTransient(
                likelihood.interferometers, likelihood.waveform_generator, time_reference=reference
            )
        )
        for reference in ("geocent", "H1", "L1")
    }
    assert None not in found.values()
    assert len({*found.values()}) == 3


def test_detectors_are_known_by_place_and_arms(make_problem_hl) -> None:
    likelihood, _ = make_problem_hl()
    before = identity_of(likelihood)
    likelihood.interferometers[0].geometry.xarm_azimuth += 1
    assert identity_of(likelihood) != before
