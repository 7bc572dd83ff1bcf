#!/usr/bin/env bash
# bilby 2.8.2 (lalsuite 7.26.16, numpy 2.3.5, Python 3.11): a GravitationalWaveTransient with time_marginalization=True reads the
# prior of geocent_time one step (2 / sampling_frequency) late.
#
# _setup_time_marginalization sets _times = start_time + linspace(0, duration, N + 1)[1:], so that _times[0] is one step after
# the start; the array of inner products comes from an FFT whose element 0 is no delay at all, a signal at start_time. Element n is
# therefore the signal at start_time + n * step, and its prior is taken at start_time + (n + 1) * step.
#
# A good guess: with a uniform prior that is one step wide and centred on a time of the grid, the marginalised likelihood is the
# likelihood at that time. It is the likelihood at the time before. A prior that leaves out less than a step may so cut away a
# signal that it contains, or let in one that it excludes; a wide flat prior shows nothing of it.
#
# Seen (centre of the window in steps from the signal, ln L marginalised, ln L at the centre):
#   -1  marginalised  -971.01   at the time -4214.22
#    0  marginalised -4214.00   at the time  1715.26
#    1  marginalised  1715.26   at the time -4214.22
#    2  marginalised -4215.13   at the time  -970.16
#   the marginalised likelihood is largest for the window one step after the signal
#
# Exits with 0 if this is so, and with another code if it is not.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet bilby==2.8.2 lalsuite==7.26.16
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import logging

import bilby
import numpy as np
from bilby.core.prior import PriorDict, Uniform

logging.getLogger("bilby").setLevel("ERROR")
start, duration, sampling = 1126259460.0, 4.0, 512.0
step = 2 / sampling
signal = start + 512 * step  # a time of the grid


def burst(frequency_array, amplitude, **kwargs):
    """A pulse at no delay."""
    wave = amplitude * np.exp(-0.5 * ((frequency_array - 100) / 30) ** 2 + 0j)
    return {"plus": wave, "cross": 0 * wave}


truth = {"amplitude": 2e-23, "ra": 1.4, "dec": -1.2, "psi": 2.6, "geocent_time": signal}
bilby.core.utils.random.seed(1)
detectors = bilby.gw.detector.InterferometerList(["H1", "L1"])
detectors.set_strain_data_from_zero_noise(sampling_frequency=sampling, duration=duration, start_time=start)
generator = bilby.gw.WaveformGenerator(duration, sampling, start, frequency_domain_source_model=burst)
detectors.inject_signal(waveform_generator=generator, parameters=truth, raise_error=False)
plain = bilby.gw.GravitationalWaveTransient(detectors, generator)
marginal, at_time = {}, {}
for steps in range(-2, 4):
    centre = signal + steps * step
    priors = PriorDict({**truth, "geocent_time": Uniform(centre - step / 2, centre + step / 2)})
    likelihood = bilby.gw.GravitationalWaveTransient(
        detectors, generator, priors=priors, time_marginalization=True, jitter_time=False
    )
    marginal[steps] = likelihood.log_likelihood_ratio({**truth, "geocent_time": start})
    at_time[steps] = plain.log_likelihood_ratio({**truth, "geocent_time": centre})
    print(f"  {steps:3d}  marginalised {marginal[steps]:8.2f}   at the time {at_time[steps]:8.2f}")
assert max(at_time, key=at_time.get) == 0
assert max(marginal, key=marginal.get) == 1
# The antenna response is that of the start of the data: parts in a thousand.
assert all(abs(marginal[steps + 1] - at_time[steps]) < 0.02 * abs(at_time[0]) for steps in range(-2, 3))
print("the marginalised likelihood is largest for the window one step after the signal")
PYTHON
