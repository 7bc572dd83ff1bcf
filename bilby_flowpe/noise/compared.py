"""Result of a comparison of noise models."""

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
        Names of the model and of its data: only evidences of the same data can be compared.
    log_noise
        Logarithm of the density of the data, if they are noise alone.
    log_evidence, log_evidence_err
        The same if there is a signal, and its standard error.
    log_noise_ratio
        ``log_noise`` minus that of Gaussian noise of the curve, for the same data.
    log_ratio, log_ratio_err
        ``log_evidence`` minus that of Gaussian noise of the curve, and its standard error, either for the same draws or for
        independent runs.
    effective
        Number of effective draws.
    residual
        Power left in the data after the best wave, in standard deviations above that of noise of this model.
    p_value
        Probability that noise of this model deviates at least as much.
    changes
        For each parameter: shift of its median in standard deviations, and its width over that of the result, by 68% intervals.
    enough
        True if enough draws are left under this model, or the sampler was run again, so that the figures can be trusted.
    anew
        True if the sampler was run again with this model.
    note
        Reason why figures should not be trusted, or why the sampler was run again; empty if enough of the result's draws are
        left.
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
        """Log Bayes factor of a signal over noise alone, under this model."""
        return self.log_evidence - self.log_noise

    @property
    def expected(self) -> bool:
        """True if the power left is as expected for noise of this model; False also where it is not known."""
        return self.p_value is not None and self.p_value >= Thresholds().surprise_check

    def to_dict(self) -> dict[str, Any]:
        """Return all figures as plain values."""
        values = {key: value for key, value in vars(self).items() if key != "result"}
        return {**values, "log_bayes_factor": self.log_bayes_factor}


@dataclass(frozen=True)
class NoiseComparison:
    """A result under several noise models.

    Attributes
    ----------
    label
        Label of the result.
    models
        The result under each model; for each data set, Gaussian noise of the curve comes first.
    lines
        Bands whose power deviates from the curve, as found in the data or as given, by detector.
    scales
        Ratio of the noise to its curve in the band of the signal, by detector.
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
        """Return all figures as plain values."""
        return {
            "label": self.label,
            "lines": self.lines,
            "noise_scale": {name: asdict(scale) for name, scale in self.scales.items()},
            "models": [model.to_dict() for model in self.models],
        }
