"""Measure cost and error of coarse waves, by approximant, length of the data, loudness, mass ratio, spins and mass.

    OMP_NUM_THREADS=1 python benchmarks/coarse.py
    OMP_NUM_THREADS=1 python benchmarks/coarse.py --errors
    OMP_NUM_THREADS=1 python benchmarks/coarse.py --draws

The first form prints processor milliseconds for each wave in blocks of 64, with two detectors, compared with a wave on all
frequencies, and the seconds to build coarse waves and to search for their reference. The second prints mean and scatter of the
error of the log likelihood for different numbers of nodes, for waves near the injection, which is the reference. The third
prints milliseconds for a draw of all parameters that do not shape the wave, at the injection's masses and spins, with coarse
and with whole waves and with two and three detectors, and the scatter of the weights of such draws relative to their mean.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from bilby.core.prior import Cosine, PowerLaw, PriorDict, Sine, Uniform
from bilby.core.utils import logger, random
from bilby.gw.conversion import component_masses_to_chirp_mass, convert_to_lal_binary_black_hole_parameters
from bilby.gw.detector import InterferometerList
from bilby.gw.likelihood import GravitationalWaveTransient
from bilby.gw.prior import BBHPriorDict, UniformInComponentsChirpMass, UniformInComponentsMassRatio
from bilby.gw.source import lal_binary_black_hole
from bilby.gw.waveform_generator import WaveformGenerator

from bilby_flowpe.coarse_choice import CoarseChoice
from bilby_flowpe.conditional.choose import DrawnBy, closed_form_of
from bilby_flowpe.kinds import problem_of
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.processes.parallel import make_rows
from bilby_flowpe.waves.coarse.build import Frame, coarse_waves, measured
from bilby_flowpe.waves.coarse.search import find_reference

TIME = 1126259642.4
ORDERS = {"IMRPhenomXPHM": (1, 2, 3, 4), "IMRPhenomXHM": (1, 2, 3, 4), "IMRPhenomXAS": (2,)}

BLOCKS = 8  # of 64 rows, of which a scatter is known to a few per cent

EVENTS = {
    "SNR 12": (36, 29, 0.5, 0.3, 1790, 4),
    "SNR 20": (36, 29, 0.5, 0.3, 1073, 4),
    "SNR 35": (36, 29, 0.5, 0.3, 613, 4),
    "SNR 60": (36, 29, 0.5, 0.3, 357, 4),
    "mass ratio 1:5": (40, 8, 0.8, 0.6, 400, 4),
    "mass ratio 1:18": (36, 2, 0.9, 0.5, 130, 16),
    "spins 0.99": (36, 29, 0.99, 0.99, 700, 4),
    "spins 0.99, mass ratio 1:3": (45, 15, 0.99, 0.9, 500, 4),
    "total mass 20": (12, 8, 0.7, 0.7, 250, 16),
    "total mass 150": (90, 60, 0.7, 0.5, 1800, 4),
    "total mass 150, mass ratio 1:4": (120, 30, 0.95, 0.5, 1200, 4),
}
"""Masses in solar masses, spins, distance in Mpc and seconds of data."""


def event(
    m1: float,
    m2: float,
    a1: float,
    a2: float,
    distance: float,
    duration: float,
    approximant: str = "IMRPhenomXPHM",
    names: tuple[str, ...] = ("H1", "L1"),
) -> tuple[GravitationalWaveTransient, PriorDict, dict[str, float]]:
    """A signal in simulated noise, 20 to 1000 Hz."""
    mass = component_masses_to_chirp_mass(m1, m2)
    injected = {"chirp_mass": mass, "mass_ratio": m2 / m1, "luminosity_distance": distance, "theta_jn": 0.9, "psi": 2.6}
    injected |= {"phase": 1.3, "geocent_time": TIME, "ra": 1.3, "dec": -1.2}
    turn = Uniform(0, 2 * np.pi)
    priors = {
        "chirp_mass": UniformInComponentsChirpMass(0.6 * mass, 1.6 * mass),
        "mass_ratio": UniformInComponentsMassRatio(0.05, 1),
        "luminosity_distance": PowerLaw(2, distance / 5, distance * 5),
        "geocent_time": Uniform(TIME - 0.1, TIME + 0.1),
        "theta_jn": Sine(), "psi": Uniform(0, np.pi), "phase": turn, "ra": turn, "dec": Cosine(),
    }  # fmt: skip
    if approximant == "IMRPhenomXPHM":
        injected |= {"a_1": a1, "a_2": a2, "tilt_1": 0.8, "tilt_2": 1.0, "phi_12": 1.7, "phi_jl": 0.3}
        magnitude = Uniform(0, 0.99)
        priors |= {
            "a_1": magnitude,
            "a_2": magnitude,
            "tilt_1": Sine(),
            "tilt_2": Sine(),
            "phi_12": turn,
            "phi_jl": turn,
        }
    else:
        injected |= {"chi_1": a1, "chi_2": a2}
        priors |= {"chi_1": Uniform(-0.99, 0.99), "chi_2": Uniform(-0.99, 0.99)}
    random.seed(1)
    detectors = InterferometerList(list(names))
    detectors.set_strain_data_from_power_spectral_densities(2048.0, duration, TIME - duration + 2)
    for detector in detectors:
        detector.minimum_frequency, detector.maximum_frequency = 20.0, 1000.0
    generator = WaveformGenerator(
        duration=duration,
        sampling_frequency=2048.0,
        frequency_domain_source_model=lal_binary_black_hole,
        parameter_conversion=convert_to_lal_binary_black_hole_parameters,
        waveform_arguments={
            "waveform_approximant": approximant,
            "reference_frequency": 20.0,
            "minimum_frequency": 20.0,
            "maximum_frequency": 1000.0,
        },
    )
    detectors.inject_signal(waveform_generator=generator, parameters=injected)
    return GravitationalWaveTransient(detectors, generator), BBHPriorDict(dictionary=priors), injected


def seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """Processor seconds of one call, the least of some."""
    found = []
    for _ in range(repeats):
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return min(found)


COLUMNS = ("whole", "waves", "series", "loudest", "norms")


def cost(approximant: str, orders: tuple[int, ...], duration: float) -> str:
    """Milliseconds of one event, as a line of the table."""
    window = TIME - 0.1, TIME + 0.1
    likelihood, priors, injected = event(36, 29, 0.5, 0.3, 700, duration, approximant)
    transform, rng = PriorTransform(priors), np.random.default_rng(1)
    coarse = coarse_waves(likelihood, transform, orders, injected, window)
    rows = make_rows(transform.fixed, transform.sample(64, rng))
    values, _ = coarse.waves(rows)
    whole = likelihood.waveform_generator.frequency_domain_strain
    milliseconds = [
        1e3 / 8 * seconds(lambda: [whole(dict(row)) for row in rows[:8]]),
        1e3 / 64 * seconds(lambda: coarse.waves(rows)),
        1e3 / 64 * seconds(lambda: coarse.series(values)),
        1e3 / 64 * seconds(lambda: coarse.series(values, [orders.index(2)])),
        1e3 / 64 * seconds(lambda: coarse.norms(values)),
    ]
    build = seconds(lambda: coarse_waves(likelihood, transform, orders, injected, window), 1)
    search = seconds(lambda: find_reference(likelihood, transform, orders, window, rng), 1)
    columns = "".join(f"{value:9.3f}" for value in milliseconds)
    return f"{approximant:14}{duration:>4} s{columns}{coarse.n_nodes:>8}{build:>7.2f} s{search:>7.2f} s"


def costs() -> None:
    """Print a table of costs."""
    columns = "".join(f"{name:>9}" for name in COLUMNS)
    print(f"{'':20}{columns}{'nodes':>8}{'build':>9}{'search':>9}")
    for approximant, orders in ORDERS.items():
        for duration in (4, 32, 128):
            print(cost(approximant, orders, duration), flush=True)


def errors() -> None:
    """Print a table of errors."""
    sizes = (32, 48, 64, 96, 128, 256)
    print(f"{'':32}" + "".join(f"{size:>16}" for size in sizes))
    for name, signal in EVENTS.items():
        likelihood, priors, injected = event(*signal)
        rng = np.random.default_rng(1)
        frame = Frame.of(
            likelihood, PriorTransform(priors), (1, 2, 3, 4), injected, (TIME - 0.1, TIME + 0.1), None, rng
        )
        measure = measured(frame, likelihood, PriorTransform(priors), rng)
        found = [measure(frame.spline(size))[0] for size in sizes]
        print(f"{name:32}" + "".join(f"{one.mean():+9.3f}/{one.std():5.3f} " for one in found), flush=True)


def draws() -> None:
    """Print a table of draws."""
    print(f"{'':32}{'coarse ms':>12}{'scatter':>9}{'whole ms':>12}{'scatter':>9}")
    for approximant in ORDERS:
        for names in (("H1", "L1"), ("H1", "L1", "V1")):
            likelihood, priors, injected = event(36, 29, 0.5, 0.3, 700, 4, approximant, names)
            problem = problem_of(likelihood, priors)
            whole = closed_form_of(problem, DrawnBy())
            coarse = CoarseChoice(problem, True).of(whole, injected)
            columns = ""
            for drawing in (coarse, whole):
                task, rng = drawing.task(likelihood), np.random.default_rng(1)
                row = {**problem.prior.fixed, **injected, **drawing.reference}
                began, made = time.process_time(), []
                for _ in range(BLOCKS):
                    made += task.many(drawing.task_rows([row] * 64, rng))
                drawn = drawing.draw(np.array([one for one in made if one is not None]), rng)
                each = 1e3 * (time.process_time() - began) / (BLOCKS * 64)
                weights = np.exp(drawn.log_weight - drawn.log_weight.max())
                columns += f"{each:12.2f}{weights.std() / weights.mean():9.2f}"
            print(f"{approximant + ', ' + ' '.join(names):32}{columns}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--errors", action="store_true", help="measure errors for different numbers of nodes instead of costs"
    )
    parser.add_argument(
        "--draws",
        action="store_true",
        help="measure draws of all parameters that do not shape the wave instead of costs",
    )
    arguments = parser.parse_args()
    logger.setLevel("ERROR")
    (errors if arguments.errors else draws if arguments.draws else costs)()


if __name__ == "__main__":
    main()
