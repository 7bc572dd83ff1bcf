"""Events from strain."""

from __future__ import annotations

from pathlib import Path

import pytest

from bilby_flowpe.catalogue import strain
from bilby_flowpe.catalogue.event_folder import Job
from bilby_flowpe.errors import ConfigurationError


def job(**settings: object) -> Job:
    return Job("S1", "strain", "a.toml", "/", settings, "", "")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"trigger": 3.0}, r"\[events.S1\] has unknown keys \['trigger'\]"),
        ({"trigger_time": "now"}, r"trigger_time='now'"),
        ({"chirp_mass": [3.0]}, "give two numbers, the least and the largest"),
    ],
)
def test_settings_that_are_none(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        strain.config_of(job(**settings))


def test_settings_of_the_table_make_the_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strain, "event_from_strain", lambda *given: given)
    name, config, base = strain.strain_event(job(data_dir="data", chirp_mass=[8, 12]))
    assert (name, base) == ("S1", Path("/"))
    assert (config.data_dir, config.chirp_mass, config.duration) == ("data", (8, 12), None)
