"""The parser of ``flowpe skymap``; nothing large is imported."""

from __future__ import annotations

import argparse
import math
import re
from pathlib import Path

from .parsing import Commands, add

_SEXAGESIMAL = re.compile(r"^([+-]?)(\d{1,3})([h:d°])([0-5]?\d)(?:m|'|$|:(?=\d))(?:([0-5]?\d(?:\.\d*)?)[s\"]?)?$")


def add_skymap(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add ``flowpe skymap``."""
    parser = add(
        commands,
        "skymap",
        "make the sky map of a result: multi-order HEALPix with distances, areas, and a picture",
    )
    # Declinations as -23d22m53s are values, not options; argparse knows that of plain numbers alone.
    parser._negative_number_matcher = re.compile(r"^-\.?\d")
    parser.add_argument("result", type=Path, metavar="RESULT", help="result file of Bilby's, or a sky map in FITS")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="FITS file to write (default: LABEL_skymap.fits beside the result)"
    )
    parser.add_argument(
        "--mark",
        nargs=2,
        action="append",
        default=[],
        metavar=("RA", "DEC"),
        help="place of a counterpart, in degrees or as 13h09m48s -23d22m53s: its searched area and probability are printed "
        "(may be given several times)",
    )
    parser.add_argument(
        "--picture",
        type=Path,
        metavar="FILE",
        help="picture to draw (default: none), with the injection's place where there is one",
    )
    parser.add_argument("--against", type=Path, metavar="FILE", help="another sky map in FITS, to be compared with")


def angle(text: str, hours: bool) -> float:
    """An angle in radians, of degrees or of hours (degrees), minutes and seconds.

    Parameters
    ----------
    text
        As it was typed.
    hours
        Whether the first number of three is one of hours, where it does not say what it is.

    Raises
    ------
    ValueError
        If it is no angle.
    """
    if match := _SEXAGESIMAL.match(text.strip()):
        sign, first, unit, minutes, seconds = match.groups()
        value = float(first) + float(minutes) / 60 + float(seconds or 0) / 3600
        value *= (15 if unit == "h" or (unit == ":" and hours) else 1) * (-1 if sign == "-" else 1)
    elif not math.isfinite(value := float(text)):
        raise ValueError(f"{text} is no angle")
    return math.radians(value)
