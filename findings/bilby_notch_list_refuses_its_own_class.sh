#!/usr/bin/env bash
# Bilby 2.8.2: the setter of `notch_list` refuses a `NotchList`, the class that the same attribute gives back.
#
# One would guess: an attribute takes what it gives, so that the notches of one detector can be given to another (`b.notch_list = a.notch_list`). A list of pairs is
# taken; a `NotchList` raises "malformed": it is a subclass of list, is unpacked as if it held pairs, and holds `Notch` objects. And the ends of a
# notch stay in: of a grid of 0.25 Hz one from 59 to 61 Hz takes out seven bins, though a detector's own band has its ends in it.
#
# Seen (bilby 2.8.2, Python 3.11):
#   a list of pairs: taken, bins left out 7
#   its own NotchList: ValueError
#
# Exits with 1 when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"

"$folder/v/bin/pip" install --quiet "bilby==2.8.2" "lalsuite" "gwpy"
"$folder/v/bin/python" - <<'PYTHON'
import sys

import bilby
import numpy as np

bilby.core.utils.logger.setLevel("ERROR")
print("bilby", bilby.__version__)
one, other = (bilby.gw.detector.get_empty_interferometer(name) for name in ("H1", "L1"))
for detector in (one, other):
    detector.set_strain_data_from_zero_noise(1024.0, 4.0)
whole = int(one.frequency_mask.sum())
one.strain_data.notch_list = [(59, 61)]
left_out = whole - int(np.sum(one.frequency_mask))
print(f"a list of pairs: taken, bins left out {left_out}")
try:
    other.strain_data.notch_list = one.strain_data.notch_list
    said = "taken"
except ValueError:
    said = "ValueError"
print(f"its own NotchList: {said}")
sys.exit(not (said == "ValueError" and left_out == 7))
PYTHON
