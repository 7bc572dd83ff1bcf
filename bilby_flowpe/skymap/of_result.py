"""Sky map of a result, made of the weighted positions that its run has stored, or of its rows."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from bilby.core.result import Result
from bilby.core.utils import logger

from ..errors import DataError
from ..names import DEC, DISTANCE, RA, TIME
from ..result_files import result_of
from ..results import is_merged, statistics_of
from .candidates import FILE, SkyCandidates, load_candidates, of_rows
from .map import SkyMap
from .smooth import smoothed

_FEWEST = 50  # fewest rows of a posterior: a density estimated from fewer says little about the posterior


def sky_map(result: Result | str | Path | SkyCandidates, folder: str | Path | None = None) -> SkyMap:
    """Make the sky map of a posterior, with distances.

    A run of flowpe that drew the sky position given the wave stores weighted positions next to its result, many for each row of
    the posterior; the map is made from these. For any other result, of whichever sampler, it is made from the posterior's rows.

    Parameters
    ----------
    result
        Bilby's result, its file, or weighted positions.
    folder
        Folder of the result's file, if the result is given as an object and was not saved to its own ``outdir``.

    Raises
    ------
    DataError
        If the result has no right ascension and declination, or too few rows.
    """
    began = time.monotonic()
    if isinstance(result, SkyCandidates):
        return SkyMap.of(smoothed(result), {})
    if isinstance(result, str | Path):
        folder = Path(result).parent if folder is None else folder
    result = result_of(result)
    candidates = candidates_of(result, Path(folder or result.outdir or "."))
    found = SkyMap.of(smoothed(candidates))
    seconds = time.monotonic() - began + candidates.seconds
    header = {**_header(result), "RUNTIME": (round(seconds, 3), "[s] Time to make this map of the posterior")}
    if found.distance is not None:
        header["DISTMEAN"] = (round(found.distance[0], 4), "[Mpc] Posterior mean of the luminosity distance")
        header["DISTSTD"] = (round(found.distance[1], 4), "[Mpc] Posterior standard deviation of it")
    kept = len(np.unique(candidates.row)) < len(candidates.row)
    made = "sky positions that the run has kept" if kept else "rows of the posterior"
    header["HISTORY"] = f"Made from {candidates.effective:.0f} effective {made}; result {result.label}"
    return SkyMap(found.cells, found.density, found.mu, found.sigma, found.norm, header)


def candidates_of(result: Result, folder: Path) -> SkyCandidates:
    """Return weighted positions of a result: those that its run has stored in a folder next to it, or its rows.

    Parameters
    ----------
    result
        The result.
    folder
        Folder of the result's file.

    Raises
    ------
    DataError
        If the result has no right ascension and declination, or too few rows.
    """
    kept = _kept(result, folder)
    if kept is not None:
        return kept
    posterior = result.posterior
    if missing := [key for key in (RA, DEC) if key not in posterior]:
        raise DataError(
            f"the posterior of the result {result.label!r} has no columns {missing}: give a result whose sky position was "
            "sampled, with Bilby's names of parameters"
        )
    ra, dec = (posterior[key].to_numpy(dtype=np.float64) for key in (RA, DEC))
    if not (np.isfinite(ra).all() and np.isfinite(dec).all() and np.all(np.abs(dec) <= np.pi / 2)):
        raise DataError(
            f"the result {result.label!r} has sky positions that are not finite or beyond a pole: leave these rows out"
        )
    if len(posterior) < _FEWEST or np.ptp(ra) == np.ptp(dec) == 0:
        raise DataError(
            f"the result {result.label!r} has {len(np.unique(ra))} different sky positions, but a map needs {_FEWEST}: give "
            "a larger posterior of a source whose sky position is not fixed"
        )
    distance = posterior[DISTANCE].to_numpy(dtype=np.float64) if DISTANCE in posterior else None
    return of_rows(ra, dec, distance)


def _kept(result: Result, folder: Path) -> SkyCandidates | None:
    file = folder / f"{result.sampler}_{result.label}" / FILE
    if not file.is_file():
        return None
    try:
        found = load_candidates(file)
    except (OSError, ValueError, KeyError, EOFError) as error:
        logger.warning(f"{file} cannot be read ({error}): the sky map is made from the posterior's rows instead")
        return None
    said = statistics_of(result).get("log_evidence")
    if is_merged(result) or said is None or not np.isclose(found.log_evidence, said, rtol=1e-12, atol=1e-9):
        logger.info(f"{file} belongs to another run: the sky map is made from the posterior's rows instead")
        return None
    return found


def _header(result: Result) -> dict[str, Any]:
    """Return the entries on the event that the format's header has."""
    found: dict[str, Any] = {"OBJECT": (str(result.label), "Unique identifier for this event")}
    if names := _detectors(result):
        found["INSTRUME"] = (",".join(names), "Instruments that triggered this event")
    gps = float(np.median(result.posterior[TIME])) if TIME in result.posterior else np.nan
    if np.isfinite(gps):
        found["DATE-OBS"] = (_utc(gps).isoformat(timespec="microseconds"), "UTC date of the observation")
        found["MJD-OBS"] = (_mjd(gps), "Modified Julian date of the observation")
    if result.log_bayes_factor is not None and np.isfinite(result.log_bayes_factor):
        found["LOGBSN"] = (float(result.log_bayes_factor), "Log Bayes factor: signal vs. noise")
    return found


def _detectors(result: Result) -> list[str]:
    said = (result.meta_data or {}).get("likelihood") or {}
    interferometers = said.get("interferometers") if isinstance(said, dict) else None
    return sorted(str(name) for name in interferometers) if interferometers else []


def _utc(gps: float) -> Any:
    from astropy.time import Time

    return Time(gps, format="gps").utc.to_datetime()


def _mjd(gps: float) -> float:
    from astropy.time import Time

    return float(Time(gps, format="gps").utc.mjd)
