"""Simulate a catalogue of binary black holes: write configurations, analyse them, and fit the population.

There are three steps; the first two need bilby_pipe, the third gwpopulation::

    python benchmarks/catalogue.py write --events 30 --outdir outdir/simulated
    flowpe catalogue outdir/simulated/configurations --outdir outdir/simulated/catalogue
    python benchmarks/catalogue.py fit --outdir outdir/simulated

``write`` draws binaries of the population (``catalogue_population.py``) and keeps those that are found: the filter of the true
wave has a signal-to-noise ratio of at least 8 with the noise that bilby_pipe will make from the configuration's seed. Each has
different noise curves in H1, L1 and V1, 4 or 8 s of data, IMRPhenomXPHM with precession, and priors as a user would choose
them: chirp masses within a factor of a guess that is wrong by some percent, distances uniform in comoving volume and source
time, spins as in the population. ``fit`` fits both power laws to all events with gwpopulation, with selection effects from an
injection campaign.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import bilby
import catalogue_population as population
import numpy as np
from bilby.gw.detector import InterferometerList, PowerSpectralDensity

AFTER = 2.0  # seconds of data after the merger
RATE = 2048.0  # Hz
GUESS = 0.03  # standard deviation of ln chirp mass that a search is off by
FACTORS = 1.3, 1.5  # range of the prior's chirp mass on either side of the guess: of light binaries, and of all others
LIGHT = 15.0  # solar masses: chirp mass in the detectors' frame below which data have 8 s
WORTH_A_LOOK = 5.0  # optimal signal-to-noise ratio below which none in noise is looked at: 8 would be three sigma away
CURVE_STEP = 0.125  # Hz
INI = """# Simulated event {number} of a catalogue: a binary black hole that three detectors see.
label = {name}
outdir = outdir_{name}
trigger-time = {trigger}
detectors = [H1, L1, V1]
duration = {duration}
sampling-frequency = 2048
minimum-frequency = 20
maximum-frequency = 1024
post-trigger-duration = 2
gaussian-noise = True
generation-seed = {seed}
psd-dict = {{{curves}}}
injection-dict = {{{injection}}}
waveform-approximant = IMRPhenomXPHM
reference-frequency = 20
prior-file = {prior}
time-reference = geocent
reference-frame = sky
phase-marginalization = False
distance-marginalization = False
time-marginalization = False
sampler = flowpe
sampler-kwargs = {{n_effective: 300, n_posterior: 1000}}
sampling-seed = {seed}
n-parallel = 1
request-cpus = 1
result-format = hdf5
"""
PRIOR = """mass_1 = Constraint(name='mass_1', minimum=2, maximum=400)
mass_2 = Constraint(name='mass_2', minimum=2, maximum=400)
mass_ratio = bilby.gw.prior.UniformInComponentsMassRatio(name='mass_ratio', minimum=0.1, maximum=1)
chirp_mass = bilby.gw.prior.UniformInComponentsChirpMass(name='chirp_mass', minimum={low:.3f}, maximum={high:.3f})
luminosity_distance = bilby.gw.prior.UniformSourceFrame(name='luminosity_distance', minimum=20, maximum=12000)
dec = Cosine(name='dec')
ra = Uniform(name='ra', minimum=0, maximum=2 * np.pi, boundary='periodic')
theta_jn = Sine(name='theta_jn')
psi = Uniform(name='psi', minimum=0, maximum=np.pi, boundary='periodic')
phase = Uniform(name='phase', minimum=0, maximum=2 * np.pi, boundary='periodic')
a_1 = Uniform(name='a_1', minimum=0, maximum=0.99)
a_2 = Uniform(name='a_2', minimum=0, maximum=0.99)
tilt_1 = Sine(name='tilt_1')
tilt_2 = Sine(name='tilt_2')
phi_12 = Uniform(name='phi_12', minimum=0, maximum=2 * np.pi, boundary='periodic')
phi_jl = Uniform(name='phi_jl', minimum=0, maximum=2 * np.pi, boundary='periodic')
"""


def write(events: int, outdir: Path, seed: int) -> None:
    """Write the configurations of so many binaries that are found."""
    folder = outdir / "configurations"
    for sub in ("curves", "priors"):
        (folder / sub).mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    kept: list[dict[str, Any]] = []
    drawn = 0
    while len(kept) < events:
        sample = population.draw(rng, 100, **population.TRUTH)
        for number in range(100):
            drawn += 1
            trigger = round(1400000000 + 3000 * drawn + float(rng.uniform(0, 1000)), 3)
            row = population.parameters_of(sample, number, trigger + float(rng.uniform(-0.05, 0.05)))
            noise = np.random.default_rng((seed, drawn))
            if (
                population.optimal_snr(row, population.curves(noise, population.COARSE), population.COARSE)
                < WORTH_A_LOOK
            ):
                continue
            name = f"event_{len(kept):02d}"
            found = _written(folder, name, len(kept), row, trigger, seed * 100_000 + drawn, (seed, drawn), rng)
            if found["snr"] < population.LEAST_SNR:
                continue
            source = {key: float(sample.columns[key][number]) for key in ("mass_1", "mass_ratio", "redshift")}
            kept.append({"name": name, **found, "source": source, "injection": row})
            print(
                f"{name}: m1 {source['mass_1']:.1f}, q {source['mass_ratio']:.2f}, z {source['redshift']:.2f}, "
                f"SNR {found['snr']:.1f}, {found['duration']} s"
            )
            if len(kept) == events:
                break
    about = {"seed": seed, "drawn": drawn, "truth": population.TRUTH, "events": kept}
    (outdir / "truth.json").write_text(json.dumps(about, indent=1) + "\n")
    print(f"{events} of {drawn} binaries are found; configurations: {folder}")


def _written(
    folder: Path, name: str, number: int, row: dict[str, float], trigger: float, seed: int, noise: Any, rng: Any
) -> dict[str, Any]:
    """Write configuration, prior and curves of a binary; its signal-to-noise ratio in the noise of the configuration's seed."""
    duration = 8 if row["chirp_mass"] < LIGHT else 4
    frequencies = np.arange(0.0, RATE / 2 + CURVE_STEP, CURVE_STEP)
    # The curve of the coarse look, line for line, on finer frequencies.
    coarse = population.curves(np.random.default_rng(noise), population.COARSE)
    files = {}
    for detector, density in coarse.items():
        fine = np.exp(np.interp(frequencies, population.COARSE, np.log(density)))
        files[detector] = f"curves/{name}_{detector}.txt"
        np.savetxt(folder / files[detector], np.column_stack([frequencies, fine]), fmt="%.6e")
    guess = row["chirp_mass"] * np.exp(rng.normal(0, GUESS))
    prior = f"priors/{name}.prior"
    factor = FACTORS[duration == 4]
    (folder / prior).write_text(PRIOR.format(low=guess / factor, high=guess * factor))
    text = INI.format(
        number=number,
        name=name,
        trigger=trigger,
        duration=duration,
        seed=seed,
        curves=", ".join(f"{detector}: {file}" for detector, file in files.items()),
        injection=", ".join(f"{key}: {value!r}" for key, value in row.items()),
        prior=prior,
    )
    (folder / f"{name}.ini").write_text(text)
    return {"snr": _snr_in_noise(folder, files, row, trigger, duration, seed), "duration": duration}


def _snr_in_noise(
    folder: Path, files: dict[str, str], row: dict[str, float], trigger: float, duration: int, seed: int
) -> float:
    """The filter of the true wave over the data that bilby_pipe makes of this seed, phase free."""
    bilby.core.utils.random.seed(seed)
    detectors = InterferometerList(list(files))
    for detector in detectors:
        detector.power_spectral_density = PowerSpectralDensity(psd_file=str(folder / files[detector.name]))
        detector.minimum_frequency, detector.maximum_frequency = population.LOWEST, population.HIGHEST
    start = trigger + AFTER - duration
    detectors.set_strain_data_from_power_spectral_densities(RATE, duration, start)
    generator = bilby.gw.WaveformGenerator(
        duration, RATE, start, bilby.gw.source.lal_binary_black_hole,
        parameter_conversion=bilby.gw.conversion.convert_to_lal_binary_black_hole_parameters,
        waveform_arguments={
            "waveform_approximant": population.APPROXIMANT,
            "reference_frequency": population.LOWEST,
            "minimum_frequency": population.LOWEST,
        },
    )  # fmt: skip
    detectors.inject_signal(waveform_generator=generator, parameters=dict(row))
    matched = sum(one.meta_data["matched_filter_SNR"] * one.meta_data["optimal_SNR"] for one in detectors)
    return float(np.abs(matched) / np.sqrt(sum(one.meta_data["optimal_SNR"] ** 2 for one in detectors)))


def main() -> None:
    """Run a step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("write", "fit"))
    parser.add_argument("--events", type=int, default=30)
    parser.add_argument("--outdir", type=Path, default=Path("outdir/simulated"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--injections", type=int, default=20_000, help="number of injections of the campaign")
    arguments = parser.parse_args()
    if arguments.step == "write":
        write(arguments.events, arguments.outdir, arguments.seed)
        return
    from catalogue_fit import fit

    fit(arguments.outdir, arguments.injections, arguments.seed)


if __name__ == "__main__":
    main()
