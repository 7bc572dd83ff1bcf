"""The pipeline of asimov, on stand-ins of its classes and bilby_pipe's; ``integration/test_asimov.py`` runs the real ones."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pandas as pd
import pytest
from bilby.core.prior import PriorDict, Uniform
from bilby.core.result import Result

MODULE = "bilby_flowpe.asimov_pipeline"


@pytest.fixture
def pipeline(monkeypatch, tmp_path: Path):
    """Make a pipeline of a ledger's entries."""

    class Pipeline:
        def __init__(self, production, category=None):
            self.production = production

        def before_config(self, dryrun=False):
            self.captured = not dryrun

    class Bilby(Pipeline):
        def __init__(self, production, category=None):
            raise ValueError("Pipeline mismatch")  # as bilby_pipe's, of any name but its own

        def get_sampler_kwargs(self):
            return self.production.meta.get("sampler", {}).get("sampler kwargs", {})

        def html(self):
            return "<p>pages</p>"

        def samples(self, absolute=False):
            return [str(path) for path in sorted(tmp_path.glob("*.json"))]

    for name, content in {
        "asimov": {}, "asimov.pipeline": {"Pipeline": Pipeline},
        "bilby_pipe": {}, "bilby_pipe.asimov": {}, "bilby_pipe.asimov.asimov": {"Bilby": Bilby},
    }.items():  # fmt: skip
        module = ModuleType(name)
        module.__dict__.update(content)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    yield lambda meta: import_module(MODULE).FlowPE(SimpleNamespace(meta=meta, rundir=str(tmp_path)))
    sys.modules.pop(MODULE, None)


def test_what_a_ledger_leaves_out(pipeline) -> None:
    meta = {"sampler": {"sampler": "dynesty"}}
    made = pipeline(meta)
    made.before_config()
    assert made.captured
    assert meta["sampler"] == {"sampler": "flowpe", "parallel jobs": 1}
    assert meta["likelihood"]["marginalization"] == dict.fromkeys(("distance", "phase", "time"), "False")
    assert made.get_sampler_kwargs() == {"progress": False}


def test_what_a_ledger_says_stays(pipeline) -> None:
    meta = {
        "sampler": {"parallel jobs": 3, "sampler kwargs": {"n_effective": 900, "progress": True}},
        "likelihood": {"marginalization": {"distance": True, "phase": False}, "sample rate": 2048},
    }
    made = pipeline(meta)
    made.before_config(dryrun=True)
    assert meta["sampler"]["parallel jobs"] == 3 and meta["likelihood"]["sample rate"] == 2048
    # As texts: the template takes the value false for none.
    assert meta["likelihood"]["marginalization"] == {"distance": "True", "phase": "False", "time": "False"}
    assert made.get_sampler_kwargs() == {"n_effective": 900, "progress": True}


def test_pages_tell_the_verdict(pipeline, tmp_path: Path) -> None:
    made = pipeline({})
    assert made.html() == "<p>pages</p>"
    for label, said in (("ours", {"verdict": "check", "reasons": ["k < 1", "few"]}), ("theirs", {})):
        Result(
            label=label, outdir=str(tmp_path), sampler="x", search_parameter_keys=["a"],
            priors=PriorDict({"a": Uniform(0, 1)}), posterior=pd.DataFrame({"a": [0.5]}),
            meta_data={"run_statistics": said},
        ).save_to_file(overwrite=True)  # fmt: skip
    assert made.html() == "<p>pages</p><p>flowpe, ours_result.json: check; k &lt; 1; few</p>"
