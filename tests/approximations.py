"""Likelihoods of a few frequencies on the data of another: reduced-order quadrature, multibanding, relative binning."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from bilby.core.prior import PriorDict
from bilby.gw import source
from bilby.gw.likelihood import (
    GravitationalWaveTransient,
    MBGravitationalWaveTransient,
    RelativeBinningGravitationalWaveTransient,
    ROQGravitationalWaveTransient,
)
from bilby.gw.waveform_generator import WaveformGenerator
from scipy.linalg import qr

from bilby_flowpe.priors import PriorTransform


def generator_of(likelihood: GravitationalWaveTransient, model: Callable, **changes: Any) -> WaveformGenerator:
    """The likelihood's waveform generator with another source model."""
    given = likelihood.waveform_generator
    return WaveformGenerator(
        duration=given.duration,
        sampling_frequency=given.sampling_frequency,
        start_time=given.start_time,
        frequency_domain_source_model=model,
        waveform_arguments={**given.waveform_arguments, **changes},
    )


def multibanded(likelihood: GravitationalWaveTransient, priors: PriorDict, **changes: Any) -> Any:
    generator = generator_of(likelihood, source.binary_black_hole_frequency_sequence)
    return MBGravitationalWaveTransient(
        likelihood.interferometers, generator, reference_chirp_mass=30.0, priors=priors, **changes
    )


def relatively_binned(likelihood: GravitationalWaveTransient, priors: PriorDict, **changes: Any) -> Any:
    generator = generator_of(likelihood, source.lal_binary_black_hole_relative_binning)
    fiducial = {**PriorTransform(priors).fixed, **likelihood.injection_parameters}
    return RelativeBinningGravitationalWaveTransient(
        likelihood.interferometers, generator, fiducial_parameters=fiducial, priors=priors, epsilon=0.1, **changes
    )


def reduced(likelihood: GravitationalWaveTransient, priors: PriorDict, size: int = 60, **changes: Any) -> Any:
    """Reduced-order quadrature on a basis of ``size`` waveforms, nodes by pivoting."""
    transform = PriorTransform(priors)
    draws = transform.sample(300, np.random.default_rng(8))
    band = likelihood.interferometers[0].frequency_mask
    frequencies = likelihood.interferometers[0].frequency_array[band]
    waves = np.array(
        [
            likelihood.waveform_generator.frequency_domain_strain(
                {**transform.fixed, **{key: float(value[i]) for key, value in draws.items()}}
            )["plus"][band]
            for i in range(300)
        ]
    )
    matrices, nodes = {}, {}
    for name, rows in (("linear", waves), ("quadratic", np.abs(waves) ** 2)):
        _, _, directions = np.linalg.svd(rows / np.linalg.norm(rows, axis=1, keepdims=True), full_matrices=False)
        basis = directions[:size].T
        chosen = np.sort(qr(basis.T, pivoting=True, mode="r")[1][:size])
        matrices[f"{name}_matrix"] = basis @ np.linalg.inv(basis[chosen])
        nodes[f"frequency_nodes_{name}"] = frequencies[chosen]
    generator = generator_of(likelihood, source.binary_black_hole_roq, **nodes)
    return ROQGravitationalWaveTransient(likelihood.interferometers, generator, priors, **matrices, **changes)


APPROXIMATIONS = {"multibanded": multibanded, "relatively binned": relatively_binned, "reduced": reduced}
