"""Print the messages for problems and input that are refused before any long work.

python examples/studies/refusals.py --model green2020-5d-maf
"""

from __future__ import annotations

import argparse
import copy
import json
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bilby
import numpy as np
from bilby.core.prior import DeltaFunction, TruncatedGaussian, Uniform
from bilby.gw.detector import InterferometerList, PowerSpectralDensity
from bilby.gw.likelihood import GravitationalWaveTransient
from bilby.gw.waveform_generator import WaveformGenerator

from bilby_flowpe.errors import FlowPEError
from bilby_flowpe.problems import DURATION, START_TIME, green2020
from bilby_flowpe.storage.folder import DESCRIPTION, WEIGHTS
from bilby_flowpe.storage.shipped import SHIPPED

Problem = tuple[GravitationalWaveTransient, Any]


def with_priors(**changes: Any) -> Callable[[Problem], Problem]:
    def change(problem: Problem) -> Problem:
        likelihood, priors = problem
        priors = copy.deepcopy(priors)
        for key, prior in changes.items():
            priors[key] = prior
        return likelihood, priors

    return change


def with_detectors(change: Callable[[Any], None], name: str = "H1", duration: float = DURATION) -> Callable:
    """Return the same problem with a changed detector, for which the data are set again."""

    def changed(problem: Problem) -> Problem:
        likelihood, priors = problem
        generator = likelihood.waveform_generator
        if duration != DURATION:
            arguments = dict(generator.waveform_arguments)
            generator = WaveformGenerator(
                duration,
                generator.sampling_frequency,
                START_TIME,
                frequency_domain_source_model=generator.frequency_domain_source_model,
                waveform_arguments=arguments,
            )
        ifo = copy.deepcopy(likelihood.interferometers[0])
        if name != ifo.name or duration != DURATION:
            ifo = InterferometerList([name])[0]
            ifo.minimum_frequency = 20.0
        strain = likelihood.interferometers[0].frequency_domain_strain
        ifo.set_strain_data_from_frequency_domain_strain(
            strain if duration == DURATION else np.zeros(int(duration * 512) + 1, dtype=complex),
            sampling_frequency=1024.0,
            duration=duration,
            start_time=START_TIME,
        )
        change(ifo)
        return GravitationalWaveTransient(InterferometerList([ifo]), generator), priors

    return changed


def scaled_psd(factor: float) -> Callable[[Any], None]:
    def change(ifo: Any) -> None:
        psd = factor * ifo.power_spectral_density_array
        ifo.power_spectral_density = PowerSpectralDensity(frequency_array=ifo.frequency_array, psd_array=psd)

    return change


def spoilt_psd(value: float) -> Callable[[Any], None]:
    def change(ifo: Any) -> None:
        psd = np.where(ifo.frequency_array == 100, value, ifo.power_spectral_density_array)
        ifo.power_spectral_density = PowerSpectralDensity(frequency_array=ifo.frequency_array, psd_array=psd)

    return change


def spoilt_strain(value: float) -> Callable[[Any], None]:
    def change(ifo: Any) -> None:
        strain = ifo.frequency_domain_strain.copy()
        strain[100] = value
        ifo.set_strain_data_from_frequency_domain_strain(
            strain, sampling_frequency=1024.0, duration=DURATION, start_time=START_TIME
        )

    return change


def narrow_band(ifo: Any) -> None:
    ifo.minimum_frequency = 30.0


def nothing(_: Any) -> None:
    return None


def truncated(folder: Path) -> None:
    weights = folder / WEIGHTS
    weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])


def newer(folder: Path) -> None:
    description = json.loads((folder / DESCRIPTION).read_text())
    (folder / DESCRIPTION).write_text(json.dumps({**description, "format": 99}))


def cases() -> Iterator[tuple[str, Callable[[Problem], Problem], dict[str, Any], Callable[[Path], None] | None]]:
    """Yield name, change of the problem, keyword arguments, and change of a copy of the model's folder."""
    same = with_priors()
    yield "wider prior", with_priors(mass_1=Uniform(35, 90)), {}, None
    yield "another detector", with_detectors(nothing, "L1"), {}, None
    yield "another band", with_detectors(narrow_band), {}, None
    yield "another duration", with_detectors(nothing, duration=2.0), {}, None
    yield "a parameter missing", with_priors(mass_2=DeltaFunction(40.0)), {}, None
    yield "a parameter more", with_priors(chi_1=Uniform(-0.5, 0.5)), {}, None
    yield "PSD beyond the tolerance", with_detectors(scaled_psd(4.0)), {}, None
    yield "NaN in the strain", with_detectors(spoilt_strain(np.nan)), {}, None
    yield "infinite strain", with_detectors(spoilt_strain(np.inf)), {}, None
    yield "zero in the PSD", with_detectors(spoilt_psd(0.0)), {}, None
    yield "NaN in the PSD", with_detectors(spoilt_psd(np.nan)), {}, None
    yield "truncated weights", same, {}, truncated
    yield "a model of a newer version", same, {}, newer
    yield "n_effective of 0", same, {"n_effective": 0}, None
    yield "(allowed) narrower, other shape", with_priors(mass_1=TruncatedGaussian(60, 10, 40, 78)), {}, None
    yield "(allowed) PSD within the tolerance", with_detectors(scaled_psd(1.1)), {}, None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--model", default="green2020-5d-maf", help="name or folder of a model of the five-parameter problem"
    )
    arguments = parser.parse_args()
    bilby_logger = logging.getLogger("bilby")
    bilby_logger.setLevel("ERROR")
    source = SHIPPED / arguments.model if (SHIPPED / arguments.model).is_dir() else Path(arguments.model)
    problem = green2020(parameters=5, seed=3)
    with tempfile.TemporaryDirectory() as folder:
        for index, (name, change, kwargs, damage) in enumerate(cases()):
            model = str(arguments.model)
            if damage:
                model = str(Path(folder) / f"model_{index}")
                shutil.copytree(source, model)
                damage(Path(model))
            likelihood, priors = change(problem)
            bilby.core.utils.random.seed(1)
            try:
                result = bilby.run_sampler(
                    likelihood,
                    priors,
                    sampler="flowpe",
                    model=model,
                    outdir=folder,
                    label=f"case_{index}",
                    n_effective=kwargs.get("n_effective", 1000),
                    progress=False,
                    save=False,
                    skip_import_verification=True,
                )
                statistics = result.meta_data["run_statistics"]
                said = (
                    f"{statistics['verdict']}, efficiency {statistics['efficiency']:.3f}; {statistics['corrections']}"
                )
            except FlowPEError as error:
                said = f"{type(error).__name__}: {error}"
            print(f"{name}\n    {said.replace(folder, 'FOLDER')}")


if __name__ == "__main__":
    main()
