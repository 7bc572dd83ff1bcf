"""The command ``flowpe noise``: compare noise models on a result of bilby_pipe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bilby.core.utils import logger
from bilby.gw.likelihood import GravitationalWaveTransient

from ..configuration.pipe import read_pipe_result
from ..errors import DataError
from ..noise import compare
from ..noise.page import format_noise, write_page
from ..storage.folder import write_text
from ..validation.comparison import plain


def noise(
    result: Path,
    config: Path | None,
    data: Path | None,
    segments: float | None,
    method: str,
    notch: list[tuple[str, float, float]] | None,
    refine: bool,
    npool: int,
    output: Path | None,
) -> None:
    """Weigh a result of bilby_pipe under several noise models, and write a page and a table."""
    logger.setLevel("WARNING")
    found, run = read_pipe_result(result, config, data)
    if not isinstance(run.likelihood, GravitationalWaveTransient):
        raise DataError(
            f"{result}: its likelihood is {type(run.likelihood).__name__}; noise models can be compared for "
            "GravitationalWaveTransient only"
        )
    lines: dict[str, list[tuple[float, float]]] | None = None
    if notch:
        lines = {}
        for detector, low, high in notch:
            lines.setdefault(detector, []).append((low, high))
    anew: dict[str, Any] | None = {"n_effective": 1000, "progress": False} if refine else None
    comparison = compare(
        found,
        run.likelihood,
        refine=anew,
        npool=npool,
        outdir=result.parent,
        lines=lines,
        segments=segments,
        method=method,
    )
    print(format_noise(comparison))
    page = output or result.with_name(f"{found.label}_noise.html")
    write_page(comparison, page)
    write_text(page.with_suffix(".json"), json.dumps(plain(comparison.to_dict()), indent=1) + "\n")
    print(page)
