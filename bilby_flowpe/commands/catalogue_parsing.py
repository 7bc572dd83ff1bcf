"""Parsers of ``flowpe catalogue`` and ``flowpe reprior``; large packages are not imported."""

from __future__ import annotations

import argparse
import ast
import os
import re
from pathlib import Path
from typing import Any

from .parsing import AtLeast, Commands, add


def add_catalogue(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command ``flowpe catalogue`` to a parser."""
    cores = os.cpu_count() or 1
    parser = add(
        commands,
        "catalogue",
        "analyse many events and collect them in one table; started again, an interrupted catalogue continues",
    )
    parser.add_argument(
        "folder",
        type=Path,
        metavar="FOLDER",
        help="folder with ini files of bilby_pipe or TOML files of events, or one such file",
    )
    parser.add_argument(
        "--outdir",
        type=Path,
        default=Path("outdir/catalogue"),
        help="folder for table, page and events (default: outdir/catalogue)",
    )
    parser.add_argument(
        "--base",
        type=Path,
        help="folder to which file names in the configurations are relative (default: the folder of each configuration)",
    )
    parser.add_argument(
        "--jobs", type=AtLeast(1), help=f"events analysed at the same time (default: as many as {cores} cores allow)"
    )
    parser.add_argument(
        "--npool", type=AtLeast(1), help="processes for each event (default: as its configuration says, else 1)"
    )
    parser.add_argument(
        "--dask", nargs="?", const="local", metavar="ADDRESS",
        help="run events on the dask cluster at this address, which must see the same folders; without an address, on a "
        "local cluster",
    )  # fmt: skip
    parser.add_argument(
        "--sampler-kwargs", type=keywords, default={}, metavar="KEY=VALUE,...",
        help="arguments of sampler=flowpe that replace those of the configurations, such as n_effective=300,n_posterior=1000",
    )  # fmt: skip
    parser.add_argument(
        "--renew",
        action="store_true",
        help="make sky maps, pages and table rows of finished events again, for instance after an update of flowpe",
    )
    parser.add_argument("--dry-run", action="store_true", help="print what would be done, and do nothing")


def add_reprior(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command ``flowpe reprior`` to a parser."""
    parser = add(
        commands,
        "reprior",
        "change the prior of a catalogue: by new weights, and by new runs where too few draws keep weight",
    )
    parser.add_argument(
        "catalogue", type=Path, metavar="CATALOGUE", help="folder that flowpe catalogue has written (its --outdir)"
    )
    parser.add_argument(
        "--prior", type=one_prior, action="append", default=[], metavar="KEY=PRIOR",
        help="prior that replaces the one of each event, as a prior file writes it; may be given several times; without it, "
        "events get more draws under the same prior",
    )  # fmt: skip
    parser.add_argument("--outdir", type=Path, required=True, help="folder for the new catalogue")
    parser.add_argument(
        "--least", type=float, default=100.0,
        help="effective number of draws below which an event is run again (default: 100; 0: no event is)",
    )  # fmt: skip
    parser.add_argument(
        "--n-effective", type=AtLeast(1), help="effective number of draws for new runs (default: as in the old ones)"
    )
    parser.add_argument("--jobs", type=AtLeast(1), help="events analysed at the same time (default: one per core)")
    parser.add_argument("--npool", type=AtLeast(1), help="processes for each new run (default: 1)")


def one_prior(text: str) -> tuple[str, str]:
    """Return parameter and prior from a text ``KEY=PRIOR``."""
    key, equals, prior = text.partition("=")
    if not equals or not key.strip().isidentifier() or not prior.strip():
        raise argparse.ArgumentTypeError(f"{text}: give KEY=PRIOR, such as luminosity_distance=PowerLaw(2,100,5000)")
    return key.strip(), prior.strip()


def keywords(text: str) -> dict[str, Any]:
    """Return the arguments in a text ``KEY=VALUE,KEY=VALUE``; a value that is not a Python literal is kept as text."""
    found = {}
    for part in re.split(r",(?=\s*[A-Za-z_]\w*\s*=)", text):
        key, equals, value = part.partition("=")
        if not equals or not key.strip().isidentifier():
            raise argparse.ArgumentTypeError(f"{part}: give KEY=VALUE, several with commas between them")
        try:
            found[key.strip()] = ast.literal_eval(value.strip())
        except (ValueError, SyntaxError):
            found[key.strip()] = value.strip()
    return found
