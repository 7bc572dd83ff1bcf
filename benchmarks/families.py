"""Measure networks of families of black-hole binaries on simulated events of a broad population.

    python benchmarks/families.py bbh-aligned --mode pilot --events 0:1000 --outdir DIR
    python benchmarks/families.py bbh-aligned --mode run --events 0:300 --outdir DIR
    python benchmarks/families.py bbh-aligned --mode none --events 0:300 --outdir DIR
    python benchmarks/families.py --table DIR/runs.jsonl

The events are those of ``families_events.py``. ``--model`` chooses another network than that of the family, by name or folder.
Each event is a line of JSON in ``DIR/runs.jsonl``; finished ones are not computed again, so that the same command continues a
run that was stopped.

- ``pilot`` ends with the efficiency before any refinement: it searches, applies the network to the data, and makes the
  draws by which a run decides (a fifth of ``--effective``), weighed by the coarse likelihood. If a network cannot be
  applied, the efficiency is zero.
- ``run`` is a whole run with the network, ``none`` one without a network.

CPU seconds are those of this process, from ``run_sampler`` to the end of the mode. Ranks of the true values are computed
among raw draws of the network (without those outside of the range from which true values are drawn), and among weighted draws,
whose weights use the density of the true values instead of the prior (``Event.log_change``).

These figures are in nats, for the parameters that the network draws:

- ``loss``: the mean over the posterior of the logarithm of posterior over network density. It includes what the view
  loses of the data, and what the network has not learnt of the view. ``loss_drawn`` is the same for the mixture that is
  used for drawing. If efficiencies are low, both are too small, because so few draws do not show all differences. With
  latent variables, both are for parameters and latent variables together, which is more than for the parameters alone;
- ``loss_at_truth``: the logarithm of posterior over network density at the true values. Its mean over events is that of
  ``loss``, except for the difference between the prior and the density of the true values.

``efficiency`` is that of the mixture, as in a run; ``efficiency_network`` is that of the network before it is adapted to the
event, with the usual defensive parts, estimated from the same draws.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when NumPy is loaded, below

import bilby
import numpy as np
from families_events import APPROXIMANTS, SEED, Event, event_of, in_range
from real_event import Run, read
from scipy.special import logsumexp

import bilby_flowpe.run
from bilby_flowpe import pytorch
from bilby_flowpe.errors import ContractError
from bilby_flowpe.family.bounds import FAMILIES
from bilby_flowpe.family.shipped import folder_of
from bilby_flowpe.names import INCLINATION
from bilby_flowpe.priors import Parameters
from bilby_flowpe.proposals.mixture import Draws, Shares, defensive, flow_alone, marginal_log_prob
from bilby_flowpe.sampling.event import EventSampler

MODES = ("pilot", "run", "none")
RAW = 1000  # draws of the network as they are
REPEATED = 64  # draws of the other parameters at the truth, and of latent variables
KEPT = (
    "verdict", "reasons", "effective_sample_size", "efficiency", "pilot_efficiency", "pareto_k", "n_coarse_evaluations",
    "model", "seconds",
)  # fmt: skip


class PilotDone(Exception):
    """Ends a run at its pilot; it has what the run had made by then, and the pilot's draws if there is a network."""

    def __init__(self, sampler: EventSampler, weighted: Any = None) -> None:
        super().__init__()
        self.sampler, self.weighted, self.ended = sampler, weighted, time.process_time()


class ToThePilot(EventSampler):
    """Goes as far as the pilot."""

    def run(self) -> Any:
        """End here where there is no network."""
        if self.chart is None:
            raise PilotDone(self)
        return super().run()

    def _drawn(self, target: Any, proposal: Any, size: int, stage: str) -> Any:
        weighted = super()._drawn(target, proposal, size, stage)
        if stage == "pilot":
            raise PilotDone(self, weighted)
        return weighted


def sampled(event: Event, index: int, given: argparse.Namespace, **settings: Any) -> Any:
    """Bilby's result."""
    with tempfile.TemporaryDirectory(dir=given.outdir) as folder:
        return bilby.run_sampler(
            event.likelihood, event.priors, sampler="flowpe", n_effective=given.effective, sampling_seed=index,
            npool=given.npool, outdir=folder, label="event", save=False, resume=False, clean=True, progress=False,
            **settings,
        )  # fmt: skip


def pilot(event: Event, index: int, given: argparse.Namespace) -> Run:
    """Run until the efficiency of the network is known."""
    began, kept = time.process_time(), bilby_flowpe.run.EventSampler
    bilby_flowpe.run.EventSampler = ToThePilot  # type: ignore[misc]
    try:
        sampled(event, index, given, model=given.model)
    except ContractError as error:
        return {"cpu_seconds": time.process_time() - began, "efficiency": 0.0, "obstacle": str(error)}
    except PilotDone as done:
        if done.weighted is None:
            return {"cpu_seconds": done.ended - began, "efficiency": 0.0, "obstacle": "it cannot be bound to the data"}
        return {"cpu_seconds": done.ended - began, **measured(event, index, done)}
    finally:
        bilby_flowpe.run.EventSampler = kept  # type: ignore[misc]
    raise RuntimeError("the run has ended before its pilot")


def measured(event: Event, index: int, done: PilotDone) -> Run:
    """Return the figures of a pilot."""
    rng = np.random.default_rng((SEED, index, 1))
    chart, weighted, summary = done.sampler.chart, done.weighted, done.weighted.summary()
    keys = list(chart.model.family.keys)
    truth = {key: np.full(REPEATED, event.truth[key]) for key in chart.keys}
    raw = flow_alone(chart).draw(RAW, rng)
    within = np.where(raw.inside, in_range(raw.parameters["chirp_mass"], event.drawn_within), -np.inf)
    once = {key: value[:1] for key, value in truth.items()}
    log_q = float(marginal_log_prob(flow_alone(chart), once, REPEATED, rng)[0])
    log_p = log_posterior(done, truth, rng)
    log_prior = float(done.sampler.target.prior.log_prob(whole_row(done.sampler.target, once), chart.keys)[0])
    return {
        "efficiency": summary.efficiency, "effective": summary.effective_sample_size, "pareto_k": summary.pareto_k,
        "snr_found": chart.seen.snr, "unreached": float(np.mean(~raw.inside)),
        **of_network(chart, done.sampler.target.prior, weighted),
        "log_q_truth": log_q, "log_p_truth": log_p, "log_prior_truth": log_prior, "loss_at_truth": log_p - log_q,
        "ranks_raw": ranks(raw.parameters, within, event, [key for key in keys if key in chart.keys], rng),
        "ranks": ranks(weighted.columns, weighted.log_weights + event.log_change(weighted.columns), event, keys, rng),
    }  # fmt: skip


def of_network(chart: Any, prior: Any, weighted: Any) -> Run:
    """Efficiency of the network as it was learnt and its loss, and the loss of what has drawn; all from the latter's draws."""
    alive = np.isfinite(weighted.log_weights)
    log_weights = weighted.log_weights[alive]
    bars = np.exp(log_weights - logsumexp(log_weights))
    drawn = {key: value[alive] for key, value in weighted.draws.parameters.items()}
    # Logarithms of the posterior over what has drawn, and of the posterior itself.
    over_drawn = log_weights - logsumexp(log_weights) + np.log(len(alive))
    log_p = over_drawn + weighted.draws.log_q[alive]
    over_defended = log_p - defensive(chart, prior, Shares()).log_prob(drawn)
    return {
        "loss": float(bars @ (log_p - flow_alone(chart).log_prob(drawn))), "loss_drawn": float(bars @ over_drawn),
        "efficiency_network": float(np.exp(-logsumexp(over_defended, b=bars))),
    }  # fmt: skip


def whole_row(target: Any, parameters: Parameters) -> Parameters:
    """The same with medians for all other parameters of the prior."""
    size = len(next(iter(parameters.values())))
    return {key: np.full(size, value) for key, value in target.prior.from_median().items()} | parameters


def log_posterior(done: PilotDone, truth: Parameters, rng: np.random.Generator) -> float:
    """Logarithm of the posterior's density, by the coarse likelihood; all that the network does not draw is integrated out."""
    none = np.zeros(REPEATED)
    draws = Draws(truth, none, np.ones(REPEATED, bool), none[:, None], none.astype(int), none)
    found = done.sampler.steering.weigh(draws, rng, checks=0).log_weights
    log_evidence = logsumexp(done.weighted.log_weights) - np.log(len(done.weighted.log_weights))
    return float(logsumexp(found) - np.log(REPEATED) - log_evidence)


def ranks(
    columns: Parameters, log_weights: np.ndarray, event: Event, keys: list[str], rng: np.random.Generator
) -> dict[str, float]:
    """Share of the weight below the truth, filled by chance as for as many draws of equal weight as are effective."""
    weights = (
        np.exp(log_weights - np.max(log_weights)) if np.isfinite(log_weights).any() else np.zeros(len(log_weights))
    )
    effective = weights.sum() ** 2 / max(np.sum(weights**2), np.finfo(float).tiny)
    weights = weights / max(weights.sum(), np.finfo(float).tiny)
    below = {
        key: float(np.sum(weights[columns[key] < event.truth[key]]))
        for key in dict.fromkeys((*keys, INCLINATION))
        if key in columns
    }
    return {key: min((share * effective + rng.random()) / (effective + 1), 1.0) for key, share in below.items()}


def run(event: Event, index: int, given: argparse.Namespace) -> Run:
    """A whole run."""
    settings = {"network": "none"} if given.mode == "none" else {"model": given.model}
    began = time.process_time()
    try:
        result = sampled(event, index, given, **settings)
    except ContractError as error:
        return {"cpu_seconds": time.process_time() - began, "verdict": "refused", "obstacle": str(error)}
    seconds, statistics = time.process_time() - began, result.meta_data["run_statistics"]
    rng, posterior = np.random.default_rng((SEED, index, 2)), result.posterior
    columns = {key: posterior[key].to_numpy(dtype=float) for key in event.priors}
    keys = list(FAMILIES[given.family].keys)
    return {
        "cpu_seconds": seconds, "log_bayes_factor": float(result.log_bayes_factor),
        "error": float(result.log_evidence_err), "evaluations": int(result.num_likelihood_evaluations),
        "ranks": ranks(columns, event.log_change(columns), event, keys, rng),
        "statistics": {key: statistics.get(key) for key in KEPT},
        "verdict": statistics["verdict"],
    }  # fmt: skip


def named(given: argparse.Namespace) -> str:
    """Name of the network of a run."""
    return "none" if given.mode == "none" else folder_of(given.model).name


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("family", nargs="?", choices=APPROXIMANTS)
    found.add_argument("--mode", choices=MODES, default="pilot")
    found.add_argument("--model", help="name or folder of the network (default: that of the family)")
    found.add_argument(
        "--events", default="0:300", help="numbers of the first event and of the one after the last, as A:B"
    )
    found.add_argument("--effective", type=int, default=5000, help="flowpe's n_effective")
    found.add_argument("--npool", type=int, default=1)
    found.add_argument("--outdir", type=Path, default=Path("outdir/families"))
    found.add_argument(
        "--table", type=Path, nargs="+", metavar="FILE", help="print tables of the results in these files"
    )
    return found


def main() -> None:
    """Do the events that have no line yet, or print what there is."""
    given = parser().parse_args()
    if given.table:
        from families_table import table

        return table(read(given.table))
    if given.family is None:
        parser().error("name a family, or files with --table")
    given.model = given.model or given.family
    given.outdir.mkdir(parents=True, exist_ok=True)
    bilby.core.utils.setup_logger(log_level="WARNING")
    # Not counted: every run needs it, with and without a network alike.
    pytorch.load()
    path = given.outdir / "runs.jsonl"
    name = {"family": given.family, "mode": given.mode, "model": named(given), "n_effective": given.effective}
    done = {one["event"] for one in (read([path]) if path.exists() else []) if {**one, **name} == one}
    for index in range(*map(int, given.events.split(":"))):
        if index in done:
            continue
        event = event_of(given.family, index)
        of_event = {
            "event": index, "snr": event.snr, "truth": event.truth, "detectors": "".join(event.detectors),
            "duration": event.duration,
        }  # fmt: skip
        found = {**name, **of_event, **(pilot if given.mode == "pilot" else run)(event, index, given)}
        with path.open("a") as file:
            file.write(json.dumps(found, default=float) + "\n")
        told = found.get("verdict") or f"efficiency {found['efficiency']:.3f}"
        print(f"event {index}: {told}, {found['cpu_seconds']:.1f} CPU seconds", flush=True)


if __name__ == "__main__":
    main()
