"""The conversion function of alerts: derived parameters of a posterior, without any that need a waveform for every row."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from bilby.core.prior import PriorDict
from pandas import DataFrame

from ..binaries import with_derived
from ..names import DISTANCE
from ..redshifts import Redshifts


class Derived:
    """A conversion function for ``run_sampler``: masses, effective spins, redshift and source-frame masses.

    Bilby's own function also computes signal-to-noise ratios, which takes a waveform for every row.

    Parameters
    ----------
    priors
        Priors, which give the range of distances.
    reference_frequency
        Reference frequency of the spins, in Hz.
    """

    def __init__(self, priors: PriorDict, reference_frequency: float) -> None:
        self._reference_frequency = reference_frequency
        self._distance = priors.get(DISTANCE)

    @cached_property
    def redshifts(self) -> Redshifts | None:
        """Redshifts of the distances of the prior; ``None`` if the prior has no limits. To make it takes most of a second."""
        low, high = (float(getattr(self._distance, end, np.nan)) for end in ("minimum", "maximum"))
        return Redshifts(low, high) if 0 <= low < high < np.inf else None

    def __call__(self, sample: DataFrame, likelihood: Any = None, priors: Any = None, npool: int = 1) -> DataFrame:
        """Return the rows of a posterior with further columns."""
        return with_derived(sample, priors, self._reference_frequency, self.redshifts)
