"""Bands that are off are found, their neighbours joined, and none in noise of the curve."""

from __future__ import annotations

import numpy as np
from bilby.gw.likelihood import GravitationalWaveTransient

from bilby_flowpe.noise.lines import lines_of

from .shared import DURATION, RATE, SIGNAL, START, detectors, generator


def with_lines(*bands: tuple[float, float]) -> GravitationalWaveTransient:
    ifos = detectors()
    ifo = ifos[1]
    strain = ifo.frequency_domain_strain.copy()
    for low, high in bands:
        here = (ifo.frequency_array >= low) & (ifo.frequency_array < high)
        strain[here] *= 6
    ifo.set_strain_data_from_frequency_domain_strain(
        strain, sampling_frequency=RATE, duration=DURATION, start_time=START
    )
    return GravitationalWaveTransient(ifos, generator())


def test_lines_are_found_and_noise_has_none() -> None:
    assert lines_of(with_lines(), SIGNAL) == {}
    found = lines_of(with_lines((300, 304), (400, 412)), SIGNAL)
    assert list(found) == ["L1"]
    one, two = found["L1"]
    assert one[0] <= 300 < 304 <= one[1] + 1 < one[0] + 18
    assert two[0] <= 400 < 412 <= two[1] + 1 < two[0] + 26
    assert np.all(np.diff([edge for band in found["L1"] for edge in band]) > 0)
