#!/usr/bin/env bash
# gwpopulation 1.4.0: one `gwpopulation.hyperpe.Model`, given to the likelihood and to the selection function, uses the events' densities for the injections.
#
# One would guess: `Model` is "a drop-in replacement for bilby.hyper.model.Model", so that one object may be handed to both. Models keep their last
# values by parameters alone, whatever the data. Bilby's class is copied by whoever takes it, and so the two never meet. gwpopulation's own is
# not copied: at each point the selection gets the densities of the events' samples. Where there are as many samples as found injections nothing
# is raised, and the likelihood is wrong. Bilby's docstring says that the cache "should be used with caution".
#
# Seen (gwpopulation 1.4.0, bilby 2.8.2, Python 3.11), ten events with 1000 samples each, 10000 found injections:
#   two models of gwpopulation: log likelihood ratio -7.88
#   one model of Bilby: log likelihood ratio -7.88
#   one model of gwpopulation: log likelihood ratio -16.09
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
from bilby.hyper.model import Model as BilbyModel
from gwpopulation.hyperpe import HyperparameterLikelihood, Model
from gwpopulation.vt import ResamplingVT


def density(dataset, mu):
    return np.exp(-0.5 * (dataset["x"] - mu) ** 2) / np.sqrt(2 * np.pi)


logging.getLogger("bilby").setLevel("ERROR")
print("gwpopulation", gwpopulation.__version__, "bilby", bilby.__version__)
rng = np.random.default_rng(0)
found = np.sort(rng.uniform(-5, 5, 20_000))[-10_000:]
injections = {"x": found, "prior": np.full(len(found), 0.1), "total_generated": 20_000}
events = [pd.DataFrame({"x": rng.normal(1, 0.3, 1000), "prior": 1.0}) for _ in range(10)]
ours, theirs = Model([density]), BilbyModel([density])
pairs = {
    "two models of gwpopulation": (Model([density]), Model([density])),
    "one model of Bilby": (theirs, theirs),
    "one model of gwpopulation": (ours, ours),
}
values = []
for name, (of_events, of_selection) in pairs.items():
    selection = ResamplingVT(of_selection, dict(injections), n_events=10)
    likelihood = HyperparameterLikelihood(events, of_events, selection_function=selection)
    values.append(likelihood.log_likelihood_ratio({"mu": 1.0}))
    print(f"{name}: log likelihood ratio {values[-1]:.2f}")
sys.exit(not (abs(values[1] - values[0]) < 1e-6 and abs(values[2] - values[0]) > 1))
PYTHON
