#!/usr/bin/env bash
# redback 1.20.0: the model `villar_sne` gives fluxes in another order than the times it was given, where these are not sorted.
#
# One would guess: the flux at each time, in the order of the times, as of any other model. This one puts together the part before the end of the
# plateau and the part after it, so that with times in another order (two bands, one after the other, say) a flux belongs to another time.
# The likelihood compares it with the wrong observation, without a warning.
#
# Seen (redback 1.20.0, Python 3.11), a curve with a plateau until day 30:
#   days [ 5. 50. 10. 60.]
#   villar_sne: one by one [0.799 0.258 0.869 0.156], together [0.799 0.869 0.258 0.156]
#   bazin_sne: one by one [0.655 0.082 0.586 0.05 ], together [0.655 0.082 0.586 0.05 ]
#
# Exits with 1 when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" install --quiet "redback==1.20.0" "bilby==2.8.2"
"$folder/v/bin/python" - 2>/dev/null <<'PYTHON'
import sys

import numpy as np
import redback
from redback.model_library import all_models_dict

print("redback", redback.__version__)
days = np.array([5.0, 50.0, 10.0, 60.0])
curves = {
    "villar_sne": {"aa": 1.0, "cc": 0.0, "t0": 0.0, "tau_rise": 3.0, "tau_fall": 20.0, "gamma": 30.0, "nu": 0.3},
    "bazin_sne": {"aa": 1.0, "bb": 0.0, "t0": 0.0, "tau_rise": 3.0, "tau_fall": 20.0},
}
same = {}
print("days", days)
for name, parameters in curves.items():
    model = all_models_dict[name]
    together = model(days, **parameters)
    single = np.array([np.ravel(model(np.array([day]), **parameters))[0] for day in days])
    same[name] = np.allclose(together, single)
    print(f"{name}: one by one {np.round(single, 3)}, together {np.round(together, 3)}")
sys.exit(not (same["bazin_sne"] and not same["villar_sne"]))
PYTHON
