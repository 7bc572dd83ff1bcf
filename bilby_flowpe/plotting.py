"""Plots of trainings and of results."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ParamSpec

import numpy as np
from matplotlib import style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from scipy.stats import binom, norm

__all__ = [
    "own_style",
    "plot_efficiency",
    "plot_history",
    "plot_pp",
    "plot_weights",
    "plot_whitened",
]

_Arguments = ParamSpec("_Arguments")
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
# Number of entries above which a legend is put beside its panel: a longer one would cover the curves.
_LONG_LEGEND = 9


def own_style(plot: Callable[_Arguments, Path]) -> Callable[_Arguments, Path]:
    """Plot in matplotlib's default style, whatever style other packages have set."""

    @functools.wraps(plot)
    def wrapped(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> Path:
        with style.context("default"):
            return plot(*args, **kwargs)

    return wrapped


@own_style
def plot_history(history: Mapping[str, Any], path: str | Path) -> Path:
    """Plot training and validation loss against steps, with a second axis in the paper's units.

    A second panel has the KL term, if there is one.

    Parameters
    ----------
    history
        History of a trained model.
    path
        Picture to write.
    """
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    # Histories of families without latent variables, and older ones, have no KL term.
    kl = history.get("validation_kl") or []
    panels = figure.subplots(2 if kl else 1, sharex=True, squeeze=False)[:, 0]
    axes = panels[0]
    axes.plot(history["step"], history["train_loss"], color=COLOURS[1], label="training")
    axes.plot(history["step"], history["validation_loss"], color=COLOURS[0], label="validation (averaged weights)")
    best = history["best"]
    axes.plot(history["step"][best], history["validation_loss"][best], "o", color=COLOURS[0], label="kept")
    losses = np.array(history["validation_loss"])
    low, high = float(np.min(losses)), float(np.max(losses))
    axes.set_ylim(low - 0.05 * (high - low) - 0.02, high + 0.02)
    panels[-1].set_xlabel("step")
    axes.set_ylabel("loss in the network's coordinates [nat]")
    if kl:
        figure.set_figheight(7)
        panels[1].plot(history["step"], history["train_kl"], color=COLOURS[1])
        panels[1].plot(history["step"], kl, color=COLOURS[0])
        panels[1].set_ylabel("KL term [nat]")
        panels[1].set_ylim(bottom=0)
    offset = history["validation_loss_paper"][best] - history["validation_loss"][best]
    paper = axes.secondary_yaxis("right", functions=(lambda loss: loss + offset, lambda loss: loss - offset))
    paper.set_ylabel("loss in standardised parameters [nat]")
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)
    return Path(path)


@own_style
def plot_efficiency(events: Sequence[Any], path: str | Path, title: str | None = None) -> Path:
    """Plot sample efficiency against signal-to-noise ratio, one dot per event.

    Parameters
    ----------
    events
        Objects with ``snr``, ``efficiency`` and ``verdict``.
    path
        Picture to write.
    title
        Line above the picture.
    """
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for grade, colour in zip(("reliable", "check", "failed"), (COLOURS[0], "#E69F00", COLOURS[1]), strict=True):
        chosen = [event for event in events if event.verdict == grade]
        if chosen:
            axes.plot(
                [event.snr for event in chosen],
                [event.efficiency for event in chosen],
                "o",
                ms=4,
                color=colour,
                label=grade,
            )
    axes.set_xscale("log")
    for axis in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
        axis(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("optimal signal-to-noise ratio")
    axes.set_ylabel("sample efficiency")
    axes.legend(frameon=False, title="verdict", loc="lower right")
    if title:
        axes.set_title(title)
    figure.savefig(path, dpi=150)
    return Path(path)


@own_style
def plot_pp(
    panels: Mapping[str, Mapping[str, np.ndarray]],
    path: str | Path,
    labels: Mapping[str, str] | None = None,
    p_values: Mapping[str, Mapping[str, float]] | None = None,
    columns: int = 2,
) -> Path:
    """Make p-p plots: fraction of events whose truth lies below each rank, with bands of chance at 1, 2 and 3 sigma.

    Parameters
    ----------
    panels
        Ranks of the truth, (events,), by title of the panel and statistic.
    path
        Picture to write.
    labels
        Labels of statistics, for the legend.
    p_values
        p-values by title and statistic, for the legend.
    columns
        Number of panels in a row.
    """
    rows = -(-len(panels) // columns)
    crowded = any(len(ranks) > _LONG_LEGEND for ranks in panels.values())
    figure = Figure(figsize=((6.8 if crowded else 4.6) * columns, 4.6 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    grid = np.linspace(0, 1, 401)
    every = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in every[len(panels) :]:
        axes.axis("off")
    for axes, (title, ranks) in zip(every, panels.items(), strict=False):
        events = len(next(iter(ranks.values())))
        for sigma in (1, 2, 3):
            low, high = binom.interval(1 - 2 * norm.sf(sigma), events, grid)
            axes.fill_between(grid, low / events, high / events, color="#000000", alpha=0.09, lw=0)
        styles = itertools.product(("-", "--", ":"), COLOURS)
        for (key, values), (line, colour) in zip(ranks.items(), itertools.cycle(styles), strict=False):
            chance = "" if p_values is None else f" ({p_values[title][key]:.2g})"
            curve = np.searchsorted(np.sort(values), grid, side="right") / events
            axes.plot(grid, curve, color=colour, ls=line, lw=1.1, label=f"{(labels or {}).get(key, key)}{chance}")
        axes.set_title(title, fontsize=10)
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="rank of the truth", ylabel="share of events below")
        # A long legend would cover the curves.
        beside = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5)} if crowded else {"loc": "upper left"}
        # gwpy, once imported, draws thick lines in all legends, and no dashes; with no map it does not.
        axes.legend(frameon=False, fontsize=8, handlelength=2.0, handler_map=None, **beside)
    figure.savefig(path, dpi=120)
    return Path(path)


@own_style
def plot_whitened(
    bands: Mapping[str, Mapping[str, np.ndarray]],
    path: str | Path,
    around: float | None = None,
    before: float = 0.2,
    after: float = 0.06,
    title: str | None = None,
) -> Path:
    """Plot the whitened data of every detector with the 90% band of the posterior's waveforms.

    Parameters
    ----------
    bands
        Bands of :func:`bilby_flowpe.bands.whitened_bands`.
    path
        Picture to write.
    around
        GPS time of the picture's zero; by default the peak of the first detector's median waveform.
    before, after
        Seconds shown.
    title
        Line above the picture.
    """
    if around is None:
        first = next(iter(bands.values()))
        curve = first.get("median", first["data"])
        around = round(float(first["start"]) + float(first["times"][np.argmax(np.abs(curve))]), 3)
    figure = Figure(figsize=(9, 3.2 * len(bands)), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (name, band) in zip(np.atleast_1d(figure.subplots(len(bands), 1)), bands.items(), strict=True):
        times = band["times"] - (around - float(band["start"]))
        shown = (times > -before) & (times < after)
        axes.plot(times[shown], band["data"][shown], color="#999999", lw=0.8, label="whitened data")
        if "median" in band:
            low, middle, high = (band[key][shown] for key in ("low", "median", "high"))
            axes.fill_between(times[shown], low, high, color=COLOURS[0], alpha=0.45, lw=0, label="90% of the waveforms")
            axes.plot(times[shown], middle, color=COLOURS[0], lw=1.0, label="median")
        axes.set_ylabel(f"{name}, whitened [$\\sigma$]")
        axes.set_xlim(-before, after)
        axes.legend(frameon=False, loc="upper left", ncols=3)
    axes.set_xlabel(f"seconds from GPS {around}")
    if title:
        figure.suptitle(title)
    figure.savefig(path, dpi=150)
    return Path(path)


@own_style
def plot_weights(weights: np.ndarray, n_draws: int, path: str | Path, title: str | None = None) -> Path:
    """Plot importance weights relative to their mean: a histogram, and the fraction of the total of the largest ones.

    Parameters
    ----------
    weights
        Weights above zero, in any unit.
    n_draws
        Number of draws, including those without weight.
    path
        Picture to write.
    title
        Line above the picture.
    """
    relative = np.asarray(weights) * n_draws / np.sum(weights)
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    low = max(float(relative.min()), 1e-4)
    edges = np.geomspace(low, max(float(relative.max()), 1.01) * 1.05, 60)
    left.hist(np.clip(relative, low, None), bins=edges, color=COLOURS[0])
    left.axvline(1.0, color="#555555", lw=0.8)
    left.set(xscale="log", yscale="log", xlabel="weight over the mean weight", ylabel="draws")
    largest = np.sort(relative)[::-1]
    right.plot(np.arange(1, len(largest) + 1) / n_draws, np.cumsum(largest) / largest.sum(), color=COLOURS[0])
    right.plot([0, 1], [0, 1], color="#555555", lw=0.8, ls="--", label="all weights alike")
    right.set(
        xlabel="share of the draws, largest weights first", ylabel="share of the weight", xlim=(0, 1), ylim=(0, 1)
    )
    # As in the p-p plots: gwpy, once imported, draws thick lines in all legends, and no dashes.
    right.legend(frameon=False, loc="lower right", handlelength=2.0, handler_map=None)
    if title:
        figure.suptitle(title)
    figure.savefig(path, dpi=130)
    return Path(path)
