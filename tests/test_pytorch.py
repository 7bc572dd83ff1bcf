"""PyTorch is loaded by a network or a flow, and by nothing else in a run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bilby_flowpe import pytorch

ROOT = Path(__file__).resolve().parent.parent

NETWORKS = "{'torch', 'zuko'} & set(sys.modules)"

BLACK_BOX = """
import bilby
class Normal(bilby.Likelihood):
    def log_likelihood(self, parameters):
        return -0.5 * sum((value / 0.2) ** 2 for value in parameters.values())
priors = bilby.core.prior.PriorDict({key: bilby.core.prior.Uniform(-1, 1, key) for key in "ab"})
def run(**arguments):
    return bilby.run_sampler(
        Normal(), priors, sampler="flowpe", n_effective=100, sampling_seed=1, progress=False, check_point_plot=False,
        save=False, **arguments)
"""
"""A black box of two normal parameters: mixtures of normals are as good as any flow."""

CURVE = """
import numpy as np
import bilby
x = np.linspace(0, 1, 8)
likelihood = bilby.core.likelihood.GaussianLikelihood(x, 2 * x, lambda x, a: a * x, 0.5)
priors = bilby.core.prior.PriorDict({"a": bilby.core.prior.Uniform(0, 4, "a")})
from bilby_flowpe.cache import cached_models, nearest_refused
from bilby_flowpe.kinds import problem_of
from bilby_flowpe.training.settings import Settings
contract = problem_of(likelihood, priors).describe()
"""
"""What a run has at hand when it looks for a model of a curve."""


def told(code: str, tmp_path: Path) -> list[str]:
    """The words of the last line that a new process prints."""
    environment = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg", "HOME": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    return run.stdout.splitlines()[-1].split()


def loaded(code: str, tmp_path: Path) -> list[str]:
    """Return which of torch and zuko a script has loaded at its end."""
    return told(f"import sys\n{code}\nprint('loaded', *{NETWORKS})", tmp_path)[1:]


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(
            "import bilby\nfrom bilby.core.sampler import IMPLEMENTED_SAMPLERS, get_sampler_class\n"
            "assert 'flowpe' in IMPLEMENTED_SAMPLERS\nget_sampler_class('flowpe')",
            id="bilby",
        ),
        pytest.param("import bilby_flowpe.model_list", id="the models at hand"),
        pytest.param(BLACK_BOX + "run(network='none')", marks=pytest.mark.training, id="a run without a network"),
        pytest.param(
            CURVE + "assert not list(cached_models(contract, Settings()))\nnearest_refused(contract, Settings())",
            id="no model fits",
        ),
    ],
)
def test_most_of_a_run_does_without(code: str, tmp_path: Path) -> None:
    assert loaded(code, tmp_path) == []


def test_networks_need_it(tmp_path: Path) -> None:
    """Or the tests above would hold of anything."""
    assert set(loaded("import bilby_flowpe.model", tmp_path)) == {"torch", "zuko"}


def test_it_is_told_once(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    import torch
    import zuko

    pytorch.load()
    assert not caplog.records
    with monkeypatch.context() as patch, caplog.at_level("INFO", logger="bilby"):
        for name in ("torch", "zuko"):
            patch.delitem(sys.modules, name)
        # Modules that are there already take the place of those to be imported.
        patch.setattr("builtins.__import__", lambda name, *_, **__: {"torch": torch, "zuko": zuko}[name])
        pytorch.load()
    assert [record.getMessage() for record in caplog.records] == ["Loading PyTorch, which takes a few seconds"]


@pytest.mark.training
def test_a_signal_that_comes_while_it_loads_waits(tmp_path: Path) -> None:
    """A module that was loaded in part cannot be loaded again."""
    code = """
import os, signal, sys
from bilby_flowpe import pytorch

class InTheMiddle:
    def find_spec(self, name, path=None, target=None):
        if name == "torch.fx":
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, lambda number, frame: sys.exit(5))
sys.meta_path.insert(0, InTheMiddle())
try:
    pytorch.load()
except SystemExit as stop:
    code = stop.code
import torch
print("exit code", code, "then", torch.ones(2).sum().item())
"""
    assert told(code, tmp_path) == ["exit", "code", "5", "then", "2.0"]
