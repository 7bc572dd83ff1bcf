"""Pictures are written, without a warning."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from bilby_flowpe.bands import whitened_bands
from bilby_flowpe.plotting import (
    plot_efficiency,
    plot_history,
    plot_pp,
    plot_weights,
    plot_whitened,
)

PNG = b"\x89PNG"


@pytest.fixture(autouse=True)
def no_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def history(losses: list[float]) -> dict:
    return {
        "step": [10 * (i + 1) for i in range(len(losses))],
        "train_loss": [loss - 0.1 for loss in losses],
        "validation_loss": losses,
        "validation_loss_paper": [loss - 1.0 for loss in losses],
        "best": int(np.argmin(losses)),
    }


def is_picture(path: Path) -> bool:
    return path.read_bytes().startswith(PNG) and path.stat().st_size > 5000


@pytest.mark.parametrize("losses", [[3.0, 2.0, 2.5], [3.0], [2.0, 2.0]])
def test_history(tmp_path: Path, losses: list[float]) -> None:
    assert is_picture(plot_history(history(losses), tmp_path / "history.png"))


@pytest.mark.training
def test_history_with_latent_variables(tmp_path: Path) -> None:
    terms = {"train_kl": [0.1, 2.0, 4.0], "validation_kl": [0.2, 2.1, 4.1]}
    path = plot_history({**history([3.0, 2.0, 1.0]), **terms}, tmp_path / "history.png")
    assert is_picture(path)
    without = plot_history({**history([3.0, 2.0, 1.0]), "validation_kl": []}, tmp_path / "without.png")
    assert path.stat().st_size > without.stat().st_size


def test_efficiency(tmp_path: Path) -> None:
    events = [
        SimpleNamespace(snr=snr, efficiency=0.02 * snr, verdict=verdict)
        for snr, verdict in ((8.0, "failed"), (15.0, "check"), (30.0, "reliable"))
    ]
    assert is_picture(plot_efficiency(events, tmp_path / "efficiency.png", title="A title"))
    assert is_picture(plot_efficiency(events[:1], tmp_path / "single.png"))


def test_whitened(tmp_path: Path, problem_5d: tuple) -> None:
    likelihood, _ = problem_5d
    row = likelihood.injection_parameters
    bands = whitened_bands(likelihood, [{**row, "mass_1": row["mass_1"] * scale} for scale in (1.0, 1.001, 1.002)])
    path = plot_whitened(bands, tmp_path / "whitened.png", around=row["geocent_time"], title="A title")
    assert is_picture(path)
    assert is_picture(plot_whitened(bands, tmp_path / "peak.png"))


@pytest.mark.training
def test_pp_has_a_panel_a_title(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    panels = {f"model {i}": {"mass_1": rng.random(50), "distance": rng.random(50)} for i in range(3)}
    p_values = {title: {"mass_1": 0.5, "distance": 0.01} for title in panels}
    assert is_picture(plot_pp(panels, tmp_path / "pp.png", {"mass_1": "$m_1$"}, p_values))
    assert is_picture(plot_pp(panels, tmp_path / "bare.png"))


@pytest.mark.parametrize("weights", [np.ones(3), np.array([1e-30, 1.0, 2.0])])
def test_weights_alike_and_of_all_sizes(weights: np.ndarray, tmp_path: Path) -> None:
    assert is_picture(plot_weights(weights, 5, tmp_path / "weights.png", "A title"))
