"""``network="auto"``: what asks for a training, what is chosen, and the one line that says so."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bilby
import numpy as np
import pytest
from bilby.core.likelihood import GaussianLikelihood, Likelihood, Multinomial
from bilby.core.prior import DirichletPriorDict, Gaussian, PriorDict, Uniform
from bilby.core.result import Result

from bilby_flowpe import model_choice
from bilby_flowpe.arguments.table import MODES, OF_THE_MODEL, check_arguments
from bilby_flowpe.errors import DataError, SimulationError
from bilby_flowpe.network_choice import announced, words_before_training, words_of_refinement, words_of_stages
from bilby_flowpe.pricing import Price
from bilby_flowpe.sampler import FlowPE
from bilby_flowpe.training import build

QUICK = {"n_effective": 200, "sampling_seed": 1, "progress": False, "save": False}
TINY = {"training_steps": 5, "training_time": None, "n_waveforms": 500, "hidden_features": 16}


def asked_by(**given: Any) -> tuple[str, ...]:
    kwargs = check_arguments({**FlowPE.default_kwargs, **given})
    return announced(kwargs, frozenset(given), FlowPE.default_kwargs)


# What asks for a training ----------------------------------------------------------------------------------------------


def test_nothing_is_asked_for_by_default() -> None:
    assert asked_by() == ()
    assert asked_by(n_effective=100, cache="models", phase="network", sky="network", coarse=False, resume=False) == ()


@pytest.mark.parametrize(
    ("given", "by"),
    [
        ({"training_time": 60}, ("training_time",)),
        # A limit asks for a training even where it is the usual one; what is given as none does not.
        ({"training_time": 600.0}, ("training_time",)),
        ({"training_steps": 100}, ("training_steps",)),
        ({"training_steps": None}, ()),
        ({"training_steps": 100, "training_time": None}, ("training_steps",)),
        ({"n_waveforms": 1000}, ("n_waveforms",)),
        ({"n_waveforms": 50_000}, ()),
        ({"psd": "amortised"}, ("psd",)),
        ({"representation": "series"}, ("representation",)),
        ({"hidden_features": 64}, ("hidden_features",)),
        ({"learning_rate": 1e-3}, ("learning_rate",)),
        ({"device": "cuda"}, ("device",)),
        ({"fold_phase": False}, ("fold_phase",)),
        ({"importance": False}, ("importance=False",)),
        ({"refine": False, "training_time": 10}, ("training_time", "refine=False")),
    ],
)
def test_what_asks_for_a_training(given: dict[str, Any], by: tuple[str, ...]) -> None:
    assert asked_by(**given) == by


def test_every_argument_of_a_training_asks_for_one_but_who_draws_what() -> None:
    tried = {"training_time", "training_steps", "n_waveforms", "psd", "representation", "hidden_features"}
    assert {*OF_THE_MODEL} == tried | {"learning_rate", "device", "fold_phase", "network", *MODES}


# The line --------------------------------------------------------------------------------------------------------------


def test_the_line_of_a_refinement() -> None:
    line = words_of_refinement(Price(40_000, 9.0), Price(25_000, 903.0), search=3.0)
    assert line == (
        "network='auto': a proposal is refined for this event alone, in some 40000 likelihood evaluations, about 9 s; the "
        "search for missed modes adds draws of 3 s (search_time), or as many as in the first round, and comparisons of these, "
        "which may take longer. Training a network for all events of this kind (network='maf') takes about 15 minutes, and "
        "pays only for many of them: from about the hundredth on where fitting a proposal takes seconds, as here"
    )
    assert "(network='maf') pays only for many" in words_of_refinement(Price(40_000, 9.0), Price(25_000, math.nan))
    assert words_of_refinement(Price(40_000, math.nan), Price(25_000, math.nan)).endswith("only for many of them")
    assert "which may take longer (no symmetry)." in words_of_refinement(
        Price(1, 9.0), Price(1, 1.0), ["no symmetry"], search=3.0
    )


def test_the_line_of_a_refinement_with_templates() -> None:
    line = words_of_refinement(Price(7_000, 90.0), Price(25_000, 903.0), families=True)
    assert "a shipped network draws if one serves the signal that is found; else a proposal is refined" in line
    assert "about 90 s, searches for the signal and for missed modes included. Training" in line
    assert line.endswith("from about the tenth on where it takes minutes, as here")


def test_the_line_where_nothing_can_be_trained() -> None:
    line = words_of_refinement(Price(40_000, math.nan), None, ["a black box"])
    assert line.startswith(
        "No network (a black box): a proposal is refined for this event alone, in some 40000 likelihood evaluations, "
    )
    assert "Training" not in line


def test_the_line_of_a_training() -> None:
    by = words_before_training(("training_time", "refine=False"))
    assert by == (
        "network='auto': a network (maf) is trained, which training_time and refine=False ask for; network='none' would refine "
        "a proposal instead"
    )
    cheaper = words_before_training((), Price(200_000, 36_000.0))
    assert "which is cheaper than refining a proposal for this event alone (some 200000 likelihood" in cheaper
    assert "about 10 hours); network='none' would do that" in cheaper


def test_the_stages_of_a_training() -> None:
    assert words_of_stages(500, 200.0, (600.0, None), 0.5) == (
        "simulating 500 waveforms (3 minutes), training for 10 minutes, measuring the model for about 5 minutes; in all about "
        "18 minutes"
    )
    assert words_of_stages(500, math.nan, (None, 7), 0.5) == "simulating 500 waveforms, training for 7 steps"
    assert words_of_stages(500, 0.0, (60.0, 7), 0.0) == (
        "simulating 500 waveforms, training for 60 s or 7 steps; in all about 60 s"
    )


# Whole runs ------------------------------------------------------------------------------------------------------------


class Bell(Likelihood):
    """A black box."""

    def log_likelihood(self, parameters: dict[str, float]) -> float:
        return -0.5 * (parameters["x"] / 0.1) ** 2


def straight() -> tuple[Likelihood, PriorDict]:
    """A likelihood that a network could learn."""
    x = np.linspace(-1, 1, 20)
    y = 0.5 * x + 0.5 * np.random.default_rng(1).standard_normal(20)
    return GaussianLikelihood(x, y, lambda x, slope: slope * x, 0.5), PriorDict({"slope": Gaussian(0, 1)})


class Said:
    """Runs the sampler, and keeps the lines of the log that speak of networks."""

    def __init__(self, folder: Path, lines: list[str]) -> None:
        self.folder, self.lines = folder, lines

    def __call__(self, problem: tuple[Likelihood, PriorDict], **changes: Any) -> Result:
        self.lines.clear()
        arguments = {"cache": str(self.folder / "models"), "outdir": str(self.folder), **QUICK, **changes}
        return bilby.run_sampler(*problem, sampler="flowpe", **arguments)

    @property
    def of_the_choice(self) -> list[str]:
        beginnings = ("network='auto'", "No network", "No model was trained", "Using the model")
        return [line for line in self.lines if line.startswith(beginnings)]


@pytest.fixture
def said(tmp_path: Path) -> Iterator[Said]:
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("bilby")
    level = logger.level
    logger.setLevel("INFO")
    logger.addHandler(handler)
    yield Said(tmp_path, lines)
    logger.removeHandler(handler)
    logger.setLevel(level)


class TrainingAskedForError(Exception):
    """A training would have begun."""


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise TrainingAskedForError

    monkeypatch.setattr(build, "train_on", refuse)


@pytest.mark.usefixtures("no_training")
def test_one_event_is_refined(said: Said) -> None:
    result = said(straight())
    (line,) = said.of_the_choice
    assert line.startswith(
        "network='auto': a proposal is refined for this event alone, in some 10000 to 40000 likelihood"
    )
    assert result.meta_data["run_statistics"]["model"] == "none"


@pytest.mark.usefixtures("no_training")
def test_a_black_box_is_refined(said: Said) -> None:
    said((Bell(), PriorDict({"x": Uniform(-1, 1)})))
    (line,) = said.of_the_choice
    assert line.startswith("No network (")
    assert "a proposal is refined for this event alone, in some 10000 to 40000 likelihood evaluations, about " in line


@pytest.mark.usefixtures("no_training")
def test_data_that_nobody_can_simulate_are_refined(said: Said) -> None:
    """Bilby's example of a Multinomial has fractions for its counts."""
    problem = Multinomial(np.full(3, 100 / 3), n_dimensions=3, base="p"), DirichletPriorDict(n_dim=3, label="p")
    said(problem)
    (line,) = said.of_the_choice
    assert line.startswith("No network (data=[33.3")
    with pytest.raises(DataError, match="not 3 whole numbers"):
        said(problem, network="maf")


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("given", [{"training_time": 600.0}, {"importance": False}, {"network": "maf"}])
def test_what_asks_for_a_network_has_one_trained(said: Said, given: dict[str, Any]) -> None:
    with pytest.raises(TrainingAskedForError):
        said(straight(), **given)
    (line,) = said.of_the_choice
    beginning = "No model was trained" if "network" in given else "network='auto': a network (maf) is trained, which "
    assert line.startswith(beginning)
    assert "training for 10 minutes" in line


@pytest.mark.usefixtures("no_training")
def test_dear_evaluations_have_a_network_trained(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_choice, "price_of_refinement", lambda *_: Price(200_000, 1e5))
    with pytest.raises(TrainingAskedForError):
        said(straight())
    (line,) = said.of_the_choice
    assert "which is cheaper than refining a proposal for this event alone (some 200000 likelihood" in line


def test_a_training_that_cannot_be_is_replaced_by_a_refinement(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise SimulationError("no data can be simulated")

    monkeypatch.setattr(build, "train_on", fails)
    result = said(straight(), **TINY)
    assert said.of_the_choice[-1].startswith("No network (no data can be simulated): a proposal is refined")
    assert result.meta_data["run_statistics"]["model"] == "none"


@pytest.mark.training
@pytest.mark.usefixtures("measured_briefly")
def test_a_model_at_hand_of_any_family_is_used(said: Said) -> None:
    """However briefly it was trained; with another training asked for it would not do."""
    said(straight(), network="gaussian", **TINY | {"training_steps": 60})
    (folder,) = (said.folder / "models").iterdir()
    result = said(straight())
    (line,) = said.of_the_choice
    assert line.startswith(
        f"Using the model {folder.name}: if it fits the event, some 700 to 2000 likelihood evaluations"
    )
    assert result.meta_data["run_statistics"]["model"] == folder.name
    assert said(straight(), network="none").meta_data["run_statistics"]["model"] == "none"
    (line,) = (line for line in said.lines if line.startswith("network='none'"))
    assert "a proposal is refined for this event alone, in some 10000 to 40000 likelihood evaluations" in line
    assert "network has learnt" not in " ".join(said.lines)
    assert any(line.startswith("Looking for modes that the draws may have missed") for line in said.lines)


@pytest.mark.usefixtures("no_training")
def test_bilbys_test_mode_trains_where_the_run_would(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bilby.core.utils.command_line_args, "bilby_test_mode", True)
    assert said(straight()).meta_data["run_statistics"]["model"] == "none"
    with pytest.raises(TrainingAskedForError):
        said(straight(), training_time=600.0)
