"""The model card: which problems a trained model is for, how it was made, and how good it was found to be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..model import TrainedPosterior
from ..storage.folder import DESCRIPTION, WEIGHTS, file_digest, write_text
from .loss import FreshLoss


def write_card(
    folder: Path,
    model: TrainedPosterior,
    gap: Mapping[str, Any],
    commands: Mapping[str, str],
    loss: FreshLoss | None = None,
) -> Path:
    """Write ``card.md`` into the folder of a model.

    Parameters
    ----------
    folder
        Folder of the model.
    model
        The model in it.
    gap
        Figures of :func:`bilby_flowpe.validation.gap.summarise_gap`, with ``draws`` and ``seed``.
    commands
        Commands that trained and measured the model, under ``train`` and ``measure``.
    loss
        Loss on simulations from new waveforms, if it was measured.
    """
    history, information, facts = model.history, model.information, model.contract.facts
    best = history["best"]
    keys = ", ".join(model.conditional.keys)
    drawn = f"Given these, {keys} are drawn from their exact conditional distribution." if keys else ""
    learnt = ", ".join(key for key in facts["priors"] if key not in model.conditional.keys)
    log = [
        f"| {history['step'][i]} | {history['seconds'][i]:.0f} | {history['train_loss'][i]:.3f} | "
        f"{history['validation_loss'][i]:.3f} | {history['validation_loss_paper'][i]:.3f} |"
        for i in sorted({*range(0, len(history["step"]), max(1, len(history["step"]) // 10)), best})
    ]
    digest = file_digest(folder / WEIGHTS)
    lines = [
        f"# {folder.name}",
        "",
        f"The network ({model.network.config.family.upper()}, {model.network.n_parameters} weights) draws {learnt}, for data "
        f"of {', '.join(facts['detectors'])}. {drawn}".rstrip(),
        "",
        "## What it was trained for",
        "",
        "The model can be used for every problem within this one: with other priors inside these, with another waveform, "
        f"and with a PSD whose logarithm differs by at most {information.get('psd_tolerance', 0.0):g} (root mean square).",
        "",
        "```json",
        json.dumps(facts, indent=1),
        "```",
        "",
        "## How it was made",
        "",
        f"`{commands['train']}`",
        "",
        f"The seed was {model.settings['training']['seed']}. The simulation of {model.settings['simulation']['n_waveforms']} "
        f"waveforms took {information['seconds']['simulation']:.0f} s, and everything together "
        f"{information['seconds']['total']:.0f} s. The weights are stored in half precision.",
        "",
        "| step | seconds | training loss | validation loss | validation loss in standardised parameters |",
        "| --- | --- | --- | --- | --- |",
        *log,
        "",
        "## What it draws from",
        "",
        f"The proposal is a mixture of the network, of the network with a base {model.shares.width:g} times as wide (a "
        f"fraction of {model.shares.broad:g} of all draws), and of the prior (a fraction of {model.shares.prior:g}). These "
        f"numbers were chosen by measurements on simulated events (`information.calibration` in {DESCRIPTION}).",
        "",
        "## How good it is",
        "",
        f"`{commands['measure']}`",
        "",
        f"These figures are for {gap['events']} new simulated events from the prior, with {gap['draws']} draws each and seed "
        f"{gap['seed']}:",
        "",
        "| figure | value |",
        "| --- | --- |",
        *_loss(loss),
        f"| sample efficiency, median | {gap['efficiency_median']:.4f} |",
        f"| 10th percentile | {gap['efficiency_10']:.4f} |",
        f"| worst | {gap['efficiency_worst']:.4f} |",
        f"| KL divergence from the exact posterior, by weighted draws | {_kl(gap['kl_weighted'])} |",
        f"| KL divergence from the exact posterior, at the true parameters | {_kl(gap['kl_truth'])} |",
        f"| verdicts | {', '.join(f'{count} {grade}' for grade, count in gap['verdicts'].items())} |",
        "",
        f"SHA-256 of {WEIGHTS}: `{digest}`",
        "",
    ]
    return write_text(folder / "card.md", "\n".join(lines))


def _loss(loss: FreshLoss | None) -> list[str]:
    if loss is None:
        return []
    return [f"| loss on {loss.rows} new waveforms, in standardised parameters | {loss} |"]


def _kl(figures: Mapping[str, Any]) -> str:
    return f"{figures['mean']:.4f} +- {figures['standard_error']:.4f} nat"
