#!/usr/bin/env bash
# GWpy 4.1.0: the sum of two series goes index by index, also where they start at other times or have other sampling rates, and has the times of the
# first.
#
# One would guess: a series that knows its times refuses to be added to one of other times, as that of PyCBC 2.11.0 does ("different epoch",
# "different delta_t"), or adds where they overlap, as `inject` does. Units are looked at, times are not: a signal that starts a hundred seconds after
# the noise lands at its start, one of 2048 Hz in noise of 4096 Hz at twice its frequencies, and `noise + signal` is not even `signal + noise`.
# Frequency series go the same way: a difference or a ratio of two noise curves of other resolutions is one of unlike frequencies, where they happen
# to have the same length.
#
# Seen (Python 3.11):
#   start 100 s later: sum 2 from 0 to 8 s, the other way round from 100 to 108 s
#   twice the rate: sum 2 from 0 to 8 s, the other way round from 0 to 4 s
#   ratio of curves: 0.5 from 0 to 7 Hz
#
# Exits with 1 when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" install --quiet --no-compile "gwpy==4.1.0" "numpy==2.3.5" "scipy==1.16.3" "astropy==8.0.2"
MPLBACKEND=Agg "$folder/v/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from gwpy.frequencyseries import FrequencySeries
from gwpy.timeseries import TimeSeries

print("gwpy", version("gwpy"))
ones = np.ones(8)
noise = TimeSeries(ones, t0=0, sample_rate=1, unit="strain")
pairs = {
    "start 100 s later": TimeSeries(ones, t0=100, sample_rate=1, unit="strain"),
    "twice the rate": TimeSeries(ones, t0=0, sample_rate=2, unit="strain"),
}
holds = True
for name, signal in pairs.items():
    one, other = noise + signal, signal + noise
    spans = [f"{total.t0.value:g} to {total.span[1]:g} s" for total in (one, other)]
    print(f"{name}: sum {one.value[0]:g} from {spans[0]}, the other way round from {spans[1]}")
    holds = holds and set(one.value) == {2.0} and spans[0] != spans[1]
curves = FrequencySeries(ones, f0=0, df=1) / FrequencySeries(2 * ones, f0=10, df=0.25)
print(f"ratio of curves: {curves.value[0]:g} from {curves.f0.value:g} to {curves.frequencies[-1].value:g} Hz")
sys.exit(not (holds and curves.value[0] == 0.5 and curves.f0.value == 0))
PYTHON
