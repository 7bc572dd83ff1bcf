"""What a result is under several noise models."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from bilby.core.result import Result
from bilby.gw.likelihood import GravitationalWaveTransient

from ..noise_scale import NoiseScale
from ..verdict import Thresholds


@dataclass(frozen=True)
class UnderModel:
    """A result under one noise model.

    Attributes
    ----------
    name, data
        The model, and which data it is of: evidences of the same data can be compared.
    log_noise
        Logarithm of the density of the data, if they are noise alone.
    log_evidence, log_evidence_err
        The same if there is a signal, and its standard error.
    log_noise_ratio
        ``log_noise`` over that of Gaussian noise of the curve, for the same data.
    log_ratio, log_ratio_err
        The same with a signal; the error is that of a ratio by the same draws, or of independent runs.
    effective
        Effective draws.
    residual
        Power left in the data after the best wave, in standard deviations over that of noise of this model.
    p_value
        Of noise of this model to be as far off.
    changes
        Of each parameter: shift of its median in standard deviations, and its width over that of the result, by 68% intervals.
    enough
        Whether the draws last under this model, or it was run anew, so that the figures can be trusted.
    anew
        Whether it was run anew.
    note
        Why figures are not to be trusted, or why it was run anew, in words; empty where the result's own draws last.
    result
        The result under this model.
    """

    name: str
    data: str
    log_noise: float
    log_evidence: float
    log_evidence_err: float
    log_noise_ratio: float
    log_ratio: float
    log_ratio_err: float
    effective: float
    residual: float | None
    p_value: float | None
    changes: dict[str, tuple[float, float]]
    enough: bool
    anew: bool
    note: str
    result: Result = field(repr=False)

    @property
    def log_bayes_factor(self) -> float:
        """Signal over noise alone, under this model."""
        return self.log_evidence - self.log_noise

    @property
    def expected(self) -> bool:
        """Whether the power left is such as noise of this model has; not so where it is not known."""
        return self.p_value is not None and self.p_value >= Thresholds().surprise_check

    def to_dict(self) -> dict[str, Any]:
        """All figures as plain values."""
        values = {key: value for key, value in vars(self).items() if key != "result"}
        return {**values, "log_bayes_factor": self.log_bayes_factor}


@dataclass(frozen=True)
class NoiseComparison:
    """A result under several noise models.

    Attributes
    ----------
    label
        Of the result.
    models
        The result under each; of each data set Gaussian noise of the curve comes first.
    lines
        Bands that were found to be off, or given, by detector.
    scales
        Noise over its curve in the band of the signal, by detector.
    likelihood
        The plain likelihood, for pictures.
    best
        All parameters of the best draw.
    """

    label: str
    models: tuple[UnderModel, ...]
    lines: dict[str, list[tuple[float, float]]]
    scales: dict[str, NoiseScale]
    likelihood: GravitationalWaveTransient = field(repr=False)
    best: dict[str, float] = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """All figures as plain values."""
        return {
            "label": self.label,
            "lines": self.lines,
            "noise_scale": {name: asdict(scale) for name, scale in self.scales.items()},
            "models": [model.to_dict() for model in self.models],
        }
