"""Test for posteriors with two modes of different mass whether both are kept, and what the verdict says if one was removed.

    python examples/studies/two_modes.py --outdir two_modes --signals 20
    python examples/studies/two_modes.py --table two_modes/runs.jsonl

Two signals overlap in the data: a light and a heavy binary, some hundredths of a second apart. The likelihood assumes one
signal, and the amplitudes are such that both fit about equally well. The fraction of each mode follows from runs with priors
that end between the two, so that they have one mode each. Then the whole prior is run twice: as it is, and with one mode
deleted from everything that the search passes on to the refinement, its first round and the parts of all rounds. Only draws
from the prior can then find that mode again. Each signal is one line of ``DIR/runs.jsonl``; signals that are there are not run
again.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import bilby
import numpy as np
from bilby.core.prior import Cosine, DeltaFunction, PowerLaw, PriorDict, Sine, Uniform
from bilby.gw.detector import InterferometerList

from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.proposals.event_mixture import NormalMixture
from bilby_flowpe.proposals.mixture import Mixture
from bilby_flowpe.proposals.parts import Charted, FromPrior
from bilby_flowpe.sampling import refine
from bilby_flowpe.waves.coarse.search import find_reference

START, DURATION, RATE = 1126259460.0, 4.0, 1024.0
LEAST, BETWEEN, MOST = 12.0, 28.0, 60.0  # chirp masses, in solar masses
COUNTS = 0.01  # of the posterior
Run = dict[str, Any]


def priors_of(spins: bool, least: float = LEAST, most: float = MOST) -> PriorDict:
    """Return priors with chirp masses in a range, and one aligned spin or none."""
    return PriorDict(
        {
            "chirp_mass": Uniform(least, most, "chirp_mass"),
            "mass_ratio": Uniform(0.25, 1, "mass_ratio"),
            "chi_1": Uniform(-0.8, 0.8, "chi_1") if spins else DeltaFunction(0.0, "chi_1"),
            "chi_2": Uniform(-0.8, 0.8, "chi_2") if spins else DeltaFunction(0.0, "chi_2"),
            "luminosity_distance": PowerLaw(2, 50, 6000, "luminosity_distance"),
            "theta_jn": Sine(name="theta_jn"),
            "psi": Uniform(0, np.pi, "psi", boundary="periodic"),
            "phase": Uniform(0, 2 * np.pi, "phase", boundary="periodic"),
            "ra": Uniform(0, 2 * np.pi, "ra", boundary="periodic"),
            "dec": Cosine(name="dec"),
            "geocent_time": Uniform(START + 1.9, START + 2.1, "geocent_time"),
        }
    )


def generator() -> Any:
    return bilby.gw.WaveformGenerator(
        duration=DURATION,
        sampling_frequency=RATE,
        start_time=START,
        frequency_domain_source_model=bilby.gw.source.lal_binary_black_hole,
        parameter_conversion=bilby.gw.conversion.convert_to_lal_binary_black_hole_parameters,
        waveform_arguments={
            "waveform_approximant": "IMRPhenomXAS",
            "reference_frequency": 20.0,
            "minimum_frequency": 20.0,
        },
    )


def signal(rng: np.random.Generator, chirp_mass: float, at: float) -> dict[str, float]:
    drawn = priors_of(False).sample()
    return {
        **{key: float(value) for key, value in drawn.items()},
        "chirp_mass": chirp_mass,
        "mass_ratio": rng.uniform(0.5, 1),
        "theta_jn": rng.uniform(0.2, 1.0),
        "geocent_time": START + at,
        "luminosity_distance": 1000.0,
    }


def problem(seed: int, spins: bool) -> tuple[Any, float]:
    """Return a likelihood of one signal with data of two, and the signal-to-noise ratio of the first."""
    rng = np.random.default_rng(seed)
    bilby.core.utils.random.seed(seed)
    snr = rng.uniform(8.5, 14.0)
    pair = [signal(rng, rng.uniform(14, 22), 1.96), signal(rng, rng.uniform(36, 54), 2.04)]
    makes = generator()
    detectors = InterferometerList(["H1", "L1"])
    for one in detectors:
        one.minimum_frequency, one.maximum_frequency = 20.0, RATE / 2
    detectors.set_strain_data_from_power_spectral_densities(RATE, DURATION, START)
    noise = [np.array(one.frequency_domain_strain) for one in detectors]
    waves = [[one.get_detector_response(makes.frequency_domain_strain(row), row) for one in detectors] for row in pair]
    power = [
        sum(float(np.real(one.optimal_snr_squared(wave))) for one, wave in zip(detectors, of, strict=True))
        for of in waves
    ]
    scales = [snr / np.sqrt(one) for one in power]
    # A heavy binary is known less well: its mode fills some e^4.5 times as much of the prior.
    wanted = rng.uniform(-6.0, -3.0)
    ranges = ((LEAST, BETWEEN), (BETWEEN, MOST))
    for _ in range(3):
        for one, of_noise, light, heavy in zip(detectors, noise, *waves, strict=True):
            one.set_strain_data_from_frequency_domain_strain(
                of_noise + scales[0] * light + scales[1] * heavy, RATE, DURATION, START
            )
        likelihood = bilby.gw.GravitationalWaveTransient(detectors, makes)
        found = []
        for least, most in ranges:
            transform = PriorTransform(priors_of(spins, least, most))
            window = START + 1.9, START + 2.1
            found.append(
                find_reference(likelihood, transform, (2,), window, np.random.default_rng(1), draws=400).log_ratio
            )
        # The heavy one's amplitude makes up for the difference.
        scales[1] *= np.sqrt(max(found[0] + wanted, 1.0) / found[1])
    return likelihood, snr


def run(likelihood: Any, priors: PriorDict, outdir: Path, n_effective: int) -> Run:
    """Run without a network, and return what it finds."""
    began = time.process_time()
    result = bilby.run_sampler(
        likelihood, priors, sampler="flowpe", network="none", n_effective=n_effective, outdir=str(outdir), label="run",
        sampling_seed=1, npool=1, save=False, resume=False, clean=True, use_ratio=True,
    )  # fmt: skip
    said = result.meta_data["run_statistics"]
    return {
        "log_evidence": float(result.log_evidence),
        "error": float(result.log_evidence_err),
        "heavy": float(np.mean(result.posterior["chirp_mass"] > BETWEEN)),
        "verdict": said["verdict"],
        "reasons": said["reasons"],
        "missed": (said.get("completeness") or {}).get("missed"),
        "cpu_seconds": time.process_time() - began,
    }


@contextmanager
def deleted(heavy: bool) -> Iterator[None]:
    """Remove one mode from everything that a search passes on: the density of its best rows, and its hills."""
    of_start, of_round = refine.start_of, refine.round_mixture

    def hidden(chart: Any, transform: PriorTransform, base: np.ndarray) -> np.ndarray:
        masses = chart.inverse(base, np.random.default_rng(0))[0]["chirp_mass"]
        return (masses > BETWEEN) == heavy

    def without(density: NormalMixture, chart: Any, transform: PriorTransform) -> NormalMixture | None:
        kept = ~hidden(chart, transform, density.means)
        shares = density.shares[kept]
        return NormalMixture(shares / shares.sum(), density.means[kept], density.cholesky[kept]) if kept.any() else None

    def start_of(searched: Any, chart: Any, transform: PriorTransform) -> Any:
        whole = of_start(searched, chart, transform)
        elsewhere = (searched.columns["chirp_mass"] > BETWEEN) != heavy
        seen = replace(searched, log_ratios=np.where(elsewhere, searched.log_ratios, -np.inf), bank=None)
        half = of_start(seen, chart, transform)
        if whole is None or half is None:
            raise RuntimeError("the search sees nothing")
        densities = {"search": half.proposal.parts[0]._densities[0]}
        shares = [0.5]
        if whole.hills is not None and (kept := without(whole.hills.density, chart, transform)) is not None:
            densities["hills"], shares = kept, [0.35, 0.15]
        proposal = Mixture([Charted(chart, densities), FromPrior(transform, chart.keys)], [*shares, 0.5])
        return replace(whole, proposal=proposal)

    def round_mixture(target: Any, pace: Any, chart: Any, *given: Any) -> Any:
        *others, modes = given
        return of_round(target, pace, chart, *others, modes and without(modes, chart, target.prior))

    refine.start_of, refine.round_mixture = start_of, round_mixture
    try:
        yield
    finally:
        refine.start_of, refine.round_mixture = of_start, of_round


def study(seed: int, given: argparse.Namespace) -> Run:
    """Analyse one signal."""
    likelihood, snr = problem(seed, given.spins)

    def made(least: float = LEAST, most: float = MOST) -> Run:
        return run(likelihood, priors_of(given.spins, least, most), given.outdir / f"signal_{seed}", given.effective)

    light, heavy = made(LEAST, BETWEEN), made(BETWEEN, MOST)
    parts = [
        one["log_evidence"] + np.log((most - least) / (MOST - LEAST))
        for one, (least, most) in zip((light, heavy), ((LEAST, BETWEEN), (BETWEEN, MOST)), strict=True)
    ]
    log_evidence = float(np.logaddexp(*parts))
    share = float(np.exp(parts[1] - log_evidence))
    whole = made()
    # By turns the larger and the smaller mode.
    which = (share > 0.5) == bool(seed % 2)
    with deleted(which):
        without = made()
    return {
        "seed": seed, "snr": snr, "spins": given.spins, "log_evidence": log_evidence, "heavy": share, "whole": whole,
        "deleted": "heavy" if which else "light", "without": without, "one mode": [light, heavy],
    }  # fmt: skip


def table(runs: list[Run]) -> None:
    """Print fractions of the heavy mode, evidences and verdicts."""
    print(
        "seed   snr  heavy:  truth  whole  deleted  after   ln Z - truth: whole  after   verdicts, chance of a missed mode"
    )
    for one in runs:
        whole, without = one["whole"], one["without"]
        print(
            f"{one['seed']:>4}{one['snr']:>6.1f}{one['heavy']:>14.3f}{whole['heavy']:>7.3f}{one['deleted']:>9}"
            f"{without['heavy']:>7.3f}{whole['log_evidence'] - one['log_evidence']:>21.2f}"
            f"{without['log_evidence'] - one['log_evidence']:>7.2f}   {whole['verdict']} ({whole['missed']:.2g}), "
            f"{without['verdict']} ({without['missed']:.2g})"
        )
    right: Callable[[Run, Run], bool] = lambda one, of: abs(of["log_evidence"] - one["log_evidence"]) < 0.1 + COUNTS  # noqa: E731
    kept = sum(right(one, one["whole"]) for one in runs)
    again = sum(right(one, one["without"]) for one in runs)
    honest = sum(right(one, one["without"]) or one["without"]["verdict"] != "reliable" for one in runs)
    reliable = sum(one["whole"]["verdict"] == "reliable" for one in runs)
    print(
        f"{len(runs)} signals: both modes kept {kept}, reliable {reliable}; with one deleted found again {again}, found "
        f"again or not reliable {honest}"
    )


def main() -> None:
    """Analyse the missing signals, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outdir", type=Path, default=Path("two_modes"))
    parser.add_argument("--signals", type=int, default=20)
    parser.add_argument("--spins", action="store_true", help="use spins along the orbital axis")
    parser.add_argument("--effective", type=int, default=1000, help="effective draws of each run")
    parser.add_argument("--table", type=Path, help="print a table of the results in this file, and run nothing")
    given = parser.parse_args()
    path = given.table or given.outdir / "runs.jsonl"
    runs = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    if not given.table:
        given.outdir.mkdir(parents=True, exist_ok=True)
        for seed in range(1, given.signals + 1):
            if any(one["seed"] == seed for one in runs):
                continue
            runs.append(study(seed, given))
            with path.open("a") as file:
                file.write(json.dumps(runs[-1]) + "\n")
    table(runs)


if __name__ == "__main__":
    main()
