"""How training data of a gravitational-wave transient are made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Path = Literal["auto", "factorised", "general"]

FIXED, AMORTISED = "fixed", "amortised"
"""Values of :attr:`SimulationConfig.psd` that are not folders."""


@dataclass(frozen=True)
class SimulationConfig:
    """How training data are made.

    Attributes
    ----------
    n_waveforms
        Waveforms kept (with the general path: whole simulations).
    path
        ``"factorised"``, ``"general"``, or ``"auto"`` for the first where the checks allow it.
    flatten_snr
        Whether quiet signals are thinned out in training (the weights undo it); ``None`` does so where more than a quarter
        of the prior's signals are below a signal-to-noise ratio of 6.
    reduce_grid
        Whether the network sees only the stretch of time and the band that the signals fill.
    shorten
        Whether that is a stretch of time, too, or the band alone.
    psd
        ``"fixed"``: all simulations have the likelihood's noise curves. ``"amortised"``: each has curves of its own, of a
        family around these (:mod:`bilby_flowpe.simulation.noise_family`). A folder: curves from the files in it.
    redraw
        Whether what needs no new waveform is drawn anew for every batch. ``False``: each stored waveform keeps its own
        distance, time, phase and so on, and the noise alone is fresh, as in Green et al. (2020), section III A.
    file
        Waveforms of :meth:`bilby_flowpe.simulation.SignalBank.save` to use instead of new ones; their number is the file's.
    """

    n_waveforms: int = 50_000
    path: Path = "auto"
    flatten_snr: bool | None = None
    reduce_grid: bool = True
    shorten: bool = True
    psd: str = FIXED
    redraw: bool = True
    file: str | None = None
