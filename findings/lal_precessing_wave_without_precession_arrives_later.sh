#!/usr/bin/env bash
# lalsimulation 6.2.1 (lalsuite 7.26.16): IMRPhenomXP and IMRPhenomXPHM of spins along the orbit are not IMRPhenomXAS and IMRPhenomXHM: they
# are shifted in time by an eighth of a millisecond.
#
# One would guess: a precessing model that is twisted up from an aligned one gives that one back, to rounding, where nothing precesses. The waves
# agree to 1e-5 after a shift of 0.13 ms, and to half a per cent without. Half a per cent of mismatch at a signal-to-noise ratio of 30 is 4 in the log likelihood: two
# runs at the same parameters, or a reference wave of the one model for the other, disagree; posteriors of the arrival time are shifted by a good part of
# their width, while masses and spins stay.
#
# Seen (Python 3.11), overlap as they are, best over time and phase, shift in ms, phase in radians:
#   IMRPhenomXAS against IMRPhenomXP: 0.9956 1.0000 0.13 0.00
#   IMRPhenomXHM against IMRPhenomXPHM: 0.9956 1.0000 0.13 0.00
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

SUN, STEP, LAST = lal.MSUN_SI, 0.125, 1024.0
FREQUENCIES = np.arange(int(LAST / STEP) + 1) * STEP
WITHIN = (FREQUENCIES >= 20) & (FREQUENCIES <= 900)
NOISE = np.array([lalsimulation.SimNoisePSDaLIGOZeroDetHighPower(x) for x in FREQUENCIES[WITHIN]])


def wave(name):
    """Plus polarisation of a black-hole binary with spins along the orbit, the merger at zero, in the band."""
    plus, _ = lalsimulation.SimInspiralFD(
        36 * SUN, 29 * SUN, 0.0, 0.0, 0.3, 0.0, 0.0, -0.2, 4e8 * lal.PC_SI, 0.3, 0.7, 0.0, 0.0, 0.0, STEP, 20.0, LAST, 20.0,
        lal.CreateDict(), getattr(lalsimulation, name),
    )
    late = 1 / STEP + plus.epoch.gpsSeconds + 1e-9 * plus.epoch.gpsNanoSeconds
    return (plus.data.data[: len(FREQUENCIES)] * np.exp(-2j * np.pi * FREQUENCIES * late))[WITHIN]


def against(one, other):
    """Overlap as they are, the best over time and phase, and the time (ms) and phase (radians) that it takes."""
    norms = np.sqrt(np.sum(np.abs(one) ** 2 / NOISE) * np.sum(np.abs(other) ** 2 / NOISE))
    times = np.linspace(-0.02, 0.02, 4001)
    turns = np.exp(2j * np.pi * np.outer(times, FREQUENCIES[WITHIN]))
    found = turns @ (np.conj(one) * other / NOISE) / norms
    best = np.argmax(np.abs(found))
    return found[len(times) // 2].real, np.abs(found[best]), 1e3 * times[best], np.angle(found[best])


print("lalsimulation", lalsimulation.__version__)
holds = True
for plain, twisted in (("IMRPhenomXAS", "IMRPhenomXP"), ("IMRPhenomXHM", "IMRPhenomXPHM")):
    raw, best, shift, phase = against(wave(twisted), wave(plain))
    print(f"{plain} against {twisted}: {raw:.4f} {best:.4f} {shift:.2f} {abs(phase):.2f}")
    holds = holds and raw < 0.997 and best > 0.9999 and 0.1 < shift < 0.16
sys.exit(not holds)
PYTHON
