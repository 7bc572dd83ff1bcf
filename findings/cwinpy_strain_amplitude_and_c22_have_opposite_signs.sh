#!/usr/bin/env bash
# cwinpy 1.5.0: a signal of `H0` is minus the signal of `C22 = H0 / 2`, at a phase of zero of both.
#
# One would guess: the two ways to give the amplitude of a continuous wave at twice the rotation are the same but for the factor of two and for the
# phases, of which `PHI22` is that of the wave, and `PHI0` that of the rotation: the wave of `H0`, `PHI0` is that of `C22 = H0 / 2` with
# `PHI22 = 2 PHI0`. The signs differ: what belongs together is `PHI22 = 2 PHI0 + pi`. Phases of the two conventions that are compared without that
# are half a turn of the wave apart, a quarter of a turn of the star.
#
# Seen (cwinpy 1.5.0, Python 3.11), a pulsar in H1 with cos iota 0.3, polarisation angle 0.4:
#   C22 = 0.5, PHI22 = 0: the signal of H0 = 1, PHI0 = 0, times -1.000+0.000j
#   H0 = 1, PHI0 = 0.5: the signal of H0 = 1, PHI0 = 0, times 0.540+0.841j
#   C22 = 0.5, PHI22 = 1 + pi: the signal of H0 = 1, PHI0 = 0, times 0.540+0.841j
#
# Exits with 1 when that changes. The installation builds lintegrate, and needs the GNU Scientific Library (libgsl-dev).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" install --quiet "cwinpy==1.5.0" "bilby==2.8.2"
cd "$folder"
"$folder/v/bin/python" - 2>/dev/null <<'PYTHON'
import sys

import cwinpy
import numpy as np
from cwinpy.signal import HeterodynedCWSimulator

PULSAR = """PSRJ J0123+0123
RAJ 01:23:00.0
DECJ 01:23:00.0
F0 123.456
F1 -1e-12
PEPOCH 56000
UNITS TDB
EPHEM DE405
"""


def write(name, text):
    with open(name, "w") as file:
        file.write(text)


def signal(**amplitudes):
    lines = "".join(f"{key} {value}\n" for key, value in {"COSIOTA": 0.3, "PSI": 0.4, **amplitudes}.items())
    write("signal.par", PULSAR + lines)
    return np.asarray(simulator.model("signal.par"))


print("cwinpy", cwinpy.__version__)
write("pulsar.par", PULSAR)
times = np.arange(1_000_000_000.0, 1_000_086_400.0, 600.0)
simulator = HeterodynedCWSimulator("pulsar.par", "H1", times=times, dt=600)
reference = signal(H0=1.0, PHI0=0.0)
ratios = []
for name, amplitudes in (
    ("C22 = 0.5, PHI22 = 0", {"C22": 0.5, "PHI22": 0.0}),
    ("H0 = 1, PHI0 = 0.5", {"H0": 1.0, "PHI0": 0.5}),
    ("C22 = 0.5, PHI22 = 1 + pi", {"C22": 0.5, "PHI22": 1.0 + np.pi}),
):
    ratio = signal(**amplitudes) / reference
    assert np.allclose(ratio, ratio[0])
    ratios.append(ratio[0])
    print(f"{name}: the signal of H0 = 1, PHI0 = 0, times {ratio[0]:.3f}")
sys.exit(not np.allclose(ratios, [-1, np.exp(1j), np.exp(1j)], atol=1e-6))
PYTHON
