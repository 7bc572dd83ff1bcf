"""Measure the cost of imports: processor seconds and peak memory of new processes, and modules loaded without a network.

python benchmarks/imports.py [--times 5]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile

HEAVY = ("torch", "zuko", "matplotlib.pyplot", "corner", "arviz", "arviz_stats", "astropy", "lal", "pandas", "h5py")

RUN = """
import bilby
class Normal(bilby.Likelihood):
    def log_likelihood(self, parameters):
        return -0.5 * sum((value / 0.2) ** 2 for value in parameters.values())
priors = bilby.core.prior.PriorDict({key: bilby.core.prior.Uniform(-1, 1, key) for key in "ab"})
bilby.run_sampler(
    Normal(), priors, sampler="flowpe", network="none", n_effective=500, sampling_seed=1, progress=False,
    check_point_plot=False)
"""

CODES = {
    "import bilby": "import bilby",
    "the plugin's class": "from bilby.core.sampler import get_sampler_class as get; get('flowpe')",
    "bilby_flowpe.run": "import bilby_flowpe.run",
    "a run of two normal parameters, network='none'": RUN,
    "import torch": "import torch",
    "import torch, zuko": "import torch, zuko",
}

TOLD = """
import resource, sys
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, *(name for name in {heavy} if name in sys.modules))
"""


def measured(code: str) -> tuple[float, float, list[str]]:
    """Processor seconds and MiB of a new process, its start included, and what is loaded at its end."""
    with tempfile.TemporaryDirectory() as folder:
        run = subprocess.run(
            [sys.executable, "-c", code + TOLD.format(heavy=HEAVY)],
            cwd=folder,
            env={**os.environ, "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"},
            capture_output=True,
            text=True,
            check=True,
        )
    seconds, memory, *loaded = run.stdout.splitlines()[-1].split()
    return float(seconds), float(memory), loaded


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--times", type=int, default=5, help="number of processes for each measurement")
    arguments = parser.parse_args()
    for name, code in CODES.items():
        found = [measured(code) for _ in range(arguments.times)]
        seconds = [one[0] for one in found]
        print(
            f"{name}: {statistics.median(seconds):.2f} s [{min(seconds):.2f}, {max(seconds):.2f}], "
            f"{statistics.median(one[1] for one in found):.0f} MiB; loaded: {', '.join(found[0][2]) or 'none'}"
        )


if __name__ == "__main__":
    main()
