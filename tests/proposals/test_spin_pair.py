"""Coordinates of a spin: its component along the orbit, and what is left."""

from __future__ import annotations

import numpy as np
from bilby.core.prior import PriorDict, Sine, Uniform

from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.proposals.binary_chart import BinaryChart


def test_the_first_coordinate_is_the_spin_along_the_orbit() -> None:
    priors = {
        f"{name}_{number}": prior for number in "12" for name, prior in (("a", Uniform(0, 0.8)), ("tilt", Sine()))
    }
    transform = PriorTransform(PriorDict(priors))
    chart, sample = BinaryChart(transform), transform.sample(500, np.random.default_rng(2))
    along = sample["a_1"] * np.cos(sample["tilt_1"])
    column = chart.forward(sample)[0][:, chart.keys.index("a_1")]
    assert np.all(np.diff(column[np.argsort(along)]) >= 0)
    assert chart.across == ("tilt_1", "tilt_2")
