"""Descriptions of events."""

from __future__ import annotations

from pathlib import Path

import pytest

from bilby_flowpe.alert.description import EventDescription
from bilby_flowpe.errors import ConfigurationError, DataError


def written(folder: Path, text: str, name: str = "event.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_both_kinds_say_the_same(tmp_path: Path) -> None:
    toml = 'trigger_time = 1126259462\nchirp_mass = [20, 45]\ndetectors = ["H1"]\nnoise_curves = { H1 = "psd.txt" }\n'
    json = (
        '{"trigger_time": 1126259462.0, "chirp_mass": [20, 45], "detectors": ["H1"], "noise_curves": {"H1": "psd.txt"}}'
    )
    one = EventDescription.read(written(tmp_path, toml))
    assert one == EventDescription.read(written(tmp_path, json, "event.json"))
    assert one.mass_range == (20.0, 45.0) and one.strain == "."
    assert one.curves_in(tmp_path) == {"H1": tmp_path / "psd.txt"}
    alone = EventDescription.read(written(tmp_path, "trigger_time = 5"))
    assert alone.mass_range is None and alone.curves_in(tmp_path) is None


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("trigger_time = ", DataError, "event.toml cannot be read"),
        ("chirp_mass = [1, 2]", ConfigurationError, "lacks"),
        ("trigger_time = 5\nmass = 3", ConfigurationError, "unknown keys"),
        ("trigger_time = 'now'", ConfigurationError, "trigger_time='now': give a number"),
        ("trigger_time = 5\nchirp_mass = 30", ConfigurationError, "chirp_mass=30: give"),
    ],
)
def test_refused(tmp_path: Path, text: str, error, words: str) -> None:
    with pytest.raises(error, match=words):
        EventDescription.read(written(tmp_path, text))


def test_range_of_one_number(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="least and the largest"):
        _ = EventDescription.read(written(tmp_path, "trigger_time = 5\nchirp_mass = [30]")).mass_range
