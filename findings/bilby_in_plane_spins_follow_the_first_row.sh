#!/usr/bin/env bash
# Bilby 2.8.2: `generate_all_bbh_parameters` of a table makes all spins in the orbital plane zero, and chi_p with them, where the first
# row of the table has spins along the orbit.
#
# One would guess: a row's derived parameters depend on that row alone. They are made by a function of one row under `numpy.vectorize`,
# which takes the type of each output from the first row; for spins along the orbit the function returns the whole number 0, so that the
# column becomes one of whole numbers and every other row's component, which is below one, is cut to 0. A posterior whose prior
# has a spike at zero spin, or which mixes samples of an aligned and a precessing model, loses its precession by the order of its rows.
#
# Seen (bilby 2.8.2, Python 3.11), chi_p of rows with a tilt of 0, 0.5 and pi/2 of a spin of 0.6:
#   tilted row first: 0.288 0.000 0.600
#   aligned row first: 0.000 0.000 0.000
#
# Exits with 1 when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" install --quiet "bilby==2.8.2" "lalsuite" "gwpy"
"$folder/v/bin/python" - <<'PYTHON'
import sys

import bilby
import numpy as np
from bilby.gw.conversion import generate_all_bbh_parameters
from pandas import DataFrame

bilby.core.utils.logger.setLevel("ERROR")
row = {
    "chirp_mass": 30.0, "mass_ratio": 0.5, "luminosity_distance": 400.0, "theta_jn": 0.4, "phase": 0.0,
    "a_1": 0.6, "a_2": 0.2, "tilt_2": 0.0, "phi_12": 0.0, "phi_jl": 0.0,
}
print("bilby", bilby.__version__)


def of(name, tilts):
    table = DataFrame([{**row, "tilt_1": tilt} for tilt in tilts])
    found = generate_all_bbh_parameters(table)["chi_p"].to_numpy(dtype=float)
    print(f"{name}: " + " ".join(f"{value:.3f}" for value in found))
    return found


tilted = of("tilted row first", [0.5, 0.0, np.pi / 2])
aligned = of("aligned row first", [0.0, 0.5, np.pi / 2])
right = np.allclose(tilted, 0.6 * np.sin([0.5, 0.0, np.pi / 2]), atol=1e-6)
sys.exit(not (right and np.all(aligned == 0)))
PYTHON
