"""The loss of a trained model on simulations from waveforms that it has never seen."""

from __future__ import annotations

import numpy as np
import torch
from bilby.core.prior import PriorDict
from bilby.gw.likelihood import GravitationalWaveTransient

from ..model import TrainedPosterior
from ..priors import PriorTransform
from ..simulation import GravitationalWaveSimulator, SimulationConfig

_CHUNK = 2048


def fresh_loss(
    model: TrainedPosterior,
    likelihood: GravitationalWaveTransient,
    priors: PriorDict,
    size: int = 20_000,
    seed: int = 1,
    npool: int = 1,
) -> tuple[float, float]:
    """Mean and standard error of the loss in the paper's units, in nats.

    Parameters of zero mean and unit variance over the prior, those that the network has (paper, table III); the factor one
    half of every fold is counted.

    Parameters
    ----------
    model
        A trained model.
    likelihood, priors
        Its problem.
    size
        Number of simulations, each from a waveform of its own.
    seed
        Another one than the model was trained with.
    npool
        Processes.
    """
    transform = PriorTransform(priors)
    config = SimulationConfig(n_waveforms=size, flatten_snr=False)
    simulator = GravitationalWaveSimulator(likelihood, transform, config, npool, seed, grid=model.grid, progress=False)
    bound = model.bind(likelihood, transform)
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    moments = transform.moments(np.random.default_rng(seed))
    constant = bound.coordinates.log_copies - sum(np.log(moments[key][1]) for key in model.coordinates.keys)
    losses = []
    for _ in range(max(1, size // _CHUNK)):
        signals = simulator.draw(_CHUNK, rng)
        context, pivot = model.representation(simulator.add_noise(signals.data, generator))
        x, log_jacobian = bound.coordinates.to_network(signals.parameters, pivot)
        with torch.no_grad():
            own = model.network.loss(x, context).double().numpy()
        losses.append(own - log_jacobian + constant)
    rows = np.concatenate(losses)
    return float(rows.mean()), float(rows.std(ddof=1) / np.sqrt(len(rows)))
