"""Options that several commands have, and the parser of ``flowpe family``; nothing large is imported."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

Commands = argparse._SubParsersAction
"""Commands of a parser."""


def add(commands: Commands[argparse.ArgumentParser], name: str, text: str) -> argparse.ArgumentParser:
    """Add a command, and what it does."""
    return commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")


def add_npool(parser: argparse.ArgumentParser) -> None:
    """Add the option for the number of processes."""
    cores = os.cpu_count() or 1
    parser.add_argument("--npool", type=AtLeast(1), default=cores, help=f"processes (default: {cores}, one a core)")


def add_overwrite(parser: argparse.ArgumentParser) -> None:
    """Add the option to replace what is there."""
    parser.add_argument("--overwrite", action="store_true", help="replace what is there")


def add_family(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add ``flowpe family`` and its actions."""
    family = add(
        commands, "family", "networks of families of black-hole binaries, for any noise curve: simulate, train, list"
    )
    actions = family.add_subparsers(dest="action", required=True, metavar="ACTION")

    simulate = add(actions, "simulate", "simulate events of a family, in shards that are made once")
    _add_name(simulate)
    simulate.add_argument("folder", type=Path, metavar="FOLDER", help="where the shards go")
    simulate.add_argument(
        "--shards",
        type=span,
        required=True,
        metavar="A:B",
        help="numbers of the shards, each the seed of its own events: from A up to but without B",
    )
    add_npool(simulate)

    train = add(actions, "train", "train a network on all shards of a folder")
    _add_name(train)
    train.add_argument("shards", type=Path, metavar="SHARDS", help="folder of shards")
    train.add_argument("folder", type=Path, metavar="FOLDER", help="where the model goes")
    train.add_argument("--network", choices=("maf", "nsf", "cvae+"), default="maf", help="kind (default: maf)")
    train.add_argument("--minutes", type=float, required=True, help="how long to train")
    train.add_argument("--device", default="cpu", help="any that torch knows (default: cpu)")
    train.add_argument(
        "--checkpoint",
        type=Path,
        metavar="FILE",
        help="file to write from time to time and to go on from (default: beside the model, named after what is trained)",
    )
    add_overwrite(train)

    add(actions, "list", "list families, and the networks that ship")


def _add_name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="name of the family: flowpe family list has them")


def span(text: str) -> range:
    """Whole numbers from A up to but without B, of ``A:B``."""
    first, _, last = text.partition(":")
    if not (first.isdigit() and last.isdigit() and int(first) < int(last)):
        raise argparse.ArgumentTypeError(f"{text}: give two whole numbers, the first the lower, as 0:10")
    return range(int(first), int(last))


class AtLeast:
    """Whole numbers from a least one on."""

    def __init__(self, least: int) -> None:
        self.least = least

    def __call__(self, text: str) -> int:
        number = int(text)
        if number < self.least:
            raise argparse.ArgumentTypeError(f"{text}: give a whole number of at least {self.least}")
        return number

    def __repr__(self) -> str:
        return "whole number"
