"""Versions of installed packages: a model, a file of waveforms and a cluster say what made their numbers."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import metadata

WAVEFORMS = ("bilby_flowpe", "bilby", "lalsuite", "numpy")
"""Packages that waveforms depend on."""


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Version of every package; ``"not installed"`` of those that are not."""
    found = {}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found
