"""Bands in which the data contain more or less power than noise of the curve, after the best wave; mostly lines."""

from __future__ import annotations

from collections.abc import Mapping

from bilby.gw.likelihood import GravitationalWaveTransient

from ..waves.residual import bands_off

FAR = 5.0
"""Standard deviations from which on a band counts as off: among hundreds of bands, chance reaches about 3.5."""


def lines_of(
    likelihood: GravitationalWaveTransient, parameters: Mapping[str, float], far: float = FAR
) -> dict[str, list[tuple[float, float]]]:
    """Return bands of 8 Hz whose power after a signal is far from that of noise of the curve, neighbours joined.

    They are found in the data that are analysed. Leaving them out (:func:`.curves.notched`) therefore makes the rest look as
    the curve predicts: this is its purpose, but the power left is then no test of the noise model.

    Parameters
    ----------
    likelihood
        Likelihood with data and noise curves, which assumes Gaussian noise.
    parameters
        All parameters of the best signal that is known.
    far
        Standard deviations from which on a band counts as off.

    Returns
    -------
    dict
        First and last frequency in Hz of each band, in ascending order, by detector; empty if there is none.
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
