"""The parser of ``flowpe noise``; nothing large is imported."""

from __future__ import annotations

import argparse
from pathlib import Path

from .parsing import Commands, add, add_npool


def add_noise(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add ``flowpe noise``."""
    noise = add(
        commands,
        "noise",
        "weigh a result of bilby_pipe by other noise models: evidences, what changes in the posterior, one page",
    )
    noise.add_argument(
        "result", type=Path, metavar="RESULT", help="OUTDIR/result/LABEL_result.json or .hdf5 of bilby_pipe"
    )
    noise.add_argument(
        "--config", type=Path, metavar="FILE", help="its complete configuration (default: OUTDIR/*_config_complete.ini)"
    )
    noise.add_argument("--data", type=Path, metavar="FILE", help="its data (default: OUTDIR/data/*_data_dump.pickle)")
    noise.add_argument(
        "--segments",
        type=float,
        metavar="N",
        help="independent segments that the noise curves were estimated from; no model of that kind when left out",
    )
    noise.add_argument(
        "--method", choices=("median", "mean"), default="median", help="over these segments (default: median)"
    )
    noise.add_argument(
        "--notch",
        type=band,
        action="append",
        metavar="DETECTOR:LOW:HIGH",
        help="band in Hz to leave out, as L1:500:508; may be given several times (default: bands that the data show to be off)",
    )
    noise.add_argument(
        "--refine",
        action="store_true",
        help="run the sampler anew under models where the draws of the result do not last",
    )
    add_npool(noise)
    noise.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="page to write, and .json beside it (default: LABEL_noise.html beside the result)",
    )


def band(text: str) -> tuple[str, float, float]:
    """Detector and frequencies of ``DETECTOR:LOW:HIGH``."""
    detector, *ends = text.split(":")
    try:
        low, high = map(float, ends)
    except ValueError:
        low = high = 0.0
    if not (detector and 0 < low < high):
        raise argparse.ArgumentTypeError(
            f"{text}: give a detector and two frequencies in Hz, the lower first, as L1:500:508"
        )
    return detector, low, high
