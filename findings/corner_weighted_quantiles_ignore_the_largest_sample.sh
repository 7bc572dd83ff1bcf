#!/usr/bin/env bash
# corner 2.3.0 and dynesty 3.1.0: weighted quantiles leave out the weight of the largest sample, and are not those of the mirrored samples.
#
# One would guess: the median of 0 with weight 0.001 and 1 with weight 0.999 is near 1, as NumPy's weighted quantile says, and quantiles of -x are
# those of x with the other sign. Both libraries interpolate between sums of the weights before each sample: the last weight is in none of them,
# whatever it is, and each sample's weight lies between it and the next. So titles and lines of a corner plot of few effective samples (importance
# weights, a late stage of nested sampling) move down, by the largest weights; a dominating weight at the upper edge of a prior is not seen at all.
#
# Seen (Python 3.11), medians of x and minus medians of -x:
#   two samples: corner 0.500 0.500, dynesty 0.500 0.500, NumPy 1.000
#   a thousand draws: corner 2.395 2.634, dynesty 2.395 2.634, NumPy 2.756
#   effective sample size of the thousand: 4.8
#
# Exits with 1 when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" install --quiet "corner==2.3.0" "dynesty==3.1.0" "numpy==2.3.5"
MPLBACKEND=Agg "$folder/v/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import corner
import numpy as np
from dynesty.utils import quantile

print("corner", version("corner"), "dynesty", version("dynesty"), "numpy", np.__version__)
two = (np.array([0.0, 1.0]), np.array([0.001, 0.999]))
# Draws of a normal of width 1 under the weights of another, 4 further: an effective sample size of a few.
draws = np.random.default_rng(0).normal(size=1000)
weights = np.exp(4 * draws)
few = (draws, weights / weights.sum())
seen = {}
for name, (samples, weight) in {"two samples": two, "a thousand draws": few}.items():
    values = [
        corner.quantile(samples, [0.5], weight)[0],
        -corner.quantile(-samples, [0.5], weight)[0],
        quantile(samples, [0.5], weights=weight)[0],
        -quantile(-samples, [0.5], weights=weight)[0],
        np.quantile(samples, 0.5, weights=weight, method="inverted_cdf"),
    ]
    seen[name] = values
    print(f"{name}: corner {values[0]:.3f} {values[1]:.3f}, dynesty {values[2]:.3f} {values[3]:.3f}, NumPy {values[4]:.3f}")
print(f"effective sample size of the thousand: {1 / np.sum(few[1] ** 2):.1f}")
first, second = seen.values()
sys.exit(not (abs(first[0] - 0.5) < 1e-6 and first[4] == 1 and abs(second[0] - second[1]) > 0.1 and abs(first[2] - 0.5) < 1e-6))
PYTHON
