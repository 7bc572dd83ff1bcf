"""Picture of a sky map: the whole sky in Mollweide's projection, and a close view if the source is in a small part."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..plotting import COLOURS
from ..waves.detectors import direction
from .map import SkyMap

__all__ = ["area_in_words", "in_words", "plot_sky_map"]

LEVELS = (0.5, 0.9)  # probabilities of the regions that are outlined, as in public alerts
_PIXELS = 900, 450  # pixels of the whole sky along right ascension and declination: 0.4 degrees wide
_CLOSE = 320  # pixels of the close view along each axis, which is four inches wide
_SMALL = 400.0  # square degrees: 90% regions smaller than this get a close view, too
_MARGIN = 1.6  # ratio of the close view's radius to that of the region
_WIDEST = np.radians(35.0)  # radians: largest radius of a close view, beyond which its tangent plane distorts too much


def plot_sky_map(
    found: SkyMap,
    path: str | Path,
    marks: Mapping[str, tuple[float, float]] | None = None,
    title: str = "",
) -> Path:
    """Draw a map: its density, the regions of 50% and 90%, and marked places.

    Parameters
    ----------
    found
        The map.
    path
        Path of the picture to write.
    marks
        Places to mark: right ascension and declination in radians, by their label.
    title
        First line above the picture; areas and distance are in the second.
    """
    marks = marks or {}
    with style.context("default"):
        close = found.area(0.9) < _SMALL
        figure = Figure(figsize=(11.5, 4.9) if close else (8.5, 4.9), layout="constrained")
        FigureCanvasAgg(figure)
        grid = figure.add_gridspec(1, 2, width_ratios=(1.75, 1)) if close else figure.add_gridspec(1, 1)
        _whole(figure.add_subplot(grid[0, 0], projection="mollweide"), found, marks)
        if close:
            _near(figure.add_subplot(grid[0, 1]), found, marks)
        lines = [
            Line2D([], [], color="black", lw=width, label=f"{level:.0%}")
            for level, width in zip(LEVELS, (1.4, 0.8), strict=True)
        ]
        lines += [
            Line2D([], [], color=COLOURS[number % len(COLOURS)], marker="*", ls="none", ms=12, mec="white", label=name)
            for number, name in enumerate(marks, start=1)
        ]
        figure.legend(handles=lines, loc="outside lower center", ncols=len(lines), frameon=False)
        figure.suptitle(f"{title}\n{in_words(found)}" if title else in_words(found), fontsize=11)
        figure.savefig(path, dpi=130)
    return Path(path)


def in_words(found: SkyMap) -> str:
    """Describe the areas and the distance of a map."""
    areas = ", ".join(f"{level:.0%} area {area_in_words(found.area(level))} deg²" for level in LEVELS)
    if found.distance is None:
        return areas
    mean, deviation = found.distance
    return f"{areas}; distance {mean:.0f} ± {deviation:.0f} Mpc"


def area_in_words(area: float) -> str:
    """Format an area in square degrees, with three digits, or without decimals from 100 on."""
    return f"{area:.0f}" if area >= 100 else f"{area:.3g}"


def _whole(axes: Any, found: SkyMap, marks: Mapping[str, tuple[float, float]]) -> None:
    """Draw the whole sky, with right ascension in hours growing to the left."""
    across = np.linspace(-np.pi, np.pi, _PIXELS[0] + 1)
    up = np.linspace(-np.pi / 2, np.pi / 2, _PIXELS[1] + 1)
    middle = [0.5 * (edges[1:] + edges[:-1]) for edges in (across, up)]
    x, dec = np.meshgrid(*middle)
    ra = (np.pi - x) % (2 * np.pi)
    density, level = found.density_at(ra.ravel(), dec.ravel()), found.searched_probability(ra.ravel(), dec.ravel())
    axes.pcolormesh(across, up, density.reshape(x.shape), cmap="Blues", vmin=0, rasterized=True)
    axes.contour(x, dec, level.reshape(x.shape), levels=LEVELS, colors="black", linewidths=(1.4, 0.8))
    axes.grid(True, lw=0.4, alpha=0.5)
    hours = np.arange(2, 24, 4)
    axes.set_xticks(np.pi - hours * np.pi / 12, [f"{hour}h" for hour in hours], fontsize=8)
    axes.tick_params(axis="y", labelsize=8)
    for number, (ra_mark, dec_mark) in enumerate(marks.values(), start=1):
        _star(axes, np.pi - ra_mark % (2 * np.pi), dec_mark, number)


def _near(axes: Any, found: SkyMap, marks: Mapping[str, tuple[float, float]]) -> None:
    """Draw the 90% region around the densest place, in the tangent plane, in degrees."""
    ra, dec = found.cells.centres
    vectors, densest = direction(ra, dec), int(np.argmax(found.density))
    # Only the part of the region near the densest place: other parts may lie elsewhere on the sky.
    centre = vectors[densest]
    some = (found.searched_probability(ra, dec) < LEVELS[1]) & (vectors @ centre > np.cos(2 * _WIDEST))
    weight = found.probability[some]
    centre = weight @ vectors[some]
    centre /= np.linalg.norm(centre)
    radius = min(_MARGIN * float(np.arccos(np.clip(vectors[some] @ centre, -1, 1)).max()), _WIDEST)
    radius = max(radius, np.sqrt(found.cells.area[densest]))
    ra_centre, dec_centre = np.arctan2(centre[1], centre[0]), np.arcsin(centre[2])
    east, north = (
        np.array([-np.sin(ra_centre), np.cos(ra_centre), 0.0]),
        np.cross(centre, [-np.sin(ra_centre), np.cos(ra_centre), 0.0]),
    )
    edge = np.linspace(-np.tan(radius), np.tan(radius), _CLOSE)
    x, y = np.meshgrid(edge, edge)
    place = centre + x[..., None] * east + y[..., None] * north
    place /= np.linalg.norm(place, axis=-1, keepdims=True)
    at = np.arctan2(place[..., 1], place[..., 0]).ravel(), np.arcsin(np.clip(place[..., 2], -1, 1)).ravel()
    degrees = np.degrees(edge)
    axes.pcolormesh(degrees, degrees, found.density_at(*at).reshape(x.shape), cmap="Blues", vmin=0, rasterized=True)
    level = found.searched_probability(*at).reshape(x.shape)
    axes.contour(degrees, degrees, level, levels=LEVELS, colors="black", linewidths=(1.4, 0.8))
    for number, (ra_mark, dec_mark) in enumerate(marks.values(), start=1):
        vector = direction(np.array(ra_mark), np.array(dec_mark))
        along = float(vector @ centre)
        if along > np.cos(_WIDEST):
            _star(axes, np.degrees(vector @ east / along), np.degrees(vector @ north / along), number)
    axes.set_xlim(degrees[-1], degrees[0])
    axes.set_ylim(degrees[0], degrees[-1])
    axes.set_aspect("equal")
    axes.set_xlabel("degrees east", fontsize=9)
    axes.set_ylabel("degrees north", fontsize=9)
    hours, minutes = divmod(round((ra_centre % (2 * np.pi)) * 12 * 60 / np.pi), 60)
    axes.set_title(f"centred on {hours % 24}h{minutes:02d}m, {np.degrees(dec_centre):+.1f}°", fontsize=9)
    axes.tick_params(labelsize=8)


def _star(axes: Any, x: float, y: float, number: int) -> None:
    axes.plot(x, y, "*", color=COLOURS[number % len(COLOURS)], ms=12, mec="white", mew=0.8, zorder=5)
