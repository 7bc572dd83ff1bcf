#!/usr/bin/env bash
# Bilby 2.8.2: `ConditionalPriorDict.rescale` of arrays gives the values of the last parameter for every parameter.
#
# One would guess: `rescale(keys, theta)` of unit-cube coordinates with one column a parameter gives one array a parameter, as it does for
# `PriorDict`, whose docstring it shares. For one point (numbers) it does; for many points (arrays) each element of the list that comes back is the
# array of the last key, without a warning. A script that turns a latin hypercube into points of a conditional prior gets masses equal to
# spins.
#
# Seen (bilby 2.8.2, Python 3.11), a uniform on [1, 2], b uniform on [0, a], unit-cube coordinates (0.1, 0.5) and (0.9, 0.5):
#   one by one: a 1.10 1.90, b 0.55 0.95
#   as arrays: a 0.55 0.95, b 0.55 0.95
#
# Exits with 1 when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" install --quiet "bilby==2.8.2"
"$folder/v/bin/python" - <<'PYTHON'
import sys

import bilby
import numpy as np
from bilby.core.prior import ConditionalPriorDict, ConditionalUniform, Uniform


def below_a(reference_params, a):
    return {"minimum": 0.0, "maximum": a}


bilby.core.utils.logger.setLevel("ERROR")
print("bilby", bilby.__version__)
priors = ConditionalPriorDict(
    {"a": Uniform(1, 2), "b": ConditionalUniform(condition_func=below_a, minimum=0.0, maximum=1.0)}
)
unit = np.array([[0.1, 0.9], [0.5, 0.5]])
single = np.array([priors.rescale(["a", "b"], column) for column in unit.T], dtype=float).T
many = np.array(priors.rescale(["a", "b"], unit), dtype=float)
for name, values in (("one by one", single), ("as arrays", many)):
    print(f"{name}: a {values[0][0]:.2f} {values[0][1]:.2f}, b {values[1][0]:.2f} {values[1][1]:.2f}")
sys.exit(not (np.allclose(single, [[1.1, 1.9], [0.55, 0.95]]) and np.allclose(many, [[0.55, 0.95]] * 2)))
PYTHON
