"""Bilby's own tests, from the source distribution of the version that is installed, with flowpe as their sampler.

Each change of a file is a replacement of a text that must be there once, to the letter: a new version of Bilby that words it
otherwise is an error, and never a test that silently runs another sampler.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

BASE = "test/core/sampler/base_sampler_test.py"
LISTED = "test/core/sampler/implemented_samplers_test.py"
IMPORT = "test/test_samplers_import.py"
PRIOR = "test/integration/sample_from_the_prior_test.py"
RUN = "test/integration/sampler_run_test.py"
OTHER = "test/integration/other_test.py"
FILES = (BASE, LISTED, IMPORT, PRIOR, RUN, OTHER)
"""Files of tests that are run.

``test/core/sampler/general_sampler_tests.py`` is not one: Bilby's own runs pass over it, by its name, and two of its three
tests fail with any sampler.
"""
BEFORE = {OTHER: "test/integration/make_standard_data.py"}
"""Script that is run before a file of tests."""

_QUICK = "training_time=None, training_steps=100, hidden_features=16, n_waveforms=1000, n_effective=2000"
EDITS: Mapping[str, Sequence[tuple[str, str]]] = {
    BASE: [("class GenericSamplerTest(", 'samplers = ["flowpe"]\n\n\nclass GenericSamplerTest(')],
    IMPORT: [('"sampler_name", bilby.core.sampler.IMPLEMENTED_SAMPLERS.keys()\n', '"sampler_name", ["flowpe"]\n')],
    PRIOR: [('sampler="dynesty",', 'sampler="flowpe",')],
    RUN: [
        (
            "sampler_imports = dict(\n",
            # Removed between tests with its folder, so that each of them trains a network of its own.
            f'_sampler_kwargs = dict(flowpe=dict({_QUICK}, cache="outdir/models"))\n\n'
            'sampler_imports = dict(\n    flowpe="bilby_flowpe",\n',
        )
    ],
    OTHER: [
        (
            'sampler="dynesty", verbose=False, npoints=100\n',
            f'sampler="flowpe", verbose=False, npoints=100, {_QUICK}\n',
        )
    ],
}
"""What is replaced in each file, and by what."""

_PATIENCE = 300


class DownloadError(RuntimeError):
    """The source distribution cannot be had."""


class EditError(ValueError):
    """A file does not read as it was expected to."""


def download(folder: Path) -> Path:
    """The source distribution of the installed Bilby, from the package registry that pip is set up for.

    By pip, slow as it is (it also builds the metadata), for it alone knows the user's registry, certificates and proxies.

    Raises
    ------
    DownloadError
        With what pip said.
    """
    wanted = f"bilby=={version('bilby')}"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--retries", "1", "--timeout", "20"]
    command += ["--no-deps", "--no-binary", "bilby", "--dest", str(folder), wanted]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    except subprocess.TimeoutExpired as error:
        raise DownloadError(f"{wanted}: no source distribution within {_PATIENCE} s") from error
    archives = list(folder.glob("bilby-*.tar.gz"))
    if done.returncode or len(archives) != 1:
        said = [line for line in done.stderr.splitlines() if line.strip()] or ["nothing was said"]
        raise DownloadError(f"{wanted}: no source distribution from the package registry ({said[-1].strip()})")
    return archives[0]


def unpack(archive: Path, folder: Path) -> Path:
    """The tests of a source distribution, and Bilby's settings for pytest, unpacked below ``folder``; gives their root.

    The package itself stays out: what is tested is the installed one.
    """
    root = archive.name.removesuffix(".tar.gz")
    with tarfile.open(archive) as tar:
        kept = (f"{root}/test/", f"{root}/pyproject.toml")
        tar.extractall(folder, [member for member in tar if member.name.startswith(kept)], filter="data")
    return folder / root


def point_at_flowpe(root: Path, edits: Mapping[str, Sequence[tuple[str, str]]] = EDITS) -> None:
    """Replace the samplers that the tests name.

    Raises
    ------
    EditError
        Naming the file and the text that is not there once.
    """
    for name, replacements in edits.items():
        file = root / name
        if not file.is_file():
            raise EditError(f"{name}: this version of Bilby has no such file of tests")
        text = file.read_text(encoding="utf-8")
        for old, new in replacements:
            if (count := text.count(old)) != 1:
                raise EditError(f"{name}: the text {old!r} is there {count} times, not once")
            text = text.replace(old, new)
        file.write_text(text, encoding="utf-8")
