"""Files of sky maps: multi-order HEALPix in FITS, as in alerts of gravitational waves; flat maps can be read, too."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..errors import DataError
from .cells import FINEST, Cells, healpix
from .map import SkyMap

_DISTANCES = ("DISTMU", "DISTSIGMA", "DISTNORM")
_UNITS = {"PROBDENSITY": "sr-1", "DISTMU": "Mpc", "DISTSIGMA": "Mpc", "DISTNORM": "Mpc-2"}
# Characters of text in a line of a FITS header: 80 without keyword, equals sign and quotes. A longer text takes several lines.
_TEXT = 68
_OWN = ("PIXTYPE", "ORDERING", "COORDSYS", "MOCORDER", "MOC", "INDXSCHM", "NSIDE", "FIRSTPIX", "LASTPIX", "OBJ_ID")


def write_sky_map(found: SkyMap, path: str | Path) -> Path:
    """Write a map as multi-order FITS, whole or not at all.

    The columns are UNIQ, PROBDENSITY and, where distances are known, DISTMU, DISTSIGMA and DISTNORM; ligo.skymap,
    astropy-healpix and mocpy read it.

    Parameters
    ----------
    found
        The map; its header is written together with the entries that the format requires.
    path
        File to write; it is compressed if its name ends in ``.gz``.
    """
    from astropy.io import fits

    path = Path(path)
    columns = {"UNIQ": found.cells.uniq.astype(np.int64), "PROBDENSITY": found.density}
    if found.mu is not None and found.sigma is not None and found.norm is not None:
        columns |= {"DISTMU": found.mu, "DISTSIGMA": found.sigma, "DISTNORM": found.norm}
    table = fits.BinTableHDU.from_columns(
        [
            fits.Column(name, "K" if name == "UNIQ" else "D", unit=_UNITS.get(name), array=column)
            for name, column in columns.items()
        ]
    )
    said = {
        "PIXTYPE": ("HEALPIX", "HEALPix pixelisation"),
        "ORDERING": ("NUNIQ", "Pixel ordering scheme: NESTED, RING or NUNIQ"),
        "COORDSYS": ("C", "Coordinates: celestial, equatorial"),
        "MOCORDER": (int(found.cells.order.max()), "Order of the smallest pixels"),
        "INDXSCHM": ("EXPLICIT", "Pixels are numbered in a column"),
        "MOC": (True, "Multi-order coverage"),
        "CREATOR": ("bilby_flowpe", "Program that made this file"),
        "VCSVERS": (f"bilby_flowpe {__version__}", "Its version"),
        "DATE": (datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"), "UTC of file creation"),
    }
    for key, value in {**said, **found.header}.items():
        table.header[key] = _with_comment(*map(_plain, value)) if isinstance(value, tuple) else _plain(value)
    temporary = path.with_name(f".tmp.{path.name}")
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(temporary, overwrite=True)
    return temporary.replace(path)


def _with_comment(value: Any, comment: str) -> tuple[Any, str]:
    """Return a value with its comment, which is left out where only one of them fits into a line of the header."""
    length = len(str(value).replace("'", "''"))  # a quote is written twice
    fits = length + len(" / ") + len(comment) <= _TEXT or length > _TEXT
    return value, comment if fits else ""


def _plain(value: Any) -> Any:
    """Return text with printable ASCII characters only, as a header allows; others become question marks."""
    return re.sub(r"[^ -~]", "?", value) if isinstance(value, str) else value


def read_sky_map(path: str | Path) -> SkyMap:
    """Read a sky map from FITS, multi-order or flat (nested or ring), with distances where it has some.

    Raises
    ------
    DataError
        If the file is not a sky map, or its cells do not cover the sky.
    """
    from astropy.io import fits

    path = Path(path)
    try:
        with fits.open(path) as file:
            table = next(one for one in file if isinstance(one, fits.BinTableHDU))
            columns = {name.upper(): np.asarray(table.data[name]) for name in table.columns.names}
            header = dict(table.header)
    except (OSError, StopIteration, TypeError) as error:
        raise DataError(
            f"file={str(path)!r} is not a FITS file with a table ({error}): give the file of a sky map"
        ) from error
    ordering = str(header.get("ORDERING", "")).upper()
    if ordering == "NUNIQ" and {"UNIQ", "PROBDENSITY"} <= columns.keys():
        cells, order = Cells.of_uniq(columns["UNIQ"])
        density = columns["PROBDENSITY"].astype(np.float64)[order]
    elif ordering in ("NESTED", "RING") and (
        name := next((key for key in ("PROB", "PROBABILITY") if key in columns), None)
    ):
        probability = columns[name].astype(np.float64).ravel()
        cells, order = _flat(probability, ordering, path)
        density = probability[order] / cells.area
    else:
        raise DataError(
            f"file={str(path)!r} has ORDERING={ordering!r} and columns {sorted(columns)}, which cannot be read: give a "
            "multi-order map (NUNIQ, with UNIQ and PROBDENSITY) or a flat one (NESTED or RING, with PROB)"
        )
    if not cells.covers:
        raise DataError(
            f"the cells of file={str(path)!r} do not cover the sky exactly once: give a map of the whole sky"
        )
    kept = {key: value for key, value in header.items() if key not in _OWN and not _STRUCTURE.match(key)}
    if not {*_DISTANCES} <= columns.keys():
        return SkyMap(cells, density, header=kept)
    mu, sigma, norm = (columns[name].astype(np.float64).ravel()[order] for name in _DISTANCES)
    return SkyMap(cells, density, mu, sigma, norm, kept)


_STRUCTURE = re.compile(
    r"^(XTENSION|BITPIX|NAXIS\d*|PCOUNT|GCOUNT|TFIELDS|T(TYPE|FORM|UNIT|DIM)\d+|EXTNAME|COMMENT|HISTORY|)$"
)


def _flat(probability: np.ndarray, ordering: str, path: Path) -> tuple[Cells, np.ndarray]:
    """Return the cells of a flat map, and the index of each in its pixels."""
    order = round(np.log2(max(len(probability) / 12, 1)) / 2)
    if len(probability) != 12 * 4**order:
        raise DataError(
            f"file={str(path)!r} has {len(probability)} pixels, which is not 12 times a power of four: give a complete "
            "HEALPix map"
        )
    numbers = np.arange(len(probability), dtype=np.int64)
    which = numbers if ordering == "NESTED" else healpix().nest2ring(2**order, numbers)
    return Cells(numbers << (2 * (FINEST - order)), np.full(len(numbers), order)), which
