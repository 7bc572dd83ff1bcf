"""The command ``flowpe notes``: verdicts of results as a text, for PESummary."""

from __future__ import annotations

import sys
from pathlib import Path

from bilby.core.utils import logger

from ..storage.folder import write_text
from ..validation.notes import notes_of


def notes(results: list[Path], output: Path | None) -> None:
    """Write verdict, reasons and figures of results to a file, or print them."""
    logger.setLevel("WARNING")
    text = notes_of(results)
    if output is None:
        sys.stdout.write(text)
        return
    output.parent.mkdir(parents=True, exist_ok=True)
    write_text(output, text)
    print(output)
