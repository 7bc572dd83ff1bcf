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
    drawn = ", ".join(model.conditional.keys) or "nothing"
    log = [
        f"| {history['step'][i]} | {history['seconds'][i]:.0f} | {history['train_loss'][i]:.3f} | "
        f"{history['validation_loss'][i]:.3f} | {history['validation_loss_paper'][i]:.3f} |"
        for i in sorted({*range(0, len(history["step"]), max(1, len(history["step"]) // 10)), best})
    ]
    digest = file_digest(folder / WEIGHTS)
    lines = [
        f"# {folder.name}",
        "",
        f"A {model.network.config.family} of {model.network.n_parameters} parameters for "
        f"{', '.join(facts['priors'])} in {', '.join(facts['detectors'])}; {drawn} drawn from the exact conditional.",
        "",
        "## What it was trained for",
        "",
        "A model serves every problem that lies within this one: narrower or other priors inside these, another waveform, "
        f"another PSD whose logarithm differs by a root mean square of up to {information.get('psd_tolerance', 0.0):g}.",
        "",
        "```json",
        json.dumps(facts, indent=1),
        "```",
        "",
        "## How it was made",
        "",
        f"`{commands['train']}`",
        "",
        f"Seed {model.settings['training']['seed']}; {model.settings['simulation']['n_waveforms']} waveforms in "
        f"{information['seconds']['simulation']:.0f} s, {information['seconds']['total']:.0f} s in all. "
        "Weights in half precision.",
        "",
        "| step | seconds | training loss | validation loss | the same in standardised parameters |",
        "| --- | --- | --- | --- | --- |",
        *log,
        "",
        "## What it draws from",
        "",
        f"The flow, a fraction of {model.shares.broad:g} of its draws from a base {model.shares.width:g} times as wide, and a "
        f"fraction of {model.shares.prior:g} from the prior; they were tuned by measurement (`information.calibration` in "
        f"{DESCRIPTION}).",
        "",
        "## How good it is",
        "",
        f"`{commands['measure']}`",
        "",
        f"Over {gap['events']} new injections from the prior, {gap['draws']} draws each, seed {gap['seed']}:",
        "",
        "| figure | value |",
        "| --- | --- |",
        *_loss(loss),
        f"| sample efficiency, median | {gap['efficiency_median']:.4f} |",
        f"| 10th percentile | {gap['efficiency_10']:.4f} |",
        f"| worst | {gap['efficiency_worst']:.4f} |",
        f"| KL to the exact posterior, by weighted draws | {_kl(gap['kl_weighted'])} |",
        f"| KL to the exact posterior, by the truths | {_kl(gap['kl_truth'])} |",
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
