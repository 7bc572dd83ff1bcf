#!/usr/bin/env bash
# bilby_pipe 1.10.1 (GWpy 4.1.0, SciPy 1.16.3): noise weighed by the curve that its default settings estimate has three to four percent more power
# than noise of that curve.
#
# One would guess: the default estimate (a median of 63 half-overlapping segments, 32 times the data's duration) has the right mean, so the mean of
# |d|^2 / S, which likelihoods are made of, is one. The estimate's mean is right; its inverse is what enters, and the mean of an inverse is larger by
# the estimate's relative variance, and a median has twice the variance of a mean. So signal-to-noise ratios are two percent high and posteriors two
# percent narrow; the power of noise of four seconds to 1024 Hz comes out 130 above its expected 4000, whose own spread is 63, so that a test of a
# residual for Gaussian noise, or a comparison of log likelihoods with their expected values, finds what is none of the data's. A mean of 32 segments
# without overlap has the same excess (one over 31).
#
# Seen (Python 3.11), white noise of known curve, 4 s of data, 128 s for the curve:
#   defaults: 32 x the duration (at most 1024 s), overlap 0.5, median, Tukey ramps of 0.4 s
#   mean of the curve over the true one 1.004; mean of |d|^2 over the curve 1.033 +- 0.004
#
# Exits with 1 when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" install --quiet "gwpy==4.1.0" "bilby_pipe==1.10.1" "bilby==2.8.2" "numpy==2.3.5" "scipy==1.16.3" "astropy==8.0.2"
MPLBACKEND=Agg "$folder/v/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from bilby_pipe.data_generation import create_generation_parser
from gwpy.timeseries import TimeSeries

print("bilby_pipe", version("bilby_pipe"), "gwpy", version("gwpy"))
parser = create_generation_parser()
length, overlap, method = (parser.get_default(name) for name in ("psd_length", "psd_fractional_overlap", "psd_method"))
ramp, most = parser.get_default("tukey_roll_off"), parser.get_default("psd_maximum_duration")
RATE, DURATION = 1024, 4
print(f"defaults: {length} x the duration (at most {most:g} s), overlap {overlap:g}, {method}, Tukey ramps of {ramp:g} s")
rng = np.random.default_rng(1)
curves, weighed = [], []
for _ in range(60):
    before = TimeSeries(rng.normal(size=RATE * DURATION * length), sample_rate=RATE)
    curve = before.psd(DURATION, DURATION * overlap, window=("tukey", 2 * ramp / DURATION), method=method).value * RATE / 2
    power = np.abs(np.fft.rfft(rng.normal(size=RATE * DURATION))) ** 2 / (RATE * DURATION)
    curves.append(np.mean(curve[20:-20]))
    weighed.append(np.mean((power / curve)[20:-20]))
error = np.std(weighed) / np.sqrt(len(weighed))
print(f"mean of the curve over the true one {np.mean(curves):.3f}; mean of |d|^2 over the curve {np.mean(weighed):.3f} +- {error:.3f}")
sys.exit(not (abs(np.mean(curves) - 1) < 0.01 and 1.02 < np.mean(weighed) < 1.06))
PYTHON
