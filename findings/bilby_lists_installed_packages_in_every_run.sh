#!/usr/bin/env bash
# Bilby 2.8.2: every call of `run_sampler` starts `pip list` in a process of its own, which takes longer than many a likelihood, and longer the more is installed.
#
# One would guess: the list of versions in a result's `meta_data` is read by `importlib.metadata`, or once a process. It comes from a child
# process each time. For hundreds of short runs in one process (p-p tests, alerts, hierarchical checks) that is most of the overhead; in a container
# without pip the list is empty without a word; and a process that must not fork (with threads of PyTorch or JAX) forks here.
#
# Seen (bilby 2.8.2, dynesty 3.1.0, Python 3.11): two runs of fifty live points:
#   pip list was started 2 times in 2 runs
#
# Exits with 1 when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"

"$folder/v/bin/pip" install --quiet "bilby==2.8.2" "dynesty==3.1.0"
"$folder/v/bin/python" - "$folder" <<'PYTHON'
import subprocess
import sys

import bilby
from bilby.core.likelihood import Likelihood
from bilby.core.prior import PriorDict, Uniform

bilby.core.utils.logger.setLevel("CRITICAL")
started, original = [], subprocess.Popen.__init__


def watched(self, args, *others, **named):
    started.append(list(args) if isinstance(args, (list, tuple)) else [args])
    original(self, args, *others, **named)


class Normal(Likelihood):
    def log_likelihood(self, parameters=None):
        return -50 * ((parameters or self.parameters)["x"] - 0.5) ** 2


print("bilby", bilby.__version__)
subprocess.Popen.__init__ = watched
for label in ("one", "two"):
    bilby.run_sampler(
        Normal(), PriorDict({"x": Uniform(0, 1)}), sampler="dynesty", nlive=50, dlogz=1.0, outdir=sys.argv[1], label=label,
        resume=False, clean=True, check_point_plot=False, print_method="interval-600",
    )
count = sum("pip" in words and "list" in words for words in started)
print(f"pip list was started {count} times in 2 runs")
sys.exit(count != 2)
PYTHON
