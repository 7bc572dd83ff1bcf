"""The command ``flowpe alert``: watch a folder, and analyse each event as it comes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bilby.core.utils import logger

from ..alert.alert import Alert, Analysed
from ..alert.inbox import Inbox, Writer
from ..skymap import write_sky_map
from ..validation.report import report_result


def alert(
    inbox: Path,
    outdir: Path,
    once: bool,
    every: float,
    priors: Path | None,
    waveform: str,
    minimum_frequency: float,
    maximum_frequency: float,
    effective: int,
    npool: int,
    page: bool,
) -> None:
    """Analyse the events that are in a folder and those that come into it, until a signal ends the process."""
    settings: dict[str, Any] = {"n_effective": effective, "n_posterior": effective, "npool": npool}
    band = minimum_frequency, maximum_frequency
    analyst = Alert(priors, waveform, *band, reference_frequency=minimum_frequency, warm=False, settings=settings)
    writers: dict[str, Writer] = {"FITS": _write_map, "result": _write_result}
    if page:
        writers["page"] = _write_page
    box = Inbox(inbox, outdir, analyst, writers)
    with box.held():
        try:
            analyst.warm_up()
            if once:
                box.work_off()
            else:
                logger.info(f"Watching {inbox}")
                box.watch(every)
        except SystemExit:
            logger.info(
                "Ended by a signal. An event that was being analysed will be analysed when the folder is watched again"
            )


def _write_map(analysed: Analysed, folder: Path, name: str) -> None:
    if analysed.sky_map is not None:
        write_sky_map(analysed.sky_map, folder / f"{name}_skymap.fits")


def _write_result(analysed: Analysed, folder: Path, name: str) -> None:
    analysed.result.save_to_file(outdir=str(folder), extension="json", overwrite=True)


def _write_page(analysed: Analysed, folder: Path, name: str) -> None:
    report_result(folder / f"{name}_result.json")
