"""Families of binaries and their networks in words, for lists and pages."""

from __future__ import annotations

import json
from typing import Any

from ..errors import ModelError
from ..storage.folder import DESCRIPTION
from .bounds import FAMILIES, Family
from .shipped import folder_of


def family_words(family: Family) -> str:
    """Describe the binaries of a family in one line: its parameters and their ranges."""
    (low, high), detectors = family.chirp_mass, ", ".join(family.detectors) or "any"
    return (
        f"{family.name}: {', '.join(family.keys)}; chirp mass {low:g} to {high:g} solar masses, mass ratio above "
        f"{family.mass_ratio:.3g}, spins to {family.spin:g}, detectors: {detectors}"
    )


def network_words(name: str) -> str:
    """Describe the kind of a network and its training in one line.

    Raises
    ------
    ModelError
        If its description cannot be read.
    """
    said = description_of(name)
    made = said.get("information", {})
    return (
        f"{name}: {said.get('network', {}).get('family')} of {made.get('n_parameters', 'unknown')} parameters, "
        f"trained on {made.get('n_events', 'unknown')} events"
    )


def family_of(name: str) -> str:
    """Return the name of the family of a network; empty if its description does not have it."""
    return str(description_of(name).get("family", {}).get("name", ""))


def words_of(name: str) -> list[str]:
    """Describe a network and its family, one line for each."""
    family = FAMILIES.get(family_of(name))
    return [network_words(name), *([] if family is None else [family_words(family)])]


def description_of(name: str) -> dict[str, Any]:
    """Read the description of a network, by its name or its folder.

    Raises
    ------
    ModelError
        If it cannot be read.
    """
    path = folder_of(name) / DESCRIPTION
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(f"model={name!r}: {DESCRIPTION} cannot be read ({error}): install the package anew") from error
