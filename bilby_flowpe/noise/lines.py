"""Bands in which the data hold more or less than noise of the curve, after the best wave: lines above all."""

from __future__ import annotations

from collections.abc import Mapping

from bilby.gw.likelihood import GravitationalWaveTransient

from ..waves.residual import bands_off

FAR = 5.0
"""Standard deviations from which a band counts: of hundreds, chance reaches 3.5."""


def lines_of(
    likelihood: GravitationalWaveTransient, parameters: Mapping[str, float], far: float = FAR
) -> dict[str, list[tuple[float, float]]]:
    """Bands of 8 Hz whose power after a signal is far from that of noise of the curve, neighbours joined.

    They are found in the data that are analysed: to leave them out (:func:`.curves.notched`) makes the data look as likely as
    the curve allows, which is what it is for, and no test of what is left.

    Parameters
    ----------
    likelihood
        With data and curves, in whose sense noise is Gaussian.
    parameters
        All of the best signal known.
    far
        Standard deviations from which a band counts.

    Returns
    -------
    dict
        First and last frequency in Hz of each band, in ascending order, by detector; empty where there is none.
    """
    found: dict[str, list[tuple[float, float]]] = {}
    for off, _, name, low, high in sorted(bands_off(likelihood, parameters), key=lambda band: band[3]):
        if abs(off) <= far:
            continue
        bands = found.setdefault(name, [])
        # Bands follow one another by one frequency bin.
        step = 1.5 / float(likelihood.interferometers.duration)
        if bands and low - bands[-1][1] <= step:
            bands[-1] = (bands[-1][0], high)
        else:
            bands.append((low, high))
    return found
