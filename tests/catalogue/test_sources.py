"""Tests of how the events in a folder are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from bilby_flowpe.catalogue.sources import PIPE, STRAIN, find_events, marginalised, with_arguments
from bilby_flowpe.errors import ConfigurationError, DataError


def test_configurations_of_both_kinds(tmp_path: Path) -> None:
    (tmp_path / "two.ini").write_text("prior-file = my.prior")
    (tmp_path / "events.toml").write_text(
        "[defaults]\nduration = 4\ndata_dir = 'strain'\n[events.one]\nduration = 8\n[events.S1]\n"
    )
    (tmp_path / "my.prior").write_text("")
    found = find_events(tmp_path)
    assert [event.name for event in found] == ["S1", "one", "two"]
    assert [event.kind for event in found] == [STRAIN, STRAIN, PIPE]
    assert found[1].settings == {"duration": 8, "data_dir": "strain"}
    assert found[2].base == tmp_path
    assert find_events(tmp_path / "two.ini", base=Path("/"))[0].base == Path("/")


def test_the_digest_is_of_all_that_is_named(tmp_path: Path) -> None:
    ini = tmp_path / "a.ini"
    ini.write_text("prior-file = my.prior\npsd-dict = {H1:curves/h1.txt, L1:aLIGO}\ngps-file = my times.txt")
    (tmp_path / "curves").mkdir()
    digests = [find_events(tmp_path)[0].digest]
    for file in (tmp_path / "my.prior", tmp_path / "curves" / "h1.txt", tmp_path / "my times.txt", ini):
        file.write_text((file.read_text() if file.exists() else "") + "\n# new")
        digests.append(find_events(tmp_path)[0].digest)
    assert len({*digests}) == 5
    (tmp_path / "other.txt").write_text("")
    assert find_events(tmp_path)[0].digest == digests[-1]
    assert with_arguments("1", {}) == "1" != with_arguments("1", {"n_effective": 3}) != with_arguments("1", {"seed": 3})


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "has no event"),
        ({"a.toml": "[events"}, "is not a TOML file"),
        ({"a.toml": "[event.a]"}, "remove event"),
        ({"a.toml": "events = 3"}, r"give a table \[events.NAME\]"),
        ({"a.toml": "[events]\na = 3"}, r"events.a=3"),
        ({"a.toml": "[events.b]", "b.ini": ""}, "several events are named b"),
        ({"a.toml": "[events.'../b']"}, "will be the name of a folder"),
    ],
)
def test_what_is_no_list_of_events(tmp_path: Path, files: dict[str, str], words: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises((ConfigurationError, DataError), match=words):
        find_events(tmp_path)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such folder"):
        find_events(tmp_path / "none")


@pytest.mark.parametrize(
    ("line", "integrated"),
    [
        *((f"distance-marginalization = {word}", True) for word in ("True", "yes", "ON", "1", "'True'", "True # why")),
        *((f"distance_marginalization={word}", False) for word in ("False", "no", "off", "0", "'False' # not True")),
        ("distance-marginalization", True),
        ("distance-marginalization # why", True),
        ("  Distance-marginalization: true", True),
        ("# distance-marginalization = True", False),
        ("distance-marginalization-lookup-table = 1.npz", False),
    ],
)
def test_marginalisations_are_read_as_bilby_pipe_reads_them(tmp_path: Path, line: str, integrated: bool) -> None:
    (tmp_path / "a.ini").write_text(f"label = a\n{line}\ntrigger-time = 1\n")
    assert marginalised(find_events(tmp_path)[0]) == ["distance"] * integrated
