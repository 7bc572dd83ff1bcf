"""Sample the injection of ``sky_maps.py`` with Bilby's dynesty, which takes ten minutes to an hour on one core.

    python benchmarks/sky_maps_dynesty.py --outdir outdir/sky_maps

The likelihood is Bilby's relative binning. Bilby integrates out distance and phase and draws them afterwards. The sky position
is sampled in the frame of H1 and L1, and the time at H1, which makes it much easier for dynesty. The priors are the same as in
``sky_maps.py``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import bilby
import numpy as np
from bilby.core.prior import Sine, Uniform
from sky_maps_cases import SEED, TRIGGER, TRUTH, detectors, generator, narrow_priors, priors


def main() -> None:
    """Run, or go on with a run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outdir", type=Path, default=Path("outdir/sky_maps"))
    parser.add_argument("--nlive", type=int, default=400)
    given = parser.parse_args()
    interferometers, ratio = detectors("HLV", TRUTH, SEED)
    prior = narrow_priors(priors())
    for key in ("ra", "dec", "geocent_time"):
        del prior[key]
    prior["zenith"] = Sine(name="zenith")
    prior["azimuth"] = Uniform(0, 2 * np.pi, boundary="periodic", name="azimuth")
    prior["H1_time"] = Uniform(TRIGGER - 0.1, TRIGGER + 0.1, name="H1_time")
    table = given.outdir / "distances.npz"
    given.outdir.mkdir(parents=True, exist_ok=True)
    waves = generator()
    waves = bilby.gw.WaveformGenerator(
        duration=waves.duration, sampling_frequency=waves.sampling_frequency, start_time=waves.start_time,
        frequency_domain_source_model=bilby.gw.source.lal_binary_black_hole_relative_binning,
        parameter_conversion=waves.parameter_conversion, waveform_arguments=dict(waves.waveform_arguments),
    )  # fmt: skip
    # The truth is the waves' reference: masses are within a few per cent of it.
    likelihood = bilby.gw.likelihood.RelativeBinningGravitationalWaveTransient(
        interferometers, waves, fiducial_parameters=dict(TRUTH), epsilon=0.1, priors=prior, distance_marginalization=True,
        phase_marginalization=True, distance_marginalization_lookup_table=str(table), reference_frame="H1L1",
        time_reference="H1",
    )  # fmt: skip
    print(f"signal-to-noise ratio {ratio:.1f}", flush=True)
    bilby.run_sampler(
        likelihood, prior, sampler="dynesty", nlive=given.nlive, sample="acceptance-walk", naccept=20, dlogz=0.2,
        outdir=str(given.outdir), label="dynesty", seed=1, npool=1, injection_parameters=TRUTH,
        conversion_function=bilby.gw.conversion.generate_all_bbh_parameters, check_point_delta_t=300,
    )  # fmt: skip


if __name__ == "__main__":
    main()
