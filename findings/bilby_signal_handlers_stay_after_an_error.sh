#!/usr/bin/env bash
# Bilby 2.8.2: where a run of a sampler ends by an exception, its handlers of signals stay, and the sampler with them.
#
# One would guess: `run_sampler` puts the handlers of SIGTERM, SIGINT and SIGALRM back when it ends, in whichever way. It does after a run that went
# well; after one that raised (a likelihood that fails, a wrong argument found late) the bound method of the dead sampler stays the handler: a script that
# catches the exception and goes on is ended by a later SIGTERM through code that writes a checkpoint of the failed run and exits with that
# run's code. The likelihood with its data is kept alive, too.
#
# Seen (bilby 2.8.2, dynesty 3.1.0, Python 3.11):
#   a run that went well: handler of SIGTERM as before True
#   a run that raised: handler of SIGTERM as before False (write_current_state_and_exit of Dynesty)
#
# Exits with 1 when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"

"$folder/v/bin/pip" install --quiet "bilby==2.8.2" "dynesty==3.1.0"
"$folder/v/bin/python" - "$folder" <<'PYTHON'
import signal
import sys

import bilby
from bilby.core.likelihood import Likelihood
from bilby.core.prior import PriorDict, Uniform

bilby.core.utils.logger.setLevel("CRITICAL")


class Normal(Likelihood):
    calls, most = 0, None

    def log_likelihood(self, parameters=None):
        type(self).calls += 1
        if self.most is not None and self.calls > self.most:
            raise RuntimeError("no value")
        return -50 * ((parameters or self.parameters)["x"] - 0.5) ** 2


class Failing(Normal):
    most = 200


print("bilby", bilby.__version__)
before, kept = signal.getsignal(signal.SIGTERM), []
for name, likelihood in (("went well", Normal()), ("raised", Failing())):
    try:
        bilby.run_sampler(
            likelihood, PriorDict({"x": Uniform(0, 1)}), sampler="dynesty", nlive=50, dlogz=1.0, outdir=sys.argv[1], label=likelihood.__class__.__name__,
            resume=False, clean=True, check_point_plot=False, print_method="interval-600",
        )
    except RuntimeError:
        pass
    now = signal.getsignal(signal.SIGTERM)
    kept.append(now == before)
    whose = "" if now == before else f" ({now.__name__} of {type(now.__self__).__name__})"
    print(f"a run that {name}: handler of SIGTERM as before {now == before}{whose}")
sys.exit(kept != [True, False])
PYTHON
