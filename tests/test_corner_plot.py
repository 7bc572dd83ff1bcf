"""Corner plots: every posterior is there, axes end with the prior, labels are those of papers."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from bilby.core.prior import Constraint, DeltaFunction, Gaussian, PriorDict, Uniform
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import imread

from bilby_flowpe.corner_plot import MOST_SHOWN, bounds_of, labels_of, plot_comparison, shown_first
from bilby_flowpe.plotting import COLOURS

PNG = b"\x89PNG"


@pytest.fixture(autouse=True)
def no_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def samples(seed: int, size: int = 2000) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {"mass_1": rng.normal(60, 3, size), "geocent_time": rng.normal(1126259462.7, 1e-3, size)}


def is_picture(path: Path) -> bool:
    return path.read_bytes().startswith(PNG) and path.stat().st_size > 5000


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Figures in the place of files."""
    figures: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *args, **kwargs: figures.append(figure))
    return figures


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


@pytest.mark.parametrize(
    ("key", "values", "bounds", "limits"),
    [
        ("mass_ratio", np.linspace(0.5, 1, 500), {}, (0.475, 1.0)),
        ("phase", np.linspace(0, 2 * np.pi, 500), {}, (0.0, 2 * np.pi)),
        ("x", np.linspace(0, 1, 500), {"x": (-3.0, 1.0)}, (-0.05, 1.0)),
        ("x", np.linspace(0, 1, 500), {}, (-0.05, 1.05)),
        ("mass_ratio", np.linspace(0.5, 0.7, 500), {"mass_ratio": (0.5, 1.0)}, (0.5, 0.71)),
    ],
)
def test_axes_end_where_the_prior_does(key, values, bounds, limits, drawn, tmp_path):
    plot_comparison({"one": {key: values}}, [key], tmp_path / "none.png", bounds=bounds)
    assert drawn[0].axes[0].get_xlim() == pytest.approx(limits, abs=2e-3)


def test_bounds_count_from_what_is_subtracted(drawn, tmp_path):
    table = {"geocent_time": np.linspace(1126259462.0, 1126259462.4, 500)}
    plot_comparison(
        {"one": table}, ["geocent_time"], tmp_path / "none.png", offsets={"geocent_time": 1126259462.0},
        bounds={"geocent_time": (1126259462.0, 1126259463.0)},
    )  # fmt: skip
    (axis,) = drawn[0].axes
    assert axis.get_xlim() == pytest.approx((0, 0.42), abs=1e-3)
    assert axis.get_xlabel() == "$t_c$ - 1126259462 [s]"


def test_samples_of_one_value_have_an_axis(drawn, tmp_path):
    plot_comparison({"one": {"mass_ratio": np.ones(100)}}, ["mass_ratio"], tmp_path / "none.png")
    assert np.diff(drawn[0].axes[0].get_xlim()) > 0


def test_the_legend_says_what_contours_are(drawn, tmp_path):
    plot_comparison({"one": samples(1)}, ["mass_1", "geocent_time"], tmp_path / "none.png")
    (legend,) = drawn[0].legends
    assert legend.get_title().get_text() == "contours: 50% and 90%"
    assert drawn[0].axes[2].get_xlabel() == "$m_1$ [$M_\\odot$]"


def test_bounds_and_labels_of_priors():
    priors = PriorDict(
        {"x": Uniform(1, 3, latex_label="$x$", unit="km"), "y": Gaussian(0, 1), "z": DeltaFunction(2.0),
         "mass_1": Constraint(1, 2), "chirp_mass": Uniform(1, 2)}
    )  # fmt: skip
    assert bounds_of(priors) == {"x": (1, 3), "y": (-np.inf, np.inf), "z": (2, 2), "chirp_mass": (1, 2)}
    assert labels_of(priors, ["x", "chirp_mass", "not_there"]) == {"x": "$x$ [km]"}


def test_of_many_parameters_those_that_readers_look_for_are_shown():
    precessing = [
        "mass_ratio", "chirp_mass", "luminosity_distance", "dec", "ra", "theta_jn", "psi", "phase", "a_1", "a_2",
        "tilt_1", "tilt_2", "phi_12", "phi_jl", "geocent_time",
    ]  # fmt: skip
    found = shown_first(precessing)
    assert found == ["mass_ratio", "chirp_mass", "luminosity_distance", "dec", "ra", "theta_jn", "a_1", "tilt_1"]
    assert len(shown_first([str(i) for i in range(30)])) == MOST_SHOWN
    assert shown_first(["b", "a"]) == ["b", "a"]
