#!/usr/bin/env bash
# golum 1.0.1 and hanabi-gw 0.4.9: `relative_magnification` is the ratio of the first image's flux to the second's in golum, and the second's to
# the first's in hanabi.
#
# One would guess: two packages for the same search of pairs, on the same Bilby data, with a parameter of one name and one symbol, mean the same
# number. golum multiplies the distance of the first image by the square root of it, hanabi divides by that. Posteriors, priors and catalogues of
# lenses handed from one to the other are reciprocal: a pair whose second image is fainter by two has 2 in golum and 0.5 in hanabi. Nothing fails,
# for both are allowed by both priors.
#
# Seen (Python 3.11):
#   relative_magnification 2.0: below the highest log likelihood by 0.0 in golum, 417.3 in hanabi
#   relative_magnification 0.5: below the highest log likelihood by 417.3 in golum, 0.0 in hanabi
#
# Exits with 1 when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" install --quiet "bilby==2.8.2" "lalsuite==7.26.16" "golum==1.0.1"
"$folder/v/bin/pip" install --quiet --no-deps "hanabi-gw==0.4.9"
"$folder/v/bin/pip" install --quiet "bilby_pipe==1.10.1"
"$folder/v/bin/python" -W ignore - <<'PYTHON'
import sys

import bilby
import numpy as np
from golum.pe.likelihood import JointGravitationalWaveTransient
from golum.tools.waveformmodels import lensed_bbh_model
from hanabi.lensing.likelihood import LensingJointLikelihood
from hanabi.lensing.waveform import strongly_lensed_BBH_waveform

bilby.core.utils.logger.setLevel("ERROR")
TIMES = (1.1e9, 1.1e9 + 86400.0)
SIGNAL = {
    **dict.fromkeys(("a_1", "a_2", "tilt_1", "tilt_2", "phi_12", "phi_jl"), 0.0),
    **{"mass_1": 36.0, "mass_2": 29.0, "theta_jn": 0.4, "phase": 0.3, "psi": 0.6, "ra": 1.2, "dec": 0.3},
    "luminosity_distance": 800.0,
}
FAINTER = 2.0  # the flux of the first image over that of the second


def waves(model):
    return bilby.gw.WaveformGenerator(
        duration=4.0, sampling_frequency=1024.0, frequency_domain_source_model=model,
        waveform_arguments={"waveform_approximant": "IMRPhenomXAS", "reference_frequency": 20.0, "minimum_frequency": 20.0},
    )


def data(image):
    detectors = bilby.gw.detector.InterferometerList(["H1", "L1"])
    for one in detectors:
        one.minimum_frequency, one.maximum_frequency = 20.0, 500.0
    detectors.set_strain_data_from_zero_noise(1024.0, 4.0, TIMES[image] - 2)
    row = {**SIGNAL, "n_phase": 0.5 * image, "geocent_time": TIMES[image]}
    row["luminosity_distance"] *= np.sqrt(FAINTER) ** image
    detectors.inject_signal(waveform_generator=waves(lensed_bbh_model), parameters=row)
    return detectors


both = [data(0), data(1)]
highest = sum(one.meta_data["optimal_SNR"] ** 2 for detectors in both for one in detectors) / 2
golum = JointGravitationalWaveTransient(*both, waves(lensed_bbh_model))
singles = [bilby.gw.GravitationalWaveTransient(one, waves(strongly_lensed_BBH_waveform)) for one in both]
hanabi = LensingJointLikelihood(singles)
seen = {}
for value in (2.0, 0.5):
    golum.parameters = {
        **SIGNAL, "n_phase": 0.0, "geocent_time": TIMES[0], "delta_t": TIMES[1] - TIMES[0], "delta_n": 0.5,
        "relative_magnification": value,
    }
    hanabi.parameters = {
        **SIGNAL, "geocent_time^(1)": TIMES[0], "geocent_time^(2)": TIMES[1], "image_type^(1)": 1, "image_type^(2)": 2,
        "relative_magnification^(1)": 1.0, "relative_magnification^(2)": value,
    }
    below = highest - golum.log_likelihood_ratio(), highest - (hanabi.log_likelihood() - hanabi.noise_log_likelihood())
    seen[value] = tuple(round(float(abs(one)), 1) for one in below)
    print(f"relative_magnification {value}: below the highest log likelihood by {seen[value][0]} in golum, {seen[value][1]} in hanabi")
sys.exit(not (seen[2.0][0] == 0 < seen[2.0][1] and seen[0.5][1] == 0 < seen[0.5][0]))
PYTHON
