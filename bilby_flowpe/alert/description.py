"""Description of an event besides its strain: a small TOML or JSON file with trigger time and search information."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..configuration.tables import fill
from ..errors import DataError

NAMES = ("event.toml", "event.json")
"""Names of the description in the folder of an event."""
KINDS = (".toml", ".json")


@dataclass(frozen=True)
class EventDescription:
    """Trigger time and search information of one event.

    Attributes
    ----------
    trigger_time
        GPS time in seconds at which the signal ends, within ``time_window`` of the truth.
    strain
        Folder of the strain files, relative to the folder of the description; by default that folder.
    detectors
        Names of the detectors to analyse; by default all that have strain.
    chirp_mass
        Least and largest chirp mass of the prior, in solar masses in the detectors' frame; by default found by a matched-filter
        search of the strain.
    noise_curves
        Files of PSDs by detector, relative to the folder of the description; by default PSDs are estimated from the strain
        before the event.
    duration
        Duration of the data in seconds; by default that of the lightest signal of the prior.
    """

    trigger_time: float
    strain: str = "."
    detectors: tuple[str, ...] | None = None
    chirp_mass: tuple[float, ...] | None = None
    noise_curves: dict[str, str] | None = None
    duration: float | None = None

    @classmethod
    def read(cls, path: Path) -> EventDescription:
        """Read the description from a file.

        Raises
        ------
        DataError
            If the file cannot be read.
        ConfigurationError
            If a key is missing, unknown, or of another type.
        """
        try:
            text = path.read_text(encoding="utf-8")
            table: Any = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
        except (OSError, ValueError) as error:
            raise DataError(
                f"{path.name} cannot be read ({error}): write TOML or JSON under another name, and rename the file when it is "
                "complete"
            ) from error
        return fill(cls, table, path.name)

    @property
    def mass_range(self) -> tuple[float, float] | None:
        """Least and largest chirp mass in solar masses; ``None`` if they are not given.

        Raises
        ------
        DataError
            If there are not two numbers.
        """
        if self.chirp_mass is None:
            return None
        if len(self.chirp_mass) != 2:
            raise DataError(f"chirp_mass={list(self.chirp_mass)}: give two numbers, the least and the largest")
        return self.chirp_mass[0], self.chirp_mass[1]

    def curves_in(self, folder: Path) -> dict[str, Path] | None:
        """Return the files of PSDs, with paths relative to a folder."""
        return None if self.noise_curves is None else {key: folder / name for key, name in self.noise_curves.items()}
