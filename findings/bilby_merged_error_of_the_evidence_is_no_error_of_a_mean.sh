#!/usr/bin/env bash
# Bilby 2.8.2: the error of the evidence of merged runs does not shrink with their number, and is negative where one of two runs has none.
#
# One would guess: the merged evidence is the mean of the runs', so that its error is that of a mean: 0.1 of one run is 0.07 of two and 0.025 of
# sixteen, and unknown where that of one run is unknown. `ResultList.combine` takes half the logarithm of the mean of exp(2 error): as if the
# errors were logarithms. Equal errors stay as they are, whatever the number of runs; an error that is no number is left out of the sum and
# counted in the mean, which makes half the logarithm of the number of runs missing.
#
# Why it matters: four parallel runs of bilby_pipe (`n-parallel = 4`) show the error of one of them, twice what they know; and a run whose error
# is not known makes the merged error negative, by which a Bayes factor looks certain or a plot of errors fails.
#
# Seen (bilby 2.8.2, Python 3.11), log evidence -10 in each run:
#   2 runs of error 0.1: merged -10.00 +- 0.1000, of a mean 0.0707
#   16 runs of error 0.1: merged -10.00 +- 0.1000, of a mean 0.0250
#   2 runs of error 0.3 and 0.01: merged -10.00 +- 0.1757, of a mean 0.1501
#   2 runs of error 0.1 and nan: merged -10.00 +- -0.2466, of a mean nan
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
import pandas as pd
from bilby.core.result import Result, ResultList

bilby.core.utils.logger.setLevel("ERROR")
print("bilby", bilby.__version__)


def run(error, seed):
    posterior = pd.DataFrame({"x": np.random.default_rng(seed).normal(size=100)})
    return Result(
        label="run",
        outdir=".",
        sampler="dynesty",
        search_parameter_keys=["x"],
        priors=bilby.core.prior.PriorDict({"x": bilby.core.prior.Uniform(-5, 5, "x")}),
        posterior=posterior,
        nested_samples=posterior.assign(weights=0.01),
        log_evidence=-10.0,
        log_evidence_err=error,
        log_noise_evidence=0.0,
        log_bayes_factor=-10.0,
    )


found = []
for errors in ([0.1, 0.1], [0.1] * 16, [0.3, 0.01], [0.1, np.nan]):
    merged = ResultList([run(error, seed) for seed, error in enumerate(errors)]).combine()
    found.append(float(merged.log_evidence_err))
    said = " and ".join(f"{error:g}" for error in dict.fromkeys(errors))
    mean = np.sqrt(np.sum(np.square(errors))) / len(errors)
    print(
        f"{len(errors)} runs of error {said}: merged {merged.log_evidence:.2f} +- {found[-1]:.4f}, of a mean {mean:.4f}"
    )
sys.exit(not np.allclose(found, [0.1, 0.1, 0.1757, -0.2466], atol=1e-4))
PYTHON
