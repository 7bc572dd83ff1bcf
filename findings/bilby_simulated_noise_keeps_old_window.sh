#!/usr/bin/env bash
# Bilby 2.8.2: an interferometer that held a time series and is then given simulated noise (or none) keeps the window's factor and
# the time series of the old data.
#
# One would guess: `set_strain_data_from_power_spectral_density` and `set_strain_data_from_zero_noise` replace all of the data, and
# set `window_factor` to 1, as `set_strain_data_from_frequency_domain_strain` does. They replace the frequency series alone (the time
# series stays for the third of them, too):
# `strain_data.window_factor` stays that of the Tukey window of the old series (0.875), though no window was applied, and
# `time_domain_strain` still returns the old series. Whoever corrects for the window goes wrong by an eighth in power; whoever
# plots or whitens the time series shows other data than those that the likelihood sees.
#
# Seen (bilby 2.8.2, Python 3.12):
#   measured series: window_factor 0.875
#   simulated noise: window_factor 0.875, time series is the old one: True
#   zero noise: window_factor 0.875, time series is the old one: True
#   frequency series: window_factor 1.000, time series is the old one: True
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
bilby.core.utils.random.seed(1)
detector = bilby.gw.detector.get_empty_interferometer("H1")
data, measured, seen = detector.strain_data, 1e-21 * np.sin(np.arange(4096.0)), []


def measure():
    data.roll_off = 0.4
    data.set_from_time_domain_strain(measured, sampling_frequency=1024.0, duration=4.0)
    data.frequency_domain_strain


def tell(name):
    old = np.array_equal(data.time_domain_strain, measured)
    seen.append((round(float(data.window_factor), 3), old))
    print(f"{name}: window_factor {data.window_factor:.3f}, time series is the old one: {old}")


print("bilby", bilby.__version__)
measure()
print(f"measured series: window_factor {data.window_factor:.3f}")
detector.set_strain_data_from_power_spectral_density(1024.0, 4.0)
tell("simulated noise")
measure()
detector.set_strain_data_from_zero_noise(1024.0, 4.0)
tell("zero noise")
measure()
detector.set_strain_data_from_frequency_domain_strain(np.zeros(2049, complex), sampling_frequency=1024.0, duration=4.0)
tell("frequency series")
sys.exit(seen != [(0.875, True), (0.875, True), (1.0, True)])
PYTHON
