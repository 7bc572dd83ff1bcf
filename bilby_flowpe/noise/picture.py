"""Picture of the noise near an event, and of a posterior under several noise models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..plotting import COLOURS
from ..waves.residual import bands_off
from ..waves.waveforms import responses, waveform
from ..waves.whitening import noise_variance
from ..waves.windows import data_mask, window_weight
from .compared import NoiseComparison, UnderModel
from .densities import Density, Gaussian, Hyperbolic, StudentT
from .quantiles import weighted_quantiles

_SHOWN = 3  # parameters whose marginals are shown, as many as fit side by side: those that change most
_BINS = 40  # edges of histogram bins, some twenty of them over the width of a posterior: wide enough for weighted draws
_EXAMPLES: dict[str, Density] = {
    "Gaussian": Gaussian(),
    "Student-t, 8": StudentT(8.0),
    "Student-t, 32": StudentT(32.0),
    "hyperbolic, 10": Hyperbolic(10.0),
}
_FEWEST = 1e-4  # fraction of the frequency bins at which the picture of the tail ends


def plot_noise(comparison: NoiseComparison, path: str | Path) -> Path:
    """Draw the power left as a function of frequency, the tail of its distribution, and marginals under each model.

    Parameters
    ----------
    comparison
        A result under several models.
    path
        Path of the picture to write.
    """
    with style.context("default"):
        figure = Figure(figsize=(11, 9), layout="constrained")
        FigureCanvasAgg(figure)
        rows = np.ravel(np.array(figure.subfigures(3, 1), dtype=object))
        _power(rows[0], comparison)
        _tail(rows[1], comparison)
        _marginals(rows[2], comparison)
        figure.savefig(path, dpi=130)
    return Path(path)


def _power(figure: Any, comparison: NoiseComparison) -> None:
    axes = figure.subplots(1, 1)
    bands = bands_off(comparison.likelihood, comparison.best)
    names = [str(one.name) for one in comparison.likelihood.interferometers]
    for colour, name in zip(COLOURS, names, strict=False):
        own = sorted((band for band in bands if band[2] == name), key=lambda band: band[3])
        middle = [(low + high) / 2 for *_, low, high in own]
        axes.plot(middle, [band[1] for band in own], color=colour, lw=1, marker=".", ms=3, label=name)
        for low, high in comparison.lines.get(name, ()):
            axes.axvspan(low, high, color=colour, alpha=0.2, lw=0)
    axes.axhline(1, color="#555555", lw=0.8)
    axes.set(xscale="log", yscale="log", xlabel="frequency [Hz]", ylabel="power left / expected\n(8 Hz bands)")
    axes.legend(frameon=False, ncols=3, loc="upper left")
    axes.set_title("What the best wave leaves in the data; shaded: bands found to be off", fontsize=10)


def _tail(figure: Any, comparison: NoiseComparison) -> None:
    likelihood = comparison.likelihood
    waves = waveform(likelihood.waveform_generator, comparison.best)
    detectors = list(likelihood.interferometers)
    if waves is None:
        return
    for axes, detector, signal in zip(
        np.atleast_1d(figure.subplots(1, len(detectors), sharey=True)),
        detectors,
        responses(likelihood, waves, comparison.best),
        strict=True,
    ):
        mask = data_mask(detector)
        left = (detector.frequency_domain_strain - signal)[mask]
        powers = np.sort(np.abs(left) ** 2 / (2 * noise_variance(detector, mask) * window_weight(detector)))
        share = 1 - np.arange(len(powers)) / len(powers)
        axes.step(powers, share, color="#222222", lw=1.4, where="post", label="data")
        grid = np.geomspace(0.1, max(20.0, powers[-1]), 300)
        for colour, (label, density) in zip(COLOURS, _EXAMPLES.items(), strict=False):
            axes.plot(grid, np.exp(density.log_survival(grid)), color=colour, lw=1, ls="--", label=label)
        axes.set(
            xscale="log",
            yscale="log",
            xlim=(0.1, None),
            ylim=(_FEWEST, 1.2),
            xlabel="half power of a frequency bin, whitened",
        )
        axes.set_title(f"{detector.name}: share of bins with more power", fontsize=10)
    axes.legend(frameon=False, fontsize=8, loc="upper right")


def _marginals(figure: Any, comparison: NoiseComparison) -> None:
    trusted = [model for model in comparison.models if model.enough]
    keys = _most_changed(trusted)
    panels = np.atleast_1d(figure.subplots(1, max(len(keys), 1)))
    for axes, key in zip(panels, keys, strict=False):
        first = trusted[0].result.nested_samples
        low, high = weighted_quantiles(first[key].to_numpy(float), first["weights"].to_numpy(float), (0.002, 0.998))
        room = 0.15 * (high - low)
        edges = np.linspace(low - room, high + room, _BINS)
        for number, model in enumerate(trusted):
            table = model.result.nested_samples
            counts, _ = np.histogram(table[key], edges, weights=table["weights"], density=True)
            dashes = "-" if model.data == trusted[0].data else ":"
            axes.stairs(counts, edges, color=COLOURS[number % len(COLOURS)], ls=dashes, lw=1.2, label=model.name)
        prior = trusted[0].result.priors.get(key)
        axes.set(xlabel=getattr(prior, "latex_label", None) or key, yticks=[])
    if len(trusted) and keys:
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=8)


def _most_changed(models: list[UnderModel]) -> list[str]:
    """Return the parameters whose medians or widths change most under any model."""
    largest: dict[str, float] = {}
    for model in models:
        for key, (shift, width) in model.changes.items():
            largest[key] = max(largest.get(key, 0.0), abs(shift), abs(width - 1))
    return sorted(largest, key=lambda key: -largest[key])[:_SHOWN]
