#!/usr/bin/env bash
# redback 1.20.0: where a model is not a number, redback's Gaussian likelihood is 0, which may be higher than at the truth.
#
# One would guess: a point of the prior at which the light curve is not a number is refused, with a log likelihood of minus infinity or a very low
# number, as in Bilby. redback's model `exp_rise_powerlaw_decline` is not a number before its `t0`, and its likelihood passes the sum over the
# data through numpy's `nan_to_num`, which makes 0 of it. With errors above 0.4 of the unit of the data (half a magnitude, or counts, or fluxes
# in small units), log likelihoods are negative: a start after the first observation beats the truth, and any sampler finds it there. With smaller
# errors they are positive, and the same points are refused in effect.
#
# Seen (redback 1.20.0, bilby 2.8.2, Python 3.11), 30 magnitudes with an error of 0.5, and with one of 0.05:
#   error 0.5: log likelihood -17.1 at the truth, 0.0 with t0 after the first observation
#   error 0.05: log likelihood 52.0 at the truth, 0.0 with t0 after the first observation
#
# Exits with 1 when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" install --quiet "redback==1.20.0" "bilby==2.8.2"
"$folder/v/bin/python" - 2>/dev/null <<'PYTHON'
import sys
import warnings

import bilby
import numpy as np
import redback
from redback.likelihoods import GaussianLikelihood
from redback.model_library import all_models_dict

warnings.simplefilter("ignore")
print("redback", redback.__version__, "bilby", bilby.__version__)
model = all_models_dict["exp_rise_powerlaw_decline"]
days = np.linspace(1, 60, 30)
truth = {"t0": 0.0, "m_peak": 18.0, "tau_rise": 5.0, "alpha": 1.2, "t_peak": 12.0}
as_said = []
for error in (0.5, 0.05):
    magnitudes = model(days, **truth) + np.random.default_rng(1).normal(0, error, len(days))
    likelihood = GaussianLikelihood(days, magnitudes, error, model)
    at_truth, late = (float(likelihood.log_likelihood(point)) for point in (truth, {**truth, "t0": 3.0}))
    print(f"error {error}: log likelihood {at_truth:.1f} at the truth, {late:.1f} with t0 after the first observation")
    as_said.append(late == 0 and (late > at_truth) == (error > 0.4))
sys.exit(not all(as_said))
PYTHON
