"""Corner plots of posteriors, with the field's symbols, units, and ranges that end where priors do."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import corner
import numpy as np
from bilby.core.prior import Constraint, Uniform
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from .edges import natural_bounds
from .plotting import COLOURS, own_style

__all__ = ["MOST_SHOWN", "bounds_of", "gps_offsets", "labels_of", "plot_comparison", "shown_first"]

MOST_SHOWN = 8
"""Parameters of one picture: the numbers at the axes of more of them cannot be read at the width of a page."""

_LEVELS = (0.5, 0.9)  # probabilities inside the contours: the field quotes medians and 90% regions
_BINS = 40  # of each axis, a number that leaves some hundred of 5000 samples in a bin of one parameter
# bins, standard deviation of the smoothing of contours for _ROWS samples: less leaves islands of noise
_SMOOTHING = 1.2
_ROWS = 5000  # samples of a posterior by default, to which the smoothing refers
_LARGE = 1e6  # values above it are GPS times, whose ticks have too many digits
_OUTSIDE = 0.0005  # fraction of the samples beyond each end of an axis: single ones far away would make it too long
# Margin on either side of an axis, as a fraction of its range, so that a posterior does not touch the frame.
_MARGIN = 0.05
# Fraction of an axis at either end that has no ticks: a label there, turned by 45 degrees, would cover one of the next panel.
_CORNER = 0.04

_SYMBOLS = {
    "chirp_mass_source": r"$\mathcal{M}^\mathrm{source}$",
    "mass_1_source": r"$m_1^\mathrm{source}$",
    "mass_2_source": r"$m_2^\mathrm{source}$",
    "total_mass_source": r"$M^\mathrm{source}$",
    "chi_eff": r"$\chi_\mathrm{eff}$",
    "chi_p": r"$\chi_\mathrm{p}$",
    "redshift": "$z$",
}
"""Symbols of derived parameters, for which Bilby has none."""

_UNITS = {
    **dict.fromkeys(("chirp_mass", "total_mass", "mass_1", "mass_2"), r"$M_\odot$"),
    **dict.fromkeys(("chirp_mass_source", "total_mass_source", "mass_1_source", "mass_2_source"), r"$M_\odot$"),
    **dict.fromkeys(("tilt_1", "tilt_2", "phi_12", "phi_jl", "theta_jn", "ra", "dec", "psi", "phase"), "rad"),
    "luminosity_distance": "Mpc",
    "geocent_time": "s",
}
"""Units of a binary's parameters; Bilby's priors lack many of them."""

_FIRST = (
    ("chirp_mass", "total_mass", "mass_1"),
    ("mass_ratio", "mass_2"),
    ("chi_eff", "chi_1", "a_1"),
    ("chi_p", "chi_2", "tilt_1"),
    ("lambda_tilde", "lambda_1"),
    ("luminosity_distance",),
    ("theta_jn",),
    ("ra", "zenith"),
    ("dec", "azimuth"),
)
"""Parameters that readers look for first, one of each group, where not all can be shown."""


def shown_first(keys: Sequence[str]) -> list[str]:
    """Return at most :data:`MOST_SHOWN` of the parameters, those that readers look for first, in their own order."""
    if len(keys) <= MOST_SHOWN:
        return list(keys)
    wanted = [next((key for key in group if key in keys), None) for group in _FIRST]
    ranked = [key for key in wanted if key is not None]
    ranked += [key for key in keys if key not in ranked]
    chosen = set(ranked[:MOST_SHOWN])
    return [key for key in keys if key in chosen]


@own_style
def plot_comparison(
    samples: Mapping[str, Mapping[str, np.ndarray]],
    keys: Sequence[str],
    path: str | Path,
    labels: Mapping[str, str] | None = None,
    truths: Mapping[str, float] | None = None,
    offsets: Mapping[str, float] | None = None,
    title: str | None = None,
    bounds: Mapping[str, tuple[float, float]] | None = None,
) -> Path:
    """Draw a corner plot of one or several posteriors over each other, with 50% and 90% regions.

    Parameters
    ----------
    samples
        Equal-weight samples by name of the posterior and parameter. The names stand in the legend.
    keys
        Parameters to show; more than :data:`MOST_SHOWN` are hard to read.
    path
        Picture to write.
    labels
        Axis labels by parameter; by default Bilby's symbol with a unit, or the name.
    truths
        True values by parameter.
    offsets
        What to subtract from a parameter, such as a GPS time; the label says so.
    title
        Line above the picture.
    bounds
        Ends of priors by parameter, see :func:`bounds_of`. Axes do not reach beyond them, and not beyond the natural bounds
        of a parameter, such as 1 of a mass ratio: a bin that straddles one would look like a posterior that falls.
    """
    labels, offsets, bounds = labels or {}, offsets or {}, bounds or {}
    shift = np.array([offsets.get(key, 0.0) for key in keys])
    tables = {
        name: np.stack([np.asarray(table[key]) for key in keys], axis=-1) - shift for name, table in samples.items()
    }
    everything = np.concatenate(list(tables.values()))
    ends = [
        _ends(column, _inner(natural_bounds(key), bounds.get(key, (-np.inf, np.inf))), offset)
        for key, column, offset in zip(keys, everything.T, shift, strict=True)
    ]
    figure = Figure(figsize=(2.1 * len(keys) + 1.0,) * 2)
    FigureCanvasAgg(figure)
    coloured = dict(zip(tables, itertools.cycle(COLOURS), strict=False))
    for name, table in tables.items():
        corner.corner(
            table,
            fig=figure,
            color=coloured[name],
            bins=_BINS,
            # Errors of a density of two dimensions fall with the sixth root of the number of rows.
            smooth=_SMOOTHING * (_ROWS / max(len(table), 1)) ** (1 / 6),
            levels=_LEVELS,
            range=ends,
            labels=[_label(key, labels, offsets) for key in keys],
            plot_datapoints=False,
            plot_density=False,
            no_fill_contours=True,
            hist_kwargs={"density": True, "color": coloured[name]},
            truths=None if truths is None else [truths.get(key, np.nan) - offsets.get(key, 0.0) for key in keys],
            truth_color="#555555",
            label_kwargs={"fontsize": 12},
            labelpad=0.06,
            max_n_ticks=4,
        )
    # Panels are listed row by row: these are the ones on the diagonal.
    for index, axis in enumerate(figure.axes[:: len(keys) + 1]):
        heights = [np.histogram(table[:, index], _BINS, ends[index], density=True)[0] for table in tables.values()]
        # corner sets the height of a panel by the first posterior only.
        axis.set_ylim(0, 1.1 * float(np.max(heights)))
    for axis in figure.axes:
        _without_ticks_at_corners(axis)
    handles = [Line2D([], [], color=colour, label=name) for name, colour in coloured.items()]
    if truths is not None:
        handles.append(Line2D([], [], color="#555555", label="injected"))
    size = 13 if len(keys) > 2 else 10  # points: of two parameters, the free panel is two inches wide
    figure.legend(
        handles=handles, loc="upper right", bbox_to_anchor=(0.97, 0.95), frameon=False, fontsize=size,
        title="contours: 50% and 90%" if len(keys) > 1 else None, title_fontsize=size - 1, alignment="left",
    )  # fmt: skip
    if title:
        figure.suptitle(title, fontsize=13)
    figure.savefig(path, dpi=100)
    return Path(path)


def _without_ticks_at_corners(axis: Axes) -> None:
    """Leave out ticks at the ends of an axis, whose labels would cover those of the next panel."""
    for limits, ticks, set_ticks in (
        (axis.get_xlim(), axis.get_xticks(), axis.set_xticks),
        (axis.get_ylim(), axis.get_yticks(), axis.set_yticks),
    ):
        margin = _CORNER * (limits[1] - limits[0])
        set_ticks([tick for tick in ticks if limits[0] + margin <= tick <= limits[1] - margin])


def gps_offsets(table: Mapping[str, np.ndarray], keys: Sequence[str]) -> dict[str, float]:
    """Return what to subtract from parameters as large as GPS times in :func:`plot_comparison`: their whole seconds."""
    return {key: float(np.floor(np.min(table[key]))) for key in keys if np.min(np.abs(table[key])) > _LARGE}


def labels_of(priors: Mapping[str, Any], keys: Sequence[str]) -> dict[str, str]:
    """Return the labels of the priors, with units, for parameters without a label of their own here."""
    return {
        key: priors[key].latex_label_with_unit or key
        for key in keys
        if key in priors and _default_label(key) == _plain(key)
    }


def bounds_of(priors: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """Return the ends of priors by parameter, infinite where a prior has none; constraints are left out."""
    return {
        key: (float(prior.minimum), float(prior.maximum))
        for key, prior in priors.items()
        if not isinstance(prior, Constraint) and hasattr(prior, "minimum")
    }


def _inner(natural: tuple[float, float], prior: tuple[float, float]) -> tuple[float, float]:
    """Return the narrower of two pairs of bounds, of which the natural ones may be NaN for none."""
    return float(np.fmax(natural[0], prior[0])), float(np.fmin(natural[1], prior[1]))


def _ends(column: np.ndarray, bounds: tuple[float, float], offset: float) -> tuple[float, float]:
    """Return both ends of an axis: those of nearly all samples with a margin, within the bounds."""
    low, high = np.quantile(column, [_OUTSIDE, 1 - _OUTSIDE])
    margin = _MARGIN * (high - low) or 1e-9
    start, end = max(low - margin, bounds[0] - offset), min(high + margin, bounds[1] - offset)
    # Samples on a bound, all of one value, leave no axis between the two.
    return (float(start), float(end)) if end > start else (float(low - margin), float(high + margin))


def _plain(key: str) -> str:
    return key.replace("_", " ")


def _default_label(key: str) -> str:
    """Return the symbol of a parameter, Bilby's where it has one, with the unit; the plain name if there is no symbol."""
    symbol = _SYMBOLS.get(key) or Uniform(0, 1, name=key).latex_label
    return _plain(key) if symbol == key else f"{symbol} [{_UNITS[key]}]" if key in _UNITS else symbol


def _label(key: str, labels: Mapping[str, str], offsets: Mapping[str, float]) -> str:
    """Return the label of an axis; what is subtracted stands before the unit."""
    label = labels.get(key) or _default_label(key)
    if key not in offsets:
        return label
    symbol, bracket, unit = label.partition(" [")
    return f"{symbol} - {offsets[key]:.15g}{bracket}{unit}"
