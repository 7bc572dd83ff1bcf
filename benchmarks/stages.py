"""Time every stage of the package, and compare it with the hardware or the bare library, alternately and in one run.

    python benchmarks/stages.py --output stages.json

Pairs are timed alternately, and the ratio is taken pair by pair: printed are its median, least and largest. The problem is the
paper's five-parameter one.

- *simulation*: waveforms made and stored, against bare calls of the waveform generator in as many processes;
- *training batch*: simulation and representation of a batch, against the step of the network on it, in the same thread;
- *training step*: rate of floating-point operations, against a matrix product of the network's sizes in the same precision, for
  the default network and that of the paper;
- *draws*: of the shipped networks, a thousand to a million;
- *weighing*: draws with what is drawn conditionally and the spot check, against bare calls of the likelihood;
- *import*: of Bilby alone, and with this package;
- *million* (if asked for, ``--only million``): a million waveforms, and the memory that they take.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from multiprocessing import Pool
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bilby.core.utils import logger
from torch.utils.flop_counter import FlopCounterMode

from bilby_flowpe.kinds import problem_of
from bilby_flowpe.model import find_model
from bilby_flowpe.networks import NetworkConfig, compact, green2020
from bilby_flowpe.networks.families import build_network
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.problem import SimulationConfig
from bilby_flowpe.problems import green2020 as problem
from bilby_flowpe.representation import RepresentationConfig
from bilby_flowpe.representation.aligned import AlignedRepresentation
from bilby_flowpe.representation.coordinates import CoordinateConfig, Coordinates
from bilby_flowpe.sampling.weighing import Target
from bilby_flowpe.storage.folder import write_text
from bilby_flowpe.training.stream import Stream
from bilby_flowpe.translation.translated import as_it_stands

STAGES = ("simulation", "training", "draws", "weighing", "imports", "million")
MODELS = ("green2020-5d-maf", "green2020-5d-cvae+", "green2020-8d-maf")


@dataclass
class Line:
    """A figure: its name, its unit, and its ratio to a reference over all pairs."""

    stage: str
    what: str
    value: float
    unit: str
    yardstick: str = ""
    ratio: float = float("nan")
    least: float = float("nan")
    largest: float = float("nan")

    def __str__(self) -> str:
        said = f"{self.stage:<15}{self.what:<44}{self.value:>12.4g} {self.unit:<12}"
        if not self.yardstick:
            return said.rstrip()
        return f"{said}{self.ratio:>6.2f} [{self.least:.2f}, {self.largest:.2f}] of {self.yardstick}"


def paired(ours: Callable[[], float], theirs: Callable[[], float], pairs: int) -> tuple[float, np.ndarray]:
    """Median of our rates, and the ratios of both, pair by pair."""
    rates = np.array([(ours(), theirs()) for _ in range(pairs)])
    return float(np.median(rates[:, 0])), rates[:, 0] / rates[:, 1]


def against(stage: str, what: str, unit: str, yardstick: str, measured: tuple[float, np.ndarray]) -> Line:
    value, ratios = measured
    return Line(stage, what, value, unit, yardstick, float(np.median(ratios)), float(ratios.min()), float(ratios.max()))


def timed(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


class Bare:
    """Calls of a function of Bilby's on rows, nothing kept."""

    def __init__(self, call: Callable[[dict[str, float]], Any]) -> None:
        self.call = call

    def __call__(self, rows: list[dict[str, float]]) -> int:
        for row in rows:
            self.call(dict(row))
        return len(rows)


def spread_over(call: Callable[[dict[str, float]], Any], rows: list[dict[str, float]], npool: int) -> float:
    """Calls a second, in processes that are started before the clock is."""
    pieces = [rows[first : first + 64] for first in range(0, len(rows), 64)]
    if npool == 1:
        return len(rows) / timed(lambda: Bare(call)(rows))
    with Pool(npool) as pool:
        pool.map(Bare(call), [piece[:1] for piece in pieces[:npool]])
        return len(rows) / timed(lambda: pool.map(Bare(call), pieces))


def simulation(npool: int, waveforms: int, pairs: int) -> Iterator[Line]:
    likelihood, priors = problem(5, seed=1)
    transform = PriorTransform(priors)
    config = SimulationConfig(n_waveforms=waveforms)
    generator = likelihood.waveform_generator
    rows = [{**transform.fixed, **row} for row in _rows(transform, waveforms)]

    def ours() -> float:
        bank = problem_of(likelihood, transform).bank(SimulationConfig(n_waveforms=10), progress=False)
        bank.config = config
        return waveforms / timed(lambda: bank._simulate(npool, np.random.default_rng(1), False))

    found = paired(ours, lambda: spread_over(generator.frequency_domain_strain, rows, npool), pairs)
    yield against("simulation", f"waveforms stored, {npool} processes", "a second", "bare generator calls", found)


def _rows(transform: PriorTransform, size: int) -> list[dict[str, float]]:
    draws = transform.sample(size, np.random.default_rng(1))
    return [{key: float(value[index]) for key, value in draws.items()} for index in range(size)]


def training(npool: int, pairs: int, batch: int) -> Iterator[Line]:
    likelihood, priors = problem(5, seed=1)
    transform = PriorTransform(priors)
    bank = problem_of(likelihood, transform).bank(SimulationConfig(n_waveforms=4000), npool, seed=1, progress=False)
    rng, generator = np.random.default_rng(1), torch.Generator().manual_seed(1)
    representation = AlignedRepresentation.fit(bank, RepresentationConfig(), False, rng, generator)
    coordinates = Coordinates(transform, CoordinateConfig(("mass_1", "mass_2")), bank.view.arrival)
    stream = Stream(bank, representation, coordinates, rng, generator)
    signals, _, pivot = stream.simulated(4096)
    coordinates.standardise(signals.parameters, pivot)
    for name, config, size in (
        ("default 5-D network", compact("maf"), batch),
        ("network of the paper's size", green2020("maf"), batch),
    ):
        for bf16 in (False, True):
            network = build_network(2, representation.features, config)
            step = Step(network, stream(size), bf16)
            precision = "bfloat16" if bf16 else "float32"
            if name.startswith("default"):
                found = paired(lambda: 1 / timed(lambda: stream(size)), lambda: 1 / timed(step), pairs)  # noqa: B023
                yield Line(
                    "training batch", f"share of a step with its batch, {precision}",
                    100 * float(np.median(1 / (1 + found[1]))), "%",
                )  # fmt: skip
            rate = paired(lambda: step.flops / timed(step) / 1e9, lambda: product(config, size, bf16), pairs)  # noqa: B023
            yield against("training step", f"{name}, {precision}", "GFLOP/s", "a matrix product", rate)


class Step:
    """Optimiser step on a batch."""

    def __init__(self, network: torch.nn.Module, batch: Any, bf16: bool) -> None:
        self.network, self.batch, self.bf16 = network.train(), batch, bf16
        self.optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)
        self.noise = torch.Generator().manual_seed(1)
        with FlopCounterMode(display=False) as counter:
            self()
        self.flops = counter.get_total_flops()

    def __call__(self) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.bf16):
            terms = self.network.loss_terms(self.batch.x, self.batch.context, self.noise)
            loss = sum(rows.mean() for rows in terms.values())
        loss.backward()
        self.optimizer.step()


def product(config: NetworkConfig, rows: int, bf16: bool) -> float:
    """Rate of a matrix product of a batch with the network's widest layer, in GFLOP/s."""
    width = max(config.hidden_features)
    dtype = torch.bfloat16 if bf16 else torch.float32
    a, b = torch.randn(rows, width).to(dtype), torch.randn(width, width).to(dtype)
    repeats = 20
    seconds = timed(lambda: [a @ b for _ in range(repeats)])
    return 2 * rows * width**2 * repeats / seconds / 1e9


def draws(sizes: list[int]) -> Iterator[Line]:
    for name in MODELS:
        model = find_model(name)
        likelihood, priors = problem(8 if "8d" in name else 5, seed=1)
        bound = model.bind(likelihood, PriorTransform(priors))
        for size in sizes:
            rng = np.random.default_rng(size)
            base = rng.standard_normal((size, len(bound.keys) + len(bound.latent)))
            yield Line("draws", f"{name}, {size}", size / timed(lambda: bound.inverse(base, rng)), "a second")  # noqa: B023


def weighing(npool: int, size: int, pairs: int) -> Iterator[Line]:
    likelihood, priors = problem(5, seed=1)
    transform = PriorTransform(priors)
    bound = find_model(MODELS[0]).bind(likelihood, transform)

    def ours() -> float:
        target = Target(as_it_stands(problem_of(likelihood, transform)), True, bound.conditional, npool)
        rng = np.random.default_rng(1)
        return size / timed(lambda: target.draw(bound.mixture(), size, rng))

    rows = [{**transform.fixed, **row} for row in _rows(transform, size)]
    found = paired(ours, lambda: spread_over(likelihood.log_likelihood_ratio, rows, npool), pairs)
    yield against("weighing", f"draws with weights, {npool} processes", "a second", "bare likelihood calls", found)


def million(npool: int) -> Iterator[Line]:
    """Simulate a million waveforms in a separate process, whose memory is measured when it ends."""
    done = subprocess.run(
        [sys.executable, "-c", _MILLION.format(npool=npool)], check=True, capture_output=True, text=True
    )
    seconds, own, workers = map(float, done.stdout.split()[-3:])
    yield Line("a million", f"waveforms stored, {npool} processes", 1e6 / seconds, "a second")
    yield Line("a million", "memory of the process that holds them", own / 2**20, "GiB")
    yield Line("a million", "of the largest worker, shared with it in part", workers / 2**20, "GiB")


_MILLION = """
import resource, time
import numpy as np
from bilby.core.utils import logger
logger.setLevel("ERROR")
from bilby_flowpe.problems import green2020
from bilby_flowpe.translation.translated import as_it_stands
from bilby_flowpe.kinds import problem_of
from bilby_flowpe.problem import SimulationConfig
likelihood, priors = green2020(5, seed=1)
began = time.perf_counter()
config = SimulationConfig(n_waveforms=10**6)
bank = problem_of(likelihood, priors).bank(config, npool={npool}, seed=1, progress=False)
for _ in range(10):
    bank.draw(1024, np.random.default_rng(1))
seconds = time.perf_counter() - began
who = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
print(seconds, *(resource.getrusage(one).ru_maxrss for one in who))
"""


def imports(pairs: int) -> Iterator[Line]:
    def started(code: str) -> float:
        return timed(lambda: subprocess.run([sys.executable, "-c", code], check=True, capture_output=True))

    found = paired(lambda: started("import bilby; import bilby_flowpe"), lambda: started("import bilby"), pairs)
    yield against("import", "seconds with this package", "s", "Bilby alone", found)
    loaded = "import sys, bilby, bilby_flowpe; print('torch' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", loaded], check=True, capture_output=True, text=True).stdout
    yield Line("import", "torch is loaded by it", float(said.strip() == "True"), "(0: no)")
    seconds = [
        timed(lambda: subprocess.run(["flowpe", "--help"], check=True, capture_output=True)) for _ in range(pairs)
    ]
    yield Line("import", "flowpe --help", float(np.median(seconds)), "s")


def main() -> None:
    """Print the table and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--npool", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--waveforms", type=int, default=8000)
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--draws", type=int, nargs="+", default=[1000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--weighed", type=int, default=8000)
    parser.add_argument("--only", nargs="+", choices=STAGES)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    logger.setLevel("ERROR")
    stages: dict[str, Callable[[], Iterator[Line]]] = {
        "simulation": lambda: simulation(arguments.npool, arguments.waveforms, arguments.pairs),
        "training": lambda: training(arguments.npool, arguments.pairs, arguments.batch),
        "draws": lambda: draws(arguments.draws),
        "weighing": lambda: weighing(arguments.npool, arguments.weighed, arguments.pairs),
        "imports": lambda: imports(arguments.pairs),
        "million": lambda: million(arguments.npool),
    }
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, torch with {torch.get_num_threads()} threads"
    )
    lines = []
    for name, stage in stages.items():
        if name not in (arguments.only or STAGES[:-1]):
            continue
        for line in stage():
            print(line, flush=True)
            lines.append(line)
        peak = (
            max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 2**20
        )
        lines.append(Line(name, "peak memory so far, largest process", peak, "GiB"))
        print(lines[-1], flush=True)
    if arguments.output:
        write_text(arguments.output, json.dumps([asdict(line) for line in lines], indent=1))


if __name__ == "__main__":
    main()
