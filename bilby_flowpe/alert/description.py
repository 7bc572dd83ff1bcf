"""Description of an event beside its strain: a small TOML or JSON file with trigger time and search information."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..configuration.tables import fill
from ..errors import DataError

NAMES = ("event.toml", "event.json")
"""Names of the description in a folder of an event's own."""
KINDS = (".toml", ".json")


@dataclass(frozen=True)
class EventDescription:
    """Trigger time and search information of one event.

    Attributes
    ----------
    trigger_time
        GPS time in seconds at which the signal ends, within ``time_window`` of the truth.
    strain
        Folder of the strain files, from the description's own folder on; that folder itself when left out.
    detectors
        Names of the detectors to analyse; all that there is strain of when left out.
    chirp_mass
        Least and largest chirp mass of the prior, in solar masses in the detectors' frame; from a matched-filter search of the
        strain when left out.
    noise_curves
        Files of noise curves by detector, from the description's own folder on; estimated from the strain before the event
        when left out.
    duration
        Of the data in seconds; that of the lightest signal of the prior when left out.
    """

    trigger_time: float
    strain: str = "."
    detectors: tuple[str, ...] | None = None
    chirp_mass: tuple[float, ...] | None = None
    noise_curves: dict[str, str] | None = None
    duration: float | None = None

    @classmethod
    def read(cls, path: Path) -> EventDescription:
        """Read a file.

        Raises
        ------
        DataError
            If it cannot be read.
        ConfigurationError
            If a key is missing, unknown, or of another type.
        """
        try:
            text = path.read_text(encoding="utf-8")
            table: Any = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
        except (OSError, ValueError) as error:
            raise DataError(
                f"{path.name} cannot be read ({error}): write TOML or JSON, and rename it into place"
            ) from error
        return fill(cls, table, path.name)

    @property
    def mass_range(self) -> tuple[float, float] | None:
        """The range of chirp masses.

        Raises
        ------
        DataError
            If it is not two numbers.
        """
        if self.chirp_mass is None:
            return None
        if len(self.chirp_mass) != 2:
            raise DataError(f"chirp_mass={list(self.chirp_mass)}: give the least and the largest one")
        return self.chirp_mass[0], self.chirp_mass[1]

    def curves_in(self, folder: Path) -> dict[str, Path] | None:
        """Noise curves, their paths taken from a folder on."""
        return None if self.noise_curves is None else {key: folder / name for key, name in self.noise_curves.items()}
