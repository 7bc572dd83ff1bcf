"""The search finds signals where and as heavy as they are, and none where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from gwpy.timeseries import TimeSeries

from bilby_flowpe.errors import DataError
from bilby_flowpe.trigger import CHIRP_MASSES, search, segment_length
from tests.strain import stationary, with_signal

RATE, START, SECONDS = 1024, 1126259446.0, 32
END = START + 17.3
SKY = {"ra": 1.4, "dec": -1.2, "psi": 2.6, "phase": 1.3, "theta_jn": 0.4, "geocent_time": END}
SPINS = {"a_1": 0.3, "a_2": 0.0, "tilt_1": 0.0, "tilt_2": 0.0, "phi_12": 0.0, "phi_jl": 0.0}


def strains(chirp_mass: float, ratio: float, distance: float) -> dict[str, TimeSeries]:
    mass_1 = chirp_mass * (1 + ratio) ** 0.2 / ratio**0.6
    signal = {"mass_1": mass_1, "mass_2": ratio * mass_1, "luminosity_distance": distance, **SKY, **SPINS}
    rng = np.random.default_rng(3)
    made = {}
    for name in ("H1", "L1"):
        values = with_signal(name, START, SECONDS, RATE, signal, rng)
        values[: 2 * RATE] = np.nan
        made[name] = TimeSeries(values, t0=START, sample_rate=RATE)
    return made


@pytest.mark.training
@pytest.mark.parametrize(
    ("chirp_mass", "ratio", "distance", "masses"), [(9.0, 0.6, 250.0, (7.5, 12.0)), (40.0, 0.5, 1200.0, (15.0, 150.0))]
)
def test_a_signal_is_found(chirp_mass: float, ratio: float, distance: float, masses: tuple[float, float]) -> None:
    found = search(strains(chirp_mass, ratio, distance), None, masses, maximum_frequency=512.0)
    # Light takes 21 ms to the centre of the Earth; spins and mass ratio, which the templates lack, move the end.
    assert found.time == pytest.approx(END, abs=0.05)
    assert found.low < chirp_mass < found.high
    assert found.chirp_mass == pytest.approx(chirp_mass, rel=0.2)
    assert found.network_snr > 10


def test_no_signal_is_none() -> None:
    rng = np.random.default_rng(5)
    noise = {name: TimeSeries(stationary(SECONDS, RATE, rng), t0=START, sample_rate=RATE) for name in ("H1", "L1")}
    with pytest.raises(DataError, match=r"no signal is found in H1, L1.*give its time and chirp mass"):
        search(noise, (START + 10, START + 12), (30.0, 60.0), maximum_frequency=512.0)
    with pytest.raises(DataError, match="no strain in common"):
        search(noise, (START + 40, START + 41), (30.0, 60.0), maximum_frequency=512.0)
    with pytest.raises(DataError, match="does not reach maximum_frequency=1024"):
        search(noise)


@pytest.mark.parametrize("chirp_mass", [CHIRP_MASSES[0], 7.9, 28.0])
def test_segments_hold_their_signals(chirp_mass: float) -> None:
    """Segments are as long as the time to coalescence by lalsimulation asks."""
    import lal
    import lalsimulation

    mass = chirp_mass * 2**0.2 * lal.MSUN_SI
    length = lalsimulation.SimInspiralChirpTimeBound(20.0, mass, mass, 0.0, 0.0)
    assert length + 1.5 < segment_length(chirp_mass) <= max(4.0, 2 * (length + 2.1))
