#!/usr/bin/env bash
# lalsimulation 6.2.1 (lalsuite 7.26.16): waves of IMRPhenomXAS_NRTidalv2 and IMRPhenomXP_NRTidalv2 move in time with the highest
# frequency that is asked for, where that is below the merger's.
#
# One would guess: a waveform in the frequency domain is a function of the parameters and of each frequency, so that the highest
# frequency of the array says where the values end and changes none of them; and that is so for IMRPhenomXAS and IMRPhenomPv2_NRTidalv2.
# For these two the phase between 100 and 400 Hz changes by a straight line in the frequency, which is a shift in time: of two milliseconds
# where the last frequency is 1024 in place of 2048 Hz, of 23 at 512 Hz. A likelihood on a part of the band (multibanded, reduced-order, relative
# binning, or with a low maximum_frequency) then measures another arrival time than one on all of it, by more than the width of the
# posterior of a loud signal; two likelihoods that are compared at the same parameters disagree by many units of ln L.
#
# Seen (Python 3.11; shift against a last frequency of 2048 Hz, in milliseconds; 1.4 and 1.3 solar masses, tides of 400 and 500):
#   IMRPhenomXAS: 1024 Hz 0.000, 512 Hz 0.000
#   IMRPhenomPv2_NRTidalv2: 1024 Hz 0.000, 512 Hz 0.000
#   IMRPhenomXAS_NRTidalv2: 1024 Hz 1.884, 512 Hz 23.141
#   IMRPhenomXP_NRTidalv2: 1024 Hz 1.884, 512 Hz 23.141
#
# Exits with 1 when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" install --quiet "lalsuite==7.26.16" "numpy<3"
"$folder/v/bin/python" - <<'PYTHON'
import sys

import lal
import lalsimulation
import numpy as np

SUN = lal.MSUN_SI


def wave(name, last):
    """Values from 100 to 400 Hz of a call on frequencies that end at ``last``."""
    grid = np.arange(30.0, last + 0.5, 1.0)
    frequencies = lal.CreateREAL8Vector(len(grid))
    frequencies.data = grid
    arguments = lal.CreateDict()
    lalsimulation.SimInspiralWaveformParamsInsertTidalLambda1(arguments, 0.0 if name == "IMRPhenomXAS" else 400.0)
    lalsimulation.SimInspiralWaveformParamsInsertTidalLambda2(arguments, 0.0 if name == "IMRPhenomXAS" else 500.0)
    plus, _ = lalsimulation.SimInspiralChooseFDWaveformSequence(
        0.0, 1.4 * SUN, 1.3 * SUN, 0.0, 0.0, 0.01, 0.0, 0.0, 0.02, 50.0, 1e24, 0.0, arguments,
        getattr(lalsimulation, name), frequencies,
    )
    within = (grid >= 100) & (grid <= 400)
    return grid[within], plus.data.data[within]


print("lalsimulation", lalsimulation.__version__)
moved = {}
for name in ("IMRPhenomXAS", "IMRPhenomPv2_NRTidalv2", "IMRPhenomXAS_NRTidalv2", "IMRPhenomXP_NRTidalv2"):
    grid, whole = wave(name, 2048.0)
    moved[name] = []
    for last in (1024.0, 512.0):
        phase = np.unwrap(np.angle(wave(name, last)[1] / whole))
        slope, constant = np.polyfit(grid, phase, 1)
        left = np.max(np.abs(phase - slope * grid - constant))
        if left > 1e-2:
            sys.exit(f"{name}: not a straight line, {left:.2g} radians off")
        moved[name].append(abs(slope) / (2 * np.pi) * 1e3)
    print(f"{name}: 1024 Hz {moved[name][0]:.3f}, 512 Hz {moved[name][1]:.3f}")
still = max(*moved["IMRPhenomXAS"], *moved["IMRPhenomPv2_NRTidalv2"]) < 1e-3
sys.exit(not (still and min(*moved["IMRPhenomXAS_NRTidalv2"], *moved["IMRPhenomXP_NRTidalv2"]) > 0.05))
PYTHON
