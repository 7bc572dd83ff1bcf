"""Settings for the simulation of training data of a gravitational-wave transient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Path = Literal["auto", "factorised", "general"]

FIXED, AMORTISED = "fixed", "amortised"
"""Values of :attr:`SimulationConfig.psd` that are not folders: the likelihood's PSDs, or random variations of them."""


@dataclass(frozen=True)
class SimulationConfig:
    """Settings for the simulation of training data.

    Attributes
    ----------
    n_waveforms
        Number of waveforms that are stored (with the general path: of whole simulations).
    path
        How signals are made: ``"factorised"``, from polarisations; ``"general"``, by the likelihood's own functions; or
        ``"auto"``, factorised if checks of the waveform allow it.
    flatten_snr
        Reduce the number of quiet signals in training (weights correct it); ``None`` does so if more than a quarter of the
        prior's signals are below a signal-to-noise ratio of 6.
    reduce_grid
        Show the network only the stretch of time and the band that the signals fill.
    shorten
        Reduce the stretch of time, too; ``False`` reduces the band only.
    psd
        ``"fixed"``: all simulations have the likelihood's PSDs. ``"amortised"``: each simulation has other PSDs, random
        variations of these (:mod:`bilby_flowpe.simulation.noise_family`). A folder: PSDs from the files in it.
    redraw
        Draw all parameters that need no new waveform again for every batch. ``False``: each stored waveform keeps its
        distance, time, phase and so on, and only the noise is new, as in Green et al. (2020), section III A.
    file
        File of :meth:`bilby_flowpe.simulation.SignalBank.save` whose waveforms are used instead of new ones; they are used
        all.
    """

    n_waveforms: int = 50_000
    path: Path = "auto"
    flatten_snr: bool | None = None
    reduce_grid: bool = True
    shorten: bool = True
    psd: str = FIXED
    redraw: bool = True
    file: str | None = None
