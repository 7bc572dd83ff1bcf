#!/usr/bin/env bash
# Bilby 2.8.2: a likelihood of the old style, with `log_likelihood(self)` that reads `self.parameters`, is never given any parameters by a sampler.
#
# One would guess: the old style is deprecated but works until Bilby 3, as its warnings say. Samplers take the ratio where it is a number. Bilby's own
# `log_likelihood_ratio` has an argument `parameters`, so that Bilby hands it the parameters there, and does not put them into
# `likelihood.parameters`. It then calls `log_likelihood` with them, which fails, and without them, which gives the value for what the
# attribute holds since the likelihood was made. Every point has the same likelihood: emcee gives the prior for a posterior, and dynesty stops
# with an IndexError. A class that defines its own `log_likelihood_ratio(self)`, or `use_ratio=False`, is not hit. `cwinpy` 1.5.0 has such a
# likelihood (its own commands set `use_ratio=False`). The change that brought the new style: github.com/bilby-dev/bilby/pull/941.
#
# Seen (bilby 2.8.2, emcee 3.1.6, Python 3.11), a normal likelihood of mean 2 and deviation 0.1, a flat prior on [-5, 5]:
#   use_ratio=None: mean 0.05, standard deviation 2.92
#   use_ratio=False: mean 2.00, standard deviation 0.10
#
# Exits with 1 when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" install --quiet "bilby==2.8.2" "emcee==3.1.6"
cd "$folder"
"$folder/v/bin/python" - 2>/dev/null <<'PYTHON'
import sys
import warnings

warnings.simplefilter("ignore")
import bilby
import numpy as np


class Normal(bilby.Likelihood):
    def __init__(self):
        super().__init__({"mu": 0.0})

    def log_likelihood(self):
        return -0.5 * ((self.parameters["mu"] - 2) / 0.1) ** 2

    def noise_log_likelihood(self):
        return 0.0


bilby.core.utils.logger.setLevel("ERROR")
print("bilby", bilby.__version__)
found = {}
for use_ratio in (None, False):
    bilby.core.utils.random.seed(1)
    result = bilby.run_sampler(
        likelihood=Normal(),
        priors=bilby.core.prior.PriorDict({"mu": bilby.core.prior.Uniform(-5, 5)}),
        sampler="emcee",
        nwalkers=20,
        nsteps=300,
        nburn=100,
        use_ratio=use_ratio,
        label=str(use_ratio),
    )
    mu = result.posterior["mu"]
    found[use_ratio] = mu.mean(), mu.std()
    print(f"use_ratio={use_ratio}: mean {mu.mean():.2f}, standard deviation {mu.std():.2f}")
# The standard deviation of the prior is 2.9.
sys.exit(not (abs(found[None][1] - 2.89) < 0.5 and abs(found[False][0] - 2) < 0.1 and found[False][1] < 0.2))
PYTHON
