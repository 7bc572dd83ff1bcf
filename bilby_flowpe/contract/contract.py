"""What a model was trained for, held against what it is asked to analyse.

A contract is plain data: parameters and their priors, detectors, band, duration, noise curves, waveform. It speaks of times
from the segment's start and, for a fixed sky position, of the antenna response, so that a model serves at any GPS time at
which the detectors see the same.

Not every difference forbids a model's use. Importance weights make up for whatever changes a density within the reach of the
model's draws: narrower priors or others inside those trained with, another waveform, a noise curve not too far off. What adds
or takes away parameters, reaches beyond the priors or changes the form of the data does forbid it.
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
        Plain nested values, JSON's own types only.
    arrays
        Arrays to compare: noise curves of each detector in its band, ``power_spectral_density.<name>``; abscissae and noise
        of other data.
    """

    facts: dict[str, Any]
    arrays: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def has_noise_curves(self) -> bool:
        """Whether the data are strain of detectors, whose noise has a power spectral density."""
        return any(name.startswith(PSD) for name in self.arrays)

    def match(self, asked: Contract, psd_tolerance: float = 0.0) -> Match:
        """Whether the model of this contract may be used for the problem ``asked``.

        Parameters
        ----------
        asked
            Contract of the problem.
        psd_tolerance
            Largest :func:`~bilby_flowpe.contract.matching.psd_distance` of a detector's noise curve that the model bears.
        """
        return match((self.facts, self.arrays), (asked.facts, asked.arrays), psd_tolerance)

    def differences(self, asked: Contract) -> list[str]:
        """Where ``asked`` is not what this model was trained for, in words; empty if nowhere."""
        match = self.match(asked)
        return [*match.refusals, *match.corrections]

    def fingerprint(self) -> str:
        """Text that equal contracts share; the arrays enter with six digits."""
        arrays = {name: [f"{value:.5e}" for value in array] for name, array in sorted(self.arrays.items())}
        return json.dumps([self.facts, arrays], sort_keys=True)
