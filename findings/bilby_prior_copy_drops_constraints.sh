#!/usr/bin/env bash
# Bilby 2.8.2: the copy of a `PriorDict` that was given a `conversion_function` forgets it, and its constraints hold no longer.
#
# One would guess: `priors.copy()` is the same prior. Keys and priors are copied, the conversion function is not, so that constraints on derived
# quantities are never evaluated: the copy draws and accepts what the original excludes, with the density of the unconstrained prior. `copy.deepcopy`
# keeps it. (A `BBHPriorDict` has its conversion in its class, and is safe.)
#
# Seen (bilby 2.8.2, Python 3.11), x and y uniform on [0, 1], constrained to x + y < 1:
#   original: allowed at (0.9, 0.9) 0, share of draws with x + y > 1 0.00
#   copy(): allowed at (0.9, 0.9) 1, share of draws with x + y > 1 0.50
#   deepcopy: allowed at (0.9, 0.9) 0, share of draws with x + y > 1 0.00
#
# Exits with 1 when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" install --quiet "bilby==2.8.2"
"$folder/v/bin/python" - <<'PYTHON'
import copy
import sys

import bilby
import numpy as np
from bilby.core.prior import Constraint, PriorDict, Uniform


def with_sum(values):
    return {**values, "total": values["x"] + values["y"]}


bilby.core.utils.logger.setLevel("ERROR")
bilby.core.utils.random.seed(1)
print("bilby", bilby.__version__)
given = {"x": Uniform(0, 1), "y": Uniform(0, 1), "total": Constraint(0, 1)}
priors, seen = PriorDict(given, conversion_function=with_sum), []
for name, one in (("original", priors), ("copy()", priors.copy()), ("deepcopy", copy.deepcopy(priors))):
    allowed = int(np.all(one.evaluate_constraints({"x": 0.9, "y": 0.9})))
    draws = one.sample(4000)
    beyond = float(np.mean(draws["x"] + draws["y"] > 1))
    print(f"{name}: allowed at (0.9, 0.9) {allowed}, share of draws with x + y > 1 {beyond:.2f}")
    seen.append((allowed, round(beyond, 1)))
sys.exit(seen != [(0, 0.0), (1, 0.5), (0, 0.0)])
PYTHON
