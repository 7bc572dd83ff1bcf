"""Configuration of a representation, without the parts that need torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["aligned", "amortised", "series", "linear"]

KINDS: tuple[str, ...] = get_args(Kind)
"""Names of the representations, which :mod:`.kinds` maps to classes."""


@dataclass(frozen=True)
class RepresentationConfig:
    """Choices that determine what the network is shown of the data.

    Attributes
    ----------
    kind
        ``"aligned"``: matched-filter alignment and compression, the default for gravitational waves. ``"amortised"``: the same
        with the noise curve, for ``psd="amortised"``. ``"series"``: the whitened time series as it is, as in Green et al.
        (2020), for comparison. ``"linear"``: compression alone, for data without an arrival time, the default for all other
        likelihoods.
    templates
        Number of templates of the matched filter.
    tolerance
        Squared signal-to-noise ratio that any held-out signal may lose by the compression.
    max_components
        Largest number of components for each detector.
    n_fit
        Number of signals used for fitting.
    """

    kind: Kind = "aligned"
    templates: int = 8
    tolerance: float = 0.02
    max_components: int = 192
    n_fit: int = 16_384
