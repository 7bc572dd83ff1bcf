"""The networks of families inside the package, by name; nothing is loaded."""

from __future__ import annotations

import json
from pathlib import Path

from ..storage.folder import DESCRIPTION
from ..storage.shipped import SHIPPED
from .bounds import FAMILIES

USUAL = "maf"
"""Kind of network that is used where none is named."""

KIND = "family"
"""What the description of such a network says of its kind."""

_FOLDER = SHIPPED / "families"


def shipped_families() -> list[str]:
    """Names of the networks."""
    return sorted(path.parent.name for path in _FOLDER.glob(f"*/{DESCRIPTION}"))


def folder_of(model: str) -> Path:
    """Folder of a network: by its name, such as ``"bbh-aligned-maf"``, by its family's, or its own."""
    if _is_family(folder := Path(model).expanduser()):
        return folder
    return _FOLDER / (model if model in shipped_families() else f"{model}-{USUAL}")


def named(model: str | None) -> bool:
    """Return whether a model is one of a family, by its name, that of its family, or its folder."""
    if model is None:
        return False
    folder = Path(model).expanduser()
    if (folder / DESCRIPTION).is_file():
        return _is_family(folder)
    return model in FAMILIES or model in shipped_families()


def _is_family(folder: Path) -> bool:
    """Whether a folder holds a network of a family; what is wrong with a folder is told where it is read."""
    try:
        description = json.loads((folder / DESCRIPTION).read_text())
    except (OSError, ValueError):
        return False
    return isinstance(description, dict) and description.get("kind") == KIND
