"""The command ``flowpe``: train, simulate, list, show, measure and compare models from a shell.

Large packages are imported only when a command runs, so that ``--help`` is answered at once.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from . import __version__
from .commands.alert_parsing import add_alert, add_notes
from .commands.catalogue_parsing import add_catalogue, add_reprior
from .commands.noise_parsing import add_noise
from .commands.parsing import AtLeast, add, add_family, add_npool, add_overwrite
from .commands.skymap_parsing import add_skymap
from .errors import FlowPEError

# Exit status of the process: 2 after wrong use, as argparse has it; 130 after an interrupt, and 141 after its output was
# closed, as shells have it.
_MISUSED, _INTERRUPTED, _CLOSED = 2, 130, 141
_ROOMS = {
    "alert": "alerting",
    "catalogue": "catalogues",
    "compare": "refereeing",
    "coverage": "refereeing",
    "noise": "noises",
    "notes": "noting",
    "report": "refereeing",
    "reprior": "catalogues",
    "skymap": "skymaps",
}
"""Module of :mod:`bilby_flowpe.commands` that has the function of a command; all other commands are in ``models``."""
_LOCAL = "local"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status.

    Parameters
    ----------
    arguments
        Words of the command line; by default those that the process was started with.

    Returns
    -------
    int
        Exit status: 0, or 2 after an error of the package's own, which is printed in one line; 130 after an interrupt, and 141
        if what reads the output has closed it.
    """
    given = vars(build_parser().parse_args(arguments))
    run: Callable[..., None]
    command = given.pop("command")
    try:
        if command == "family":
            from .commands import families

            command = f"family {(action := given.pop('action'))}"
            run = families.ACTIONS[action]
        else:
            run = getattr(import_module(f".commands.{_ROOMS.get(command, 'models')}", __package__), command)
        run(**given)
        sys.stdout.flush()
    except FlowPEError as error:
        print(f"flowpe {command}: {' '.join(str(error).split())}", file=sys.stderr)
        return _MISUSED
    except OSError as error:
        if isinstance(error, BrokenPipeError) and _output_is_closed():
            return _CLOSED
        # Missing files and folders that cannot be written: the message of the system names them.
        print(f"flowpe {command}: {error}", file=sys.stderr)
        return _MISUSED
    except KeyboardInterrupt:
        print(f"flowpe {command}: interrupted", file=sys.stderr)
        return _INTERRUPTED
    return 0


def _output_is_closed() -> bool:
    """Return whether what reads the output, such as ``head``, has closed it, and not a worker process its pipe."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # Python would complain once more when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; the options of each are the keyword arguments of its function."""
    parser = argparse.ArgumentParser(
        prog="flowpe", description="Neural posteriors for Bilby, weighted by the exact likelihood."
    )
    parser.add_argument("--version", action="version", version=f"bilby_flowpe {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    train = add(commands, "train", "train a model for the problem in a configuration file")
    _add_config(train)
    train.add_argument(
        "--outdir",
        type=Path,
        default=Path("outdir"),
        help="folder in which the model's folder is made (default: outdir)",
    )
    add_npool(train)
    _add_dask(train)
    train.add_argument(
        "--fabric",
        action="store_true",
        help="train in all processes that torchrun or srun has started, with lightning-fabric",
    )
    train.add_argument(
        "--resume",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="continue an interrupted training of the same problem and settings (default: yes)",
    )
    add_overwrite(train)

    simulate = add(commands, "simulate", "simulate the waveforms for a training and write them to an HDF5 file")
    _add_config(simulate)
    simulate.add_argument("--output", type=Path, required=True, metavar="FILE", help="HDF5 file to write")
    add_npool(simulate)
    _add_dask(simulate)
    add_overwrite(simulate)

    add(commands, "models", "list all shipped models and those in the cache")

    show = add(commands, "show", "show which problems a model is for, how it was trained and how good it is")
    _add_model(show)

    calibrate = add(
        commands,
        "calibrate",
        "tune the proposal mixture of a model, measure its PSD tolerance and how its data scatter, and store them with it",
    )
    _add_model(calibrate)
    calibrate.add_argument(
        "config",
        type=Path,
        nargs="?",
        metavar="CONFIG",
        help="configuration file of its problem (default: the one kept with the model, or the paper's problems)",
    )
    calibrate.add_argument("--events", type=AtLeast(1), default=64, help="number of simulated events (default: 64)")
    calibrate.add_argument("--draws", type=AtLeast(100), default=1000, help="draws for each event (default: 1000)")
    calibrate.add_argument(
        "--null-events",
        type=AtLeast(0),
        default=500,
        help="number of simulated events that show how usual data look; a run compares its data with them "
        "(default: 500; 0: keep those of the model)",
    )
    calibrate.add_argument("--seed", type=AtLeast(0), default=0, help="seed of the events (default: 0)")
    add_npool(calibrate)

    gap = add(
        commands,
        "gap",
        "measure a model on new simulated events: efficiency, divergence from the exact posterior (KL), verdicts",
    )
    _add_model(gap)
    gap.add_argument(
        "config",
        type=Path,
        nargs="?",
        metavar="CONFIG",
        help="configuration file of its problem (default: the one kept with the model, or the paper's problems)",
    )
    gap.add_argument(
        "--injections", type=AtLeast(0), default=200, help="number of events (default: 200; 0: measure the loss only)"
    )
    gap.add_argument("--draws", type=AtLeast(1), default=10_000, help="draws for each event (default: 10000)")
    gap.add_argument("--seed", type=AtLeast(0), default=1, help="seed of the events (default: 1)")
    gap.add_argument(
        "--waveforms",
        type=AtLeast(0),
        default=20_000,
        help="number of new waveforms on which the loss is measured (default: 20000; 0: do not measure it)",
    )
    add_npool(gap)
    gap.add_argument(
        "--outdir",
        type=Path,
        default=Path("outdir/gap"),
        help="folder for events, figures and picture (default: outdir/gap)",
    )
    gap.add_argument(
        "--card",
        nargs="?",
        const="flowpe train config.toml",
        metavar="COMMAND",
        help="write the figures into the model's card, and COMMAND as the one that trained the model "
        "(default: flowpe train config.toml)",
    )

    coverage = add(
        commands,
        "coverage",
        "make p-p plots and tests on new simulated events, for raw and weighted draws; several models get the same events",
    )
    coverage.add_argument(
        "models", nargs="+", metavar="MODEL", help="names of models that are shipped or in the cache, or folders"
    )
    _add_config_option(coverage)
    coverage.add_argument("--injections", type=AtLeast(2), default=1000, help="number of events (default: 1000)")
    coverage.add_argument("--samples", type=AtLeast(2), default=10_000, help="raw draws per event (default: 10000)")
    coverage.add_argument(
        "--effective", type=AtLeast(2), default=300, help="effective number of weighted draws per event (default: 300)"
    )
    coverage.add_argument(
        "--evaluations",
        type=AtLeast(2),
        default=5000,
        help="largest number of likelihood evaluations for them (default: 5000)",
    )
    coverage.add_argument("--seed", type=AtLeast(0), default=1, help="seed of the events (default: 1)")
    add_npool(coverage)
    coverage.add_argument(
        "--outdir",
        type=Path,
        default=Path("outdir/coverage"),
        help="folder for events, coverage.json and pp.png (default: outdir/coverage)",
    )

    compare = add(
        commands, "compare", "compare results with those of another sampler on the same likelihood, priors and data"
    )
    compare.add_argument(
        "model", nargs="?", metavar="MODEL", help="name of a model that is shipped or in the cache, or a folder"
    )
    _add_config_option(compare)
    compare.add_argument(
        "--results",
        type=Path,
        nargs=2,
        metavar=("RESULT", "REFEREE"),
        help="compare two result files, without new runs",
    )
    compare.add_argument(
        "--referee",
        default="dynesty",
        help="sampler of Bilby's to compare with, or the name of settings for one (default: dynesty)",
    )
    compare.add_argument("--injections", type=AtLeast(1), default=1, help="number of events (default: 1)")
    compare.add_argument("--seed", type=AtLeast(0), default=1, help="seed of the events (default: 1)")
    add_npool(compare)
    compare.add_argument(
        "--outdir",
        type=Path,
        default=Path("outdir/compare"),
        help="folder for results, comparison.json and pictures (default: outdir/compare)",
    )

    report = add(commands, "report", "write an HTML page about a result or a model, in one file")
    report.add_argument(
        "target", metavar="RESULT|MODEL", help="a result file of Bilby's, or the name or folder of a model"
    )
    report.add_argument(
        "--referee", type=Path, metavar="RESULT", help="result file of another sampler, to be plotted over this result"
    )
    report.add_argument(
        "--coverage",
        type=Path,
        metavar="FILE",
        help="coverage.json written by flowpe coverage; its p-p plots are added",
    )
    report.add_argument(
        "--output", type=Path, metavar="FILE", help="page to write (default: beside the result; NAME.html for a model)"
    )
    add_skymap(commands)
    add_catalogue(commands)
    add_reprior(commands)
    add_family(commands)
    add_alert(commands)
    add_noise(commands)
    add_notes(commands)
    return parser


def _add_config_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config",
        type=Path,
        help="configuration file of the problem (default: the one kept with the model, or the paper's problems)",
    )


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, metavar="CONFIG", help="configuration file (TOML)")


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="name of a model that is shipped or in the cache, or a folder")


def _add_dask(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dask",
        nargs="?",
        const=_LOCAL,
        metavar="ADDRESS",
        help="make the waveforms on the dask cluster at this address; without an address, on a local cluster of --npool "
        "processes",
    )


if __name__ == "__main__":
    sys.exit(main())
