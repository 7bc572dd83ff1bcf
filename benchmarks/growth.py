"""Measure how costs grow with seconds of data, detectors, parameters, draws and stored waveforms; fit exponents and plot.

    python benchmarks/growth.py --picture growth.png --output growth.json

It uses one core and one torch thread. Each cost is the smallest of some repetitions, except for long ones, which are measured
once. The exponent is the slope of the logarithms over the upper half of each range, where constant costs matter little; with
three points, all are used.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bilby
import numpy as np
import torch
from bilby.core.prior import Cosine, PowerLaw, Sine, Uniform
from bilby.core.utils import logger

from bilby_flowpe.conditional.base import ConditionalConfig
from bilby_flowpe.conditional.closed_form import ExactConditional
from bilby_flowpe.conditional.coherent import CoherentConditional
from bilby_flowpe.kinds import problem_of
from bilby_flowpe.model import find_model
from bilby_flowpe.networks import compact
from bilby_flowpe.networks.families import build_network
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.problem import SimulationConfig
from bilby_flowpe.problems import green2020
from bilby_flowpe.processes.parallel import make_rows, timed
from bilby_flowpe.representation import RepresentationConfig
from bilby_flowpe.representation.aligned import AlignedRepresentation
from bilby_flowpe.representation.coordinates import CoordinateConfig, Coordinates
from bilby_flowpe.sampling.weighing import Target
from bilby_flowpe.storage.folder import write_text
from bilby_flowpe.training.stream import Stream
from bilby_flowpe.translation.translated import as_it_stands

SECONDS, DETECTORS = (1, 2, 4, 8, 16, 32, 64), ("H1", "L1", "V1")
PARAMETERS, DRAWS, WAVEFORMS = (2, 4, 8, 15), (1000, 4000, 16_000, 64_000), (1000, 4000, 16_000, 64_000)
ROWS, BATCH, REPEATS = 64, 1024, 5
MASSES = ("mass_1", "mass_2")
Costs = dict[str, tuple[list[float], list[float]]]


def problem(seconds: int, detectors: tuple[str, ...]) -> tuple[Any, PriorTransform]:
    """Aligned spins off, a searched sky with several detectors, a known one with one; the merger in the segment's middle."""
    start = 1126259462.0
    interferometers = bilby.gw.detector.InterferometerList(list(detectors))
    generator = bilby.gw.WaveformGenerator(
        duration=seconds, sampling_frequency=2048.0, start_time=start,
        frequency_domain_source_model=bilby.gw.source.lal_binary_black_hole,
        waveform_arguments={
            "waveform_approximant": "IMRPhenomD", "reference_frequency": 20.0, "minimum_frequency": 20.0,
        },
    )  # fmt: skip
    for interferometer in interferometers:
        interferometer.minimum_frequency = 20.0
    interferometers.set_strain_data_from_zero_noise(2048.0, seconds, start)
    fixed = {"chi_1": 0.0, "chi_2": 0.0, "ra": 1.375, "dec": -1.2108, "psi": 2.659, "theta_jn": 0.4}
    priors = bilby.gw.prior.BBHPriorDict(dictionary={})
    priors["mass_1"], priors["mass_2"] = Uniform(30, 40), Uniform(20, 29)
    priors["luminosity_distance"] = PowerLaw(2, 300, 1500)
    priors["phase"] = Uniform(0, 2 * np.pi, boundary="periodic")
    middle = start + seconds / 2
    priors["geocent_time"] = Uniform(middle - 0.1, middle + 0.1)
    if len(detectors) > 1:
        priors["ra"], priors["dec"] = Uniform(0, 2 * np.pi, boundary="periodic"), Cosine()
        priors["psi"], priors["theta_jn"] = Uniform(0, np.pi, boundary="periodic"), Sine()
        fixed = {key: value for key, value in fixed.items() if key not in priors}
    priors.update(fixed)
    priors.convert_floats_to_delta_functions()
    truth = {
        "mass_1": 36.0, "mass_2": 29.0, "luminosity_distance": 450.0, "phase": 1.0, "geocent_time": middle,
        "ra": 1.375, "dec": -1.2108, "psi": 2.659, "theta_jn": 0.4, "chi_1": 0.0, "chi_2": 0.0,
    }  # fmt: skip
    interferometers.inject_signal(parameters=truth, waveform_generator=generator)
    return bilby.gw.GravitationalWaveTransient(interferometers, generator), PriorTransform(priors)


def least(work: Callable[[], Any], repeats: int = REPEATS) -> float:
    """Seconds of the quickest of some repeats."""
    found = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return min(found)


def rows_of(transform: PriorTransform, size: int = ROWS) -> list[dict[str, float]]:
    return make_rows(transform.fixed, transform.sample(size, np.random.default_rng(1)))


def one_row(likelihood: Any, transform: PriorTransform) -> dict[str, float]:
    """Milliseconds a row: the waveform generator, the likelihood, a waveform stored, and a draw with its weight."""
    rows = rows_of(transform)
    keys = tuple(key for key in transform.keys if key not in MASSES)
    known_sky = "ra" not in keys
    config = ConditionalConfig(keys, 2, None, (0.0, -1.0) if not known_sky else (0.0, 0.0))
    conditional = (ExactConditional if known_sky else CoherentConditional)(config, transform)
    task = conditional.task(likelihood)
    asked = conditional.task_rows([{**row, **conditional.reference} for row in rows], np.random.default_rng(2))
    stored = problem_of(likelihood, transform).bank(SimulationConfig(n_waveforms=10), progress=False)._task()

    def drawn(values: list[Any]) -> Any:
        return conditional.draw(np.array([value for value in values if value is not None]), np.random.default_rng(3))

    works: dict[str, Callable[[], Any]] = {
        "waveform generator": lambda: [
            likelihood.waveform_generator.frequency_domain_strain(dict(row)) for row in rows
        ],
        "likelihood": lambda: [likelihood.log_likelihood_ratio(dict(row)) for row in rows],
        "a waveform stored": lambda: timed(stored, (0, rows)),
        "a draw with its likelihood": lambda: drawn(timed(task, (0, asked))[1]),
    }
    return {name: 1e3 * least(work, 3) / ROWS for name, work in works.items()}


def by_rows(problems: list[tuple[float, tuple[Any, PriorTransform]]]) -> Costs:
    costs: Costs = {}
    for x, (likelihood, transform) in problems:
        for name, milliseconds in one_row(likelihood, transform).items():
            xs, ys = costs.setdefault(name, ([], []))
            xs.append(x)
            ys.append(milliseconds)
    return costs


def by_seconds() -> Costs:
    return by_rows([(seconds, problem(seconds, ("H1",))) for seconds in SECONDS])


def by_detectors() -> Costs:
    return by_rows([(count, problem(4, DETECTORS[:count])) for count in range(1, len(DETECTORS) + 1)])


def by_parameters() -> Costs:
    """Milliseconds of a training step, and of a thousand draws, of the default network for so many parameters."""
    step: tuple[list[float], list[float]] = ([], [])
    draws: tuple[list[float], list[float]] = ([], [])
    for features in PARAMETERS:
        torch.manual_seed(1)
        network = build_network(features, 64, compact("maf"))
        x, context = torch.randn(BATCH, features), torch.randn(BATCH, 64)
        optimizer, noise = torch.optim.Adam(network.parameters()), torch.Generator().manual_seed(1)

        def train() -> None:
            optimizer.zero_grad(set_to_none=True)  # noqa: B023
            sum(rows.mean() for rows in network.loss_terms(x, context, noise).values()).backward()  # noqa: B023
            optimizer.step()  # noqa: B023

        def draw() -> None:
            with torch.no_grad():
                network.propose(context[:1], 1000, noise)  # noqa: B023

        for (xs, ys), work in ((step, train), (draws, draw)):
            xs.append(features)
            ys.append(1e3 * least(work))
    return {"training step of 1024": step, "1000 draws": draws}


def by_draws() -> Costs:
    """Seconds of raw draws, and with weights, of the shipped five-parameter model."""
    likelihood, priors = green2020(5, seed=1)
    transform = PriorTransform(priors)
    bound = find_model("green2020-5d-maf").bind(likelihood, transform)
    raw: tuple[list[float], list[float]] = ([], [])
    weighed: tuple[list[float], list[float]] = ([], [])
    for size in DRAWS:
        rng = np.random.default_rng(1)
        base = rng.standard_normal((size, len(bound.keys) + len(bound.latent)))
        target = Target(as_it_stands(problem_of(likelihood, transform)), True, bound.conditional)
        works = (
            (raw, lambda: bound.inverse(base, rng)),  # noqa: B023
            (weighed, lambda: target.draw(bound.mixture(), size, rng)),  # noqa: B023
        )
        for (xs, ys), work in works:
            xs.append(size)
            ys.append(least(work, 3 if size < 10_000 else 1))
    return {"raw draws": raw, "draws with weights": weighed}


def by_waveforms() -> Costs:
    """Seconds of making and storing waveforms, and milliseconds of a batch from them."""
    made: tuple[list[float], list[float]] = ([], [])
    batch: tuple[list[float], list[float]] = ([], [])
    likelihood, priors = green2020(5, seed=1)
    transform = PriorTransform(priors)
    for size in WAVEFORMS:
        rng, generator = np.random.default_rng(1), torch.Generator().manual_seed(1)
        began = time.perf_counter()
        bank = problem_of(likelihood, transform).bank(SimulationConfig(n_waveforms=size), seed=1, progress=False)
        seconds = time.perf_counter() - began
        representation = AlignedRepresentation.fit(bank, RepresentationConfig(), False, rng, generator)
        coordinates = Coordinates(transform, CoordinateConfig(MASSES), bank.view.arrival)
        stream = Stream(bank, representation, coordinates, rng, generator)
        signals, _, pivot = stream.simulated(4096)
        coordinates.standardise(signals.parameters, pivot)
        for (xs, ys), cost in ((made, seconds), (batch, 1e3 * least(lambda: stream(BATCH)))):  # noqa: B023
            xs.append(size)
            ys.append(cost)
    return {"made and stored, s": made, "a batch of 1024, ms": batch}


AXES: dict[str, tuple[Callable[[], Costs], str]] = {
    "seconds of data (one detector)": (by_seconds, "ms a row"),
    "detectors (4 s; sky searched with two)": (by_detectors, "ms a row"),
    "parameters in the network": (by_parameters, "ms"),
    "draws": (by_draws, "s"),
    "waveforms stored": (by_waveforms, "s, or ms a batch"),
}


def exponent(xs: list[float], ys: list[float]) -> float:
    """Slope of the logarithms over the upper half."""
    half = len(xs) // 2 if len(xs) > 3 else 0
    return float(np.polyfit(np.log(xs[half:]), np.log(ys[half:]), 1)[0])


def plot(found: dict[str, Costs], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(2, 3, figsize=(13, 7.5), layout="constrained")
    for axis, (name, costs) in zip(axes.flat, found.items(), strict=False):
        for label, (xs, ys) in costs.items():
            axis.loglog(xs, ys, "o-", label=f"{label}: {exponent(xs, ys):.2f}")
        xs = sorted({x for xs, _ in costs.values() for x in xs})
        axis.set_xticks(xs, [f"{x:g}" for x in xs])
        axis.minorticks_off()
        low, high = axis.get_ylim()
        steps = [digit * 10.0**power for power in range(-4, 4) for digit in (1, 2, 5)]
        shown = [step for step in steps if low <= step <= high]
        axis.set_yticks(shown, [f"{step:g}" for step in shown])
        axis.set_xlabel(name)
        axis.set_ylabel(AXES[name][1])
        axis.legend(fontsize=8, title="exponent", title_fontsize=8)
        axis.grid(alpha=0.3)
    for axis in axes.flat[len(found) :]:
        axis.remove()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main() -> None:
    """Measure, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--read", type=Path, help="file of an earlier run to read; nothing is measured")
    arguments = parser.parse_args()
    logger.setLevel("ERROR")
    torch.set_num_threads(1)
    known = json.loads(arguments.read.read_text()) if arguments.read else {}
    found = {}
    for name, (measure, unit) in AXES.items():
        found[name] = known[name] if known else measure()
        for label, (xs, ys) in found[name].items():
            said = ", ".join(f"{x:g}: {y:.3g}" for x, y in zip(xs, ys, strict=True))
            print(f"{name:<40}{label:<26}{said} ({unit}); exponent {exponent(xs, ys):.2f}", flush=True)
    if arguments.output:
        write_text(arguments.output, json.dumps(found, indent=1))
    if arguments.picture:
        plot(found, arguments.picture)


if __name__ == "__main__":
    main()
