"""Contracts: the problem that a model was trained for, compared with the one that it is to analyse.

A contract is plain data: parameters and their priors, detectors, band, duration, noise PSDs, waveform. Times are counted from
the segment's start, and a fixed sky position is described by the antenna response, so that a model serves at any GPS time at
which the detectors see the same.

Not every difference forbids the use of a model. Importance weights correct all changes of a density that the model's draws
still cover: narrower priors or others inside those of the training, another waveform, a similar PSD. Added or missing
parameters, priors that reach beyond those of the training, or another form of the data forbid it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .matching import PSD, Match, match


@dataclass(frozen=True)
class Contract:
    """Description of an inference problem.

    Attributes
    ----------
    facts
        Plain nested values, of JSON's types only.
    arrays
        Arrays to compare: the PSD of each detector in its band, ``power_spectral_density.<name>``; for other data the
        abscissae and the noise.
    """

    facts: dict[str, Any]
    arrays: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def has_noise_curves(self) -> bool:
        """Tells whether the data are strain of detectors, whose noise has a power spectral density."""
        return any(name.startswith(PSD) for name in self.arrays)

    def match(self, asked: Contract, psd_tolerance: float = 0.0) -> Match:
        """Compare with the contract of another problem: tell whether the model may be used for it.

        Parameters
        ----------
        asked
            Contract of the problem.
        psd_tolerance
            Largest :func:`~bilby_flowpe.contract.matching.psd_distance` of a detector's PSD that the model tolerates.
        """
        return match((self.facts, self.arrays), (asked.facts, asked.arrays), psd_tolerance)

    def differences(self, asked: Contract) -> list[str]:
        """Return the differences of ``asked`` from the problem of this contract, in words; empty if there are none."""
        match = self.match(asked)
        return [*match.refusals, *match.corrections]

    def fingerprint(self) -> str:
        """Return a text that equal contracts share; arrays enter with six digits."""
        arrays = {name: [f"{value:.5e}" for value in array] for name, array in sorted(self.arrays.items())}
        return json.dumps([self.facts, arrays], sort_keys=True)
