"""Parser of ``flowpe noise``; large packages are not imported."""

from __future__ import annotations

import argparse
from pathlib import Path

from .parsing import Commands, add, add_npool


def add_noise(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command ``flowpe noise`` to a parser."""
    noise = add(
        commands,
        "noise",
        "compare noise models on a result of bilby_pipe: their evidences, how they change the posterior, and a page",
    )
    noise.add_argument(
        "result", type=Path, metavar="RESULT", help="OUTDIR/result/LABEL_result.json or .hdf5 of bilby_pipe"
    )
    noise.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="complete configuration of the run (default: OUTDIR/*_config_complete.ini)",
    )
    noise.add_argument(
        "--data", type=Path, metavar="FILE", help="data of the run (default: OUTDIR/data/*_data_dump.pickle)"
    )
    noise.add_argument(
        "--segments",
        type=float,
        metavar="N",
        help="number of independent segments that the PSDs were estimated from; without it, the model of uncertain PSDs is "
        "left out",
    )
    noise.add_argument(
        "--method", choices=("median", "mean"), default="median", help="average over these segments (default: median)"
    )
    noise.add_argument(
        "--notch",
        type=band,
        action="append",
        metavar="DETECTOR:LOW:HIGH",
        help="band in Hz to leave out, such as L1:500:508; may be given several times (default: bands whose noise differs "
        "from the PSD)",
    )
    noise.add_argument(
        "--refine",
        action="store_true",
        help="run the sampler again for models under which too few draws of the result keep weight",
    )
    add_npool(noise)
    noise.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="page to write, with a .json file beside it (default: LABEL_noise.html beside the result)",
    )


def band(text: str) -> tuple[str, float, float]:
    """Return detector and frequencies from a text ``DETECTOR:LOW:HIGH``."""
    detector, *ends = text.split(":")
    try:
        low, high = map(float, ends)
    except ValueError:
        low = high = 0.0
    if not (detector and 0 < low < high):
        raise argparse.ArgumentTypeError(
            f"{text}: give a detector and two frequencies in Hz, the lower first, such as L1:500:508"
        )
    return detector, low, high
