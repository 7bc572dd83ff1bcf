"""Signals of compact binaries in detector strain: Bilby's ``GravitationalWaveTransient``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from bilby.core.utils import get_function_path
from bilby.gw.likelihood import GravitationalWaveTransient

from ..contract import Contract
from ..contract.geometry import GEOMETRY, describe_geometry
from ..contract.matching import PSD
from ..contract.restore import describe_priors, plain
from ..names import PLACE, TIME
from ..noise_scale import NoiseScale
from ..problem import Problem, SimulationConfig
from ..problem.base import Wanted
from ..problem.config import FIXED
from ..processes.parallel import Engine, Row
from ..simulation.detector_view import DetectorView
from ..simulation.injections import inject_signal
from ..waves.detectors import Detector, sidereal_time
from ..waves.grid import Grid
from ..waves.noise_scale import noise_scales
from ..waves.residual import farthest_off, residual_of
from .recognise import has_own_frequencies

if TYPE_CHECKING:
    from ..simulation.amortised import AmortisedBank
    from ..simulation.signal_bank import SignalBank


class GravitationalWave(Problem):
    """A problem with a likelihood of a transient in interferometers, with or without approximations."""

    likelihood: GravitationalWaveTransient
    kind = "gravitational wave"
    has_noise_curves = True

    def describe(self) -> Contract:
        """Describe priors, detectors, noise PSDs and waveform, with times counted from the start of the segment."""
        likelihood, fixed = self.likelihood, self.prior.fixed
        start = float(likelihood.interferometers.start_time)
        generator = likelihood.waveform_generator
        source = generator.frequency_domain_source_model or generator.time_domain_source_model
        fixed_sky = all(key in fixed for key in PLACE)
        facts: dict[str, Any] = {
            "kind": self.kind,
            **describe_priors(self.prior, start, without=PLACE if fixed_sky else ()),
            "duration": float(likelihood.interferometers.duration),
            "sampling_frequency": float(likelihood.interferometers.sampling_frequency),
            "detectors": {
                ifo.name: {
                    "minimum_frequency": float(ifo.minimum_frequency),
                    "maximum_frequency": float(ifo.maximum_frequency),
                }
                for ifo in likelihood.interferometers
            },
            "waveform": {
                "generator": type(generator).__name__,
                "source_model": get_function_path(source),
                "parameter_conversion": get_function_path(generator.parameter_conversion),
                "arguments": plain(generator.waveform_arguments),
            },
            "reference_frame": str(likelihood.reference_frame),
            "time_reference": str(likelihood.time_reference),
        }
        if not fixed_sky:
            facts[GEOMETRY] = describe_geometry(likelihood.interferometers)
            # Right ascension turns with the Earth.
            facts["sidereal_time"] = round(float(sidereal_time(np.array(start)) % (2 * np.pi)), 9)
        else:
            facts["antenna"] = self._antenna(start)
        arrays = {
            f"{PSD}{ifo.name}": np.asarray(ifo.power_spectral_density_array[ifo.frequency_mask])
            for ifo in likelihood.interferometers
        }
        return Contract(facts, arrays)

    def view(self, grid: Grid | None = None, psd: str = FIXED) -> DetectorView:
        """Return the whitened strain on the grid, with the PSDs if the network was trained for many of them."""
        if psd == FIXED:
            return DetectorView(self, grid)
        # Imported here, as in bank: a run without a network does not need torch.
        from ..simulation.amortised import AmortisedView

        return AmortisedView(self, grid, psd)

    def bank(
        self,
        config: SimulationConfig | None = None,
        npool: int | Engine = 1,
        seed: int | None = None,
        grid: Grid | None = None,
        progress: bool = True,
    ) -> SignalBank | AmortisedBank:
        """Return a source of signals from stored waveforms, under the likelihood's PSDs or under random ones."""
        from ..simulation.amortised import AmortisedBank
        from ..simulation.signal_bank import SignalBank

        config = config or SimulationConfig()
        if config.psd == FIXED:
            return SignalBank(self, config, npool, seed, grid, progress)
        # Data and PSDs have the same frequencies only over the whole segment.
        return AmortisedBank(SignalBank(self, replace(config, shorten=False), npool, seed, grid, progress))

    def inject(self, rng: np.random.Generator) -> tuple[Self, Row]:
        """Simulate a signal of the prior in Gaussian noise of the likelihood's PSDs."""
        likelihood, truth = inject_signal(self, rng)
        return self.with_likelihood(likelihood), truth

    def residual(self, log_likelihood_ratio: float) -> float | None:
        return residual_of(self.likelihood, log_likelihood_ratio)

    def noise_scales(self, row: Mapping[str, float]) -> dict[str, NoiseScale]:
        return noise_scales(self.likelihood, row)

    def farthest_off(self, row: Mapping[str, float]) -> str | None:
        return farthest_off(self.likelihood, row)

    def obstacle(self, wanted: Wanted) -> str | None:
        if wanted == "own frequencies" and not has_own_frequencies(self.likelihood):
            return (
                f"a {type(self.likelihood).__name__} evaluates the waveform on a reduced basis, in bands or in bins, and not "
                "at the frequencies of the data"
            )
        return None

    def _antenna(self, start: float) -> dict[str, list[float]]:
        """Return response and delay of each detector at the fixed sky position, in the middle of the prior of the time."""
        fixed = self.prior.fixed
        time = {**self.prior.from_median(), **fixed}.get(TIME, start)
        ra, dec, psi = (np.array([fixed[key]]) for key in PLACE)
        seen = {}
        for interferometer in self.likelihood.interferometers:
            detector = Detector.from_interferometer(interferometer)
            plus, cross = detector.antenna(ra, dec, psi, np.array([time]))
            delay = detector.delay(ra, dec, np.array([time]))
            # A GPS time in double precision does not determine more digits.
            seen[interferometer.name] = [round(float(value[0]), 6) for value in (plus, cross, delay)]
        return seen
