#!/usr/bin/env bash
# Bilby 2.8.2: a `MultivariateGaussianDist` of several modes draws by its weights, and its density leaves them out.
#
# One would guess: `prob` is the density that `sample` draws from. For a mixture of nine tenths and one tenth the draws are nine to one; the density
# at both modes is the same, and each mode has the mass of a whole normal distribution: it integrates to the number of modes. Samplers that draw from the
# unit cube see the weights, those that evaluate the prior (MCMC, reweighting) do not: their posteriors differ by the odds of the modes.
#
# Seen (bilby 2.8.2, Python 3.11), two unit normals in a plane at (0, 0) and (10, 10), weights 0.9 and 0.1:
#   share of draws at the second mode: 0.10
#   density over that of one normal alone: first mode 1.000, second mode 1.000
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
from bilby.core.prior import MultivariateGaussian, MultivariateGaussianDist, PriorDict

bilby.core.utils.logger.setLevel("ERROR")
bilby.core.utils.random.seed(1)
print("bilby", bilby.__version__)
joint = MultivariateGaussianDist(
    ["u", "v"], nmodes=2, mus=[[0.0, 0.0], [10.0, 10.0]], sigmas=[[1.0, 1.0], [1.0, 1.0]], weights=[0.9, 0.1]
)
priors = PriorDict({"u": MultivariateGaussian(joint, "u"), "v": MultivariateGaussian(joint, "v")})
share = float(np.mean(priors.sample(20_000)["u"] > 5))
print(f"share of draws at the second mode: {share:.2f}")
over = [float(np.exp(priors.ln_prob({"u": at, "v": at}))) * 2 * np.pi for at in (0.0, 10.0)]
print(f"density over that of one normal alone: first mode {over[0]:.3f}, second mode {over[1]:.3f}")
sys.exit(not (abs(share - 0.1) < 0.02 and np.allclose(over, 1.0, atol=1e-6)))
PYTHON
