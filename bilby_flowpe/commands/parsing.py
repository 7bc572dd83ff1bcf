"""Options that several commands share, and the parser of ``flowpe family``; large packages are not imported."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

Commands = argparse._SubParsersAction
"""Type of the object to which the commands of a parser are added."""


def add(commands: Commands[argparse.ArgumentParser], name: str, text: str) -> argparse.ArgumentParser:
    """Add a command with its description."""
    return commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")


def add_npool(parser: argparse.ArgumentParser) -> None:
    """Add the option for the number of processes."""
    cores = os.cpu_count() or 1
    parser.add_argument(
        "--npool", type=AtLeast(1), default=cores, help=f"number of processes (default: {cores}, one per core)"
    )


def add_overwrite(parser: argparse.ArgumentParser) -> None:
    """Add the option to replace files that exist already."""
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file or model")


def add_family(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command ``flowpe family`` and its actions to a parser."""
    family = add(
        commands, "family", "networks for whole families of black-hole binaries under any PSD: simulate, train, list"
    )
    actions = family.add_subparsers(dest="action", required=True, metavar="ACTION")

    simulate = add(actions, "simulate", "simulate events of a family in files (shards); files that exist are kept")
    _add_name(simulate)
    simulate.add_argument("folder", type=Path, metavar="FOLDER", help="folder for the shards")
    simulate.add_argument(
        "--shards",
        type=span,
        required=True,
        metavar="A:B",
        help="numbers of the shards, from A up to but not including B; each number is the seed of its events",
    )
    add_npool(simulate)

    train = add(actions, "train", "train a network on all shards of a folder")
    _add_name(train)
    train.add_argument("shards", type=Path, metavar="SHARDS", help="folder with the shards")
    train.add_argument("folder", type=Path, metavar="FOLDER", help="folder for the model")
    train.add_argument(
        "--network", choices=("maf", "nsf", "cvae+"), default="maf", help="kind of network (default: maf)"
    )
    train.add_argument("--minutes", type=float, required=True, help="minutes of training")
    train.add_argument("--device", default="cpu", help="device of the training, as torch names it (default: cpu)")
    train.add_argument(
        "--checkpoint",
        type=Path,
        metavar="FILE",
        help="file in which the training is saved from time to time, and from which it continues (default: a file beside the "
        "model)",
    )
    add_overwrite(train)

    add(actions, "list", "list families, and the networks that ship")


def _add_name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="name of the family; flowpe family list shows all names")


def span(text: str) -> range:
    """Return the whole numbers from A up to, but not including, B from a text ``A:B``."""
    first, _, last = text.partition(":")
    if not (first.isdigit() and last.isdigit() and int(first) < int(last)):
        raise argparse.ArgumentTypeError(f"{text}: give two whole numbers, the lower first, such as 0:10")
    return range(int(first), int(last))


class AtLeast:
    """Type of an option: whole numbers that are not below a least one."""

    def __init__(self, least: int) -> None:
        self.least = least

    def __call__(self, text: str) -> int:
        number = int(text)
        if number < self.least:
            raise argparse.ArgumentTypeError(f"{text}: give a whole number of at least {self.least}")
        return number

    def __repr__(self) -> str:
        return "whole number"
