#!/usr/bin/env bash
# PESummary 1.8.1: of a Bilby result, `H1_matched_filter_snr` is the real part of the complex signal-to-noise ratio, and that of the network
# is a sum of real parts with signs.
#
# One would guess: the column of a signal-to-noise ratio has its absolute value, which is what searches report, and the network's is the root
# of the sum of the squares of the detectors'. PESummary keeps the real part under the name that Bilby's complex number had, puts the absolute
# value into a new column `H1_matched_filter_snr_abs`, and makes `network_matched_filter_snr` of the real parts, each weighted by its
# detector's share of the optimal ratio: what a template of that phase finds in all detectors together, which can be negative.
#
# Why it matters: release files have these columns. A column that is the same by name in Bilby's result and in PESummary's file has other
# values, and squares of the detectors' columns do not add up to the network's.
#
# Seen (pesummary 1.8.1, bilby 2.8.2, Python 3.11), 3 + 4i in H1 and -12 + 5i in L1, optimal ratios 6 and 8; the root of the sum of squares
# would be 13.93 by absolute values and 12.37 by real parts:
#   H1_matched_filter_snr 3.000
#   H1_matched_filter_snr_abs 5.000
#   H1_matched_filter_snr_angle 0.927
#   H1_optimal_snr 6.000
#   L1_matched_filter_snr -12.000
#   L1_matched_filter_snr_abs 13.000
#   L1_matched_filter_snr_angle 2.747
#   L1_optimal_snr 8.000
#   network_matched_filter_snr -7.800
#   network_optimal_snr 10.000
#
# Exits with 1 when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" install --quiet "pesummary==1.8.1" "bilby==2.8.2"
cd "$folder"
"$folder/v/bin/python" - <<'PYTHON'
import logging
import sys
from importlib.metadata import version

import bilby
import numpy as np
import pandas as pd
import pesummary.io

bilby.core.utils.logger.setLevel("ERROR")
logging.getLogger("PESummary").setLevel("ERROR")
print("pesummary", version("pesummary"), "bilby", bilby.__version__)
rows = 10
posterior = pd.DataFrame(
    {
        "mass_1": np.linspace(35, 36, rows),
        "mass_2": np.linspace(28, 29, rows),
        "H1_matched_filter_snr": np.full(rows, 3 + 4j),
        "L1_matched_filter_snr": np.full(rows, -12 + 5j),
        "H1_optimal_snr": np.full(rows, 6.0),
        "L1_optimal_snr": np.full(rows, 8.0),
    }
)
keys = ["mass_1", "mass_2"]
priors = bilby.core.prior.PriorDict({key: bilby.core.prior.Uniform(5, 100, key) for key in keys})
bilby.gw.result.CBCResult(
    label="pair", outdir=".", sampler="dynesty", search_parameter_keys=keys, fixed_parameter_keys=[],
    priors=priors, posterior=posterior, log_evidence=-10.0, log_evidence_err=0.1, meta_data={},
).save_to_file(extension="json")
file = pesummary.io.read("pair_result.json")
file.generate_all_posterior_samples()
table = file.samples_dict
found = {}
for key in sorted(table):
    if "_snr" in key:
        found[key] = float(table[key][0])
        print(f"{key} {found[key]:.3f}")
expected = {
    "H1_matched_filter_snr": 3.0,
    "H1_matched_filter_snr_abs": 5.0,
    "L1_matched_filter_snr": -12.0,
    "L1_matched_filter_snr_abs": 13.0,
    "network_matched_filter_snr": (6 * 3 - 8 * 12) / 10,
}
sys.exit(not all(abs(found.get(key, np.nan) - value) < 1e-6 for key, value in expected.items()))
PYTHON
