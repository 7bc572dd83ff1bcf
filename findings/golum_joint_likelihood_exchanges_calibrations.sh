#!/usr/bin/env bash
# golum 1.0.1: the joint likelihood of two images gives each image the calibration errors of the other.
#
# One would guess: `recalib_H1_amplitude_0_img1` belongs to the first image and `..._img2` to the second. `JointGravitationalWaveTransient` copies
# the parameters of the first image for the second before it has read those of the second, and writes these into the parameters of the first. The
# first image is recalibrated with img2, the second with img1. With priors of the detectors' calibration at two times, the posterior of each is
# held against the data of the other; with equal priors for both only the names are exchanged.
#
# Seen (Python 3.11):
#   as the data have them: log likelihood below the highest possible by 44.93
#   exchanged: log likelihood below the highest possible by 0.00
#
# Exits with 1 when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" install --quiet "bilby==2.8.2" "lalsuite==7.26.16" "golum==1.0.1"
"$folder/v/bin/python" -W ignore - <<'PYTHON'
import sys

import bilby
from golum.pe.likelihood import JointGravitationalWaveTransient
from golum.tools.waveformmodels import lensed_bbh_model

bilby.core.utils.logger.setLevel("ERROR")
TIMES = (1.1e9, 1.1e9 + 86400.0)
SIGNAL = {
    **dict.fromkeys(("a_1", "a_2", "tilt_1", "tilt_2", "phi_12", "phi_jl", "n_phase"), 0.0),
    **{"mass_1": 36.0, "mass_2": 29.0, "luminosity_distance": 800.0, "theta_jn": 0.4, "phase": 0.3, "psi": 0.6},
    **{"ra": 1.2, "dec": 0.3, "geocent_time": TIMES[0]},
}
WRONG = [0.2, 0.0]  # error of the amplitude of H1 while each image was recorded


def waves():
    return bilby.gw.WaveformGenerator(
        duration=4.0, sampling_frequency=1024.0, frequency_domain_source_model=lensed_bbh_model,
        waveform_arguments={"waveform_approximant": "IMRPhenomXAS", "reference_frequency": 20.0, "minimum_frequency": 20.0},
    )


def errors(amplitude):
    return {f"recalib_H1_{what}_{i}": amplitude if what == "amplitude" else 0.0 for what in ("amplitude", "phase") for i in range(4)}


def data(image):
    """Strain without noise of one image, seen with its own error of the calibration."""
    detectors = bilby.gw.detector.InterferometerList(["H1"])
    detectors[0].minimum_frequency, detectors[0].maximum_frequency = 20.0, 500.0
    detectors[0].calibration_model = bilby.gw.detector.calibration.CubicSpline("recalib_H1_", 20.0, 500.0, 4)
    detectors.set_strain_data_from_zero_noise(1024.0, 4.0, TIMES[image] - 2)
    row = {**SIGNAL, "geocent_time": TIMES[image], **errors(WRONG[image])}
    detectors.inject_signal(waveform_generator=waves(), parameters=row)
    return detectors


both = [data(0), data(1)]
likelihood = JointGravitationalWaveTransient(*both, waves())
lensing = {"relative_magnification": 1.0, "delta_t": TIMES[1] - TIMES[0], "delta_n": 0.0}
best = sum(one[0].meta_data["optimal_SNR"] ** 2 for one in both) / 2
seen = []
for name, order in (("as the data have them", (0, 1)), ("exchanged", (1, 0)) ):
    row = {**SIGNAL, **lensing}
    for image, which in enumerate(order):
        row |= {f"{key}_img{image + 1}": value for key, value in errors(WRONG[which]).items()}
    likelihood.parameters = row
    seen.append(likelihood.log_likelihood_ratio() - best)
    print(f"{name}: log likelihood below the highest possible by {-seen[-1]:.2f}")
sys.exit(not (seen[0] < -1 and abs(seen[1]) < 1e-6))
PYTHON
