#!/usr/bin/env bash
# SciPy 1.16.3: a normal distribution of two independent parameters whose widths differ by more than a factor 67000 is refused as singular, or loses
# the narrow one.
#
# One would guess: a diagonal covariance with positive entries is positive definite, whatever the units. An eigenvalue below 2.2e-10 of the largest
# counts as zero. Widths of 300 Mpc in distance and 1 ms in time, as a posterior of a binary has, are 9e4 and 1e-6, and NumPy's own Cholesky
# decomposition takes them. `multivariate_normal` raises; with `allow_singular=True`, the usual cure, it returns the density of the distance alone,
# the same ten sigma away in time, and minus infinity further off. A Fisher matrix or a Gaussian fit of a posterior has to be scaled first (Bilby's
# MultivariateGaussianDist does). Others have met it: https://github.com/scipy/scipy/issues/24718.
#
# Seen (Python 3.11), log density at the mean, 10 ms away (10 sigma) and 100 ms away:
#   as it is: LinAlgError
#   product of two normals: -0.63 -50.63 -5000.63
#   allow_singular=True: -6.62 -6.62 -inf
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
from scipy.stats import multivariate_normal, norm

print("numpy", np.__version__, "scipy", scipy.__version__)
widths = np.array([300.0, 1e-3])  # Mpc, seconds
points = np.array([[0.0, 0.0], [0.0, 0.01], [0.0, 0.1]])
covariance = np.diag(widths**2)
np.linalg.cholesky(covariance)
right = norm(scale=widths).logpdf(points).sum(axis=1)
try:
    multivariate_normal(np.zeros(2), covariance)
    refused = False
except np.linalg.LinAlgError as error:
    refused = True
    print("as it is:", type(error).__name__)
allowed = multivariate_normal(np.zeros(2), covariance, allow_singular=True).logpdf(points)
print("product of two normals:", *(f"{value:.2f}" for value in right))
print("allow_singular=True:", *(f"{value:.2f}" for value in allowed))
distance = norm(scale=widths[0]).logpdf(points[:, 0])
sys.exit(not (refused and np.isclose(allowed[0], distance[0]) and np.isclose(allowed[1], distance[1]) and np.isneginf(allowed[2]) and np.isfinite(right).all()))
PYTHON
