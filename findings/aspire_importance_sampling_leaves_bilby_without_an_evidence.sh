#!/usr/bin/env bash
# aspire-bilby 0.1.0: with importance sampling, the evidence that aspire finds does not reach Bilby's result.
#
# One would guess: `run_sampler(sampler="aspire", sample_kwargs={"sampler": "importance"})` returns a result with the log evidence that importance
# sampling gives for nothing, as with "smc". aspire finds it, and prints it; the plugin then draws equal-weight rows by rejection and asks
# these for the evidence, which they no longer have: `log_evidence` and its error are NaN in the result.
#
# Why it matters: moving a posterior to another prior by one importance step is the cheap use of the package, and Bayes factors are what one wants
# of it; a table of results shows NaN for a run that has worked.
#
# Seen (aspire-bilby 0.1.0, aspire-inference 0.1.0, bilby 2.8.2, Python 3.11), a normal likelihood under a normal prior, whose log evidence
# is -3.03 in closed form:
#   printed by aspire: Log evidence: -3.05
#   in Bilby's result: nan +- nan
#
# Exits with 1 when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" install --quiet "torch==2.13.0"
"$folder/v/bin/pip" install --quiet "aspire-bilby==0.1.0" "aspire-inference[torch]==0.1.0" "bilby==2.8.2"
cd "$folder"
OMP_NUM_THREADS=1 "$folder/v/bin/python" - > log 2>&1 <<'PYTHON'
from importlib.metadata import version

import bilby
import numpy as np


class Normal(bilby.Likelihood):
    def log_likelihood(self, parameters):
        return -0.5 * ((parameters["x"] - 1) ** 2 + (parameters["y"] + 1) ** 2) - np.log(2 * np.pi)


priors = bilby.core.prior.PriorDict({key: bilby.core.prior.Gaussian(0, 1, key) for key in "xy"})
result = bilby.run_sampler(
    Normal(), priors, sampler="aspire", n_samples=2000, n_initial_samples=4000, fit_kwargs={"n_epochs": 10},
    sample_kwargs={"sampler": "importance"}, outdir="out", label="normal", save=False, plot=False,
)
names = ("aspire-bilby", "aspire-inference", "bilby")
print("FOUND", *(f"{name} {version(name)}" for name in names))
print(f"FOUND in Bilby's result: {result.log_evidence} +- {result.log_evidence_err}")
PYTHON
grep '^FOUND' log | cut -c7-
printed=$(grep -o 'Log evidence: -[0-9.]*' log | head -1)
echo "printed by aspire: $printed"
grep -q "^FOUND in Bilby's result: nan +- nan" log && [[ "$printed" =~ "-3.0" ]]
