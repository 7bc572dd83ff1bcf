"""A likelihood is known by its code and data, in this process and the next."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from bilby.core.likelihood import GaussianLikelihood, Likelihood

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
