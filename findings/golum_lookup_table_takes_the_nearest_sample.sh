#!/usr/bin/env bash
# golum 1.0.1: the likelihood of a second image with the lookup table takes the nearest sample of the data for the arrival time. At a
# signal-to-noise ratio of 41 the log likelihood is off by up to 19 at 4096 Hz, and by up to 261 at 1024 Hz.
#
# One would guess: the table (`GravitationalWaveTransientImage2`) gives the likelihood of the class without one (`...NoLookup`) up to a small
# interpolation error, for the time series is oversampled. There is no interpolation: half a sample of a signal at 150 Hz is a phase of 0.1 to
# 0.5, and costs the square of that, times the squared signal-to-noise ratio over two. The likelihood is a step function of `delta_t`: posteriors
# of the delay pile up on multiples of the step, evidences are too low for signals that arrive between two samples, and samplers that use slopes
# find none.
#
# Seen (Python 3.11):
#   1024 Hz: signal-to-noise ratio 41, log likelihood with the table off by up to 260.69
#   2048 Hz: signal-to-noise ratio 41, log likelihood with the table off by up to 73.90
#   4096 Hz: signal-to-noise ratio 41, log likelihood with the table off by up to 18.91
#
# Exits with 1 when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" install --quiet "bilby==2.8.2" "lalsuite==7.26.16" "golum==1.0.1"
"$folder/v/bin/python" -W ignore - <<'PYTHON'
import contextlib
import io
import sys

import bilby
import numpy as np
from golum.pe.likelihood import GravitationalWaveTransientImage2, GravitationalWaveTransientImage2NoLookup
from golum.tools.waveformmodels import lensed_bbh_model

bilby.core.utils.logger.setLevel("ERROR")
START = 1.1e9
SIGNAL = {
    **dict.fromkeys(("a_1", "a_2", "tilt_1", "tilt_2", "phi_12", "phi_jl", "n_phase"), 0.0),
    **{"mass_1": 36.0, "mass_2": 29.0, "luminosity_distance": 800.0, "theta_jn": 0.4, "phase": 0.3, "psi": 0.6},
    **{"ra": 1.2, "dec": 0.3, "geocent_time": START + 2.0},
}


def difference(rate):
    """Largest difference of both log likelihoods among delays within one step of the data."""
    waves = bilby.gw.WaveformGenerator(
        duration=4.0, sampling_frequency=rate, start_time=START, frequency_domain_source_model=lensed_bbh_model,
        waveform_arguments={"waveform_approximant": "IMRPhenomXAS", "reference_frequency": 20.0, "minimum_frequency": 20.0},
    )
    detectors = bilby.gw.detector.InterferometerList(["H1", "L1"])
    for one in detectors:
        one.minimum_frequency, one.maximum_frequency = 20.0, 500.0
    detectors.set_strain_data_from_zero_noise(rate, 4.0, START)
    detectors.inject_signal(waveform_generator=waves, parameters=SIGNAL)
    samples = {key: [value] for key, value in SIGNAL.items()}
    with contextlib.redirect_stdout(io.StringIO()):
        table, plain = (
            kind(detectors, waves, samples, 1, seed=1)
            for kind in (GravitationalWaveTransientImage2, GravitationalWaveTransientImage2NoLookup)
        )
    found = []
    for delay in np.arange(11) / 10 / rate:
        row = {"relative_magnification": 1.0, "delta_t": float(delay), "delta_n": 0}
        for one in (table, plain):
            one.parameters = dict(row)
        found.append(table.log_likelihood_ratio() - plain.log_likelihood_ratio())
    ratio = np.sqrt(sum(one.meta_data["optimal_SNR"] ** 2 for one in detectors))
    return float(ratio), float(np.max(np.abs(found)))


seen = {rate: difference(float(rate)) for rate in (1024, 2048, 4096)}
for rate, (ratio, off) in seen.items():
    print(f"{rate} Hz: signal-to-noise ratio {ratio:.0f}, log likelihood with the table off by up to {off:.2f}")
sys.exit(not (seen[1024][1] > 4 and seen[2048][1] > 1 and seen[1024][1] > 3 * seen[2048][1]))
PYTHON
