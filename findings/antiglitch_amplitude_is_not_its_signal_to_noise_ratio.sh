#!/usr/bin/env bash
# bilby_antiglitch 0.1.0a1: the amplitude `A` of a glitch is its signal-to-noise ratio in four seconds of data only, and of frequencies that are
# not analysed, too.
#
# One would guess: the glitch is divided by its norm under the noise curve, so that `A` is the optimal signal-to-noise ratio. The norm lacks the
# factor of four over the duration that Bilby's inner product has: it is twice `A` in one second and half of it in sixteen. It is taken over all
# frequencies, not over the detector's band. A prior of `A` means another population of glitches for each duration, and results of segments of two
# lengths cannot be compared. (The phase turns with twice `phi`: a prior over a whole turn holds each glitch twice.)
#
# Seen (Python 3.11):
#   A = 1 in 1 s of data: optimal signal-to-noise ratio 2.00
#   A = 1 in 4 s of data: optimal signal-to-noise ratio 1.00
#   A = 1 in 16 s of data: optimal signal-to-noise ratio 0.50
#   A = 1 in 4 s of data, centred at 20 Hz and analysed from 30 Hz: 0.88
#
# Exits with 1 when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" install --quiet "bilby==2.8.2" "lalsuite==7.26.16"
"$folder/v/bin/pip" install --quiet --no-deps "bilby_antiglitch==0.1.0a1"
"$folder/v/bin/python" -W ignore - <<'PYTHON'
import sys
import warnings

import bilby
import numpy as np
from bilby_antiglitch import antiglitch

warnings.simplefilter("ignore")  # the logarithm of the frequency zero
bilby.core.utils.logger.setLevel("ERROR")


def optimal(duration, rate, lowest, frequency=40.0):
    """Bilby's optimal signal-to-noise ratio of a glitch of amplitude 1."""
    detector = bilby.gw.detector.get_empty_interferometer("L1")
    detector.minimum_frequency, detector.maximum_frequency = lowest, 400.0
    detector.set_strain_data_from_zero_noise(rate, duration, 0.0)
    glitch = antiglitch(
        detector.frequency_array, detector.power_spectral_density_array, 0.0, A=1.0, f=frequency, phi=0.3,
        tc=duration / 2, gamma=3.0,
    )
    return float(np.sqrt(detector.optimal_snr_squared(glitch).real))


seen = {duration: optimal(duration, 1024.0, 10.0) for duration in (1.0, 4.0, 16.0)}
late = optimal(4.0, 1024.0, 30.0, 20.0)
for duration, ratio in seen.items():
    print(f"A = 1 in {duration:g} s of data: optimal signal-to-noise ratio {ratio:.2f}")
print(f"A = 1 in 4 s of data, centred at 20 Hz and analysed from 30 Hz: {late:.2f}")
expected = {duration: np.sqrt(4 / duration) for duration in seen}
sys.exit(not (all(abs(seen[one] - expected[one]) < 0.01 for one in seen) and late < 0.95))
PYTHON
