"""Events of a catalogue: configuration files of bilby_pipe, and tables of a TOML file that name strain."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError, DataError
from ..storage.folder import file_digest

PIPE, STRAIN = "bilby_pipe", "strain"
"""Kinds of events: an ini file of bilby_pipe, or a table of a TOML file."""
_EVENTS, _DEFAULTS = "events", "defaults"
# Largest size in bytes of a file whose content is part of a digest. Larger files are strain, which takes long to read:
# only their name counts.
_LARGEST = 50e6
# Lines of an ini file such as "distance-marginalization = True", with every word that bilby_pipe takes for true, or none.
_INTEGRATED = re.compile(
    r"""^[ \t]*-{0,2}(distance|phase|time)[-_]marginalization[ \t]*([=: \t][ \t]*['"]?(true|yes|on|1)\b|[#;]|$)""",
    re.IGNORECASE | re.MULTILINE,
)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


@dataclass(frozen=True)
class EventSource:
    """Source of an event: its configuration.

    Attributes
    ----------
    name
        Name of the event, and of its folder: that of the ini file without its ending, or of the table.
    kind
        :data:`PIPE` or :data:`STRAIN`.
    file
        Configuration file, absolute.
    base
        Folder to which file names in the configuration are relative.
    settings
        Keys of the table; empty for an ini file.
    digest
        Digest of the configuration and of the files that it names.
    """

    name: str
    kind: str
    file: Path
    base: Path
    settings: dict[str, Any]
    digest: str


def marginalised(event: EventSource) -> list[str]:
    """Return the parameters over which an ini file lets the likelihood integrate, of those that flowpe draws in closed form."""
    if event.kind != PIPE:
        return []
    return [line[1].lower() for line in _INTEGRATED.finditer(event.file.read_text(encoding="utf-8"))]


def find_events(where: Path, base: Path | None = None) -> list[EventSource]:
    """Return every event of a folder, or of one file, in the order of their names.

    Parameters
    ----------
    where
        Folder with ``*.ini`` and ``*.toml`` files, or one such file.
    base
        Folder to which file names in a configuration are relative; by default the folder of the configuration.

    Raises
    ------
    DataError
        If there is no such folder, or no event in it.
    ConfigurationError
        If a TOML file cannot be read, or two events have the same name.
    """
    if not where.exists():
        raise DataError(f"folder={str(where)!r}: there is no such folder: give one with ini files of bilby_pipe")
    files = [where] if where.is_file() else sorted([*where.glob("*.ini"), *where.glob("*.toml")])
    found: list[EventSource] = []
    for file in (file.resolve() for file in files):
        if file.suffix == ".toml":
            found += _of_toml(file, base)
        else:
            folder = (base or file.parent).resolve()
            digest = _digest(file.read_text(encoding="utf-8"), folder)
            found.append(EventSource(file.stem, PIPE, file, folder, {}, digest))
    names = [event.name for event in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigurationError(
            f"folder={str(where)!r}: several events are named {', '.join(twice)}: give each a different name"
        )
    if wrong := [name for name in names if not _NAME.fullmatch(name)]:
        raise ConfigurationError(
            f"event={wrong[0]!r} of {str(where)!r} will be the name of a folder: use only letters, digits and . _ + -"
        )
    if not found:
        raise DataError(f"folder={str(where)!r} has no event: give one with ini files of bilby_pipe, or a TOML file")
    return sorted(found, key=lambda event: event.name)


def _of_toml(file: Path, base: Path | None) -> list[EventSource]:
    """Return the events of the tables ``[events.NAME]``, with the keys of ``[defaults]`` as defaults."""
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{file} is not a TOML file ({error})") from error
    events = content.pop(_EVENTS, None)
    defaults = content.pop(_DEFAULTS, {})
    if content or not isinstance(events, dict) or not isinstance(defaults, dict):
        raise ConfigurationError(
            f"{file}: give a table [events.NAME] for every event and, if wanted, [defaults]"
            + (f"; remove {', '.join(content)}" if content else "")
        )
    found = []
    for name, table in events.items():
        if not isinstance(table, dict):
            raise ConfigurationError(f"{file}: events.{name}={table!r}: give a table, [events.{name}]")
        settings = {**defaults, **table}
        folder = (base or file.parent).resolve()
        digest = _digest(json.dumps(settings, sort_keys=True, default=str), folder)
        found.append(EventSource(name, STRAIN, file, folder, settings, digest))
    return found


def _digest(text: str, base: Path) -> str:
    """Return the SHA-256 digest of a configuration and of the files that it names."""
    digest = hashlib.sha256(text.encode())
    # File names may contain spaces.
    words = {*re.findall(r"[^\s,:{}\[\]()'\"=]+", text), *map(str.strip, re.findall(r"[^\n,:{}\[\]()'\"=]+", text))}
    for word in sorted(words):
        path = base / word
        try:
            if path.is_file() and path.stat().st_size <= _LARGEST:
                digest.update(f"{word} {file_digest(path)}".encode())
        except OSError:
            # The word cannot be a file name.
            continue
    return digest.hexdigest()


def with_arguments(digest: str, sampler_kwargs: Mapping[str, Any]) -> str:
    """Return the digest of a configuration together with arguments of the sampler that the command gave."""
    if not sampler_kwargs:
        return digest
    return hashlib.sha256(f"{digest} {json.dumps(sampler_kwargs, sort_keys=True, default=str)}".encode()).hexdigest()
