"""Names and folders of the networks of families inside the package; nothing is loaded here."""

from __future__ import annotations

import json
from pathlib import Path

from ..storage.folder import DESCRIPTION
from ..storage.shipped import SHIPPED
from .bounds import FAMILIES

USUAL = "maf"
"""Kind of network that is used by default."""

KIND = "family"
"""Entry ``kind`` in the description of such a network."""

_FOLDER = SHIPPED / "families"


def shipped_families() -> list[str]:
    """Return the names of the shipped networks."""
    return sorted(path.parent.name for path in _FOLDER.glob(f"*/{DESCRIPTION}"))


def folder_of(model: str) -> Path:
    """Return the folder of a network, given its name, such as ``"bbh-aligned-maf"``, the name of its family, or the folder."""
    if _is_family(folder := Path(model).expanduser()):
        return folder
    return _FOLDER / (model if model in shipped_families() else f"{model}-{USUAL}")


def named(model: str | None) -> bool:
    """Return whether a model is a network of a family, given its name, that of its family, or its folder."""
    if model is None:
        return False
    folder = Path(model).expanduser()
    if (folder / DESCRIPTION).is_file():
        return _is_family(folder)
    return model in FAMILIES or model in shipped_families()


def _is_family(folder: Path) -> bool:
    """Return whether a folder has a network of a family; errors in it are reported later, when it is read."""
    try:
        description = json.loads((folder / DESCRIPTION).read_text())
    except (OSError, ValueError):
        return False
    return isinstance(description, dict) and description.get("kind") == KIND
