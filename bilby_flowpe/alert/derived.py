"""What a posterior is told by beside its own parameters, without what would take a wave for every row."""

from __future__ import annotations

from contextlib import suppress
from functools import cached_property
from typing import Any

import numpy as np
from bilby.core.prior import PriorDict
from bilby.gw.conversion import (
    convert_to_lal_binary_black_hole_parameters,
    generate_mass_parameters,
    generate_spin_parameters,
)
from pandas import DataFrame

from ..names import DISTANCE
from ..redshifts import Redshifts

_MASSES = ("mass_1", "mass_2", "chirp_mass", "total_mass")


class Derived:
    """A conversion function for ``run_sampler``: masses, effective spins, redshift and masses of the source's frame.

    Bilby's own conversions, but for the redshift, which is taken from a spline that is made once: Bilby's takes two
    milliseconds each.

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
        """Of the distances of the prior; ``None`` where it has no limits. It takes most of a second to make."""
        low, high = (float(getattr(self._distance, end, np.nan)) for end in ("minimum", "maximum"))
        return Redshifts(low, high) if 0 <= low < high < np.inf else None

    def __call__(self, sample: DataFrame, likelihood: Any = None, priors: Any = None, npool: int = 1) -> DataFrame:
        """The rows of a posterior with further columns."""
        rows = sample.assign(reference_frequency=self._reference_frequency)
        table, _ = convert_to_lal_binary_black_hole_parameters(rows)
        table = generate_mass_parameters(table)
        # As in Bilby's own: not every prior has spins.
        with suppress(KeyError):
            table = generate_spin_parameters(table)
        if DISTANCE in table and (redshifts := self.redshifts) is not None:
            table["redshift"] = redshifts(table[DISTANCE].to_numpy())
            for key in _MASSES:
                table[f"{key}_source"] = table[key] / (1 + table["redshift"])
        return table
