"""Functions that can be imported from the package itself, and the examples in their docstrings."""

from __future__ import annotations

import copy
import doctest
from pathlib import Path
from typing import Any

import bilby
import numpy as np
import pytest
from bilby.core.prior import PriorDict, Uniform

import bilby_flowpe
from bilby_flowpe.errors import ModelError


@pytest.fixture(scope="module")
def names(problem_5d: tuple, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Give the examples a problem, and a result whose posterior is far from the bounds of the prior."""
    from tests.trained import small_settings

    x, rng = np.linspace(0, 1, 20), np.random.default_rng(7)
    priors = PriorDict({"m": Uniform(-4, 4, "m"), "c": Uniform(-4, 4, "c")})
    result = bilby.run_sampler(
        bilby.core.likelihood.GaussianLikelihood(x, rng.normal(0, 0.3, 20), lambda x, m, c: m * x + c, sigma=0.3),
        priors, sampler="flowpe", outdir=str(tmp_path_factory.mktemp("front")), label="line", network="none",
        sampling_seed=3, n_effective=2000, progress=False, save=False,
    )  # fmt: skip
    half = copy.deepcopy(priors)
    half["m"] = Uniform(-2, 2, "m")
    likelihood, priors_5d = problem_5d
    settings = small_settings(steps=4, n_waveforms=64)
    return {
        "likelihood": likelihood,
        "priors": priors_5d,
        "settings": settings,
        "result": result,
        "priors_half_as_wide": half,
    }


@pytest.mark.training
def test_examples_of_docstrings_run(names: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The examples run in the order of the package's list, but ``reweight`` first makes a result for the Bayes factor."""
    monkeypatch.chdir(tmp_path)
    finder, runner = doctest.DocTestFinder(recurse=False), doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for name in ("train_model", "load_model", "reweight", "bayes_factor"):
        names[name] = getattr(bilby_flowpe, name)
        (example,) = finder.find(names[name], name, globs=names)
        assert len(example.examples) >= 2, name
        example.globs = names
        assert runner.run(example, clear_globs=False).failed == 0, name
    assert set(bilby_flowpe.__all__) <= set(names)


def test_a_name_that_is_not_there_is_told() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'rewieght'; its functions are bayes_factor"):
        _ = bilby_flowpe.rewieght


def test_all_names_are_listed() -> None:
    assert set(bilby_flowpe.__all__) <= set(dir(bilby_flowpe))


def test_a_lazy_name_stays_what_it_is() -> None:
    """A module of the same name would take the place of a function once it was imported."""
    import bilby_flowpe.catalogue as catalogue

    for package in (bilby_flowpe, catalogue):
        for name in package.__all__:
            assert callable(getattr(package, name)), name
            assert callable(getattr(package, name)), name


@pytest.mark.parametrize("model", [None, 3, ["green2020-5d-maf"]])
def test_a_model_that_is_neither_a_name_nor_a_folder_is_refused(model: Any) -> None:
    with pytest.raises(ModelError, match=r"model=.*: give a name that `flowpe models` lists, or the folder"):
        bilby_flowpe.load_model(model)
