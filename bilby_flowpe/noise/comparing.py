"""One result under several noise models, by its own weighted draws: evidences, what changes, and where draws do not last."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bilby
import numpy as np
from bilby.core.result import Result
from bilby.core.utils import logger
from bilby.gw.likelihood import GravitationalWaveTransient
from scipy.stats import norm

from ..arguments.kinds import whole
from ..errors import DataError
from ..kinds.recognise import gaussian_curves, power_left
from ..likelihoods import called
from ..results import kept_draws, statistics_of
from ..reweighting import reweight
from ..translation.covers import AnyPrior
from ..verdict import Thresholds
from ..waves.noise_scale import noise_scales
from ..waves.residual import residual_of
from .choices import GAUSSIAN, NoiseModel, noise_models, with_data
from .compared import NoiseComparison, UnderModel
from .lines import lines_of
from .quantiles import moved

LEAST_EFFECTIVE = 300.0
"""Effective draws under another model, below which its figures are not taken and it is run anew where that is allowed."""
_SAME = 1e-3  # of a log likelihood: what a result file and another machine may differ by


def compare(
    result: Result,
    likelihood: GravitationalWaveTransient,
    models: Mapping[str, NoiseModel] | None = None,
    refine: Mapping[str, Any] | None = None,
    npool: int = 1,
    outdir: str | Path | None = None,
    lines: Mapping[str, list[tuple[float, float]]] | None = None,
    segments: float | None = None,
    method: str = "median",
) -> NoiseComparison:
    """Weigh the draws of a result by several noise models.

    Parameters
    ----------
    result
        Of ``sampler="flowpe"``, weighted, with the likelihood below.
    likelihood
        That of the result, with Gaussian noise of known curves, nothing integrated out.
    models
        Likelihoods by their names, and which data they are of (:class:`.choices.NoiseModel`); those of
        :func:`.choices.noise_models` when left out. Gaussian noise of the same data is added where it is missing.
    refine
        Arguments of ``bilby.run_sampler`` for models under which the draws do not last: these are run anew, and written
        beside the result. Nothing is run when left out.
    npool
        Processes for the likelihoods.
    outdir
        Where runs go that are made anew.
    lines, segments, method
        Of :func:`.choices.noise_models`: bands to leave out, found in the data when left out, and what the noise curves are of.

    Raises
    ------
    DataError
        If the result has no weighted draws, or was made with another likelihood, or that is not of Gaussian noise of its
        curves or integrates parameters out.
    """
    npool = whole("npool", npool)
    best = _checked(result, likelihood)
    found = dict(lines) if lines is not None else lines_of(likelihood, best)
    chosen = dict(models) if models is not None else noise_models(likelihood, found, segments, method)
    rows: list[UnderModel] = []
    plain: dict[str, UnderModel] = {}
    for name, model in _with_gaussian(chosen, likelihood).items():
        found_under = _Found(result)
        if model.likelihood is not likelihood:
            found_under = _weighed(result, model.likelihood, name, refine, npool, outdir)
        base = plain.get(model.data)
        row = _row(name, model, found_under, base, result)
        if base is None:
            plain[model.data] = row
        rows.append(row)
    scales = noise_scales(likelihood, best)
    return NoiseComparison(str(result.label), tuple(rows), found, scales, likelihood, best)


def _checked(result: Result, likelihood: GravitationalWaveTransient) -> dict[str, float]:
    """All parameters of the best draw, of a result that the likelihood is that of."""
    if not isinstance(likelihood, GravitationalWaveTransient):
        raise DataError(
            f"likelihood={type(likelihood).__name__}: give Bilby's GravitationalWaveTransient, with the data of the result"
        )
    if not gaussian_curves(likelihood):
        raise DataError(
            f"likelihood={type(likelihood).__name__} has other noise than Gaussian noise of its curves: give the result and "
            "the likelihood of such a run"
        )
    kept = kept_draws(result)
    if dropped := kept.statistics.get("marginalised"):
        raise DataError(
            f"the result {result.label!r} is marginalised over {dropped}, which no noise model here can be: run it without, "
            "flowpe draws these parameters in closed form anyway"
        )
    best = int(np.argmax(kept.column("log_likelihood")))
    row = {**AnyPrior(result.priors).fixed, **{key: float(value[best]) for key, value in kept.parameters.items()}}
    stored = float(kept.column("log_likelihood")[best])
    value = float(called(likelihood, row, bool(result.use_ratio)))
    if not abs(value - stored) <= _SAME * (1 + abs(stored)):
        raise DataError(
            f"likelihood={type(likelihood).__name__} has the logarithm {value:.6g} where the result {result.label!r} has "
            f"{stored:.6g}: give the likelihood that the result was made with"
        )
    return row


def _with_gaussian(models: dict[str, NoiseModel], likelihood: GravitationalWaveTransient) -> dict[str, NoiseModel]:
    """Gaussian noise of every data set first: what the others are held against."""
    ordered: dict[str, NoiseModel] = {}
    for data in dict.fromkeys(model.data for model in models.values()):
        of_data = {name: model for name, model in models.items() if model.data == data}
        first = next(
            (name for name, model in of_data.items() if type(model.likelihood) is GravitationalWaveTransient), None
        )
        if first is None:
            some = next(iter(of_data.values())).likelihood
            ordered[f"{GAUSSIAN}, {data}"] = NoiseModel(with_data(likelihood, some.interferometers), data)
        else:
            ordered[first] = of_data.pop(first)
        ordered |= of_data
    return ordered


@dataclass(frozen=True)
class _Found:
    """A result under a noise model, and how it came about: as the fields of :class:`.compared.UnderModel`."""

    result: Result
    enough: bool = True
    anew: bool = False
    note: str = ""


def _weighed(
    result: Result,
    likelihood: GravitationalWaveTransient,
    name: str,
    refine: Mapping[str, Any] | None,
    npool: int,
    outdir: str | Path | None,
) -> _Found:
    """Weigh the result by another likelihood, or, where its draws do not last, run it under that where this is allowed."""
    slug = "".join(letter if letter.isalnum() else "_" for letter in name)
    with _quiet():
        # The verdict of each reweighted result repeats that of the run.
        other = reweight(result, likelihood, npool=npool, label=f"{result.label}_{slug}")
    said = statistics_of(other)
    effective, index = float(said["effective_sample_size"]), float(said.get("pareto_k", 0.0))
    limits = Thresholds()
    # The tail counts where one weight stands out, as it does for the verdict.
    even = float(said["largest_weight"]) * said.get("n_kept", said["n_draws"]) <= limits.even_weight
    if effective >= LEAST_EFFECTIVE and (even or not index > limits.pareto_k_check):
        return _Found(other)
    note = f"too few draws of weight: {effective:.0f} effective, Pareto k {index:.2f}"
    if refine is None:
        return _Found(other, enough=False, note=f"{note}; not to be trusted without --refine")
    arguments = {"sampler": "flowpe", "npool": npool, **refine}
    fresh = bilby.run_sampler(
        likelihood, result.priors.copy(), outdir=str(outdir or result.outdir), label=other.label, **arguments
    )
    return _Found(fresh, anew=True, note=f"run anew ({note})")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _row(name: str, model: NoiseModel, found: _Found, base: UnderModel | None, result: Result) -> UnderModel:
    other = found.result
    noise = float(model.likelihood.noise_log_likelihood())
    evidence, error = float(other.log_evidence), float(other.log_evidence_err)
    ratio = noise_ratio = ratio_err = 0.0
    if base is not None:
        ratio, noise_ratio = evidence - base.log_evidence, noise - base.log_noise
        anew = found.anew or base.anew
        ratio_err = float(np.hypot(error, base.log_evidence_err)) if anew else _paired(base.result, other)
    residual = _residual(model.likelihood, other)
    return UnderModel(
        name=name,
        data=model.data,
        log_noise=noise,
        log_evidence=evidence,
        log_evidence_err=error,
        log_noise_ratio=noise_ratio,
        log_ratio=ratio,
        log_ratio_err=ratio_err,
        effective=float(statistics_of(other)["effective_sample_size"]),
        residual=residual,
        p_value=None if residual is None else float(2 * norm.sf(abs(residual))),
        changes=moved(result, other),
        enough=found.enough,
        anew=found.anew,
        note=found.note,
        result=other,
    )


def _paired(one: Result, other: Result) -> float:
    """Standard error of the logarithm of a ratio of evidences by the same draws."""
    first, second = one.nested_samples, other.nested_samples
    key = max(one.search_parameter_keys, key=lambda name: first[name].nunique())
    before = dict(zip(first[key], first["weights"], strict=True))
    after = dict(zip(second[key], second["weights"], strict=True))
    draws = {*before} | {*after}
    return float(np.sqrt(sum((after.get(draw, 0.0) - before.get(draw, 0.0)) ** 2 for draw in draws)))


def _residual(likelihood: GravitationalWaveTransient, other: Result) -> float | None:
    table = other.nested_samples
    best = int(np.argmax(table["log_likelihood"].to_numpy()))
    row = {**AnyPrior(other.priors).fixed, **{key: float(table[key].iloc[best]) for key in other.search_parameter_keys}}
    plain = None
    if gaussian_curves(likelihood):
        plain = residual_of(likelihood, float(likelihood.log_likelihood_ratio(dict(row))))
    return power_left(likelihood, row, plain)
