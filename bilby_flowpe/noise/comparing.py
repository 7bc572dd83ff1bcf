"""Comparison of a result under several noise models, by weighting its draws: evidences and changes of the posterior."""

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
from ..result_files import result_of
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
"""Effective draws under another model, below which the draws are too few and the sampler is run again, if that is allowed."""
_SAME = 1e-3  # relative and absolute difference of a log likelihood allowed between a result file and another machine


def compare(
    result: Result | str | Path,
    likelihood: GravitationalWaveTransient,
    models: Mapping[str, NoiseModel] | None = None,
    refine: Mapping[str, Any] | None = None,
    npool: int = 1,
    outdir: str | Path | None = None,
    lines: Mapping[str, list[tuple[float, float]]] | None = None,
    segments: float | None = None,
    method: str = "median",
) -> NoiseComparison:
    """Weight the draws of a result by several noise models.

    Parameters
    ----------
    result
        Weighted result of ``sampler="flowpe"`` with the likelihood below, or its file.
    likelihood
        Likelihood of the result, with Gaussian noise of known curves, not marginalised over any parameter.
    models
        Likelihoods with their data (:class:`.choices.NoiseModel`) by name; those of :func:`.choices.noise_models` by default.
        Gaussian noise of the same data is added where it is missing.
    refine
        Arguments of ``bilby.run_sampler`` for models under which too few draws are left: the sampler is run again with these
        models, and the results are written next to the given one. By default nothing is run.
    npool
        Number of processes that evaluate likelihoods.
    outdir
        Folder of the results of new runs.
    lines, segments, method
        As for :func:`.choices.noise_models`: bands to leave out, which are found in the data by default, and the estimate that
        the noise curves are from.

    Raises
    ------
    DataError
        If the result has no weighted draws, was made with another likelihood, or the likelihood is marginalised or does not
        assume Gaussian noise of its curves.
    """
    npool, result = whole("npool", npool), result_of(result)
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
    """Check that the likelihood belongs to the result, and return all parameters of the best draw."""
    if not isinstance(likelihood, GravitationalWaveTransient):
        raise DataError(
            f"likelihood={type(likelihood).__name__}: give Bilby's GravitationalWaveTransient, with the data of the result"
        )
    if not gaussian_curves(likelihood):
        raise DataError(
            f"likelihood={type(likelihood).__name__} does not assume Gaussian noise of its curves: give the result and the "
            "likelihood of a run that does"
        )
    kept = kept_draws(result)
    if dropped := kept.statistics.get("marginalised"):
        raise DataError(
            f"the result {result.label!r} is marginalised over {dropped}, which the noise models here do not support: run it "
            "without marginalisation; flowpe draws these parameters in closed form anyway"
        )
    best = int(np.argmax(kept.column("log_likelihood")))
    row = {**AnyPrior(result.priors).fixed, **{key: float(value[best]) for key, value in kept.parameters.items()}}
    stored = float(kept.column("log_likelihood")[best])
    value = float(called(likelihood, row, bool(result.use_ratio)))
    if not abs(value - stored) <= _SAME * (1 + abs(stored)):
        raise DataError(
            f"the log likelihood of the best draw is {value:.6g} by likelihood={type(likelihood).__name__}, but {stored:.6g} "
            f"in the result {result.label!r}: give the likelihood that the result was made with"
        )
    return row


def _with_gaussian(models: dict[str, NoiseModel], likelihood: GravitationalWaveTransient) -> dict[str, NoiseModel]:
    """Put Gaussian noise of every data set first, as the model that others are compared with."""
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
    """A result under a noise model, with the fields of :class:`.compared.UnderModel` on how it was obtained."""

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
    """Weight the result by another likelihood, or run the sampler with it if too few draws are left and that is allowed."""
    slug = "".join(letter if letter.isalnum() else "_" for letter in name)
    with _quiet():
        # The verdict of each reweighted result would only repeat that of the run.
        other = reweight(result, likelihood, npool=npool, label=f"{result.label}_{slug}")
    said = statistics_of(other)
    effective, index = float(said["effective_sample_size"]), float(said.get("pareto_k", 0.0))
    limits = Thresholds()
    # As for the verdict, the tail index only counts if one weight stands out.
    even = float(said["largest_weight"]) * said.get("n_kept", said["n_draws"]) <= limits.even_weight
    if effective >= LEAST_EFFECTIVE and (even or not index > limits.pareto_k_check):
        return _Found(other)
    note = f"too few effective draws: {effective:.0f}, Pareto k {index:.2f}"
    if refine is None:
        return _Found(other, enough=False, note=f"{note}; do not trust this row without --refine")
    arguments = {"sampler": "flowpe", "npool": npool, **refine}
    fresh = bilby.run_sampler(
        likelihood, result.priors.copy(), outdir=str(outdir or result.outdir), label=other.label, **arguments
    )
    return _Found(fresh, anew=True, note=f"run again ({note})")


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
    """Return the standard error of the log ratio of two evidences from the same draws."""
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
