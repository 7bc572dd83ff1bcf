"""``flowpe skymap``: a result in, a map and a picture out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bilby_flowpe import cli
from bilby_flowpe.commands.skymap_parsing import angle
from bilby_flowpe.skymap import read_sky_map
from tests.skymap.test_of_result import result_of
from tests.skymap.toys import Blob


@pytest.mark.parametrize(
    ("text", "hours", "degrees"),
    [
        ("197.45", True, 197.45), ("13h09m48.08s", True, 197.450333), ("13:09:48.08", True, 197.450333),
        ("-23d22m53.3s", False, -23.381472), ("-0:30:00", False, -0.5), ("-23.38", False, -23.38),
        ("197d27m00s", True, 197.45), ("197°27'", True, 197.45), ("13h09m", True, 197.25), ("13:09", True, 197.25),
    ],
)  # fmt: skip
def test_angles(text: str, hours: bool, degrees: float) -> None:
    assert np.degrees(angle(text, hours)) == pytest.approx(degrees, abs=1e-6)


@pytest.mark.parametrize(
    "text", ["13h75m", "13:0948", "12:30.5", "13h09m48.1.2s", "13h9m61s", "nan", "inf", "h", "13:"]
)
def test_what_is_no_angle(text: str) -> None:
    with pytest.raises(ValueError):
        angle(text, hours=True)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("result")
    result = result_of()
    result.injection_parameters = {"ra": Blob().ra, "dec": Blob().dec, "chirp_mass": 1.2}
    result.save_to_file(outdir=str(folder), filename=str(folder / "event_result.json"))
    return folder / "event_result.json"


@pytest.mark.training
def test_a_map_of_a_result(file: Path, capsys: pytest.CaptureFixture) -> None:
    picture = file.with_name("map.png")
    assert cli.main(["skymap", str(file), "--mark", "355.0", "-40d30m00s", "--picture", str(picture)]) == 0
    said = capsys.readouterr().out
    assert "90% area" in said and "355.0 -40d30m00s: searched probability" in said and "injected: searched" in said
    assert read_sky_map(file.with_name("event_skymap.fits")).distance[0] == pytest.approx(500, rel=0.02)
    assert picture.stat().st_size > 10_000


def test_a_map_against_another(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    made = tmp_path / "map.fits"
    assert cli.main(["skymap", str(file), "--output", str(made)]) == 0
    assert cli.main(["skymap", str(made), "--against", str(made)]) == 0
    assert "Jensen-Shannon 0.0000" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--mark", "13h", "2"], "give degrees"),
        (["--mark", "1", "95"], "between -90 and 90"),
        (["--against", "no.fits"], "is not a FITS file"),
    ],
)
def test_what_cannot_be_done_is_told(file: Path, capsys: pytest.CaptureFixture, words: list, said: str) -> None:
    assert cli.main(["skymap", str(file), *words]) == 2
    assert said in capsys.readouterr().err
