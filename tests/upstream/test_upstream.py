"""Bilby's own tests of its samplers pass with flowpe; a failure shows upstream's test and its traceback."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import run
from run import AS_IS, EXPECTED, FAILED, MODES, PASSED, SKIPPED, run_file
from sources import FILES, OTHER, PRIOR, RUN, DownloadError, EditError, download, point_at_flowpe, unpack

SLOW = {*((file, mode) for file in (OTHER, RUN) for mode in MODES), (PRIOR, AS_IS)}
"""Files that take half a minute and more."""

TESTS = """
import os, pytest

class TestThings:
    def test_good(self):
        pass

    def test_bad(self):
        {code}

    @pytest.mark.skip(reason="not today")
    def test_left_out(self):
        pass
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tests, downloaded once and pointed at flowpe."""
    folder = tmp_path_factory.mktemp("bilby")
    try:
        archive = download(folder)
    except DownloadError as error:
        pytest.skip(str(error))
    root = unpack(archive, folder)
    point_at_flowpe(root)
    return root


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process a core, as in the other tests."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.mark.parametrize(
    ("file", "mode"),
    [
        pytest.param(file, mode, id=f"{Path(file).stem}-{mode}", marks=[pytest.mark.slow] * ((file, mode) in SLOW))
        for file in FILES
        for mode in MODES
    ],
)
def test_upstream(root: Path, file: str, mode: str, tmp_path: Path) -> None:
    """None fails by flowpe's doing; none is skipped, for that would be one that tests nothing of flowpe."""
    outcomes = run_file(root, file, mode, tmp_path / "log")
    wrong = [one for one in outcomes if one.result in (FAILED, SKIPPED)]
    assert not wrong, "\n\n".join(f"{one.file}::{one.test} {one.result}\n{one.reason}" for one in wrong)


# What would go unseen ---------------------------------------------------------------------------------------------------


@pytest.fixture
def made_up(tmp_path: Path) -> Path:
    """Root of a distribution with one file of tests, ``test/some_test.py``."""
    (tmp_path / "bilby" / "test").mkdir(parents=True)
    (tmp_path / "bilby" / "pyproject.toml").touch()
    return tmp_path / "bilby"


def outcomes_of(root: Path, code: str) -> dict[str, run.Outcome]:
    """Return the outcome of the tests with ``code`` in the one that is bad."""
    (root / "test" / "some_test.py").write_text(TESTS.format(code=code))
    return {one.test: one for one in run_file(root, "test/some_test.py", AS_IS, root / "log")}


def test_outcomes_are_told_apart(made_up: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = outcomes_of(made_up, "raise ValueError(os.environ['BILBY_FLOWPE_CACHE'])")
    assert outcomes["TestThings.test_good"].result == PASSED
    assert outcomes["TestThings.test_left_out"].result == SKIPPED
    assert outcomes["TestThings.test_left_out"].reason == "not today"
    assert outcomes["TestThings.test_bad"].result == FAILED
    # Not the user's, nor that of the tests around.
    assert f"ValueError: {made_up.parent}" in outcomes["TestThings.test_bad"].reason
    known = ("test/some_test.py", "TestThings.test_bad", AS_IS)
    for line, result in (("raise ValueError(", EXPECTED), ("raise TypeError(", FAILED)):
        monkeypatch.setattr(run, "NOT_OURS", {known: line})
        assert outcomes_of(made_up, "raise ValueError(1)")["TestThings.test_bad"].result == result


def test_a_crash_is_a_failure(made_up: Path) -> None:
    outcomes = outcomes_of(made_up, "os._exit(0)")
    assert outcomes["(the process)"].result == FAILED
    outcomes = outcomes_of(made_up, "os.kill(os.getpid(), 11)")
    assert "exit code -11" in outcomes["(the process)"].reason


def test_a_process_that_hangs_is_ended(made_up: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_LIMIT", 3)
    outcomes = outcomes_of(made_up, "import time; time.sleep(600)")
    assert "did not end within 3 s" in outcomes["(the process)"].reason


def test_an_edit_that_does_not_fit_is_an_error(made_up: Path) -> None:
    file = made_up / "test" / "some_test.py"
    file.write_text('sampler="dynesty"\n')
    point_at_flowpe(made_up, {"test/some_test.py": [('"dynesty"', '"flowpe"')]})
    assert file.read_text() == 'sampler="flowpe"\n'
    with pytest.raises(EditError, match=r"test/some_test.py: the text '\"dynesty\"' is there 0 times, not once"):
        point_at_flowpe(made_up, {"test/some_test.py": [('"dynesty"', '"flowpe"')]})
    with pytest.raises(EditError, match=r"test/other_test.py: this version of Bilby has no such file"):
        point_at_flowpe(made_up, {"test/other_test.py": [("a", "b")]})


def test_a_registry_that_does_not_answer_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for key in [key for key in os.environ if key.startswith("PIP_")]:
        monkeypatch.delenv(key)
    # Nobody answers at this port, and no settings of the user's name another place.
    for key, value in (("INDEX_URL", "http://localhost:9"), ("CONFIG_FILE", os.devnull), ("NO_CACHE_DIR", "1")):
        monkeypatch.setenv(f"PIP_{key}", value)
    with pytest.raises(DownloadError, match=r"bilby==.*: no source distribution from the package registry \(ERROR: "):
        download(tmp_path)
