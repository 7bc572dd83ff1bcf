"""Measure how often the surprise flags data of kinds for which no network was trained.

    python examples/studies/surprise.py green2020-5d-maf --events 20 --null 500 --outdir outdir/surprise

Each class has ``--events`` events: signals from outside of the prior (lighter, heavier, nearer, later, spinning), a loud glitch
on the signal, a noise curve that is wrong by a factor of 4 up or down, no signal. In addition there are ``--null`` events of
the model's own problem, for false alarms. They are analysed as in a run, but without refinement. The script prints the fraction
that is flagged (p-value below the verdict's limit), by which figure, and the verdicts. Finished events are stored, and not
computed again.
"""

from __future__ import annotations

import argparse
import copy
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from bilby.core.prior import Uniform
from bilby.core.utils import logger
from bilby.gw.detector import PowerSpectralDensity
from glitches import burst

from bilby_flowpe.kinds import inject, problem_of
from bilby_flowpe.model import TrainedPosterior, find_model
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.problems import green2020
from bilby_flowpe.sampling.budget import Budget
from bilby_flowpe.sampling.event import EventSampler, Wanted
from bilby_flowpe.sampling.outcome import KnownOfData
from bilby_flowpe.sampling.weighing import Target
from bilby_flowpe.simulation.injections import put_data
from bilby_flowpe.training.calibrate import moved_psd
from bilby_flowpe.translation.translated import as_it_stands
from bilby_flowpe.validation.kept import measured
from bilby_flowpe.verdict import Thresholds

Event = tuple[Any, dict[str, float]]
EFFECTIVE = 1000
TOLERATED = 0.39  # root mean square of ln S; the shipped models bear 0.4


def from_priors(**changes: tuple[float, float]) -> Callable[[Any, Any, np.random.Generator], Event]:
    """Simulate signals from other priors."""

    def make(likelihood: Any, priors: Any, rng: np.random.Generator) -> Event:
        other = priors.copy()
        for key, (low, high) in changes.items():
            other[key] = Uniform(low, high, name=key)
        return inject(likelihood, PriorTransform(other), rng)

    return make


def later(likelihood: Any, priors: Any, rng: np.random.Generator) -> Event:
    """Simulate signals that arrive 0.02 to 0.1 s after the window of times."""
    end = float(priors["geocent_time"].maximum)
    return from_priors(geocent_time=(end + 0.02, end + 0.1))(likelihood, priors, rng)


def glitch(likelihood: Any, priors: Any, rng: np.random.Generator) -> Event:
    """Simulate a signal with a sine-Gaussian of signal-to-noise ratio 20 on it."""
    event, truth = inject(likelihood, PriorTransform(priors), rng)
    for index, interferometer in enumerate(event.interferometers):
        put_data(
            event, index, interferometer.frequency_domain_strain + burst(interferometer, truth["geocent_time"], rng)
        )
    return event, truth


def other_noise(factor: float) -> Callable[[Any, Any, np.random.Generator], Event]:
    """Simulate noise whose power differs from the likelihood's curve."""

    def make(likelihood: Any, priors: Any, rng: np.random.Generator) -> Event:
        loud, _ = inject(likelihood, PriorTransform(priors), np.random.default_rng(0))
        curves = [ifo.power_spectral_density for ifo in loud.interferometers]
        for interferometer in loud.interferometers:
            interferometer.power_spectral_density = PowerSpectralDensity(
                frequency_array=interferometer.frequency_array,
                psd_array=factor * interferometer.power_spectral_density_array,
            )
        event, truth = inject(loud, PriorTransform(priors), rng)
        for interferometer, curve in zip(event.interferometers, curves, strict=True):
            interferometer.power_spectral_density = curve
        event._noise_log_likelihood_value = None
        return event, truth

    return make


def no_signal(likelihood: Any, priors: Any, rng: np.random.Generator) -> Event:
    """Simulate noise without a signal."""
    event, truth = inject(likelihood, PriorTransform(priors), rng)
    polarisations = likelihood.waveform_generator.frequency_domain_strain(dict(truth))
    for index, interferometer in enumerate(event.interferometers):
        signal = interferometer.get_detector_response(polarisations, dict(truth))
        mask = interferometer.frequency_mask
        put_data(event, index, interferometer.frequency_domain_strain - np.where(mask, signal, 0))
    return event, truth


def moved_curve(likelihood: Any, priors: Any, rng: np.random.Generator) -> Event:
    """Simulate noise with another curve, which only the likelihood knows, at the limit of the model's tolerance."""
    other = copy.deepcopy(likelihood)
    moved_psd(other, TOLERATED, rng)
    return inject(other, PriorTransform(priors), rng)


CLASSES: dict[str, Callable[[Any, Any, np.random.Generator], Event]] = {
    "own problem": lambda likelihood, priors, rng: inject(likelihood, PriorTransform(priors), rng),
    "lighter: 10 to 25 solar masses": from_priors(mass_1=(10, 25), mass_2=(10, 25)),
    "heavier: 110 to 150 solar masses": from_priors(mass_1=(110, 150), mass_2=(110, 150)),
    "nearer: 100 to 500 Mpc": from_priors(luminosity_distance=(100, 500)),
    "later than the window": later,
    "spinning, chi 0.5 to 0.9": from_priors(chi_1=(0.5, 0.9), chi_2=(0.5, 0.9)),
    "glitch of SNR 20": glitch,
    "noise of 4 times the power": other_noise(4.0),
    "noise of a quarter of the power": other_noise(0.25),
    "no signal": no_signal,
    "a tolerated noise curve": moved_curve,
}


class Analyse:
    """Picklable task: one event of one class."""

    def __init__(self, model: TrainedPosterior, parameters: int, name: str) -> None:
        self.model, self.name = model, name
        self.likelihood, self.priors = green2020(parameters=parameters, seed=0)

    def __call__(self, index: int) -> dict[str, Any]:
        # Neither the events of the null nor those of another class.
        rng = np.random.default_rng((7, list(CLASSES).index(self.name), index))
        event, _ = CLASSES[self.name](self.likelihood, self.priors, rng)
        transform = PriorTransform(self.priors)
        bound = self.model.bind(event, transform)
        sampler = EventSampler(
            Target(as_it_stands(problem_of(event, transform)), True, bound.conditional),
            bound,
            bound.mixture(),
            Wanted(EFFECTIVE, EFFECTIVE, refine=False),
            Budget(5 * EFFECTIVE),
            rng,
            KnownOfData.by(bound),
        )
        outcome = sampler.run()
        return {"surprise": outcome.surprise.to_dict(), "verdict": outcome.verdict.grade}


def analysed(model: TrainedPosterior, arguments: argparse.Namespace, name: str, events: int) -> list[dict[str, Any]]:
    """Return all events of a class; those in the log are not computed again."""
    word = "".join(letter if letter.isalnum() else "-" for letter in name)
    log = arguments.outdir / f"{Path(arguments.model).name}.{word}.jsonl"
    return measured(Analyse(model, arguments.parameters, name), events, dict, log, arguments.npool, title=name)


def main() -> None:
    """Print one line for each class."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="green2020-5d-maf")
    parser.add_argument("--parameters", type=int, choices=(5, 8), default=5)
    parser.add_argument("--events", type=int, default=20)
    parser.add_argument("--null", type=int, default=500)
    parser.add_argument("--classes", nargs="*", default=list(CLASSES), choices=list(CLASSES))
    parser.add_argument("--npool", type=int, default=1)
    parser.add_argument("--outdir", type=Path, default=Path("outdir/surprise"))
    arguments = parser.parse_args()
    arguments.outdir.mkdir(parents=True, exist_ok=True)
    logger.setLevel("ERROR")
    model = find_model(arguments.model)
    limit = Thresholds().surprise_check
    for name in arguments.classes:
        rows = analysed(model, arguments, name, arguments.null if name == "own problem" else arguments.events)
        flagged = [row for row in rows if row["surprise"]["p_value"] < limit]
        by = Counter(figure for row in flagged for figure, p in row["surprise"]["p_values"].items() if 3 * p < limit)
        verdicts = Counter(row["verdict"] for row in rows)
        left = [row["surprise"]["scores"]["residual"] for row in rows if row not in flagged]
        calm = f"; largest residual of the others {max(left):.1f}" if left else ""
        print(
            f"{name}: {len(flagged)} of {len(rows)} flagged, by {dict(by)}; verdicts {dict(verdicts)}{calm}", flush=True
        )


if __name__ == "__main__":
    main()
