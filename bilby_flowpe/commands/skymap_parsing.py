"""Parser of ``flowpe skymap``; large packages are not imported."""

from __future__ import annotations

import argparse
import math
import re
from pathlib import Path

from .parsing import Commands, add

_SEXAGESIMAL = re.compile(r"^([+-]?)(\d{1,3})([h:d°])([0-5]?\d)(?:m|'|$|:(?=\d))(?:([0-5]?\d(?:\.\d*)?)[s\"]?)?$")


def add_skymap(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command ``flowpe skymap`` to a parser."""
    parser = add(
        commands,
        "skymap",
        "make the sky map of a result: multi-order HEALPix with distances, areas, and a picture",
    )
    # Declinations such as -23d22m53s are values, not options; argparse recognises only plain negative numbers.
    parser._negative_number_matcher = re.compile(r"^-\.?\d")
    parser.add_argument(
        "result", type=Path, metavar="RESULT", help="a result file of Bilby's, or a sky map in FITS format"
    )
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="FITS file to write (default: LABEL_skymap.fits beside the result)"
    )
    parser.add_argument(
        "--mark",
        nargs=2,
        action="append",
        default=[],
        metavar=("RA", "DEC"),
        help="position of a counterpart, in degrees or as 13h09m48s -23d22m53s; its searched area and probability are printed "
        "(may be given several times)",
    )
    parser.add_argument(
        "--picture",
        type=Path,
        metavar="FILE",
        help="picture to make (default: none); an injection is marked in it",
    )
    parser.add_argument("--against", type=Path, metavar="FILE", help="another sky map in FITS format, to compare with")


def angle(text: str, hours: bool) -> float:
    """Return an angle in radians, from a text in degrees or in hours (or degrees), minutes and seconds.

    Parameters
    ----------
    text
        Angle as the user typed it.
    hours
        Tells whether the first of three numbers counts hours, where no unit is written.

    Raises
    ------
    ValueError
        If the text is not an angle.
    """
    if match := _SEXAGESIMAL.match(text.strip()):
        sign, first, unit, minutes, seconds = match.groups()
        value = float(first) + float(minutes) / 60 + float(seconds or 0) / 3600
        value *= (15 if unit == "h" or (unit == ":" and hours) else 1) * (-1 if sign == "-" else 1)
    elif not math.isfinite(value := float(text)):
        raise ValueError(f"{text} is not an angle")
    return math.radians(value)
