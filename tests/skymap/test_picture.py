"""Pictures of sky maps: they are drawn, and say what the map says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from bilby_flowpe.skymap.map import SkyMap
from bilby_flowpe.skymap.picture import in_words, plot_sky_map
from bilby_flowpe.skymap.smooth import smoothed

from .toys import Blob, places


@pytest.mark.training
@pytest.mark.parametrize("toy", [Blob(), Blob(width=0.5)], ids=["near", "wide"])
def test_a_picture(tmp_path: Path, toy: Blob) -> None:
    found = SkyMap.of(smoothed(places(toy, 1000, 1, 500.0)))
    picture = imread(plot_sky_map(found, tmp_path / "map.png", {"counterpart": (6.2, -0.7)}, "event"))
    # A small region is drawn once more, closely.
    assert (picture.shape[1] > 1200) == (found.area(0.9) < 400) and np.std(picture) > 0.05


def test_words() -> None:
    found = SkyMap.of(smoothed(places(Blob(), 1000, 1, 500.0)))
    (mean, deviation), areas = found.distance, [found.area(share) for share in (0.5, 0.9)]
    wanted = f"50% area {areas[0]:.3g} deg², 90% area {areas[1]:.0f} deg²; distance {mean:.0f} ± {deviation:.0f} Mpc"
    assert in_words(found) == wanted
    without = SkyMap(found.cells, found.density)
    assert "distance" not in in_words(without)
