"""A catalogue in one HDF5 file, with the layout of PESummary's files and of public catalogues.

Every event has a group with ``posterior_samples``, a table; ``priors/samples``, draws from the prior, and ``priors/analytic``,
its densities in words; ``approximant``; ``psds`` if the noise PSDs are known; and ``meta_data`` of the sampler. PESummary
reads these. One more table, ``draws``, allows another prior later: it has all weighted draws with the logarithms of likelihood,
prior, weight and of the normalised density that they were drawn from.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bilby
import h5py
import numpy as np
from bilby.core.result import Result
from bilby.gw.detector import Interferometer
from pandas import DataFrame

from .. import __version__
from ..binaries import with_derived
from ..errors import DataError
from ..result_files import read_result
from ..results import KeptDraws, kept_draws, statistics_of
from .event_folder import DONE
from .table import Entry

FILE = "catalogue.h5"
"""Name of the file, which is written beside the table."""
# Number of draws from the prior in the file: enough for PESummary's plots of the prior.
_PRIOR_ROWS = 2000


def save_curves(interferometers: Iterable[Interferometer], path: Path) -> Path:
    """Write noise PSDs within the band, frequencies in Hz and values in 1/Hz, for :class:`Published`."""
    curves: dict[str, Any] = {}
    for one in interferometers:
        inside = one.frequency_mask
        curves[one.name] = np.column_stack([one.frequency_array[inside], one.power_spectral_density_array[inside]])
    temporary = path.with_name(f".{path.stem}.tmp.npz")
    np.savez_compressed(temporary, **curves)
    return temporary.replace(path)


def load_curves(path: Path) -> dict[str, np.ndarray]:
    """Read noise PSDs that were written; an empty dictionary if there is no file."""
    if not path.is_file():
        return {}
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


@dataclass(frozen=True)
class Published:
    """An event as it is written to the file.

    Attributes
    ----------
    name
        Name of the event, and of its group.
    result
        Result of the event, with or without weighted draws.
    curves
        Noise power spectral densities by detector: frequencies in Hz and values in 1/Hz, (F, 2).
    """

    name: str
    result: Result
    curves: Mapping[str, np.ndarray] = field(default_factory=dict)


def write_hdf5(events: Sequence[Published], path: Path) -> Path:
    """Write the file with all events, whole or not at all.

    Raises
    ------
    DataError
        If there is no event, or two have the same name.
    """
    names = [event.name for event in events]
    if not names or len({*names}) < len(names):
        raise DataError(f"events={names}: give at least one event, and each a different name")
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with h5py.File(temporary, "w") as file:
            versions = file.create_group("version")
            versions["pesummary"] = _words(f"bilby_flowpe={__version__}")
            for event in events:
                versions[event.name] = _words(f"bilby={bilby.__version__}; bilby_flowpe={__version__}")
                _write_event(file.create_group(event.name), event)
        return temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def publish(entries: Iterable[Entry], outdir: Path) -> Path | None:
    """Write the file with all finished events of a catalogue; return ``None`` if there are none, or no result file is left."""
    events = []
    for entry in entries:
        result = entry.event.result()
        if entry.status == DONE and result is not None and result.is_file():
            events.append(Published(entry.event.name, read_result(result), load_curves(entry.event.curves)))
    return write_hdf5(events, outdir / FILE) if events else None


def _write_event(group: h5py.Group, event: Published) -> None:
    result, statistics = event.result, statistics_of(event.result)
    group.create_dataset("posterior_samples", data=_table(with_derived(result.posterior)))
    group["description"] = _words(f"{event.name}, by bilby_flowpe {__version__}")
    group["approximant"] = _words(_approximant(result))
    group["version"] = _words(f"bilby={bilby.__version__}; bilby_flowpe={__version__}")
    priors = group.create_group("priors")
    analytic = priors.create_group("analytic")
    for key, prior in (result.priors or {}).items():
        analytic[key] = _words(str(prior))
    samples = priors.create_group("samples")
    for key, values in _prior_draws(result).items():
        samples[key] = values
    curves = group.create_group("psds")
    for name, curve in event.curves.items():
        curves[name] = curve
    _write_meta(group.create_group("meta_data"), result, statistics)
    if statistics.get("importance_weighted"):
        group.create_dataset("draws", data=_table(draws_of(kept_draws(result))))
        group["draws"].attrs["n_draws"] = int(statistics["n_draws"])
        group["draws"].attrs["log_evidence"] = float(statistics["log_evidence"])


def draws_of(kept: KeptDraws) -> DataFrame:
    r"""Return all draws of non-zero weight, with everything that another prior or likelihood needs.

    Columns are the parameters, ``log_likelihood`` and ``log_prior`` as the result has them, ``log_weight``, the logarithm of
    the weight whose mean over all draws is the evidence, and ``log_proposal``, :math:`\ln q = \ln L + \ln \pi - \ln w`: the
    normalised density that the draw came from. For draws by a coarse likelihood it includes the probability of being kept.
    """
    table = kept.table
    log_weight = kept.log_weights(np.zeros(len(table)))[: len(table)]
    there = np.isfinite(log_weight)
    known = table.drop(columns="weights")
    log_proposal = table["log_likelihood"].to_numpy() + table["log_prior"].to_numpy() - log_weight
    return known.assign(log_weight=log_weight, log_proposal=log_proposal)[there].reset_index(drop=True)


def read_draws(path: Path, name: str) -> tuple[DataFrame, int]:
    """Return the weighted draws of an event in a file (:func:`draws_of`), and the number of all draws, with zero weights.

    Raises
    ------
    DataError
        If the file has no weighted draws of this event.
    """
    with h5py.File(path, "r") as file:
        if name not in file or "draws" not in file[name]:
            raise DataError(f"{path}: it has no weighted draws of {name!r}: choose from the events {sorted(file)}")
        dataset = file[name]["draws"]
        return DataFrame.from_records(dataset[()]), int(dataset.attrs["n_draws"])


def _words(text: str) -> np.ndarray:
    """Return a text in PESummary's form: an array of one."""
    return np.array([text.encode()])


def _table(table: DataFrame) -> np.ndarray:
    """Return the numbers of a table as records; complex columns become their absolute values."""
    columns = {}
    for key in table:
        values = np.asarray(table[key])
        if values.dtype.kind == "c":
            values = np.abs(values)
        if values.dtype.kind in "fiub":
            columns[str(key)] = values.astype(np.float64)
    records = np.empty(len(table), dtype=[(key, np.float64) for key in columns])
    for key, values in columns.items():
        records[key] = values
    return records


def _approximant(result: Result) -> str:
    meta = (result.meta_data or {}).get("likelihood", {})
    arguments = meta.get("waveform_arguments", {}) if isinstance(meta, Mapping) else {}
    return str(arguments.get("waveform_approximant", "unknown"))


def _settings(result: Result) -> dict[str, float]:
    """Return band, reference frequency and frequency step by PESummary's names, as far as the result has them."""
    meta = (result.meta_data or {}).get("likelihood", {})
    if not isinstance(meta, Mapping):
        return {}
    arguments = meta.get("waveform_arguments", {})
    found = {"f_ref": arguments.get("reference_frequency"), "f_low": arguments.get("minimum_frequency")}
    if meta.get("duration"):
        found["delta_f"] = 1 / float(meta["duration"])
    if meta.get("sampling_frequency"):
        found["f_final"] = arguments.get("maximum_frequency") or float(meta["sampling_frequency"]) / 2
    return {key: float(value) for key, value in found.items() if isinstance(value, int | float | np.number)}


def _prior_draws(result: Result) -> dict[str, np.ndarray]:
    """Return draws from the prior that obey its constraints."""
    from ..translation.covers import AnyPrior  # imported here: it loads the translation of priors

    if result.priors is None:
        return {}
    keys = AnyPrior(result.priors).keys
    state = bilby.core.utils.random.Generator.rng
    try:
        bilby.core.utils.random.seed(1)
        drawn = result.priors.sample(_PRIOR_ROWS)
    finally:
        bilby.core.utils.random.Generator.rng = state
    return {key: np.asarray(drawn[key], dtype=np.float64) for key in keys}


def _write_meta(group: h5py.Group, result: Result, statistics: Mapping[str, Any]) -> None:
    """Write figures of the sampler as numbers, by PESummary's names, and all of ``run_statistics`` as JSON."""
    sampler, other = group.create_group("sampler"), group.create_group("meta_data")
    sampler["pe_algorithm"] = _words(str(result.sampler))
    spent = ("efficiency", "effective_sample_size", "n_likelihood_evaluations")
    figures = {
        "ln_evidence": result.log_evidence,
        "ln_evidence_error": result.log_evidence_err,
        "ln_bayes_factor": result.log_bayes_factor,
        "ln_noise_evidence": result.log_noise_evidence,
        "nsamples": len(result.posterior),
        **{key: statistics[key] for key in spent if key in statistics},
    }
    for key, value in figures.items():
        if value is not None:
            sampler.create_dataset(key, data=np.array([float(value)]))
    for key, value in _settings(result).items():
        other[key] = np.array([value])
    other["verdict"] = _words(str(statistics.get("verdict", "none")))
    other["run_statistics"] = _words(json.dumps(statistics, default=str))
