"""The command ``flowpe skymap``: make a sky map of a result, or read one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from bilby.core.result import Result

from ..errors import ConfigurationError
from ..names import DEC, RA
from ..result_files import read_result
from ..skymap import SkyMap, divergence, read_sky_map, sky_map, symmetric_divergence, write_sky_map
from ..skymap.picture import area_in_words, in_words, plot_sky_map
from .skymap_parsing import angle

_FITS = (".fits", ".fit", ".fits.gz", ".fit.gz")


def skymap(
    result: Path, output: Path | None, mark: Sequence[Sequence[str]], picture: Path | None, against: Path | None
) -> None:
    """Make and write the sky map of a result, or read one; print its areas and distance, and plot it."""
    marks = {f"{ra} {dec}": _place(ra, dec) for ra, dec in mark}
    other = None if against is None else read_sky_map(against)
    if result.name.endswith(_FITS):
        found, name = read_sky_map(result), result.name
        if output is not None:
            print(f"sky map: {write_sky_map(found, output)}")
    else:
        from_file = read_result(result)
        found, name = sky_map(from_file, result.parent), str(from_file.label)
        marks |= _injected(from_file)
        print(f"sky map: {write_sky_map(found, output or result.with_name(f'{name}_skymap.fits'))}")
        made = str(found.header["HISTORY"])
        print(made)
    print(in_words(found))
    for words, place in marks.items():
        _print_mark(found, words, place)
    if other is not None:
        print(
            f"against {against}: {in_words(other)}; Kullback-Leibler {divergence(found, other):.3f} nat of this to that, "
            f"{divergence(other, found):.3f} of that to this, Jensen-Shannon {symmetric_divergence(found, other):.4f}"
        )
    if picture is not None:
        print(f"picture: {plot_sky_map(found, picture, marks, name)}")


def _place(ra: str, dec: str) -> tuple[float, float]:
    try:
        place = angle(ra, hours=True), angle(dec, hours=False)
    except ValueError as error:
        raise ConfigurationError(
            f"--mark {ra} {dec}: {error}: give degrees, such as 197.45 -23.38, or hours and degrees, such as 13h09m48s "
            "-23d22m53s"
        ) from error
    if not abs(place[1]) <= np.pi / 2:
        raise ConfigurationError(f"--mark {ra} {dec}: give a declination between -90 and 90 degrees")
    return place


def _injected(result: Result) -> dict[str, tuple[float, float]]:
    truth = result.injection_parameters or {}
    if not all(isinstance(truth.get(key), int | float) for key in (RA, DEC)):
        return {}
    return {"injected": (float(truth[RA]), float(truth[DEC]))}


def _print_mark(found: SkyMap, words: str, place: tuple[float, float]) -> None:
    (probability,), (area,) = found.searched_probability(*place), found.searched_area(*place)
    distance = ""
    if found.mu is not None:
        (mean,), (deviation,) = found.distance_at(*place)
        if np.isfinite(mean):
            distance = f", distance there {mean:.0f} ± {deviation:.0f} Mpc"
    print(f"{words}: searched probability {probability:.3f}, searched area {area_in_words(area)} deg²{distance}")
