"""Write ``.github/requirements.txt``: the versions of ``constraints.txt``, with the SHA-256 of all their files in the index.

    python .github/lock.py

PyTorch is left out: its CPU builds come from an index of its own, which gives no digests.
"""

from __future__ import annotations

import json
import re
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INDEX = "https://pypi.org/simple"
WITHOUT = {"torch"}


def pins(path: Path) -> dict[str, str]:
    """Versions by name."""
    lines = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return dict(line.split("==") for line in lines if line)


def digests(name: str, version: str) -> list[str]:
    """SHA-256 of the files of a version, sorted."""
    normal = re.sub(r"[-_.]+", "-", name).lower()
    request = urllib.request.Request(f"{INDEX}/{normal}/", headers={"Accept": "application/vnd.pypi.simple.v1+json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        files = json.load(answer)["files"]
    # A wheel's version ends with the second hyphen, a source distribution's with its suffix.
    of_version = re.compile(rf"[^-]+-{re.escape(version)}(-.*\.whl|\.tar\.gz|\.zip)")
    found = sorted(
        {file["hashes"]["sha256"] for file in files if of_version.fullmatch(_folded(file["filename"], normal))}
    )
    if not found:
        raise SystemExit(f"{INDEX} has no files of {name} {version}")
    return found


def _folded(filename: str, normal: str) -> str:
    """Return the file's name with that of its project without hyphens."""
    pattern = "[-_.]".join(map(re.escape, normal.split("-")))
    return re.sub(f"^{pattern}-", normal.replace("-", "_") + "-", filename, flags=re.IGNORECASE)


def main() -> None:
    """Write the file."""
    lines = ["# Made by `python .github/lock.py` from constraints.txt: not to be edited.", ""]
    for name, version in pins(ROOT / "constraints.txt").items():
        if name not in WITHOUT:
            lines.append(f"{name}=={version} \\")
            lines += [f"    --hash=sha256:{digest} \\" for digest in digests(name, version)]
            lines[-1] = lines[-1].removesuffix(" \\")
    (ROOT / ".github" / "requirements.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
