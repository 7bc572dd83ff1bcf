#!/usr/bin/env bash
# bilby_pipe 1.10.1, bilby 2.8.2: plot-corner = True ends in an error for every analysis with aligned spins, after the result was written.
#
# One would guess: bilby_pipe's corner plot works for each of its default priors. It draws chi_p, which Bilby's own conversion sets to
# zero for all samples if spins are aligned; Bilby's plot_corner passes the constant on, and matplotlib refuses limits that are not
# numbers. No picture is made, also not that of the extrinsic parameters, which would be next; bilby_pipe --local then ends with the
# exit status 1, although the result is complete.
#
# Seen (Python 3.11), samples of Bilby's default priors:
#   aligned: chi_p spread 0.00, exit status 1, pictures: none, ValueError: Axis limits cannot be NaN or Inf
#   precessing: chi_p spread 0.98, exit status 0, pictures: extrinsic intrinsic
#
# Exits with 1 when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" install --quiet "bilby==2.8.2" "bilby_pipe==1.10.1" "matplotlib==3.11.2" "corner==2.3.0" "numpy==2.3.5" "lalsuite==7.26.16"
cd "$folder"
export MPLBACKEND=Agg
changed=0
for spins in aligned precessing; do
    "$folder/v/bin/python" - "$spins" > spread.txt 2> /dev/null <<'PYTHON'
import sys

import bilby
import numpy as np
import pandas as pd
from bilby.gw.conversion import generate_all_bbh_parameters

bilby.core.utils.random.seed(1)
priors = bilby.gw.prior.BBHPriorDict(filename=f"{sys.argv[1]}_spins_bbh.prior")
priors["geocent_time"] = bilby.core.prior.Uniform(-0.1, 0.1)
drawn = pd.DataFrame(priors.sample(2000))
posterior = generate_all_bbh_parameters(drawn.copy())
result = bilby.gw.result.CBCResult(
    label=sys.argv[1], outdir=".", posterior=posterior, priors=priors, search_parameter_keys=list(drawn), meta_data={}
)
result.save_to_file(filename=f"{sys.argv[1]}_result.json")
print(f"{np.ptp(posterior['chi_p']):.2f}")
PYTHON
    status=0
    "$folder/v/bin/bilby_pipe_plot" --corner --result "${spins}_result.json" --outdir . > log.txt 2>&1 || status=$?
    pictures=$(find . -maxdepth 1 -name "${spins}_*_corner.png" | sed "s/.*${spins}_//; s/_corner.png//" | sort | xargs)
    error=$(grep "^ValueError" log.txt || true)
    line="$spins: chi_p spread $(tail -n 1 spread.txt), exit status $status, pictures: ${pictures:-none}${error:+, $error}"
    echo "$line"
    case "$line" in
        "aligned: chi_p spread 0.00, exit status 1, pictures: none, ValueError: Axis limits cannot be NaN or Inf") ;;
        "precessing: chi_p spread 0.98, exit status 0, pictures: extrinsic intrinsic") ;;
        *) changed=1 ;;
    esac
done
exit $changed
