#!/usr/bin/env bash
# gwpopulation 1.4.0: `ResamplingVT(model, injections)` with its defaults gives an infinite detection efficiency for any injections.
#
# One would guess: a class whose number of events may be left out gives the share of found injections. By default its number of events is
# infinite, and it also checks that there are more than four times as many effective injections as events. No number of injections is enough,
# and the efficiency becomes infinity. `HyperparameterLikelihood` makes of it the lowest number that a float holds, so that every point
# of the prior has the same log likelihood ratio, and a sampler returns the prior without an error.
#
# Seen (gwpopulation 1.4.0, bilby 2.8.2, Python 3.11), 10000 of 20000 injections found:
#   defaults: efficiency inf, log likelihood ratios -1.798e+308 and -1.798e+308
#   n_events=5: efficiency 0.49, log likelihood ratios -3.462 and -3.941
#
# Exits with 1 when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" install --quiet "gwpopulation==1.4.0" "bilby==2.8.2"
"$folder/v/bin/python" - <<'PYTHON'
import logging
import sys

import bilby
import gwpopulation
import numpy as np
import pandas as pd
from gwpopulation.hyperpe import HyperparameterLikelihood, Model
from gwpopulation.vt import ResamplingVT


def density(dataset, mu):
    return np.exp(-0.5 * (dataset["x"] - mu) ** 2) / np.sqrt(2 * np.pi)


logging.getLogger("bilby").setLevel("ERROR")
print("gwpopulation", gwpopulation.__version__, "bilby", bilby.__version__)
rng = np.random.default_rng(0)
injected = rng.uniform(-5, 5, 20_000)
found = np.sort(injected)[-10_000:]
injections = {"x": found, "prior": np.full(len(found), 0.1), "total_generated": len(injected)}
events = [pd.DataFrame({"x": rng.normal(1, 0.3, 500), "prior": 1.0}) for _ in range(5)]
ratios = {}
for name, settings in (("defaults", {}), ("n_events=5", {"n_events": 5})):
    selection = ResamplingVT(Model([density]), dict(injections), **settings)
    likelihood = HyperparameterLikelihood(events, Model([density]), selection_function=selection)
    ratios[name] = [likelihood.log_likelihood_ratio({"mu": mu}) for mu in (0.0, 1.0)]
    efficiency = float(selection({"mu": 0.0})[0])
    print(f"{name}: efficiency {efficiency:.2f}, log likelihood ratios {ratios[name][0]:.4g} and {ratios[name][1]:.4g}")
sys.exit(not (ratios["defaults"] == [-np.finfo(float).max] * 2 and np.all(np.abs(ratios["n_events=5"]) < 100)))
PYTHON
