"""Pictures are written, without a warning."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import imread

from bilby_flowpe.bands import whitened_bands
from bilby_flowpe.plotting import (
    COLOURS,
    plot_comparison,
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


def samples(seed: int, size: int = 2000) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {"mass_1": rng.normal(60, 3, size), "geocent_time": rng.normal(1126259462.7, 1e-3, size)}


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


def test_comparison(tmp_path: Path) -> None:
    keys = ["mass_1", "geocent_time"]
    path = plot_comparison({"one": samples(1), "other": samples(2)}, keys, tmp_path / "plain.png")
    assert is_picture(path)
    path = plot_comparison(
        {"one": samples(1)},
        keys,
        str(tmp_path / "full.png"),
        labels={"mass_1": "$m_1$"},
        truths={"mass_1": 60.0, "geocent_time": 1126259462.7},
        offsets={"geocent_time": 1126259462.0},
        title="A title",
    )
    assert is_picture(path)


def test_comparison_with_some_truths(tmp_path: Path) -> None:
    keys = ["mass_1", "geocent_time"]
    assert is_picture(plot_comparison({"one": samples(1)}, keys, tmp_path / "some.png", truths={"mass_1": 60.0}))


@pytest.mark.training
def test_every_posterior_is_in_the_picture(tmp_path: Path) -> None:
    tables = {f"number {seed}": samples(seed) for seed in range(len(COLOURS) + 1)}
    for count in (1, 4, len(COLOURS) + 1):
        chosen = dict(list(tables.items())[:count])
        picture = imread(plot_comparison(chosen, ["mass_1", "geocent_time"], tmp_path / f"{count}.png"))
        found = [bool(np.any(np.all(np.abs(picture[..., :3] - to_rgb(colour)) < 0.01, axis=-1))) for colour in COLOURS]
        assert found == [index < count for index in range(len(COLOURS))]


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


def test_the_higher_of_two_posteriors_fits_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its panel is as high as the narrower one wants, in whichever order they come."""
    rng = np.random.default_rng(5)
    wide, narrow = {"x": rng.normal(0, 1, 2000)}, {"x": rng.normal(0, 0.1, 2000)}
    drawn: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *args, **kwargs: drawn.append(figure))
    for tables in ({"wide": wide, "narrow": narrow}, {"narrow": narrow, "wide": wide}):
        plot_comparison(tables, ["x"], tmp_path / "none.png")
    for figure in drawn:
        (axis,) = figure.axes
        highest = max(float(patch.get_xy()[:, 1].max()) for patch in axis.patches)
        assert highest > 2 and axis.get_ylim() == pytest.approx((0, 1.1 * highest))
