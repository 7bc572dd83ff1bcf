r"""Measurements on simulated events: mixture shares, null distribution and noise-curve tolerance of a trained model.

**Shares of the defensive mixture.** Draws of a pilot mixture of the flow, several broadened flows and the prior give,
for any other mixture :math:`q_a` of these, the efficiency that it would have had,

.. math:: \epsilon_a = \frac{(\sum_i w_i)^2}{N \sum_i w_i^2 \, q(x_i) / q_a(x_i)}, \qquad w_i = \pi L / q ,

so that one set of likelihood evaluations decides between all candidates.

**Surprise.** Simulated data are put through the representation, and simulated events are sampled with a few draws. This
gives the null distribution with which :mod:`bilby_flowpe.surprise` compares an event.

**Tolerance in the noise curve.** Events with another noise curve, whose :math:`\ln S` is changed by a smooth random
function of known rms, are analysed with the model. The tolerance is the largest change at which half of the efficiency
remains.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from bilby.gw.detector import PowerSpectralDensity
from bilby.gw.likelihood import GravitationalWaveTransient
from scipy.special import logsumexp

from ..bound import BoundPosterior
from ..importance import effective_sample_size
from ..model import TrainedPosterior
from ..priors import PriorTransform
from ..problem import Event, Problem, SimulationConfig
from ..problem.config import FIXED
from ..processes.parallel import Row, evaluate
from ..proposals.charts import dimension
from ..proposals.mixture import Mixture, Shares, on_network
from ..proposals.parts import BROAD, FLOW, Normal
from ..sampling.weighing import Target
from ..sampling.weighted import WeightedDraws
from ..surprise import Null
from ..translation.translated import as_it_stands

WIDTHS = (1.5, 2.0, 3.0)
"""Candidate standard deviations of the broadened flow, relative to the flow's own; they span a slight to a threefold
widening."""

BROAD_SHARES = (0.005, 0.02, 0.1)
"""Candidate shares of the broadened flow; a share costs at most as much of the efficiency, so that they reach up to a
tenth."""

PRIOR_SHARE = 0.002
"""Share of the prior in every candidate mixture: it bounds the weights and costs at most 0.2% of the efficiency."""

MOVES = (0.1, 0.2, 0.4, 0.8)
"""Rms changes of ln S, each a factor of two larger than the one before, at which the efficiency is measured."""

FAR_MOVES = (1.2, 1.6)  # further rms changes of ln S, for models trained for many noise curves
_PILOT = (0.55, 0.1, 0.1, 0.1, 0.15)
"""Shares of the pilot mixture: the flow, its three broadened versions and the prior. Every part has enough draws to
judge any candidate mixture of them."""

# Events and draws of each with which the noise-curve tolerance is measured: enough for a median efficiency.
_PSD_EVENTS, _PSD_DRAWS = 8, 300
_WAVES = 4
"""Cosine terms of the random change of ln S: a scale and three waves over the band, so that the change is smooth."""

# Simulations for the null distribution of the features (more for many features), and how many are made at once.
_SIMULATIONS, _CHUNK = 8192, 2048
_RESIDUAL_DRAWS = 64
"""Draws for each simulated event to find a good fit: the residual needs the best likelihood, and no posterior."""

# least numbers of simulated events, however long they take: means and tails of fewer would be meaningless
_LEAST_EVENTS, _LEAST_NULL = 6, 64


@dataclass(frozen=True)
class Calibration:
    """Measured properties of a model.

    Attributes
    ----------
    shares
        The mixture with the best mean efficiency.
    psd_tolerance
        Largest rms difference of ``ln S`` from the curve of the training up to which half of the efficiency remains.
    table
        Mean and 10th percentile of the efficiency of each candidate, and of the flow alone; median efficiency for each
        change of the noise curve.
    null
        Null distribution of the surprise about an event's data; ``None`` if it was not measured.
    """

    shares: Shares
    psd_tolerance: float
    table: dict[str, Any]
    null: Null | None = None


def calibrate(
    model: TrainedPosterior,
    problem: Problem,
    events: int = 24,
    draws: int = 500,
    seed: int = 0,
    npool: int = 1,
    null_events: int = 500,
    seconds: float | None = None,
) -> Calibration:
    """Measure a model on newly simulated events of its own problem.

    Parameters
    ----------
    model
        The model; it is not changed.
    problem
        The model's problem; its data do not matter.
    events, draws
        Number of events, and number of draws for each of them.
    seed
        Seed of events and draws.
    npool
        Number of processes.
    null_events
        Simulated events for the residuals of the surprise; 0 to measure no surprise.
    seconds
        Time in seconds that the measurements may take; fewer events are simulated if all would take longer, but at
        least a few.
    """
    began = time.monotonic()
    candidates = [Shares(broad, PRIOR_SHARE, width) for width in WIDTHS for broad in BROAD_SHARES]
    rows = []
    for event in problem.events(events, seed, 1):
        bound = BoundPosterior(model, event.problem)
        weighted = _draw(bound, _pilot(bound, problem.prior), event, draws, npool)
        rows.append([_efficiency(weighted, None), *(_efficiency(weighted, shares) for shares in candidates)])
        # The noise curves take as many draws again.
        if seconds is not None and len(rows) >= _LEAST_EVENTS and time.monotonic() - began > 0.25 * seconds:
            break
    efficiency = np.array(rows)
    mean, low = efficiency.mean(axis=0), np.quantile(efficiency, 0.1, axis=0)
    best = int(np.argmax(mean[1:]))
    table: dict[str, Any] = {
        "events": len(rows),
        "draws": draws,
        "seed": seed,
        "flow alone": [float(mean[0]), float(low[0])],
        "mixtures": [
            {**shares.to_dict(), "mean": float(mean[1 + i]), "10th percentile": float(low[1 + i])}
            for i, shares in enumerate(candidates)
        ],
    }
    tolerance = 0.0
    if problem.has_noise_curves:
        tolerance, table["noise curves"] = _psd_tolerance(model, problem, seed, npool)
    if seconds is not None and null_events:
        null_events = _affordable(model, problem, seed, 0.5 * seconds * npool, null_events)
    null = measure_null(model, problem, null_events, seed, npool) if null_events else None
    return Calibration(candidates[best], tolerance, table, null)


def _affordable(model: TrainedPosterior, problem: Problem, seed: int, seconds: float, most: int) -> int:
    """Return how many events for residuals can be simulated in ``seconds`` of one process, from the time of two of them."""
    if not problem.has_noise_curves:
        return most
    residual, began = _Residual(model, problem, seed), time.monotonic()
    for index in range(2):
        residual({"event": float(index)})
    each = (time.monotonic() - began) / 2
    return int(np.clip(seconds / max(each, 1e-9), min(_LEAST_NULL, most), most))


def measure_null(
    model: TrainedPosterior,
    problem: Problem,
    events: int = 500,
    seed: int = 0,
    npool: int = 1,
) -> Null:
    """Measure the null distribution of the surprise: data of simulated events of the model's own problem.

    Parameters
    ----------
    model
        The model; it is not changed.
    problem
        The model's problem; its data do not matter.
    events
        Number of simulated events for the residuals.
    seed
        Seed of all random numbers.
    npool
        Number of processes.
    """
    rng, generator = np.random.default_rng((seed, 3)), torch.Generator().manual_seed(seed)
    size = max(_SIMULATIONS, 8 * model.representation.features)
    # Events are drawn from the unmodified prior: training may have had fewer quiet events, and these must not be a
    # surprise.
    config = SimulationConfig(n_waveforms=size, flatten_snr=False, psd=model.psd)
    bank = problem.bank(config, npool, seed, model.grid, progress=False)
    contexts: list[np.ndarray] = []
    found: list[np.ndarray] = []
    for begin in range(0, size, _CHUNK):
        data = bank.add_noise(bank.draw(min(_CHUNK, size - begin), rng).data, generator)
        contexts.append(model.representation(data)[0].numpy())
        if (loudest := model.representation.log_likelihood_found(data)) is not None:
            found.append(loudest)
    residuals = None
    if problem.has_noise_curves:
        # As rows of a task, so that an interrupted run can keep them: one row is one event.
        rows = [{"event": float(index)} for index in range(events)]
        residuals = evaluate(_Residual(model, problem, seed), rows, npool)[0][:, 0]
    loudness = np.concatenate(found) if found else None
    return Null.fit(np.concatenate(contexts), loudness, residuals)


@dataclass
class _Residual:
    """Task that returns the power left in the data of one simulated event after the best of a few draws; picklable."""

    model: TrainedPosterior
    problem: Problem
    seed: int

    def __call__(self, row: Row) -> np.ndarray:
        threads = torch.get_num_threads()
        # A forked process that starts further threads may hang.
        torch.set_num_threads(1)
        try:
            return np.array([self._residual(int(row["event"]))])
        finally:
            torch.set_num_threads(threads)

    def _residual(self, index: int) -> float:
        event = self.problem.event((self.seed, index, 4))
        bound = BoundPosterior(self.model, event.problem)
        weighted = _draw(bound, bound.mixture(), event, _RESIDUAL_DRAWS, 1)
        best = max(float(np.max(weighted.log_likelihood)), bound.log_likelihood_found or -np.inf)
        residual = event.problem.residual(best)
        return np.nan if residual is None else residual


def moved_psd(likelihood: GravitationalWaveTransient, move: float, rng: np.random.Generator) -> None:
    """Multiply the noise curve of every detector by a smooth random function, a constant factor included.

    Parameters
    ----------
    likelihood
        The likelihood, which is changed in place.
    move
        Rms change of ln S over the detector's band.
    rng
        Source of randomness for the function.
    """
    for interferometer in likelihood.interferometers:
        frequencies, mask = interferometer.frequency_array, interferometer.frequency_mask
        position = np.log(np.maximum(frequencies, frequencies[mask][0]) / frequencies[mask][0])
        position /= position[mask][-1]
        waves = np.cos(np.pi * np.arange(_WAVES)[:, None] * position)
        change = rng.standard_normal(_WAVES) @ waves
        change *= move / np.sqrt(np.mean(change[mask] ** 2))
        psd = interferometer.power_spectral_density_array
        interferometer.power_spectral_density = PowerSpectralDensity(
            frequency_array=frequencies, psd_array=np.where(np.isfinite(psd), psd * np.exp(change), psd)
        )


def _psd_tolerance(model: TrainedPosterior, problem: Problem, seed: int, npool: int) -> tuple[float, dict[str, float]]:
    medians: dict[str, float] = {}
    moves = MOVES if model.psd == FIXED else (*MOVES, *FAR_MOVES)
    for move in (0.0, *moves):
        found = []
        for index, event in enumerate(problem.events(_PSD_EVENTS, seed, 2)):
            if move:
                moved_psd(event.problem.likelihood, move, event.rng)
                # The same signal and the same white noise, coloured by the changed curve.
                event = replace(event, problem=event.problem.event((seed, index, 2)).problem)
            bound = BoundPosterior(model, event.problem)
            weighted = _draw(bound, bound.mixture(), event, _PSD_DRAWS, npool)
            found.append(effective_sample_size(weighted.log_weights) / _PSD_DRAWS)
        medians[f"{move:g}"] = float(np.median(found))
    return borne(medians), medians


def borne(medians: dict[str, float]) -> float:
    """Return the largest of :data:`MOVES` up to which at least half of the efficiency at no change remains."""
    tolerance = 0.0
    for move in (move for move in (*MOVES, *FAR_MOVES) if f"{move:g}" in medians):
        if medians[f"{move:g}"] < 0.5 * medians["0"]:
            break
        tolerance = move
    return tolerance


def _pilot(bound: BoundPosterior, prior: PriorTransform) -> Mixture:
    """Return the pilot mixture: the flow, the flow at every width, and the prior."""
    size = dimension(bound)
    widths = {f"{BROAD} {width:g}": Normal(size, width) for width in WIDTHS}
    return on_network(bound, {FLOW: Normal(size), **widths}, prior, _PILOT)


def _draw(bound: BoundPosterior, proposal: Mixture, event: Event, draws: int, npool: int) -> WeightedDraws:
    problem, rng = event.problem, event.rng
    target = Target(as_it_stands(problem), problem.has_ratio, bound.conditional, npool)
    return target.draw(proposal, draws, rng)


def _efficiency(weighted: WeightedDraws, shares: Shares | None) -> float:
    """Return the efficiency that a mixture of the parts would have had; of the flow alone if ``shares`` is ``None``."""
    alive = np.isfinite(weighted.log_weights)
    if not alive.any():
        return 0.0
    log_w, log_q = weighted.log_weights, weighted.draws.log_q
    parts = weighted.draws.log_parts - np.log(_PILOT)
    if shares is None:
        # Only its own draws count: in the region of other draws, its tails are too thin for a finite variance of its
        # weights.
        own = weighted.draws.part == 0
        log_flow = np.where(alive[own], log_w[own] + np.where(alive[own], log_q[own] - parts[own, 0], 0), -np.inf)
        return effective_sample_size(log_flow) / max(own.sum(), 1)
    log_w, log_q, parts = log_w[alive], log_q[alive], parts[alive]
    chosen = np.zeros(len(_PILOT))
    chosen[0] = 1 - shares.broad - shares.prior
    chosen[1 + WIDTHS.index(shares.width)] = shares.broad
    chosen[-1] = shares.prior
    with np.errstate(divide="ignore"):
        log_candidate = logsumexp(parts + np.log(chosen), axis=1)
    log_ratio = 2 * logsumexp(log_w) - np.log(len(weighted.log_weights)) - logsumexp(2 * log_w + log_q - log_candidate)
    return float(min(np.exp(log_ratio), 1.0))


def calibrated(model: TrainedPosterior, calibration: Calibration) -> TrainedPosterior:
    """Return the model with the measured properties and their table."""
    information = {
        **model.information,
        "psd_tolerance": calibration.psd_tolerance,
        "calibration": calibration.table,
    }
    null = model.null if calibration.null is None else calibration.null
    return replace(model, shares=calibration.shares, information=information, null=null)


def describe_calibration(calibration: Calibration) -> Sequence[str]:
    """Describe the measurements in lines of text."""
    table = calibration.table
    lines = [f"flow alone: mean efficiency {table['flow alone'][0]:.4f}, 10th percentile {table['flow alone'][1]:.4f}"]
    lines += [
        f"broad {row['broad']:g} of width {row['width']:g}, prior {row['prior']:g}: mean {row['mean']:.4f}, 10th percentile "
        f"{row['10th percentile']:.4f}"
        for row in table["mixtures"]
    ]
    lines.append(f"chosen: {calibration.shares}")
    if "noise curves" in table:
        moves = ", ".join(f"{move}: {median:.3f}" for move, median in table["noise curves"].items())
        lines.append(f"median efficiency by rms change of ln S: {moves}; tolerance {calibration.psd_tolerance:g}")
    if null := calibration.null:
        events = f", {len(null.residuals)} events" if len(null.residuals) else ""
        lines.append(f"surprise: compared with {len(null.distances)} simulations{events}")
    return lines
