"""Test what happens on busy machines and with unusual numbers, case by case.

    python examples/studies/bad_days.py

Every case runs in a separate process with a time limit. The outcome is printed: a result, whose evidence is compared with its
closed form if there is one, or an error of the package, which says what to change. Anything else is marked as a fault. As
root, a small disk and a read-only disk are made by ``mount``; otherwise these cases are left out, and a line says so.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

CASES: dict[str, Callable[[Path], str]] = {}
LIMIT = 400.0  # seconds of a case
# A signal in the middle of the paper's prior.
MIDDLE = {"mass_1": 45.0, "mass_2": 40.0, "luminosity_distance": 2500.0, "geocent_time": 1126259462.75, "phase": 1.0}


def case(name: str) -> Callable[[Callable[[Path], str]], Callable[[Path], str]]:
    """Register a function as the case with this name in the table."""

    def added(function: Callable[[Path], str]) -> Callable[[Path], str]:
        CASES[name] = function
        return function

    return added


def run(likelihood: Any, priors: Any, outdir: Path, **arguments: Any) -> Any:
    """Run the sampler on a small problem."""
    import bilby

    words: dict[str, Any] = {
        "n_effective": 1000, "sampling_seed": 1, "progress": False, "save": False, "label": "run", "outdir": str(outdir),
        "max_likelihood_evaluations": 100_000, "cache": str(outdir / "cache"),
    }  # fmt: skip
    return bilby.run_sampler(likelihood, priors.copy(), sampler="flowpe", **(words | arguments))


SMALL = {"network": "nsf", "training_time": None, "training_steps": 40, "n_waveforms": 1500, "hidden_features": 32}


def said(result: Any, exact: float | None = None) -> str:
    """Describe a result in words; a wrong evidence without the verdict `failed` is an error."""
    verdict = result.meta_data["run_statistics"]["verdict"]
    text = f"{verdict}, ln Z {result.log_evidence:.4f} +- {result.log_evidence_err:.4f}"
    if exact is not None and verdict != "failed":
        z = (result.log_evidence - exact) / result.log_evidence_err
        text += f", exact {exact:.4f} (z {z:.1f})"
        if not abs(z) < 4:
            raise ArithmeticError(text)
    return text


def paper(**arguments: Any) -> tuple[Any, Any]:
    from bilby_flowpe.problems import green2020

    return green2020(5, seed=3, **arguments)


# Crowding ---------------------------------------------------------------------------------------------------------------


@case("two processes train one model into one cache")
def two_at_once(outdir: Path) -> str:
    words = [sys.executable, __file__, "--train-into", str(outdir)]
    both = [subprocess.Popen([*words, str(index)], stderr=subprocess.PIPE, text=True) for index in range(2)]
    errors = [process.communicate()[1][-300:] for process in both]
    if any(process.returncode for process in both):
        raise RuntimeError(f"exit codes {[process.returncode for process in both]}: {errors}")
    answers = {json.loads((outdir / f"answer{index}.json").read_text()) for index in range(2)}
    models = [path.name for path in (outdir / "cache").iterdir()]
    if len(models) != 1 or len(answers) != 1:
        raise RuntimeError(f"{len(models)} entries in the cache, ln Z {answers}")
    return f"both end, one model in the cache, both with ln Z {answers.pop():.4f}"


def mounted(outdir: Path, options: str, work: Callable[[Path], str]) -> str:
    folder = outdir / "disk"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if subprocess.run(words, check=False, capture_output=True).returncode:
        return "left out: mount is not allowed here"
    try:
        return work(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@case("a cache on a read-only disk")
def read_only(outdir: Path) -> str:
    likelihood, priors = paper()
    return mounted(outdir, "ro", lambda disk: said(run(likelihood, priors, outdir, **SMALL, cache=str(disk / "cache"))))


@case("a cache on a full disk")
def full(outdir: Path) -> str:
    likelihood, priors = paper()
    return mounted(
        outdir, "size=64k", lambda disk: said(run(likelihood, priors, outdir, **SMALL, cache=str(disk / "cache")))
    )


@case("an outdir on a full disk: nothing can be kept for an interruption")
def full_outdir(outdir: Path) -> str:
    from bilby_flowpe.storage import ledger

    # Half a minute, and then a file: here at once.
    ledger._EVERY = 0.0
    likelihood, priors = paper()
    return mounted(outdir, "size=256k", lambda disk: said(run(likelihood, priors, disk)))


@case("no home folder, and none that can be made")
def no_home(outdir: Path) -> str:
    os.environ.pop("XDG_CACHE_HOME", None)
    os.environ.pop("BILBY_FLOWPE_CACHE", None)
    os.environ["HOME"] = "/proc/nobody"
    likelihood, priors = paper()
    return said(run(likelihood, priors, outdir, **SMALL, cache=None))


@case("no home folder, a shipped model")
def no_home_shipped(outdir: Path) -> str:
    os.environ["HOME"] = "/proc/nobody"
    likelihood, priors = paper()
    return said(run(likelihood, priors, outdir, cache=None))


@case("1, 2 and 64 processes")
def processes(outdir: Path) -> str:
    likelihood, priors = paper()
    evidences = {
        run(likelihood, priors, outdir / str(npool), npool=npool, label=str(npool)).log_evidence for npool in (1, 2, 64)
    }
    if len(evidences) != 1:
        raise ArithmeticError(f"ln Z {evidences}")
    return f"one and the same ln Z, {evidences.pop():.6f}"


@case("64 threads asked for")
def threads(outdir: Path) -> str:
    import torch

    torch.set_num_threads(64)
    likelihood, priors = paper()
    return said(run(likelihood, priors, outdir, **SMALL))


@case("4 GB of memory: training on demand")
def little_memory(outdir: Path) -> str:
    resource.setrlimit(resource.RLIMIT_AS, (4 * 10**9, 4 * 10**9))
    likelihood, priors = paper()
    return said(run(likelihood, priors, outdir, **SMALL))


@case("4 GB of memory: ten million waveforms asked for")
def too_little_memory(outdir: Path) -> str:
    resource.setrlimit(resource.RLIMIT_AS, (4 * 10**9, 4 * 10**9))
    likelihood, priors = paper()
    return said(run(likelihood, priors, outdir, **{**SMALL, "n_waveforms": 10_000_000}))


# Numerics ---------------------------------------------------------------------------------------------------------------


def broken_generator(outdir: Path, how: str, share: float = 0.1) -> str:
    """A waveform that fails above some chirp mass, trained on demand; its evidence is compared with plain Monte Carlo."""
    import numpy as np
    from bilby.gw.source import lal_binary_black_hole

    likelihood, priors = paper(injection=MIDDLE)
    limit = float(priors["mass_1"].rescale(1 - share))

    # Bilby reads off the signature what a source model wants.
    def source(
        frequency_array: Any, mass_1: float, mass_2: float, luminosity_distance: float, a_1: float, tilt_1: float,
        phi_12: float, a_2: float, tilt_2: float, phi_jl: float, theta_jn: float, phase: float, **more: Any,
    ) -> Any:  # fmt: skip
        others = (luminosity_distance, a_1, tilt_1, phi_12, a_2, tilt_2, phi_jl, theta_jn, phase)
        if mass_1 > limit:
            if how == "raises":
                raise RuntimeError("no such waveform")
            if how == "none":
                return None
            return {mode: np.full(len(frequency_array), np.nan, dtype=complex) for mode in ("plus", "cross")}
        return lal_binary_black_hole(frequency_array, mass_1, mass_2, *others, **more)

    generator = likelihood.waveform_generator
    likelihood.waveform_generator = type(generator)(
        duration=generator.duration, sampling_frequency=generator.sampling_frequency, start_time=generator.start_time,
        frequency_domain_source_model=source, waveform_arguments=generator.waveform_arguments,
    )  # fmt: skip
    try:
        return said(run(likelihood, priors, outdir, **SMALL))
    except RuntimeError as error:
        if str(error) != "no such waveform":
            raise
        return (
            "Bilby itself, timing the likelihood before any sampler has a say, passes on what the source model raises"
        )


for _how in ("none", "nan", "raises"):
    case(f"a waveform generator that gives {_how} in a tenth of the prior")(
        lambda outdir, how=_how: broken_generator(outdir, how)
    )


def half(outdir: Path, value: float) -> str:
    """A Gaussian in two dimensions whose likelihood is ``value`` where a is negative."""
    from bilby.core.likelihood import Likelihood
    from bilby.core.prior import PriorDict, Uniform

    class Half(Likelihood):
        def log_likelihood(self, parameters: dict) -> float:
            if parameters["a"] < 0:
                return value
            return -0.5 * (parameters["a"] ** 2 + (parameters["b"] - 1) ** 2) / 0.01

    exact = math.log(0.5 * 2 * math.pi * 0.01 / 16)
    return said(run(Half(), PriorDict({"a": Uniform(-2, 2), "b": Uniform(-2, 2)}), outdir), exact)


for _value in (-math.inf, math.nan, -1.797e308):
    case(f"a likelihood that is {_value} in half of the prior")(lambda outdir, value=_value: half(outdir, value))


def gaussian(width: float = 0.1, centre: float = 0.0, amplitude: float = 0.0) -> Any:
    from bilby.core.likelihood import Likelihood

    class Bump(Likelihood):
        def log_likelihood(self, parameters: dict) -> float:
            return amplitude - 0.5 * ((parameters["a"] - centre) / width) ** 2

    return Bump()


@case("a prior with two gaps of no density")
def gaps(outdir: Path) -> str:
    import numpy as np
    from bilby.core.prior import Interped, PriorDict

    x = np.linspace(-1, 1, 2001)
    density = ((x < -0.5) | (np.abs(x) < 0.2) | (x > 0.6)).astype(float)
    priors = PriorDict({"a": Interped(x, density)})
    fine = np.linspace(-1, 1, 2_000_001)
    smooth = np.interp(fine, x, density)
    likelihood = np.exp(-0.5 * (fine / 0.3) ** 2)
    exact = math.log(np.trapezoid(smooth * likelihood, fine) / np.trapezoid(smooth, fine))
    return said(run(gaussian(0.3), priors, outdir), exact)


@case("a prior a millionth wide, far from zero")
def narrow(outdir: Path) -> str:
    from bilby.core.prior import PriorDict, Uniform

    low, width = 1000.0, 1e-6
    exact = math.log(math.sqrt(2 * math.pi) * 1e-7 / width)
    priors = PriorDict({"a": Uniform(low, low + width)})
    return said(run(gaussian(1e-7, low + width / 2), priors, outdir), exact + math.log(math.erf(5 / math.sqrt(2))))


@case("a likelihood of 1e300 and more, in logarithms of 1e6")
def huge(outdir: Path) -> str:
    from bilby.core.prior import PriorDict, Uniform

    exact = 1e6 + math.log(math.sqrt(2 * math.pi) * 0.1 / 2)
    return said(run(gaussian(amplitude=1e6), PriorDict({"a": Uniform(-1, 1)}), outdir), exact)


@case("time prior a millionth of a second wide")
def narrow_time(outdir: Path) -> str:
    from bilby.core.prior import Uniform

    likelihood, priors = paper()
    centre = likelihood.injection_parameters["geocent_time"]
    priors["geocent_time"] = Uniform(centre - 5e-7, centre + 5e-7)
    return said(run(likelihood, priors, outdir, model="green2020-5d-maf"))


def at_distance(outdir: Path, distance: float | None, **arguments: Any) -> str:
    """The paper's problem at another distance; ``None``: data that are all zero."""
    from bilby.core.prior import Uniform

    centre = 10.0 if distance is None else distance
    likelihood, priors = paper(injection=MIDDLE)
    if distance is None:
        import numpy as np

        data = likelihood.interferometers[0].strain_data
        data._frequency_domain_strain = np.zeros_like(data.frequency_domain_strain)
        return said(run(likelihood, priors, outdir, **arguments))
    priors["luminosity_distance"] = Uniform(0.5 * centre, 2 * centre)
    event = copy.deepcopy(likelihood)
    signal = {**priors.sample(), **likelihood.injection_parameters, "luminosity_distance": centre}
    event.interferometers.inject_signal(parameters=signal, waveform_generator=event.waveform_generator)
    snr = event.interferometers[0].meta_data["optimal_SNR"]
    return f"signal-to-noise ratio {snr:.0f}: " + said(run(event, priors, outdir, **arguments))


case("a black hole at 10 Mpc, trained on demand")(lambda outdir: at_distance(outdir, 10.0, **SMALL))
case("a black hole at 1 Mpc, trained on demand")(lambda outdir: at_distance(outdir, 1.0, **SMALL))
case("data of nothing but zeros, shipped model")(lambda outdir: at_distance(outdir, None, model="green2020-5d-maf"))


@case("densities of the shipped networks, float32 against float64")
def precision(outdir: Path) -> str:
    import torch

    from bilby_flowpe.model import TrainedPosterior
    from bilby_flowpe.networks.base import log_normal
    from bilby_flowpe.storage.shipped import SHIPPED

    worst = {}
    for folder in sorted(SHIPPED.iterdir()):
        network = TrainedPosterior.load(folder).network
        double = copy.deepcopy(network).double()
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(2000, network.features, generator=generator)
        context = torch.randn(1, network.context, generator=generator)
        # With latent variables the density is that of the pair.
        pair = torch.cat([x, torch.randn(2000, network.latent, generator=generator)], dim=-1)
        with torch.no_grad():
            one, other = (
                log_normal(base) + log_jacobian
                for base, log_jacobian in (
                    network.to_base(pair, context),
                    double.to_base(pair.double(), context.double()),
                )
            )
        worst[folder.name] = float((one.double() - other).abs().max() / (1 + other.abs().max()))
    if max(worst.values()) > 1e-4:
        raise ArithmeticError(str(worst))
    return "largest relative difference " + ", ".join(f"{name} {value:.1e}" for name, value in worst.items())


# The table --------------------------------------------------------------------------------------------------------------


def one(name: str, outdir: Path) -> dict[str, str]:
    """Run a case in this process."""
    from bilby_flowpe.errors import FlowPEError

    try:
        return {"kind": "result", "said": CASES[name](outdir)}
    except FlowPEError as error:
        return {"kind": "refused", "said": f"{type(error).__name__}: {error}"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES), metavar="CASE")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("--train-into", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.train_into:
        outdir, index = Path(arguments.train_into[0]), arguments.train_into[1]
        result = run(*paper(), outdir, **SMALL, label=index)
        (outdir / f"answer{index}.json").write_text(json.dumps(result.log_evidence))
        return
    if arguments.case:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(one(arguments.case, Path(folder))))
        return
    faults = 0
    for name in arguments.cases:
        began = time.monotonic()
        try:
            done = subprocess.run(
                [sys.executable, __file__, "--case", name], capture_output=True, text=True, timeout=LIMIT, check=False
            )
            answer = json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None
            found = answer or {"kind": "FAULT", "said": f"exit {done.returncode}: {done.stderr[-300:]}"}
        except subprocess.TimeoutExpired:
            found = {"kind": "FAULT", "said": f"still running after {LIMIT:.0f} s"}
        faults += found["kind"] == "FAULT"
        print(f"| {name} | {found['kind']} | {found['said']} | {time.monotonic() - began:.0f} s |", flush=True)
    print(f"{len(arguments.cases)} cases, {faults} faults")


if __name__ == "__main__":
    main()
