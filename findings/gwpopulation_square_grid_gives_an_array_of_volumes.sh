#!/usr/bin/env bash
# gwpopulation 1.4.0: `GridVT` on a grid with as many points along one parameter as along the other gives an array, not a volume.
#
# One would guess: the sensitive volume, integrated over both parameters, is one number, however many points the grid has along each. The class
# finds out which axis belongs to which parameter by its length. Where two lengths are the same, one parameter takes the place of the other:
# the integral is done along one axis, with the values of the last parameter, and the other axis remains. A likelihood with it sums over that
# array, or breaks far from the cause.
#
# Seen (gwpopulation 1.4.0, bilby 2.8.2, Python 3.11), a density that integrates to one, volume 1 everywhere:
#   201 by 200 points: shape (), mean 1.0005
#   200 by 200 points: shape (200,), mean 0.0830
#
# Exits with 1 when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" install --quiet "gwpopulation==1.4.0" "bilby==2.8.2"
"$folder/v/bin/python" - <<'PYTHON'
import sys

import gwpopulation
import numpy as np
from gwpopulation.vt import GridVT


def density(dataset, mu):
    return np.exp(-0.5 * (dataset["x"] - mu) ** 2) / np.sqrt(2 * np.pi) * np.exp(-dataset["y"])


print("gwpopulation", gwpopulation.__version__)
shapes = []
for points in ((201, 200), (200, 200)):
    x, y = np.meshgrid(np.linspace(-6, 6, points[0]), np.linspace(0, 15, points[1]), indexing="ij")
    volume = GridVT(density, {"vt": np.ones_like(x), "x": x, "y": y})({"mu": 0.0})
    shapes.append(np.shape(volume))
    print(f"{points[0]} by {points[1]} points: shape {np.shape(volume)}, mean {np.mean(volume):.4f}")
sys.exit(shapes != [(), (200,)])
PYTHON
