"""Measure how the costs of the search by templates, and of coarse waves, grow with the length of the data: 8 to 256 s.

    OMP_NUM_THREADS=1 python benchmarks/search_growth.py
    OMP_NUM_THREADS=1 python benchmarks/search_growth.py --half-width 0.1 --durations 32 128

It uses the cases ``8-s`` to ``256-s`` of ``neutron_star_cases.py``, each in a separate process. It prints CPU seconds of the
search, of the climbs of its hills and of building coarse waves, megabytes above those of Bilby's objects, the difference of the
statistic at the best row and at the true values, the fraction of waves of the prior that match no template to 0.7, and
exponents of power laws.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
from bilby.core.utils import logger
from neutron_star_cases import CASES, DURATIONS, TRIGGER, case_of
from neutron_stars_growth import exponent

from bilby_flowpe.names import DISTANCE, INCLINATION, PHASE, PLACE, TIME
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.proposals.binary_chart import BinaryChart
from bilby_flowpe.sampling.start import Searched, start_of
from bilby_flowpe.waves.coarse.build import coarse_waves
from bilby_flowpe.waves.coarse.search import find_reference

SEED = 20261130
PARTS = ("search", "hills", "build")


def megabytes() -> float:
    """Largest memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(duration: int, half_width: float) -> dict[str, float]:
    """Make one search, and return its figures."""
    logger.setLevel("ERROR")
    likelihood, priors, truth = case_of(replace(CASES[f"{duration}-s"], half_width=half_width), "full")
    transform, window = PriorTransform(priors), (TRIGGER - 0.1, TRIGGER + 0.1)
    shaping = tuple(
        key for key in transform.keys if key not in (TIME, *PLACE, DISTANCE, PHASE, INCLINATION)
    )  # what waves have by their own
    before, times = megabytes(), [time.process_time()]
    found = find_reference(likelihood, transform, (2,), window, np.random.default_rng(SEED))
    times.append(time.process_time())
    searched = megabytes()
    start_of(
        Searched(found.columns, found.log_ratios, found.seen, found.bank), BinaryChart(transform, shaping), transform
    )
    times.append(time.process_time())
    coarse_waves(likelihood, transform, (2,), found.reference, window, others=found.others)
    times.append(time.process_time())
    bank = found.bank
    assert bank is not None
    at_truth = bank.ratios({key: np.array([truth[key]]) for key in transform.keys})[0]
    return {
        **dict(zip(PARTS, np.diff(times).tolist(), strict=True)),
        "MB search": searched - before,
        "MB all": megabytes() - before,
        "rows": found.evaluations,
        "above truth": found.log_ratio - float(at_truth),
        "unmatched": bank.matched.share_below(0.7),
    }


def main() -> None:
    """Measure every length, print all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--durations", type=int, nargs="+", choices=DURATIONS, default=DURATIONS)
    parser.add_argument("--half-width", type=float, default=0.01)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measure(given.one, given.half_width)))
        return
    measured = []
    for seconds in given.durations:
        line = [sys.executable, __file__, "--one", str(seconds), "--half-width", str(given.half_width)]
        done = subprocess.run(line, capture_output=True, text=True, check=True)
        measured.append(json.loads(done.stdout.splitlines()[-1]))
        if len(measured) == 1:
            print(f"{'s':>5}" + "".join(f"{name:>13}" for name in measured[0]))
        print(f"{seconds:>5}" + "".join(f"{value:>13.4g}" for value in measured[-1].values()), flush=True)
    for names in (("search", "hills"), PARTS, ("MB all",)):
        sums = [sum(one[name] for name in names) for one in measured]
        print(f"as a power of the length: {' and '.join(names)} {exponent(list(given.durations), sums):.2f}")


if __name__ == "__main__":
    main()
