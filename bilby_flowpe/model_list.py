"""Lists and descriptions of the models that are shipped or in the cache."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .cache import cache_folder
from .errors import ModelError
from .storage.folder import DESCRIPTION, reading
from .storage.shipped import SHIPPED, no_such_model

if TYPE_CHECKING:
    from .model import TrainedPosterior

_CARD = "card.md"
_FIGURES = "| figure | value |"
_MEDIAN = "sample efficiency, median"
_COLUMNS = ("name", "from", "detectors", "network", "efficiency", "parameters")


@dataclass(frozen=True)
class Entry:
    """Description of a trained model.

    Attributes
    ----------
    folder
        Folder of the model.
    origin
        ``"shipped"``, ``"cached"`` or ``"folder"``.
    description
        Content of its ``model.json``.
    figures
        Figures on its card, by name; empty if it has no card.
    """

    folder: Path
    origin: str
    description: dict[str, Any]
    figures: dict[str, str]


def entry(folder: Path, origin: str) -> Entry:
    """Return the description of the model in a folder, without reading its weights.

    Raises
    ------
    ModelError
        If there is no model, or its description cannot be read.
    """
    try:
        description = json.loads((folder / DESCRIPTION).read_text())
        for key in ("contract", "network", "settings", "history", "information"):
            if not isinstance(description[key], dict):
                raise TypeError(f"{key} is not a table")
        priors = description["contract"]["priors"]
        if not isinstance(priors, dict):
            raise TypeError("contract.priors is not a table")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"model={str(folder)!r}: {DESCRIPTION} cannot be read ({error}); train the model again"
        ) from error
    return Entry(folder, origin, description, _figures(folder / _CARD))


def find_folder(model: str) -> tuple[Path, str]:
    """Return the folder of a model, given by folder or name, and whether it is shipped, cached or neither.

    Raises
    ------
    ModelError
        If there is no such model.
    """
    for root, origin in _roots():
        if model and (root / model / DESCRIPTION).is_file() and Path(model).name == model:
            return root / model, origin
    folder = Path(model).expanduser()
    if not folder.is_dir():
        raise no_such_model(model)
    return folder, "folder"


def load_model(model: str | Path) -> TrainedPosterior:
    """Read a trained model: one that ships, one of the cache, or any folder.

    Parameters
    ----------
    model
        A name that ``flowpe models`` lists, or a folder that :meth:`~bilby_flowpe.model.TrainedPosterior.save` has written.

    Returns
    -------
    TrainedPosterior

    Raises
    ------
    ModelError
        If ``model`` is neither a name nor a folder, there is no such model, or its folder is incomplete or damaged.

    Examples
    --------
    >>> model = load_model("green2020-5d-maf")
    >>> model.conditional.keys  # what the network need not learn: drawn in closed form, given the wave
    ('phase', 'luminosity_distance', 'geocent_time')
    """
    from .model import TrainedPosterior

    if not isinstance(model, str | Path):
        raise ModelError(f"model={model!r}: give a name that `flowpe models` lists, or the folder of a model")
    return TrainedPosterior.load(find_folder(str(model))[0])


def models() -> Iterator[Entry | ModelError]:
    """Yield every model that is shipped or in the cache, or the error of one that cannot be read."""
    for root, origin in _roots():
        for path in sorted(root.glob(f"*/{DESCRIPTION}")):
            try:
                yield entry(path.parent, origin)
            except ModelError as error:
                yield error


def listing() -> str:
    """Return a table of all models, one line each."""
    rows, broken = [_COLUMNS], []
    for found in models():
        if isinstance(found, ModelError):
            broken.append(f"ignored: {found}")
            continue
        contract, information = found.description["contract"], found.description["information"]
        rows.append(
            (
                found.folder.name,
                found.origin,
                ", ".join(contract.get("detectors", ())) or "none",
                f"{found.description['network'].get('family')} of {_count(information.get('n_parameters'))}",
                found.figures.get(_MEDIAN, "not measured"),
                ", ".join(contract["priors"]),
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(_COLUMNS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    if len(rows) == 1:
        lines = ["no models yet"]
    return "\n".join([*lines, "", f"shipped: {SHIPPED}", f"cache: {cache_folder()}", *broken])


def describe_entry(found: Entry) -> str:
    """Return a description of a model: which problem it is for, its network, its training, and how good it is.

    Raises
    ------
    ModelError
        If its description is incomplete.
    """
    lines = [f"{found.folder.name} ({found.origin}: {found.folder})"]
    with reading(found.folder):
        sections = {
            "What it is for": _problem(found.description["contract"]),
            "Network": _network(found.description),
            "Training": _training(found.description),
        }
    sections["How good it is"] = [f"{name}: {value}" for name, value in found.figures.items()] or [
        f"not measured: flowpe gap {found.folder} --card"
    ]
    for title, content in sections.items():
        lines += ["", title, *(f"  {line}" for line in content)]
    return "\n".join(lines)


def _roots() -> tuple[tuple[Path, str], ...]:
    return (SHIPPED, "shipped"), (cache_folder(), "cached")


def _figures(card: Path) -> dict[str, str]:
    """Return the table of figures on a model's card."""
    if not card.is_file():
        return {}
    figures: dict[str, str] = {}
    lines = iter(card.read_text().splitlines())
    if any(line.strip() == _FIGURES for line in lines):
        for line in lines:
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            if len(cells) != 2:
                break
            if set(cells[0]) != {"-"}:
                figures[cells[0]] = cells[1]
    return figures


def _problem(contract: Mapping[str, Any]) -> list[str]:
    lines = [f"data: {contract.get('kind', 'unknown')}"]
    if detectors := contract.get("detectors"):
        bands = [
            f"{name} from {band['minimum_frequency']:g} to {band['maximum_frequency']:g} Hz"
            for name, band in detectors.items()
        ]
        lines.append(f"detectors: {', '.join(bands)}")
        lines.append(f"segment: {contract['duration']:g} s at {contract['sampling_frequency']:g} Hz")
    if waveform := contract.get("waveform"):
        arguments = ", ".join(f"{key} {value}" for key, value in waveform.get("arguments", {}).items())
        lines.append(f"waveform: {waveform['source_model']}; {arguments}")
    if "model" in contract:
        lines.append(f"model: {contract['model']}")
    lines += [f"{key}: {_prior(prior)}" for key, prior in contract["priors"].items()]
    lines += [f"{key}: fixed to {value:g}" for key, value in contract.get("fixed", {}).items()]
    lines += [
        f"{key}: {_prior(prior)}"
        for key, prior in contract.get("constraints", {}).items()
        if isinstance(prior, Mapping)
    ]
    if "sidereal_time" in contract:
        lines.append(f"only at the sidereal time {contract['sidereal_time']:g} rad")
    elif contract.get("antenna"):
        lines.append("at any GPS time with the same antenna response; times count from the segment's start")
    return lines


def _prior(prior: Mapping[str, Any]) -> str:
    arguments = [f"{key}={_short(value)}" for key, value in prior.items() if key != "class"]
    return f"{prior.get('class')}({', '.join(arguments)})"


def _short(value: Any) -> str:
    text = f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
    return text if len(text) < 40 else text[:37] + "..."


def _network(description: Mapping[str, Any]) -> list[str]:
    network, information = dict(description["network"]), description["information"]
    sizes = ", ".join(f"{key} {value}" for key, value in network.items() if key != "family")
    lines = [
        f"{network.get('family')} of {_count(information.get('n_parameters'))} parameters: {sizes}",
        f"draws: {', '.join(description.get('coordinates', {}).get('keys', ())) or 'unknown'}",
    ]
    if drawn := description.get("conditional", {}).get("keys"):
        lines.append(f"from their exact conditional: {', '.join(drawn)}")
    lines.append(f"sees: {description.get('kind')} data, {description.get('context')} features")
    if compression := information.get("compression"):
        lines.append(
            f"{compression['components']} components lose {compression['worst_loss']:.2g} of the squared signal-to-noise ratio "
            "at worst"
        )
    return lines


def _training(description: Mapping[str, Any]) -> list[str]:
    settings, history, information = (description[key] for key in ("settings", "history", "information"))
    seconds, best = information.get("seconds", {}), history["best"]
    lines = [
        f"{settings['simulation']['n_waveforms']} waveforms in {_seconds(seconds.get('simulation'))}, "
        f"{_seconds(seconds.get('total'))} in all, {history['step'][-1]} steps; seed {settings['training']['seed']}",
        f"validation loss: {history['validation_loss'][best]:.3f} nat, "
        f"{history['validation_loss_paper'][best]:.3f} nat in standardised parameters",
    ]
    if made := information.get("versions"):
        lines.append("with " + ", ".join(f"{package} {version}" for package, version in made.items()))
    return lines


def _count(number: int | None) -> str:
    return "unknown number" if number is None else f"{number:,}"


def _seconds(value: float | None) -> str:
    return "unknown time" if value is None else f"{value:.0f} s"
