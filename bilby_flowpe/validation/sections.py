"""Sections of a result's page about the signal and about the search for it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from bilby.core.result import Result

from ..bands import RATIOS, Bands
from ..errors import ConfigurationError, DataError
from ..names import DEC, RA
from ..skymap import sky_map
from ..skymap.picture import in_words, plot_sky_map
from ..surprise import p_value_in_words
from .derived import UNITS, derived_parameters, signal_to_noise
from .numbers import interval
from .page import Page

_ROUNDS = {
    "inverse_temperature": ("inverse temperature", "{:.3g}"),
    "efficiency": ("efficiency", "{:.3g}"),
    "likelihood_evaluations": ("evaluations so far", "{:.0f}"),
    "seconds": ("seconds", "{:.2f}"),
}
"""Columns of the table of rounds: heading and format by their names in a result."""

_IN_WORDS = {"optimal_snr": "optimal", "matched_filter_snr": "matched filter"}


def binary(page: Page, result: Result, bands: Bands, injected: Mapping[str, float]) -> None:
    """Add derived parameters of a compact binary, and its signal-to-noise ratios by detector.

    Parameters
    ----------
    page
        The page.
    result
        Bilby's result.
    bands
        Waveform bands that the run has kept beside the result; may be empty.
    injected
        Injected values; may be empty. Injected values of derived parameters are shown if they are given.
    """
    derived = derived_parameters(result)
    ratios = signal_to_noise(result, bands)
    keys = [key for key in derived if key not in result.search_parameter_keys and np.ptp(derived[key]) > 0]
    if not keys and not ratios:
        return
    page.section("Source and signal")
    if keys:
        rows, known = [], any(key in injected for key in keys)
        for key in keys:
            row = [key, *interval(derived[key].to_numpy()), UNITS.get(key, "")]
            rows.append([*row, f"{injected[key]:.5g}" if key in injected else ""] if known else row)
        page.table(["derived by Bilby", "median", "90% interval", "unit", *(["injected"] if known else [])], rows)
    if ratios:
        header = ["signal-to-noise ratio", *(f"{_IN_WORDS[kind]}, median and 90%" for kind in RATIOS)]
        page.table(header, [[name, *(_cell(of_one.get(kind)) for kind in RATIOS)] for name, of_one in ratios.items()])


def sky(page: Page, path: Path, result: Result, injected: Mapping[str, float]) -> None:
    """Add the sky map of the source, which ``flowpe skymap`` writes.

    Parameters
    ----------
    page
        The page.
    path
        File of the result, beside which a run of flowpe has kept the data for its map.
    result
        Bilby's result.
    injected
        Injected values, whose position is marked; may be empty.
    """
    searched = {*result.search_parameter_keys} | {*result.posterior}
    if not {RA, DEC} <= searched or any(np.ptp(result.posterior[key]) == 0 for key in (RA, DEC)):
        return
    page.section("Position on the sky")
    try:
        found = sky_map(result, path.parent)
    except (ConfigurationError, DataError) as error:
        # Without healpy there is no map, either.
        page.text(f"There is no map: {error}", faint=True)
        return
    marks = {"injected": (injected[RA], injected[DEC])} if {RA, DEC} <= {*injected} else {}
    page.picture(
        "Mollweide projection; contours enclose 50% and 90% of the probability.",
        lambda picture: plot_sky_map(found, picture, marks, str(result.label)),
    )
    page.text(in_words(found))
    page.text(f"flowpe skymap {path.name} writes this map as a multi-order FITS file.", faint=True)


def noise(page: Page, path: Path, result: Result, statistics: Mapping[str, Any]) -> None:
    """Add how far the noise is from its PSDs in the band of the signal, and where other noise models are compared.

    Parameters
    ----------
    page
        The page.
    path
        File of the result, beside which ``flowpe noise`` writes its page.
    result
        Bilby's result.
    statistics
        Run statistics of the result.
    """
    scales = statistics.get("noise_scale")
    other = path.with_name(f"{result.label}_noise.html")
    if not scales and not other.is_file():
        return
    page.section("Noise in the band of the signal")
    if scales:
        page.table(
            ["detector", "band of the signal [Hz]", "noise relative to its PSD (amplitude)", "p-value"],
            [
                (
                    name,
                    f"{of_one['low']:.0f} to {of_one['high']:.0f}",
                    f"{of_one['factor']:.3f} ± {of_one['scatter']:.3f}",
                    p_value_in_words(of_one["p_value"]),
                )
                for name, of_one in scales.items()
            ],
        )
        page.text(
            "A factor of 1 is expected, within the scatter given. Above one there is more noise than the curve says, and the "
            "posterior is too narrow by this factor; below one it is too wide."
        )
    if other.is_file():
        page.text(f"{other.name}, beside the result, compares other noise models on the same draws.")
    elif any(path.resolve().parent.parent.glob("*_config_complete.ini")):  # a result of bilby_pipe
        page.text(f"flowpe noise {path.name} compares other noise models on the same draws.", faint=True)
    else:
        page.text(
            "bilby_flowpe.noise.compare(result, likelihood) compares other noise models on the same draws.", faint=True
        )


def data(page: Page, result: Result, statistics: Mapping[str, Any]) -> None:
    """Add segment, band and PSD of each detector, and the files of its strain where they are known."""
    records = statistics.get("data")
    if not records:
        return
    sources = (result.meta_data or {}).get("sources") or {}
    page.section("Data that were used")
    page.table(
        ["detector", "segment [GPS s]", "band [Hz]", "sampling [Hz]", "PSD", *(["strain"] if sources else [])],
        [
            (
                name,
                f"{of_one['start_time']:.13g} to {of_one['start_time'] + of_one['duration']:.13g}",
                f"{of_one['minimum_frequency']:g} to {of_one['maximum_frequency']:g}",
                f"{of_one['sampling_frequency']:g}",
                sources.get(name, {}).get("noise_curve") or Path(of_one["noise_curve"]).name,
                *([sources.get(name, {}).get("strain", "")] if sources else []),
            )
            for name, of_one in records.items()
        ],
    )


def refinement(page: Page, statistics: Mapping[str, Any]) -> None:
    """Add the rounds in which a proposal was refined for the event."""
    refined = statistics.get("refinement") or {}
    if not (rounds := refined.get("rounds")):
        return
    page.text(f"The proposal was refined on this event, starting from the {refined['start']}:")
    page.table(
        ["round", *(_ROUNDS[key][0] for key in _ROUNDS if key in rounds)],
        [
            (
                f"{number}",
                *(form.format(rounds[key][number - 1]) for key, (_, form) in _ROUNDS.items() if key in rounds),
            )
            for number in range(1, len(rounds["efficiency"]) + 1)
        ],
    )
    page.text("At an inverse temperature of 1 the proposal is fitted to the posterior itself.", faint=True)


def evaluations(page: Page, result: Result, statistics: Mapping[str, Any]) -> None:
    """Add the numbers of evaluations of both likelihoods, and how modes were searched."""
    rows = _evaluations(result, statistics)
    completeness = statistics.get("completeness")
    if not rows and not completeness:
        return
    page.section("Evaluations, and the search for modes")
    if rows:
        page.table(["", ""], rows)
    if completeness:
        page.text(f"Modes were looked for by {completeness['looked']}.")
        missed = completeness["missed"]
        about = f", {completeness['about']}," if completeness.get("about") else ""
        page.text(
            f"A mode of more than 1% of the posterior{about} would have gone unnoticed, if there is one, with a probability of "
            f"{missed:.2g}."
            if missed < 1
            else "The probability that a mode was missed is not known."
        )


def _evaluations(result: Result, statistics: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    # Bilby's property raises an error if there is no number.
    exact = statistics.get("n_likelihood_evaluations", getattr(result, "_num_likelihood_evaluations", None))
    if exact is not None and np.isfinite(exact):
        rows.append(("evaluations of the likelihood", f"{exact:.0f}"))
    if "n_coarse_evaluations" not in statistics:
        return rows
    rows.append(("evaluations of the coarse likelihood", f"{statistics['n_coarse_evaluations']:.0f}"))
    for key, words, form in (
        ("n_draws", "draws by the coarse likelihood", "{:.0f}"),
        ("n_kept", "draws of these that were kept, and weighed by the likelihood", "{:.0f}"),
        ("coarse_efficiency", "efficiency of the ratio of the two likelihoods", "{:.4f}"),
    ):
        if statistics.get(key) is not None:
            rows.append((words, form.format(statistics[key])))
    coarse = statistics.get("coarse") or {}
    if "source" in coarse:
        rows.append(("coarse waveforms", f"{coarse['source']}, at {coarse['nodes']} frequencies"))
    if "reference_moved" in coarse:
        rows.append(("changes of their reference waveform", f"{coarse['reference_moved']}"))
    if partial := coarse.get("partial"):
        rows += [(f"rows that are not evaluated: {key}", f"{value}") for key, value in partial.items()]
    return rows


def _cell(ratios: np.ndarray | None) -> str:
    if ratios is None:
        return ""
    median, of_90 = interval(ratios)
    return f"{float(median):.1f} ({' to '.join(f'{float(end):.1f}' for end in of_90.split(' to '))})"
