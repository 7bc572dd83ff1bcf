"""The loss of a trained model on simulations from new waveforms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ..model import TrainedPosterior
from ..problem import Problem, SimulationConfig

# Number of simulations that go through the network at once, to limit the memory.
_CHUNK = 2048


@dataclass(frozen=True)
class FreshLoss:
    """Loss over simulations that a model has never seen, in nats.

    Attributes
    ----------
    mean, standard_error
        Mean and error of the loss in the paper's units: for parameters of zero mean and unit variance over the prior, of which
        only those of the network count (paper, table III). The factor one half of every folded parameter is included. With
        latent variables it is an upper bound of the cross entropy.
    kl
        Mean KL term in the loss of a network with latent variables; ``None`` for others.
    rows
        Number of simulations.
    infinite
        Number of simulations with a loss beyond single precision: an affine flow that is hardly trained may scale a parameter
        by more than that. They are left out of the figures, and mentioned.
    """

    mean: float
    standard_error: float
    kl: float | None
    rows: int
    infinite: int = 0

    def __str__(self) -> str:
        of_kl = "" if self.kl is None else f", of which the KL term {self.kl:.3f}"
        left_out = f"; {self.infinite} of {self.rows} rows are infinite and left out" if self.infinite else ""
        return f"{self.mean:.3f} +- {self.standard_error:.3f} nat{of_kl}{left_out}"


def fresh_loss(
    model: TrainedPosterior,
    problem: Problem,
    size: int = 20_000,
    seed: int = 1,
    npool: int = 1,
) -> FreshLoss:
    """Return the loss of a model over new simulations, which are the same for the same seed.

    Parameters
    ----------
    model
        A trained model.
    problem
        Problem of the model.
    size
        Number of simulations, each from another waveform.
    seed
        Seed; it has to differ from that of the training.
    npool
        Number of processes.
    """
    config = SimulationConfig(n_waveforms=size, flatten_snr=False, psd=model.psd)
    bank = problem.bank(config, npool, seed, grid=model.grid, progress=False)
    bound = model.bind_to(problem)
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    moments = problem.prior.moments(np.random.default_rng(seed))
    constant = bound.coordinates.log_copies - sum(np.log(moments[key][1]) for key in model.coordinates.keys)
    # Latent variables have the same random numbers for every model.
    noise = torch.Generator().manual_seed(seed)
    losses, kl = [], []
    for begin in range(0, size, _CHUNK):
        signals = bank.draw(min(_CHUNK, size - begin), rng)
        context, pivot = model.representation(bank.add_noise(signals.data, generator))
        x, log_jacobian = bound.coordinates.to_network(signals.parameters, pivot)
        with torch.no_grad():
            terms = model.network.loss_terms(x, context, noise)
        losses.append(sum(terms.values(), torch.zeros(())).double().numpy() - log_jacobian + constant)
        kl.append(terms["kl"].double().numpy() if "kl" in terms else np.zeros(0))
    rows, of_kl = np.concatenate(losses), np.concatenate(kl)
    finite = np.isfinite(rows)
    return FreshLoss(
        mean=float(rows[finite].mean()),
        standard_error=float(rows[finite].std(ddof=1) / np.sqrt(finite.sum())),
        kl=float(of_kl[finite].mean()) if len(of_kl) else None,
        rows=len(rows),
        infinite=int(np.sum(~finite)),
    )
