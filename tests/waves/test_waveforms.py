"""Tests of the guard around the waveform generator."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bilby_flowpe.errors import SimulationError
from bilby_flowpe.waves.waveforms import polarisations, waveform


class Generator:
    def __init__(self, answer: Any) -> None:
        self.answer, self.asked = answer, None

    def frequency_domain_strain(self, parameters: dict) -> Any:
        self.asked = parameters
        parameters["changed"] = 1.0
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize("call", [waveform, polarisations])
@pytest.mark.parametrize("error", [ZeroDivisionError("none"), KeyError("mass_1"), MemoryError()])
def test_what_raises_is_typed_and_has_the_row(call: Any, error: Exception) -> None:
    with pytest.raises(SimulationError, match=rf"{type(error).__name__} .*'a': 1\.5"):
        call(Generator(error), {"a": 1.5})


def test_what_is_not_finite() -> None:
    """Outside of a likelihood's band it may be anything: that is for the likelihood to say."""
    wave = {"plus": np.array([np.nan, 1j]), "cross": np.zeros(2)}
    row = {"a": 1.0}
    assert waveform(Generator(wave), row) is wave
    assert polarisations(Generator(wave), row) is None
    assert waveform(Generator(None), row) is polarisations(Generator(None), row) is None
    assert row == {"a": 1.0}
