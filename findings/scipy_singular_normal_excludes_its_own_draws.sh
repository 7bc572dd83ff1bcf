#!/usr/bin/env bash
# SciPy 1.16.3: whether a degenerate `multivariate_normal` contains its own draws depends on the units: in milliseconds it does, in seconds it does
# not.
#
# One would guess: with `allow_singular=True` draws of the distribution have a finite density, and a change of units adds a constant. What lies
# outside of the plane by more than a bound counts as impossible; the bound is reckoned from the variances (2.2e-7 of the largest), and compared with
# a distance, which has the unit of a width. Draws lie beside the plane by rounding, about 1e-8 of a width. So for widths of one all draws are inside,
# and for widths of 1e-3 most have minus infinity. For times in seconds (milliseconds wide) or strain (1e-23) a proposal that is drawn from and
# evaluated loses its draws, without a warning; the same in milliseconds works.
#
# Seen (Python 3.11), two parameters whose correlation is one; share of a thousand own draws with a density of zero:
#   width 1000: 0.00
#   width 1: 0.00
#   width 0.001: 0.91
#   width 1e-06: 1.00
#
# Exits with 1 when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" install --quiet "numpy==2.3.5" "scipy==1.16.3"
"$folder/v/bin/python" - <<'PYTHON'
import sys

import numpy as np
import scipy
from scipy.stats import multivariate_normal

print("numpy", np.__version__, "scipy", scipy.__version__)
shares = []
for width in (1e3, 1.0, 1e-3, 1e-6):
    one = multivariate_normal(np.zeros(2), width**2 * np.array([[1.0, 0.5], [0.5, 0.25]]), allow_singular=True)
    draws = one.rvs(1000, random_state=1)
    shares.append(float(np.mean(np.isneginf(one.logpdf(draws)))))
    print(f"width {width:g}: {shares[-1]:.2f}")
sys.exit(not (max(shares[:2]) == 0 and min(shares[2:]) > 0.5))
PYTHON
