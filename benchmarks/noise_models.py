"""Measure coverage and Bayes factors of noise models on simulated events whose noise differs from the usual likelihood's.

    python benchmarks/noise_models.py --events 20 --outdir outdir/noise_models
    python benchmarks/noise_models.py --outdir outdir/noise_models --summary

There are ``--events`` of two kinds. ``student`` has Student-t noise of four degrees of freedom on the design curve. ``curve``
has Gaussian noise, a noise curve that is the median of 15 segments, bin by bin, and a line of 2 Hz in L1 with 30 times the
power somewhere between 60 and 300 Hz. The data are 4 s of H1 and L1 from 20 to 512 Hz, with IMRPhenomXAS, aligned spins, and
true values from the prior. Each event is run with the plain likelihood and weighed by the others, and run again if too few
draws keep weight. Results are JSON lines in ``events.jsonl``; finished ones are not computed again.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from pathlib import Path
from typing import Any

import bilby
import numpy as np
from bilby.core.prior import PowerLaw, Uniform
from bilby.gw.detector import InterferometerList, PowerSpectralDensity
from real_event_cases import priors_of
from scipy.stats import kstest

from bilby_flowpe.noise import EstimatedCurveTransient, HyperbolicTransient, StudentTTransient, compare, notched
from bilby_flowpe.noise.choices import GAUSSIAN, NoiseModel
from bilby_flowpe.noise.densities import Gaussian, OfMedian, StudentT
from bilby_flowpe.noise.lines import lines_of

KINDS = ("student", "curve")
DURATION, RATE, START = 4.0, 1024.0, 1126259460.4
BAND = 20.0, 512.0
NU, SEGMENTS, LINE, LINE_POWER = 4.0, 15, 2.0, 30.0
DESIGN = "aLIGO_ZERO_DET_high_P_psd.txt"
LOST = 50  # effective draws below which a rank tells nothing


def generator() -> Any:
    return bilby.gw.WaveformGenerator(
        DURATION, RATE, START, bilby.gw.source.lal_binary_black_hole,
        parameter_conversion=bilby.gw.conversion.convert_to_lal_binary_black_hole_parameters,
        waveform_arguments={
            "waveform_approximant": "IMRPhenomXAS", "reference_frequency": 20.0, "minimum_frequency": 20.0,
        },
    )  # fmt: skip


def priors() -> Any:
    """Those of the real event, nearer and in a narrower range of masses: every signal can be seen."""
    found = priors_of("gw150914-aligned")
    found["chirp_mass"] = Uniform(25, 35, name="chirp_mass")
    found["luminosity_distance"] = PowerLaw(2, 200, 1500, name="luminosity_distance")
    found["geocent_time"] = Uniform(START + 1.9, START + 2.1, name="geocent_time")
    return found


def data(kind: str, truth: dict[str, float], rng: np.random.Generator) -> InterferometerList:
    """Noise and signal, under the curve that the likelihood is given."""
    found = InterferometerList(["H1", "L1"])
    waves = generator().frequency_domain_strain(dict(truth))
    bins = int(DURATION * RATE / 2) + 1
    for ifo in found:
        ifo.minimum_frequency, ifo.maximum_frequency = BAND
        ifo.power_spectral_density = PowerSpectralDensity(psd_file=DESIGN)
        shape = {"sampling_frequency": RATE, "duration": DURATION, "start_time": START}
        ifo.set_strain_data_from_frequency_domain_strain(np.zeros(bins, complex), **shape)
        frequencies, curve = ifo.frequency_array, np.asarray(ifo.power_spectral_density_array)
        inside = ifo.frequency_mask
        half_power = (StudentT(NU) if kind == "student" else Gaussian()).draw(bins, rng)
        if kind == "curve":
            low = rng.uniform(60, 300 - LINE)
            if ifo.name == "L1":
                half_power = np.where((frequencies >= low) & (frequencies < low + LINE), LINE_POWER, 1) * half_power
            powers = rng.exponential(size=(SEGMENTS, bins))
            estimate = curve * np.median(powers, axis=0) / OfMedian(SEGMENTS).bias
            ifo.power_spectral_density = PowerSpectralDensity(frequencies, psd_array=estimate)
        phases = np.exp(2j * np.pi * rng.random(bins))
        noise = np.where(inside, np.sqrt(2 * half_power * np.where(inside, curve, 0) * DURATION / 4), 0) * phases
        ifo.set_strain_data_from_frequency_domain_strain(noise + ifo.get_detector_response(waves, truth), **shape)
    return found


def models_of(kind: str, likelihood: Any, best: dict[str, float]) -> dict[str, NoiseModel]:
    waves, ifos = likelihood.waveform_generator, likelihood.interferometers
    if kind == "student":
        return {
            GAUSSIAN: NoiseModel(likelihood),
            "Student-t": NoiseModel(StudentTTransient(ifos, waves)),
            "hyperbolic": NoiseModel(HyperbolicTransient(ifos, waves)),
        }
    found = {
        GAUSSIAN: NoiseModel(likelihood),
        "curve of median": NoiseModel(EstimatedCurveTransient(ifos, waves, SEGMENTS)),
    }
    # The curve scatters by a quarter: what it lets stick out is a line only where it is far beyond that.
    lines = lines_of(likelihood, best, far=10)
    if not lines:
        return found
    without = notched(ifos, lines)
    plain = bilby.gw.GravitationalWaveTransient(without, waves)
    return {
        **found,
        "Gaussian, lines left out": NoiseModel(plain, "lines left out"),
        "curve of median, lines left out": NoiseModel(
            EstimatedCurveTransient(without, waves, SEGMENTS), "lines left out"
        ),
    }


def analyse(kind: str, number: int, outdir: Path) -> dict[str, Any]:
    """Analyse one event with all noise models."""
    began, given = time.process_time(), priors()
    rng = np.random.default_rng([20261130, KINDS.index(kind), number])
    bilby.core.utils.random.seed(number + 1000 * KINDS.index(kind))
    truth = {key: float(value) for key, value in given.sample().items()}
    ifos = data(kind, truth, rng)
    likelihood = bilby.gw.GravitationalWaveTransient(ifos, generator())
    settings = {"n_effective": 600, "sampling_seed": number, "progress": False, "save": False, "resume": False}
    result = bilby.run_sampler(
        likelihood, given.copy(), sampler="flowpe", outdir=str(outdir / "runs"), label=f"{kind}{number}", **settings
    )
    table = result.nested_samples
    best = {
        key: float(table[key].iloc[int(np.argmax(table["log_likelihood"]))]) for key in result.search_parameter_keys
    }
    comparison = compare(result, likelihood, models_of(kind, likelihood, best), settings, outdir=outdir / "runs")
    return {
        "kind": kind,
        "number": number,
        "truth": truth,
        "models": [_figures(model, truth) for model in comparison.models],
        "noise_scale": {name: scale.to_dict() for name, scale in comparison.scales.items()},
        "cpu_seconds": round(time.process_time() - began, 1),
    }


def _figures(model: Any, truth: dict[str, float]) -> dict[str, Any]:
    table = model.result.nested_samples
    weights = table["weights"].to_numpy() / table["weights"].sum()
    ranks = {key: float(weights[table[key] < truth[key]].sum()) for key in model.result.search_parameter_keys}
    return {**{key: value for key, value in model.to_dict().items() if key != "changes"}, "ranks": ranks}


def summary(events: list[dict[str, Any]]) -> None:
    for kind in KINDS:
        own = [event for event in events if event["kind"] == kind]
        if not own:
            continue
        seconds = np.sum([event["cpu_seconds"] for event in own])
        print(f"\n{kind}: {len(own)} events, {seconds / len(own):.0f} CPU s an event")
        print(
            f"{'':34s}{'in 50%':>8s}{'in 90%':>8s}{'KS p':>8s}{'ln B signal':>22s}{'right':>8s}{'anew':>6s}{'lost':>6s}"
        )
        for name in dict.fromkeys(model["name"] for event in own for model in event["models"]):
            found = [model for event in own for model in event["models"] if model["name"] == name]
            kept = [model for model in found if model["effective"] >= LOST]
            ranks = np.array([list(model["ranks"].values()) for model in kept])
            if not len(ranks):
                continue
            inside = [np.mean(np.abs(ranks - 0.5) <= level / 2) for level in (0.5, 0.9)]
            p_value = kstest(ranks.ravel(), "uniform").pvalue
            ratios = np.array([model["log_ratio"] for model in found])
            print(
                f"{name:34s}{inside[0]:8.2f}{inside[1]:8.2f}{p_value:8.2g}"
                f"{np.median(ratios):9.1f} ({ratios.min():.1f}, {ratios.max():.1f}){np.sum(ratios > 0):5d}/{len(found)}"
                f"{sum(model['note'].startswith('run anew') for model in found):6d}{len(found) - len(kept):6d}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20, help="number of events of each kind")
    parser.add_argument("--outdir", type=Path, default=Path("outdir/noise_models"))
    parser.add_argument("--verbose", action="store_true", help="show the logs of all runs")
    parser.add_argument("--summary", action="store_true", help="print the finished results, and run nothing")
    options = parser.parse_args()
    options.outdir.mkdir(parents=True, exist_ok=True)
    logging.getLogger("bilby").setLevel(logging.INFO if options.verbose else logging.ERROR)
    path = options.outdir / "events.jsonl"
    events = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    done = {(event["kind"], event["number"]) for event in events}
    for number in range(0 if options.summary else options.events):
        for kind in KINDS:
            if (kind, number) in done:
                continue
            event = analyse(kind, number, options.outdir)
            events.append(event)
            with path.open("a") as file:
                file.write(json.dumps(event) + "\n")
            told = ", ".join(f"{model['name']} {model['log_ratio']:.1f}" for model in event["models"])
            print(f"{kind} {number}: {event['cpu_seconds']} CPU s; {told}", flush=True)
    summary(events)


if __name__ == "__main__":
    main()
