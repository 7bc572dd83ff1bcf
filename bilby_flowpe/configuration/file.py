"""A configuration file (TOML), and the Bilby objects and training settings made from it.

::

    problem = "green2020"       # one of the packaged problems, or the tables [priors], [data] and [waveform]
    parameters = 5
    seed = 0
    preset = "compact"          # "green2020": networks and training of the paper's sizes

    [training]                  # and [simulation], [representation], [network]: the fields of their dataclasses
    max_time = 600
"""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, is_dataclass, replace
from pathlib import Path
from typing import Any, get_type_hints

from bilby.core.likelihood import Likelihood
from bilby.core.prior import PriorDict

from ..errors import ConfigurationError
from ..kinds import problem_of
from ..networks import compact
from ..networks import green2020 as green2020_network
from ..problem import Problem
from ..problems import green2020
from ..storage.folder import CONFIGURATION
from ..training.recipe import TrainingConfig, green2020_training
from ..training.settings import Settings
from .tables import check_keys, convert, fill
from .transient import DataConfig, WaveformConfig, make_likelihood, make_priors

COPY = CONFIGURATION
"""Name of the copy of the configuration in the folder of a model."""

_PACKAGED = {"green2020": green2020}
_OWN = ("priors", "data", "waveform")


@dataclass(frozen=True)
class Configured:
    """Content of a configuration file, as objects.

    Attributes
    ----------
    likelihood, priors
        Bilby's objects; the data in the likelihood are not used.
    settings
        Settings of the training.
    path
        The configuration file.
    files
        Prior file and files of noise PSDs that it names.
    """

    likelihood: Likelihood
    priors: PriorDict
    settings: Settings
    path: Path
    files: tuple[Path, ...] = ()

    def problem(self) -> Problem:
        """Return the problem of likelihood and priors."""
        return problem_of(self.likelihood, self.priors)

    def copy_into(self, folder: Path) -> None:
        """Copy the configuration, with the files that it names, into the folder of a model."""
        for source, name in ((self.path, COPY), *((file, file.name) for file in self.files)):
            target = folder / name
            if target.exists() and target.samefile(source):
                continue
            temporary = folder / f".{name}.tmp"
            shutil.copyfile(source, temporary)
            temporary.replace(target)


def read(path: str | Path) -> Configured:
    """Read a configuration file.

    Parameters
    ----------
    path
        The file. File names in it are relative to its folder; a file is also found by its bare name in that folder.

    Raises
    ------
    ConfigurationError
        If the file is missing or is not TOML; for an unknown key, a missing table, a value of another type, and for values
        that Bilby does not accept.
    """
    path = Path(path).expanduser()
    try:
        values = tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigurationError(f"config={str(path)!r} cannot be read ({error.strerror}): give a TOML file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"config={str(path)!r} is not a TOML file: {error}") from error
    hints = get_type_hints(Settings)
    check_keys(values, (*hints, *_OWN, "problem", "parameters", "seed", "preset"), str(path))
    settings = _settings(values, hints, path)
    if "problem" in values:
        likelihood, priors = _packaged(values)
        return Configured(likelihood, priors, settings, path)
    return _described(values, settings, path)


def _settings(values: Mapping[str, Any], hints: Mapping[str, Any], path: Path) -> Settings:
    """Return the settings: every table that is a dataclass of the settings, and every plain setting."""
    bases = _preset(values)
    chosen = {
        name: fill(hint, values[name], name, bases.get(name))
        if isinstance(hint, type) and is_dataclass(hint)
        else convert(values[name], hint, name)
        for name, hint in hints.items()
        if name in values
    }
    settings = Settings(**{**bases, **chosen})
    if "seed" in values:
        seed = convert(values["seed"], int, "seed")
        if values.get("training", {}).get("seed", seed) != seed:
            raise ConfigurationError(
                f"seed={seed} and [training] seed={settings.training.seed} differ: give one of them only"
            )
        settings = replace(settings, training=replace(settings.training, seed=seed))
    if settings.simulation.file:
        file = str((path.parent / Path(settings.simulation.file).expanduser()).absolute())
        settings = replace(settings, simulation=replace(settings.simulation, file=file))
    return settings


def _preset(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that the tables [network] and [training] start from."""
    table = values.get("network", {})
    family = table.get("family", "maf") if isinstance(table, Mapping) else "maf"
    match values.get("preset", "compact"):
        case "compact":
            return {"network": compact(family), "training": TrainingConfig()}
        case "green2020":
            parameters = convert(values.get("parameters", 5), int, "parameters")
            return {"network": green2020_network(family, parameters), "training": green2020_training(family)}
        case other:
            raise ConfigurationError(f"preset={other!r}: choose 'compact' or 'green2020'")


def _packaged(values: Mapping[str, Any]) -> tuple[Likelihood, PriorDict]:
    if values["problem"] not in _PACKAGED:
        raise ConfigurationError(
            f"problem={values['problem']!r}: choose one of {sorted(_PACKAGED)}, or leave it out and give the tables "
            f"{list(_OWN)}"
        )
    if clash := [name for name in _OWN if name in values]:
        raise ConfigurationError(f"problem={values['problem']!r} has priors and data of its own: leave out {clash}")
    # The data simulated in it are not used.
    return _PACKAGED[values["problem"]](convert(values.get("parameters", 5), int, "parameters"), seed=0)


def _described(values: Mapping[str, Any], settings: Settings, path: Path) -> Configured:
    """Return the problem of the tables [priors], [data] and [waveform]."""
    if missing := [name for name in _OWN if name not in values]:
        raise ConfigurationError(
            f"{path} lacks the tables {missing}: add them, or give problem = one of {sorted(_PACKAGED)} instead"
        )
    if "parameters" in values:
        raise ConfigurationError(
            f"parameters={values['parameters']!r} belongs to a packaged problem: give problem, too, or leave it out"
        )
    data = fill(DataConfig, values["data"], "data")
    waveform = fill(WaveformConfig, values["waveform"], "waveform")
    table = values["priors"]
    if not isinstance(table, Mapping):
        raise ConfigurationError(f"priors={table!r}: make it a table [priors], with file = ... or one prior per line")
    prior_name = convert(table["file"], str, "[priors] file") if "file" in table else None
    prior_file = _find(prior_name, path.parent) if prior_name else None
    # Names that are not found are left to Bilby, which has PSDs and priors of its own.
    curves = {name: found for name in (*data.psd.values(), *data.asd.values()) if (found := _find(name, path.parent))}
    files = tuple(dict.fromkeys((*curves.values(), *([prior_file] if prior_file else []))))
    if len({file.name for file in files}) < len(files):
        raise ConfigurationError(f"{path} names two files of the same bare name, {sorted(map(str, files))}: rename one")
    likelihood = make_likelihood(data, waveform, curves)
    priors = make_priors(table, str(prior_file) if prior_file else prior_name)
    return Configured(likelihood, priors, settings, path, files)


def _find(name: str, folder: Path) -> Path | None:
    """Return the path of a file named in a configuration; in the folder of a model, the file was copied beside it."""
    given = folder / Path(name).expanduser()
    found = next((path.resolve() for path in (given, folder / given.name) if path.is_file()), None)
    # Bilby would read the file in the working folder, and the model's copy of the configuration would not work elsewhere.
    if found is None and Path(name).is_file():
        raise ConfigurationError(f"{name!r} is not in the folder of the configuration, {folder}: put it there")
    return found
