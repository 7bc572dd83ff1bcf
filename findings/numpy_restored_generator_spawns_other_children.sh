#!/usr/bin/env bash
# NumPy 2.3.5 (SciPy 1.16.3): a generator whose saved state is put back draws the same numbers again, but spawns other children, and so do SciPy's
# Sobol points.
#
# One would guess: `generator.bit_generator.state` is all that a checkpoint has to keep; whoever puts it back goes on as if nothing had happened. It
# holds for numbers drawn from the generator itself. What is spawned from it comes from its seed sequence and a count of children, which are in no
# state: after a restart, workers (`spawn`) and quasi-random points (`scipy.stats.qmc` spawns from the generator that it is given) are those of
# another seed, or, in the same process, of the next child; a resumed run is not the run that was interrupted, and no number drawn shows it. A pickled
# generator keeps both. NumPy's developers say that this is meant (https://github.com/numpy/numpy/issues/27882).
#
# Seen (Python 3.11), the original, a new generator with its state, and a pickled copy:
#   original: drawn 0.6524, drawn by a child 0.4031, first Sobol point 0.5196
#   restored: drawn 0.6524, drawn by a child 0.0324, first Sobol point 0.4860
#   pickled: drawn 0.6524, drawn by a child 0.4031, first Sobol point 0.5196
#
# Exits with 1 when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" install --quiet "numpy==2.3.5" "scipy==1.16.3"
"$folder/v/bin/python" - <<'PYTHON'
import pickle
import sys

import numpy as np
import scipy
from scipy.stats import qmc

print("numpy", np.__version__, "scipy", scipy.__version__)
original = np.random.default_rng(5)
original.random(10)
restored = np.random.default_rng(99)
restored.bit_generator.state = original.bit_generator.state
copied = pickle.loads(pickle.dumps(original))
drawn, child, sobol = [], [], []
for name, generator in (("original", original), ("restored", restored), ("pickled", copied)):
    drawn.append(generator.random())
    child.append(generator.spawn(1)[0].random())
    sobol.append(qmc.Sobol(1, rng=generator).random(1)[0, 0])
    print(f"{name}: drawn {drawn[-1]:.4f}, drawn by a child {child[-1]:.4f}, first Sobol point {sobol[-1]:.4f}")
same = [values[0] == values[1] for values in (drawn, child, sobol)]
kept = [values[0] == values[2] for values in (drawn, child, sobol)]
sys.exit(not (same == [True, False, False] and all(kept)))
PYTHON
