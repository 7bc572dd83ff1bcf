#!/usr/bin/env bash
# bilby-tgr 0.3: with a `lal_waveform_dictionary` among the waveform arguments, a TIGER wave without deviation has the deviation of the wave
# before.
#
# One would guess: the wave is a function of its parameters. A deviation is written into the dictionary that the user gave, and a deviation of
# zero is not written: that of the call before stays. The likelihood depends on the order of calls. The general-relativity point of a deviation's
# posterior, a Savage-Dickey ratio, or an injection made with the generator that has sampled before is not general relativity. Without a
# dictionary of the user's each call makes its own, and all is well.
#
# Seen (Python 3.11):
#   wave with dchi_2 = 0, before and after one with 0.5: without a lal_waveform_dictionary 0.00, with one 1.46
#
# Exits with 1 when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" install --quiet "bilby==2.8.2" "lalsuite==7.26.16" "bilby-tgr==0.3" "bilby_pipe==1.10.1"
"$folder/v/bin/python" -W ignore - <<'PYTHON'
import sys

import bilby
import lal
import numpy as np
from bilby_tgr.tiger.source import lal_binary_black_hole_TIGER_PhenomX as tiger

bilby.core.utils.logger.setLevel("ERROR")
FREQUENCIES = np.arange(2049) * 0.25
NONE = dict.fromkeys(
    "dchi_minus2 dchi_minus1 dchi_0 dchi_1 dchi_2 dchi_3 dchi_4 dchi_5l dchi_6 dchi_6l dchi_7 "
    "db_1 db_2 db_3 db_4 dc_1 dc_2 dc_4 dc_l".split(), 0.0,
)
SOURCE = {
    **dict.fromkeys(("a_1", "a_2", "tilt_1", "tilt_2", "phi_12", "phi_jl"), 0.0),
    **{"mass_1": 36.0, "mass_2": 29.0, "luminosity_distance": 500.0, "theta_jn": 0.4, "phase": 0.3},
}


def three(given):
    """How far a wave without deviation is from itself after one with a deviation, relative to the largest value."""
    settings = {"waveform_approximant": "IMRPhenomXP", "reference_frequency": 20.0, "minimum_frequency": 20.0, **given}
    first, _, last = (
        tiger(FREQUENCIES, **SOURCE, **{**NONE, "dchi_2": deviation}, **settings)["plus"] for deviation in (0.0, 0.5, 0.0)
    )
    return float(np.max(np.abs(last - first)) / np.max(np.abs(first)))


plain, kept = three({}), three({"lal_waveform_dictionary": lal.CreateDict()})
print(f"wave with dchi_2 = 0, before and after one with 0.5: without a lal_waveform_dictionary {plain:.2f}, with one {kept:.2f}")
sys.exit(not (plain == 0 and kept > 0.5))
PYTHON
