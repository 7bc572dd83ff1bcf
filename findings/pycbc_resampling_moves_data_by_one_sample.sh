#!/usr/bin/env bash
# PyCBC 2.11.0: strain that is downsampled with `method="ldas"`, the choice of its searches and inference, arrives one sample of the old rate early.
#
# One would guess: three ways of downsampling (PyCBC's two, GWpy's) give the same series in the band, at the same times, to a fraction of a percent.
# The filter of `ldas` is symmetric, and its delay is taken out, but for one sample too many: 0.244 ms at 4096 Hz, 0.061 ms at 16384 Hz, whatever the
# new rate. A quarter of a millisecond is as long as light takes for 73 km, and as wide as the arrival time of a loud signal. Data of one rate for all
# detectors move together (a bias of the time alone); those of different rates (public files have 4096 or 16384 Hz) move against each other, by up to
# 0.18 ms, and with them the place in the sky. And of a sine just beyond the new Nyquist frequency, `ldas` and GWpy let a seventh fold in. The
# function behind it filters in `highpass_fir` and `lowpass_fir`, too (https://github.com/gwastro/pycbc/issues/4858).
#
# Seen (gwpy 4.1.0, scipy 1.16.3, Python 3.11), sines of amplitude one, amplitude and how much earlier it is after downsampling:
#   4096 -> 2048 Hz, sine of 100 Hz: ldas 1.001 0.244 ms; butterworth 1.000 0.000 ms; gwpy 1.002 0.000 ms
#   4096 -> 1024 Hz, sine of 100 Hz: ldas 1.000 0.244 ms; butterworth 1.000 0.000 ms; gwpy 1.000 0.000 ms
#   16384 -> 4096 Hz, sine of 100 Hz: ldas 1.001 0.061 ms; butterworth 1.000 0.000 ms; gwpy 1.001 0.000 ms
#   16384 -> 2048 Hz, sine of 100 Hz: ldas 1.001 0.061 ms; butterworth 1.000 0.000 ms; gwpy 1.003 0.000 ms
#   4096 -> 2048 Hz, sine of 1100 Hz: ldas 0.148; butterworth 0.004; gwpy 0.152
#
# Exits with 1 when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" install --quiet "pycbc==2.11.0" "gwpy==4.1.0" "lalsuite==7.26.16" "numpy==2.3.5" "scipy==1.16.3" "astropy==8.0.2"
MPLBACKEND=Agg "$folder/v/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from gwpy.timeseries import TimeSeries
from pycbc.filter import resample_to_delta_t
from pycbc.types import TimeSeries as Series

print("pycbc", version("pycbc"), "gwpy", version("gwpy"))


def left(values, rate, frequency):
    """Amplitude of a sine in the middle half of a series, and how early (ms) it is."""
    middle = slice(len(values) // 4, -len(values) // 4)
    times, window = (np.arange(len(values)) / rate)[middle], np.hanning(len(values[middle]))
    turned = 2j * np.sum(values[middle] * window * np.exp(-2j * np.pi * frequency * times)) / np.sum(window)
    return np.abs(turned), 1e3 * np.angle(turned) / (2 * np.pi * frequency)


seen = {}
for old, new, frequency in ((4096, 2048, 100.0), (4096, 1024, 100.0), (16384, 4096, 100.0), (16384, 2048, 100.0), (4096, 2048, 1100.0)):
    sine = np.sin(2 * np.pi * frequency * np.arange(16 * old) / old)
    series = Series(sine, delta_t=1 / old)
    ways = {
        "ldas": np.asarray(resample_to_delta_t(series, 1 / new, method="ldas")),
        "butterworth": np.asarray(resample_to_delta_t(series, 1 / new)),
        "gwpy": TimeSeries(sine, sample_rate=old).resample(new).value,
    }
    # A sine beyond the new Nyquist frequency is seen at its mirror.
    folded = frequency if frequency < new / 2 else new - frequency
    for way, values in ways.items():
        seen[old, new, frequency, way] = left(values, new, folded)
    said = "; ".join(f"{way} {seen[old, new, frequency, way][0]:.3f}" for way in ways)
    if folded == frequency:
        said = "; ".join("{} {:.3f} {:.3f} ms".format(way, *np.abs(seen[old, new, frequency, way])) for way in ways)
    print(f"{old} -> {new} Hz, sine of {frequency:g} Hz: {said}")
early = [seen[old, new, 100.0, "ldas"][1] - 1e3 / old for old, new in ((4096, 2048), (4096, 1024), (16384, 4096), (16384, 2048))]
others = [time for (_, _, frequency, way), (_, time) in seen.items() if frequency == 100 and way != "ldas"]
beyond = {way: seen[4096, 2048, 1100.0, way][0] for way in ("ldas", "butterworth", "gwpy")}
sys.exit(not (np.max(np.abs(early)) < 1e-5 and np.max(np.abs(others)) < 1e-5 and beyond["gwpy"] > 0.1 > 0.02 > beyond["butterworth"]))
PYTHON
