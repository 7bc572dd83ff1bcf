"""The conversion function of alerts: derived parameters of a posterior, without what would take a waveform for every row."""

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
    """A conversion function for ``run_sampler``: masses, effective spins, redshift and masses of the source's frame.

    Bilby's own would compute signal-to-noise ratios, too, by a waveform for every row.

    Parameters
    ----------
    priors
        Which say between which distances redshifts are wanted.
    reference_frequency
        At which spins are told, in Hz.
    """

    def __init__(self, priors: PriorDict, reference_frequency: float) -> None:
        self._reference_frequency = reference_frequency
        self._distance = priors.get(DISTANCE)

    @cached_property
    def redshifts(self) -> Redshifts | None:
        """Redshift of the distances of the prior; ``None`` where the prior has no limits. It takes most of a second to make."""
        low, high = (float(getattr(self._distance, end, np.nan)) for end in ("minimum", "maximum"))
        return Redshifts(low, high) if 0 <= low < high < np.inf else None

    def __call__(self, sample: DataFrame, likelihood: Any = None, priors: Any = None, npool: int = 1) -> DataFrame:
        """Return the rows of a posterior with further columns."""
        return with_derived(sample, priors, self._reference_frequency, self.redshifts)
