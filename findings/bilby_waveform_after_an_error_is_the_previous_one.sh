#!/usr/bin/env bash
# Bilby 2.8.2: a waveform generator that has raised an error gives, asked again for the same parameters, the waveform of the
# parameters before.
#
# One would guess: a source model that has no waveform at some parameters and raises an error does so again at the next call. The
# generator notes the parameters in its cache before it calls the source model, and the waveform after it. So an error leaves the new
# parameters beside the old waveform, and the next call with the same parameters finds both and returns that waveform, as if it were theirs.
#
# Why it matters: a program that catches the error and tries once more (another sampler's retry, a plot of the row that failed, a check of a
# likelihood at a point) gets a finite likelihood of another binary, without a word.
#
# Seen (bilby 2.8.2, Python 3.11), amplitude 1 in the range of the source model, amplitude 3 outside of it:
#   amplitude 1: waveform 1
#   amplitude 3, first call: ValueError
#   amplitude 3, second call: waveform 1
#   log likelihood ratio at amplitude 3, second call: that of amplitude 1
#
# Exits with 1 when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" install --quiet "bilby==2.8.2"
"$folder/v/bin/python" - <<'PYTHON'
import sys

import bilby
import numpy as np

bilby.core.utils.logger.setLevel("ERROR")
print("bilby", bilby.__version__)


def within_its_range(frequency_array, amplitude):
    if amplitude > 2:
        raise ValueError("outside the range of this model")
    wave = np.full(len(frequency_array), 1e-23 * amplitude, dtype=complex)
    return {"plus": wave, "cross": 0 * wave}


def make():
    generator = bilby.gw.WaveformGenerator(
        duration=1, sampling_frequency=256, frequency_domain_source_model=within_its_range
    )
    detectors = bilby.gw.detector.InterferometerList(["H1"])
    detectors.set_strain_data_from_zero_noise(256, 1, start_time=0)
    return generator, bilby.gw.GravitationalWaveTransient(detectors, generator)


def attempt(function, *arguments):
    try:
        return function(*arguments)
    except ValueError as error:
        return type(error).__name__


generator, _ = make()
print(f"amplitude 1: waveform {generator.frequency_domain_strain({'amplitude': 1.0})['plus'][50].real / 1e-23:.0f}")
first = attempt(generator.frequency_domain_strain, {"amplitude": 3.0})
print(f"amplitude 3, first call: {first}")
second = attempt(generator.frequency_domain_strain, {"amplitude": 3.0})
again = second if isinstance(second, str) else f"waveform {second['plus'][50].real / 1e-23:.0f}"
print(f"amplitude 3, second call: {again}")

_, likelihood = make()
place = {"ra": 1.0, "dec": 0.5, "psi": 0.3, "geocent_time": 0.5}
good = likelihood.log_likelihood_ratio({"amplitude": 1.0, **place})
attempt(likelihood.log_likelihood_ratio, {"amplitude": 3.0, **place})
bad = attempt(likelihood.log_likelihood_ratio, {"amplitude": 3.0, **place})
same = bad == good
print(f"log likelihood ratio at amplitude 3, second call: {'that of amplitude 1' if same else bad}")
sys.exit(not (first == "ValueError" and again == "waveform 1" and same))
PYTHON
