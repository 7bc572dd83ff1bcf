"""Versions of installed packages, recorded with models, files of waveforms and clusters."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import metadata

WAVEFORMS = ("bilby_flowpe", "bilby", "lalsuite", "numpy")
"""Names of the packages on which waveforms depend."""


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the version of every package; ``"not installed"`` for missing ones."""
    found = {}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found
