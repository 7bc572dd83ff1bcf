"""What a network is shown of the data: the choices, without the parts that need torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["aligned", "amortised", "series", "linear"]

KINDS: tuple[str, ...] = get_args(Kind)
"""Names of the representations, which are in :mod:`.kinds`."""


@dataclass(frozen=True)
class RepresentationConfig:
    """What the network is shown.

    Attributes
    ----------
    kind
        ``"aligned"``: matched-filter alignment and compression, the default for gravitational waves. ``"amortised"``:
        the same with the noise curve, what ``psd="amortised"`` goes with. ``"series"``: the
        whitened time series as it is, as in Green et al. (2020), for comparison. ``"linear"``: compression alone, for data
        without an arrival time, the default for any other likelihood.
    templates
        Templates of the matched filter.
    tolerance
        Squared signal-to-noise ratio that the compression may lose on any held-out signal.
    max_components
        Largest number of components a detector.
    n_fit
        Signals used for fitting.
    """

    kind: Kind = "aligned"
    templates: int = 8
    tolerance: float = 0.02
    max_components: int = 192
    n_fit: int = 16_384
