"""A catalogue in one HDF5 file, laid out as PESummary's files and those of public catalogues are.

A group for every event: ``posterior_samples``, a table; ``priors/samples``, draws of the prior, and ``priors/analytic``, its
densities in words; ``approximant``; ``psds`` where the noise curves are known; ``meta_data`` of the sampler. PESummary reads
these. One table more is for another prior later: ``draws``, all weighted draws with the logarithms of likelihood, prior, weight
and of the normalised density that they were drawn from.
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
"""Name of the file beside the table."""
_PRIOR_ROWS = 2000  # draws of the prior


def save_curves(interferometers: Iterable[Interferometer], path: Path) -> Path:
    """Keep noise curves, frequencies in Hz and values in 1/Hz within the band, for :class:`Published`."""
    curves: dict[str, Any] = {}
    for one in interferometers:
        inside = one.frequency_mask
        curves[one.name] = np.column_stack([one.frequency_array[inside], one.power_spectral_density_array[inside]])
    temporary = path.with_name(f".{path.stem}.tmp.npz")
    np.savez_compressed(temporary, **curves)
    return temporary.replace(path)


def load_curves(path: Path) -> dict[str, np.ndarray]:
    """Noise curves that were kept, none where there are none."""
    if not path.is_file():
        return {}
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


@dataclass(frozen=True)
class Published:
    """An event as the file has it.

    Attributes
    ----------
    name
        Of the event, and of its group.
    result
        With weighted draws or not.
    curves
        Noise power spectral densities by detector: frequencies in Hz and values in 1/Hz, (F, 2).
    """

    name: str
    result: Result
    curves: Mapping[str, np.ndarray] = field(default_factory=dict)


def write_hdf5(events: Sequence[Published], path: Path) -> Path:
    """Write the file, whole or not at all.

    Raises
    ------
    DataError
        If there is no event, or two have one name.
    """
    names = [event.name for event in events]
    if not names or len({*names}) < len(names):
        raise DataError(f"events={names}: give one at least, each with a name of its own")
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
    """Write the file of all events of a catalogue that are done; ``None`` where none is, or no file of results is left."""
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
    r"""All draws of non-zero weight with what another prior or likelihood needs.

    Columns are the parameters, ``log_likelihood`` and ``log_prior`` as the result has them, ``log_weight``, the logarithm of
    the weight whose mean over all draws is the evidence, and ``log_proposal``, :math:`\ln q = \ln L + \ln \pi - \ln w`: the
    normalised density that the draw came from. Of draws by a coarse likelihood it contains the probability of having been kept.
    """
    table = kept.table
    log_weight = kept.log_weights(np.zeros(len(table)))[: len(table)]
    there = np.isfinite(log_weight)
    known = table.drop(columns="weights")
    log_proposal = table["log_likelihood"].to_numpy() + table["log_prior"].to_numpy() - log_weight
    return known.assign(log_weight=log_weight, log_proposal=log_proposal)[there].reset_index(drop=True)


def read_draws(path: Path, name: str) -> tuple[DataFrame, int]:
    """The weighted draws of an event of a file (:func:`draws_of`), and the number of all draws, those of zero weight included.

    Raises
    ------
    DataError
        If the file has none of this event.
    """
    with h5py.File(path, "r") as file:
        if name not in file or "draws" not in file[name]:
            raise DataError(f"{path}: no weighted draws of {name!r} there, but of {sorted(file)}")
        dataset = file[name]["draws"]
        return DataFrame.from_records(dataset[()]), int(dataset.attrs["n_draws"])


def _words(text: str) -> np.ndarray:
    """A text as PESummary has it: an array of one."""
    return np.array([text.encode()])


def _table(table: DataFrame) -> np.ndarray:
    """Numbers of a table, as records; complex columns become their absolute values."""
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
    """Band, reference frequency and frequency step, by PESummary's names, as far as the result tells them."""
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
    """Draws of the prior, constraints obeyed."""
    from ..translation.covers import AnyPrior  # here: it loads what translates priors

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
    """Figures of the sampler as numbers, by PESummary's names, and all of ``run_statistics`` as JSON."""
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
