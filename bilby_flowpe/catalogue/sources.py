"""Which events a catalogue has: configuration files of bilby_pipe, and tables of a TOML file that name strain."""

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
"""Kinds of events: an ini file of bilby_pipe; a table of a TOML file."""
_EVENTS, _DEFAULTS = "events", "defaults"
_LARGEST = 50e6  # bytes of a file that is part of a digest: of larger ones, which are strain, the name counts
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


@dataclass(frozen=True)
class EventSource:
    """Where an event comes from.

    Attributes
    ----------
    name
        Of the event, and of its folder: the name of the ini file without its ending, or of the table.
    kind
        :data:`PIPE` or :data:`STRAIN`.
    file
        Configuration file, absolute.
    base
        Folder from which files that the configuration names are looked for.
    settings
        Keys of the table; empty for an ini file.
    digest
        Of the configuration and the files that it names.
    """

    name: str
    kind: str
    file: Path
    base: Path
    settings: dict[str, Any]
    digest: str


def find_events(where: Path, base: Path | None = None) -> list[EventSource]:
    """Every event of a folder, or of one file, in the order of their names.

    Parameters
    ----------
    where
        Folder with ``*.ini`` and ``*.toml`` files, or one such file.
    base
        Folder from which files that a configuration names are looked for; that of the configuration when left out.

    Raises
    ------
    DataError
        If there is no such folder, or no event in it.
    ConfigurationError
        If a TOML file cannot be read, or two events have one name.
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
            f"folder={str(where)!r}: several events are named {', '.join(twice)}: give each its own"
        )
    if wrong := [name for name in names if not _NAME.fullmatch(name)]:
        raise ConfigurationError(
            f"event={wrong[0]!r} of {str(where)!r} names a folder: use letters, digits and the characters . _ + - alone"
        )
    if not found:
        raise DataError(f"folder={str(where)!r} has no event: give one with ini files of bilby_pipe, or a TOML file")
    return sorted(found, key=lambda event: event.name)


def _of_toml(file: Path, base: Path | None) -> list[EventSource]:
    """Events of the tables ``[events.NAME]``, the keys of ``[defaults]`` beneath each."""
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{file}: is no TOML file ({error})") from error
    events = content.pop(_EVENTS, None)
    defaults = content.pop(_DEFAULTS, {})
    if content or not isinstance(events, dict) or not isinstance(defaults, dict):
        raise ConfigurationError(
            f"{file}: give a table [events.NAME] for every event and, if wanted, [defaults]"
            + (f"; {', '.join(content)} is neither" if content else "")
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
    """SHA-256 of a configuration and of the files that words of it name."""
    digest = hashlib.sha256(text.encode())
    # Names of files may have spaces in them.
    words = {*re.findall(r"[^\s,:{}\[\]()'\"=]+", text), *map(str.strip, re.findall(r"[^\n,:{}\[\]()'\"=]+", text))}
    for word in sorted(words):
        path = base / word
        try:
            if path.is_file() and path.stat().st_size <= _LARGEST:
                digest.update(f"{word} {file_digest(path)}".encode())
        except OSError:
            # A word that no file can be named by.
            continue
    return digest.hexdigest()


def with_arguments(digest: str, sampler_kwargs: Mapping[str, Any]) -> str:
    """Digest of a configuration and of arguments of the sampler that the command gave beside it."""
    if not sampler_kwargs:
        return digest
    return hashlib.sha256(f"{digest} {json.dumps(sampler_kwargs, sort_keys=True, default=str)}".encode()).hexdigest()
