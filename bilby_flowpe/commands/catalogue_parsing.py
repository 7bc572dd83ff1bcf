"""The parsers of ``flowpe catalogue`` and of what is done with a catalogue later; nothing large is imported."""

from __future__ import annotations

import argparse
import ast
import os
import re
from pathlib import Path
from typing import Any

from .parsing import AtLeast, Commands, add


def add_catalogue(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add ``flowpe catalogue``."""
    cores = os.cpu_count() or 1
    parser = add(
        commands, "catalogue", "analyse many events, from configurations to one table; an interrupted one goes on"
    )
    parser.add_argument(
        "folder",
        type=Path,
        metavar="FOLDER",
        help="with ini files of bilby_pipe, or TOML files of events, or one such file",
    )
    parser.add_argument(
        "--outdir",
        type=Path,
        default=Path("outdir/catalogue"),
        help="of table, page and events (default: outdir/catalogue)",
    )
    parser.add_argument(
        "--base", type=Path, help="folder from which files are looked for that configurations name (default: their own)"
    )
    parser.add_argument(
        "--jobs", type=AtLeast(1), help=f"events at once (default: as many as {cores} cores have room for)"
    )
    parser.add_argument(
        "--npool", type=AtLeast(1), help="processes of each event (default: what its configuration says, else 1)"
    )
    parser.add_argument(
        "--dask", nargs="?", const="local", metavar="ADDRESS",
        help="run events on the dask cluster at this address, which sees the same folders; without one, on a cluster here",
    )  # fmt: skip
    parser.add_argument(
        "--sampler-kwargs", type=keywords, default={}, metavar="KEY=VALUE,...",
        help="arguments of sampler=flowpe, before those of the configurations, such as n_effective=300,n_posterior=1000",
    )  # fmt: skip
    parser.add_argument(
        "--renew",
        action="store_true",
        help="make maps, pages and rows of events that are done anew: by a newer version",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")


def add_reprior(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add ``flowpe reprior``."""
    parser = add(
        commands, "reprior", "put a catalogue under another prior: by weights, and by new draws where these are few"
    )
    parser.add_argument("catalogue", type=Path, metavar="CATALOGUE", help="outdir of flowpe catalogue")
    parser.add_argument(
        "--prior", type=one_prior, action="append", default=[], metavar="KEY=PRIOR",
        help="prior in the place of each event's, as in a prior file; several times, or never: more draws under the same prior",
    )  # fmt: skip
    parser.add_argument("--outdir", type=Path, required=True, help="of the new catalogue")
    parser.add_argument(
        "--least", type=float, default=100.0,
        help="effective number below which an event has new draws (default: 100; 0: none has)",
    )  # fmt: skip
    parser.add_argument("--n-effective", type=AtLeast(1), help="that new runs aim at (default: as the old ones)")
    parser.add_argument("--jobs", type=AtLeast(1), help="events at once (default: one a core)")
    parser.add_argument("--npool", type=AtLeast(1), help="processes of each new run (default: 1)")


def one_prior(text: str) -> tuple[str, str]:
    """Parameter and prior of ``KEY=PRIOR``."""
    key, equals, prior = text.partition("=")
    if not equals or not key.strip().isidentifier() or not prior.strip():
        raise argparse.ArgumentTypeError(f"{text}: give KEY=PRIOR, as luminosity_distance=PowerLaw(2,100,5000)")
    return key.strip(), prior.strip()


def keywords(text: str) -> dict[str, Any]:
    """Arguments of ``KEY=VALUE,KEY=VALUE``; a value that is no Python literal is a text."""
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
