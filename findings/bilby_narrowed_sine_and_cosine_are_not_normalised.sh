#!/usr/bin/env bash
# Bilby 2.8.2: `Sine` and `Cosine` priors between other ends than those of the whole range have a density that does not integrate to one.
#
# One would guess: `Sine(minimum=a, maximum=b)` is the density sin(x) / (cos(a) - cos(b)), as its draws are distributed. Its density stays that of the
# whole range, sin(x) / 2, cut at the ends, and integrates to less. An evidence under a prior of an inclination or a declination that was
# narrowed (to a known jet, to a galaxy) is right with a nested sampler, which draws from the unit cube, and too small by that factor where the
# density is evaluated (thermodynamic integration, importance sampling, `PriorDict.ln_prob` in a Savage-Dickey ratio).
#
# Seen (bilby 2.8.2, Python 3.11), between 0.2 and 0.8:
#   Sine: integral of the density 0.142, mean of draws 0.555, mean of a normalised density 0.555
#   Cosine: integral of the density 0.259, mean of draws 0.484, mean of a normalised density 0.484
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
from bilby.core.prior import Cosine, Sine

bilby.core.utils.logger.setLevel("ERROR")
bilby.core.utils.random.seed(1)
print("bilby", bilby.__version__)
x, holds = np.linspace(0.2, 0.8, 20_001), True
for kind, half in ((Sine, (np.cos(0.2) - np.cos(0.8)) / 2), (Cosine, (np.sin(0.8) - np.sin(0.2)) / 2)):
    prior = kind(minimum=0.2, maximum=0.8)
    density = prior.prob(x)
    integral = np.trapezoid(density, x)
    drawn, normalised = np.mean(prior.sample(200_000)), np.trapezoid(x * density, x) / integral
    print(
        f"{kind.__name__}: integral of the density {integral:.3f}, mean of draws {drawn:.3f}, mean of a normalised density "
        f"{normalised:.3f}"
    )
    holds = holds and abs(integral - half) < 1e-6 and abs(drawn - normalised) < 2e-3
sys.exit(not holds)
PYTHON
